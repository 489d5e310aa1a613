use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::calendar::Zones;
use crate::id::MemberId;
use crate::program::Program;
use crate::replay::Replay;
use crate::standing::tests::ASKED;
use crate::version::Options;

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn spent(id: usize, total: &str, on: Instant) -> Value {
    json!({ "type": "order.paid", "member_id": "anna", "order_id": id.to_string(), "total": total,
            "occurred_at": on.to_string() })
}

fn program(period: &Value, gold: u32) -> Value {
    json!({ "start_date": "2023-01-01", "milestone": { "metric": "amount_spent", "period": period },
            "tiers": [{ "id": "silver", "threshold": 100 }, { "id": "gold", "threshold": gold }] })
}

/// Versions of a program: the first is in force from the beginning, and the others hold tiers that they would take.
fn versions(first: &Value, others: &[(&str, Value)]) -> Versions {
    let read = |program: &Value| Program::read(program, &Zones::built_in()).unwrap();
    let mut versions = Versions::first(read(first).program, read(first).effective_at).unwrap();
    let options =
        Options { demotions: Some(crate::version::Demotions::Hold), while_active: true, ..Options::default() };
    for (on, program) in others {
        versions.publish(read(program).program, at(on), options, true).unwrap();
    }
    versions
}

/// Anna with these facts, last evaluated at an instant.
fn anna(program: &Value, facts: &[Value], evaluated_at: &str) -> (Ledger, Record) {
    let mut replay = Replay::start(program, &Zones::built_in()).unwrap();
    for fact in facts {
        replay.line(fact, at("2040-01-01T00:00:00Z")).unwrap();
    }
    let ledger = replay.index().ledger(&MemberId::new("anna").unwrap()).unwrap().clone();
    (ledger, Record { evaluated_at: Some(at(evaluated_at)), version: 1, ..Record::default() })
}

/// The rows of an advance, and the assessments made for them.
fn advanced(
    (mut ledger, mut record): (Ledger, Record),
    versions: &Versions,
    until: &str,
) -> (Vec<Row>, Vec<(u32, Instant, Instant)>) {
    ASKED.take();
    let rows = advance(&mut ledger, &mut record, versions, at(until));
    (rows, ASKED.take())
}

/// A fact is judged with and without itself, and a version against the one before it. A tier that is held takes one
/// more assessment.
#[test]
fn a_step_assesses_each_question_once_and_the_next_step_begins_with_its_answer() {
    let year = json!("calendar_year");
    let first = program(&year, 500);
    let versions = versions(
        &first,
        &[("2025-02-01T00:00:00Z", program(&year, 900)), ("2025-03-01T00:00:00Z", program(&year, 950))],
    );
    let anna = anna(&first, &[spent(1, "600", at("2024-06-01T00:00:00Z"))], "2024-01-01T00:00:00Z");
    let (rows, asked) = advanced(anna, &versions, "2028-01-01T00:00:00Z");
    let asked: Vec<_> = asked.iter().map(|(version, seen, at)| (*version, seen.to_string(), at.to_string())).collect();
    let asked: Vec<_> = asked.iter().map(|(version, seen, at)| (*version, seen.as_str(), at.as_str())).collect();
    let expected = [
        (1, "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"), // where it begins
        (1, "2024-06-01T00:00:00Z", "2024-06-01T00:00:00Z"), // the order: gold
        (1, "2024-05-31T23:59:59.999Z", "2024-06-01T00:00:00Z"), // and without it
        (1, "2025-02-01T00:00:00Z", "2025-02-01T00:00:00Z"), // the old version
        (2, "2025-02-01T00:00:00Z", "2025-02-01T00:00:00Z"), // the new one: silver
        (2, "2025-02-01T00:00:00Z", "2025-02-01T00:00:00Z"), // and with gold held
        (2, "2025-03-01T00:00:00Z", "2025-03-01T00:00:00Z"),
        (3, "2025-03-01T00:00:00Z", "2025-03-01T00:00:00Z"), // gold is already held
        (3, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"), // nothing is left
    ];
    assert_eq!(asked, expected);
    let transitions = rows.iter().filter(|row| matches!(row, Row::Transition(_))).count();
    assert_eq!((transitions, rows.len()), (2, 3), "{rows:?}");
}

/// 365 orders, over a hundred other reviews, and seven changes of rules.
#[test]
fn a_long_run_assesses_nothing_twice_except_where_a_tier_is_held() {
    let months = |months: u32| json!({ "since_last_upgrade": { "months": months } });
    let rolling = |days: u32| json!({ "rolling": { "days": days } });
    let first = program(&rolling(3), 150);
    let versions = versions(
        &first,
        &[
            ("2024-06-01T00:00:00Z", program(&months(3), 500)),
            ("2025-01-01T00:00:00Z", program(&rolling(2), 150)),
            ("2025-03-01T05:00:00Z", program(&json!("calendar_year"), 9_000)),
            ("2025-03-01T05:00:00Z", program(&json!("calendar_year"), 20_000)),
            ("2025-08-01T00:00:00Z", program(&rolling(3), 180)),
            ("2026-01-01T00:00:00Z", program(&json!("lifetime"), 90_000)),
            ("2027-01-01T00:00:00Z", program(&rolling(3), 120)),
        ],
    );
    let begun = at("2023-02-01T12:00:00Z");
    let orders: Vec<_> = (0..365_usize)
        .map(|n| {
            let day = i64::try_from(n * 4 + n % 7).unwrap();
            spent(n, &format!("{}.50", n * 37 % 290), begun.plus_millis(day * 86_400_000))
        })
        .collect();
    let (rows, asked) = advanced(anna(&first, &orders, "2023-01-01T00:00:00Z"), &versions, "2029-01-01T00:00:00Z");
    let transitions = rows.iter().filter(|row| matches!(row, Row::Transition(_))).count();
    let holds = rows.iter().filter(|row| matches!(row, Row::Held(_))).count();
    assert!(transitions > 100 && holds > 1, "{transitions} transitions, {holds} holds");

    let steps: BTreeSet<_> = asked.iter().map(|(_, _, at)| *at).collect();
    let questions: BTreeSet<_> = asked.iter().collect();
    assert_eq!(asked.len(), questions.len() + holds);
    // One assessment a step, one more without the fact where there is a fact, and one more under the old rules where they change.
    let (facts, changes) = (orders.len(), versions.iter().count() - 1);
    assert!(asked.len() <= steps.len() + facts + changes + holds, "{} at {} instants", asked.len(), steps.len());
    let reviews = steps.len() - facts - changes;
    assert!(reviews > 100, "{reviews} reviews beside facts and changes");
}

/// A writer that does not know a version yet takes a member back to the version before it. The version is then passed a second
/// time, and what it held at the first, under its key in the history, stays.
#[test]
fn a_version_that_is_passed_again_holds_nothing_again() {
    let (cheap, dear) = (program(&json!("lifetime"), 500), program(&json!("lifetime"), 5_000));
    let mut dear = dear;
    dear["tiers"][0]["threshold"] = json!(2_000);
    let versions = versions(&cheap, &[("2024-03-01T00:00:00Z", dear)]);
    let first = spent(1, "120", at("2024-01-01T00:00:00Z"));
    let (mut ledger, mut record) = anna(&cheap, std::slice::from_ref(&first), "2024-02-01T00:00:00Z");
    let until = at("2024-04-01T00:00:00Z");
    let rows = advance(&mut ledger, &mut record, &versions, until);
    let held = |rows: &[Row]| rows.iter().filter(|row| matches!(row, Row::Held(_))).count();
    assert_eq!((held(&rows), record.tier().map(TierId::as_str)), (1, Some("silver")));
    // An order from before the version, evaluated without it.
    let (with_it, _) = anna(&cheap, &[first, spent(2, "600", at("2024-01-02T00:00:00Z"))], "2024-02-01T00:00:00Z");
    let holds: Vec<_> = ledger.assignments().to_vec();
    let mut ledger = with_it;
    holds.into_iter().for_each(|hold| ledger.hold(hold));
    record.version = 1;
    let again = advance(&mut ledger, &mut record, &versions, at("2024-04-02T00:00:00Z"));
    assert_eq!((held(&again), record.tier().map(TierId::as_str)), (0, Some("silver")), "{again:?}");
}
