//! The precedence of problems where several apply: the table of `docs/reference/errors.md`, each pair of neighbors in one request
//! to which both apply.

use http_api::caller::Scope;
use serde_json::{Value, json};
use tests::api_harness::{ApiHarness, Ask, order};

#[tokio::test]
async fn of_two_problems_the_one_that_is_checked_first_is_told() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00")]).await;
    let ask = |method, path: &str| desk.ask(method, path);
    let reads = || desk.token(Some("acme"), Scope::Read);
    let facts = |key: &'static str| ask("POST", "/v1/facts").with("Idempotency-Key", key);
    let too_long = "x".repeat(1_100_000);
    let many: Vec<Value> = (0..101).map(|n| order("anna", &n.to_string(), "1")).collect();
    let publish = |body: Value| ask("POST", "/v1/program/versions").json(&body).with("If-Match", "\"9-9\"");
    let cases: Vec<(&str, Ask<'_>, u16, &str)> = vec![
        ("no route, no token", ask("GET", "/elsewhere").by(None), 404, "not-found"),
        ("no such method, no token", ask("DELETE", "/v1/jobs").by(None), 405, "method-not-allowed"),
        ("no token, a bad shop", ask("GET", "/v1/jobs?shop=a%20b").by(None), 401, "unauthenticated"),
        ("no scope, a bad shop", ask("GET", "/v1/privacy/requests?shop=a%20b").by(reads()), 403, "forbidden"),
        ("no scope, another shop", ask("GET", "/v1/privacy/requests?shop=other").by(reads()), 403, "forbidden"),
        ("a bad shop, named twice", ask("GET", "/v1/jobs?shop=a%20b&shop=other"), 400, "malformed-request"),
        ("another shop, a bad path", ask("GET", "/v1/program/versions/x?shop=other"), 403, "wrong-shop"),
        ("a bad path, a bad query", ask("GET", "/v1/members/~?as_of=now"), 400, "malformed-request"),
        (
            "a bad media type, too large a body",
            ask("POST", "/v1/facts").with("content-type", "text/plain").raw(&too_long),
            415,
            "unsupported-media-type",
        ),
        (
            "too large a body, no JSON",
            ask("POST", "/v1/facts").with("content-type", "application/json").raw(&too_long),
            413,
            "payload-too-large",
        ),
        ("no JSON, a bad key", facts("").with("content-type", "application/json").raw("{"), 400, "malformed-request"),
        ("a bad key, too many", facts("").json(&json!(many)), 400, "malformed-request"),
        (
            "too many, no program",
            ask("POST", "/v1/facts").by(desk.token(Some("other"), Scope::Admin)).json(&json!(many)),
            413,
            "too-many-items",
        ),
        (
            "no program, no member",
            ask("GET", "/v1/members/unknown").by(desk.token(Some("other"), Scope::Read)),
            404,
            "unknown-program",
        ),
        ("another state, a bad program", publish(json!({ "program": { "tiers": 7 } })), 412, "precondition-failed"),
        (
            "a field, an erasure told as a fact",
            ask("POST", "/v1/facts").json(&json!({ "type": "customer.erased", "member_id": "", "occurred_at": "x" })),
            422,
            "validation-failed",
        ),
    ];
    for (what, ask, status, kind) in cases {
        let said = desk.send(ask).await;
        assert_eq!(
            (said.status, &said.body["type"]),
            (status, &json!(format!("urn:echelon:problem:{kind}"))),
            "{what}"
        );
    }
    let unsigned = ApiHarness::open().await.without_secret();
    let webhook = unsigned.post("/webhooks/shopify", json!({})).await.is(404);
    assert_eq!(
        webhook["type"], "urn:echelon:problem:unknown-webhook",
        "no webhooks are expected, and this is unsigned"
    );
}

#[tokio::test]
async fn of_two_reasons_to_refuse_a_fact_the_one_that_is_checked_first_is_told() {
    let desk = ApiHarness::open().await;
    let mut future = order("anna", "1", "5.00");
    future["occurred_at"] = json!("2030-01-01T00:00:00Z");
    let mut wrong = future.clone();
    wrong["total"] = json!("a lot");
    let erased = json!({ "type": "customer.erased", "member_id": "anna", "occurred_at": "2030-01-01T00:00:00Z" });
    let told = desk.post("/v1/facts", json!([wrong, erased, future.clone()])).await.is(200);
    let found: Vec<_> = told["results"].as_array().unwrap().iter().map(|it| (&it["status"], &it["detail"])).collect();
    let refused = "this route does not erase members";
    let expected = [
        (&json!("invalid"), &json!("this is not a valid fact")),
        (&json!("refused"), &json!(refused)),
        (&json!("refused"), &json!("from_the_future")),
    ];
    assert_eq!(found, expected, "{told}");
    // A future date takes precedence over what is known of the member.
    desk.tell(&[order("anna", "1", "5.00")]).await;
    desk.send(desk.ask("DELETE", "/v1/members/anna")).await.is(202);
    let told = desk.post("/v1/facts", json!([future, order("anna", "1", "5.00")])).await.is(200);
    assert_eq!(told["results"][0]["detail"], "from_the_future", "{told}");
    assert_eq!(told["results"][1]["status"], "member_erased", "{told}");
}
