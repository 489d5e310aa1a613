//! Advice about a valid program that is probably not what the shop means: warnings, never refusals.

mod gifts;

use serde_json::Value;

use super::{Counted, Metric, Milestone, OnMiss, OnRefund, Period, Program};
use crate::calendar::{Day, Instant, Zone};
use crate::json::Problem;
use crate::quantity::Amount;

fn warning(path: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem { path: path.into(), message: message.into() }
}

/// Warnings about a program on its own.
pub(super) fn of(program: &Program) -> Vec<Problem> {
    let mut found = match &program.milestone {
        Milestone::Counted(counted) => about_counting(program, counted),
        Milestone::Tags(_) => about_tags(program),
    };
    found.extend(gifts::about(program));
    found.extend(about_zone(&program.timezone));
    if !program.active {
        found.push(warning("$.active", "is false: facts are recorded, but no member has a tier"));
    }
    found
}

/// The warning about a program's time zone: a legacy name, or a name whose sign is easily misread.
pub fn about_zone(zone: &Zone) -> Option<Problem> {
    let name = zone.name();
    let message = match (zone.name_to_use(), name.strip_prefix("Etc/GMT").and_then(|hours| hours.split_at_checked(1))) {
        (Some(use_this), _) => format!(
            "`{name}` is a legacy name, which the time zone database keeps for old files: write `{use_this}` for the same \
             days, or the name of a city in the shop's zone"
        ),
        (None, Some(("-", hours))) => {
            format!("`{name}` is {hours} hours ahead of UTC: the sign is reversed in such names")
        }
        (None, Some(("+", hours))) => {
            format!("`{name}` is {hours} hours behind UTC: the sign is reversed in such names")
        }
        (None, _) => return None,
    };
    Some(warning("$.timezone", message))
}

/// The problem of a program that counts money and does not name its currency. It is read for `replay`, in USD, but not
/// published (section 3).
pub fn unnamed_currency(written: &Value, program: &Program) -> Option<Problem> {
    let is_named = written.get("currency").is_some_and(|currency| !currency.is_null());
    let message = "currency_missing: a program that counts money is not published without its currency; write the shop's \
                   own, such as \"currency\": \"EUR\"";
    (program.counts_money() && !is_named).then(|| warning("$.currency", message))
}

fn about_counting(program: &Program, counted: &Counted) -> Vec<Problem> {
    let mut found = Vec::new();
    if let (Period::SinceLastUpgrade(_), OnRefund::Keep) = (counted.period, counted.on_refund) {
        found.push(warning(
            "$.milestone.on_refund",
            "keep with since_last_upgrade: a refund of the order that upgraded changes nothing, only refunds of later \
             orders reduce what counts towards renewal",
        ));
    }
    let earns_points = counted.metric == Metric::PointsEarned && program.earning.is_some();
    if counted.metric != Metric::AmountSpent && !earns_points && program.spend != super::Spend::default() {
        found.push(warning("$.spend", "does nothing: only the metric amount_spent looks at it"));
    }
    if counted.metric != Metric::PointsEarned && program.earning.is_some() {
        found.push(warning("$.earning", "does nothing: only the metric points_earned looks at it"));
    }
    if counted.metric != Metric::OrdersPlaced && program.order_minimum != Amount::ZERO {
        found.push(warning("$.orders.min_total", "does nothing: only the metric orders_placed looks at it"));
    }
    if counted.period == Period::Lifetime && counted.on_miss == OnMiss::OneStep {
        found.push(warning("$.milestone.on_miss", "does nothing: the period lifetime has no reviews"));
    }
    found.extend(retained_by_less_than_the_tier_below(program, counted));
    found.extend(finer_than_a_step(program, counted));
    found.extend(unreachable_within_a_step(program, counted));
    found
}

/// Warns of a tier that less keeps than the tier below takes to reach: a member who keeps it may not even reach the lower one.
fn retained_by_less_than_the_tier_below(program: &Program, counted: &Counted) -> Vec<Problem> {
    let pairs = program.tiers().zip(program.tiers().skip(1));
    let warn = |((low, below), (high, tier)): ((super::Rank, &super::Tier), (super::Rank, &super::Tier))| {
        let (retain, threshold) = (counted.retain_threshold(high), counted.threshold(low));
        (counted.retains_by_less() && retain < threshold).then(|| {
            let message = format!(
                "{retain} keeps `{}`, while reaching `{}` below it takes {threshold}: is that meant?",
                tier.id, below.id
            );
            warning(format!("$.tiers[{}].retain_threshold", high.index()), message)
        })
    };
    pairs.filter_map(warn).collect()
}

/// Warns of thresholds between two steps; such a threshold works like the step above it.
fn finer_than_a_step(program: &Program, counted: &Counted) -> Vec<Problem> {
    let decimals = program.decimals();
    let step = |(rank, _)| {
        let threshold = counted.threshold(rank);
        let works_like = threshold.rounded_up(decimals);
        (threshold != works_like).then(|| {
            let message = format!("{threshold} works like {works_like}: what is counted comes in whole steps");
            warning(format!("$.tiers[{}].threshold", rank.index()), message)
        })
    };
    program.tiers().filter_map(step).collect()
}

/// Warns of tiers that are never the highest reached. Counted amounts come in whole steps (one point, one order, one
/// cent), so of two thresholds within one step, the lower one never decides.
fn unreachable_within_a_step(program: &Program, counted: &Counted) -> Vec<Problem> {
    let decimals = program.decimals();
    let pairs = program.tiers().zip(program.tiers().skip(1));
    let same_step =
        pairs.filter(|((low, _), (high, _))| counted.threshold(*low).rounded_up(decimals) >= counted.threshold(*high));
    let warn = |((low, tier), (_, above)): ((super::Rank, &super::Tier), (super::Rank, &super::Tier))| {
        let message = format!("`{}` is unreachable: a member who reaches it has also reached `{}`", tier.id, above.id);
        warning(format!("$.tiers[{}].threshold", low.index()), message)
    };
    same_step.map(warn).collect()
}

fn about_tags(program: &Program) -> Vec<Problem> {
    let Milestone::Tags(tagged) = &program.milestone else { return Vec::new() };
    let sets = tagged.wanted();
    let mut found = Vec::new();
    for (index, ((_, tier), tags)) in program.tiers().zip(sets).enumerate() {
        let higher = |tag| sets.iter().skip(index + 1).any(|above| above.contains(tag));
        let shadowed: Vec<_> = tags.iter().filter(|tag| higher(tag)).map(|tag| tag.as_str()).collect();
        let path = format!("$.tiers[{index}].tags");
        if shadowed.len() == tags.len() {
            let message = format!("`{}` is unreachable: each of its tags gives a higher tier too", tier.id);
            found.push(warning(path, message));
        } else if !shadowed.is_empty() {
            found.push(warning(path, format!("`{}` gives a higher tier too", shadowed.join("`, `"))));
        }
    }
    if program.spend != super::Spend::default() {
        found.push(warning("$.spend", "does nothing: only the metric amount_spent looks at it"));
    }
    found
}

/// Warnings about the start of a program that is published for the first time at `effective_at`.
pub fn starting(program: &Program, effective_at: Instant, unclamped: bool) -> Vec<Problem> {
    let Some(start) = program.start_date.map(Day::of) else {
        let today = program.timezone.day(effective_at);
        let message = format!(
            "is not named, so the program starts on {today}, the day it takes effect; what came before does not count; \
             an earlier `start_date` counts it, in a program of calendar years together with `clamp: false`"
        );
        return program.counted().map(|_| warning("$.start_date", message)).into_iter().collect();
    };
    if let Some(first_day) = clamped_to(program, effective_at).filter(|first_day| start < *first_day && !unclamped) {
        let message = format!(
            "{start} is before this calendar year, so the program really starts on {first_day}; what came before does \
             not count; `clamp: false` takes the start as stated"
        );
        return vec![warning("$.start_date", message)];
    }
    in_the_future(program, effective_at).into_iter().collect()
}

/// The day before which a program of calendar years does not start: the first of the year in which it is set.
fn clamped_to(program: &Program, effective_at: Instant) -> Option<Day> {
    program.period().calendar_year_of(program.timezone.day(effective_at))
}

fn in_the_future(program: &Program, effective_at: Instant) -> Option<Problem> {
    let start = program.start_date.map(Day::of)?;
    let message = format!("{start} is in the future: nothing counts before it");
    (start > program.timezone.day(effective_at)).then(|| warning("$.start_date", message))
}

/// Warnings about a program that replaces `old` at `effective_at`.
pub fn replacing(new: &Program, old: &Program, effective_at: Instant, unclamped: bool) -> Vec<Problem> {
    let mut found = Vec::new();
    let today = new.timezone.day(effective_at);
    let resolves_again = new.start_date != old.start_date || !new.period().starts_like(old.period());
    if let Some(new_year) = clamped_to(new, effective_at).filter(|_| resolves_again && !unclamped) {
        if new.start_date.is_none_or(|start| Day::of(start) < new_year) {
            let message = format!(
                "setting the start date or the period on {today} moves the start to {new_year}: what was earned \
                 before, last year's tiers included, is wiped; `clamp: false` takes the start as stated"
            );
            found.push(warning("$.start_date", message));
        }
    } else if new.start_date > old.start_date {
        found.push(warning("$.start_date", "is moved forward: what was earned before it no longer counts"));
    }
    if resolves_again {
        found.extend(in_the_future(new, effective_at));
    }
    let metric = |program: &Program| match &program.milestone {
        Milestone::Counted(counted) => Some(counted.metric),
        Milestone::Tags(_) => None,
    };
    if metric(new) != metric(old) {
        found.push(warning("$.milestone.metric", "changes: every member's progress is counted again from it"));
    }
    if new.currency != old.currency {
        found.push(warning(
            "$.currency",
            "changes: refused (currency_fixed) once an order is kept whose amounts are in the old one",
        ));
    }
    for (_, tier) in old.tiers().filter(|(_, tier)| new.rank(&tier.id).is_none()) {
        found.push(warning(
            "$.tiers",
            format!("`{}` is removed: members who hold it move to another tier or none", tier.id),
        ));
    }
    let ids = |program: &Program| program.tiers().map(|(_, tier)| tier.id.clone()).collect::<Vec<_>>();
    if old.active && new.active && ids(new) != ids(old) {
        let message = "the list changes while the program is active: publishing needs `while_active: true`";
        found.push(warning("$.tiers", message));
    }
    found
}

#[cfg(test)]
mod tests;
