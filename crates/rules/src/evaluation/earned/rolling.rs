//! The trailing window: credits age out at midnights (Smile's legacy period, seed 002; the field).

use super::trailing::{InWindow, Trailing, days};
use super::{Count, Counting, Course, Known, Ladder, Renewal, Requalify, Steps, Total, window};
use crate::calendar::{Instant, Span, Zone};
use crate::credit::{Credits, Movement};
use crate::program::{Counted, OnMiss, Rank};
use crate::version::Version;

pub(super) fn course(version: &Version, counted: &Counted, span: Span, known: &Known<'_, impl Credits>) -> Course {
    let all = known.movements(version, counted);
    let program = &version.program;
    let mut roll = Roll {
        trailing: Trailing::new(program, span, &all),
        movements: &all,
        window: InWindow::default(),
        ladder: Ladder::new(counted),
        counted,
        zone: &program.timezone,
        held: None,
        falls_at: None,
        steps: Steps::new(),
    };
    if let Some(first_at) = known.first_at {
        roll.note(first_at);
    }
    let mut movements = all.as_slice();
    while let Some((movement, later)) = movements.split_first() {
        movements = later;
        // A midnight at the very instant of a movement is looked at together with it.
        roll.pass_midnights(movement.at.plus_millis(-1));
        roll.age(movement.at);
        roll.trailing.come(&mut roll.window, program, movement);
        // The tier follows from the sum at the end of an instant.
        if later.first().is_none_or(|next| next.at != movement.at) {
            roll.note(movement.at);
        }
    }
    roll.pass_midnights(known.at);
    let now = roll.window.sum;
    let requalify = requalify(&mut roll, counted);
    let (from, until) = days(span, program.timezone.day(known.at));
    let count = Count {
        current: Total {
            window: window(version, from, Some(until.next())),
            counted: now,
            earns: counted.reached(now),
            counts: Counting::Days(from, until),
        },
        previous: None,
        requalify,
        grace_until: None,
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
    counted: &'a Counted,
    zone: &'a Zone,
    /// The tier held.
    held: Option<Rank>,
    /// The next midnight, if the tier falls by another step then.
    falls_at: Option<Instant>,
    steps: Steps,
}

impl Roll<'_> {
    /// Looks at the tier after the movements of an instant, or at a midnight.
    #[inline]
    fn note(&mut self, at: Instant) {
        if self.ladder.holds(self.window.sum) && self.ladder.rank == self.held {
            self.falls_at = None;
        } else {
            self.turn(at);
        }
    }

    #[inline(never)] // out of the loop over movements
    fn turn(&mut self, at: Instant) {
        let reached = self.ladder.reached(self.window.sum);
        let kept = reached.max(self.counted.retained(self.held, self.window.sum));
        (self.held, self.falls_at) = match self.counted.on_miss {
            OnMiss::OneStep if kept < self.held => {
                let day = self.zone.day(at);
                let is_midnight = self.zone.midnight(day) == at;
                let review = || self.counted.review(self.held, reached, self.window.sum);
                let held = if is_midnight { review() } else { self.held };
                (held, (kept < held).then(|| self.zone.midnight(day.next())))
            }
            OnMiss::OneStep | OnMiss::Recompute => (kept, None),
        };
        self.steps.push(at, self.held);
    }

    /// Lets the credits age out that do by an instant.
    #[inline]
    fn age(&mut self, to: Instant) {
        while self.trailing.pass(&mut self.window, to, self.movements).is_some() {}
    }

    /// Passes the next midnight at which a credit ages out or the tier falls by a step, if it comes by an instant.
    #[inline]
    fn pass(&mut self, to: Instant) -> Option<Instant> {
        let aging = self.trailing.next_midnight(&self.window);
        let midnight = match (aging, self.falls_at) {
            (Some(aging), Some(falls)) => aging.min(falls),
            (Some(at), None) | (None, Some(at)) => at,
            (None, None) => return None,
        };
        if midnight > to {
            return None;
        }
        self.age(midnight);
        self.note(midnight);
        Some(midnight)
    }

    #[inline]
    fn pass_midnights(&mut self, to: Instant) {
        while self.pass(to).is_some() {}
    }
}

/// Lets all credits age out. The sum that is left when the held tier first ends is the amount that counts towards keeping it.
fn requalify(roll: &mut Roll<'_>, counted: &Counted) -> Option<Requalify> {
    let mut found = None;
    if let Some(held) = roll.held.filter(|held| counted.is_earned(*held)) {
        while let Some(midnight) = roll.pass(Instant::LAST) {
            if roll.held < Some(held) {
                found = Some(Requalify::new(counted, held, roll.window.sum, midnight));
                break;
            }
        }
    }
    roll.pass_midnights(Instant::LAST);
    found
}
