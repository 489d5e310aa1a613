//! The outcome of events, on every table: duplicates, disorder, strangers, races, and their cost.

use engine::ingest::{Message, Report, native};
use engine::verify::recompute;
use rules::id::MemberId;
use serde_json::{Value, json};
use store::key::Spread;
use store::records::Reason;
use store::shop::ShopId;
use store::{Item, key};
use tests::dynamodb::Place;
use tests::system::{System, instant, quarantine_rows};

tests::for_every_table!(
    an_order_brings_a_tier_and_its_reward_once,
    a_refund_may_come_before_its_order_or_name_no_member,
    a_guest_s_order_waits_for_a_member_and_an_order_that_moves_updates_both,
    the_order_of_arrival_does_not_matter,
    more_than_a_hundred_orders_of_one_member_in_one_batch,
    a_heavy_member_spills_to_pages_and_takes_late_facts,
    two_writers_on_one_order_and_its_refund_lose_nothing,
    many_writers_on_one_member_lose_nothing,
    what_can_never_succeed_is_quarantined_and_its_neighbours_are_not,
    a_batch_that_is_too_large_is_tried_a_few_times_and_not_a_few_for_each_message,
    shops_do_not_touch_each_other,
    a_member_who_was_erased_leaves_nothing_and_stays_away,
    an_order_of_an_erased_member_is_not_kept_though_its_refund_comes_with_it,
    tags_and_birthdays_told_together_with_an_erasure_leave_nothing,
    a_refund_corrected_together_with_an_erasure_leaves_nothing,
    a_cancellation_of_points_goes_with_the_entry_of_an_erased_member,
    a_cancellation_of_points_may_move_to_another_entry,
    ids_beyond_what_a_float_holds_stay_apart,
    shopify_s_events_come_in_their_envelope,
    tags_and_assignments_are_kept_with_their_member,
    an_item_that_does_not_read_holds_up_its_member_alone,
);

fn program() -> Value {
    json!({ "start_date": "2023-01-01", "currency": "USD",
            "milestone": { "metric": "amount_spent", "period": "lifetime", "on_refund": "revoke" },
            "tiers": [ { "id": "silver", "threshold": 100, "entry_rewards": [{ "type": "points", "points": 50 }] },
                       { "id": "gold", "threshold": 500, "entry_rewards": [{ "type": "free_shipping" }] } ] })
}

async fn shop(place: Place) -> System {
    let system = System::new(place.client, &place.prefix).await;
    system.at(instant("2024-01-01T00:00:00Z"));
    system.publish(&program(), &json!({})).await;
    system.at(instant("2024-06-01T12:00:00Z"));
    system
}

fn order(id: impl ToString, member: &str, total: u32) -> Value {
    json!({ "type": "order.paid", "order_id": id.to_string(), "member_id": member, "total": total.to_string(),
            "occurred_at": "2024-05-01T10:00:00Z" })
}

fn with(mut event: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

fn refund(order: &str, id: &str, amount: u32) -> Value {
    json!({ "type": "order.refunded", "order_id": order, "refund_id": id, "amount": amount.to_string(),
            "occurred_at": "2024-05-02T10:00:00Z" })
}

/// Checks that all messages are done, and that this many facts were new.
#[track_caller]
fn applied(report: &Report, facts: u64) {
    let Report { failed, failure, counts, .. } = report;
    assert_eq!((failed.len(), failure, counts.quarantined), (0, &None, 0));
    assert_eq!(counts.applied, facts, "{counts:?}");
}

async fn an_order_brings_a_tier_and_its_reward_once(place: Place) {
    let system = shop(place).await;
    let report = system.tell(&[order(1, "anna", 120)]).await;
    applied(&report, 1);
    assert_eq!((report.counts.transitions, report.counts.rewards), (1, 1));
    assert_eq!(system.tier("anna").await.as_deref(), Some("silver"));
    for _ in 0..2 {
        let again = system.tell(&[order(1, "anna", 120), order(1, "anna", 120)]).await;
        assert_eq!((again.counts.duplicates, again.counts.transitions, again.counts.rewards), (2, 0, 0));
    }
    assert_eq!(system.member("anna").await.record.seq(), 1);
}

async fn a_refund_may_come_before_its_order_or_name_no_member(place: Place) {
    let system = shop(place).await;
    let named = with(refund("1", "r1", 60), json!({ "member_id": "anna" }));
    applied(&system.tell(&[named]).await, 1);
    assert_eq!(system.member("anna").await.ledger.waiting().len(), 1);
    applied(&system.tell(&[refund("1", "r2", 10)]).await, 1);
    applied(&system.tell(&[order(1, "anna", 160)]).await, 1);
    let anna = system.member("anna").await;
    assert_eq!((anna.ledger.waiting().len(), anna.ledger.orders()[0].refunds.len()), (0, 2));
    assert_eq!(system.tier("anna").await, None, "160 - 70 is less than 100");
}

async fn a_guest_s_order_waits_for_a_member_and_an_order_that_moves_updates_both(place: Place) {
    let system = shop(place).await;
    let guest = json!({ "type": "order.paid", "order_id": "7", "total": "600", "occurred_at": "2024-05-01T10:00:00Z" });
    applied(&system.tell(&[guest]).await, 1);
    applied(&system.tell(&[with(order(7, "anna", 600), json!({ "revision": "2024-05-03T00:00:00Z" }))]).await, 1);
    assert_eq!(system.tier("anna").await.as_deref(), Some("gold"));
    let moved = with(order(7, "ben", 600), json!({ "revision": "2024-05-04T00:00:00Z" }));
    let report = system.tell(&[moved]).await;
    applied(&report, 1);
    assert_eq!(report.counts.transitions, 2, "one leaves, one enters");
    assert_eq!((system.tier("anna").await, system.tier("ben").await.as_deref()), (None, Some("gold")));
    assert_eq!(system.member("anna").await.ledger.orders().len(), 0);
    let late = with(order(7, "anna", 600), json!({ "revision": "2024-05-03T12:00:00Z" }));
    assert_eq!(system.tell(&[late]).await.counts.superseded, 1);
}

async fn the_order_of_arrival_does_not_matter(place: Place) {
    let events = [
        order(1, "anna", 300),
        refund("1", "r1", 250),
        with(order(1, "anna", 320), json!({ "revision": "2024-05-03T00:00:00Z" })),
        json!({ "type": "order.cancelled", "order_id": "1", "occurred_at": "2024-05-09T00:00:00Z" }),
    ];
    let mut ledgers = Vec::new();
    for shift in 0..events.len() {
        let place = Place { prefix: format!("{}{shift}", place.prefix), ..place.clone() };
        let system = shop(place).await;
        for n in 0..events.len() {
            let report = system.tell(&[events[(n + shift) % events.len()].clone()]).await;
            assert_eq!(report.failed.len(), 0);
        }
        ledgers.push(system.member("anna").await.ledger);
    }
    assert!(ledgers.windows(2).all(|pair| pair[0] == pair[1]), "{ledgers:?}");
}

async fn more_than_a_hundred_orders_of_one_member_in_one_batch(place: Place) {
    let system = shop(place).await;
    let orders: Vec<Value> = (0..230).map(|n| order(n, "anna", 3)).collect();
    applied(&system.tell(&orders).await, 230);
    assert_eq!(system.member("anna").await.ledger.orders().len(), 230);
    assert_eq!(system.tier("anna").await.as_deref(), Some("gold"));
    assert_eq!(system.tell(&orders).await.counts.duplicates, 230);
}

async fn a_heavy_member_spills_to_pages_and_takes_late_facts(place: Place) {
    let system = shop(place).await;
    let dated = |n: u32| {
        let at = format!("2024-{:02}-{:02}T{:02}:00:00Z", 1 + n % 5, 1 + n % 28, n % 24);
        with(order(n + 1_000_000, "anna", 1 + n % 9), json!({ "occurred_at": at }))
    };
    let orders: Vec<Value> = (0..900).map(dated).collect();
    for some in orders.chunks(100) {
        applied(&system.tell(some).await, some.len() as u64);
    }
    let anna = system.member("anna").await;
    assert!(anna.pages() > 0);
    assert_eq!(anna.ledger.orders().len(), 900);
    applied(&system.tell(&[refund("1000003", "r1", 2), dated(2_000)]).await, 2);
    let anna = system.member("anna").await;
    assert_eq!((anna.ledger.orders().len(), anna.ledger.len()), (901, 902));
    let again = system.tell(&orders[..100]).await;
    assert_eq!(again.counts.duplicates, 100);
}

async fn two_writers_on_one_order_and_its_refund_lose_nothing(place: Place) {
    let one = shop(place).await;
    let other = System::over(one.store.clone());
    other.at(one.now());
    for n in 0..12 {
        let id = n.to_string();
        let (told, refunded) = ([order(n, "anna", 100)], [refund(&id, "r", 40)]);
        let (a, b) = tokio::join!(one.tell(&told), other.tell(&refunded));
        assert_eq!((a.failed.len(), b.failed.len()), (0, 0), "{a:?} {b:?}");
    }
    let anna = one.member("anna").await;
    assert_eq!((anna.ledger.orders().len(), anna.ledger.len()), (12, 24));
}

/// Delivers again what failed, as a queue does.
async fn tell_until_done(writer: &System, events: Vec<Value>) {
    let mut left = events;
    for _ in 0..20 {
        let report = writer.tell(&left).await;
        left = report.failed.iter().map(|id| left[id.parse::<usize>().unwrap()].clone()).collect();
        if left.is_empty() {
            return;
        }
    }
    panic!("{left:?}");
}

async fn many_writers_on_one_member_lose_nothing(place: Place) {
    let one = shop(place).await;
    let writers: Vec<System> = (0..4).map(|_| System::over(one.store.clone())).collect();
    let told = writers.iter().enumerate().map(|(n, writer)| {
        writer.at(one.now());
        tell_until_done(writer, (0..5).map(|m| order(n * 100 + m, "anna", 30)).collect())
    });
    futures::future::join_all(told).await;
    assert_eq!(one.member("anna").await.ledger.orders().len(), 20);
    assert_eq!(one.tier("anna").await.as_deref(), Some("gold"));
    assert_eq!(one.member("anna").await.record.seq(), 2, "silver, gold");
}

async fn what_can_never_succeed_is_quarantined_and_its_neighbours_are_not(place: Place) {
    let system = shop(place).await;
    let now = system.now();
    let stranger = ShopId::new("stranger").unwrap();
    let envelope = |source: &str, kind: &str, detail: Value| {
        json!({ "source": source, "detail-type": kind, "detail": detail, "time": now.to_string() }).to_string()
    };
    let mine = |event: Value| native(&system.shop, &event, now);
    let cases: [(String, Reason); 9] = [
        ("not json".to_owned(), Reason::NotAnEvent),
        (json!({ "hello": 1 }).to_string(), Reason::NotAnEvent),
        (envelope("another.source", "order.paid", order(1, "a", 1)), Reason::UnknownSource),
        (envelope("echelon.shop/no shop!", "order.paid", order(1, "a", 1)), Reason::UnknownSource),
        (native(&stranger, &order(1, "anna", 1), now), Reason::UnknownShop),
        (mine(with(order(1, "anna", 1), json!({ "total": 1.5, "colour": "red" }))), Reason::Invalid),
        (mine(json!({ "type": "order.lost", "order_id": "1" })), Reason::Invalid),
        (mine(with(order(2, "anna", 1), json!({ "occurred_at": "2024-06-01T12:05:01Z" }))), Reason::FromTheFuture),
        (
            mine(
                json!({ "type": "customer.merged", "member_id": "a", "into": "a", "occurred_at": "2024-05-01T00:00:00Z" }),
            ),
            Reason::Invalid,
        ),
    ];
    let mut bodies: Vec<String> = cases.iter().map(|(body, _)| body.clone()).collect();
    bodies.insert(4, mine(order(9, "anna", 120)));
    for _ in 0..2 {
        let report = system.deliver(&bodies).await;
        assert_eq!((report.failed.len(), report.counts.quarantined, report.counts.done), (0, 9, 1), "{report:?}");
    }
    assert_eq!(system.tier("anna").await.as_deref(), Some("silver"));
    let mut rows = Vec::new();
    for shop in [None, Some(&system.shop), Some(&stranger)] {
        rows.extend(quarantine_rows(&system.store, shop).await);
    }
    let mut found: Vec<&str> = rows.iter().map(|row| row.need_text("reason").unwrap()).collect();
    let mut expected: Vec<&str> = cases.iter().map(|(_, reason)| reason.code()).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "one row each, although all came twice");
    let allowed = ["pk", "sk", "v", "reason", "bytes", "recorded_at", "paths", "topic"];
    assert!(rows.iter().all(|row| row.0.keys().all(|name| allowed.contains(&name.as_str()))));
    for row in &rows {
        let text = format!("{row:?}");
        assert!(!text.contains("\"red\"") && !text.contains("anna"), "{text}");
    }
    let kept: Vec<String> = system.kept.bodies().into_iter().map(|(_, body)| body).collect();
    assert!(cases.iter().all(|(body, _)| kept.contains(body)), "every body is kept to be replayed");
}

/// Found by an attack: each of a hundred messages about a full subject had all the others tried again, which took minutes.
async fn a_batch_that_is_too_large_is_tried_a_few_times_and_not_a_few_for_each_message(place: Place) {
    let system = shop(place).await;
    let tags = |number: usize| {
        let at = instant("2024-01-02T00:00:00Z").plus_millis(i64::try_from(number).unwrap());
        let tags: Vec<String> = (0..200).map(|tag| format!("tag {number} {tag} {}", "x".repeat(30))).collect();
        json!({ "type": "customer.tags_set", "member_id": "anna", "tags": tags, "occurred_at": at.to_string() })
    };
    let mut number = 0;
    while system.tell(&[tags(number)]).await.counts.quarantined == 0 {
        number += 1;
    }
    system.ingest.used();
    assert_eq!(system.tell(&[tags(number)]).await.counts.quarantined, 1);
    let one = system.ingest.used().reads;
    let many: Vec<Value> = (number..number + 100).map(tags).collect();
    let report = system.tell(&many).await;
    assert_eq!((report.counts.quarantined, report.failed), (100, vec![]));
    let hundred = system.ingest.used().reads;
    // DynamoDB Local counts nothing.
    assert!(hundred <= 2 * one, "{hundred} units for a hundred, {one} for one");
    assert_eq!(system.tell(&[order(1, "ben", 120)]).await.counts.transitions, 1);
}

async fn shops_do_not_touch_each_other(place: Place) {
    let one = shop(place).await;
    let mut other = System::over(one.store.clone());
    other.shop = ShopId::new("other").unwrap();
    other.at(one.now());
    other.publish(&program(), &json!({})).await;
    applied(&one.tell(&[order(1, "anna", 600)]).await, 1);
    applied(&other.tell(&[order(1, "anna", 120)]).await, 1);
    applied(&other.tell(&[refund("1", "r", 120)]).await, 1);
    assert_eq!((one.tier("anna").await.as_deref(), other.tier("anna").await), (Some("gold"), None));
    // A body may claim any shop: only the envelope is believed.
    let lies = with(order(2, "anna", 600), json!({ "shop": "acme" }));
    assert_eq!(other.tell(&[lies]).await.counts.quarantined, 1);
}

async fn a_member_who_was_erased_leaves_nothing_and_stays_away(place: Place) {
    let system = shop(place).await;
    let erased = json!({ "type": "customer.erased", "member_id": "anna", "occurred_at": "2024-05-20T00:00:00Z" });
    applied(&system.tell(&[order(1, "anna", 600), order(2, "ben", 600)]).await, 2);
    applied(&system.tell(std::slice::from_ref(&erased)).await, 1);
    assert!(system.stored("anna").await.is_erased());
    let later = system.tell(&[order(1, "anna", 600), order(3, "anna", 50), erased]).await;
    assert_eq!((later.counts.member_erased, later.counts.duplicates, later.failed.len()), (2, 1, 0));
    let left: Vec<String> = system.items("ledger").await.into_iter().filter(|item| item.contains("anna")).collect();
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(system.tier("ben").await.as_deref(), Some("gold"));
}

/// Found by the simulator: the refund's name is not stored, and the order was taken to be another member's.
async fn an_order_of_an_erased_member_is_not_kept_though_its_refund_comes_with_it(place: Place) {
    let system = shop(place).await;
    let erased = json!({ "type": "customer.erased", "member_id": "anna", "occurred_at": "2024-05-01T10:00:00Z" });
    assert_eq!(system.tell(&[erased]).await.failed.len(), 0);
    let before = system.items("ledger").await;
    let refund = with(refund("1", "a", 20), json!({ "member_id": "anna" }));
    assert_eq!(system.tell(&[order(1, "anna", 600), refund]).await.failed.len(), 0);
    assert_eq!(system.items("ledger").await, before);
}

/// Found by the simulator: the rows were emptied, and from then on no name led to them.
async fn tags_and_birthdays_told_together_with_an_erasure_leave_nothing(place: Place) {
    let system = shop(place).await;
    let before = system.items("ledger").await;
    let tags = |tag: &str, at: &str| json!({ "type": "customer.tags_set", "member_id": "anna", "tags": [tag], "occurred_at": at });
    let born = |on: &str, at: &str| json!({ "type": "customer.birthday_set", "member_id": "anna", "birthday": on, "occurred_at": at });
    let (first, later) = ("2024-05-01T10:00:00Z", "2024-05-02T10:00:00Z");
    applied(&system.tell(&[tags("vip", first), born("03-01", first)]).await, 2);
    let erased = json!({ "type": "customer.erased", "member_id": "anna", "occurred_at": later });
    let report = system.tell(&[tags("new", later), born("03-02", later), erased, tags("newer", later)]).await;
    assert_eq!(report.failed.len(), 0, "{report:?}");
    assert_eq!(system.items("ledger").await, before);
}

/// Found by the simulator: the correction had no name, and replaced the one by which the row was found.
async fn a_refund_corrected_together_with_an_erasure_leaves_nothing(place: Place) {
    let system = shop(place).await;
    let before = system.items("ledger").await;
    let named = |amount: u32, revision: &str| {
        with(refund("1", "a", amount), json!({ "member_id": "anna", "revision": revision }))
    };
    applied(&system.tell(&[named(20, "2024-05-02T10:00:00Z")]).await, 1);
    let erased = json!({ "type": "customer.erased", "member_id": "anna", "occurred_at": "2024-05-03T10:00:00Z" });
    let report = system.tell(&[erased, named(25, "2024-05-04T10:00:00Z")]).await;
    assert_eq!(report.failed.len(), 0, "{report:?}");
    assert_eq!(system.items("ledger").await, before);
}

/// Found by a random story: the entry's row kept the cancellation, but the ledger of the member it names did not. From then on
/// every fact about it met a torn read.
async fn a_cancellation_of_points_goes_with_the_entry_of_an_erased_member(place: Place) {
    let system = shop(place).await;
    system.tell(&[order(1, "anna", 60)]).await;
    for (case, first, second) in
        [("at once", 3, 0), ("it came first", 1, 2), ("erased later", 2, 1), ("one by one", 1, 1)]
    {
        let (ben, id) = (format!("ben, {case}"), format!("of {case}"));
        let canceled = |entry: &str| {
            json!({ "type": "points.canceled", "cancel_id": id, "entry_id": entry, "member_id": "anna", "points": 40,
                    "occurred_at": "2024-05-01T00:00:00Z" })
        };
        let told = [
            canceled(&id),
            json!({ "type": "points.earned", "entry_id": id, "member_id": ben, "points": 50,
                    "occurred_at": "2024-05-01T00:00:00Z" }),
            json!({ "type": "customer.erased", "member_id": ben, "occurred_at": "2024-05-01T00:00:00Z" }),
        ];
        let (one, rest) = told.split_at(first);
        let (two, three) = rest.split_at(second);
        let one_by_one = told.each_ref().map(std::slice::from_ref);
        let imported = told.clone().map(|fact| with(fact, json!({ "imported": true })));
        let mut moved = with(canceled("another"), json!({ "revision": "2024-05-02T00:00:00Z" }));
        moved.as_object_mut().unwrap().remove("member_id");
        let moved = [moved];
        for batch in [one, two, three, &told, &imported].into_iter().chain(one_by_one).chain([moved.as_slice()]) {
            let report = system.tell(batch).await;
            assert_eq!((report.failed.len(), &report.failure), (0, &None), "{case}: {batch:?}");
            assert!(agrees(&system, "anna").await, "{case}: {batch:?}");
        }
        let rows = system.items("ledger").await;
        assert!(rows.iter().all(|row| !row.contains(&ben)), "{case}");
    }
}

/// Whether a member is what the rows of the ledger say.
async fn agrees(system: &System, member: &str) -> bool {
    let versions = system.store.versions(&system.shop).await.unwrap().unwrap();
    let member = MemberId::new(member).unwrap();
    let again = recompute(&system.store, &system.shop, &member, &versions, system.now()).await.unwrap();
    again.differences.is_empty()
}

async fn a_cancellation_of_points_may_move_to_another_entry(place: Place) {
    let system = shop(place).await;
    let earned = |id: &str| {
        json!({ "type": "points.earned", "entry_id": id, "member_id": "anna", "points": 100,
                                    "occurred_at": "2024-05-01T00:00:00Z" })
    };
    let cancel = |entry: &str, revision: &str| {
        json!({ "type": "points.canceled", "cancel_id": "c", "entry_id": entry,
        "points": 30, "occurred_at": "2024-05-02T00:00:00Z", "revision": revision })
    };
    applied(&system.tell(&[earned("e1"), earned("e2"), cancel("e1", "2024-05-02T00:00:00Z")]).await, 3);
    applied(&system.tell(&[cancel("e2", "2024-05-03T00:00:00Z")]).await, 1);
    let cancels: Vec<usize> =
        system.member("anna").await.ledger.entries().iter().map(|entry| entry.cancels.len()).collect();
    assert_eq!(cancels, [0, 1]);
    assert_eq!(system.tell(&[cancel("e1", "2024-05-02T12:00:00Z")]).await.counts.superseded, 1);
}

async fn ids_beyond_what_a_float_holds_stay_apart(place: Place) {
    let system = shop(place).await;
    let (a, b) = ("9007199254740992", "9007199254740993");
    applied(&system.tell(&[order(a, "9007199254740992", 100), order(b, "9007199254740993", 600)]).await, 2);
    assert_eq!(system.tier(a).await.as_deref(), Some("silver"));
    assert_eq!(system.tier(b).await.as_deref(), Some("gold"));
}

async fn shopify_s_events_come_in_their_envelope(place: Place) {
    let system = shop(place).await;
    let mut shopify = System::over(system.store.clone());
    shopify.shop = ShopId::new("acme.myshopify.com").unwrap();
    shopify.at(system.now());
    shopify.publish(&program(), &json!({})).await;
    let envelope = |topic: &str, payload: Value| {
        json!({ "version": "0", "id": "1", "detail-type": "shopifyWebhook", "time": "2024-05-02T10:00:00Z",
                "source": "aws.partner/shopify.com/1234/webhooks", "account": "1", "region": "eu-west-1", "resources": [],
                "detail": { "payload": payload, "metadata": { "X-Shopify-Topic": topic,
                            "X-Shopify-Shop-Domain": "acme.myshopify.com",
                            "X-Shopify-Triggered-At": "2024-05-02T09:59:59.5Z" } } }).to_string()
    };
    let money = |amount: &str| json!({ "shop_money": { "amount": amount, "currency_code": "USD" } });
    let paid = json!({ "id": 9007199254740993_u64, "admin_graphql_api_id": "gid://shopify/Order/9007199254740993",
        "created_at": "2024-05-02T09:59:00Z", "processed_at": "2024-05-02T09:59:00Z", "updated_at": "2024-05-02T09:59:01Z",
        "currency": "USD", "financial_status": "paid", "test": false, "cancelled_at": null,
        "total_price": "520.00", "total_price_set": money("520.00"), "current_total_price": "520.00",
        "current_total_price_set": money("520.00"), "total_tax": "0.00", "total_tax_set": money("0.00"),
        "total_discounts": "0.00", "total_discounts_set": money("0.00"), "taxes_included": false,
        "total_shipping_price_set": money("0.00"), "shipping_lines": [], "refunds": [],
        "customer": { "id": 42, "admin_graphql_api_id": "gid://shopify/Customer/42" } });
    let stub = json!({ "id": 5, "admin_graphql_api_id": "gid://shopify/Order/5" });
    let bodies = [
        envelope("orders/paid", paid),
        envelope("orders/updated", stub),
        envelope("orders/unheard_of", json!({ "id": 1 })),
        envelope("products/update", json!({ "id": 1 })),
    ];
    for round in 0..2 {
        let report = shopify.deliver(&bodies).await;
        let counts = report.counts;
        assert_eq!((counts.done, counts.ignored, counts.quarantined, report.failed.len()), (1, 1, 2, 0), "{report:?}");
        assert_eq!(counts.applied, if round == 0 { 1 } else { 0 });
    }
    assert_eq!(shopify.tier("42").await.as_deref(), Some("gold"));
    assert_eq!(system.tier("42").await, None, "another shop's customer 42 is another member");
    let rows = quarantine_rows(&shopify.store, Some(&shopify.shop)).await;
    let mut reasons: Vec<&str> = rows.iter().map(|row| row.need_text("reason").unwrap()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["oversize_stub", "unknown_topic"]);
}

async fn tags_and_assignments_are_kept_with_their_member(place: Place) {
    let system = shop(place).await;
    let tags = |at: &str, tag: &str| {
        json!({ "type": "customer.tags_changed", "member_id": "anna", "added": [tag],
                                             "removed": [], "occurred_at": at })
    };
    let events = [
        tags("2022-05-01T00:00:00Z", "old"),
        tags("2024-05-01T00:00:00Z", "new"),
        json!({ "type": "customer.enrolled", "member_id": "anna", "occurred_at": "2024-05-01T00:00:00Z", "birthday": "02-29" }),
        json!({ "type": "tier.assigned", "assignment_id": "a1", "member_id": "anna", "tier": "gold", "mode": "floor",
                "occurred_at": "2024-05-03T00:00:00Z", "reason": "a friend of the house", "by": "eve" }),
    ];
    for event in &events {
        applied(&system.tell(std::slice::from_ref(event)).await, 1);
    }
    let again = system.tell(&events).await;
    assert_eq!((again.counts.duplicates, again.counts.transitions), (4, 0));
    let anna = system.member("anna").await;
    assert_eq!((anna.ledger.tags().len(), anna.ledger.assignments().len()), (2, 1));
    assert_eq!(system.tier("anna").await.as_deref(), Some("gold"));
    let ended = json!({ "type": "tier.unassigned", "assignment_id": "a2", "member_id": "anna", "occurred_at": "2024-05-30T00:00:00Z" });
    applied(&system.tell(&[ended]).await, 1);
    assert_eq!(system.tier("anna").await, None);
}

async fn an_item_that_does_not_read_holds_up_its_member_alone(place: Place) {
    let system = shop(place).await;
    applied(&system.tell(&[order(1, "anna", 120)]).await, 1);
    let (members, anna) = (&system.store.tables().members, MemberId::new("anna").unwrap());
    // A newer release wrote it: a format that is not known yet.
    let newer =
        Item::at(&key::member(Spread::DEPLOYED, &system.shop, &anna)).bytes("body", vec![250, 1, 2]).number("v", 2);
    system.store.client().put_item().table_name(members).set_item(Some(newer.0)).send().await.unwrap();
    let events: Vec<Value> =
        (0..9).map(|n| order(10 + n, if n == 4 { "anna" } else { ["ben", "carl"][n % 2] }, 60)).collect();
    let report = system.tell(&events).await;
    assert_eq!((report.failed, report.counts.applied), (vec!["4".to_owned()], 8));
    assert_eq!(
        report.failure.as_deref(),
        Some("an item was written by a newer release: format 250 of a packed member is not known to this release")
    );
    assert_eq!(system.tier("ben").await.as_deref(), Some("silver"));
}

/// A message that the queue delivers once more, whatever became of it, changes nothing.
#[tokio::test]
async fn a_batch_may_hold_the_same_message_twice() {
    let system = shop(tests::dynamodb::embedded().await).await;
    let body = native(&system.shop, &order(1, "anna", 120), system.now());
    let message = |id: &str| Message { id: id.to_owned(), body: body.clone(), sent_at: None };
    let report = system.ingest.handle(&[message("a"), message("b")]).await;
    assert_eq!((report.counts.applied, report.counts.duplicates, report.counts.transitions), (1, 1, 1));
}
