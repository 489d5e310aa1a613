//! Exhaustive tests: every order in which six events of one order can come, every request at which a relay can die, and ten
//! thousand events of one member at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use embedded_dynamodb::{Answer, Decision, Intercept, Request};
use engine::clock::Clock;
use engine::relay::{Bus, PutResult as Said, Relay, RetryPolicy};
use engine::telemetry::{LogKey, Metrics};
use engine::verify::recompute;
use rules::id::MemberId;
use serde_json::{Value, json};
use store::Outgoing;
use tests::crash::CrashAtRequest;
use tests::system::{System, instant};

fn program() -> Value {
    json!({ "start_date": "2023-01-01", "milestone": { "metric": "amount_spent", "on_refund": "revoke" },
            "tiers": [ { "id": "silver", "threshold": 100, "entry_rewards": [{ "type": "points", "points": 50 }] },
                       { "id": "gold", "threshold": 500 } ] })
}

async fn opened(client: aws_sdk_dynamodb::Client, prefix: &str) -> System {
    let system = System::new(client, prefix).await;
    system.at(instant("2024-01-01T00:00:00Z"));
    system.publish(&program(), &json!({})).await;
    system.at(instant("2024-06-01T12:00:00Z"));
    system
}

/// An order, the same order by another member with a later revision, two refunds, one of them corrected, and a cancellation.
fn six() -> [Value; 6] {
    let order = |member: &str, total: &str, revision: &str| {
        json!({ "type": "order.paid", "order_id": "1", "member_id": member, "total": total,
                "occurred_at": "2024-05-01T10:00:00Z", "revision": revision })
    };
    let refund = |id: &str, amount: &str, revision: &str| {
        json!({ "type": "order.refunded", "order_id": "1", "refund_id": id, "amount": amount,
                "occurred_at": "2024-05-03T10:00:00Z", "revision": revision })
    };
    [
        order("anna", "600", "2024-05-01T10:00:00Z"),
        order("ben", "620", "2024-05-02T10:00:00Z"),
        refund("a", "20", "2024-05-03T10:00:00Z"),
        refund("b", "150", "2024-05-03T10:00:00Z"),
        refund("b", "200", "2024-05-04T10:00:00Z"),
        json!({ "type": "order.cancelled", "order_id": "1", "member_id": "carl", "occurred_at": "2024-05-20T10:00:00Z" }),
    ]
}

/// All orders of `n` places, by Heap's algorithm.
fn orders(n: usize) -> Vec<Vec<usize>> {
    fn heap(k: usize, places: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
        if k < 2 {
            all.push(places.clone());
            return;
        }
        for i in 0..k {
            heap(k - 1, places, all);
            places.swap(if k.is_multiple_of(2) { i } else { 0 }, k - 1);
        }
    }
    let mut all = Vec::new();
    heap(n, &mut (0..n).collect(), &mut all);
    all
}

#[tokio::test]
async fn all_720_orders_of_six_events_of_one_order_end_alike() {
    let mut expected = None;
    let orders = orders(6);
    assert_eq!(orders.len(), 720);
    for order in orders {
        let place = tests::dynamodb::simulated().await;
        let system = opened(place.client, &place.prefix).await;
        for event in &order {
            // One by one, each of them twice.
            let event = six()[*event].clone();
            let report = system.tell(&[event.clone(), event]).await;
            assert_eq!(report.failed, Vec::<String>::new(), "{order:?}: {report:?}");
        }
        let versions = system.store.versions(&system.shop).await.unwrap().unwrap();
        let mut found = Vec::new();
        for member in ["anna", "ben", "carl"] {
            let held = system.member(member).await;
            let id = MemberId::new(member).unwrap();
            let recomputed = recompute(&system.store, &system.shop, &id, &versions, system.now()).await.unwrap();
            assert_eq!(recomputed.differences, [], "{order:?}: {member}");
            found.push((held.ledger, held.record.tier().cloned()));
        }
        let [anna, ben, carl] = &found[..] else { panic!("{found:?}") };
        assert!(anna.0.is_empty() && carl.0.is_empty(), "{order:?}: {anna:?} {carl:?}");
        let theirs = &ben.0.orders()[0];
        assert_eq!((theirs.refunds.len(), theirs.cancelled.is_some(), &ben.1), (2, true, &None), "{order:?}");
        assert_eq!(expected.get_or_insert_with(|| found.clone()), &found, "{order:?}");
    }
}

/// A bus that notes ids.
#[derive(Debug, Clone, Default)]
struct Noted(Arc<std::sync::Mutex<Vec<String>>>);

impl Bus for Noted {
    async fn put(&self, entries: &[&Outgoing]) -> Vec<Said> {
        let id = |row: &&Outgoing| serde_json::from_str::<Value>(&row.detail).unwrap()["id"].to_string();
        self.0.lock().unwrap().extend(entries.iter().map(id));
        vec![Said::Taken; entries.len()]
    }
}

fn relay(system: &System, bus: &Noted) -> Relay<Noted> {
    let now = system.now().plus_millis(3_600_000);
    Relay {
        store: system.store.clone(),
        bus: bus.clone(),
        retry_policy: RetryPolicy { attempts: 2, wait: Duration::from_millis(1), budget: Duration::from_secs(60) },
        clock: Clock::new(move || now),
        log_key: LogKey::new("a key only for tests").unwrap(),
    }
}

/// The number of rows left in the outboxes.
async fn waiting(system: &System) -> usize {
    system.items("ledger").await.iter().filter(|row| row.contains("\"unpublished\"")).count()
}

/// Three members rise, and a relay dies at a request. The next relay must announce the rest. Returns the number of requests made.
async fn a_relay_dies(at: usize, carried_out: bool) -> usize {
    let store = embedded_dynamodb::Store::memory().unwrap();
    let system = opened(store.client(), "t").await;
    for member in ["anna", "ben", "carl"] {
        let order = json!({ "type": "order.paid", "order_id": member, "member_id": member, "total": "600",
                            "occurred_at": "2024-05-01T10:00:00Z" });
        assert_eq!(system.tell(&[order]).await.counts.applied, 1);
    }
    let (bus, rows, seen) = (Noted::default(), waiting(&system).await, Arc::new(AtomicUsize::new(0)));
    assert_eq!(rows, 4, "a program published, and three members who rise");
    let first = system.another(store.client_with(CrashAtRequest {
        at,
        carried_out,
        seen: Arc::clone(&seen),
        ..CrashAtRequest::default()
    }));
    let _ = relay(&first, &bus).pass(&mut Metrics::of("relay")).await;
    let passed = relay(&system, &bus).pass(&mut Metrics::of("relay")).await.unwrap();
    assert!(passed.finished && passed.failed == 0, "request {at}: {passed:?}");
    assert_eq!(waiting(&system).await, 0, "request {at}");
    let mut ids = bus.0.lock().unwrap().clone();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), rows, "request {at}, carried out: {carried_out}");
    seen.load(Ordering::SeqCst)
}

#[tokio::test]
async fn wherever_a_relay_dies_the_next_one_announces_everything_under_the_same_ids() {
    let requests = a_relay_dies(usize::MAX, true).await;
    assert!(requests > 64, "{requests}");
    for at in 0..requests {
        for carried_out in [false, true] {
            a_relay_dies(at, carried_out).await;
        }
    }
}

/// One request in seven is throttled or loses its answer.
#[derive(Debug, Default)]
struct Rough(AtomicUsize);

impl Intercept for Rough {
    fn before<'a>(&'a self, _: &'a Request) -> Decision<'a> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready((number % 14 == 3).then(Answer::throttled)))
    }

    fn after<'a>(&'a self, _: &'a Request, _: &'a Answer) -> Decision<'a> {
        let number = self.0.load(Ordering::SeqCst);
        Box::pin(std::future::ready((number % 14 == 9).then_some(Answer::TimedOut)))
    }
}

#[tokio::test]
async fn ten_thousand_events_of_one_member_in_a_burst_lose_nothing() {
    let store = embedded_dynamodb::Store::memory().unwrap();
    let system = opened(store.client(), "t").await;
    let rough = system.another(store.client_with(Rough::default()));
    let order = |n: usize| {
        json!({ "type": "order.paid", "order_id": format!("o{n}"), "member_id": "anna", "total": "0.05",
                "occurred_at": format!("2024-05-{:02}T{:02}:{:02}:00Z", 1 + n % 28, n / 28 % 24, n / 700 % 60) })
    };
    let all: Vec<Value> = (0..10_000).map(order).collect();
    for some in all.chunks(100) {
        let mut left = some.to_vec();
        // As in a queue: what failed comes again.
        for _ in 0..40 {
            let report = rough.tell(&left).await;
            left = report.failed.iter().map(|id| left[id.parse::<usize>().unwrap()].clone()).collect();
            if left.is_empty() {
                break;
            }
        }
        assert_eq!(left, Vec::<Value>::new());
    }
    let held = system.member("anna").await;
    assert_eq!(
        (held.ledger.orders().len(), held.record.tier().map(ToString::to_string)),
        (10_000, Some("gold".to_owned()))
    );
    assert!(held.pages() > 0);
    let versions = system.store.versions(&system.shop).await.unwrap().unwrap();
    let anna = MemberId::new("anna").unwrap();
    let recomputed = recompute(&system.store, &system.shop, &anna, &versions, system.now()).await.unwrap();
    assert_eq!(recomputed.differences, []);
}
