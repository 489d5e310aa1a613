//! Recorded rows reach the bus, whatever happens in between: on every table.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::clock::Clock;
use engine::relay::{Bus, Delivery, Passed, PutResult, Relay, RetryPolicy, publish};
use engine::telemetry::{LogKey, Metrics};
use rules::calendar::Instant;
use rules::id::MemberId;
use serde_json::{Value, json};
use store::history::Recorded;
use store::key::Spread;
use store::shop::ShopId;
use store::{Outgoing, Store};
use tests::dynamodb::Place;
use tests::system::System;

tests::for_every_table!(
    what_was_recorded_is_announced_once_and_stays_as_history,
    what_is_young_is_left_to_the_stream,
    what_an_outage_left_is_announced_by_a_later_pass,
    a_crash_between_sending_and_marking_sends_the_same_event_again,
    a_row_erased_before_it_was_marked_stays_erased,
    every_shop_and_every_outbox_is_passed,
);

mod charged {
    use super::*;

    tests::for_each_store!(an_announcement_costs_two_write_units_and_an_idle_pass_half_a_read_unit_per_outbox);
}

const MINUTE: i64 = 60_000;

/// A bus that notes what it took, and takes nothing while it is down.
#[derive(Debug, Clone, Default)]
struct Noted {
    taken: Arc<Mutex<Vec<(String, Value)>>>,
    down: Arc<Mutex<bool>>,
}

impl Noted {
    fn is_down(&self, down: bool) {
        *self.down.lock().unwrap() = down;
    }

    fn taken(&self) -> Vec<(String, Value)> {
        self.taken.lock().unwrap().clone()
    }

    fn ids(&self) -> Vec<String> {
        self.taken().iter().map(|(_, detail)| detail["id"].as_str().unwrap().to_owned()).collect()
    }
}

impl Bus for Noted {
    async fn put(&self, entries: &[&Outgoing]) -> Vec<PutResult> {
        if *self.down.lock().unwrap() {
            return vec![PutResult::Later("InternalFailure".to_owned()); entries.len()];
        }
        let read = |row: &&Outgoing| (row.kind.clone(), serde_json::from_str(&row.detail).unwrap());
        self.taken.lock().unwrap().extend(entries.iter().map(read));
        vec![PutResult::Taken; entries.len()]
    }
}

fn start() -> Instant {
    Instant::parse("2024-05-01T10:00:00Z").unwrap()
}

fn retry_policy() -> RetryPolicy {
    RetryPolicy { attempts: 2, wait: Duration::from_millis(1), budget: Duration::from_secs(60) }
}

/// A relay whose clock is `minutes` after the start.
fn relay(store: &Store, bus: &Noted, minutes: i64) -> Relay<Noted> {
    let now = start().plus_millis(minutes * MINUTE);
    let log_key = LogKey::new("a key only for tests").unwrap();
    Relay {
        store: store.clone(),
        bus: bus.clone(),
        retry_policy: retry_policy(),
        clock: Clock::new(move || now),
        log_key,
    }
}

async fn pass(store: &Store, bus: &Noted, minutes: i64) -> Passed {
    relay(store, bus, minutes).pass(&mut Metrics::of("relay")).await.unwrap()
}

fn passed(published: usize, failed: usize) -> Passed {
    Passed { published, failed, finished: true }
}

/// A shop with a program of one tier, which brings a reward. Its publication is announced already.
async fn shop(place: Place, name: &str) -> System {
    let mut system = System::new(place.client, &place.prefix).await;
    system.shop = ShopId::new(name).unwrap();
    system.at(start());
    let tiers = json!([{ "id": "gold", "name": "Gold", "threshold": 500,
                         "entry_rewards": [{ "type": "points", "points": 50 }] }]);
    system.publish(&json!({ "start_date": "2024-01-01", "tiers": tiers }), &json!({})).await;
    for published in waiting(&system).await {
        system.store.mark_published(&published.key).await.unwrap();
    }
    system
}

async fn reaches_gold(system: &System, member: &str) {
    let earned = json!({ "type": "points.earned", "member_id": member, "entry_id": member, "points": 600,
                         "occurred_at": "2024-05-01T09:00:00Z" });
    let report = system.tell(&[earned]).await;
    assert!(report.failed.is_empty(), "{report:?}");
}

fn anna() -> MemberId {
    MemberId::new("anna").unwrap()
}

/// All rows that wait, as the stream would bring them.
async fn waiting(system: &System) -> Vec<Outgoing> {
    let mut found = Vec::new();
    for outbox in 0..Spread::DEPLOYED.outboxes() {
        let end = start().plus_millis(MINUTE);
        let page = system.store.unpublished(&system.shop, outbox, end, None).await.unwrap();
        found.extend(system.store.outgoing(&page.keys).await.unwrap().0);
    }
    found
}

async fn what_was_recorded_is_announced_once_and_stays_as_history(place: Place) {
    let (system, bus) = (shop(place, "acme").await, Noted::default());
    reaches_gold(&system, "anna").await;
    let rows = waiting(&system).await;
    let deliveries = relay(&system.store, &bus, 0).announce(&rows, &mut Metrics::of("relay")).await;
    assert_eq!(deliveries, [Delivery::Published, Delivery::Published]);
    let kinds: BTreeSet<_> = bus.taken().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["tier.changed.v1", "tier.reward_issued.v1"]);
    assert!(waiting(&system).await.is_empty());
    assert_eq!(pass(&system.store, &bus, 60).await, passed(0, 0));
    let history = system.store.history(&system.shop, &anna()).await.unwrap();
    let [Recorded::Transition { event, .. }, Recorded::Reward { .. }] = history.as_slice() else {
        panic!("{history:?}")
    };
    assert_eq!((event.recorded_at, event.summary.contains("Gold")), (start(), true));
}

async fn what_is_young_is_left_to_the_stream(place: Place) {
    let (system, bus) = (shop(place, "acme").await, Noted::default());
    reaches_gold(&system, "anna").await;
    assert_eq!(pass(&system.store, &bus, 15).await, passed(0, 0));
    assert_eq!(pass(&system.store, &bus, 16).await, passed(2, 0));
}

async fn what_an_outage_left_is_announced_by_a_later_pass(place: Place) {
    let (system, bus) = (shop(place, "acme").await, Noted::default());
    bus.is_down(true);
    reaches_gold(&system, "anna").await;
    let rows = waiting(&system).await;
    let deliveries = relay(&system.store, &bus, 0).announce(&rows, &mut Metrics::of("relay")).await;
    assert!(
        deliveries.iter().all(|delivery| matches!(delivery, Delivery::Later(why) if why == "InternalFailure")),
        "{deliveries:?}"
    );
    assert_eq!(pass(&system.store, &bus, 60).await, passed(0, 2));
    bus.is_down(false);
    assert_eq!(pass(&system.store, &bus, 120).await, passed(2, 0));
    assert_eq!(pass(&system.store, &bus, 180).await, passed(0, 0));
}

async fn a_crash_between_sending_and_marking_sends_the_same_event_again(place: Place) {
    let (system, bus) = (shop(place, "acme").await, Noted::default());
    reaches_gold(&system, "anna").await;
    let deliveries = publish(&bus, &waiting(&system).await, &retry_policy()).await;
    assert_eq!(deliveries, [Delivery::Published, Delivery::Published]);
    assert_eq!(pass(&system.store, &bus, 60).await, passed(2, 0));
    let ids = bus.ids();
    assert_eq!(ids.len(), 4);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 2);
}

async fn a_row_erased_before_it_was_marked_stays_erased(place: Place) {
    let (system, bus) = (shop(place, "acme").await, Noted::default());
    reaches_gold(&system, "anna").await;
    let rows = waiting(&system).await;
    system.store.erase(&system.shop, &anna()).await.unwrap();
    relay(&system.store, &bus, 0).announce(&rows, &mut Metrics::of("relay")).await;
    assert!(system.store.history(&system.shop, &anna()).await.unwrap().is_empty());
}

async fn every_shop_and_every_outbox_is_passed(place: Place) {
    let (first, bus) = (shop(place.clone(), "acme").await, Noted::default());
    let other = shop(place, "other.example").await;
    for number in 0..40 {
        reaches_gold(if number % 2 == 0 { &first } else { &other }, &format!("member {number}")).await;
    }
    assert_eq!(pass(&first.store, &bus, 60).await, passed(80, 0));
    let told: BTreeSet<_> = bus.taken().iter().map(|(_, detail)| detail["shop"].to_string()).collect();
    assert_eq!(told.len(), 2);
    assert_eq!(bus.ids().into_iter().collect::<BTreeSet<_>>().len(), 80);
}

async fn an_announcement_costs_two_write_units_and_an_idle_pass_half_a_read_unit_per_outbox(place: Place) {
    let (system, bus) = (shop(place, "acme").await, Noted::default());
    reaches_gold(&system, "anna").await;
    let rows = waiting(&system).await;
    system.used();
    let relay = relay(&system.store, &bus, 60);
    let mut metrics = Metrics::of("relay");
    relay.announce(&rows[..1], &mut metrics).await;
    let line: Value = serde_json::from_str(&metrics.line(start()).unwrap()).unwrap();
    // One for the row, one for its leaving the index.
    assert!(line["WriteUnits"].as_f64().unwrap() <= 2.0, "{line}");
    relay.announce(&rows[1..], &mut Metrics::of("relay")).await;
    let mut metrics = Metrics::of("relay");
    assert_eq!(relay.pass(&mut metrics).await.unwrap(), passed(0, 0));
    let line: Value = serde_json::from_str(&metrics.line(start()).unwrap()).unwrap();
    // And one for the list of shops.
    assert!(line["ReadUnits"].as_f64().unwrap() <= f64::from(Spread::DEPLOYED.outboxes()) / 2.0 + 1.0, "{line}");
    assert_eq!(line["WriteUnits"], 0);
}
