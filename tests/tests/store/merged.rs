//! Members under several ids: merged, parted, in chains and circles, erased, swept and repaired. On every table.

use std::sync::Mutex;

use embedded_dynamodb::{Decision, Intercept, Request};
use engine::verify::{Difference, recompute};
use rules::id::MemberId;
use serde_json::{Value, json};
use store::history::Recorded;
use tests::dynamodb::Place;
use tests::system::{System, instant};

tests::for_every_table!(
    two_accounts_count_together_until_they_are_parted,
    the_order_in_which_merges_and_orders_arrive_does_not_matter,
    a_circle_is_cut_at_its_latest_merge,
    an_erasure_takes_all_who_stand_for_the_member_and_of_a_merged_id_only_what_was_told_under_it,
    at_new_year_a_member_under_several_ids_is_one_member,
    a_link_that_is_lost_is_found_and_mended,
    more_ids_than_one_member_may_have_are_quarantined,
);

const NOW: &str = "2024-06-01T12:00:00Z";

async fn opened(place: Place) -> System {
    let system = System::new(place.client, &place.prefix).await;
    system.at(instant("2024-01-01T00:00:00Z"));
    let program = json!({ "start_date": "2023-01-01", "currency": "USD",
            "milestone": { "metric": "amount_spent", "period": "calendar_year" },
            "tiers": [ { "id": "silver", "threshold": 100, "entry_rewards": [{ "type": "points", "points": 50 }] },
                       { "id": "gold", "threshold": 500, "entry_rewards": [{ "type": "free_shipping" }] } ] });
    system.publish(&program, &json!({})).await;
    system.at(instant(NOW));
    system
}

fn order(id: &str, member: &str, total: u32) -> Value {
    json!({ "type": "order.paid", "order_id": id, "member_id": member, "total": total,
            "occurred_at": "2024-05-01T10:00:00Z" })
}

fn merged(id: &str, into: Option<&str>, day: u32) -> Value {
    json!({ "type": "customer.merged", "member_id": id, "into": into,
            "occurred_at": format!("2024-05-{day:02}T10:00:00Z") })
}

fn erased(id: &str) -> Value {
    json!({ "type": "customer.erased", "member_id": id, "occurred_at": NOW })
}

async fn tell(system: &System, events: &[Value]) {
    let report = system.tell(events).await;
    assert!(report.failed.is_empty() && report.quarantined.is_empty(), "{report:?}");
}

/// The recorded transitions and rewards of an id, such as `entered silver merged false`.
async fn recorded(system: &System, id: &str) -> Vec<String> {
    let history = system.store.history(&system.shop, &MemberId::new(id).unwrap()).await.unwrap();
    let tier = |tier: Option<&str>| tier.unwrap_or("none").to_owned();
    let told = |row: &Recorded| match row {
        Recorded::Transition { event, .. } => {
            let (after, change) = (event.after.as_ref().map(|tier| tier.id.as_str()), json!(event));
            let (cause, notify) = (change["cause"].as_str().unwrap().to_owned(), &change["notify"]);
            Some(format!("{} {cause} {notify}", tier(after)))
        }
        Recorded::Reward { event, .. } => Some(format!("reward {}", event.tier.id)),
        _ => None,
    };
    history.iter().filter_map(told).collect()
}

async fn differences(system: &System, id: &str) -> Vec<Difference> {
    let versions = system.store.versions(&system.shop).await.unwrap().unwrap();
    let id = MemberId::new(id).unwrap();
    recompute(&system.store, &system.shop, &id, &versions, system.now()).await.unwrap().differences
}

async fn two_accounts_count_together_until_they_are_parted(place: Place) {
    let system = opened(place).await;
    tell(&system, &[order("1", "anna", 60), order("2", "ben", 150)]).await;
    assert_eq!(recorded(&system, "ben").await, ["silver activity true", "reward silver"]);
    tell(&system, &[merged("ben", Some("anna"), 20)]).await;
    let (anna, ben) = (system.member("anna").await, system.member("ben").await);
    assert_eq!(anna.counting().orders().len(), 2);
    assert_eq!(ben.stands_for.as_ref().map(MemberId::as_str), Some("anna"));
    assert_eq!(recorded(&system, "anna").await, ["silver merged false"]);
    assert_eq!(recorded(&system, "ben").await[2..], ["none merged false"]);

    // What is told of either counts for the member; silver was given to ben, and gold is reached by both.
    tell(&system, &[order("3", "ben", 300)]).await;
    assert_eq!(recorded(&system, "anna").await[1..], ["gold activity true", "reward gold"]);

    tell(&system, &[merged("ben", None, 21)]).await;
    assert_eq!(recorded(&system, "anna").await[3..], ["none merged false"]);
    assert_eq!(recorded(&system, "ben").await[3..], ["silver merged false"]);
    assert_eq!((system.tier("anna").await, system.tier("ben").await.as_deref()), (None, Some("silver")));
    for id in ["anna", "ben"] {
        assert_eq!(differences(&system, id).await, [], "{id}");
    }
}

async fn the_order_in_which_merges_and_orders_arrive_does_not_matter(place: Place) {
    let events = [
        order("1", "anna", 60),
        order("2", "ben", 60),
        order("3", "carl", 400),
        merged("carl", Some("ben"), 3),
        merged("ben", Some("anna"), 4),
    ];
    let prefix = place.prefix.clone();
    for (turn, together) in (0..events.len()).zip([false, true].into_iter().cycle()) {
        let place = Place { client: place.client.clone(), prefix: format!("{prefix}{turn}") };
        let system = opened(place).await;
        let mut events = events.clone();
        events.rotate_left(turn);
        if together {
            tell(&system, &events).await;
        } else {
            for event in &events {
                tell(&system, &[event.clone(), event.clone()]).await;
            }
        }
        assert_eq!(system.tier("anna").await.as_deref(), Some("gold"), "{turn}");
        for id in ["ben", "carl"] {
            let held = system.member(id).await;
            assert_eq!((held.record.tier(), held.stands_for.unwrap().as_str()), (None, "anna"), "{turn}: {id}");
            assert_eq!(differences(&system, id).await, [], "{turn}: {id}");
        }
        assert_eq!(differences(&system, "anna").await, [], "{turn}");
    }
}

async fn a_circle_is_cut_at_its_latest_merge(place: Place) {
    let system = opened(place).await;
    tell(&system, &[order("1", "anna", 60), order("2", "ben", 60)]).await;
    tell(&system, &[merged("ben", Some("anna"), 4), merged("anna", Some("ben"), 3)]).await;
    assert_eq!((system.tier("ben").await.as_deref(), system.tier("anna").await), (Some("silver"), None));
    // Without anna's merge, that of ben is valid.
    tell(&system, &[merged("anna", None, 5)]).await;
    assert_eq!((system.tier("anna").await.as_deref(), system.tier("ben").await), (Some("silver"), None));
    assert_eq!([differences(&system, "anna").await, differences(&system, "ben").await], [[], []]);
}

async fn an_erasure_takes_all_who_stand_for_the_member_and_of_a_merged_id_only_what_was_told_under_it(place: Place) {
    let system = opened(place).await;
    tell(&system, &[order("1", "anna", 60), order("2", "ben", 60), order("3", "carl", 400)]).await;
    tell(&system, &[merged("ben", Some("anna"), 3), merged("carl", Some("ben"), 4)]).await;
    tell(&system, &[erased("ben")]).await;
    // Carl still stands for anna, through ben's tombstone.
    let (anna, carl) = (system.member("anna").await, system.member("carl").await);
    assert_eq!((anna.counting().orders().len(), carl.stands_for.unwrap().as_str()), (2, "anna"));
    assert_eq!(recorded(&system, "anna").await.last().unwrap(), "silver activity true");
    tell(&system, &[order("4", "ben", 1_000), merged("ben", None, 9)]).await;
    assert_eq!(system.tier("anna").await.as_deref(), Some("silver"));

    tell(&system, &[erased("anna")]).await;
    for id in ["anna", "ben", "carl"] {
        assert!(system.stored(id).await.is_erased(), "{id}");
        let left: Vec<_> = system.items("ledger").await.into_iter().filter(|item| item.contains(id)).collect();
        assert_eq!(left, Vec::<String>::new(), "{id}");
    }
    // A merge into an erased member is void.
    tell(&system, &[merged("dora", Some("anna"), 9), order("5", "dora", 150)]).await;
    assert_eq!(system.tier("dora").await.as_deref(), Some("silver"));
    assert_eq!(differences(&system, "dora").await, []);
    assert!(!system.items("ledger").await.iter().any(|item| item.contains("anna")));
}

async fn at_new_year_a_member_under_several_ids_is_one_member(place: Place) {
    let system = opened(place).await;
    tell(&system, &[order("1", "anna", 60), order("2", "ben", 60), order("3", "carl", 150)]).await;
    tell(&system, &[merged("ben", Some("anna"), 3)]).await;
    system.at(instant("2025-01-01T00:30:00Z"));
    system.sweep_all().await;
    let insight = engine::insight::latest(&system.store, &system.shop, system.now()).await.unwrap().unwrap();
    assert_eq!(insight.members, 2);
    system.at(instant("2026-01-01T00:30:00Z"));
    system.sweep_all().await;
    assert_eq!(recorded(&system, "anna").await, ["silver merged false", "none period_end true"]);
    assert_eq!(recorded(&system, "ben").await, Vec::<String>::new());
}

async fn a_link_that_is_lost_is_found_and_mended(place: Place) {
    let system = opened(place).await;
    tell(&system, &[order("1", "anna", 60), order("2", "ben", 60), merged("ben", Some("anna"), 3)]).await;
    let held = system.member("anna").await;
    let mut commit = store::Commit::default();
    let none = store::Links::default();
    let anna = MemberId::new("anna").unwrap();
    commit.member(&system.store, &system.shop, &anna, (&held.ledger, &held.record, &none), &held).unwrap();
    system.store.commit(commit).await.unwrap();
    assert_eq!(differences(&system, "ben").await, [Difference::Merges]);
    let versions = system.store.versions(&system.shop).await.unwrap().unwrap();
    let ben = MemberId::new("ben").unwrap();
    let recomputed = recompute(&system.store, &system.shop, &ben, &versions, system.now()).await.unwrap();
    recomputed.repair(&system.store, &system.shop, &versions, system.now()).await.unwrap();
    assert_eq!([differences(&system, "anna").await, differences(&system, "ben").await], [[], []]);
    assert_eq!(system.member("anna").await.counting().orders().len(), 2);
}

async fn more_ids_than_one_member_may_have_are_quarantined(place: Place) {
    let system = opened(place).await;
    let merges: Vec<Value> = (1..=store::MERGED_MAX).map(|n| merged(&format!("id-{n}"), Some("anna"), 3)).collect();
    let (last, fitting) = merges.split_last().unwrap();
    tell(&system, fitting).await;
    let report = system.tell(std::slice::from_ref(last)).await;
    assert_eq!(report.quarantined.iter().map(|(_, why)| why.reason.code()).collect::<Vec<_>>(), ["too_large"]);
    tell(&system, &[order("1", "id-7", 150)]).await;
    assert_eq!(system.tier("anna").await.as_deref(), Some("silver"));
}

/// Carries out another writer's events at the first transaction of this one, and lets the transaction go on.
struct Meets {
    other: System,
    events: Mutex<Vec<Value>>,
}

impl std::fmt::Debug for Meets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meets").field("events", &self.events).finish_non_exhaustive()
    }
}

impl Intercept for Meets {
    fn before<'a>(&'a self, request: &'a Request) -> Decision<'a> {
        Box::pin(async move {
            if request.operation == "TransactWriteItems" {
                let events = std::mem::take(&mut *self.events.lock().unwrap());
                if !events.is_empty() {
                    tell(&self.other, &events).await;
                }
            }
            None
        })
    }
}

/// One writer has decided what a fact or a merge changes, when the other commits: the first one has to decide again.
#[tokio::test]
async fn a_merge_and_a_fact_that_meet_are_both_in_the_standing() {
    let merge = || vec![merged("ben", Some("anna"), 20)];
    let facts = ["anna", "ben", "carl"].map(|id| vec![order("9", id, 300)]);
    for fact in facts {
        for (first, second) in [(merge(), fact.clone()), (fact.clone(), merge())] {
            let store = embedded_dynamodb::Store::memory().unwrap();
            let system = opened(Place { client: store.client(), prefix: "t".to_owned() }).await;
            tell(&system, &[order("1", "anna", 60), order("2", "ben", 60), order("3", "carl", 90)]).await;
            tell(&system, &[merged("carl", Some("ben"), 3)]).await;
            let meets = Meets { other: system.another(store.client()), events: Mutex::new(second.clone()) };
            let writer = system.another(store.client_with(meets));
            tell(&writer, &first).await;
            let what = format!("{first:?}, met by {second:?}");
            assert_eq!(system.member("anna").await.counting().orders().len(), 4, "{what}");
            assert_eq!(system.tier("anna").await.as_deref(), Some("gold"), "{what}");
            for id in ["anna", "ben", "carl"] {
                assert_eq!(differences(&system, id).await, [], "{id}: {what}");
            }
        }
    }
}

/// The halves of write units and of read units that a merge and its undoing cost.
async fn cost(orders: u32) -> [(i64, i64); 2] {
    let system = opened(tests::dynamodb::embedded().await).await;
    for member in ["anna", "ben"] {
        let all: Vec<Value> = (0..orders).map(|n| order(&format!("{member}-{n}"), member, 1)).collect();
        for some in all.chunks(100) {
            tell(&system, some).await;
        }
    }
    let mut used = [(0, 0); 2];
    for (used, event) in used.iter_mut().zip([merged("ben", Some("anna"), 3), merged("ben", None, 4)]) {
        system.used();
        tell(&system, &[event]).await;
        let units = system.used();
        *used = (units.table_writes + units.index_writes, units.reads);
    }
    used
}

/// A merge writes a row, the two items and what is recorded, whatever was ordered: not the pages of a heavy member.
#[tokio::test]
async fn a_merge_of_heavy_members_writes_what_a_merge_of_light_ones_does() {
    let orders = std::env::var("ORDERS").map_or(1_000, |orders| orders.parse().unwrap());
    let (light, heavy) = (cost(10).await, cost(orders).await);
    println!("write and read halves: 10 orders each {light:?}, {orders} orders each {heavy:?}");
    for ((light, _), (heavy, _)) in light.into_iter().zip(heavy) {
        // The item of a heavy member lists its pages, and takes more than one unit.
        assert!(heavy <= 4 * light, "{heavy} in place of {light}");
    }
}
