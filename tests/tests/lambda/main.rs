//! The functions as they are deployed: the built programs, behind Lambda's runtime API, given literal events of SQS, DynamoDB's
//! streams, the scheduler and API Gateway; on DynamoDB Local. Every event comes twice.

mod api;
mod quarantine;
mod runtime;
mod sweeps;
mod zones;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use runtime::{Emulator, Function, event};
use serde_json::{Value, json};
use store::key::{self, Spread};
use store::shop::ShopId;
use tests::aws::Aws;
use tests::dynamodb::{self, KEY, REGION};
use tests::system::{System, instant, quarantine_rows};

const SHOPS: [&str; 2] = ["acme", "acme.myshopify.com"];
/// The members that the events are about.
const MEMBERS: [&str; 5] = ["anna@", "ben@", "carla@", "eve@", "7123456789012"];
const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/123456789012/echelon-QuarantineQueue-1A2B3C";

/// Everything that the functions work with.
struct World {
    system: System,
    aws: Aws,
    emulator: Emulator,
    environment: Vec<(&'static str, String)>,
}

impl World {
    async fn new() -> Self {
        let place = dynamodb::local().await;
        let mut system = System::new(place.client, &place.prefix).await;
        system.at(instant("2024-01-01T00:00:00Z"));
        let program = json!({ "start_date": "2023-01-01", "currency": "USD",
            "milestone": { "metric": "amount_spent", "period": "lifetime", "on_refund": "revoke" },
            "tiers": [ { "id": "silver", "threshold": 100, "entry_rewards": [{ "type": "points", "points": 50 }] },
                       { "id": "gold", "threshold": 500, "entry_rewards": [{ "type": "free_shipping" }] } ] });
        for shop in SHOPS {
            system.shop = ShopId::new(shop).unwrap();
            system.publish(&program, &json!({})).await;
            // The publication of the program was announced long ago.
            system.store.mark_published(&key::published(&system.shop, 1)).await.unwrap();
        }
        system.at(instant("2024-06-01T12:00:00Z"));
        let aws = Aws::start().await;
        let tables = system.store.tables();
        let environment = vec![
            ("MEMBERS_TABLE", tables.members.clone()),
            ("LEDGER_TABLE", tables.ledger.clone()),
            ("CONTROL_TABLE", tables.control.clone()),
            ("EVENT_BUS", "echelon".to_owned()),
            ("QUARANTINE_QUEUE_URL", QUEUE.to_owned()),
            ("LOG_KEY", "a key only for tests".to_owned()),
            // The most that the template allows.
            ("RUST_LOG", "DEBUG".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", KEY.to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb::local_url().await),
            ("AWS_ENDPOINT_URL_EVENTBRIDGE", aws.url.clone()),
            ("AWS_ENDPOINT_URL_SQS", aws.url.clone()),
        ];
        Self { system, aws, emulator: Emulator::start(), environment }
    }

    fn function(&self, name: &'static str) -> Function {
        Function::start(&self.emulator, name, &self.environment)
    }

    /// The history rows of a shop's member, as a stream shows them.
    async fn history(&self, shop: &str, member: &str) -> Vec<Value> {
        let of = AttributeValue::S(format!("{shop}#history#{member}"));
        let ledger = &self.system.store.tables().ledger;
        let asked = self.system.store.client().query().table_name(ledger).key_condition_expression("pk = :of");
        let found = asked.expression_attribute_values(":of", of).send().await.unwrap();
        found
            .items()
            .iter()
            .map(|item| item.iter().map(|(name, value)| (name.clone(), typed(value))).collect())
            .collect()
    }
}

/// A value as in a stream's record.
fn typed(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(is) => json!({ "BOOL": is }),
        AttributeValue::L(values) => json!({ "L": values.iter().map(typed).collect::<Vec<_>>() }),
        other => panic!("a row of history with {other:?}"),
    }
}

/// The literal record of a stream, repeated for each of these rows.
fn streamed(rows: &[Value]) -> Value {
    let mut streamed = event("stream-insert");
    let records = streamed["Records"].as_array_mut().unwrap();
    let record = records.remove(0);
    records.extend(rows.iter().enumerate().map(|(place, row)| {
        let mut record = record.clone();
        record["dynamodb"]["SequenceNumber"] = json!(format!("{}", 4_421_584_500_u64 + place as u64));
        record["dynamodb"]["Keys"] = json!({ "pk": row["pk"], "sk": row["sk"] });
        record["dynamodb"]["NewImage"] = row.clone();
        record
    }));
    streamed
}

/// The names and ids of events, sorted.
fn ids(entries: &[Value]) -> Vec<(String, String)> {
    let detail = |entry: &Value| serde_json::from_str::<Value>(entry["Detail"].as_str().unwrap()).unwrap();
    let named = |entry: &Value| {
        assert_eq!((&entry["Source"], &entry["EventBusName"]), (&json!("echelon"), &json!("echelon")));
        (entry["DetailType"].as_str().unwrap().to_owned(), detail(entry)["id"].as_str().unwrap().to_owned())
    };
    let mut ids: Vec<_> = entries.iter().map(named).collect();
    ids.sort();
    ids
}

/// Checks that each log line is an object, that metrics are as CloudWatch takes them, and that no member is named.
#[track_caller]
fn log_is_fit_to_keep(function: &Function) {
    let log = function.log();
    for member in MEMBERS {
        assert!(!log.contains(member), "{member} is in the log: {log}");
    }
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()), "no JSON: {line}");
    }
    for line in function.metrics() {
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "Echelon");
        assert!(line["_aws"]["Timestamp"].is_i64() && line["Function"].is_string() && line["Service"].is_string());
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric} in {line}");
        }
    }
}

#[track_caller]
fn counted(line: &Value, expected: Value) {
    for (name, count) in expected.as_object().unwrap() {
        assert_eq!(&line[name], count, "{name} in {line}");
    }
}

#[tokio::test]
async fn a_batch_of_the_queue_becomes_members_and_an_unreadable_message_is_quarantined() {
    let world = World::new().await;
    let ingest = world.function("ingest");
    let batch = event("sqs-batch");
    for _ in 0..2 {
        assert_eq!(ingest.invoke(&batch).await, json!({ "batchItemFailures": [] }));
    }
    let mut system = System::over(world.system.store.clone());
    for (shop, member, tier) in
        [("acme", "anna@example.com", "silver"), ("acme.myshopify.com", "7123456789012", "gold")]
    {
        system.shop = ShopId::new(shop).unwrap();
        assert_eq!(system.tier(member).await.as_deref(), Some(tier));
        assert_eq!(system.member(member).await.record.seq(), 1);
    }
    // The body goes to the queue each time it comes, but there is only one row for it.
    let unreadable = &batch["Records"][2]["body"];
    let sent = world.aws.queue(QUEUE);
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|(message, _)| message["MessageBody"] == *unreadable), "{sent:?}");
    let rows = quarantine_rows(&world.system.store, None).await;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(row.maybe_text("reason"), Some("not_an_event"));
    assert_eq!(sent[0].0["MessageAttributes"]["id"]["StringValue"], row.key().sk);

    let metrics = ingest.metrics();
    let [first, second] = metrics.as_slice() else { panic!("{metrics:?}") };
    counted(
        first,
        json!({ "EventsIn": 3, "FactsApplied": 2, "Duplicates": 0, "Quarantined": 1, "Transitions": 2,
                           "Rewards": 2, "Conflicts": 0, "Ignored": 0 }),
    );
    counted(second, json!({ "EventsIn": 3, "FactsApplied": 0, "Duplicates": 2, "Quarantined": 1, "Transitions": 0 }));
    log_is_fit_to_keep(&ingest);
}

#[tokio::test]
async fn only_what_failed_for_now_comes_again() {
    let world = World::new().await;
    let ingest = world.function("ingest");
    // Ben's item was written by a later release, for which this one waits.
    let ben = key::member(
        Spread::DEPLOYED,
        &ShopId::new("acme").unwrap(),
        &rules::id::MemberId::new("ben@example.com").unwrap(),
    );
    let members = &world.system.store.tables().members;
    let put = world.system.store.client().put_item().table_name(members).item("v", AttributeValue::N("1".to_owned()));
    let put = put.item("pk", AttributeValue::S(ben.pk)).item("sk", AttributeValue::S(ben.sk));
    put.item("body", AttributeValue::B(Blob::new([250_u8, 1, 2]))).send().await.unwrap();
    let batch = event("sqs-one-fails-for-now");
    for _ in 0..2 {
        let failed = json!([{ "itemIdentifier": batch["Records"][0]["messageId"] }]);
        assert_eq!(ingest.invoke(&batch).await, json!({ "batchItemFailures": failed }));
    }
    assert!(ingest.log().contains("messages will be redelivered"));
    counted(&ingest.metrics()[0], json!({ "EventsIn": 2, "FactsApplied": 1, "Quarantined": 0, "Transitions": 1 }));
    log_is_fit_to_keep(&ingest);
}

#[tokio::test]
async fn a_recorded_row_reaches_the_bus_through_its_stream_and_leaves_the_outbox() {
    let world = World::new().await;
    let ingest = world.function("ingest");
    ingest.invoke(&event("sqs-batch")).await;
    let rows = world.history("acme", "anna@example.com").await;
    assert_eq!(rows.iter().filter(|row| row.get("unpublished").is_some()).count(), 2, "{rows:?}");

    let relay = world.function("relay");
    world.aws.refuse_one();
    let stream = streamed(&rows);
    let nothing_failed = json!({ "batchItemFailures": [] });
    assert_eq!(relay.invoke(&stream).await, nothing_failed);
    let requests = world.aws.events();
    assert_eq!(requests.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1], "what was refused is sent again, alone");
    let first = ids(&requests[0]);
    let kinds: Vec<_> = first.iter().map(|(kind, _)| &**kind).collect();
    assert_eq!(kinds, ["tier.changed.v1", "tier.reward_issued.v1"]);
    assert_eq!(requests[1][0], requests[0][0]);
    let published = world.history("acme", "anna@example.com").await;
    assert!(published.iter().all(|row| row.get("unpublished").is_none()), "{published:?}");

    assert_eq!(relay.invoke(&stream).await, nothing_failed);
    let again = world.aws.events();
    assert_eq!(again.len(), 1);
    assert_eq!(ids(&again[0]), first);
    assert_eq!(world.history("acme", "anna@example.com").await, published);
    for _ in 0..2 {
        assert_eq!(relay.invoke(&event("stream-ignored")).await, nothing_failed);
    }
    assert!(world.aws.events().is_empty());
    counted(&relay.metrics()[0], json!({ "Published": 2, "PublishFailures": 0 }));
    log_is_fit_to_keep(&relay);
    log_is_fit_to_keep(&ingest);
}

#[tokio::test]
async fn what_the_stream_missed_is_announced_by_the_hourly_pass() {
    let mut world = World::new().await;
    world.system.shop = ShopId::new("acme").unwrap();
    let order = json!({ "type": "order.paid", "order_id": "1", "member_id": "carla@example.com", "total": "150",
                        "occurred_at": "2024-05-01T10:00:00Z" });
    assert!(world.system.tell(&[order]).await.failed.is_empty());
    let rows = world.history("acme", "carla@example.com").await;
    let relay = world.function("relay");
    world.aws.is_down(true);
    // The stream sends again from the first record that failed.
    let failed = json!({ "batchItemFailures": [{ "itemIdentifier": "4421584500" }] });
    assert_eq!(relay.invoke(&streamed(&rows)).await, failed);
    world.aws.is_down(false);
    let missed = ids(&world.aws.events()[0]);
    let scheduled = event("scheduled");
    assert_eq!(relay.invoke(&scheduled).await, json!({ "published": 2, "failed": 0, "finished": true }));
    assert_eq!(ids(&world.aws.events().concat()), missed);
    assert_eq!(relay.invoke(&scheduled).await, json!({ "published": 0, "failed": 0, "finished": true }));
    assert!(world.aws.events().is_empty());
    log_is_fit_to_keep(&relay);
}
