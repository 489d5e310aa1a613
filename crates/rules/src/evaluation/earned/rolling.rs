//! The trailing window: credits age out at midnights (Smile's legacy period, seed 002; the field).

use super::trailing::{InWindow, Trailing, days};
use super::{Count, Counting, Course, Known, Ladder, Renewal, Requalify, Steps, Total, window};
use crate::calendar::{Instant, Span};
use crate::credit::{Credits, Movement};
use crate::program::{Counted, Rank};
use crate::version::Version;

pub(super) fn course(version: &Version, counted: &Counted, span: Span, known: &Known<'_, impl Credits>) -> Course {
    let all = known.movements(version, counted);
    let program = &version.program;
    let mut roll = Roll {
        trailing: Trailing::new(program, span, &all),
        movements: &all,
        window: InWindow::default(),
        ladder: Ladder::new(counted),
        steps: Steps::new(),
    };
    if let Some(first_at) = known.first_at {
        roll.note(first_at);
    }
    let mut movements = all.as_slice();
    while let Some((movement, later)) = movements.split_first() {
        movements = later;
        roll.pass_midnights(movement.at);
        roll.trailing.come(&mut roll.window, program, movement);
        // The tier follows from the sum at the end of an instant.
        if later.first().is_none_or(|next| next.at != movement.at) {
            roll.note(movement.at);
        }
    }
    roll.pass_midnights(known.at);
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
    fn note(&mut self, at: Instant) {
        if !self.ladder.holds(self.window.sum) {
            self.steps.push(at, self.ladder.reached(self.window.sum));
        }
    }

    /// Passes the next midnight at which a credit ages out, if it comes by an instant.
    #[inline]
    fn pass(&mut self, to: Instant) -> Option<Instant> {
        let midnight = self.trailing.pass(&mut self.window, to, self.movements)?;
        self.note(midnight);
        Some(midnight)
    }

    #[inline]
    fn pass_midnights(&mut self, to: Instant) {
        while self.pass(to).is_some() {}
    }
}

/// Lets all credits age out. The sum that is left when the held tier first ends is the amount that counts towards keeping it.
fn requalify(roll: &mut Roll<'_>, counted: &Counted, held: Option<Rank>) -> Option<Requalify> {
    let mut found = None;
    if let Some(held) = held.filter(|held| counted.is_earned(*held)) {
        let threshold = counted.threshold(held);
        while let Some(midnight) = roll.pass(Instant::LAST) {
            if roll.window.sum < threshold {
                found = Some(Requalify::new(counted, held, roll.window.sum, midnight));
                break;
            }
        }
    }
    roll.pass_midnights(Instant::LAST);
    found
}
