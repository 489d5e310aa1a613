//! The functions that sweep, with every message twice.

use engine::sweep::{Progress, progress};
use serde_json::{Value, json};
use store::records::State;
use tests::aws::Aws;

use super::runtime::{Function, event};
use super::{World, counted, log_is_fit_to_keep};
use tests::system::instant;

const ROLLOVER: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/echelon-RolloverQueue-1A2B3C";
const RECALCULATION: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/echelon-RecalculationQueue-1A2B3C";

/// The environment that a sweeping function has beside that of the others.
pub fn environment() -> [(&'static str, String); 3] {
    [
        ("ROLLOVER_QUEUE_URL", ROLLOVER.to_owned()),
        ("RECALCULATION_QUEUE_URL", RECALCULATION.to_owned()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2024/06/01/[1]59bb08cb39e147ef90d1b6d4b3e5d1d4".to_owned()),
    ]
}

/// The segments that were sent to a queue, each as the event that its function gets.
fn segments(aws: &Aws, url: &str) -> Vec<Value> {
    let sent = aws.queue(url).into_iter().map(|(message, _)| message["MessageBody"].clone());
    let told = |body: Value| {
        let mut told = event("sqs-segment");
        told["Records"][0]["body"] = body;
        told
    };
    sent.map(told).collect()
}

/// Anna has 600 of 2024, which is gold, and holds it in 2024 and 2025.
async fn world() -> World {
    let mut world = World::new().await;
    world.environment.extend(environment());
    world.system.at(instant("2024-05-01T10:00:00Z"));
    let order = json!({ "type": "order.paid", "order_id": "1", "member_id": "anna@example.com", "total": "600",
                        "occurred_at": "2024-05-01T10:00:00Z" });
    assert_eq!(world.system.tell(&[order]).await.counts.applied, 1);
    world
}

async fn job(world: &World, id: &str) -> Progress {
    let (store, shop) = (&world.system.store, &world.system.shop);
    progress(store, shop, &id.parse().unwrap(), world.system.now()).await.unwrap().unwrap()
}

async fn publish(world: &World, milestone: Value, gold: u32) {
    let tiers = json!([{ "id": "silver", "threshold": 100 }, { "id": "gold", "threshold": gold }]);
    let program = json!({ "start_date": "2023-01-01", "currency": "USD", "milestone": milestone, "tiers": tiers });
    world.system.publish(&program, &json!({ "demotions": "apply" })).await;
}

async fn swept(function: &Function, segments: &[Value]) {
    for segment in segments {
        assert_eq!(function.invoke(segment).await, json!({ "batchItemFailures": [] }));
    }
}

#[tokio::test]
async fn a_published_version_recalculates_everybody() {
    let mut world = world().await;
    world.system.shop = store::shop::ShopId::new("acme").unwrap();
    let order = json!({ "type": "order.paid", "order_id": "2", "member_id": "ben@example.com", "total": "600",
                        "occurred_at": "2024-05-01T10:00:00Z" });
    assert_eq!(world.system.tell(&[order]).await.counts.applied, 1);
    world.system.at(instant("2024-06-01T12:00:00Z"));
    publish(&world, json!({ "metric": "amount_spent", "period": "lifetime", "on_refund": "revoke" }), 700).await;
    let recalculate = world.function("recalculate");
    let published = event("published");
    assert_eq!(recalculate.invoke(&published).await, json!({ "shops": 1, "opened": 1, "sent": 16, "failed": 0 }));
    let segments = segments(&world.aws, RECALCULATION);
    assert_eq!(segments.len(), 16);
    swept(&recalculate, &segments).await;
    swept(&recalculate, &segments).await;
    assert_eq!(recalculate.invoke(&published).await, json!({ "shops": 1, "opened": 0, "sent": 0, "failed": 0 }));
    let done = job(&world, "2024-06-01T12:00:00.000Z-recalculation-2").await;
    assert_eq!((done.job.state, done.so_far.members, done.so_far.downgraded), (State::Done, 1, 1));
    assert_eq!(world.system.tier("ben@example.com").await.as_deref(), Some("silver"));
    counted(&recalculate.metrics()[0], json!({ "JobsOpened": 1, "SegmentsSent": 16 }));
    let swept: i64 = recalculate.metrics().iter().filter_map(|line| line["MembersSwept"].as_i64()).sum();
    assert_eq!(swept, 1);
    log_is_fit_to_keep(&recalculate);
}

#[tokio::test]
async fn a_tick_brings_everybody_past_the_last_midnight() {
    let world = world().await;
    world.system.at(instant("2024-06-01T12:00:00Z"));
    publish(&world, json!({ "metric": "amount_spent", "period": "calendar_year" }), 500).await;
    let rollover = world.function("rollover");
    // Both shops have a midnight, and one has a change of rules that no event has announced.
    assert_eq!(rollover.invoke(&event("tick")).await, json!({ "shops": 2, "opened": 3, "sent": 48, "failed": 0 }));
    assert_eq!(segments(&world.aws, RECALCULATION).len(), 16);
    let segments = segments(&world.aws, ROLLOVER);
    assert_eq!(segments.len(), 32);
    // Just after midnight the segments wait for the last writers of the day before.
    let waits =
        world.system.store.latest_jobs(&world.system.shop, tests::system::FOREVER, 1).await.unwrap()[0].body.clone();
    let early = waits.starts_at.millis() - waits.opened_at.millis();
    tokio::time::sleep(std::time::Duration::from_millis(u64::try_from(early).unwrap())).await;
    swept(&rollover, &segments).await;
    swept(&rollover, &segments).await;
    // Her 600 of 2024 have carried her through 2025.
    assert_eq!(world.system.tier("anna@example.com").await, None);
    let history = world.history(world.system.shop.as_str(), "anna@example.com").await;
    assert!(
        history.iter().any(|row| row["detail"]["S"].as_str().is_some_and(|it| it.contains("2026-01-01T00:00:00Z")))
    );
    assert_eq!(job(&world, &waits.id.to_string()).await.job.state, State::Done);
    // A second tick, and the one of January 1, find nothing new.
    for again in ["tick", "new-year"] {
        assert_eq!(rollover.invoke(&event(again)).await["opened"], 0);
    }
    log_is_fit_to_keep(&rollover);
}
