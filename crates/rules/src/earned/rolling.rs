//! The trailing window: credits age out at midnights (Smile's legacy period, seed 002; the field).

use super::trailing::{Trailing, days};
use super::{Count, Counting, Course, Known, Renewal, Requalify, Steps, Total, by_instant, window};
use crate::calendar::{Instant, Span};
use crate::program::{Counted, Rank};
use crate::version::Version;

pub(super) fn course(version: &Version, counted: &Counted, span: Span, known: &Known<'_>) -> Course {
    let program = &version.program;
    let mut trailing = Trailing::new(program, span, &known.movements);
    let mut steps = Steps::default();
    if let Some(first_at) = known.first_at {
        steps.push(first_at, counted.reached(trailing.sum()));
    }
    for (at, group) in by_instant(&known.movements) {
        age(&mut trailing, at, counted, &mut steps);
        for movement in group {
            trailing.come(program, movement);
        }
        steps.push(at, counted.reached(trailing.sum()));
    }
    age(&mut trailing, known.at, counted, &mut steps);
    let now = trailing.sum();
    let held = counted.reached(now);
    let requalify = requalify(&mut trailing, counted, held, &mut steps);
    let (from, until) = days(span, program.timezone.day(known.at));
    let count = Count {
        current: Total {
            window: window(version, from, Some(until.next())),
            counted: now,
            earns: held,
            counts: Counting::Days(from, until),
        },
        previous: None,
        requalify,
        renewal: Renewal::None,
    };
    Course { steps, count: Some(count) }
}

/// Passes the midnights up to an instant.
fn age(trailing: &mut Trailing, to: Instant, counted: &Counted, steps: &mut Steps) {
    while let Some(midnight) = trailing.next_midnight().filter(|midnight| *midnight <= to) {
        trailing.age(midnight);
        steps.push(midnight, counted.reached(trailing.sum()));
    }
}

/// Lets everything age out; what still counts when the tier held first ends is what counts towards keeping it.
fn requalify(trailing: &mut Trailing, counted: &Counted, held: Option<Rank>, steps: &mut Steps) -> Option<Requalify> {
    let mut found = None;
    while let Some(midnight) = trailing.next_midnight() {
        trailing.age(midnight);
        let rank = counted.reached(trailing.sum());
        steps.push(midnight, rank);
        if let Some(held) = held.filter(|held| found.is_none() && counted.is_earned(*held) && rank < Some(*held)) {
            found = Some(Requalify::new(counted.threshold(held), trailing.sum(), midnight));
        }
    }
    found
}
