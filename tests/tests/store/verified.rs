//! Members follow from the ledger: damage is found, and the member is rebuilt as it was.

use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use embedded_dynamodb::{Decision, Intercept, Request};
use engine::verify::{Difference, Recomputed, everybody, recompute};
use rules::id::MemberId;
use rules::version::Versions;
use serde_json::{Value, json};
use store::key::{self, Spread};
use store::{Item, StoreError};
use tests::dynamodb::Place;
use tests::in_memory_tables::InMemoryTables;
use tests::system::{System, instant};

tests::for_every_table!(
    an_undamaged_shop_is_as_its_ledger_has_it,
    a_cancellation_of_another_members_points_is_no_difference,
    whatever_is_damaged_is_found_and_rebuilt_as_it_was,
);

fn program(gold: u32, lifetime: bool) -> Value {
    json!({ "start_date": "2023-01-01",
            "milestone": { "metric": "amount_spent", "period": if lifetime { "lifetime" } else { "calendar_year" } },
            "tiers": [ { "id": "silver", "threshold": 100, "entry_rewards": [{ "type": "points", "points": 50 }] },
                       { "id": "gold", "threshold": gold, "entry_rewards": [{ "type": "free_shipping" }] } ] })
}

/// A shop with everything that leaves a row: a tier held over a change of rules, birthdays, a move, an erasure, refunds that
/// wait, a heavy member.
async fn shop(place: Place) -> System {
    let system = System::new(place.client, &place.prefix).await;
    system.at(instant("2024-01-01T00:00:00Z"));
    system.publish(&program(300, true), &json!({})).await;
    system.at(instant("2024-06-01T00:00:00Z"));
    let order = |id: u32, member: &str, total: u32| {
        json!({ "type": "order.paid", "order_id": id.to_string(), "member_id": member, "total": total.to_string(),
                "occurred_at": format!("2024-0{}-02T03:04:05Z", 1 + id % 5) })
    };
    let mut events = vec![
        order(1, "anna", 350),
        order(2, "ben", 120),
        order(3, "carl", 40),
        json!({ "type": "order.refunded", "order_id": "2", "refund_id": "r", "amount": "5", "occurred_at": "2024-05-02T00:00:00Z" }),
        json!({ "type": "order.refunded", "order_id": "99", "refund_id": "r", "member_id": "carl", "amount": "5",
                "occurred_at": "2024-05-02T00:00:00Z" }),
        json!({ "type": "customer.enrolled", "member_id": "anna", "occurred_at": "2024-01-05T00:00:00Z", "birthday": "03-01" }),
        json!({ "type": "tier.assigned", "assignment_id": "a", "member_id": "carl", "tier": "silver", "mode": "floor",
                "occurred_at": "2024-05-03T00:00:00Z" }),
        json!({ "type": "customer.tags_set", "member_id": "ben", "tags": ["vip"], "occurred_at": "2024-05-03T00:00:00Z" }),
        order(4, "dora", 500),
        json!({ "type": "customer.erased", "member_id": "dora", "occurred_at": "2024-05-30T00:00:00Z" }),
    ];
    let heavy = |n: u32| {
        json!({ "type": "order.paid", "order_id": (10_000_000 + n * 7919).to_string(), "member_id": "hugo", "total": format!("{n}.95"),
                "tax": format!("{}.13", n % 40), "occurred_at": format!("2024-0{}-1{}T0{}:00:00Z", 1 + n % 5, n % 9, n % 7) })
    };
    events.extend((0..900).map(heavy));
    for some in events.chunks(100) {
        assert_eq!(system.tell(some).await.failed.len(), 0);
    }
    // Gold gets more expensive, and members who had it keep it.
    system.at(instant("2024-06-02T00:00:00Z"));
    system.publish(&program(400, true), &json!({ "demotions": "hold" })).await;
    system.at(instant("2025-04-01T00:00:00Z"));
    let late = [order(1, "anna", 360), order(5, "ben", 30)].map(|mut order| {
        order["revision"] = json!("2025-01-01T00:00:00Z");
        order
    });
    assert_eq!(system.tell(&late).await.counts.applied, 2);
    system
}

/// The members that differ, and how.
async fn differing(system: &System) -> BTreeMap<String, Vec<Difference>> {
    let versions = system.store.versions(&system.shop).await.unwrap().unwrap();
    let mut found = BTreeMap::new();
    for member in everybody(&system.store, &system.shop).await.unwrap() {
        let recomputed = recompute(&system.store, &system.shop, &member, &versions, system.now()).await.unwrap();
        if !recomputed.differences.is_empty() {
            found.insert(member.to_string(), recomputed.differences);
        }
    }
    found
}

async fn an_undamaged_shop_is_as_its_ledger_has_it(place: Place) {
    let system = shop(place).await;
    assert_eq!(everybody(&system.store, &system.shop).await.unwrap().len(), 5);
    assert!(system.member("hugo").await.pages() > 0);
    let held = system.member("anna").await.ledger;
    assert!(held.assignments().iter().any(|given| given.act.id().is_none()), "gold is held: {held:?}");
    assert_eq!(differing(&system).await, BTreeMap::new());
}

/// Found by the simulator: the row of the cancellation names Ben, and lies under his name in the index.
async fn a_cancellation_of_another_members_points_is_no_difference(place: Place) {
    let system = System::new(place.client, &place.prefix).await;
    system.at(instant("2024-01-01T00:00:00Z"));
    system.publish(&program(300, true), &json!({})).await;
    system.at(instant("2024-06-01T00:00:00Z"));
    let at = "2024-05-02T00:00:00Z";
    let events = [
        json!({ "type": "points.earned", "entry_id": "1", "member_id": "anna", "points": 50, "occurred_at": at }),
        json!({ "type": "points.earned", "entry_id": "2", "member_id": "ben", "points": 50, "occurred_at": at }),
        json!({ "type": "points.canceled", "cancel_id": "3", "entry_id": "1", "member_id": "ben", "points": 20, "occurred_at": at }),
    ];
    assert_eq!(system.tell(&events).await.counts.applied, 3);
    assert_eq!(differing(&system).await, BTreeMap::new());
    // Nothing else is known of Carl, and he has no item.
    let carls = json!({ "type": "points.canceled", "cancel_id": "4", "entry_id": "1", "member_id": "carl", "points": 5, "occurred_at": at });
    assert_eq!(system.tell(&[carls]).await.counts.applied, 1);
    assert_eq!(differing(&system).await, BTreeMap::new());
}

async fn whatever_is_damaged_is_found_and_rebuilt_as_it_was(place: Place) {
    let system = shop(place).await;
    let before: Vec<_> = [system.member("anna").await, system.member("ben").await, system.member("hugo").await].into();
    let (client, tables) = (system.store.client(), system.store.tables());
    let all = client.scan().table_name(&tables.members).send().await.unwrap().items.unwrap();
    let item = |sk: &str| Item(all.iter().find(|item| item["sk"] == AttributeValue::S(sk.to_owned())).unwrap().clone());
    // Anna is lost, and Ben's item and a page of Hugo's have the content of Carl's.
    let anna = Item::at(&item("anna").key());
    client.delete_item().table_name(&tables.members).set_key(Some(anna.0)).send().await.unwrap();
    let carls = item("carl").need_bytes("body").unwrap().to_vec();
    let ben = item("ben").bytes("body", carls);
    client.put_item().table_name(&tables.members).set_item(Some(ben.0)).send().await.unwrap();
    let pages: Vec<Item> = all.iter().cloned().map(Item).filter(|item| item.key().sk.starts_with("hugo\t")).collect();
    let other = pages[0].clone().bytes("body", item("carl").need_bytes("body").unwrap().to_vec());
    client.put_item().table_name(&tables.members).set_item(Some(other.0)).send().await.unwrap();

    let found = differing(&system).await;
    let expected = [
        ("anna".to_owned(), vec![Difference::Missing]),
        ("ben".to_owned(), vec![Difference::Facts, Difference::Record]),
        ("hugo".to_owned(), vec![Difference::Facts]),
    ];
    assert_eq!(found, BTreeMap::from(expected));

    for id in found.keys() {
        rebuild(&system, id).await.unwrap();
    }
    assert_eq!(differing(&system).await, BTreeMap::new());
    let after: Vec<_> = [system.member("anna").await, system.member("ben").await, system.member("hugo").await].into();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.ledger, after.ledger);
        assert!(before.record.tells_the_same_as(&after.record), "{:?} {:?}", before.record, after.record);
    }
    // And nothing is announced again when they are looked at next.
    let again = json!({ "type": "order.paid", "order_id": "6", "member_id": "anna", "total": "1", "occurred_at": "2025-03-31T00:00:00Z" });
    assert_eq!(system.tell(&[again]).await.counts.transitions, 0);
}

/// Damage to items from outside, after which a member cannot be read.
type Damage = fn(&mut BTreeMap<String, Item>);

#[tokio::test(start_paused = true)]
async fn a_member_who_cannot_be_read_is_found_and_rebuilt() {
    let tables = InMemoryTables::default();
    let as_it_was = shop(Place { client: tables.client(), prefix: "t".to_owned() }).await;
    let before = as_it_was.member("hugo").await;
    let damages: [(&str, Damage); 4] = [
        ("a page is lost", |items| drop(items.remove("hugo\t00000001"))),
        ("a page is older", |items| version(items, "hugo\t00000001", "1")),
        ("a page has a version that was never written", |items| version(items, "hugo\t00000001", "4711")),
        ("the item is cut off", |items| {
            let item = items.remove("hugo").unwrap();
            let body = item.need_bytes("body").unwrap()[..20].to_vec();
            items.insert("hugo".to_owned(), item.bytes("body", body));
        }),
    ];
    for (what, damage) in damages {
        let tables = tables.copied();
        let system = as_it_was.another(tables.client());
        damaged(&system, damage).await;
        let hugos = BTreeMap::from([("hugo".to_owned(), vec![Difference::Unreadable])]);
        assert_eq!(differing(&system).await, hugos, "{what}");
        rebuild(&system, "hugo").await.unwrap();
        assert_eq!(differing(&system).await, BTreeMap::new(), "{what}");
        let after = system.member("hugo").await;
        assert_eq!(before.ledger, after.ledger, "{what}");
        assert!(before.record.tells_the_same_as(&after.record), "{what}: {:?}", after.record);
    }
}

/// Another process restores the item in between, and the member is readable after all. Nothing of what came in is lost, nor what
/// the item alone knows.
#[tokio::test(start_paused = true)]
async fn a_member_who_is_readable_by_the_time_of_the_rebuild_stays_as_they_are() {
    let tables = InMemoryTables::default();
    let as_it_was = shop(Place { client: tables.client(), prefix: "t".to_owned() }).await;
    let tables = tables.copied();
    let system = as_it_was.another(tables.client());
    let stored = system.store.client().scan().table_name(&system.store.tables().members).send().await.unwrap();
    damaged(&system, |items| version(items, "hugo\t00000001", "4711")).await;
    let (recomputed, versions) = recomputed(&system, "hugo").await;
    assert_eq!(recomputed.differences, [Difference::Unreadable]);

    for item in stored.items.unwrap() {
        let put = system.store.client().put_item().table_name(&system.store.tables().members);
        put.set_item(Some(item)).send().await.unwrap();
    }
    let late = json!({ "type": "order.paid", "order_id": "late", "member_id": "hugo", "total": "1", "occurred_at": "2025-03-31T00:00:00Z" });
    assert_eq!(system.tell(&[late]).await.counts.applied, 1);
    let before = system.member("hugo").await;

    let repaired = recomputed.repair(&system.store, &system.shop, &versions, system.now()).await;
    assert!(matches!(repaired, Err(StoreError::Conflict)), "{repaired:?}");
    let after = system.member("hugo").await;
    assert_eq!((before.ledger, before.record, before.sent_notices), (after.ledger, after.record, after.sent_notices));
    assert_eq!(differing(&system).await, BTreeMap::new());
}

/// Puts an item in place just before the first deletion.
#[derive(Debug)]
struct BeforeDeleted {
    client: Client,
    item: Mutex<Option<Item>>,
}

impl Intercept for BeforeDeleted {
    fn before<'a>(&'a self, request: &'a Request) -> Decision<'a> {
        Box::pin(async move {
            let item = self.item.lock().unwrap().take_if(|_| request.operation == "DeleteItem");
            if let Some(item) = item {
                self.client.put_item().table_name("t-members").set_item(Some(item.0)).send().await.unwrap();
            }
            None
        })
    }
}

/// A member is erased while their pages are being deleted for the rebuild: the erasure stays.
#[tokio::test(start_paused = true)]
async fn a_member_who_is_erased_while_they_are_rebuilt_stays_erased() {
    let tables = InMemoryTables::default();
    let system = shop(Place { client: tables.client(), prefix: "t".to_owned() }).await;
    damaged(&system, |items| version(items, "hugo\t00000001", "4711")).await;
    let hugo = key::member(Spread::DEPLOYED, &system.shop, &MemberId::new("hugo").unwrap());
    let tombstone = Item::at(&hugo).text("erased_at", "2025-04-01T00:00:00.000Z").number("v", "4712");
    let between = BeforeDeleted { client: tables.client(), item: Mutex::new(Some(tombstone)) };
    let rebuilt = rebuild(&system.another(tables.client_with(between)), "hugo").await;
    assert!(matches!(rebuilt, Err(StoreError::Conflict)), "{rebuilt:?}");
    assert!(system.stored("hugo").await.is_erased());
}

/// A tombstone, which keeps out an erased member, is not in the rows: it is left as it is.
#[tokio::test(start_paused = true)]
async fn a_tombstone_that_does_not_read_is_found_and_left_alone() {
    let system = shop(Place { client: InMemoryTables::default().client(), prefix: "t".to_owned() }).await;
    damaged(&system, |items| version(items, "dora", "1.5")).await;
    assert_eq!(differing(&system).await, BTreeMap::from([("dora".to_owned(), vec![Difference::Unreadable])]));
    assert!(matches!(rebuild(&system, "dora").await, Err(StoreError::Corrupt { .. })));
    let again = json!({ "type": "order.paid", "order_id": "7", "member_id": "dora", "total": "1", "occurred_at": "2025-03-31T00:00:00Z" });
    assert_eq!(system.tell(&[again]).await.counts.applied, 0);
}

fn version(items: &mut BTreeMap<String, Item>, sk: &str, version: &str) {
    let item = items.remove(sk).unwrap();
    items.insert(sk.to_owned(), item.number("v", version));
}

/// Damages items of the members' table.
async fn damaged(system: &System, damage: Damage) {
    let (client, table) = (system.store.client(), &system.store.tables().members);
    let all = client.scan().table_name(table).send().await.unwrap().items.unwrap();
    let was: BTreeMap<String, Item> = all.into_iter().map(Item).map(|item| (item.key().sk, item)).collect();
    let mut is = was.clone();
    damage(&mut is);
    for item in was.values().filter(|item| !is.contains_key(&item.key().sk)) {
        client.delete_item().table_name(table).set_key(Some(Item::at(&item.key()).0)).send().await.unwrap();
    }
    for item in is.into_values() {
        client.put_item().table_name(table).set_item(Some(item.0)).send().await.unwrap();
    }
}

async fn rebuild(system: &System, member: &str) -> Result<(), StoreError> {
    let (recomputed, versions) = recomputed(system, member).await;
    recomputed.repair(&system.store, &system.shop, &versions, system.now()).await
}

async fn recomputed(system: &System, member: &str) -> (Recomputed, Versions) {
    let versions = system.store.versions(&system.shop).await.unwrap().unwrap();
    let member = MemberId::new(member).unwrap();
    let recomputed = recompute(&system.store, &system.shop, &member, &versions, system.now()).await.unwrap();
    (recomputed, versions)
}
