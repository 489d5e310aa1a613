//! Orders that were paid later than they were placed: no version of them counts before the payment.

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::desk::ApiHarness;
use crate::import_versions::desk;

/// The tier of member 42 and since when, at the start of a day: `-` if the member is not known or has none.
fn tier(desk: &ApiHarness, day: &str) -> String {
    let replay = format!("replay --program program.json --events e.jsonl --as-of {day}T00:00:00Z --format json");
    let all: Value = serde_json::from_str(&desk.run(&replay, 0).out).unwrap();
    let standing = &all["standings"]["42"];
    let text = |field: &str| standing[field].as_str().unwrap_or("-").chars().take(10).collect::<String>();
    if standing["tier"].is_null() { "-".to_owned() } else { format!("{} {}", text("tier"), text("since")) }
}

fn put(desk: &ApiHarness, name: &str, content: &Value) {
    let path = Path::new(name).parent().map(|folder| desk.folder.path().join(folder));
    path.iter().for_each(|folder| std::fs::create_dir_all(folder).unwrap());
    desk.put(name, format!("{content}\n"));
}

/// An order of 600 as a query gives it, placed on December 29 and paid on January 3, with a refund of a part in November.
fn queried(price: &str, left: &str, refunded: &str, paid_at: &str) -> Value {
    let money = |amount: &str| json!({ "shopMoney": { "amount": amount, "currencyCode": "EUR" } });
    json!({ "id": "gid://shopify/Order/1", "createdAt": "2024-12-29T10:00:00Z", "processedAt": "2024-12-29T10:00:00Z",
        "updatedAt": "2025-11-01T10:00:00Z", "cancelledAt": null, "test": false, "taxesIncluded": false,
        "displayFinancialStatus": "PARTIALLY_REFUNDED", "currencyCode": "EUR", "totalPriceSet": money(price),
        "currentTotalPriceSet": money(left), "customer": { "id": "gid://shopify/Customer/42" },
        "transactions": [{ "kind": "SALE", "status": "SUCCESS", "processedAt": paid_at, "amountSet": money(price) }],
        "refunds": [{ "id": "gid://shopify/Refund/9", "createdAt": "2025-11-01T10:00:00Z",
            "processedAt": "2025-11-01T10:00:00Z", "totalRefundedSet": money(refunded), "duties": [] }] })
}

#[test]
fn an_order_paid_late_and_refunded_in_part_counts_from_its_payment_until_the_refund() {
    let desk = desk();
    for (refunded, after) in [("10.0", "gold 2025-01-03"), ("200.0", "silver 2025-11-01")] {
        let left = if refunded == "10.0" { "590.0" } else { "400.0" };
        put(&desk, "bulk.jsonl", &queried("600.0", left, refunded, "2025-01-03T10:00:00Z"));
        desk.run("import bulk.jsonl -o e.jsonl", 0);
        assert_eq!(tier(&desk, "2025-01-02"), "-", "it was placed, and not paid");
        assert_eq!(tier(&desk, "2025-01-04"), "gold 2025-01-03");
        assert_eq!(tier(&desk, "2025-06-01"), "gold 2025-01-03");
        assert_eq!(tier(&desk, "2025-11-02"), after);
    }
    // All of it given back: nothing of it is recorded, as before.
    put(&desk, "bulk.jsonl", &queried("600.0", "0.0", "600.0", "2025-01-03T10:00:00Z"));
    desk.run("import bulk.jsonl -o e.jsonl", 0);
    assert_eq!(tier(&desk, "2025-06-01"), "-");
}

/// Nothing can be given back of an order that cost nothing, so it is not undone.
#[test]
fn a_free_order_with_a_refund_of_nothing_counts_from_its_payment() {
    let desk = desk();
    let program = json!({ "program_id": "t", "name": "T", "active": true, "timezone": "UTC", "currency": "EUR",
        "start_date": "2023-01-01", "milestone": { "metric": "orders_placed", "period": "lifetime" },
        "tiers": [{ "id": "silver", "name": "Silver", "threshold": "1" }] });
    desk.put("program.json", program.to_string());
    let mut order = queried("0.0", "0.0", "0.0", "2024-12-29T10:00:00Z");
    order["displayFinancialStatus"] = json!("PAID");
    put(&desk, "bulk.jsonl", &order);
    desk.run("import bulk.jsonl -o e.jsonl", 0);
    assert_eq!(tier(&desk, "2025-06-01"), "silver 2024-12-29");
}

/// A webhook about an order of 600 that was placed on December 29.
fn webhook(updated_at: &str, price: &str) -> Value {
    json!({ "id": 7001, "created_at": "2024-12-29T10:00:00Z", "processed_at": "2024-12-29T10:00:00Z",
        "updated_at": updated_at, "financial_status": "paid", "currency": "EUR", "total_price": price,
        "current_total_price": price, "total_tax": "0.00", "total_discounts": "0.00", "test": false, "cancelled_at": null,
        "shipping_lines": [], "refunds": [], "customer": { "id": 42 } })
}

/// From a public report: paid on delivery, in the next year.
#[test]
fn no_webhook_about_an_order_has_it_count_before_it_was_paid() {
    for later in ["orders_updated", "orders_fulfilled"] {
        for live in ["", "--live"] {
            let desk = desk();
            put(&desk, "webhooks/orders_paid/1.json", &webhook("2025-01-03T09:30:00Z", "600.00"));
            put(&desk, &format!("webhooks/{later}/1.json"), &webhook("2025-01-20T10:00:00Z", "600.00"));
            desk.run(&format!("import webhooks {live} -o e.jsonl"), 0);
            assert_eq!(tier(&desk, "2025-01-01"), "-", "{later} {live}");
            assert_eq!(tier(&desk, "2025-01-04"), "gold 2025-01-03", "{later} {live}");
            assert_eq!(tier(&desk, "2026-02-01"), "gold 2025-01-03", "{later} {live}");
        }
    }
}

/// The balance of an edit is announced as a payment too, and does not delay what was paid at the checkout.
#[test]
fn an_order_paid_at_the_checkout_counts_at_once_whatever_was_paid_later() {
    let desk = desk();
    put(&desk, "webhooks/orders_paid/1.json", &webhook("2024-12-29T10:00:20Z", "300.00"));
    put(&desk, "webhooks/orders_paid/2.json", &webhook("2025-02-01T10:00:00Z", "600.00"));
    desk.run("import webhooks -o e.jsonl", 0);
    assert_eq!(tier(&desk, "2024-12-30"), "silver 2024-12-29");
    assert_eq!(tier(&desk, "2025-01-15"), "silver 2024-12-29");
}

/// A live webhook arrives when it was sent, also if it says a single fact.
#[test]
fn a_live_webhook_arrives_at_its_revision_however_many_facts_it_says() {
    let desk = desk();
    put(&desk, "orders_updated/1.json", &webhook("2025-01-20T10:00:00Z", "600.00"));
    desk.run("import orders_updated --live -o e.jsonl", 0);
    assert_eq!(tier(&desk, "2025-01-15"), "-");
    assert_eq!(tier(&desk, "2025-01-21"), "gold 2024-12-29");
}

/// The same in a table, and in whatever order the files are read: a column of one of them says when the order was paid.
#[test]
fn no_row_of_any_file_has_an_order_count_before_the_payment_that_another_file_names() {
    let header = "order_id,member_id,occurred_at,total,currency";
    for (first, second) in [("a.csv", "b.csv"), ("b.csv", "a.csv")] {
        let desk = desk();
        desk.put(first, format!("{header},paid_at\n1,42,2024-12-29T10:00:00Z,600,EUR,2025-01-03T10:00:00Z\n"));
        desk.put(second, format!("{header}\n1,42,2024-12-29T10:00:00Z,610,EUR\n"));
        desk.run("import a.csv b.csv --exported-at 2025-02-01T00:00:00Z -o e.jsonl", 0);
        assert_eq!(tier(&desk, "2025-01-01"), "-");
        assert_eq!(tier(&desk, "2025-01-04"), "gold 2025-01-03");
    }
}
