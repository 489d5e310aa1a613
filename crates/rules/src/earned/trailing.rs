//! The trailing window: credits come at their instant and go at the midnight on which they have aged out.

use std::iter::Peekable;
use std::vec::IntoIter;

use crate::calendar::{Clock, Day, Instant, Span};
use crate::credit::Movement;
use crate::program::Program;
use crate::quantity::Quantity;

/// The days that a trailing window spans on a day, `(day − span, day]`: the first and the last.
pub(super) fn days(span: Span, day: Day) -> (Day, Day) {
    (span.before(day).next(), day)
}

/// A trailing window moving forward in time.
pub(super) struct Trailing {
    leaving: Peekable<IntoIter<(Instant, Quantity)>>,
    span: Span,
    sum: Quantity,
}

impl Trailing {
    /// The window before the first movement, knowing when each of them will have aged out.
    pub(super) fn new(program: &Program, span: Span, movements: &[Movement]) -> Self {
        let mut leaving = Vec::with_capacity(movements.len());
        let mut clock = Clock::new(&program.timezone);
        let mut midnight = (Day::LAST, Instant::from_millis(i64::MAX));
        for movement in movements {
            if movement.dated != midnight.0 {
                midnight = (movement.dated, clock.midnight(span.ages_out(movement.dated)));
            }
            if midnight.1 > movement.at {
                leaving.push((midnight.1, movement.amount));
            }
        }
        if !leaving.is_sorted_by_key(|(at, _)| *at) {
            leaving.sort_by_key(|(at, _)| *at);
        }
        Self { leaving: leaving.into_iter().peekable(), span, sum: Quantity::ZERO }
    }

    /// The sum of what is in the window.
    pub(super) fn sum(&self) -> Quantity {
        self.sum
    }

    /// The next midnight on which something ages out.
    pub(super) fn next_midnight(&mut self) -> Option<Instant> {
        self.leaving.peek().map(|(at, _)| *at)
    }

    /// Lets everything age out that has by an instant.
    pub(super) fn age(&mut self, to: Instant) {
        while let Some((_, amount)) = self.leaving.next_if(|(at, _)| *at <= to) {
            self.sum = self.sum - amount;
        }
    }

    /// A movement comes in, unless its day lies before the window already: a late refund of an old order.
    pub(super) fn come(&mut self, program: &Program, movement: &Movement) {
        let ages_out = |movement: &Movement| program.timezone.midnight(self.span.ages_out(movement.dated));
        let aged = movement.kind.is_correction() && ages_out(movement) <= movement.at;
        if !aged {
            self.sum += movement.amount;
        }
    }
}
