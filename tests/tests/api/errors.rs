//! Every problem: when it is returned, and everything that it says.

use std::collections::BTreeSet;

use http_api::caller::Scope;
use http_api::problem::{Problem, ProblemCode};
use serde_json::{Value, json};

use tests::api_harness::{ApiHarness, order, program};

/// A problem: its kind, its status, and parts of its detail and its remedy.
type Told = (&'static str, u16, &'static str, &'static str);

/// Problems that are not brought about here. No request can bring about an internal error, whose text is checked by itself. Some
/// are tested in `privacy.rs`, and one takes a minute, which is not waited for.
const NOT_HERE: [&str; 12] = [
    "internal-error",
    "shop-being-deleted",
    "deletion-in-progress",
    "request-timeout",
    // Answers of a system on one machine are tested in `attack`.
    "ambiguous-request",
    "origin-not-allowed",
    "unsupported-encoding",
    "webhook-replayed",
    "backup-failed",
    "no-file",
    // A shop with too many reads is tested beside `http_api::turns`.
    "too-many-requests",
    // A lost race of a writer is tested on tables.
    "conflict",
];

#[track_caller]
fn says(body: &Value, (kind, status, detail, remedy): Told) {
    assert_eq!(body["type"], format!("urn:echelon:problem:{kind}"), "{body}");
    assert_eq!(body["status"], status, "{body}");
    assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()), "{body}");
    assert!(body["detail"].as_str().unwrap().contains(detail), "{kind}: {body}");
    assert!(body["remedy"].as_str().unwrap().contains(remedy), "{kind}: {body}");
    let known = ["type", "title", "status", "detail", "remedy", "problems"];
    assert!(body.as_object().unwrap().keys().all(|name| known.contains(&name.as_str())), "{body}");
}

#[tokio::test]
async fn every_problem_says_what_is_wrong_and_what_to_do() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00"), order("bert", "2", "600.00")]).await;
    desk.send(desk.ask("PUT", "/v1/program/draft").json(&json!({ "program": {} }))).await.is(200);
    let get = |path: &str| desk.ask("GET", path);
    let post = |path: &str, body: Value| desk.ask("POST", path).json(&body);
    let publish = |body: Value| post("/v1/program/versions", body);
    let mut fewer = program();
    fewer["tiers"].as_array_mut().unwrap().pop();
    let many: Vec<Value> = (0..101).map(|n| order("anna", &n.to_string(), "1")).collect();
    let assign = |tier: &str| {
        let body = json!({ "tier": tier, "mode": "floor", "reason": "x" });
        post("/v1/members/anna/assignments", body).with("Idempotency-Key", "k")
    };
    desk.send(assign("gold")).await.is(201);
    desk.at("2024-06-02T05:00:00Z");
    desk.system.sweep_all().await;
    let page = desk.get("/v1/members?list=tier&tier=gold&limit=1").await.is(200);
    let cursor = page["next"].as_str().unwrap().to_owned();
    let said: Vec<(_, Told)> = vec![
        (get("/v1/members/anna?as_of=now"), ("malformed-request", 400, "now", "correct the query")),
        (
            post("/v1/facts", json!({ "type": "x" })),
            ("validation-failed", 422, "this is not a valid fact", "`problems`"),
        ),
        (get("/v1/members/unknown"), ("unknown-member", 404, "nothing is known", "send a fact")),
        (get("/v1/members/anna?version=9"), ("unknown-version", 404, "no version 9", "/v1/program/versions")),
        (
            get("/v1/program").by(desk.token(Some("other"), Scope::Read)),
            ("unknown-program", 404, "`other`", "publishes one"),
        ),
        (
            get("/v1/program/draft").by(desk.token(Some("other"), Scope::Read)),
            ("unknown-draft", 404, "no draft", "saves one"),
        ),
        (get("/v1/jobs/tomorrow"), ("unknown-job", 404, "`tomorrow`", "lists them")),
        (get("/v1/members/anna/erasure"), ("unknown-erasure", 404, "was not erased", "DELETE")),
        (get("/v1/insight").by(desk.token(Some("other"), Scope::Read)), ("unknown-sweep", 404, "no sweep", "midnight")),
        (
            desk.ask("DELETE", "/v1/program/versions/pending"),
            ("unknown-pending-version", 404, "no version waits", "lists them"),
        ),
        (get("/elsewhere"), ("not-found", 404, "nothing here", "/docs")),
        (desk.ask("DELETE", "/v1/jobs"), ("method-not-allowed", 405, "does not support the method", "/docs")),
        (publish(json!({ "program": fewer })), ("version-rejected", 409, "program_active", "options")),
        (
            publish(json!({ "version": 1, "at": "2020-01-01T00:00:00Z" })),
            ("effective-in-the-past", 409, "has passed", "leave `at` out"),
        ),
        (
            publish(json!({ "version": 1 })).with("If-Match", "\"9-9\""),
            ("precondition-failed", 412, "`If-Match`", "its new ETag"),
        ),
        (
            desk.ask("PUT", "/v1/program/draft").json(&json!({ "program": {} })),
            ("precondition-required", 428, "there already", "`If-Match`"),
        ),
        (get("/v1/jobs").by(None), ("unauthenticated", 401, "no token", "Bearer")),
        (
            get("/v1/privacy/requests").by(desk.token(Some("acme"), Scope::Write)),
            ("forbidden", 403, "echelon/admin", "that scope"),
        ),
        (get("/v1/me"), ("member-token-required", 403, "member's token", "/token")),
        (get("/v1/jobs?shop=other"), ("wrong-shop", 403, "one shop", "leave `shop` out")),
        (post("/webhooks/shopify", json!({})), ("invalid-signature", 401, "does not fit", "secret")),
        (
            post("/v1/facts", json!("x".repeat(1_100_000))),
            ("payload-too-large", 413, "1048576 bytes", "less at a time"),
        ),
        (post("/v1/facts", json!(many)), ("too-many-items", 413, "101 facts", "100 at a time")),
        (
            desk.ask("POST", "/v1/facts").with("content-type", "text/plain").raw("{}"),
            ("unsupported-media-type", 415, "JSON", "Content-Type"),
        ),
        (
            desk.ask("PUT", "/v1/program/draft")
                .with("If-Match", "*")
                .json(&json!({ "program": { "name": "x".repeat(400_000) } })),
            ("item-too-large", 413, "400066 bytes", "shorten it"),
        ),
        (assign("silver"), ("idempotency-key-reused", 422, "something else", "another")),
    ];
    let mut seen: BTreeSet<&str> = NOT_HERE.into();
    for (ask, told) in said {
        let answer = desk.send(ask).await;
        assert_eq!(answer.status, told.1, "{}", answer.body);
        says(&answer.body, told);
        seen.insert(told.0);
    }
    let mut dearer = program();
    dearer["tiers"][1]["threshold"] = json!("600");
    desk.send(publish(json!({ "program": dearer, "at": "2024-06-02T05:02:00Z" }))).await.is(201);
    desk.at("2024-06-02T05:01:00Z");
    let soon = desk.send(desk.ask("DELETE", "/v1/program/versions/pending")).await.is(409);
    says(&soon, ("about-to-take-effect", 409, "too soon", "publish after"));
    seen.insert("about-to-take-effect");
    says(&json!(Problem::internal_error()), ("internal-error", 500, "should not have happened", "request id"));
    desk.at("2024-06-07T05:00:00Z");
    let gone = desk.get(&format!("/v1/members?list=tier&tier=gold&cursor={cursor}")).await.is(410);
    says(&gone, ("cursor-expired", 410, "are gone", "without a cursor"));
    seen.insert("cursor-expired");
    let unsigned = ApiHarness::open().await.without_secret();
    let webhook = unsigned.post("/webhooks/shopify", json!({})).await.is(404);
    says(&webhook, ("unknown-webhook", 404, "no secret", "--shopify-secret"));
    seen.insert("unknown-webhook");
    let withdraw = desk.send(desk.ask("DELETE", "/v1/privacy/redaction")).await.is(404);
    says(&withdraw, ("unknown-redaction", 404, "no deletion", "nothing to withdraw"));
    seen.insert("unknown-redaction");
    let lost = ApiHarness::open().await;
    lost.system.store.client().delete_table().table_name(&lost.system.store.tables().members).send().await.unwrap();
    says(&lost.get("/v1/members/anna").await.is(503), ("unavailable", 503, "does not answer", "`Retry-After`"));
    seen.insert("unavailable");
    let kinds = ProblemCode::ALL.map(|code| code.describe().0);
    assert_eq!(BTreeSet::from(kinds).len(), kinds.len(), "a name is there twice");
    let document = include_str!("../../../docs/reference/errors.md");
    let undocumented: Vec<&str> =
        kinds.into_iter().filter(|kind| !document.contains(&format!("| `{kind}` |"))).collect();
    assert!(undocumented.is_empty(), "docs/reference/errors.md does not have {undocumented:?}");
    let untold: Vec<&str> = kinds.into_iter().filter(|kind| !seen.contains(kind)).collect();
    assert!(untold.is_empty(), "no request here brings these about: {untold:?}");
}
