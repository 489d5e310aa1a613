//! The threshold that a standing met, and the one that it missed.

use super::{Met, Missed};
use crate::program::{Milestone, OnRefund, Period};
use crate::quantity::Quantity;
use crate::standing::Assessment;
use crate::version::Version;

pub(super) fn met(version: &Version, now: &Assessment) -> Option<Met> {
    let tier = version.program.tier_id(now.earned)?.clone();
    let Milestone::Counted(counted) = &version.program.milestone else {
        return Some(Met { tier, threshold: None, kept: false });
    };
    let rank = now.earned?;
    let best = now.count.as_ref().map(|count| {
        let previous = count.previous.map_or(Quantity::ZERO, |previous| previous.counted);
        count.current.counted.max(previous)
    });
    let kept = matches!(counted.period, Period::Lifetime | Period::CalendarYear)
        && counted.on_refund == OnRefund::Keep
        && best.is_some_and(|best| best.max(Quantity::ZERO) < counted.threshold(rank));
    Some(Met { tier, threshold: Some(counted.threshold(rank)), kept })
}

pub(super) fn missed(version: &Version, now: &Assessment) -> Option<Missed> {
    let Milestone::Counted(counted) = &version.program.milestone else { return None };
    let so_far = now.count.as_ref()?.current.counted;
    let (rank, tier) = version.program.tiers().find(|(rank, _)| Some(*rank) > now.earned)?;
    let threshold = counted.threshold(rank);
    Some(Missed { tier: tier.id.clone(), threshold, by: threshold.remaining_from(so_far) })
}
