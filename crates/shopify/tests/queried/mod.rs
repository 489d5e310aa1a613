//! One order in the form of webhooks and in that of GraphQL gives the same facts.

use rules::fact::{Fact, FactBody};
use serde_json::{Value, json};
use shopify::bulk::{BulkError, Gathering};
use shopify::{Outcome, orders, read};

use super::{all_facts, facts, merge, order, refund, rejected};

/// An amount in both currencies, as GraphQL writes it: without the zeros of webhooks.
fn bag(amount: &str) -> Value {
    json!({ "shopMoney": { "amount": amount, "currencyCode": "USD" },
            "presentmentMoney": { "amount": "999.99", "currencyCode": "CAD" } })
}

fn set(amount: &str) -> Value {
    json!({ "shop_money": { "amount": amount, "currency_code": "USD" } })
}

const ORDER: &str = "gid://shopify/Order/5001";

/// The order of [`super::order`] as a bulk operation's line, with a test's changes.
fn line(changes: Value) -> Value {
    let mut order = json!({
        "id": ORDER, "test": false, "cancelledAt": null, "displayFinancialStatus": "PAID", "currencyCode": "USD",
        "presentmentCurrencyCode": "CAD", "taxesIncluded": false, "createdAt": "2026-01-01T05:00:03Z",
        "processedAt": "2026-01-01T04:59:59Z", "updatedAt": "2026-01-02T15:00:00Z",
        "originalTotalPriceSet": bag("100.0"), "totalPriceSet": bag("100.0"), "currentTotalPriceSet": bag("100.0"),
        "totalTaxSet": bag("8.0"), "currentTotalTaxSet": bag("8.0"), "totalDiscountsSet": bag("3.0"),
        "totalShippingPriceSet": bag("5.0"), "totalTipReceivedSet": bag("0.0"), "originalTotalDutiesSet": null,
        "currentTotalDutiesSet": null, "totalOutstandingSet": bag("0.0"), "paymentGatewayNames": ["shopify_payments"],
        "customer": { "id": "gid://shopify/Customer/701" }, "refunds": [],
        "transactions": [payment("SALE", "2026-01-02T15:00:00Z", "100.0")]
    });
    merge_keeping_null(&mut order, changes);
    order
}

fn merge_keeping_null(into: &mut Value, changes: Value) {
    for (key, value) in changes.as_object().unwrap() {
        into[key] = value.clone();
    }
}

fn payment(kind: &str, at: &str, amount: &str) -> Value {
    json!({ "kind": kind, "status": "SUCCESS", "gateway": "manual", "processedAt": at, "amountSet": bag(amount) })
}

fn shipment() -> Value {
    json!({ "id": "gid://shopify/ShippingLine/1", "originalPriceSet": bag("5.0"), "discountedPriceSet": bag("5.0"),
            "isRemoved": false, "discountAllocations": [], "taxLines": [], "__parentId": ORDER })
}

/// A refund in the list of the order's, with the money that it moved.
fn refunded(id: u64, money: &str) -> Value {
    json!({ "id": format!("gid://shopify/Refund/{id}"), "createdAt": "2026-01-02T15:00:00Z",
            "processedAt": "2026-01-02T15:00:00Z", "totalRefundedSet": bag(money) })
}

/// The lines of a refund's agreement: itself and its sales, each by type, amount and tax.
fn agreement(refund: u64, sales: &[(&str, &str, &str)]) -> Vec<Value> {
    let id = format!("gid://shopify/RefundAgreement/{refund}");
    let sale = |(number, (line, amount, tax)): (usize, &(&str, &str, &str))| {
        json!({ "id": format!("gid://shopify/Sale/{refund}{number}"), "lineType": line, "totalAmount": bag(amount),
                "totalTaxAmount": bag(tax), "__parentId": id })
    };
    let refund = json!({ "id": format!("gid://shopify/Refund/{refund}") });
    let itself = json!({ "id": id, "refund": refund, "__parentId": ORDER });
    [itself].into_iter().chain(sales.iter().enumerate().map(sale)).collect()
}

/// The one order in the lines of a bulk operation, as a document.
fn gathered(lines: &[Value]) -> String {
    let mut gathering = Gathering::default();
    for (number, line) in (1..).zip(lines) {
        assert!(gathering.take(number, &line.to_string()).unwrap(), "{line}");
    }
    let mut orders: Vec<_> = gathering.finish().unwrap().collect();
    assert_eq!(orders.len(), 1);
    orders.remove(0).document
}

/// Asserts that the order gives the same facts as a webhook and as lines, in whatever order these come.
#[track_caller]
fn same(webhook: &[u8], order: Value, parts: Vec<Value>) -> Vec<Fact> {
    let expected = facts(webhook, "orders/updated");
    let mut lines = vec![order, shipment()];
    lines.extend(parts);
    for _ in 0..2 {
        let document = gathered(&lines);
        let found: Vec<Fact> = facts(document.as_bytes(), "orders/updated");
        assert_eq!(found, expected, "{document}");
        lines.reverse();
    }
    expected
}

fn amounts(facts: &[Fact]) -> Vec<String> {
    let amount = |fact: &Fact| match &fact.body {
        FactBody::OrderPaid(_, paid) => Some(paid.charge.total.to_string()),
        FactBody::OrderRefunded(.., refunded) => Some(refunded.amount.to_string()),
        _ => None,
    };
    facts.iter().filter_map(amount).collect()
}

/// What an order becomes that was refunded in part or whole, in both forms.
fn rest(status: &str, current: &str, current_tax: &str, refunds: Value) -> Vec<u8> {
    order(json!({ "financial_status": status, "current_total_price": current, "current_total_price_set": set(current),
                  "current_total_tax": current_tax, "refunds": refunds }))
}

fn left(status: &str, current: &str, current_tax: &str, refunds: Value) -> Value {
    line(json!({ "displayFinancialStatus": status, "currentTotalPriceSet": bag(current),
                 "currentTotalTaxSet": bag(current_tax), "refunds": refunds }))
}

#[test]
fn an_order_that_was_paid_late_gives_the_same_facts_and_the_same_day() {
    let webhook = all_facts(&order(json!({})), Some("orders/paid"));
    let document = gathered(&[line(json!({})), shipment()]);
    assert_eq!(all_facts(document.as_bytes(), None), webhook);
    assert_eq!(webhook.len(), 2, "the payment has a statement of its own");
    // Of a deposit and the rest, the rest makes it paid; of a later balance nothing moves it.
    let deposit = json!([
        payment("SALE", "2026-01-01T05:00:00Z", "20.0"),
        payment("CAPTURE", "2026-01-02T15:00:00Z", "80.0"),
        payment("SALE", "2027-02-01T00:00:00Z", "30.0"),
        payment("AUTHORIZATION", "2026-01-01T05:00:00Z", "100.0"),
        payment("REFUND", "2026-01-01T06:00:00Z", "100.0")
    ]);
    let document = gathered(&[line(json!({ "transactions": deposit })), shipment()]);
    assert_eq!(all_facts(document.as_bytes(), None), webhook);
}

#[test]
fn an_order_that_was_paid_at_the_checkout_gives_the_same_facts() {
    let webhook = order(json!({ "updated_at": "2026-01-01T00:00:04-05:00" }));
    let paid = json!([payment("SALE", "2026-01-01T05:00:01Z", "100.0")]);
    let document = gathered(&[line(json!({ "updatedAt": "2026-01-01T05:00:04Z", "transactions": paid })), shipment()]);
    let found = all_facts(document.as_bytes(), None);
    assert_eq!(found, all_facts(&webhook, Some("orders/paid")));
    let FactBody::OrderPaid(_, paid) = &found[0].body else { panic!() };
    assert_eq!(paid.paid_at.unwrap().to_string(), "2026-01-01T04:59:59Z");
}

#[test]
fn a_partial_refund_of_goods_and_shipping_with_their_tax_gives_the_same_facts() {
    let mut back = refund(31, "40.00", "3.20");
    back["order_adjustments"] = json!([{ "kind": "shipping_refund", "amount": "-5.00", "tax_amount": "-0.40" }]);
    let webhook = rest("partially_refunded", "51.40", "4.40", json!([back]));
    let sales = agreement(31, &[("PRODUCT", "-43.2", "-3.2"), ("SHIPPING", "-5.4", "-0.4")]);
    let facts = same(&webhook, left("PARTIALLY_REFUNDED", "51.4", "4.4", json!([refunded(31, "48.6")])), sales);
    assert_eq!(amounts(&facts), ["100", "48.6"]);
}

#[test]
fn a_full_refund_and_a_cancellation_give_the_same_facts() {
    let webhook = rest("refunded", "0.00", "0.00", json!([refund(31, "92.00", "8.00")]));
    let sales = agreement(31, &[("PRODUCT", "-100.0", "-8.0")]);
    let line = left("REFUNDED", "0.0", "0.0", json!([refunded(31, "100.0")]));
    assert_eq!(amounts(&same(&webhook, line.clone(), sales.clone())), ["100", "100"]);
    let mut cancelled: Value = serde_json::from_slice(&webhook).unwrap();
    cancelled["cancelled_at"] = json!("2026-01-02T10:00:00-05:00");
    let mut line = line;
    line["cancelledAt"] = json!("2026-01-02T15:00:00Z");
    let facts = same(cancelled.to_string().as_bytes(), line, sales);
    assert!(matches!(facts.last().unwrap().body, FactBody::OrderCancelled(_)));
}

#[test]
fn an_exchange_without_money_gives_the_same_facts() {
    let mut without_money = refund(31, "100.00", "0.00");
    without_money["transactions"] = json!([]);
    let webhook = order(json!({ "total_price": "200.00", "total_price_set": null, "refunds": [without_money] }));
    let line = line(json!({ "totalPriceSet": bag("200.0"), "refunds": [refunded(31, "0.0")] }));
    let facts = same(&webhook, line, agreement(31, &[("PRODUCT", "-100.0", "0.0")]));
    assert_eq!(amounts(&facts), ["100", "0"]);
}

#[test]
fn a_refund_that_failed_and_was_repeated_gives_the_same_facts() {
    let mut failed = refund(31, "40.00", "0.00");
    failed["transactions"] = json!([{ "kind": "refund", "status": "failure" }]);
    let webhook = rest("partially_refunded", "60.00", "8.00", json!([failed, refund(32, "40.00", "0.00")]));
    let mut line = left("PARTIALLY_REFUNDED", "60.0", "8.0", json!([refunded(31, "0.0"), refunded(32, "40.0")]));
    let mut attempt = payment("REFUND", "2026-01-02T15:00:00Z", "40.0");
    attempt["status"] = json!("FAILURE");
    line["transactions"].as_array_mut().unwrap().push(attempt);
    let mut parts = agreement(31, &[("PRODUCT", "-40.0", "0.0")]);
    parts.extend(agreement(32, &[("PRODUCT", "-40.0", "0.0")]));
    assert_eq!(amounts(&same(&webhook, line, parts)), ["100", "0", "40"]);
}

#[test]
fn gift_cards_tips_and_duties_given_back_give_the_same_facts() {
    let mut back = refund(31, "30.00", "0.00");
    back["refund_line_items"][0]["line_item"] = json!({ "gift_card": true });
    let tip = json!({ "subtotal": "4.00", "total_tax": "0.00", "line_item": { "tip_payment_gateway": "stripe" } });
    back["refund_line_items"].as_array_mut().unwrap().push(tip);
    back["total_duties_set"] = set("8.00");
    let lines =
        json!([{ "gift_card": true, "price": "35.00", "quantity": 2, "discount_allocations": [{ "amount": "5.00" }] }]);
    let mut webhook: Value =
        serde_json::from_slice(&rest("partially_refunded", "58.00", "8.00", json!([back]))).unwrap();
    merge(
        &mut webhook,
        json!({ "line_items": lines, "total_tip_received": "7.00", "original_total_duties_set": set("20.00"),
                "current_total_duties_set": set("12.00") }),
    );
    let mut line = left("PARTIALLY_REFUNDED", "58.0", "8.0", json!([refunded(31, "42.0")]));
    merge_keeping_null(
        &mut line,
        json!({ "totalTipReceivedSet": bag("7.0"), "originalTotalDutiesSet": bag("20.0"),
                "currentTotalDutiesSet": bag("12.0") }),
    );
    let mut parts = agreement(31, &[("GIFT_CARD", "-30.0", "0.0"), ("TIP", "-4.0", "0.0"), ("DUTY", "-8.0", "0.0")]);
    parts.push(json!({ "id": "gid://shopify/LineItem/1", "isGiftCard": true, "quantity": 2, "__parentId": ORDER,
                       "originalUnitPriceSet": bag("35.0"), "discountAllocations": [{ "allocatedAmountSet": bag("5.0") }] }));
    let facts = same(webhook.to_string().as_bytes(), line, parts);
    let FactBody::OrderRefunded(.., refunded) = &facts[1].body else { panic!() };
    let parts = refunded.parts.each().map(|part| part.map(|part| part.to_string()));
    assert_eq!(parts.each_ref().map(Option::as_deref), [Some("0"), Some("0"), Some("4"), Some("8"), Some("30")]);
    let FactBody::OrderPaid(_, paid) = &facts[0].body else { panic!() };
    assert_eq!((paid.charge.gift_cards.to_string(), paid.charge.duties.to_string()), ("65".into(), "20".into()));
}

#[test]
fn an_amount_kept_of_a_refund_gives_the_same_facts() {
    let mut back = refund(31, "40.00", "3.20");
    back["order_adjustments"] = json!([{ "kind": "refund_discrepancy", "amount": "13.20", "tax_amount": "0.00" }]);
    let webhook = rest("partially_refunded", "70.00", "4.80", json!([back]));
    let sales = agreement(31, &[("PRODUCT", "-43.2", "-3.2"), ("ADJUSTMENT", "13.2", "0.0")]);
    let line = left("PARTIALLY_REFUNDED", "70.0", "4.8", json!([refunded(31, "30.0")]));
    assert_eq!(amounts(&same(&webhook, line, sales)), ["100", "30"]);
}

#[test]
fn a_guest_a_balance_a_test_and_store_credit_give_the_same_facts() {
    same(&order(json!({ "customer": null })), line(json!({ "customer": null })), vec![]);
    let facts = same(
        &order(json!({ "total_outstanding": "25.00" })),
        line(json!({ "totalOutstandingSet": bag("25.0") })),
        vec![],
    );
    assert_eq!(amounts(&facts), ["75"]);
    same(&order(json!({ "test": true })), line(json!({ "test": true })), vec![]);
    let credit = json!(["shopify_store_credit"]);
    same(&order(json!({ "payment_gateway_names": credit })), line(json!({ "paymentGatewayNames": credit })), vec![]);
}

#[test]
fn an_order_that_is_not_paid_in_full_is_ignored_in_both_forms() {
    for (webhook, queried) in [("pending", "PENDING"), ("partially_paid", "PARTIALLY_PAID"), ("voided", "VOIDED")] {
        let document = gathered(&[line(json!({ "displayFinancialStatus": queried })), shipment()]);
        let expected = read(&order(json!({ "financial_status": webhook })), Some("orders/updated"));
        assert!(matches!(expected, Outcome::Ignored(_)));
        assert_eq!(read(document.as_bytes(), None), expected);
    }
}

/// The order with everything inside it, as a query of one order or an event of API 2026-10 has it.
fn inside(connection: &dyn Fn(Value) -> Value) -> Value {
    let mut refund = refunded(31, "48.6");
    let goods = json!({ "subtotalSet": bag("40.0"), "totalTaxSet": bag("3.2"), "lineItem": { "isGiftCard": false } });
    refund["refundLineItems"] = connection(goods);
    refund["refundShippingLines"] = connection(json!({ "subtotalAmountSet": bag("5.0"), "taxAmountSet": bag("0.4") }));
    refund["orderAdjustments"] = json!({ "nodes": [] });
    refund["transactions"] = connection(json!({ "kind": "REFUND", "status": "SUCCESS" }));
    let mut order = left("PARTIALLY_REFUNDED", "51.4", "4.4", json!([refund]));
    order["shippingLines"] = connection(shipment());
    order
}

#[test]
fn an_event_of_api_2026_10_gives_the_same_facts_as_a_webhook() {
    let mut back = refund(31, "40.00", "3.20");
    back["order_adjustments"] = json!([{ "kind": "shipping_refund", "amount": "-5.00", "tax_amount": "-0.40" }]);
    let expected = facts(&rest("partially_refunded", "51.40", "4.40", json!([back])), "orders/updated");
    let nodes = |node: Value| json!({ "nodes": [node], "pageInfo": { "hasNextPage": false } });
    let edges = |node: Value| json!({ "edges": [{ "node": node }] });
    for order in [inside(&nodes), inside(&edges)] {
        let event = json!({ "topic": "Order", "action": "update", "handle": "echelon", "data": { "order": order },
                            "fields_changed": { "added": [], "updated": ["order.refunds"], "removed": [] },
                            "query_variables": { "orderId": ORDER } });
        for document in [event, json!({ "order": order }), order] {
            assert_eq!(facts(document.to_string().as_bytes(), "Order"), expected);
        }
    }
    let deleted = json!({ "topic": "Order", "action": "delete", "data": { "order": null } }).to_string();
    assert!(rejected(deleted.as_bytes(), "Order").to_string().starts_with("$.data.order is missing"));
}

#[test]
fn a_connection_that_is_cut_short_is_rejected() {
    let cut = |node: Value| json!({ "nodes": [node], "pageInfo": { "hasNextPage": true } });
    let error = rejected(inside(&cut).to_string().as_bytes(), "orders/updated");
    assert_eq!(error.code(), "cut_short");
    assert!(error.to_string().contains("bulk operation"), "{error}");
}

#[test]
fn what_a_query_must_ask_for_is_named_as_the_query_names_it() {
    for (field, name) in [
        ("displayFinancialStatus", "$.displayFinancialStatus"),
        ("totalPriceSet", "$.totalPriceSet"),
        ("updatedAt", "$.updatedAt"),
        ("customer", "$.customer"),
    ] {
        let mut order = line(json!({}));
        order.as_object_mut().unwrap().remove(field);
        let error = rejected(order.to_string().as_bytes(), "orders/updated").to_string();
        assert!(error.starts_with(&format!("{name} is missing")), "{error}");
    }
    let mut order = line(json!({ "displayFinancialStatus": "PARTIALLY_REFUNDED" }));
    order.as_object_mut().unwrap().remove("refunds");
    let error = rejected(order.to_string().as_bytes(), "orders/updated").to_string();
    assert!(error.starts_with("$.refunds is missing"), "{error}");
}

#[test]
fn a_refund_of_which_only_the_total_was_queried_names_no_parts() {
    let order = left("PARTIALLY_REFUNDED", "60.0", "8.0", json!([refunded(31, "40.0")]));
    let found = facts(gathered(&[order, shipment()]).as_bytes(), "orders/updated");
    let FactBody::OrderRefunded(.., refunded) = &found[1].body else { panic!() };
    assert_eq!((refunded.amount.to_string(), refunded.parts.is_named()), ("40".into(), false));
}

#[test]
fn a_part_without_its_order_and_a_damaged_line_end_the_reading() {
    let mut alone = Gathering::default();
    assert!(alone.take(1, &line(json!({})).to_string()).unwrap());
    let mut stray = shipment();
    stray["__parentId"] = json!("gid://shopify/Order/5002");
    assert!(alone.take(2, &stray.to_string()).unwrap());
    let Err(damaged) = alone.take(3, "{\"id\":") else { panic!() };
    assert!(matches!(damaged, BulkError::Damaged { line: 3, .. }));
    let Err(error) = alone.finish() else { panic!() };
    assert_eq!(error, BulkError::NoParent { line: 2, parent: "gid://shopify/Order/5002".to_owned() });
    assert!(error.to_string().contains("groupObjects: true"), "{error}");
    let mut none = Gathering::default();
    assert!(!none.take(1, "{\"id\":").unwrap() && !none.take(2, "{\"id\": 5001}").unwrap());
    assert!(!none.has_begun());
}

#[test]
fn more_text_than_may_be_held_back_releases_the_oldest_orders_whole() {
    let mut gathering = Gathering::default();
    let note = "x".repeat(shopify::bulk::HELD_BYTES_MAX / 3);
    let mut released = Vec::new();
    for number in 0..8_u64 {
        let id = format!("gid://shopify/Order/{number}");
        let order = json!({ "id": id, "note": note }).to_string();
        assert!(gathering.take(number * 2 + 1, &order).unwrap());
        let part = json!({ "id": format!("gid://shopify/LineItem/{number}"), "__parentId": id }).to_string();
        assert!(gathering.take(number * 2 + 2, &part).unwrap());
        while let Some(gathered) = gathering.overdue().unwrap() {
            released.push(gathered);
        }
    }
    assert!(released.len() >= 5, "{}", released.len());
    released.extend(gathering.finish().unwrap());
    assert_eq!(released.iter().map(|it| it.line).collect::<Vec<_>>(), [1, 3, 5, 7, 9, 11, 13, 15]);
    assert!(released.iter().all(|it| it.document.contains("\"__lines\":[{")));
}

#[test]
fn an_order_as_the_admin_api_answers_it_is_read_like_a_webhooks() {
    let webhook = order(json!({}));
    let body: Value = serde_json::from_slice(&webhook).unwrap();
    let expected = all_facts(&webhook, Some("orders/updated"));
    let answer = json!({ "order": body }).to_string();
    assert_eq!(all_facts(answer.as_bytes(), None), expected);
    // Not even a file that lies among kept payments announces one.
    assert_eq!(all_facts(answer.as_bytes(), Some("orders/paid")), expected);
    let page = json!({ "orders": [body, body] }).to_string();
    assert_eq!(rejected(page.as_bytes(), "orders/updated").code(), "several_orders");
    for order in orders(&page).unwrap().orders {
        assert_eq!(all_facts(order.as_bytes(), None), expected);
    }
    let nodes = json!({ "data": { "orders": { "nodes": [line(json!({}))] } } }).to_string();
    let edges = json!({ "data": { "orders": { "edges": [{ "node": line(json!({})) }] } } }).to_string();
    assert_eq!(orders(&nodes), orders(&edges));
    assert_eq!(orders(&nodes).unwrap().orders.len(), 1);
    for none in ["{\"note\": \"orders\"}", "{\"orders\": 5}", "{\"orders\"", "{\"orders_count\": 1}"] {
        assert_eq!(orders(none), None, "{none}");
    }
    let stub = json!({ "id": 7001, "admin_graphql_api_id": "gid://shopify/Order/7001" }).to_string();
    let Outcome::Rejected(error) = read(stub.as_bytes(), None) else { panic!() };
    assert_eq!(error.code(), "oversize_stub");
    assert!(error.to_string().contains("Admin API, read the answer with `echelon import`"), "{error}");
}

#[test]
fn the_payments_with_gift_cards_that_a_query_lists_are_paid_with_credit_and_no_more_than_the_total() {
    let by = |gateway: &str, kind: &str, status: &str, amount: &str| {
        json!({ "kind": kind, "status": status, "gateway": gateway, "processedAt": "2026-01-02T15:00:00Z",
                "amountSet": bag(amount) })
    };
    let credit = |transactions: Value| {
        let names = json!(["gift_card", "shopify_payments"]);
        let line = line(json!({ "transactions": transactions, "paymentGatewayNames": names }));
        let all = all_facts(gathered(&[line, shipment()]).as_bytes(), None);
        let paid = all.iter().filter_map(|fact| match &fact.body {
            FactBody::OrderPaid(_, paid) if fact.member().is_some() => Some(paid.charge.paid_with_credit.to_string()),
            _ => None,
        });
        paid.collect::<Vec<_>>().join(" ")
    };
    let card = by("shopify_payments", "SALE", "SUCCESS", "60.0");
    assert_eq!(credit(json!([by("gift_card", "SALE", "SUCCESS", "40.0"), card])), "40");
    assert_eq!(
        credit(json!([
            card,
            by("gift_card", "CAPTURE", "SUCCESS", "25.0"),
            by("gift_card", "SALE", "SUCCESS", "15.0")
        ])),
        "40"
    );
    assert_eq!(credit(json!([by("shopify_store_credit", "SALE", "SUCCESS", "10.0"), card])), "10");
    assert_eq!(credit(json!([by("gift_card", "SALE", "FAILURE", "40.0"), card])), "0", "it failed");
    assert_eq!(credit(json!([by("gift_card", "AUTHORIZATION", "SUCCESS", "40.0"), card])), "0", "not captured");
    assert_eq!(credit(json!([card, by("gift_card", "REFUND", "SUCCESS", "40.0")])), "0", "given back, not paid");
    assert_eq!(credit(json!([by("gift_card", "SALE", "SUCCESS", "140.0")])), "100", "no more than the total");
    assert_eq!(credit(json!([card])), "0");
}
