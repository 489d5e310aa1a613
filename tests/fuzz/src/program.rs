//! A shop's rules: [`rules::program::Program::read`], and evaluation under the programs that it accepts.

use rules::advance::advance;
use rules::calendar::{Instant, Zones};
use rules::compact::{Packed, pack};
use rules::explain::{Explanation, Which, explain};
use rules::ledger::Ledger;
use rules::program::{Draft, Program};
use rules::prose::{Lists, prose};
use rules::quantity::Quantity;
use rules::record::Record;
use rules::standing::{Standing, evaluate};
use rules::version::{Options, PublishError, Version, Versions};
use serde_json::Value;

use super::sample::{everyday, extremes, instants};

/// Checks that a file is a program under which every member has a standing at any time, or has problems, each with its place.
pub fn check(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    match Program::read(&value, &Zones::built_in()) {
        Ok(draft) => {
            let start = draft.program.start_date.map(|date| Value::from(date.to_string())).unwrap_or_default();
            assert_eq!(value["start_date"], start, "a date is written in one way");
            accepted(&draft);
        }
        Err(problems) => {
            assert!(problems.iter().next().is_some());
            assert!(problems.iter().all(|problem| problem.path.starts_with('$') && !problem.message.is_empty()));
        }
    }
}

fn accepted(draft: &Draft) {
    let someday = Instant::parse("2023-06-01T00:00:00Z").unwrap();
    let mut versions = match Versions::first(draft.program.clone(), draft.effective_at) {
        Ok(versions) => versions,
        Err(PublishError::NoStart) => Versions::first(draft.program.clone(), Some(someday)).unwrap(),
        Err(error) => panic!("{error}"),
    };
    let effective_at = versions.last().effective_at;
    assert_eq!(Instant::parse(&effective_at.to_string()), Ok(effective_at), "it is stored as text");
    for ledger in [everyday(), extremes()] {
        for at in instants() {
            stands(versions.last(), ledger, at);
        }
    }
    is_recorded_once(&versions);
    // Publishing the same program again changes nothing, and restores the resolved start.
    let published = versions.publish(
        draft.program.clone(),
        Instant::parse("2024-06-01T00:00:00Z").unwrap(),
        Options::default(),
        true,
    );
    let start = published.unwrap().effective_start;
    assert_eq!(start, versions.first_of_all().effective_start);
}

/// Checks that a standing is the same from the compact form, adds up in its explanation, and has prose.
pub fn stands(version: &Version, ledger: &Ledger, at: Instant) {
    let standing = evaluate(version, ledger, at);
    let bytes = pack(ledger, &Record::default());
    assert_eq!(Packed::open(&bytes).unwrap().standing(version, at).as_ref(), Ok(&standing));
    holds_together(version, &standing, at);
    let explanation = explain(version, ledger, at);
    adds_up(&explanation, &standing);
    assert!(!prose(version, &standing, &explanation, Lists::Full).is_empty());
}

/// Checks that a standing does not contradict itself.
fn holds_together(version: &Version, standing: &Standing, at: Instant) {
    assert!(standing.tier.is_none_or(|tier| version.program.tier(tier).is_some()));
    assert!(standing.since.is_none_or(|since| since <= at), "{standing:?}");
    assert!(standing.valid_until.is_none_or(|until| until > at), "{standing:?}");
    assert!(standing.valid_until.is_none() || standing.upcoming < standing.tier, "{standing:?}");
    assert!(standing.active == version.program.active && (standing.active || standing.tier.is_none()));
    if let Some((next, remaining)) = standing.progress.and_then(|progress| progress.next) {
        assert!(Some(next) > standing.tier && !remaining.is_negative(), "{standing:?}");
    }
}

/// Law 5: the counted amounts add up to the progress shown.
fn adds_up(explanation: &Explanation, standing: &Standing) {
    for window in &explanation.windows {
        let within = explanation.counted.iter().filter(|counted| counted.window == window.which);
        let sum = within.fold(Quantity::ZERO, |sum, counted| sum + counted.amount);
        assert_eq!(sum, window.total, "{window:?}");
    }
    let current = explanation.windows.iter().find(|window| window.which == Which::Current);
    assert_eq!(current.map(|window| window.total), standing.progress.map(|progress| progress.counted));
}

/// Law 3: a second evaluation records nothing more.
fn is_recorded_once(versions: &Versions) {
    let mut ledger = everyday().clone();
    let begin = ledger.first_at().unwrap().plus_millis(-1);
    let mut record = Record::from_history([], begin, versions.last().number);
    let until = Instant::parse("2030-01-01T00:00:00Z").unwrap();
    let rows = advance(&mut ledger, &mut record, versions, until);
    assert!(rows.len() < 1_000, "{} rows", rows.len());
    assert_eq!(advance(&mut ledger, &mut record, versions, until), Vec::new());
    let standing = evaluate(versions.last(), &ledger, until);
    if standing.active {
        assert_eq!(record.tier(), versions.last().program.tier_id(standing.tier));
    }
}
