//! Members by list, and insight, as the last sweep wrote them.

use http_api::caller::Scope;
use serde_json::{Value, json};

use tests::api_harness::{ApiHarness, order};

/// Anna is near gold, bert holds it, carl loses silver on January 1 unless more happens.
async fn swept() -> ApiHarness {
    let desk = ApiHarness::open().await;
    let last_year = json!({ "type": "order.paid", "member_id": "carl", "order_id": "3", "total": "150.00",
                            "occurred_at": "2023-08-01T12:00:00Z" });
    desk.tell(&[order("anna", "1", "460.00"), order("bert", "2", "700.00"), last_year]).await;
    desk.at("2024-06-02T04:00:00Z");
    desk.system.sweep_all().await;
    desk
}

async fn ids(desk: &ApiHarness, query: &str) -> Value {
    let page = desk.get(&format!("/v1/members?{query}")).await.is(200);
    assert_eq!((&page["as_of"], &page["version"]), (&json!("2024-06-02T04:00:00Z"), &json!(1)));
    let mut ids: Vec<_> = page["entries"].as_array().unwrap().iter().map(|entry| entry["member_id"].clone()).collect();
    ids.sort_by_key(ToString::to_string);
    json!(ids)
}

#[tokio::test]
async fn members_are_listed_by_tier_near_an_upgrade_at_risk_and_expiring() {
    let desk = swept().await;
    for (query, expected) in [
        ("list=tier&tier=silver", json!(["anna", "carl"])),
        ("list=tier&tier=gold", json!(["bert"])),
        ("list=tier&tier=ruby", json!([])),
        ("list=near_upgrade", json!(["anna"])),
        ("list=at_risk", json!(["carl"])),
        ("list=expiring&before=2025-01-02T00:00:00Z", json!(["carl"])),
        ("list=expiring&before=2026-01-02T00:00:00Z", json!(["anna", "bert", "carl"])),
    ] {
        assert_eq!(ids(&desk, query).await, expected, "{query}");
    }
    let mut path = "/v1/members?list=tier&tier=silver&limit=1".to_owned();
    let mut seen = Vec::new();
    while let page = desk.get(&path).await.is(200)
        && let Some(next) = page["next"].as_str()
    {
        seen.extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["member_id"].to_string()));
        path = format!("/v1/members?list=tier&tier=silver&limit=1&cursor={next}");
    }
    assert!(seen.len() <= 2, "{seen:?}");
}

#[tokio::test]
async fn a_cursor_of_another_shop_or_of_another_list_is_refused() {
    let desk = swept().await;
    let cursor =
        desk.get("/v1/members?list=tier&tier=silver&limit=1").await.is(200)["next"].as_str().unwrap().to_owned();
    let of_other = desk.token(Some("other"), Scope::Read);
    let elsewhere = |of: &str, said: &Value| {
        assert_eq!(said["problems"][0]["path"], "cursor", "{said}");
        assert_eq!(said["problems"][0]["message"], format!("is of {of}; begin again without one"), "{said}");
    };
    let path = format!("/v1/members?list=tier&tier=silver&cursor={cursor}");
    elsewhere("another shop", &desk.send(desk.ask("GET", &path).by(of_other)).await.is(400));
    let path = format!("/v1/members?list=tier&tier=gold&cursor={cursor}");
    elsewhere("another list", &desk.get(&path).await.is(400));
}

#[tokio::test]
async fn what_is_asked_wrongly_is_named_and_before_the_first_sweep_there_is_none() {
    let desk = swept().await;
    for (query, says) in [
        ("", "list"),
        ("list=everybody", "everybody"),
        ("list=tier", "`tier`: is missing"),
        ("list=expiring", "`before`: is missing"),
        ("list=at_risk&tier=gold", "`tier`: is only for"),
        ("list=near_upgrade&before=2025-01-02T00:00:00Z", "`before`: is only for"),
        ("list=at_risk&cursor=never", "`cursor`"),
        ("list=at_risk&limit=0", "`limit`"),
    ] {
        let said = desk.get(&format!("/v1/members?{query}")).await.is(400);
        assert!(said["detail"].as_str().unwrap().contains(says), "{query}: {said}");
    }
    let desk = ApiHarness::open().await;
    for path in ["/v1/members?list=at_risk", "/v1/insight"] {
        assert_eq!(desk.get(path).await.is(404)["type"], "urn:echelon:problem:unknown-sweep", "{path}");
    }
}

#[tokio::test]
async fn insight_counts_members_revenue_moves_and_what_january_1_will_bring() {
    let desk = swept().await;
    let insight = desk.get("/v1/insight").await.is(200);
    let tier = |tier: Value, members: u32, on_new_year: u32, net: &str, orders: u32| {
        json!({ "tier": tier, "members": members, "on_new_year": on_new_year,
                "revenue": { "net": net, "orders": orders, "left_out": 0 } })
    };
    let expected = json!([
        tier(Value::Null, 0, 1, "0", 0),
        tier(json!("silver"), 2, 1, "610", 2),
        tier(json!("gold"), 1, 1, "700", 1)
    ]);
    assert_eq!(insight["tiers"], expected);
    assert_eq!((&insight["near_upgrade"], &insight["at_risk"], &insight["members"]), (&json!(1), &json!(1), &json!(3)));
    assert_eq!(insight["forecast"], json!([{ "from": "silver", "to": null, "members": 1 }]));
    let before = desk.get("/v1/insight/flows?from=2024-06-01T04:00:00Z&to=2024-06-02T04:00:00Z").await.is(200);
    assert_eq!((&before["jobs"], &before["until"]), (&json!(1), &json!("2024-06-02T04:00:00Z")));
    desk.tell(&[order("dora", "4", "120.00")]).await;
    desk.at("2024-06-03T04:00:00Z");
    desk.system.sweep_all().await;
    let flows = desk.get("/v1/insight/flows?from=2024-06-02T04:00:00Z&to=2024-06-03T04:00:00Z").await.is(200);
    // Dora's order was paid in March: as seen now she held silver on both midnights.
    assert_eq!((&flows["jobs"], &flows["moves"]), (&json!(1), &json!([])));
    for (query, says) in
        [("from=2024-06-02T04:00:00Z", "to"), ("from=2024-06-02T04:00:00Z&to=2024-06-02T04:00:00Z", "after")]
    {
        let said = desk.get(&format!("/v1/insight/flows?{query}")).await.is(400);
        assert!(said["detail"].as_str().unwrap().contains(says), "{said}");
    }
}
