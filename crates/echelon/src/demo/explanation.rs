//! An explanation in a few sentences.

use rules::calendar::{Instant, Zone};
use rules::explain::{CountedFact, ExcludedFact, Explanation, FactRef, Which, WindowFound};
use rules::id::{MemberId, TierId};
use rules::program::Program;
use rules::quantity::Quantity;
use rules::record::{Row, Transition};
use rules::replay::Replay;
use rules::standing::Standing;
use serde::Serialize;

/// Why a member stands where they stand, a sentence per line; items of a list are indented.
pub(super) fn told(replay: &Replay, member: &MemberId, as_of: Instant) -> Vec<String> {
    let program = &replay.version_at(as_of).program;
    let Some((standing, found)) = replay.standing(member, as_of).zip(replay.explain(member, as_of)) else {
        return Vec::new();
    };
    let mut lines = vec![held(program, &standing)];
    for window in &found.windows {
        lines.push(total(program, window));
        lines
            .extend(found.counted.iter().filter(|fact| fact.window == window.which).map(|fact| counted(program, fact)));
    }
    lines.extend(next(program, &found));
    if !found.excluded.is_empty() {
        lines.push("Not counted:".to_owned());
        lines.extend(found.excluded.iter().map(excluded));
    }
    lines
}

/// What was recorded about a member, a sentence per transition.
pub(super) fn history(replay: &Replay, member: &MemberId) -> Vec<String> {
    let zone = &replay.versions().last().program.timezone;
    let told = |row: &Row| match row {
        Row::Transition(made) => Some(transition(zone, made)),
        Row::Reward(_) | Row::Birthday(_) | Row::Held(_) => None,
    };
    replay.rows(member).iter().filter_map(told).collect()
}

fn name(program: &Program, tier: Option<&TierId>) -> String {
    let found = tier.and_then(|id| program.tiers().find(|(_, tier)| tier.id == *id));
    found.map_or_else(|| "no tier".to_owned(), |(_, tier)| tier.name.clone())
}

fn amount(program: &Program, quantity: Quantity) -> String {
    format!("{} {}", quantity.with_decimals(program.decimals()), program.currency.code())
}

/// People are shown the last full day.
fn held(program: &Program, standing: &Standing) -> String {
    let tier = name(program, program.tier_id(standing.tier));
    let zone = &program.timezone;
    let since = standing.since.map_or_else(String::new, |at| format!(" since {}", zone.day(at)));
    let through = standing.valid_until.map_or_else(String::new, |at| format!(", through {}", zone.day(at).previous()));
    format!("Holds {tier}{since}{through}.")
}

fn total(program: &Program, window: &WindowFound) -> String {
    let year = match window.which {
        Which::Current => "This year",
        Which::Previous => "Last year",
    };
    let earns = name(program, window.earns.as_ref());
    format!("{year} {} counts, which earns {earns}.", amount(program, window.total))
}

fn counted(program: &Program, fact: &CountedFact) -> String {
    format!("  {}  {}  {}", fact.on, amount(program, fact.amount), which(&fact.fact))
}

fn next(program: &Program, found: &Explanation) -> Option<String> {
    let missed = found.missed.as_ref()?;
    let tier = name(program, Some(&missed.tier));
    Some(format!("{} more this year for {tier}.", amount(program, missed.by)))
}

fn excluded(fact: &ExcludedFact) -> String {
    format!("  {}: {}", which(&fact.fact), word(&fact.reason).replace('_', " "))
}

fn which(fact: &FactRef) -> String {
    match fact {
        FactRef::Order(order) => format!("order {order}"),
        FactRef::Refund(_, refund) => format!("refund {refund}"),
        FactRef::OrderCancelled(order) => format!("cancellation of order {order}"),
        FactRef::Entry(entry) => format!("points {entry}"),
        FactRef::PointsCanceled(cancel) => format!("cancellation {cancel} of points"),
        FactRef::Tags(at, _) => format!("tags at {at}"),
        FactRef::Enrolled => "enrolment".to_owned(),
        FactRef::Birthday => "birthday".to_owned(),
        FactRef::Assigned(assignment) => format!("tier given by hand, {assignment}"),
        FactRef::Unassigned(assignment) => format!("end of what was given by hand, {assignment}"),
        FactRef::Held(version) => format!("tier held over the change to version {version}"),
    }
}

fn transition(zone: &Zone, made: &Transition) -> String {
    let name = |tier: &Option<TierId>| tier.as_ref().map_or("no tier", TierId::as_str).to_owned();
    let (from, to, on) = (name(&made.from), name(&made.to), zone.day(made.at));
    let cause = word(&made.cause).replace('_', " ");
    format!("{on} {}: {from} to {to} ({cause})", word(&made.kind))
}

/// The word that stands for it in JSON.
fn word(kind: &impl Serialize) -> String {
    let value = serde_json::to_value(kind).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
