//! Documents of a shop's own events: how much of one is taken in at once, and what becomes of the rest.

use engine::ingest::native_document;
use serde_json::{Value, json};
use store::records::Reason;
use tests::dynamodb::Place;
use tests::system::{System, instant};

tests::for_every_table!(
    a_document_about_two_hundred_members_is_taken_in_though_no_transaction_holds_it,
    a_document_about_one_member_is_taken_in_at_once_or_not_at_all,
);

async fn shop(place: Place) -> System {
    let system = System::new(place.client, &place.prefix).await;
    system.at(instant("2024-06-01T00:00:00Z"));
    let program = json!({ "start_date": "2023-01-01", "currency": "USD",
        "milestone": { "metric": "amount_spent", "period": "lifetime" },
        "tiers": [{ "id": "gold", "threshold": "100", "entry_rewards": [{ "type": "free_shipping" }] }] });
    system.publish(&program, &json!({})).await;
    system
}

fn order(id: usize, member: &str) -> Value {
    json!({ "type": "order.paid", "order_id": id.to_string(), "member_id": member, "total": "120",
            "occurred_at": "2024-05-01T10:00:00Z" })
}

/// Nothing connects the members, so that each may be taken in by itself.
async fn a_document_about_two_hundred_members_is_taken_in_though_no_transaction_holds_it(place: Place) {
    let system = shop(place).await;
    let orders: Vec<Value> = (0..200).map(|nth| order(nth, &format!("member {nth}"))).collect();
    let body = native_document(&system.shop, orders.iter(), system.now());
    for (applied, duplicates, transitions) in [(200, 0, 200), (0, 200, 0)] {
        let report = system.deliver(std::slice::from_ref(&body)).await;
        let counts = report.counts;
        assert_eq!((report.failed.len(), counts.quarantined, counts.done), (0, 0, 1), "{report:?}");
        assert_eq!((counts.applied, counts.duplicates, counts.transitions), (applied, duplicates, transitions));
    }
    assert_eq!(system.tier("member 199").await.as_deref(), Some("gold"));
}

async fn a_document_about_one_member_is_taken_in_at_once_or_not_at_all(place: Place) {
    let system = shop(place).await;
    let document = |from: usize, count: usize| {
        let orders: Vec<Value> = (from..from + count).map(|nth| order(nth, "anna")).collect();
        native_document(&system.shop, orders.iter(), system.now())
    };
    let report = system.deliver(&[document(0, 100)]).await;
    let [(_, why)] = &*report.quarantined else { panic!("{report:?}") };
    assert_eq!((why.reason, report.counts.applied), (Reason::TooLarge, 0));
    assert!(why.reason.remedy().contains("one by one"), "{}", why.reason.remedy());
    let report = system.deliver(&[document(0, 40)]).await;
    assert_eq!((report.counts.applied, report.counts.transitions, report.counts.quarantined), (40, 1, 0), "{report:?}");
}
