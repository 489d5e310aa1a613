//! The trailing window: credits enter at their instant and leave at the midnight at which they age out.

use crate::calendar::{Clock, Day, Instant, Span};
use crate::credit::Movement;
use crate::program::Program;
use crate::quantity::Quantity;

/// The first and the last day of a trailing window on a day, `(day − span, day]`.
pub(super) fn days(span: Span, day: Day) -> (Day, Day) {
    (span.before(day).next(), day)
}

/// The midnights at which movements age out of a trailing window, in order, each with the movement's position.
pub(super) struct Trailing {
    leaving: Vec<(Instant, usize)>,
    span: Span,
}

/// The sum of a trailing window, moving forward in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct InWindow {
    /// The number of movements that have aged out.
    gone: usize,
    pub sum: Quantity,
}

impl Trailing {
    /// The window for the movements that enter it.
    pub(super) fn new(program: &Program, span: Span, movements: &[Movement]) -> Self {
        let mut leaving = Vec::with_capacity(movements.len());
        // Two clocks, because the days and the midnights are far apart.
        let (mut days, mut midnights) = (Clock::new(&program.timezone), Clock::new(&program.timezone));
        for (position, movement) in movements.iter().enumerate() {
            let midnight = midnights.midnight(span.ages_out(days.day(movement.dated)));
            if midnight > movement.at {
                leaving.push((midnight, position));
            }
        }
        // Only corrections can be out of order, because they have the day of the credit that they correct.
        if !leaving.is_sorted_by_key(|(at, _)| *at) {
            leaving.sort_by_key(|(at, _)| *at);
        }
        Self { leaving, span }
    }

    /// The next midnight at which a credit ages out.
    #[inline]
    pub(super) fn next_midnight(&self, window: &InWindow) -> Option<Instant> {
        self.leaving.get(window.gone).map(|(at, _)| *at)
    }

    /// Passes the next midnight at which a credit ages out, if it comes by an instant.
    #[inline]
    pub(super) fn pass(&self, window: &mut InWindow, to: Instant, movements: &[Movement]) -> Option<Instant> {
        let midnight = self.next_midnight(window).filter(|midnight| *midnight <= to)?;
        while let Some((_, position)) = self.leaving.get(window.gone).filter(|(at, _)| *at == midnight) {
            window.gone += 1;
            window.sum = window.sum - movements.get(*position).map_or(Quantity::ZERO, |movement| movement.amount);
        }
        Some(midnight)
    }

    /// Adds a movement, unless its day has already left the window: a late refund of an old order.
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
