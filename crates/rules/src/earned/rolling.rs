//! The trailing window: credits age out at midnights (Smile's legacy period, seed 002; the field).

use super::trailing::{InWindow, Trailing, days};
use super::{Count, Counting, Course, Known, Ladder, Renewal, Requalify, Steps, Total, by_instant, window};
use crate::calendar::{Instant, Span};
use crate::credit::Movement;
use crate::program::{Counted, Rank};
use crate::version::Version;

pub(super) fn course(version: &Version, counted: &Counted, span: Span, known: &Known<'_>) -> Course {
    let program = &version.program;
    let mut roll = Roll {
        trailing: Trailing::new(program, span, &known.movements),
        movements: &known.movements,
        window: InWindow::default(),
        ladder: Ladder::new(counted),
        steps: Steps::new(),
    };
    if let Some(first_at) = known.first_at {
        roll.look(first_at);
    }
    for (at, group) in by_instant(&known.movements) {
        roll.age(at);
        for movement in group {
            roll.trailing.come(&mut roll.window, program, movement);
        }
        roll.look(at);
    }
    roll.age(known.at);
    let now = roll.window.sum;
    let held = counted.reached(now);
    let requalify = requalify(&mut roll, counted, held);
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
    Course { steps: roll.steps, count: Some(count) }
}

/// The window, rolling forward in time.
struct Roll<'a> {
    trailing: Trailing,
    movements: &'a [Movement],
    window: InWindow,
    ladder: Ladder<'a>,
    steps: Steps,
}

impl Roll<'_> {
    #[inline]
    fn look(&mut self, at: Instant) -> Option<Rank> {
        let rank = self.ladder.reached(self.window.sum);
        self.steps.push(at, rank);
        rank
    }

    /// Passes the next midnight on which something ages out, if it comes by an instant.
    #[inline]
    fn pass(&mut self, to: Instant) -> Option<(Instant, Option<Rank>)> {
        let midnight = self.trailing.next_midnight(&self.window).filter(|midnight| *midnight <= to)?;
        self.trailing.age(&mut self.window, midnight, self.movements);
        Some((midnight, self.look(midnight)))
    }

    /// Passes the midnights up to an instant.
    fn age(&mut self, to: Instant) {
        while self.pass(to).is_some() {}
    }
}

/// Lets everything age out; what still counts when the tier held first ends is what counts towards keeping it.
fn requalify(roll: &mut Roll<'_>, counted: &Counted, held: Option<Rank>) -> Option<Requalify> {
    let ends = held.filter(|held| counted.is_earned(*held));
    let mut found = None;
    while let Some((midnight, rank)) = roll.pass(Instant::LAST) {
        if let Some(held) = ends.filter(|held| found.is_none() && rank < Some(*held)) {
            found = Some(Requalify::new(counted.threshold(held), roll.window.sum, midnight));
        }
    }
    found
}
