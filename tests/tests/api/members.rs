//! The standings of members, and the reasons for them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use tests::api_harness::{ApiHarness, order, program};

#[tokio::test]
async fn a_standing_says_the_tier_until_when_what_is_next_and_what_keeps_it() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00")]).await;
    let anna = desk.get("/v1/members/anna").await.is(200);
    assert_eq!(
        anna,
        json!({ "shop": "acme", "member_id": "anna", "as_of": "2024-06-01T12:00:00Z", "version": 1, "active": true,
                "timezone": "America/New_York", "currency": "USD", "tier": { "id": "silver", "name": "Silver" },
                "since": "2024-03-01T12:00:00Z", "valid_until": "2026-01-01T05:00:00Z", "valid_through": "2025-12-31",
                "upcoming": null,
                "progress": { "metric": "amount_spent", "period": "calendar_year", "counted": "120.00",
                              "from": "2024-01-01T05:00:00Z", "until": "2025-01-01T05:00:00Z",
                              "next": { "tier": { "id": "gold", "name": "Gold" }, "threshold": "500.00", "remaining": "380.00" } },
                "requalify": { "tier": { "id": "silver", "name": "Silver" }, "threshold": "100.00", "counted": "120.00", "remaining": "0.00",
                               "by": "2025-01-01T05:00:00Z", "through": "2024-12-31" },
                "perks": [{ "type": "free_shipping" }, { "type": "custom", "text": "A hand-written card" }] })
    );
}

/// Right from the first moment of the year in the shop's own zone, before any job has run.
#[tokio::test]
async fn a_standing_is_right_at_any_instant_and_under_any_version() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00")]).await;
    let mut next = program();
    next["tiers"][0]["threshold"] = json!("200");
    desk.at("2024-06-02T12:00:00Z");
    desk.post("/v1/program/versions", json!({ "program": next })).await.is(201);
    for (query, tier, version) in [
        ("", Value::Null, 2),
        ("?version=1", json!("silver"), 1),
        ("?as_of=2024-06-02T11:59:59Z", json!("silver"), 1),
        ("?as_of=2024-02-01T00:00:00Z", Value::Null, 1),
        ("?as_of=2026-01-01T04:59:59.999Z&version=1", json!("silver"), 1),
        ("?as_of=2026-01-01T05:00:00Z&version=1", Value::Null, 1),
    ] {
        let anna = desk.get(&format!("/v1/members/anna{query}")).await.is(200);
        assert_eq!((&anna["tier"]["id"], &anna["version"]), (&tier, &json!(version)), "{query}");
    }
    for (query, status, says) in [
        ("?version=9", 404, "there is no version 9"),
        ("?version=0", 404, "there is no version 0"),
        ("?version=x", 400, "version"),
        ("?as_of=tomorrow", 400, "tomorrow"),
        ("?asof=2024-06-02T11:59:59Z", 400, "asof"),
    ] {
        let said = desk.get(&format!("/v1/members/anna{query}")).await.is(status);
        assert!(said["detail"].as_str().unwrap().contains(says), "{query}: {said}");
    }
}

#[tokio::test]
async fn what_is_known_already_is_not_sent_again() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00")]).await;
    let first = desk.get("/v1/members/anna").await;
    let tag = first.header("etag").unwrap().to_owned();
    desk.at("2024-06-01T13:00:00Z");
    let again = desk.send(desk.ask("GET", "/v1/members/anna").with("If-None-Match", &tag)).await;
    assert_eq!((again.status, again.header("etag")), (304, Some(tag.as_str())));
    desk.tell(&[order("anna", "2", "1.00")]).await;
    desk.send(desk.ask("GET", "/v1/members/anna").with("If-None-Match", &tag)).await.is(200);
}

#[tokio::test]
async fn an_explanation_says_every_fact_once_as_data_and_in_words() {
    let desk = ApiHarness::open().await;
    let test = json!({ "type": "order.paid", "member_id": "anna", "order_id": "2", "total": "900", "test": true,
                       "occurred_at": "2024-03-02T12:00:00Z" });
    desk.tell(&[order("anna", "1", "120.00"), test]).await;
    let why = desk.get("/v1/members/anna/explain").await.is(200);
    assert_eq!(why["standing"], desk.get("/v1/members/anna").await.is(200));
    assert_eq!(
        why["findings"]["counted"],
        json!([{ "fact": { "order": "1" }, "amount": "120", "on": "2024-03-01", "window": "current" }])
    );
    assert_eq!(why["findings"]["excluded"], json!([{ "fact": { "order": "2" }, "reason": "test_order" }]));
    assert!(why["prose"][0].as_str().unwrap().starts_with("Holds Silver since"), "{why}");
}

#[tokio::test]
async fn up_to_a_hundred_members_are_read_at_once_and_those_unknown_are_null() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00"), order("bert", "2", "600.00")]).await;
    let many = desk.post("/v1/standings", json!({ "member_ids": ["bert", "anna", "unknown"] })).await.is(200);
    let tiers: Vec<_> = many["standings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["member_id"], &one["standing"]["tier"]["id"]))
        .collect();
    assert_eq!(json!(tiers), json!([["anna", "silver"], ["bert", "gold"], ["unknown", null]]));
    let then = json!({ "member_ids": ["anna"], "as_of": "2027-01-01T00:00:00Z" });
    assert_eq!(desk.post("/v1/standings", then).await.is(200)["standings"][0]["standing"]["tier"], Value::Null);
    let too_many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    desk.post("/v1/standings", json!({ "member_ids": too_many })).await.is(400);
    desk.post("/v1/standings", json!({ "member_ids": [] })).await.is(400);
    desk.post("/v1/standings", json!({ "member_ids": ["a"], "version": 9 })).await.is(404);
}

#[tokio::test]
async fn a_history_is_paged_the_latest_first_and_each_entry_comes_once() {
    let desk = ApiHarness::open().await;
    for (n, total) in [("1", "120.00"), ("2", "400.00")] {
        desk.tell(&[order("anna", n, total)]).await;
    }
    let refund = json!({ "type": "order.refunded", "member_id": "anna", "order_id": "2", "refund_id": "r", "amount": "400.00",
                         "occurred_at": "2024-05-01T12:00:00Z" });
    desk.tell(&[refund]).await;
    let mut path = "/v1/members/anna/history?limit=1".to_owned();
    let mut changes = Vec::new();
    loop {
        let page = desk.get(&path).await.is(200);
        changes.extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["detail"]["change"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/members/anna/history?limit=1&cursor={next}");
    }
    assert_eq!(changes, [json!("downgraded"), json!("upgraded"), json!("entered")]);
    // Rows of history name their member, rows of orders only their shop.
    desk.tell(&[order("bert", "3", "120.00"), order("bert", "4", "400.00")]).await;
    let of_bert = desk.get("/v1/members/bert/history?limit=1").await.is(200)["next"].as_str().unwrap().to_owned();
    let order_of = |shop: &str| {
        let mark = json!({ "pk": format!("{shop}#order#2"), "sk": "-", "at": "2024-03-01T12:00:00.000Z" });
        URL_SAFE_NO_PAD.encode(mark.to_string())
    };
    desk.get(&format!("/v1/members/bert/history?cursor={of_bert}")).await.is(200);
    desk.get(&format!("/v1/members/anna/ledger?cursor={}", order_of("acme"))).await.is(200);
    for (list, cursor) in [("history", &of_bert), ("ledger", &of_bert), ("ledger", &order_of("other"))] {
        let said = desk.get(&format!("/v1/members/anna/{list}?cursor={cursor}")).await.is(400);
        let message = &said["problems"][0]["message"];
        assert_eq!(message, "is of another shop or member; begin again without one", "{list}: {said}");
    }
    let rewards = desk.get("/v1/members/anna/rewards").await.is(200);
    assert_eq!(
        (&rewards["entries"][0]["type"], &rewards["entries"][1]),
        (&json!("tier.reward_issued.v1"), &Value::Null)
    );
    let ledger = desk.get("/v1/members/anna/ledger").await.is(200);
    let kinds: Vec<_> = ledger["facts"].as_array().unwrap().iter().map(|fact| fact["type"].as_str().unwrap()).collect();
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    for wrong in ["limit=0", "limit=201", "limit=x", "cursor=never", "page=2"] {
        desk.get(&format!("/v1/members/anna/history?{wrong}")).await.is(400);
    }
    for path in ["history", "rewards", "ledger", "explain", "assignments", "export"] {
        let said = desk.get(&format!("/v1/members/unknown/{path}")).await.is(404);
        assert_eq!(said["type"], "urn:echelon:problem:unknown-member", "{path}");
    }
}

#[tokio::test]
async fn a_standing_costs_one_read_of_at_most_one_unit() {
    let desk = ApiHarness::open().await;
    let orders: Vec<Value> = (0..24).map(|n| order("anna", &format!("82098291194{n:03}"), "9.95")).collect();
    desk.tell(&orders).await;
    desk.get("/v1/members/anna").await.is(200);
    desk.system.used();
    desk.get("/v1/members/anna").await.is(200);
    let used = desk.system.used();
    assert!(used.reads <= 2 && used.table_writes == 0, "in halves: {used:?}");
}

#[tokio::test]
async fn a_member_sees_themselves_with_their_own_token_and_nothing_else() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00"), order("bert", "2", "600.00")]).await;
    let made = desk.post("/v1/members/anna/token", json!({ "minutes": 5 })).await.is(201);
    let token = made["token"].as_str().unwrap().to_owned();
    assert_eq!(made["expires_at"], "2024-06-01T12:05:00Z");
    let me = desk.send(desk.ask("GET", "/v1/me").by(token.clone())).await.is(200);
    assert_eq!((&me["member_id"], &me["tier"]["id"]), (&json!("anna"), &json!("silver")));
    for path in ["/v1/members/anna", "/v1/members/bert", "/v1/program", "/v1/jobs"] {
        desk.send(desk.ask("GET", path).by(token.clone())).await.is(403);
    }
    desk.get("/v1/me").await.is(403);
    for minutes in [0, 61] {
        desk.post("/v1/members/anna/token", json!({ "minutes": minutes })).await.is(400);
    }
    desk.at("2024-06-01T12:05:00Z");
    desk.send(desk.ask("GET", "/v1/me").by(token)).await.is(401);
    desk.send(desk.ask("GET", "/v1/me").by(desk.member_token("unknown"))).await.is(404);
}
