//! Since the program's start: under `keep` a tier once achieved is never lost (seeds 000, 002, 004).

use super::{Count, Counting, Course, Known, Ladder, Renewal, Steps, Total, window};
use crate::calendar::{Day, Instant};
use crate::credit::{Credits, Movement};
use crate::program::{Counted, OnRefund, Rank};
use crate::quantity::Quantity;
use crate::version::Version;

pub(super) fn course(version: &Version, counted: &Counted, known: &Known<'_, impl Credits>) -> Course {
    let mut so_far = SoFar::new(counted);
    if let Some(first_at) = known.first_at {
        so_far.steps.push(first_at, so_far.rank);
    }
    known.each_movement(version, counted, |Movement { at, amount, .. }| {
        // What counts is the sum at the end of an instant.
        if at != so_far.at {
            so_far.settle();
        }
        so_far.total += amount;
        so_far.at = at;
    });
    so_far.settle();
    let SoFar { total, rank, steps, .. } = so_far;
    let window = window(version, version.effective_start, None);
    let counts = Counting::Days(version.effective_start, Day::LAST);
    let count = Count {
        current: Total { window, counted: total, earns: rank, counts },
        previous: None,
        requalify: None,
        renewal: Renewal::None,
    };
    Course { steps, count: Some(count) }
}

/// What has been counted up to an instant, and what it has earned.
struct SoFar<'c> {
    at: Instant,
    total: Quantity,
    ladder: Ladder<'c>,
    rank: Option<Rank>,
    steps: Steps,
    on_refund: OnRefund,
}

impl<'c> SoFar<'c> {
    fn new(counted: &'c Counted) -> Self {
        let (mut ladder, total) = (Ladder::new(counted), Quantity::ZERO);
        let rank = ladder.reached(total);
        Self { at: Instant::LAST, total, ladder, rank, steps: Steps::new(), on_refund: counted.on_refund }
    }

    #[inline]
    fn settle(&mut self) {
        if !self.ladder.holds(self.total) {
            self.turn();
        }
    }

    #[inline(never)] // out of the loop over movements
    fn turn(&mut self) {
        let reached = self.ladder.reached(self.total);
        self.rank = match self.on_refund {
            OnRefund::Keep => self.rank.max(reached),
            OnRefund::Revoke => reached,
        };
        self.steps.push(self.at, self.rank);
    }
}
