//! The process dies at any request, before it reaches the store or before its answer comes back. Its messages are redelivered to
//! another process, as a queue does it; in the end everything is as if nothing had happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use embedded_dynamodb::{Answer, Decision, Intercept, Request};
use serde_json::{Value, json};
use tests::crash::CrashAtRequest;
use tests::system::{System, instant};

fn program() -> Value {
    json!({ "start_date": "2023-01-01", "milestone": { "metric": "amount_spent", "on_refund": "revoke" },
            "tiers": [ { "id": "silver", "threshold": 100, "entry_rewards": [{ "type": "points", "points": 50 }] },
                       { "id": "gold", "threshold": 500 } ] })
}

fn order(id: u32, member: &str, total: u32, revision: &str) -> Value {
    json!({ "type": "order.paid", "order_id": id.to_string(), "member_id": member, "total": total.to_string(),
            "occurred_at": "2024-05-01T10:00:00Z", "revision": revision })
}

/// Batches of a day: new orders, a refund, an order that moves, a duplicate, a message that cannot be read, an erasure.
fn batches() -> Vec<Vec<Value>> {
    let (first, later) = ("2024-05-01T10:00:00Z", "2024-05-02T10:00:00Z");
    vec![
        vec![order(1, "anna", 120, first), order(2, "ben", 600, first), json!({ "type": "order.lost" })],
        vec![
            json!({ "type": "order.refunded", "order_id": "2", "refund_id": "r", "amount": "200", "occurred_at": later }),
            order(3, "anna", 450, first),
        ],
        vec![order(1, "ben", 120, later), order(3, "anna", 450, first)],
        vec![
            order(4, "carl", 100, first),
            json!({ "type": "customer.erased", "member_id": "anna", "occurred_at": later }),
        ],
    ]
}

/// Everything that is stored.
async fn all(system: &System) -> Vec<String> {
    let mut all = Vec::new();
    for table in ["members", "ledger", "control"] {
        let mut items = system.items(table).await;
        all.append(&mut items);
    }
    all.sort_unstable();
    all
}

async fn opened() -> (embedded_dynamodb::Store, System) {
    let store = embedded_dynamodb::Store::memory().unwrap();
    let system = System::new(store.client(), "t").await;
    system.at(instant("2024-01-01T00:00:00Z"));
    system.publish(&program(), &json!({})).await;
    system.at(instant("2024-06-01T12:00:00Z"));
    (store, system)
}

/// A day that goes well: what is stored then, and the number of requests.
async fn a_good_day() -> (Vec<String>, usize) {
    let (store, system) = opened().await;
    let seen = Arc::new(AtomicUsize::new(0));
    let watched = system.another(store.client_with(CrashAtRequest {
        at: usize::MAX,
        carried_out: true,
        seen: Arc::clone(&seen),
        ..CrashAtRequest::default()
    }));
    for batch in batches() {
        assert_eq!(watched.tell(&batch).await.failed.len(), 0);
    }
    (all(&system).await, seen.load(Ordering::SeqCst))
}

#[tokio::test]
async fn wherever_ingest_dies_the_next_process_ends_where_it_would_have() {
    let (expected, requests) = a_good_day().await;
    assert!(requests > 12, "{requests}");
    for at in 0..requests {
        for carried_out in [false, true] {
            let (store, system) = opened().await;
            let dies = CrashAtRequest { at, carried_out, ..CrashAtRequest::default() };
            let first = system.another(store.client_with(dies));
            let next = system.another(store.client());
            for batch in batches() {
                let report = first.tell(&batch).await;
                let again: Vec<Value> =
                    report.failed.iter().map(|id| batch[id.parse::<usize>().unwrap()].clone()).collect();
                let report = next.tell(&again).await;
                assert_eq!((report.failed, report.failure), (Vec::new(), None), "request {at}");
            }
            assert_eq!(all(&system).await, expected, "request {at}, carried out: {carried_out}");
        }
    }
}

/// Requests that are refused for a while, as a busy database does.
#[derive(Debug)]
struct Busy(AtomicUsize);

impl Intercept for Busy {
    fn before<'a>(&'a self, _: &'a Request) -> Decision<'a> {
        let busy = self.0.fetch_add(1, Ordering::SeqCst) * 7919 % 11 < 3;
        Box::pin(std::future::ready(busy.then(Answer::throttled)))
    }
}

#[tokio::test]
async fn a_busy_database_delays_and_loses_nothing() {
    let (expected, _) = a_good_day().await;
    let (store, system) = opened().await;
    let busy = system.another(store.client_with(Busy(AtomicUsize::new(0))));
    for batch in batches() {
        let mut left = batch;
        let mut rounds = 0;
        while !left.is_empty() {
            let report = busy.tell(&left).await;
            left = report.failed.iter().map(|id| left[id.parse::<usize>().unwrap()].clone()).collect();
            rounds += 1;
            assert!(rounds < 60, "{:?}", report.failure);
        }
    }
    assert_eq!(all(&system).await, expected);
}
