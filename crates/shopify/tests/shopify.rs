//! The meaning of Shopify's payloads, tested on every real one available and on bodies written for each rule.
//!
//! The real payloads lie in `../shared/fixtures/shopify` beside the checkout and are not part of the project. Without
//! them, the table of outcomes is skipped and everything else still runs. Where `ECHELON_SHARED` is set, as `.ci/run`
//! does where they exist, they are required.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests are tests too"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rules::fact::{Fact, FactBody, ReceivedFact};
use rules::quantity::Amount;
use serde_json::{Value, json};
use shopify::{DocumentError, Ignored, Outcome, Topic, read};

mod charged;
mod customers;
mod hostile;
mod queried;

/// A paid order of 100.00 USD with 8.00 tax and 5.00 shipping, with a test's changes.
fn order(changes: Value) -> Vec<u8> {
    let usd = |amount: &str| {
        json!({ "shop_money": { "amount": amount, "currency_code": "USD" },
                                     "presentment_money": { "amount": "999.99", "currency_code": "CAD" } })
    };
    let mut body = json!({
        "id": 5001, "admin_graphql_api_id": "gid://shopify/Order/5001", "test": false, "cancelled_at": null,
        "financial_status": "paid", "currency": "USD", "presentment_currency": "CAD", "taxes_included": false,
        "created_at": "2026-01-01T00:00:03-05:00", "processed_at": "2025-12-31T23:59:59-05:00",
        "updated_at": "2026-01-02T10:00:00-05:00",
        "total_price": "100.00", "total_price_set": usd("100.00"),
        "current_total_price": "100.00", "current_total_price_set": usd("100.00"),
        "total_tax": "8.00", "current_total_tax": "8.00", "total_discounts": "3.00",
        "shipping_lines": [{ "price": "5.00", "discounted_price": "5.00" }],
        "customer": { "id": 701, "admin_graphql_api_id": "gid://shopify/Customer/701" }, "refunds": []
    });
    merge(&mut body, changes);
    body.to_string().into_bytes()
}

/// Merges changes into a body; null removes a field.
fn merge(body: &mut Value, changes: Value) {
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => body.as_object_mut().unwrap().remove(key),
            _ => body.as_object_mut().unwrap().insert(key.clone(), value.clone()),
        };
    }
}

fn refund(id: u64, subtotal: &str, tax: &str) -> Value {
    json!({ "id": id, "admin_graphql_api_id": format!("gid://shopify/Refund/{id}"), "order_id": 5001,
            "created_at": "2026-01-02T10:00:00-05:00", "processed_at": "2026-01-02T10:00:00-05:00",
            "refund_line_items": [{ "subtotal_set": { "shop_money": { "amount": subtotal, "currency_code": "USD" } },
                                    "total_tax_set": { "shop_money": { "amount": tax, "currency_code": "USD" } } }],
            "order_adjustments": [], "transactions": [{ "kind": "refund", "status": "success" }] })
}

/// The facts of a document, without the statement of a later payment, which has tests of its own.
fn facts(document: &[u8], hint: &str) -> Vec<Fact> {
    all_facts(document, Some(hint)).into_iter().filter(|fact| !states_a_later_payment(fact)).collect()
}

fn all_facts(document: &[u8], hint: Option<&str>) -> Vec<Fact> {
    match read(document, hint) {
        Outcome::Facts { facts, .. } => facts.into_iter().map(|told| told.fact).collect(),
        other => panic!("{other:?}"),
    }
}

fn states_a_later_payment(fact: &Fact) -> bool {
    let paid = match &fact.body {
        FactBody::OrderPaid(_, paid) => paid,
        _ => return false,
    };
    paid.charge.total == Amount::ZERO && paid.paid_at.is_some_and(|at| at.millis() == -fact.revision.millis())
}

fn ignored(document: &[u8], hint: &str) -> &'static str {
    match read(document, Some(hint)) {
        Outcome::Ignored(ignored) => ignored.code(),
        other => panic!("{other:?}"),
    }
}

fn rejected(document: &[u8], hint: &str) -> DocumentError {
    match read(document, Some(hint)) {
        Outcome::Rejected(rejected) => rejected,
        other => panic!("{other:?}"),
    }
}

/// The worth of facts together as spend, in ten-thousandths: totals minus refunds; tests and cancelled orders are worth 0.
fn worth(facts: &[Fact]) -> i64 {
    let mut orders: BTreeMap<&str, i64> = BTreeMap::new();
    let cancelled = |order: &str| {
        facts.iter().any(|fact| matches!(&fact.body, FactBody::OrderCancelled(of) if of.as_str() == order))
    };
    for fact in facts {
        if let FactBody::OrderPaid(order, paid) = &fact.body {
            let counts = !paid.charge.test && !cancelled(order.as_str());
            let total = i64::try_from(paid.charge.total.ten_thousandths()).unwrap();
            orders.insert(order.as_str(), if counts { total } else { 0 });
        }
    }
    for fact in facts {
        if let FactBody::OrderRefunded(order, _, refunded) = &fact.body
            && let Some(left) = orders.get_mut(order.as_str())
        {
            *left = (*left - i64::try_from(refunded.amount.ten_thousandths()).unwrap()).max(0);
        }
    }
    orders.values().sum()
}

/// One fact in a short readable form.
fn short(told: &ReceivedFact) -> String {
    let line = told.to_json();
    let mut short = line["type"].as_str().unwrap().to_owned();
    for (key, value) in line.as_object().unwrap().iter().filter(|(key, _)| *key != "type") {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        write!(short, " {}={text}", key.trim_end_matches("_id")).unwrap();
    }
    short
}

fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Facts { shop, facts } => {
            let shop = shop.as_ref().map(|shop| format!("[{shop}] ")).unwrap_or_default();
            shop + &facts.iter().map(short).collect::<Vec<_>>().join(" | ")
        }
        Outcome::Ignored(ignored) => format!("ignored({})", ignored.code()),
        Outcome::Rejected(DocumentError::Missing { path }) => format!("rejected(missing_field {path})"),
        Outcome::Rejected(DocumentError::Unreadable { path, .. }) => format!("rejected(unreadable_field {path})"),
        Outcome::Rejected(rejected) => format!("rejected({})", rejected.code()),
    }
}

fn fixtures() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/shopify");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("ECHELON_SHARED").is_none(), "{} is missing", folder.display());
    println!("skipped: {} is not there", folder.display());
    None
}

#[test]
fn every_real_payload_has_the_outcome_in_the_table() {
    let Some(folder) = fixtures() else { return };
    let mut table = String::from(
        "# Every real payload at hand and what becomes of it; the last column of an order is what it counts.\n",
    );
    let mut files: Vec<_> =
        walk(&folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    files.retain(|path| path.file_name().is_some_and(|name| name != "index.json"));
    files.sort();
    assert!(files.len() >= 50, "only {} payloads", files.len());
    for file in &files {
        let outcome = read(&std::fs::read(file).unwrap(), Topic::filed_under(file));
        let name = file.strip_prefix(&folder).unwrap().display().to_string().replace('\\', "/");
        write!(table, "{name}\n    {}", shown(&outcome)).unwrap();
        if let Outcome::Facts { facts, .. } = &outcome
            && facts.iter().any(|told| matches!(told.fact.body, FactBody::OrderPaid(..)))
        {
            let facts: Vec<_> = facts.iter().map(|told| told.fact.clone()).collect();
            write!(table, " => {}", decimal(worth(&facts))).unwrap();
        }
        table.push('\n');
    }
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shopify_outcomes.txt");
    if std::env::var_os("ECHELON_UPDATE_OUTCOMES").is_some() {
        std::fs::write(&kept, &table).unwrap();
    }
    let expected = std::fs::read_to_string(&kept).unwrap();
    for (line, (found, wanted)) in table.lines().zip(expected.lines()).enumerate() {
        assert_eq!(
            found,
            wanted,
            "line {}; ECHELON_UPDATE_OUTCOMES=1 rewrites the table, to be read before it is kept",
            line + 1
        );
    }
    assert_eq!(table.lines().count(), expected.lines().count());
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

fn decimal(ten_thousandths: i64) -> String {
    format!("{}.{:02}", ten_thousandths / 10_000, ten_thousandths % 10_000 / 100)
}

#[test]
fn ids_come_from_the_global_id_and_never_through_a_float() {
    let body = order(
        json!({ "id": 820982911946154500_u64, "admin_graphql_api_id": "gid://shopify/Order/820982911946154508",
                             "customer": { "id": 706405506930370000_u64, "admin_graphql_api_id": "gid://shopify/Customer/706405506930370084" } }),
    );
    let fact = &facts(&body, "orders/paid")[0];
    let FactBody::OrderPaid(order, _) = &fact.body else { panic!() };
    assert_eq!((order.as_str(), fact.member().unwrap().as_str()), ("820982911946154508", "706405506930370084"));
    for (id, read_as) in
        [("9007199254740993", "9007199254740993"), ("\"18446744073709551615\"", "18446744073709551615")]
    {
        let body = format!(r#"{{"order_id": {id}, "id": 1, "created_at": "2026-01-01T00:00:00Z"}}"#);
        let FactBody::OrderRefunded(order, ..) = &facts(body.as_bytes(), "refunds/create")[0].body else { panic!() };
        assert_eq!(order.as_str(), read_as);
    }
    for id in ["8.2e17", "1.0", "-5", "0", "\"5,1\"", "true", "[]", "184467440737095516150"] {
        let body = format!(r#"{{"order_id": {id}, "id": 1, "created_at": "2026-01-01T00:00:00Z"}}"#);
        assert_eq!(rejected(body.as_bytes(), "refunds/create").code(), "unreadable_field", "{id}");
    }
}

#[test]
fn a_refund_alone_is_worth_its_lines_and_adjustments_whatever_its_transactions_say() {
    let amount = |changes: Value| {
        let mut body = refund(31, "40.00", "3.20");
        merge(&mut body, changes);
        match &facts(body.to_string().as_bytes(), "refunds/create")[..] {
            [Fact { body: FactBody::OrderRefunded(.., refunded), member, .. }] => {
                assert_eq!(*member, None);
                refunded.amount.to_string()
            }
            other => panic!("{other:?}"),
        }
    };
    let shipping = json!([{ "subtotal_amount_set": { "shop_money": { "amount": "5.00", "currency_code": "USD" } } }]);
    assert_eq!(amount(json!({})), "43.2");
    assert_eq!(
        amount(
            json!({ "transactions": [{ "kind": "refund", "status": "pending", "amount": "60.00", "currency": "CAD" }] })
        ),
        "43.2"
    );
    assert_eq!(
        amount(
            json!({ "refund_line_items": [], "order_adjustments": [{ "amount": "-5.00", "tax_amount": "-0.40", "kind": "shipping_refund" }],
                              "refund_shipping_lines": shipping })
        ),
        "5.4"
    );
    assert_eq!(amount(json!({ "refund_line_items": [], "refund_shipping_lines": shipping })), "5");
    assert_eq!(
        amount(
            json!({ "order_adjustments": [{ "amount": "13.20", "tax_amount": "0.00", "kind": "refund_discrepancy" }] })
        ),
        "30"
    );
    assert_eq!(amount(json!({ "refund_line_items": [] })), "0");
}

#[test]
fn an_order_that_is_called_refunded_and_shows_no_refund_is_not_worth_its_price() {
    for status in ["refunded", "partially_refunded"] {
        let gone = json!({ "financial_status": status, "current_total_price": null, "current_total_price_set": null, "refunds": null });
        let rejected = rejected(&order(gone), "orders/updated");
        assert_eq!(rejected.code(), "missing_field", "{rejected}");
        assert!(rejected.to_string().contains("$.refunds"), "{rejected}");
    }
}

#[test]
fn a_refund_alone_and_in_its_snapshot_are_one_fact_and_the_snapshot_wins() {
    let alone = facts(refund(31, "40.00", "3.20").to_string().as_bytes(), "refunds/create");
    let body = order(json!({ "refunds": [refund(31, "40.00", "3.20")], "current_total_price": null,
                             "current_total_price_set": null, "financial_status": "partially_refunded" }));
    let inside = facts(&body, "orders/updated");
    let key = |fact: &Fact| match &fact.body {
        FactBody::OrderRefunded(order, refund, refunded) => {
            (order.clone(), refund.clone(), *refunded, fact.occurred_at, fact.revision)
        }
        other => panic!("{other:?}"),
    };
    let (alone, inside) = (key(&alone[0]), key(&inside[1]));
    assert_eq!((&alone.0, &alone.1, alone.2), (&inside.0, &inside.1, inside.2));
    assert!(alone.3 <= inside.3);
}

#[test]
fn tags_come_as_a_text_of_old_and_as_changes_since() {
    let body = json!({ "id": 701, "updated_at": "2026-01-01T00:00:00Z", "tags": " Léon, VIP ,vip,, " }).to_string();
    let FactBody::TagsSet(set) = &facts(body.as_bytes(), "customers/update")[0].body else { panic!() };
    assert_eq!(set.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["léon", "vip"]);
    let none = json!({ "id": 701, "updated_at": "2026-01-01T00:00:00Z", "tags": "" }).to_string();
    assert!(
        matches!(&facts(none.as_bytes(), "customers/update")[0].body, FactBody::TagsSet(set) if set.tags.is_empty())
    );
    let without = json!({ "id": 701, "updated_at": "2026-01-01T00:00:00Z" }).to_string();
    assert_eq!(ignored(without.as_bytes(), "customers/update"), "no_tags");
    let change = json!({ "customerId": "gid://shopify/Customer/701", "tags": ["VIP"], "occurredAt": "2026-01-01T00:00:00.000Z" }).to_string();
    for (topic, added, removed) in [("customer.tags_added", 1, 0), ("CUSTOMER_TAGS_REMOVED", 0, 1)] {
        let fact = &facts(change.as_bytes(), topic)[0];
        let FactBody::TagsChanged(told) = &fact.body else { panic!() };
        assert_eq!((fact.member().unwrap().as_str(), told.added.len(), told.removed.len()), ("701", added, removed));
    }
}

#[test]
fn a_test_order_counts_nothing_and_an_unpaid_one_is_not_even_kept() {
    let example = json!({ "test": true, "cancelled_at": "2021-12-31T19:00:00-05:00", "financial_status": "voided",
                          "current_total_price": "414.95", "current_total_price_set": null });
    assert_eq!(ignored(&order(example), "orders/paid"), "test_order");
    let paid = facts(&order(json!({ "test": true })), "orders/paid");
    assert!(matches!(&paid[0].body, FactBody::OrderPaid(_, paid) if paid.charge.test));
    assert_eq!(worth(&paid), 0);
}

#[test]
fn currencies_without_decimals_and_stray_ones_are_exact() {
    let yen = json!({ "currency": "JPY", "total_price": "7140.00", "total_price_set": null, "current_total_price": "2380",
                      "current_total_price_set": null, "total_tax": "0.0", "current_total_tax": "0.0", "shipping_lines": [] });
    let facts = facts(&order(yen), "orders/paid");
    let FactBody::OrderPaid(_, paid) = &facts[0].body else { panic!() };
    assert_eq!((paid.charge.total.to_string().as_str(), paid.charge.currency.code()), ("2380", "JPY"));
}

#[test]
fn an_order_is_dated_when_it_was_processed_which_may_be_the_year_before() {
    let at = |changes: Value| facts(&order(changes), "orders/paid")[0].occurred_at.to_string();
    assert_eq!(at(json!({})), "2026-01-01T04:59:59Z");
    assert_eq!(at(json!({ "processed_at": null })), "2026-01-01T05:00:03Z");
    assert_eq!(
        rejected(&order(json!({ "processed_at": null, "created_at": null })), "orders/paid"),
        DocumentError::Missing { path: "$.created_at" }
    );
}

#[test]
fn guests_have_no_customer_an_empty_one_or_one_without_id() {
    for customer in [json!(null), json!({}), json!({ "id": null, "email": "" })] {
        let body =
            String::from_utf8(order(json!({ "customer": "HERE" }))).unwrap().replace("\"HERE\"", &customer.to_string());
        assert_eq!(facts(body.as_bytes(), "orders/paid")[0].member(), None, "{customer}");
    }
    assert_eq!(facts(&order(json!({ "customer": null })), "orders/paid")[0].member(), None);
}

#[test]
fn both_envelopes_are_opened_and_name_shop_and_topic() {
    let envelope = |topic: &str, shop: &str, at: &str, payload: &[u8]| {
        let payload: Value = serde_json::from_slice(payload).unwrap();
        json!({ "version": "0", "id": "1", "detail-type": "shopifyWebhook", "source": "aws.partner/shopify.com/1/e", "account": "1",
                "time": "2026-01-02T15:00:09Z", "region": "eu-west-1", "resources": [],
                "detail": { "payload": payload, "metadata": { topic: "orders/paid", shop: "echelon.myshopify.com", at: "2026-01-02T15:00:02.004Z" } } })
        .to_string()
    };
    for (topic, shop, at) in [
        ("X-Shopify-Topic", "X-Shopify-Shop-Domain", "X-Shopify-Triggered-At"),
        ("shopify-topic", "shopify-shop-domain", "shopify-triggered-at"),
    ] {
        let document = envelope(topic, shop, at, &order(json!({})));
        let Outcome::Facts { shop, facts } = read(document.as_bytes(), Some("ignored/here")) else { panic!() };
        assert_eq!(shop.as_deref(), Some("echelon.myshopify.com"));
        let Fact { revision, body: FactBody::OrderPaid(..), .. } = &facts[1].fact else { panic!() };
        assert_eq!(revision.to_string(), "2026-01-02T15:00:00.502Z"); // updated_at, then 2,004 ms of delay in steps of 4
        let stub = envelope(topic, "shop", at, br#"{"id": 5001}"#);
        let Outcome::Rejected(rejected) = read(stub.as_bytes(), None) else { panic!() };
        assert_eq!(rejected.code(), "oversize_stub");
    }
}

#[test]
fn only_paid_orders_that_stand_count_and_what_counts_is_what_is_left() {
    let left = |changes: Value| worth(&facts(&order(changes), "orders/updated"));
    assert_eq!(left(json!({})), 1_000_000);
    for status in ["partially_refunded", "refunded"] {
        let told = json!({ "financial_status": status, "refunds": [refund(31, "40.00", "3.20")], "current_total_price": "56.80",
                           "current_total_price_set": null, "current_total_tax": "4.80" });
        let facts = facts(&order(told), "orders/updated");
        assert_eq!(worth(&facts), 568_000);
        let FactBody::OrderPaid(_, paid) = &facts[0].body else { panic!() };
        assert_eq!((paid.charge.total.to_string(), paid.charge.tax.to_string()), ("100".into(), "8".into()));
    }
    // Older payloads: the total minus the refund's lines with tax, plus its adjustments.
    let older = json!({ "current_total_price": null, "current_total_price_set": null, "financial_status": "partially_refunded",
                        "refunds": [refund(31, "40.00", "3.20")] });
    assert_eq!(left(older), 568_000);
    // An edit reduced the order without a refund: the snapshot is right.
    assert_eq!(left(json!({ "current_total_price": "70.00", "current_total_price_set": null })), 700_000);
    let cancelled = facts(&order(json!({ "cancelled_at": "2026-01-02T10:00:00-05:00" })), "orders/cancelled");
    assert_eq!((cancelled.len(), worth(&cancelled)), (2, 0));
}

#[test]
fn an_order_that_is_not_paid_waits_and_a_cancelled_one_says_so_whatever_its_payment() {
    for status in ["pending", "authorized", "partially_paid", "voided", "expired"] {
        assert_eq!(ignored(&order(json!({ "financial_status": status })), "orders/updated"), "not_paid");
        let cancelled = order(json!({ "financial_status": status, "cancelled_at": "2026-01-02T10:00:00-05:00" }));
        match &facts(&cancelled, "orders/cancelled")[..] {
            [Fact { body: FactBody::OrderCancelled(_), member, .. }] => assert_eq!(*member, None),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rejected(&order(json!({ "financial_status": "bartered" })), "orders/paid").code(), "unreadable_field");
    assert_eq!(rejected(&order(json!({ "financial_status": null })), "orders/paid").code(), "missing_field");
}

#[test]
fn shipping_is_what_was_charged_without_the_tax_in_its_price() {
    let shipping = |changes: Value| match &facts(&order(changes), "orders/paid")[0].body {
        FactBody::OrderPaid(_, paid) => paid.charge.shipping.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(shipping(json!({})), "5");
    assert_eq!(shipping(json!({ "shipping_lines": [{ "price": "10.00", "discounted_price": "0.00" }] })), "0");
    assert_eq!(
        shipping(
            json!({ "shipping_lines": [{ "price": "10.00", "discounted_price": "10.00", "discount_allocations": [{ "amount": "4.00" }] }] })
        ),
        "6"
    );
    assert_eq!(
        shipping(
            json!({ "shipping_lines": [{ "price": "11.90", "tax_lines": [{ "price": "1.90" }] }], "taxes_included": true })
        ),
        "10"
    );
    assert_eq!(
        shipping(json!({ "shipping_lines": [{ "price": "11.90", "tax_lines": [{ "price": "1.90" }] }] })),
        "11.9"
    );
    assert_eq!(shipping(json!({ "shipping_lines": [{ "price": "5.00", "is_removed": true }] })), "0");
}

#[test]
fn money_as_a_number_is_read_from_its_digits() {
    let body = |subtotal: &str| {
        format!(
            r#"{{"id": 31, "order_id": 5001, "created_at": "2026-01-01T00:00:00Z",
                    "refund_line_items": [{{"subtotal": {subtotal}, "total_tax": 0}}, {{"subtotal": 0.20, "total_tax": 0.1}}]}}"#
        )
    };
    let amount = |subtotal: &str| match &facts(body(subtotal).as_bytes(), "refunds/create")[0].body {
        FactBody::OrderRefunded(.., refunded) => refunded.amount.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(amount("0.1"), "0.4");
    assert_eq!(amount("123456789012.3456"), "123456789012.6456");
    assert_eq!(amount("586.45"), "586.75");
    for subtotal in ["1e2", "0.00001", "-1", "\"NaN\"", "\"1,50\"", "true", "999999999999.9999", "{}"] {
        assert_eq!(rejected(body(subtotal).as_bytes(), "refunds/create").code(), "unreadable_field", "{subtotal}");
    }
}

#[test]
fn amounts_in_another_currency_than_the_shops_are_never_added() {
    let euros = json!([{ "id": 31, "created_at": "2026-01-01T00:00:00Z",
                         "refund_line_items": [{ "subtotal_set": { "shop_money": { "amount": "1.00", "currency_code": "EUR" } } }] }]);
    assert_eq!(rejected(&order(json!({ "refunds": euros })), "orders/updated").code(), "mixed_currencies");
}

#[test]
fn a_deleted_order_is_a_cancelled_one_that_never_redates_a_cancellation() {
    assert_eq!(rejected(br#"{"id": 5001}"#, "orders/delete").code(), "no_instant");
    let document = json!({ "detail-type": "shopifyWebhook", "time": "2026-05-01T00:00:00Z",
                           "detail": { "metadata": { "X-Shopify-Topic": "orders/delete" }, "payload": { "id": 5001 } } });
    let cancelled = &facts(document.to_string().as_bytes(), "")[0];
    assert!(matches!(cancelled.body, FactBody::OrderCancelled(_)));
    assert_eq!((cancelled.occurred_at.to_string().as_str(), cancelled.revision.millis()), ("2026-05-01T00:00:00Z", 0));
}

#[test]
fn without_a_topic_only_an_unmistakable_shape_is_taken() {
    assert!(matches!(read(&order(json!({})), None), Outcome::Facts { shop: None, .. }));
    assert!(matches!(read(refund(1, "1.00", "0.00").to_string().as_bytes(), None), Outcome::Facts { .. }));
    assert!(matches!(read(br#"{"order_edit": {}}"#, None), Outcome::Ignored(Ignored::NotASnapshot)));
    let unclear = [
        r#"{"customerId": "gid://shopify/Customer/1", "tags": ["a"], "occurredAt": "2026-01-01T00:00:00Z"}"#,
        r#"{"customer": {"id": 701}, "orders_to_redact": []}"#,
        r#"{"id": 5001}"#,
        "{}",
    ];
    for body in unclear {
        assert_eq!(
            read(body.as_bytes(), None),
            Outcome::Rejected(DocumentError::UnknownTopic { topic: None }),
            "{body}"
        );
    }
    assert_eq!(rejected(b"{}", "orders/payed").code(), "unknown_topic");
    assert_eq!(ignored(b"{}", "products/update"), "not_used");
    let filed = |path: &str| Topic::filed_under(Path::new(path)).map(str::to_owned);
    assert_eq!(filed("in/orders_paid/01.json").as_deref(), Some("orders_paid"));
    assert_eq!(filed("in/refunds_create.json").as_deref(), Some("refunds_create"));
    assert_eq!(filed("eventbridge/01.json"), None);
}

proptest! {
    #[test]
    fn what_counts_is_always_what_the_snapshot_says_is_left(
        left in 0_u64..1_000_000, refunds in prop::collection::vec((0_u64..100_000, 0_u64..10_000), 0..5),
    ) {
        let cents = |n: u64| format!("{}.{:02}", n / 100, n % 100);
        let told: Vec<_> = refunds.iter().zip(1..).map(|((part, tax), id)| refund(id, &cents(*part), &cents(*tax))).collect();
        let body = order(json!({ "financial_status": "partially_refunded", "refunds": told,
                                 "current_total_price": cents(left), "current_total_price_set": null }));
        prop_assert_eq!(worth(&facts(&body, "orders/updated")), i64::try_from(left * 100).unwrap());
    }
}
