//! The cost of ingest in request units, as the store reports it with each request: the figures that the design rests on. They are
//! measured on the embedded store, which charges as AWS documents it (`crates/embedded-dynamodb/tests/it/capacity.rs`).

use serde_json::{Value, json};
use store::Units;
use tests::system::{System, instant};

async fn shop() -> System {
    let place = tests::dynamodb::embedded().await;
    let system = System::new(place.client, &place.prefix).await;
    system.at(instant("2024-01-01T00:00:00Z"));
    let program = json!({ "start_date": "2023-01-01", "milestone": { "metric": "amount_spent" },
                          "tiers": [{ "id": "gold", "name": "Gold", "threshold": 1_000_000,
                                      "entry_rewards": [{ "type": "points", "points": 50 }] }] });
    system.publish(&program, &json!({})).await;
    system.at(instant("2024-06-01T12:00:00Z"));
    // The member has ordered before, and the program is known.
    let before: Vec<Value> = (0..20).map(|n| order(900 + n, 10)).collect();
    assert_eq!(system.tell(&before).await.counts.applied, 20);
    system.used();
    system
}

fn order(id: u32, total: u32) -> Value {
    json!({ "type": "order.paid", "order_id": format!("82098291194615{id:04}"), "member_id": "207119551",
            "total": format!("{total}.95"), "tax": "1.20", "shipping": "4.90", "occurred_at": "2024-05-01T10:00:00Z" })
}

/// The units used, where the meter counts halves.
fn units(used: Units) -> (f64, f64, f64) {
    let whole = |halves: i64| halves as f64 / 2.0;
    (whole(used.table_writes), whole(used.index_writes), whole(used.reads))
}

#[tokio::test]
async fn a_lone_order_costs_at_most_four_writes_one_in_the_index_and_two_reads() {
    let system = shop().await;
    assert_eq!(system.tell(&[order(1, 30)]).await.counts.applied, 1);
    let (tables, indexes, reads) = units(system.used());
    assert!(tables <= 4.0 && indexes <= 1.0 && reads <= 2.0, "{tables} + {indexes} writes, {reads} reads");
}

#[tokio::test]
async fn three_orders_of_one_member_in_a_batch_cost_at_most_2_7_writes_each() {
    let system = shop().await;
    assert_eq!(system.tell(&[order(1, 30), order(2, 40), order(3, 50)]).await.counts.applied, 3);
    let (tables, indexes, reads) = units(system.used());
    assert!(tables / 3.0 <= 2.7 && indexes / 3.0 <= 1.0, "{tables} + {indexes} writes, {reads} reads for three");
}

#[tokio::test]
async fn a_duplicate_writes_nothing() {
    let system = shop().await;
    system.tell(&[order(1, 30)]).await;
    system.used();
    assert_eq!(system.tell(&[order(1, 30)]).await.counts.duplicates, 1);
    let (tables, indexes, _) = units(system.used());
    assert_eq!((tables, indexes), (0.0, 0.0));
}

#[tokio::test]
async fn a_change_of_tier_costs_at_most_four_writes_more_and_its_reward_the_same() {
    let system = shop().await;
    let report = system.tell(&[order(1, 2_000_000)]).await;
    assert_eq!((report.counts.transitions, report.counts.rewards), (1, 1));
    let (tables, indexes, _) = units(system.used());
    // Each of the two rows: two units in the table for a transaction, one in each index.
    assert!(tables <= 8.0 && indexes <= 5.0, "{tables} + {indexes} writes");
}
