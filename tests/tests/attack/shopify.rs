//! Webhooks that were captured and are sent again with other headers.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use tests::served::Served;

use super::case::{Shared, case, cases};
use super::{served, until};

pub fn cases() -> Vec<Trial> {
    let alone = cases![
        "webhooks",
        a_deletion_that_is_one_deletes_its_order,
        a_shop_that_is_to_be_deleted_is_there_for_two_days_and_the_deletion_can_be_withdrawn,
        only_the_shops_that_were_named_are_believed,
        a_new_customer_comes_under_two_topics_and_tells_both_in_any_order,
        the_same_body_at_once_for_two_shops_is_taken_for_one,
        a_stranger_fills_no_quarantine,
    ];
    alone.into_iter().chain(captured()).collect()
}

const SECRET: &str = "hush, hush, hush";
const ACME: &str = "acme.myshopify.com";

/// Shopify's signature of a body.
pub fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn webhook(served: &Served, path: &str, topic: &str, shop: &str, body: &str) -> (u16, Value) {
    let signature = signature(SECRET, body);
    let headers = [
        ("X-Shopify-Topic", topic),
        ("X-Shopify-Shop-Domain", shop),
        ("X-Shopify-Hmac-Sha256", signature.as_str()),
        ("Content-Type", "application/json"),
    ];
    served.send("POST", path, &headers, body)
}

pub fn order(id: u64, total: &str) -> String {
    let money = |amount: &str| json!({ "shop_money": { "amount": amount, "currency_code": "USD" } });
    json!({ "id": id, "admin_graphql_api_id": format!("gid://shopify/Order/{id}"), "financial_status": "paid",
            "currency": "USD", "created_at": "2025-05-02T10:00:00Z", "processed_at": "2025-05-02T10:00:00Z",
            "updated_at": "2025-05-02T10:00:01Z", "cancelled_at": null, "total_price": total, "current_total_price": total,
            "total_tax": "0.00", "total_discounts": "0.00", "total_price_set": money(total), "total_tax_set": money("0.00"),
            "total_discounts_set": money("0.00"), "total_shipping_price_set": money("0.00"), "shipping_lines": [],
            "refunds": [], "test": false, "customer": { "id": 7, "admin_graphql_api_id": "gid://shopify/Customer/7" } })
    .to_string()
}

/// A system with the shop `acme` and Shopify's `acme.myshopify.com` and `other.myshopify.com`.
fn shops(folder: &std::path::Path, more: &[&str]) -> Served {
    let served = served(folder, &[&["--shopify-secret", SECRET], more].concat());
    let program: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("program.json")).unwrap()).unwrap();
    for shop in [ACME, "other.myshopify.com"] {
        let made = served.ask("POST", &format!("/v1/program/versions?shop={shop}"), &json!({ "program": program }));
        assert_eq!(made["version"], 1, "{made}");
    }
    served
}

fn tier(served: &Served, shop: &str) -> Value {
    served.ask("GET", &format!("/v1/members/7?shop={shop}"), &Value::Null)["tier"]["id"].clone()
}

fn with_an_order(folder: &Path) -> Served {
    let served = shops(folder, &[]);
    let taken = webhook(&served, "/events", "orders/paid", ACME, &order(1, "600.00"));
    assert_eq!(taken, (202, json!({ "accepted": 1 })));
    until("the order is taken in", || tier(&served, ACME) == "gold");
    served
}

/// Misuses of a body that Shopify signed once, each with the status of the answer; everything stays as it was.
fn captured() -> Vec<Trial> {
    let (order, other) = (order(1, "600.00"), "other.myshopify.com");
    let request = json!({ "shop_id": 1, "shop_domain": ACME, "customer": { "id": 7 }, "orders_requested": [1],
                          "data_request": { "id": 9 } })
    .to_string();
    let redact =
        json!({ "shop_id": 1, "shop_domain": ACME, "customer": { "id": 7 }, "orders_to_redact": [1] }).to_string();
    let again: [(&str, &str, &str, u16); 14] = [
        ("no_erasure", "customers/redact", ACME, 400),
        ("no_request_for_data", "customers/data_request", ACME, 400),
        ("no_deletion_of_the_shop", "shop/redact", ACME, 400),
        ("no_deletion_of_the_order", "orders/delete", ACME, 400),
        ("no_new_customer", "customers/create", ACME, 400),
        ("no_other_customer", "customers/update", ACME, 400),
        ("no_tags_taken_away", "customer.tags_removed", ACME, 400),
        ("no_refund", "refunds/create", ACME, 400),
        ("nothing_under_an_unheard_topic", "unheard/of", ACME, 202),
        ("no_order_of_another_shop", "orders/paid", other, 409),
        ("no_order_of_a_stranger", "orders/paid", "stranger.myshopify.com", 403),
        ("no_second_order", "orders/paid", ACME, 202),
        ("no_second_order_when_it_is_updated", "orders/updated", ACME, 202),
        ("no_second_order_when_it_is_made", "orders/create", ACME, 202),
    ];
    let compliance: [(&str, &str, &str, &String); 6] = [
        ("a_request_for_data_is_no_deletion_of_the_shop", "shop/redact", ACME, &request),
        ("a_request_for_data_is_no_erasure", "customers/redact", ACME, &request),
        ("an_erasure_is_no_deletion_of_the_shop", "shop/redact", ACME, &redact),
        ("an_erasure_is_no_request_for_data", "customers/data_request", ACME, &redact),
        ("an_erasure_is_none_of_another_shop", "customers/redact", other, &redact),
        ("an_erasure_is_no_order", "orders/paid", ACME, &redact),
    ];
    let mut all: Vec<(String, &str, &str, &str, String, u16)> = Vec::new();
    for (name, topic, shop, status) in again {
        all.push((format!("an_order_is_{name}"), "/events", topic, shop, order.clone(), status));
    }
    for (name, topic, shop, body) in compliance {
        all.push((name.to_owned(), "/webhooks/shopify", topic, shop, body.clone(), 400));
        all.push((format!("{name}_among_events"), "/events", topic, shop, body.clone(), 400));
    }
    let shared = Shared::new(with_an_order);
    let tried = all.into_iter().map(|(name, path, topic, shop, body, status)| {
        let shared = shared.clone();
        case("captured", &name, move || {
            let (found, answer) = webhook(&shared, path, topic, shop, &body);
            assert_eq!(found, status, "{answer}");
            assert!(found != 202 || answer == json!({ "accepted": 0 }), "{answer}");
            assert_eq!((tier(&shared, ACME), tier(&shared, other)), (json!("gold"), Value::Null));
        })
    });
    tried.collect()
}

fn a_deletion_that_is_one_deletes_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let served = with_an_order(folder.path());
    assert_eq!(webhook(&served, "/events", "orders/delete", ACME, r#"{"id":1}"#).0, 202);
    until("the order is gone", || tier(&served, ACME) == Value::Null);
}

fn a_shop_that_is_to_be_deleted_is_there_for_two_days_and_the_deletion_can_be_withdrawn() {
    let folder = tempfile::tempdir().unwrap();
    let served = shops(folder.path(), &[]);
    webhook(&served, "/events", "orders/paid", ACME, &order(1, "600.00"));
    until("the order is taken in", || tier(&served, ACME) == "gold");
    let gone = json!({ "shop_id": 1, "shop_domain": ACME }).to_string();
    let redaction = format!("/v1/privacy/redaction?shop={ACME}");
    assert_eq!(webhook(&served, "/webhooks/shopify", "shop/redact", ACME, &gone).0, 200);
    until("it is said", || served.said().contains("asks that a shop be deleted"));
    served.ask("POST", "/clock", &json!({ "now": "+47h" }));
    assert_eq!(tier(&served, ACME), "gold");
    let due = served.ask("GET", &redaction, &Value::Null)["due_at"].clone();
    assert!(due.as_str().is_some_and(|due| due.starts_with("2025-06-03T")), "{due}");
    let admin = super::bearer(&super::token("admin", None));
    assert_eq!(served.send("DELETE", &redaction, &[("Authorization", &admin)], "").0, 204);
    served.ask("POST", "/clock", &json!({ "now": "+10d" }));
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(tier(&served, ACME), json!("gold"));
    // Asked for again and not withdrawn, it is done; the other shops stay as they were.
    assert_eq!(webhook(&served, "/webhooks/shopify", "shop/redact", ACME, &gone).0, 200);
    served.ask("POST", "/clock", &json!({ "now": "+48h" }));
    let versions =
        |shop: &str| served.ask("GET", &format!("/v1/program/versions?shop={shop}"), &Value::Null)["programs"].clone();
    until("the shop is gone", || versions(ACME) == json!([]));
    assert_eq!(versions("other.myshopify.com").as_array().map(Vec::len), Some(1));
}

fn only_the_shops_that_were_named_are_believed() {
    let folder = tempfile::tempdir().unwrap();
    let served = shops(folder.path(), &["--shopify-shop", "Other.myshopify.com"]);
    assert_eq!(webhook(&served, "/events", "orders/paid", ACME, &order(1, "600.00")).0, 403);
    assert_eq!(webhook(&served, "/events", "orders/paid", "other.myshopify.com", &order(1, "600.00")).0, 202);
}

fn a_new_customer_comes_under_two_topics_and_tells_both_in_any_order() {
    for topics in [["customers/create", "customers/update"], ["customers/update", "customers/create"]] {
        let folder = tempfile::tempdir().unwrap();
        let served = shops(folder.path(), &[]);
        let customer = json!({ "id": 7, "admin_graphql_api_id": "gid://shopify/Customer/7", "tags": "vip",
                               "created_at": "2025-05-02T10:00:00Z", "updated_at": "2025-05-02T10:00:00Z" })
        .to_string();
        // This topic has no consequence, and is in the way of nothing.
        assert_eq!(webhook(&served, "/events", "customers/enable", ACME, &customer), (202, json!({ "accepted": 0 })));
        for accepted in [1, 0] {
            for topic in topics {
                assert_eq!(webhook(&served, "/events", topic, ACME, &customer), (202, json!({ "accepted": accepted })));
            }
        }
        until("both are taken in", || {
            let ledger = served.ask("GET", &format!("/v1/members/7/ledger?shop={ACME}"), &Value::Null);
            let kinds: Vec<&Value> =
                ledger["facts"].as_array().into_iter().flatten().map(|fact| &fact["type"]).collect();
            kinds.contains(&&json!("customer.enrolled")) && kinds.contains(&&json!("customer.tags_set"))
        });
    }
}

fn the_same_body_at_once_for_two_shops_is_taken_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let served = shops(folder.path(), &[]);
    for number in 1..=10 {
        let body = order(number, "1.00");
        let found: Vec<u16> = std::thread::scope(|scope| {
            let send = |shop: &'static str| {
                let (served, body) = (&served, &body);
                scope.spawn(move || webhook(served, "/events", "orders/paid", shop, body).0)
            };
            [send(ACME), send("other.myshopify.com")].map(|sent| sent.join().unwrap()).into()
        });
        assert!(found.contains(&202) && found.contains(&409), "{found:?}");
    }
}

fn a_stranger_fills_no_quarantine() {
    let folder = tempfile::tempdir().unwrap();
    let served = shops(folder.path(), &[]);
    let body = json!({ "id": 1, "something": "x".repeat(10_000) }).to_string();
    for number in 0..20 {
        assert_eq!(webhook(&served, "/events", "unheard/of", &format!("shop{number}.myshopify.com"), &body).0, 403);
        webhook(&served, "/events", &format!("unheard/of{number}"), ACME, &body);
    }
    until("all is taken in", || served.ask("GET", "/health", &Value::Null)["waiting"] == 0);
    let rows = served.ask("GET", "/v1/quarantine", &Value::Null)["rows"].as_array().unwrap().len();
    assert_eq!(rows, 0);
}
