//! The trailing window: credits come at their instant and go at the midnight on which they have aged out.

use crate::calendar::{Clock, Day, Instant, Span};
use crate::credit::Movement;
use crate::program::Program;
use crate::quantity::Quantity;

/// The days that a trailing window spans on a day, `(day − span, day]`: the first and the last.
pub(super) fn days(span: Span, day: Day) -> (Day, Day) {
    (span.before(day).next(), day)
}

/// When each movement will have aged out of a trailing window: the midnights in order, with the movement's position.
pub(super) struct Trailing {
    leaving: Vec<(Instant, usize)>,
    span: Span,
}

/// What a trailing window adds up to, moving forward in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct InWindow {
    /// How many have aged out.
    gone: usize,
    pub sum: Quantity,
}

impl Trailing {
    /// Of the movements that come; amendments do not.
    pub(super) fn new(
        program: &Program,
        span: Span,
        movements: &[Movement],
        comes: impl Fn(&Movement) -> bool,
    ) -> Self {
        let mut leaving = Vec::with_capacity(movements.len());
        // Two clocks, as the days and the midnights lie apart.
        let (mut days, mut midnights) = (Clock::new(&program.timezone), Clock::new(&program.timezone));
        for (position, movement) in movements.iter().enumerate().filter(|(_, movement)| comes(movement)) {
            let midnight = midnights.midnight(span.ages_out(days.day(movement.dated)));
            if midnight > movement.at {
                leaving.push((midnight, position));
            }
        }
        // Only corrections, dated the day of what they correct, can be out of order.
        if !leaving.is_sorted_by_key(|(at, _)| *at) {
            leaving.sort_by_key(|(at, _)| *at);
        }
        Self { leaving, span }
    }

    /// The next midnight on which something ages out.
    #[inline]
    pub(super) fn next_midnight(&self, window: &InWindow) -> Option<Instant> {
        self.leaving.get(window.gone).map(|(at, _)| *at)
    }

    /// Passes the next midnight on which something ages out, if it comes by an instant.
    #[inline]
    pub(super) fn pass(&self, window: &mut InWindow, to: Instant, movements: &[Movement]) -> Option<Instant> {
        let midnight = self.next_midnight(window).filter(|midnight| *midnight <= to)?;
        while let Some((_, position)) = self.leaving.get(window.gone).filter(|(at, _)| *at == midnight) {
            window.gone += 1;
            window.sum = window.sum - movements.get(*position).map_or(Quantity::ZERO, |movement| movement.amount);
        }
        Some(midnight)
    }

    /// A movement comes in, unless its day lies before the window already: a late refund of an old order.
    #[inline]
    pub(super) fn come(&self, window: &mut InWindow, program: &Program, movement: &Movement) {
        if !(movement.kind.is_correction() && self.has_aged(program, movement)) {
            window.sum += movement.amount;
        }
    }

    fn has_aged(&self, program: &Program, correction: &Movement) -> bool {
        let zone = &program.timezone;
        zone.midnight(self.span.ages_out(zone.day(correction.dated))) <= correction.at
    }
}
