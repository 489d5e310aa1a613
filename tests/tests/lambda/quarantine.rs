//! The quarantine over the HTTP API of the built function, and a history loaded over it, by the built command: signed, through a
//! gateway that hands requests over as API Gateway does.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use rules::calendar::Instant;
use serde_json::{Value, json};
use tests::built::built;
use tests::dynamodb::KEY;
use tests::system::{System, quarantine_rows};

use crate::api::{INGEST, request};
use crate::runtime::{Function, event};
use crate::{QUEUE, World, log_is_fit_to_keep};

const OPERATOR: &str = "arn:aws:iam::123456789012:user/op";

/// A gateway with the document's routes, which lets in signed requests, as with IAM.
struct Gateway {
    url: String,
}

impl Gateway {
    async fn before(function: Arc<Function>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(hand_over).with_state(function);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url }
    }
}

async fn hand_over(
    State(function): State<Arc<Function>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    if !uri.path().starts_with("/v1/") {
        return (StatusCode::NOT_FOUND, json!({ "message": "Not Found" }).to_string());
    }
    let mut handed_over = request(method.as_str(), uri.path(), None);
    handed_over["rawQueryString"] = json!(uri.query().unwrap_or_default());
    handed_over["headers"]["content-type"] = json!("application/json");
    handed_over["body"] = json!(std::str::from_utf8(&body).unwrap());
    let is_signed = headers["authorization"].to_str().unwrap().starts_with("AWS4-HMAC-SHA256 Credential=");
    if !is_signed || !headers.contains_key("x-amz-date") {
        return (StatusCode::FORBIDDEN, json!({ "message": "Forbidden" }).to_string());
    }
    handed_over["requestContext"]["authorizer"] = json!({ "iam": { "userArn": OPERATOR } });
    let answer = function.invoke(&handed_over).await;
    let status = StatusCode::from_u16(answer["statusCode"].as_u64().unwrap().try_into().unwrap()).unwrap();
    (status, answer["body"].as_str().unwrap_or_default().to_owned())
}

/// The built command, with credentials of AWS and no token.
async fn echelon(gateway: &Gateway, args: &[&str]) -> Output {
    let mut command = Command::new(built("echelon"));
    command.env_clear().stdin(Stdio::null());
    command.envs([("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", KEY)]);
    command.args(args).args(["--sigv4", "--url", &gateway.url]);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[track_caller]
fn json_of(output: &Output, code: i32) -> Value {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Quarantines two bodies: the batch has one that cannot be read, and comes again with another one.
async fn quarantined(world: &World) {
    let ingest = world.function("ingest");
    let mut batch = event("sqs-batch");
    ingest.invoke(&batch).await;
    batch["Records"][2]["body"] = json!("neither is this");
    ingest.invoke(&batch).await;
    assert_eq!(world.aws.queue(QUEUE).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_quarantined_is_listed_and_replayed_over_the_api() {
    let world = World::new().await;
    quarantined(&world).await;
    let api = Arc::new(world.api());
    let gateway = Gateway::before(Arc::clone(&api)).await;
    let list = ["quarantine", "list", "--format", "json"];
    let rows = json_of(&echelon(&gateway, &list).await, 0)["rows"].clone();
    let [one, other] = &rows.as_array().unwrap()[..] else { panic!("{rows}") };
    assert_eq!((&one["reason"], &one["shop"]), (&json!("not_an_event"), &Value::Null));

    // One of the two bodies goes to the queue of incoming events; the other stays, hidden from no receiver.
    let replay = ["quarantine", "replay", one["id"].as_str().unwrap()];
    let replayed = echelon(&gateway, &replay).await;
    assert_eq!(replayed.status.code(), Some(0), "{replayed:?}");
    assert_eq!(world.aws.queue(INGEST).len(), 1);
    let [(left, false)] = &world.aws.queue(QUEUE)[..] else { panic!("{:?}", world.aws.queue(QUEUE)) };
    assert_eq!(left["MessageAttributes"]["id"]["StringValue"], other["id"]);
    assert_eq!(json_of(&echelon(&gateway, &list).await, 0)["rows"], json!([other]));
    let unknown = echelon(&gateway, &replay).await;
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");

    // While another caller goes through the queue, the messages that it has received would be taken to be gone.
    let store = &world.system.store;
    let (now, until) = (now(), now().plus_millis(600_000));
    assert!(store.take_turn("an operator", now, until).await.unwrap());
    let busy = echelon(&gateway, &["quarantine", "replay", "--all"]).await;
    assert!(String::from_utf8_lossy(&busy.stderr).contains("another caller"), "{busy:?}");
    store.end_turn("a stranger").await.unwrap();
    assert!(!store.take_turn("another", now, until).await.unwrap(), "only its holder ends a turn");
    assert!(store.take_turn("an operator", now, until).await.unwrap(), "its holder can extend a turn");
    // A turn is over in time, and a turn taken by a clock that is years ahead does not count.
    assert!(store.take_turn("another", until.plus_millis(1), until.plus_millis(2)).await.unwrap());
    store.end_turn("another").await.unwrap();
    let ahead = now.plus_millis(100 * 366 * 86_400_000);
    assert!(store.take_turn("from the future", ahead, ahead).await.unwrap());
    assert!(store.take_turn("an operator", now, until).await.unwrap());
    store.end_turn("an operator").await.unwrap();
    let all = echelon(&gateway, &["quarantine", "replay", "--all", "--reason", "not_an_event"]).await;
    assert_eq!(all.status.code(), Some(0), "{all:?}");
    assert_eq!((world.aws.queue(INGEST).len(), world.aws.queue(QUEUE).len()), (2, 0));
    assert_eq!(json_of(&echelon(&gateway, &list).await, 0)["rows"], json!([]));
    assert!(api.log().contains("replayed what was quarantined"), "{}", api.log());
    log_is_fit_to_keep(&api);
}

fn now() -> Instant {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Instant::from_millis(i64::try_from(since_1970.as_millis()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_not_all_is_shown_again_a_hidden_message_is_not_taken_to_be_gone() {
    let world = World::new().await;
    quarantined(&world).await;
    let api = world.api();
    let ids: Vec<String> =
        quarantine_rows(&world.system.store, None).await.into_iter().map(|row| row.key().sk).collect();
    let replay = |id: &str| {
        let mut replay = request("POST", "/v1/quarantine/replay", Some(&json!({ "ids": [id] })));
        replay["requestContext"]["authorizer"] = json!({ "iam": { "userArn": OPERATOR } });
        replay
    };
    // The first message is not there any more: the search for it receives the other one.
    world.aws.forget(QUEUE, &ids[0]);
    world.aws.shows_nothing(true);
    let first = api.invoke(&replay(&ids[0])).await;
    let told: Value = serde_json::from_str(first["body"].as_str().unwrap()).unwrap();
    assert_eq!((&first["statusCode"], &told["gone"]), (&json!(200), &json!([ids[0]])));
    assert!(matches!(world.aws.queue(QUEUE)[..], [(_, true)]));
    let busy = api.invoke(&replay(&ids[1])).await;
    assert_eq!(busy["statusCode"], 503, "{busy}");
    // The turn ends only after the message that it has received can be received again.
    let (store, later) = (&world.system.store, now().plus_millis(61_000));
    assert!(!store.take_turn("an operator", later, later).await.unwrap());
    let later = later.plus_millis(60_000);
    assert!(store.take_turn("an operator", later, later).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_kept_any_more_is_told_as_gone_and_its_row_stays() {
    let world = World::new().await;
    quarantined(&world).await;
    let api = world.api();
    let rows = quarantine_rows(&world.system.store, None).await;
    let gone = rows[0].key().sk;
    // As if the retention period of the queue had passed.
    world.aws.forget(QUEUE, &gone);
    let mut replay = request("POST", "/v1/quarantine/replay", Some(&json!({ "all": true })));
    replay["requestContext"]["authorizer"] = json!({ "iam": { "userArn": OPERATOR } });
    let answer = api.invoke(&replay).await;
    let told: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    let expected = json!({ "replayed": [rows[1].key().sk], "gone": [gone], "unknown": [], "next": null });
    assert_eq!((&answer["statusCode"], &told), (&json!(200), &expected));
    assert_eq!(quarantine_rows(&world.system.store, None).await.len(), 1);
    // A token is for one shop, and shows no rows that are of no shop.
    let mut list = request("GET", "/v1/quarantine", None);
    let answer = api.invoke(&list).await;
    assert_eq!(answer["body"], json!({ "rows": [], "next": null }).to_string());
    list["rawQueryString"] = json!("shop=acme.myshopify.com");
    assert_eq!(api.invoke(&list).await["statusCode"], 403);
}

fn write(folder: &Path, events: &[Value]) -> String {
    let path = folder.join("events.jsonl");
    fs::write(&path, events.iter().map(|event| format!("{event}\n")).collect::<String>()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_goes_into_a_deployed_system_over_its_api() {
    let world = World::new().await;
    let gateway = Gateway::before(Arc::new(world.api())).await;
    let folder = tempfile::tempdir().unwrap();
    let order = |id: usize| {
        json!({ "type": "order.paid", "order_id": id.to_string(), "member_id": "carla@example.com", "total": "5",
                "occurred_at": "2024-05-01T10:00:00Z" })
    };
    let mut events: Vec<Value> = (0..130).map(order).collect();
    events[104] = json!({ "type": "order.paid", "order_id": "104", "member_id": "carla@example.com" });
    let file = write(folder.path(), &events);
    let load = ["load", file.as_str(), "--format", "json", "--shop", "acme"];
    let unclear = echelon(&gateway, &load[..4]).await;
    let said = String::from_utf8_lossy(&unclear.stderr);
    assert!(unclear.status.code() == Some(2) && said.contains("--shop NAME"), "{said}");
    let loaded = echelon(&gateway, &load).await;
    let report = json_of(&loaded, 1);
    assert_eq!(
        report["taken_in"],
        json!({ "applied": 129, "duplicates": 0, "superseded": 0, "member_erased": 0, "still_cancelled": 0, "unanswered": 0, "refused": 1, "erased": 0 })
    );
    assert_eq!(report["reasons"], json!({ "invalid": 1 }));
    let said = String::from_utf8_lossy(&loaded.stderr);
    assert!(said.contains("events.jsonl:105: this is not a valid fact") && said.contains("$.total"), "{said}");
    let system = System::over(world.system.store.clone());
    assert_eq!(system.tier("carla@example.com").await.as_deref(), Some("gold"));
    // A second load changes nothing.
    let again = json_of(&echelon(&gateway, &load).await, 1);
    assert_eq!((&again["taken_in"]["applied"], &again["taken_in"]["duplicates"]), (&json!(0), &json!(129)));
}
