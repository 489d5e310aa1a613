//! The lifetime period, since the program's start: under `keep`, an achieved tier is never lost (seeds 000, 002, 004).

use super::sum::Sum;
use super::{Count, Counting, Course, Known, Renewal, Steps, Total, window};
use crate::calendar::{Day, Instant};
use crate::credit::{Credits, Movement, MovementSink, SumWindow};
use crate::program::Counted;
use crate::quantity::Quantity;
use crate::version::Version;

pub(super) fn course(version: &Version, counted: &Counted, known: &Known<'_, impl Credits>) -> Course {
    let mut so_far = SoFar { sum: Sum::new(counted), steps: Steps::new() };
    if let Some(first_at) = known.first_at {
        so_far.steps.push(first_at, so_far.sum.earned);
    }
    known.each_movement(version, counted, &mut so_far);
    let SoFar { sum: Sum { counted, earned, .. }, steps } = so_far;
    let window = window(version, version.effective_start, None);
    let counts = Counting::Days(version.effective_start, Day::LAST);
    let count = Count {
        current: Total { window, counted, earns: earned, counts },
        previous: None,
        requalify: None,
        grace_until: None,
        renewal: Renewal::None,
    };
    Course { steps, count: Some(count) }
}

/// The sum and steps up to an instant.
struct SoFar<'c> {
    sum: Sum<'c>,
    steps: Steps,
}

impl SoFar<'_> {
    #[inline(never)] // out of the loop over movements
    fn turn(&mut self, at: Instant) {
        self.sum.turn(at);
        self.steps.push(at, self.sum.earned);
    }
}

impl MovementSink for SoFar<'_> {
    #[inline]
    fn accept(&mut self, Movement { at, amount, .. }: Movement) {
        if self.sum.crosses_threshold(amount) {
            self.turn(at);
        }
    }

    #[inline]
    fn sum_only(&self) -> Option<SumWindow> {
        Some(self.sum.sum_only(Instant::FIRST..Instant::LAST))
    }

    #[inline]
    fn add(&mut self, sum: Quantity) {
        self.sum.counted += sum;
    }
}
