//! Since the program's start: under `keep` a tier once achieved is never lost (seeds 000, 002, 004).

use super::{Count, Counting, Course, Known, Ladder, Renewal, Steps, Total, window};
use crate::calendar::{Day, Instant};
use crate::credit::{Credits, Movement, Quiet, Taker};
use crate::program::{Counted, OnRefund, Rank};
use crate::quantity::Quantity;
use crate::version::Version;

pub(super) fn course(version: &Version, counted: &Counted, known: &Known<'_, impl Credits>) -> Course {
    let mut so_far = SoFar::new(counted);
    if let Some(first_at) = known.first_at {
        so_far.steps.push(first_at, so_far.rank);
    }
    known.each_movement(version, counted, &mut so_far);
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
    /// The rank before the instant: what counts is the sum at its end.
    before: Option<Rank>,
    steps: Steps,
    on_refund: OnRefund,
}

impl<'c> SoFar<'c> {
    fn new(counted: &'c Counted) -> Self {
        let (mut ladder, total) = (Ladder::new(counted), Quantity::ZERO);
        let rank = ladder.reached(total);
        let (at, steps) = (Instant::FIRST, Steps::new());
        Self { at, total, ladder, rank, before: rank, steps, on_refund: counted.on_refund }
    }

    #[inline(never)] // out of the loop over movements
    fn turn(&mut self) {
        let reached = self.ladder.climb(self.total);
        self.rank = match self.on_refund {
            OnRefund::Keep => self.before.max(reached),
            OnRefund::Revoke => reached,
        };
        self.steps.push(self.at, self.rank);
    }
}

impl Taker for SoFar<'_> {
    #[inline]
    fn take(&mut self, Movement { at, amount, .. }: Movement) {
        self.add(amount, at);
        if !self.ladder.holds(self.total) {
            self.turn();
        }
    }

    #[inline]
    fn quiet(&self) -> Option<Quiet> {
        Some(Quiet::new(Instant::FIRST..Instant::LAST, self.ladder.room_above(self.total)))
    }

    #[inline]
    fn add(&mut self, sum: Quantity, last_at: Instant) {
        self.total += sum;
        if self.at != last_at {
            (self.at, self.before) = (last_at, self.rank);
        }
    }
}
