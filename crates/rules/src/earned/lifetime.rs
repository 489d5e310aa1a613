//! Since the program's start: under `keep` a tier once achieved is never lost (seeds 000, 002, 004).

use super::{Count, Counting, Course, Known, Ladder, Renewal, Steps, Total, window};
use crate::calendar::Day;
use crate::credit::Movement;
use crate::program::{Counted, OnRefund};
use crate::quantity::Quantity;
use crate::version::Version;

pub(super) fn course(version: &Version, counted: &Counted, known: &Known<'_>) -> Course {
    let mut steps = Steps::new();
    let mut ladder = Ladder::new(counted);
    let mut total = Quantity::ZERO;
    let mut rank = ladder.reached(total);
    if let Some(first_at) = known.first_at {
        steps.push(first_at, rank);
    }
    let mut movements = known.movements.as_slice();
    while let Some((Movement { at, amount, .. }, later)) = movements.split_first() {
        movements = later;
        total += *amount;
        // What counts is the sum at the end of an instant.
        if ladder.holds(total) || later.first().is_some_and(|next| next.at == *at) {
            continue;
        }
        let reached = ladder.reached(total);
        rank = match counted.on_refund {
            OnRefund::Keep => rank.max(reached),
            OnRefund::Revoke => reached,
        };
        steps.push(*at, rank);
    }
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
