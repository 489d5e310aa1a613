//! Facts sent directly.

use serde_json::{Value, json};

use tests::api_harness::{ApiHarness, order};

fn earned(points: i64) -> Value {
    json!({ "type": "points.earned", "member_id": "anna", "points": points, "occurred_at": "2024-03-01T12:00:00Z" })
}

#[tokio::test]
async fn each_fact_is_taken_in_for_itself_before_the_answer_comes() {
    let desk = ApiHarness::open().await;
    let broken = json!({ "type": "order.paid", "member_id": "anna", "order_id": "2", "total": "a lot" });
    let mut future = order("anna", "3", "5");
    future["occurred_at"] = json!("2024-06-01T12:06:00Z");
    let erased = json!({ "type": "customer.erased", "member_id": "anna", "occurred_at": "2024-03-01T12:00:00Z" });
    let told = desk.post("/v1/facts", json!([order("anna", "1", "120.00"), broken, future, erased, 7])).await.is(200);
    let results = told["results"].as_array().unwrap();
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["applied", "invalid", "refused", "refused", "invalid"]);
    let paths: Vec<_> =
        results[1]["problems"].as_array().unwrap().iter().map(|it| it["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["$.occurred_at", "$.total"]);
    assert_eq!((&results[2]["detail"], desk.tier("anna").await), (&json!("from_the_future"), json!("silver")));
    let again = desk.post("/v1/facts", order("anna", "1", "120.00")).await.is(200);
    assert_eq!(again["results"][0]["status"], "duplicate");
}

#[tokio::test]
async fn one_fact_alone_that_is_not_taken_in_is_a_problem() {
    let desk = ApiHarness::open().await;
    for (body, status, says) in [
        (json!({}), 422, "this is not a valid fact"),
        (json!({ "type": "order.paid" }), 422, "this is not a valid fact"),
        (json!("order.paid"), 422, "this is not a valid fact"),
        (
            json!({ "type": "customer.merged", "member_id": "a", "into": "a", "occurred_at": "2024-03-01T12:00:00Z" }),
            422,
            "this is not a valid fact",
        ),
    ] {
        let said = desk.post("/v1/facts", body.clone()).await.is(status);
        assert!(said["detail"].as_str().unwrap().contains(says), "{body}: {said}");
        assert!(!said["problems"].as_array().unwrap().is_empty(), "{body}: {said}");
    }
    let many: Vec<Value> = (0..101).map(|n| order("anna", &n.to_string(), "1")).collect();
    desk.post("/v1/facts", json!(many)).await.is(413);
    for (raw, status) in [("", 400), ("{", 400), (r#"{"type":"x","type":"y"}"#, 400), ("[1,", 400)] {
        desk.send(desk.ask("POST", "/v1/facts").with("content-type", "application/json").raw(raw)).await.is(status);
    }
    desk.send(desk.ask("POST", "/v1/facts").with("content-type", "text/plain").raw("{}")).await.is(415);
    let large = format!("{{\"type\": \"{}\"}}", "x".repeat(1024 * 1024));
    desk.send(desk.ask("POST", "/v1/facts").with("content-type", "application/json").raw(&large)).await.is(413);
    assert_eq!(desk.get("/v1/members/anna").await.status, 404);
}

/// The protection does not expire: there is no table of keys to forget, because the key becomes the fact's own.
#[tokio::test]
async fn under_an_idempotency_key_nothing_happens_twice_however_late_it_is_sent_again() {
    let desk = ApiHarness::open().await;
    let send = |key: &'static str, facts: Value| {
        desk.send(desk.ask("POST", "/v1/facts").json(&facts).with("Idempotency-Key", key))
    };
    let first = send("k1", json!([earned(100), earned(200)])).await.is(200);
    let statuses =
        |told: &Value| told["results"].as_array().unwrap().iter().map(|it| it["status"].clone()).collect::<Vec<_>>();
    assert_eq!(statuses(&first), ["applied", "applied"]);
    assert_ne!(first["results"][0]["key"], first["results"][1]["key"]);
    desk.at("2026-06-01T12:00:00Z");
    let again = send("k1", json!([earned(100), earned(200)])).await.is(200);
    assert_eq!(
        (statuses(&again), &again["results"][1]["key"]),
        (vec![json!("duplicate"); 2], &first["results"][1]["key"])
    );
    let other = send("k1", json!([earned(100), earned(999)])).await.is(200);
    assert_eq!(statuses(&other), ["duplicate", "refused"], "{other}");
    assert!(other["results"][1]["detail"].as_str().unwrap().contains("was used for something else"));
    assert_eq!(statuses(&send("k2", json!([earned(100)])).await.is(200)), ["applied"]);
    // A refund is stored under its order's member, whether it names one or not.
    desk.tell(&[order("anna", "1", "120.00")]).await;
    let refund = json!({ "type": "order.refunded", "member_id": "anna", "order_id": "1", "amount": "10",
                         "occurred_at": "2024-05-01T12:00:00Z" });
    for status in ["applied", "duplicate"] {
        assert_eq!(statuses(&send("k3", json!([refund])).await.is(200)), [status]);
    }
    // Without an idempotency key, and without a key of its own, it is not a fact.
    assert_eq!(statuses(&desk.post("/v1/facts", json!([earned(100)])).await.is(200)), ["invalid"]);
    for wrong in ["", " ", &"x".repeat(256)] {
        desk.send(desk.ask("POST", "/v1/facts").json(&json!([])).with("Idempotency-Key", wrong)).await.is(400);
    }
}
