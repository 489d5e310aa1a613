//! A boundary may pass while ingest decides. Every member that ingest commits was looked at under the clock of the commit. A
//! sweep that starts a margin after the boundary therefore finds no member whom a late writer left before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use engine::clock::Clock;
use engine::ingest::{Ingest, Message, native};
use engine::sweep::Sweep;
use rules::advance::is_due;
use rules::calendar::Instant;
use rules::id::MemberId;
use serde_json::json;
use store::history::Recorded;
use tests::system::{InMemoryQuarantine, InMemorySegmentQueue, System, instant, settings};

/// A clock that jumps at its n-th reading.
fn jumps(at: usize, before: Instant, after: Instant) -> (Clock, Arc<AtomicUsize>) {
    let readings = Arc::new(AtomicUsize::new(0));
    let read = Arc::clone(&readings);
    let clock = Clock::new(move || if read.fetch_add(1, Ordering::SeqCst) < at { before } else { after });
    (clock, readings)
}

/// Moves a clock when the first page of members is read, after it was armed.
#[derive(Debug, Clone)]
struct MovesAtFirstPage {
    clock: Arc<AtomicI64>,
    to: Instant,
    is_armed: Arc<AtomicBool>,
}

impl Intercept for MovesAtFirstPage {
    fn name(&self) -> &'static str {
        "MovesAtFirstPage"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request();
        let reads = request.headers().get("x-amz-target").is_some_and(|target| target.ends_with("Query"));
        let body = request.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
        if reads && body.contains("-members\"") && self.is_armed.swap(false, Ordering::SeqCst) {
            self.clock.store(self.to.millis(), Ordering::SeqCst);
        }
        Ok(())
    }
}

/// From an attack: a page of a sweep took what had been recorded since it had read the clock, which was then moved by a day, for
/// records of a clock that was ahead, and announced that the member had left the tier.
#[tokio::test]
async fn what_is_recorded_after_a_page_began_is_not_taken_back() {
    let (before, after) = (instant("2024-03-02T10:00:00Z"), instant("2024-03-03T12:00:00Z"));
    let clock = Arc::new(AtomicI64::new(before.millis()));
    let moves = MovesAtFirstPage { clock: Arc::clone(&clock), to: after, is_armed: Arc::default() };
    let place = tests::dynamodb::embedded().await;
    let config = place.client.config().to_builder().interceptor(moves.clone()).build();
    let system = System::new(aws_sdk_dynamodb::Client::from_conf(config), &place.prefix).await;
    system.at(instant("2024-03-01T10:00:00Z"));
    let program = json!({ "start_date": "2023-01-01", "milestone": { "metric": "amount_spent", "period": "lifetime" },
                          "tiers": [{ "id": "gold", "threshold": 100 }] });
    system.publish(&program, &json!({})).await;
    let ticks = Arc::clone(&clock);
    let now = Clock::new(move || Instant::from_millis(ticks.load(Ordering::SeqCst)));
    let sweep = Sweep::new(system.store.clone(), InMemorySegmentQueue::default(), now, settings());
    sweep.tick().await.unwrap();
    // The order arrives a day later, when the page has read its clock and not yet its members.
    system.at(after);
    let order = json!({ "type": "order.paid", "order_id": "1", "member_id": "anna", "total": "500",
                        "occurred_at": "2024-03-03T11:00:00Z" });
    assert_eq!(system.tell(&[order]).await.counts.transitions, 1);
    // Whichever segment has the member.
    for work in sweep.workers().take() {
        clock.store(before.millis(), Ordering::SeqCst);
        moves.is_armed.store(true, Ordering::SeqCst);
        sweep.work(&work).await.unwrap();
        assert!(!moves.is_armed.load(Ordering::SeqCst), "a page of members was read");
    }
    let anna = MemberId::new("anna").unwrap();
    let history = system.store.history(&system.shop, &anna).await.unwrap();
    assert!(matches!(history.as_slice(), [Recorded::Transition { .. }]), "{history:#?}");
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
