//! `echelon import` with the built command on answers of Shopify's Admin API, and on the lines of bulk operations.

use std::path::Path;

use serde_json::{Value, json};

use super::import::Run;
use crate::cli::desk::ApiHarness;

/// A paid order of the REST API, in euros.
fn rest_order(id: u64, total: &str) -> Value {
    json!({ "id": id, "created_at": "2025-03-01T10:00:00Z", "processed_at": "2025-03-01T10:00:00Z", "currency": "EUR",
            "updated_at": "2025-03-05T10:00:00Z", "financial_status": "paid", "total_price": total, "test": false,
            "current_total_price": total, "cancelled_at": null, "refunds": [], "customer": { "id": id + 1 } })
}

fn totals(run: &Run) -> Vec<(String, String)> {
    let text = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
    run.events().iter().map(|event| (text(event, "order_id"), text(event, "total"))).collect()
}

#[test]
fn orders_are_read_as_the_admin_api_answers_them() {
    let (one, other) = (rest_order(7001, "510.00"), rest_order(7002, "51.00"));
    let both = [("7001".to_owned(), "510".to_owned()), ("7002".to_owned(), "51".to_owned())];
    let page = serde_json::to_string_pretty(&json!({ "orders": [one, other] })).unwrap();
    let wrapped = format!("{}\n{}\n", json!({ "order": one }), json!({ "order": other }));
    for content in [page, json!({ "orders": [one, other] }).to_string(), json!([one, other]).to_string(), wrapped] {
        let run = Run::with_stdin(&[Path::new("-")], &[], &content);
        assert_eq!(run.report()["facts"], json!({ "order.paid": 2 }), "{content}");
        assert_eq!(totals(&run), both);
    }
    let stub = json!({ "id": 7001, "admin_graphql_api_id": "gid://shopify/Order/7001" }).to_string();
    let run = Run::with_stdin(&[Path::new("-")], &[], &stub);
    assert_eq!(run.report()["rejected"]["reasons"], json!({ "oversize_stub": 1 }));
}

/// The lines of a bulk operation: two orders, one of which was refunded in part.
fn bulk() -> Vec<Value> {
    let money = |amount: &str| json!({ "shopMoney": { "amount": amount, "currencyCode": "EUR" } });
    let order = |id: u64, status: &str, current: &str, refunds: Value| {
        json!({ "id": format!("gid://shopify/Order/{id}"), "createdAt": "2024-12-29T10:00:00Z", "test": false,
                "processedAt": "2024-12-29T10:00:00Z", "updatedAt": "2025-03-05T10:00:00Z",
                "displayFinancialStatus": status, "totalPriceSet": money("510.0"),
                "currentTotalPriceSet": money(current), "refunds": refunds,
                "customer": { "id": format!("gid://shopify/Customer/{}", id + 1) },
                "transactions": [{ "kind": "SALE", "status": "SUCCESS", "processedAt": "2025-01-03T09:30:00Z",
                                   "amountSet": money("510.0") }] })
    };
    let refund = json!([{ "id": "gid://shopify/Refund/1", "createdAt": "2025-02-01T10:00:00Z",
                          "processedAt": "2025-02-01T10:00:00Z", "totalRefundedSet": money("110.0") }]);
    vec![
        order(7001, "PARTIALLY_REFUNDED", "400.0", refund),
        json!({ "id": "gid://shopify/RefundAgreement/1", "refund": { "id": "gid://shopify/Refund/1" },
                "__parentId": "gid://shopify/Order/7001" }),
        json!({ "id": "gid://shopify/ProductSale/1", "lineType": "PRODUCT", "totalAmount": money("-100.0"),
                "totalTaxAmount": money("0.0"), "__parentId": "gid://shopify/RefundAgreement/1" }),
        json!({ "id": "gid://shopify/ShippingLineSale/2", "lineType": "SHIPPING", "totalAmount": money("-10.0"),
                "totalTaxAmount": money("0.0"), "__parentId": "gid://shopify/RefundAgreement/1" }),
        order(7002, "PAID", "510.0", json!([])),
    ]
}

fn as_lines(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_bulk_operation_is_read_with_its_refunds_and_its_days_of_payment() {
    let mut lines = bulk();
    for _ in 0..2 {
        let run = Run::with_stdin(&[Path::new("-")], &[], &as_lines(&lines));
        assert_eq!(run.report()["read"], 2);
        let events = run.events();
        let refund = events.iter().find(|event| event["type"] == "order.refunded").unwrap();
        assert_eq!((&refund["amount"], &refund["shipping"]), (&json!("110"), &json!("10")));
        let paid = |order: &str| {
            let of = events.iter().filter(|event| event["order_id"] == order && event["type"] == "order.paid");
            of.fold((json!(null), json!(null)), |(member, at), event| {
                let known = |value: &Value, else_: Value| if value.is_null() { else_ } else { value.clone() };
                (known(&event["member_id"], member), known(&event["paid_at"], at))
            })
        };
        assert_eq!(paid("7001"), (json!("7002"), json!("2025-01-03T09:30:00Z")));
        assert_eq!(paid("7002"), (json!("7003"), json!("2025-01-03T09:30:00Z")));
        // Ungrouped, even a part before its order.
        lines.reverse();
    }
}

#[test]
fn a_bulk_operation_with_a_part_missing_ends_the_import_and_leaves_nothing() {
    let whole = as_lines(&bulk());
    let without_order = as_lines(&bulk()[1..]);
    let run = Run::with_stdin(&[Path::new("-")], &[], &without_order);
    run.fails_with(&["line 1 belongs to gid://shopify/Order/7001", "groupObjects: true"]);
    let broken_off = &whole[..whole.len() - 40];
    Run::with_stdin(&[Path::new("-")], &[], broken_off).fails_with(&["line 5 is not JSON", "download"]);
}

/// A folder in which these answers of GraphQL are files, each imported with the others; the exit code, the report and the number
/// of orders written.
fn answers(answers: &[Value], code: i32) -> (String, usize) {
    let desk = ApiHarness::new();
    let names: Vec<String> = (0..answers.len()).map(|number| format!("{number}.json")).collect();
    for (name, answer) in names.iter().zip(answers) {
        desk.put(name, answer.to_string());
    }
    let said = desk.run(&format!("import {} -o e.jsonl", names.join(" ")), code).err;
    let events = std::fs::read_to_string(desk.folder.path().join("e.jsonl")).unwrap();
    (said, events.lines().filter(|line| line.contains("order.paid")).count())
}

#[test]
fn an_answer_with_errors_is_rejected_whatever_it_has_beside_them() {
    let order = rest_order(7001, "510.00");
    let errors = json!([{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }]);
    for answer in [
        json!({ "errors": errors }),
        json!({ "errors": errors, "data": null }),
        json!({ "errors": errors, "data": { "orders": { "nodes": [order] } } }),
        json!({ "data": { "order": order }, "errors": errors }),
        json!({ "errors": "Throttled" }),
    ] {
        let (said, orders) = answers(std::slice::from_ref(&answer), 1);
        assert!(
            said.contains("query_failed: the Admin API answered with an error") && said.contains("Throttled"),
            "{said}"
        );
        assert_eq!(orders, 0, "{answer}");
    }
    let whole = json!({ "data": { "orders": { "nodes": [order] } }, "errors": [] });
    assert_eq!(answers(&[whole], 0).1, 1, "a list without errors");
    let named = json!({ "order": { "id": 1, "note": "\"errors\"" } });
    assert!(!answers(&[named], 1).0.contains("query_failed"));
}

#[test]
fn pages_of_orders_without_the_last_are_imported_and_warned_of() {
    let page = |id: u64, has_next: Value| json!({ "data": { "orders": { "nodes": [rest_order(id, "510.00")], "pageInfo": { "hasNextPage": has_next } } } });
    let (said, orders) = answers(&[page(7001, json!(true)), page(7002, json!(true))], 1);
    assert!(said.contains("0.json and 1 more: more orders follow on another page"), "{said}");
    assert_eq!(orders, 2);
    for whole in [&[page(7001, json!(true)), page(7002, json!(false))][..], &[page(7001, json!(null))]] {
        let (said, orders) = answers(whole, 0);
        assert!(!said.contains("another page"), "{said}");
        assert_eq!(orders, whole.len());
    }
}
