//! What takes in movements, and when it need not look at each of them.

use std::ops::Range;

use super::Movement;
use crate::calendar::Instant;
use crate::quantity::Quantity;

/// Takes in movements, in order.
pub(crate) trait Taker {
    fn take(&mut self, movement: Movement);

    /// Which credits would only be added up now, if any; they may be handed over as a sum.
    #[inline]
    fn quiet(&self) -> Option<Quiet> {
        None
    }

    /// Takes in what came while it was quiet.
    #[inline]
    fn add(&mut self, _sum: Quantity) {}
}

impl Taker for Vec<Movement> {
    #[inline]
    fn take(&mut self, movement: Movement) {
        self.push(movement);
    }
}

/// A stretch of time in which credits are only added up as long as they stay below the next threshold: nearly all do.
#[derive(Debug)]
pub(crate) struct Quiet {
    during: Range<Instant>,
    /// What is added stays below it, in ten-thousandths.
    room: i64,
    /// What is left of the room.
    left: i64,
}

impl Quiet {
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
    pub(super) fn adds(&mut self, at: Instant, worth: i64) -> bool {
        let adds = self.during.contains(&at) && worth < self.left;
        if adds {
            self.left -= worth;
        }
        adds
    }

    /// What has been added.
    #[inline]
    pub(super) fn sum(&self) -> Quantity {
        Quantity::from_ten_thousandths(self.room - self.left)
    }
}
