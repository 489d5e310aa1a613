//! Requests about personal data: those of members to a shop, and those of Shopify for them.

use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};

use tests::api_harness::{Answer, ApiHarness, SECRET, order};

#[tokio::test]
async fn a_member_is_forgotten_at_once_and_a_later_pass_finds_nothing() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00"), order("bert", "2", "120.00")]).await;
    desk.get("/v1/members/anna/erasure").await.is(404);
    assert_eq!(desk.send(desk.ask("DELETE", "/v1/members/anna")).await.is(202)["verified"], false);
    desk.get("/v1/members/anna").await.is(404);
    let later = desk.post("/v1/facts", order("anna", "3", "5")).await.is(200);
    assert_eq!(later["results"][0]["status"], "member_erased");
    assert_eq!(desk.get("/v1/members/anna/erasure").await.is(200)["verified"], false);
    desk.system.sweep_all().await;
    assert_eq!(desk.get("/v1/members/anna/erasure").await.is(200)["verified"], false, "too soon");
    desk.at("2024-06-01T12:15:00Z");
    desk.system.sweep_all().await;
    assert_eq!(desk.get("/v1/members/anna/erasure").await.is(200)["verified"], true);
    // Nothing is left of the member but the tombstone, and everything of others.
    let mut left = Vec::new();
    for table in ["members", "ledger", "control"] {
        left.extend(desk.system.items(table).await.into_iter().filter(|item| item.contains("anna")));
    }
    assert!(left.len() == 1 && left[0].contains("erased_at"), "{left:#?}");
    assert_eq!(desk.tier("bert").await, json!("silver"));
    desk.send(desk.ask("DELETE", "/v1/members/anna")).await.is(202);
}

#[tokio::test]
async fn a_member_gets_all_there_is_about_them_and_nothing_about_others() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00"), order("bert", "2", "120.00")]).await;
    let refund = json!({ "type": "order.refunded", "member_id": "anna", "order_id": "1", "refund_id": "r", "amount": "1.00",
                         "occurred_at": "2024-05-01T12:00:00Z" });
    desk.tell(&[refund]).await;
    let all = desk.get("/v1/members/anna/export").await.is(200);
    assert_eq!((all["facts"].as_array().unwrap().len(), &all["standing"]["tier"]["id"]), (2, &json!("silver")));
    assert_eq!(all["recorded"][0]["type"], "tier.changed.v1");
    assert!(!all.to_string().contains("bert"));
}

/// Refunds of another member's orders that name anna, before the order and after it; and a cancellation of another member's
/// points.
#[tokio::test]
async fn a_name_in_what_is_another_members_is_not_kept() {
    let refund = |order: &str, id: &str| {
        json!({ "type": "order.refunded", "member_id": "anna", "order_id": order, "refund_id": id, "amount": "1.00",
                "occurred_at": "2024-05-01T12:00:00Z" })
    };
    let earned = json!({ "type": "points.earned", "member_id": "bert", "entry_id": "e", "points": 10,
                         "occurred_at": "2024-04-01T12:00:00Z" });
    let canceled = json!({ "type": "points.canceled", "member_id": "anna", "entry_id": "e", "cancel_id": "c", "points": 3,
                           "occurred_at": "2024-05-01T12:00:00Z" });
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "120.00"), order("bert", "2", "120.00"), refund("2", "r2"), refund("3", "r3")])
        .await;
    desk.tell(&[order("bert", "3", "120.00"), refund("2", "r4"), earned, canceled]).await;
    let counted = async || desk.get("/v1/members/bert").await.is(200)["progress"]["counted"].clone();
    assert_eq!(counted().await, "237.00", "what follows an order is its member's, whatever member it names");
    let again = desk.post("/v1/facts", refund("2", "r2")).await.is(200);
    assert_eq!(again["results"][0]["status"], "duplicate", "{again}");
    desk.send(desk.ask("DELETE", "/v1/members/anna")).await.is(202);
    let ledger = desk.system.items("ledger").await;
    let left: Vec<_> = ledger.iter().filter(|item| item.contains("anna")).collect();
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(counted().await, "237.00");
}

/// A webhook as Shopify sends it: the headers fit the body.
async fn webhook(desk: &ApiHarness, topic: &str, body: &Value, secret: &str) -> Answer {
    let domain = body["shop_domain"].as_str().unwrap_or_default();
    webhook_of(desk, topic, domain, body, secret).await
}

async fn webhook_of(desk: &ApiHarness, topic: &str, domain: &str, body: &Value, secret: &str) -> Answer {
    let body = body.to_string();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
    let ask = desk.ask("POST", "/webhooks/shopify").by(None).with("content-type", "application/json").raw(&body);
    let ask = ask.with("X-Shopify-Topic", topic).with("X-Shopify-Hmac-Sha256", &signature);
    desk.send(ask.with("X-Shopify-Shop-Domain", domain)).await
}

#[tokio::test]
async fn shopifys_compliance_webhooks_are_done_if_they_are_signed() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("115310627314723954", "1", "120.00"), order("bert", "2", "120.00")]).await;
    let of =
        |shop: &str| json!({ "shop_id": 1, "shop_domain": shop, "customer": { "id": 115_310_627_314_723_954_u64 } });
    for topic in ["customers/data_request", "customers/redact", "shop/redact"] {
        assert_eq!(
            webhook(&desk, topic, &of("acme"), "loud").await.is(401)["type"],
            "urn:echelon:problem:invalid-signature"
        );
    }
    assert_eq!(desk.tier("115310627314723954").await, json!("silver"));
    webhook(&desk, "customers/data_request", &of("acme"), SECRET).await.is(200);
    let asked = desk.get("/v1/privacy/requests").await.is(200);
    assert_eq!(asked["requests"], json!([{ "member_id": "115310627314723954", "asked_at": "2024-06-01T12:00:00Z" }]));
    desk.send(desk.ask("DELETE", "/v1/privacy/requests/115310627314723954")).await.is(204);
    assert_eq!(desk.get("/v1/privacy/requests").await.is(200)["requests"], json!([]));
    webhook(&desk, "customers/redact", &of("acme"), SECRET).await.is(200);
    desk.get("/v1/members/115310627314723954").await.is(404);
    // Another shop has no such member.
    webhook(&desk, "customers/redact", &of("other"), SECRET).await.is(200);
    for (topic, body) in [
        ("orders/paid", of("acme")),
        ("customers/redact", json!({ "shop_domain": "acme" })),
        ("shop/redact", json!({})),
    ] {
        webhook(&desk, topic, &body, SECRET).await.is(400);
    }
}

/// An import without the customers' numbers has the address as the id.
#[tokio::test]
async fn a_customer_is_erased_under_the_address_that_shopify_names_too() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("42", "1", "120.00"), order("ben@x.com", "2", "120.00"), order("ben@y.com", "3", "120.00")])
        .await;
    let body = json!({ "shop_id": 1, "shop_domain": "acme", "customer": { "id": 42, "email": " Ben@X.com" } });
    webhook(&desk, "customers/redact", &body, SECRET).await.is(200);
    for erased in ["42", "ben@x.com"] {
        desk.get(&format!("/v1/members/{erased}")).await.is(404);
    }
    assert_eq!(desk.tier("ben@y.com").await, json!("silver"));
    // An address that names no member leaves nothing of itself behind.
    let body = json!({ "shop_id": 1, "shop_domain": "acme", "customer": { "id": 43, "email": "carl@x.com" } });
    webhook(&desk, "customers/redact", &body, SECRET).await.is(200);
    for table in ["members", "ledger", "control"] {
        assert!(!desk.system.items(table).await.iter().any(|item| item.contains("carl@x.com")), "{table}");
    }
}

#[tokio::test]
async fn a_whole_shop_is_forgotten_guests_included_and_no_other() {
    let desk = ApiHarness::open().await;
    let guest = json!({ "type": "order.paid", "order_id": "g", "total": "5", "occurred_at": "2024-03-01T12:00:00Z" });
    desk.tell(&[order("anna", "1", "600.00"), guest]).await;
    let other = desk.ask("POST", "/v1/program/versions").json(&json!({ "program": tests::api_harness::program() }));
    let token = desk.token(Some("acme2"), http_api::caller::Scope::Admin);
    desk.send(other.by(token.clone())).await.is(201);
    let bert = desk.ask("POST", "/v1/facts").json(&order("bert", "1", "600.00")).by(token.clone());
    desk.send(bert).await.is(200);
    webhook(&desk, "shop/redact", &json!({ "shop_domain": "acme" }), SECRET).await.is(200);
    let asked = json!({ "asked_at": "2024-06-01T12:00:00Z", "due_at": "2024-06-03T12:00:00Z" });
    assert_eq!(desk.get("/v1/privacy/redaction").await.is(200), asked);
    desk.system.sweep_all().await;
    assert_eq!(desk.tier("anna").await, json!("gold"), "it can be withdrawn for two days");
    desk.at("2024-06-03T12:00:00Z");
    let token = desk.token(Some("acme2"), http_api::caller::Scope::Admin);
    let now = desk.system.now();
    while desk.system.store.redact_shops(now, std::time::Duration::MAX).await.unwrap() > 0 {}
    for table in ["members", "ledger", "control"] {
        let items = desk.system.items(table).await;
        let left: Vec<_> = items.iter().filter(|item| item.contains("\"acme#") || item.contains("\"acme\"")).collect();
        assert!(left.is_empty(), "{table}: {left:#?}");
        assert!(items.iter().any(|item| item.contains("\"acme2#")), "{table}");
    }
    let bert = desk.send(desk.ask("GET", "/v1/members/bert").by(token)).await.is(200);
    assert_eq!(bert["tier"]["id"], "gold");
}

#[tokio::test]
async fn a_signed_body_is_good_for_its_own_topic_and_shop_alone() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("7", "1", "600.00")]).await;
    let customer = json!({ "id": 7, "email": "x@example.com" });
    let bodies = [
        (
            "customers/data_request",
            json!({ "shop_id": 1, "shop_domain": "acme", "customer": customer, "orders_requested": [1],
                                           "data_request": { "id": 9 } }),
        ),
        (
            "customers/redact",
            json!({ "shop_id": 1, "shop_domain": "acme", "customer": customer, "orders_to_redact": [1] }),
        ),
        ("shop/redact", json!({ "shop_id": 1, "shop_domain": "acme" })),
    ];
    for (own, body) in &bodies {
        for (topic, _) in bodies.iter().filter(|(topic, _)| topic != own) {
            let answer = webhook(&desk, topic, body, SECRET).await.is(400);
            assert_eq!(answer["problems"][0]["path"], "X-Shopify-Topic", "{own} as {topic}");
        }
        let answer = webhook_of(&desk, own, "acme2", body, SECRET).await.is(400);
        assert_eq!(answer["problems"][0]["path"], "X-Shopify-Shop-Domain", "{own}");
    }
    desk.get("/v1/privacy/redaction").await.is(404);
    assert_eq!(desk.tier("7").await, json!("gold"));
}

#[tokio::test]
async fn the_deletion_of_a_shop_is_withdrawn_until_it_is_due() {
    let desk = ApiHarness::open().await;
    desk.tell(&[order("anna", "1", "600.00")]).await;
    let gone = json!({ "shop_id": 1, "shop_domain": "acme" });
    let withdraw = || desk.ask("DELETE", "/v1/privacy/redaction");
    desk.send(withdraw()).await.is(404);
    webhook(&desk, "shop/redact", &gone, SECRET).await.is(200);
    let write = desk.token(Some("acme"), http_api::caller::Scope::Write);
    desk.send(withdraw().by(write)).await.is(403);
    desk.send(withdraw()).await.is(204);
    desk.at("2024-06-10T12:00:00Z");
    desk.system.sweep_all().await;
    assert_eq!(desk.tier("anna").await, json!("gold"));
    webhook(&desk, "shop/redact", &gone, SECRET).await.is(200);
    desk.at("2024-06-12T12:00:00Z");
    // Due, but not begun.
    desk.send(withdraw()).await.is(204);
    webhook(&desk, "shop/redact", &gone, SECRET).await.is(200);
    desk.at("2024-06-14T12:00:00Z");
    desk.system.store.redact_shops(desk.system.now(), std::time::Duration::ZERO).await.unwrap();
    let answer = desk.send(withdraw()).await.is(409);
    assert_eq!(answer["type"], "urn:echelon:problem:deletion-in-progress");
    // Publishing is refused meanwhile, because the version would be deleted as well.
    let publish = desk.ask("POST", "/v1/program/versions").json(&json!({ "program": tests::api_harness::program() }));
    assert_eq!(desk.send(publish).await.is(409)["type"], "urn:echelon:problem:shop-being-deleted");
}

#[tokio::test]
async fn a_shop_is_deleted_in_slices_and_no_other_waits_for_it() {
    let desk = ApiHarness::open().await;
    let many: Vec<Value> = (0..90).map(|it| order(&format!("m{it}"), &format!("{it}"), "10.00")).collect();
    desk.tell(&many).await;
    let store = &desk.system.store;
    store.note_redaction(&desk.system.shop, desk.system.now()).await.unwrap();
    let due = desk.system.now().plus_millis(store::REDACTED_AFTER_MS);
    let quarantined = json!({ "type": "order.paid", "member_id": "anna", "order_id": "late", "total": "1",
                        "occurred_at": "2024-05-01T10:00:00Z" });
    let mut slices = 0;
    while store.redaction(&desk.system.shop).await.unwrap().is_some() {
        // No time at all: each call takes one step.
        store.redact_shops(due, std::time::Duration::ZERO).await.unwrap();
        // Facts told meanwhile are quarantined, and do not keep the deletion going.
        desk.system.tell(std::slice::from_ref(&quarantined)).await;
        slices += 1;
        assert!(slices < 100, "it does not come to an end");
    }
    assert!(slices > 3, "{slices}");
    for table in ["members", "ledger"] {
        assert!(desk.system.items(table).await.is_empty(), "{table}");
    }
}

/// Personal data that a shop system sends beside what counts: names, addresses, texts.
#[tokio::test]
async fn nothing_personal_is_stored_beyond_ids_money_dates_tags_and_the_birthday() {
    let mut desk = ApiHarness::open().await;
    desk.system.shop = store::shop::ShopId::new("acme.myshopify.com").unwrap();
    desk.system.publish(&tests::api_harness::program(), &json!({})).await;
    let money = |amount: &str| json!({ "shop_money": { "amount": amount, "currency_code": "USD" } });
    let address = json!({ "first_name": "Ada", "last_name": "Lovelace", "address1": "12 St James's Square", "phone": "+44 20 7946 0991",
                          "city": "London", "zip": "SW1Y 4JH" });
    let payload = json!({
        "id": 450_789_469, "admin_graphql_api_id": "gid://shopify/Order/450789469", "financial_status": "paid", "currency": "USD",
        "created_at": "2024-05-01T10:00:00Z", "processed_at": "2024-05-01T10:00:00Z", "updated_at": "2024-05-01T10:00:01Z",
        "cancelled_at": null, "total_price": "600.00", "current_total_price": "600.00", "total_tax": "0.00", "total_discounts": "0.00",
        "total_price_set": money("600.00"), "total_tax_set": money("0.00"), "total_discounts_set": money("0.00"),
        "total_shipping_price_set": money("0.00"), "shipping_lines": [], "refunds": [], "test": false, "email": "ada@example.com",
        "phone": "+44 20 7946 0991", "note": "for Charles", "browser_ip": "203.0.113.7", "billing_address": address,
        "shipping_address": address, "customer": { "id": 115_310_627_314_723_954_u64, "email": "ada@example.com", "first_name": "Ada",
            "admin_graphql_api_id": "gid://shopify/Customer/115310627314723954", "default_address": address, "note": "likes engines" },
        "line_items": [{ "name": "An engine", "sku": "ENGINE-1" }] });
    let envelope = json!({ "version": "0", "source": "aws.partner/shopify.com/1/acme", "detail-type": "shopifyWebhook",
        "time": "2024-05-01T10:00:02Z", "detail": { "payload": payload, "metadata": { "X-Shopify-Topic": "orders/paid",
            "X-Shopify-Shop-Domain": "acme.myshopify.com", "X-Shopify-Triggered-At": "2024-05-01T10:00:02Z" } } });
    let report = desk.system.deliver(&[envelope.to_string()]).await;
    assert_eq!((report.counts.applied, report.counts.transitions), (1, 1), "{report:?}");
    desk.at("2024-06-02T05:00:00Z");
    desk.system.sweep_all().await;
    let mut all = String::new();
    for table in ["members", "ledger", "control"] {
        all.extend(desk.system.items(table).await);
    }
    assert!(all.contains("115310627314723954") && all.contains("450789469"));
    for personal in
        ["Ada", "Lovelace", "@", "7946", "James", "London", "SW1Y", "Charles", "203.0.113", "engine", "ENGINE"]
    {
        assert!(!all.contains(personal), "{personal} is stored");
    }
}
