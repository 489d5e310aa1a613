//! A boundary may pass while ingest decides. Every member that ingest commits was looked at under the clock of the commit. A
//! sweep that starts a margin after the boundary therefore finds no member whom a late writer left before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::clock::Clock;
use engine::ingest::{Ingest, Message, native};
use rules::advance::is_due;
use rules::calendar::Instant;
use rules::id::MemberId;
use serde_json::json;
use tests::system::{InMemoryQuarantine, System, instant};

/// A clock that jumps at its n-th reading.
fn jumps(at: usize, before: Instant, after: Instant) -> (Clock, Arc<AtomicUsize>) {
    let readings = Arc::new(AtomicUsize::new(0));
    let read = Arc::clone(&readings);
    let clock = Clock::new(move || if read.fetch_add(1, Ordering::SeqCst) < at { before } else { after });
    (clock, readings)
}

#[tokio::test]
async fn a_midnight_that_passes_while_ingest_decides_is_passed_in_what_it_commits() {
    let (before, midnight) = (instant("2024-01-31T23:59:59.999Z"), instant("2024-02-01T00:00:00.001Z"));
    let mut decided_again = 0;
    for at in 0..8 {
        let place = tests::dynamodb::embedded().await;
        let system = System::new(place.client, &place.prefix).await;
        system.at(instant("2024-01-01T00:00:00Z"));
        // What was spent 30 days ago ages out at that midnight, and with it the tier.
        let program = json!({ "start_date": "2023-01-01",
            "milestone": { "metric": "amount_spent", "period": { "rolling": { "days": 30 } } },
            "tiers": [{ "id": "gold", "threshold": 500 }] });
        system.publish(&program, &json!({})).await;
        let order = |id: &str, total: &str, on: &str| json!({ "type": "order.paid", "order_id": id, "member_id": "anna", "total": total, "occurred_at": on });
        system.at(instant("2024-01-02T12:00:00Z"));
        assert_eq!(system.tell(&[order("1", "600", "2024-01-02T10:00:00Z")]).await.counts.transitions, 1);

        let (clock, readings) = jumps(at, before, midnight);
        let ingest = Ingest::new(system.store.clone(), InMemoryQuarantine::default(), clock);
        let body = native(&system.shop, &order("2", "20", "2024-01-31T20:00:00Z"), before);
        let report = ingest.handle(&[Message { id: "a".to_owned(), body, sent_at: None }]).await;
        assert_eq!((report.failed.len(), report.counts.applied), (0, 1), "{report:?}");

        let committed_at = if readings.load(Ordering::SeqCst) > at { midnight } else { before };
        decided_again += usize::from(report.counts.transitions > 0 && at > 0);
        let versions = system.store.versions(&system.shop).await.unwrap().unwrap();
        let anna = MemberId::new("anna").unwrap();
        let held = system.store.members(&system.shop, [anna.clone()]).await.unwrap().remove(&anna).unwrap();
        let held = held.alive().unwrap();
        assert!(!is_due(&held.ledger, &held.record, &versions, committed_at), "the jump at reading {at}");
        let lost = held.record.tier().is_none();
        assert_eq!(lost, committed_at == midnight, "gold ends at that midnight; the jump at reading {at}");
    }
    assert!(decided_again > 1, "the clock was read again between deciding and committing");
}
