//! Since the program's start: under `keep` a tier once achieved is never lost (seeds 000, 002, 004).

use super::{Count, Counting, Course, Known, Renewal, Steps, Total, by_instant, sum, window};
use crate::calendar::Day;
use crate::program::{Counted, OnRefund};
use crate::quantity::Quantity;
use crate::version::Version;

pub(super) fn course(version: &Version, counted: &Counted, known: &Known<'_>) -> Course {
    let mut steps = Steps::default();
    let mut total = Quantity::ZERO;
    let mut reached = counted.reached(total);
    let mut rank = reached;
    if let Some(first_at) = known.first_at {
        steps.push(first_at, rank);
    }
    for (at, group) in by_instant(&known.movements) {
        total += sum(group);
        reached = counted.still_or_reached(reached, total);
        rank = match counted.on_refund {
            OnRefund::Keep => rank.max(reached),
            OnRefund::Revoke => reached,
        };
        steps.push(at, rank);
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
