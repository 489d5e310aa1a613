//! A sum of credits and the tier that it has earned so far: over a lifetime, or over one calendar year.

use std::ops::Range;

use super::Ladder;
use crate::calendar::Instant;
use crate::credit::SumWindow;
use crate::program::{Counted, OnRefund, Rank};
use crate::quantity::Quantity;

/// The amount counted up to an instant, and the tier earned by it. Under `keep` this is the highest tier reached at the
/// end of any instant.
pub(super) struct Sum<'c> {
    pub counted: Quantity,
    ladder: Ladder<'c>,
    pub earned: Option<Rank>,
    /// The last instant at which the tier changed, and the tier earned before that instant.
    turned_at: Instant,
    before: Option<Rank>,
    on_refund: OnRefund,
}

impl<'c> Sum<'c> {
    pub(super) fn new(milestone: &'c Counted) -> Self {
        let (mut ladder, counted) = (Ladder::new(milestone), Quantity::ZERO);
        let earned = ladder.reached(counted);
        Self { counted, earned, ladder, on_refund: milestone.on_refund, turned_at: Instant::FIRST, before: earned }
    }

    /// Adds an amount; returns whether the sum reaches another tier, in which case the caller has to [`Self::turn`].
    #[inline]
    pub(super) fn crosses_threshold(&mut self, amount: Quantity) -> bool {
        self.counted += amount;
        !self.ladder.holds(self.counted)
    }

    /// Changes to another tier at an instant.
    pub(super) fn turn(&mut self, at: Instant) {
        if self.turned_at != at {
            (self.turned_at, self.before) = (at, self.earned);
        }
        let reached = self.ladder.climb(self.counted);
        self.earned = match self.on_refund {
            OnRefund::Keep => self.before.max(reached),
            OnRefund::Revoke => reached,
        };
    }

    /// A window in which all credits are added here, as long as the sum reaches no other tier.
    #[inline]
    pub(super) fn sum_only(&self, during: Range<Instant>) -> SumWindow {
        SumWindow::new(during, self.ladder.room_above(self.counted))
    }
}
