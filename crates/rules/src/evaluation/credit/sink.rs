//! What takes in movements, and when it need not look at each of them.

use std::ops::Range;

use super::Movement;
use crate::calendar::Instant;
use crate::quantity::Quantity;

/// Takes in movements, in order.
pub(crate) trait MovementSink {
    fn accept(&mut self, movement: Movement);

    /// Which credits would only be added up now, if any; they may be handed over as a sum.
    #[inline]
    fn sum_only(&self) -> Option<SumWindow> {
        None
    }

    /// Accepts the sum of what came in such a window.
    #[inline]
    fn add(&mut self, _sum: Quantity) {}
}

impl MovementSink for Vec<Movement> {
    #[inline]
    fn accept(&mut self, movement: Movement) {
        self.push(movement);
    }
}

/// A stretch of time in which credits are only added up as long as they stay below the next threshold: nearly all do.
#[derive(Debug)]
pub(crate) struct SumWindow {
    during: Range<Instant>,
    /// What is added stays below it, in ten-thousandths.
    room: i64,
    /// What is left of the room.
    left: i64,
}

impl SumWindow {
    /// As long as it is the time, and what is added stays below the room.
    #[inline]
    pub(crate) fn new(during: Range<Instant>, room: Quantity) -> Self {
        let room = room.capped();
        Self { during, room, left: room }
    }

    /// The part of it within another time.
    #[inline]
    pub(super) fn within(mut self, during: Range<Instant>) -> Self {
        self.during = self.during.start.max(during.start)..self.during.end.min(during.end);
        self
    }

    /// Adds a credit of so many ten-thousandths, 0 or more, unless it might change more than the sum.
    #[inline]
    pub(super) fn try_add(&mut self, at: Instant, worth: i64) -> bool {
        let fits = self.during.contains(&at) && worth < self.left;
        if fits {
            self.left -= worth;
        }
        fits
    }

    /// What has been added.
    #[inline]
    pub(super) fn sum(&self) -> Quantity {
        Quantity::from_ten_thousandths(self.room - self.left)
    }
}
