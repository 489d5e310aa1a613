//! Advice about entry rewards, perks, names and notices.

use super::warning;
use crate::json::Problem;
use crate::program::{
    Counted, Gift, Metric, Milestone, Notices, Period, Perk, Program, Rank, SkippedTierRewards, Tier,
};
use crate::quantity::{Amount, Quantity};

pub(super) fn about(program: &Program) -> Vec<Problem> {
    let mut found = names(program);
    if let Milestone::Counted(counted) = &program.milestone {
        found.extend(rewards_for_everyone(program, counted));
        found.extend(rewards_that_lift(program, counted));
    }
    found.extend(reward_rules(program));
    for (rank, tier) in program.tiers() {
        found.extend(perks_of(rank, tier));
    }
    found.extend(perks_lost(program));
    found.extend(notices(program));
    found
}

fn names(program: &Program) -> Vec<Problem> {
    let repeated = |(rank, tier): (Rank, &Tier)| {
        let (_, lower) = program.tiers().find(|(other, lower)| *other < rank && lower.name == tier.name)?;
        let message = format!("`{}` is also the name of `{}`: members cannot tell them apart", tier.name, lower.id);
        Some(warning(format!("$.tiers[{}].name", rank.index()), message))
    };
    program.tiers().filter_map(repeated).collect()
}

/// Warns of an entry reward on a tier with threshold 0, which every member holds from their first fact on.
fn rewards_for_everyone(program: &Program, counted: &Counted) -> Option<Problem> {
    let (rank, tier) = program.tiers().next()?;
    (!counted.is_earned(rank) && !tier.entry_rewards.is_empty()).then(|| {
        let message = format!("`{}` has threshold 0: everyone gets its entry reward with their first fact", tier.id);
        warning(format!("$.tiers[{}].entry_rewards", rank.index()), message)
    })
}

/// Warns of bonus points that lift a member further: they count like any others once the points system has booked them
/// (section 3).
fn rewards_that_lift(program: &Program, counted: &Counted) -> Vec<Problem> {
    if counted.metric != Metric::PointsEarned {
        return Vec::new();
    }
    let bonus = |tier: &Tier| {
        tier.entry_rewards.iter().fold(Quantity::ZERO, |sum, reward| match &reward.gift {
            Gift::Points(points) => sum + Quantity::whole(points.get()),
            Gift::DiscountPercent(_)
            | Gift::DiscountAmount(_)
            | Gift::FreeShipping
            | Gift::FreeProduct(_)
            | Gift::Custom(_) => sum,
        })
    };
    let lifts = |((low, tier), (high, above)): ((Rank, &Tier), (Rank, &Tier))| {
        let bonus = bonus(tier);
        (!bonus.is_zero() && counted.threshold(low) + bonus >= counted.threshold(high)).then(|| {
            let message = format!(
                "{bonus} points lift a member who enters `{}` into `{}` as soon as they are booked",
                tier.id, above.id
            );
            warning(format!("$.tiers[{}].entry_rewards", low.index()), message)
        })
    };
    program.tiers().zip(program.tiers().skip(1)).filter_map(lifts).collect()
}

/// Warns of reward rules without effect, and of the one that Genstore advises against (seed 003).
fn reward_rules(program: &Program) -> Vec<Problem> {
    let mut found = Vec::new();
    let none = program.tiers().all(|(_, tier)| tier.entry_rewards.is_empty());
    if none && program.skipped_tier_rewards != SkippedTierRewards::HighestOnly {
        found.push(warning("$.skipped_tier_rewards", "does nothing: no tier has an entry reward"));
    }
    if none && program.repeat_tier_rewards {
        found.push(warning("$.repeat_tier_rewards", "does nothing: no tier has an entry reward"));
    } else if program.repeat_tier_rewards {
        let message = "is true: a member who loses a tier and reaches it again gets its entry reward again";
        found.push(warning("$.repeat_tier_rewards", message));
    }
    found
}

/// Warns of one tier's perks that repeat another or take something away.
fn perks_of(rank: Rank, tier: &Tier) -> Vec<Problem> {
    let mut found = Vec::new();
    for (place, perk) in tier.perks.iter().enumerate() {
        let path = || format!("$.tiers[{}].perks[{place}]", rank.index());
        let twice = tier.perks.iter().take(place).any(|before| kind(before) == kind(perk));
        if twice && !matches!(perk, Perk::Custom(_)) {
            found.push(warning(path(), format!("does nothing: `{}` has {} already", tier.id, kind(perk))));
        } else if let Perk::PointsMultiplier(factor) = perk {
            let one = Amount::parse("1").unwrap_or_default();
            match factor.cmp(&one) {
                std::cmp::Ordering::Less => {
                    let message = format!("{factor} is below 1: members of `{}` would earn fewer points", tier.id);
                    found.push(warning(format!("{}.factor", path()), message));
                }
                std::cmp::Ordering::Equal => {
                    found.push(warning(format!("{}.factor", path()), "does nothing: a factor of 1 changes nothing"));
                }
                std::cmp::Ordering::Greater => {}
            }
        }
    }
    found
}

/// Warns of perks lost by rising: perks hold while the tier is held, so a perk that the higher tier lacks is lost.
fn perks_lost(program: &Program) -> Vec<Problem> {
    let mut found = Vec::new();
    for ((_, lower), (rank, tier)) in program.tiers().zip(program.tiers().skip(1)) {
        for perk in lower.perks.iter().filter(|perk| !matches!(perk, Perk::Custom(_))) {
            let same = tier.perks.iter().find(|other| kind(other) == kind(perk));
            let loss = match (perk, same) {
                (_, None) => "lose that: perks hold only while their tier is held",
                (Perk::BirthdayPoints(low), Some(Perk::BirthdayPoints(high))) if high < low => "get less",
                (Perk::PointsMultiplier(low), Some(Perk::PointsMultiplier(high))) if high < low => "get less",
                (_, Some(_)) => continue,
            };
            let message = format!("`{}` has {}; members who rise to `{}` {loss}", lower.id, kind(perk), tier.id);
            found.push(warning(format!("$.tiers[{}].perks", rank.index()), message));
        }
    }
    found
}

fn kind(perk: &Perk) -> &'static str {
    match perk {
        Perk::BirthdayPoints(_) => "birthday points",
        Perk::PointsMultiplier(_) => "multiplied points",
        Perk::FreeShipping => "free shipping",
        Perk::EarlyAccess => "early access",
        Perk::Custom(_) => "custom perks",
    }
}

/// Warns of notice settings without effect: a tier that never ends never expires, and tags have no progress.
fn notices(program: &Program) -> Vec<Problem> {
    let default = Notices::default();
    let mut found = Vec::new();
    let (ends, counts) = match &program.milestone {
        Milestone::Tags(_) => (false, false),
        Milestone::Counted(counted) => (counted.period != Period::Lifetime, true),
    };
    if !ends && program.notices.expiring_days != default.expiring_days {
        found.push(warning("$.notices.expiring_days", "does nothing: these tiers do not end by themselves"));
    }
    if !counts && program.notices.within_reach_percent != default.within_reach_percent {
        found.push(warning("$.notices.within_reach_percent", "does nothing: tags know no progress"));
    }
    found
}
