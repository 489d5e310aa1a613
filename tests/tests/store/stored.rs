//! The store holds what a replay tells: random shops, in any batches, with every message twice.

use std::collections::BTreeMap;

use engine::ingest::{Counts, Report};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use pure_tests::random::{BEGIN, HOUR, alone, arrival, erasure, programs, published, story};
use rules::advance::advance;
use rules::calendar::{Instant, Zones};
use rules::ledger::Ledger;
use rules::record::Record;
use rules::replay::{Line, Replay};
use serde_json::{Value, json};
use store::{Links, StoreError};
use tests::system::System;

/// A shop's story: a program, and lines in the order of their arrival, in batches.
fn stories() -> impl Strategy<Value = (Value, Vec<Value>, Vec<bool>)> {
    let changes = prop::collection::vec(published(), 0..4);
    (programs(), story(), changes, erasure(), prop::collection::vec(any::<bool>(), 64)).prop_map(
        |(program, facts, changes, erased, cuts)| {
            let mut lines: Vec<Value> = facts.into_iter().map(alone).collect();
            lines.extend(changes);
            lines.extend(erased);
            lines.sort_by(|a, b| arrival(a).cmp(arrival(b)));
            agree_on_imported(&mut lines);
            (program, lines, cuts)
        },
    )
}

/// Gives corrections that differ only in the member they name the same `imported`. The store does not keep the name in a
/// correction of a known order or entry (decision 0036), and so cannot tell by it which of two such corrections wins.
fn agree_on_imported(lines: &mut [Value]) {
    let mut seen: BTreeMap<String, Option<Value>> = BTreeMap::new();
    for line in lines.iter_mut().filter_map(Value::as_object_mut) {
        let kind = line["type"].as_str().unwrap_or_default();
        if !matches!(kind, "order.refunded" | "order.cancelled" | "order.restored" | "points.canceled") {
            continue;
        }
        let mut rest = line.clone();
        for field in ["member_id", "imported", "received_at"] {
            rest.remove(field);
        }
        let imported = line.get("imported").cloned();
        match seen.entry(Value::Object(rest).to_string()).or_insert(imported).clone() {
            Some(imported) => line.insert("imported".to_owned(), imported),
            None => line.remove("imported"),
        };
    }
}

/// Groups lines that arrive together: until a cut, or a change of rules. A batch arrives when its last line does.
fn batches(lines: Vec<Value>, cuts: &[bool]) -> Vec<Vec<Value>> {
    let mut batches: Vec<Vec<Value>> = Vec::new();
    for (line, cut) in lines.into_iter().zip(cuts) {
        let published = |line: &Value| line["type"] == "program.published";
        match batches.last_mut() {
            Some(batch) if !cut && !published(&line) && !batch.iter().any(published) => batch.push(line),
            _ => batches.push(vec![line]),
        }
    }
    for batch in batches.iter_mut().filter(|batch| batch.len() > 1) {
        let last = arrival(batch.last().unwrap()).to_owned();
        batch.iter_mut().for_each(|line| line["received_at"] = json!(last));
    }
    batches
}

/// The most deliveries of a message here; the deployed queue makes 20.
const DELIVERIES: usize = 5;

/// Delivers events as the queue does, and returns what was counted in all. Events for which another writer was faster in every
/// try, which happens on a busy machine, come again.
async fn tell(system: &System, events: &[Value]) -> Counts {
    let (mut counts, mut left) = (Counts::default(), events.to_vec());
    for _ in 0..DELIVERIES {
        let Report { failed, failure, counts: more, .. } = system.tell(&left).await;
        counts.add(&more);
        if failed.is_empty() {
            assert_eq!(failure, None);
            return counts;
        }
        assert_eq!(failure, Some(StoreError::Conflict.to_string()));
        left = failed.iter().map(|place| left[place.parse::<usize>().unwrap()].clone()).collect();
    }
    panic!("{} events are never taken in: {left:?}", left.len());
}

async fn check(program: Value, lines: Vec<Value>, cuts: Vec<bool>) {
    let system = System::new(embedded_dynamodb::Store::memory().unwrap().client(), "t").await;
    let mut replay = Replay::start(&program, &Zones::built_in()).unwrap();
    let first = replay.versions().last().effective_at;
    system.at(first);
    system.publish(&program, &json!({})).await;
    let end = Instant::from_millis(BEGIN + 3_000 * HOUR);
    let mut told = Vec::new();
    for batch in batches(lines, &cuts) {
        let now = Instant::parse(arrival(batch.last().unwrap())).unwrap();
        system.at(now);
        let mut facts = Vec::new();
        for line in batch {
            match replay.line(&line, end) {
                Ok(Line::Fact(_)) => facts.push(line),
                Ok(Line::Published) => {
                    let mut options = line["options"].clone();
                    options["while_active"] = json!(true);
                    system.publish(&line["program"], &options).await;
                }
                Ok(Line::Beyond) | Err(_) => {}
            }
        }
        // Every message comes twice: once next to itself, and once in a batch of its own.
        let twice: Vec<Value> = facts.iter().flat_map(|fact| [fact.clone(), fact.clone()]).collect();
        assert_eq!(tell(&system, &twice).await.quarantined, 0);
        told.extend(facts);
    }
    system.at(end);
    replay.finish(end);
    let again = tell(&system, &told).await;
    // The erasure of a member also deletes facts that named no member and were about theirs: told again, they are news.
    let any_erased = replay.index().erased().next().is_some();
    let news = if any_erased { again.applied } else { 0 };
    assert_eq!(again.applied, news);

    for id in replay.members() {
        let stored = system.stored(id.as_str()).await;
        assert_eq!(stored.is_erased(), replay.index().is_erased(id), "{id}");
        // Facts about an erased member's orders are deleted. A replay still has them, in case the orders become another member's.
        if any_erased {
            continue;
        }
        let held = stored.alive().unwrap();
        // A member whose only entry moved on within the batch that brought it: nothing is known of them.
        if !held.is_stored() && replay.rows(id).is_empty() && replay.index().ledger(id).is_some_and(Ledger::is_empty) {
            continue;
        }
        assert_eq!(held.links, Links::of(replay.index().merges(), id), "{id}");
        assert_eq!(held.stands_for, replay.merged_into(id), "{id}");
        let mut held = held;
        let mut record = replay.record(id).cloned().unwrap_or_default();
        let to_the_end = |ledger: &mut Ledger, record: &mut Record| advance(ledger, record, replay.versions(), end);
        // Nothing counts for an id that stands for another member, and nothing is due for it. How far it was evaluated is not
        // written.
        if held.stands_for.is_some() {
            assert_eq!(to_the_end(&mut Ledger::default(), &mut record), [], "{id}");
        }
        let late = held.evaluate(to_the_end);
        assert_eq!(Some(&held.ledger), replay.index().ledger(id), "{id}");
        // Nor that an id was ever evaluated of which nothing came: its only fact moved on within the batch that brought it.
        let is_blank = held.record == Record::default() && held.ledger.is_empty() && replay.rows(id).is_empty();
        if !is_blank {
            assert_eq!(held.record, record, "{id}");
        }
        assert!(replay.rows(id).ends_with(&late), "{id}");
    }
    for id in replay.index().erased() {
        let name = format!("S(\"acme#{id}\")");
        let left: Vec<_> = system.items("ledger").await.into_iter().filter(|item| item.contains(&name)).collect();
        assert_eq!(left, Vec::<String>::new(), "{id} is not forgotten");
    }
}

#[test]
fn what_is_stored_is_what_a_replay_tells() {
    let cases = std::env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = runner.run(&stories(), |(program, lines, cuts)| {
        executor.block_on(check(program, lines, cuts));
        Ok(())
    });
    told.unwrap();
}

/// The program of a story in which no tier matters.
fn any_program() -> Value {
    json!({ "active": true, "timezone": "UTC", "currency": "USD", "start_date": "2023-11-25",
            "milestone": { "metric": "points_earned", "period": "lifetime", "on_refund": "revoke" },
            "tiers": [{ "id": "silver", "name": "Silver", "threshold": "200" }] })
}

/// A refund of an order that is not known yet names a member who is erased; the order then names one who was erased before,
/// with the member that she stood for.
#[tokio::test]
async fn an_order_of_an_erased_member_is_stored_without_the_name_also_beside_the_fact_of_another() {
    let lines = json!([
        { "type": "order.refunded", "refund_id": "1", "amount": 25, "order_id": "3", "member_id": "dora",
          "occurred_at": "2023-11-20T00:00:00Z", "revision": "2024-02-28T00:00:00Z" },
        { "type": "customer.merged", "member_id": "anna", "into": "ben", "occurred_at": "2023-11-20T00:00:00Z",
          "revision": "2024-02-28T00:00:00Z" },
        { "type": "customer.erased", "member_id": "ben", "occurred_at": "2023-11-20T00:00:00Z" },
        { "type": "customer.erased", "member_id": "dora", "occurred_at": "2023-11-25T17:00:00Z" },
        { "type": "order.paid", "total": "60", "order_id": "3", "member_id": "anna",
          "occurred_at": "2023-12-17T07:00:00Z" },
        { "type": "customer.merged", "member_id": "anna", "into": null, "occurred_at": "2024-01-01T15:00:00Z",
          "imported": true, "revision": "2024-02-28T00:00:00Z" },
        { "type": "customer.merged", "member_id": "anna", "into": null, "occurred_at": "2023-12-20T00:00:00Z",
          "revision": "2024-02-28T00:00:00Z", "received_at": "2024-01-19T00:00:00Z" },
    ]);
    let lines = lines.as_array().unwrap().clone();
    for cuts in 0_u32..128 {
        check(any_program(), lines.clone(), (0..7).map(|place| cuts >> place & 1 == 1).collect()).await;
    }
}

#[tokio::test]
async fn canceled_points_move_to_another_entry_after_the_member_they_name_was_erased() {
    let lines = json!([
        { "type": "points.earned", "entry_id": "5", "points": 50, "member_id": "carl", "imported": true,
          "occurred_at": "2023-11-20T00:00:00Z", "revision": "2023-11-24T04:00:00Z", "received_at": "2023-11-20T00:00:00Z" },
        { "type": "points.earned", "entry_id": "3", "points": 50, "member_id": "carl", "imported": true,
          "occurred_at": "2023-11-20T00:00:00Z", "revision": "2023-11-24T04:00:00Z", "received_at": "2023-11-20T00:00:00Z" },
        { "type": "points.canceled", "cancel_id": "4", "entry_id": "3", "points": 160, "member_id": "anna", "imported": true,
          "occurred_at": "2023-11-20T00:00:00Z", "revision": "2023-11-24T04:00:00Z", "received_at": "2023-11-20T00:00:00Z" },
        { "type": "customer.merged", "member_id": "anna", "into": null, "occurred_at": "2023-11-20T07:00:00Z",
          "received_at": "2024-01-11T14:00:00Z" },
        { "type": "customer.enrolled", "member_id": "anna", "occurred_at": "2023-12-06T16:00:00Z", "birthday": null,
          "received_at": "2024-01-11T14:00:00Z" },
        { "type": "customer.merged", "member_id": "anna", "into": null, "occurred_at": "2023-11-20T07:00:00Z",
          "received_at": "2024-01-11T14:00:00Z" },
        { "type": "customer.erased", "member_id": "anna", "occurred_at": "2024-01-13T11:00:00Z" },
        { "type": "points.canceled", "cancel_id": "4", "entry_id": "5", "points": 160, "member_id": "anna",
          "occurred_at": "2024-01-31T00:00:00Z", "received_at": "2024-02-09T04:00:00Z" },
    ]);
    let lines = lines.as_array().unwrap().clone();
    for cuts in 0_u32..256 {
        check(any_program(), lines.clone(), (0..8).map(|place| cuts >> place & 1 == 1).collect()).await;
    }
}
