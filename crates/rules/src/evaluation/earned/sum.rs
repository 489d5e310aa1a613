//! A sum of credits and the tier it has earned so far: that of a lifetime, or of one calendar year.

use std::ops::Range;

use super::Ladder;
use crate::calendar::Instant;
use crate::credit::SumWindow;
use crate::program::{Counted, OnRefund, Rank};
use crate::quantity::Quantity;

/// What has been counted up to an instant, and the tier earned by it: under `keep` the highest that it ever reached at
/// the end of an instant.
pub(super) struct Sum<'c> {
    pub counted: Quantity,
    ladder: Ladder<'c>,
    pub earned: Option<Rank>,
    /// When it last came to another tier, and what was earned before that instant.
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

    /// Takes in what comes or goes; says whether the sum comes to another tier by it, so that it has to [`Self::turn`].
    #[inline]
    pub(super) fn crosses_threshold(&mut self, amount: Quantity) -> bool {
        self.counted += amount;
        !self.ladder.holds(self.counted)
    }

    /// Comes to another tier at an instant.
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

    /// As long as what is added comes to no other tier, in a time in which all is added here.
    #[inline]
    pub(super) fn sum_only(&self, during: Range<Instant>) -> SumWindow {
        SumWindow::new(during, self.ladder.room_above(self.counted))
    }
}
