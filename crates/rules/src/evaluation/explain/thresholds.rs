//! The threshold that a standing met, and the one that it missed.

use super::{HeldBy, Met, Missed};
use crate::earned::Count;
use crate::program::{Counted, Milestone, OnMiss, OnRefund, Period, Rank};
use crate::quantity::Quantity;
use crate::standing::Assessment;
use crate::version::Version;

pub(super) fn met(version: &Version, now: &Assessment) -> Option<Met> {
    let tier = version.program.tier_id(now.earned)?.clone();
    let Milestone::Counted(counted) = &version.program.milestone else {
        return Some(Met { tier, threshold: None, kept: false, held_by: None });
    };
    let rank = now.earned?;
    let count = now.count.as_ref();
    let best = count.map(|count| {
        let previous = count.previous.map_or(Quantity::ZERO, |previous| previous.counted);
        count.current.counted.max(previous)
    });
    let is_below = best.is_some_and(|best| best.max(Quantity::ZERO) < counted.threshold(rank));
    let held_by = count.filter(|_| is_below).and_then(|count| held_by(counted, rank, count));
    let keeps = match counted.period {
        Period::Lifetime | Period::CalendarYear { .. } | Period::MembershipYear { .. } => {
            counted.on_refund == OnRefund::Keep
        }
        Period::SinceLastUpgrade(_) | Period::Rolling(_) => false,
    };
    let kept = keeps && is_below && held_by.is_none();
    Some(Met { tier, threshold: Some(counted.threshold(rank)), kept, held_by })
}

/// The rule by which a tier is held that no window looked at reached.
fn held_by(counted: &Counted, rank: Rank, count: &Count) -> Option<HeldBy> {
    if let Some(until) = count.grace_until {
        return Some(HeldBy::Grace { until });
    }
    let looked_at = match counted.period {
        Period::CalendarYear { .. } | Period::MembershipYear { .. } => count.previous.map(|previous| previous.counted),
        Period::Rolling(_) => Some(count.current.counted),
        // A deadline decided, and the counter started again.
        Period::Lifetime | Period::SinceLastUpgrade(_) => None,
    }?;
    let enough = counted.retain_threshold(rank);
    if counted.retains_by_less() && enough <= looked_at {
        Some(HeldBy::RetainThreshold(enough))
    } else {
        (counted.on_miss == OnMiss::OneStep).then_some(HeldBy::OneStep)
    }
}

pub(super) fn missed(version: &Version, now: &Assessment) -> Option<Missed> {
    let counted = version.program.counted().filter(|_| now.earns_tiers)?;
    let so_far = now.count.as_ref()?.current.counted;
    let (rank, tier) = version.program.tiers().find(|(rank, _)| Some(*rank) > now.earned)?;
    let threshold = counted.threshold(rank);
    Some(Missed { tier: tier.id.clone(), threshold, by: threshold.remaining_from(so_far) })
}
