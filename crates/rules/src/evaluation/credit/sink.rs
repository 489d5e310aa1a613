//! Receivers of movements, and the times when they need only a sum.

use std::ops::Range;

use super::Movement;
use crate::calendar::Instant;
use crate::quantity::Quantity;

/// Receives movements, in order.
pub(crate) trait MovementSink {
    fn accept(&mut self, movement: Movement);

    /// The window in which credits would only be added up, if any; they may be passed on as a sum.
    #[inline]
    fn sum_only(&self) -> Option<SumWindow> {
        None
    }

    /// Accepts the sum of the credits in such a window.
    #[inline]
    fn add(&mut self, _sum: Quantity) {}
}

impl MovementSink for Vec<Movement> {
    #[inline]
    fn accept(&mut self, movement: Movement) {
        self.push(movement);
    }
}

/// A stretch of time in which credits are only added up as long as their sum stays below the next threshold. Nearly all
/// of them do.
#[derive(Debug)]
pub(crate) struct SumWindow {
    during: Range<Instant>,
    /// The exclusive limit of the sum, in ten-thousandths.
    room: i64,
    /// The rest of `room`.
    left: i64,
}

impl SumWindow {
    /// A window during a stretch of time, as long as the sum stays below `room`.
    #[inline]
    pub(crate) fn new(during: Range<Instant>, room: Quantity) -> Self {
        let room = room.capped();
        Self { during, room, left: room }
    }

    /// The part of the window within another stretch of time.
    #[inline]
    pub(super) fn within(mut self, during: Range<Instant>) -> Self {
        self.during = self.during.start.max(during.start)..self.during.end.min(during.end);
        self
    }

    /// Adds a credit of 0 or more, in ten-thousandths, unless it might change more than the sum.
    #[inline]
    pub(super) fn try_add(&mut self, at: Instant, worth: i64) -> bool {
        let fits = self.during.contains(&at) && worth < self.left;
        if fits {
            self.left -= worth;
        }
        fits
    }

    /// The sum of the credits added.
    #[inline]
    pub(super) fn sum(&self) -> Quantity {
        Quantity::from_ten_thousandths(self.room - self.left)
    }
}
