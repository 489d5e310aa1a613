//! The charge of an order and the money that its refunds gave back.

use rules::fact::{Charge, FactBody, Refunded};
use rules::fact_index::FactIndex;
use rules::id::MemberId;
use serde_json::{Value, json};

use super::{all_facts, facts, ignored, order, refund};

/// The order's charge, and its refunds with their parts.
fn told_of(body: &[u8], topic: &str) -> (Charge, Vec<Refunded>) {
    let facts = facts(body, topic);
    let charge = facts.iter().find_map(|fact| match &fact.body {
        FactBody::OrderPaid(_, paid) => Some(paid.charge),
        _ => None,
    });
    let refunds = facts.iter().filter_map(|fact| match &fact.body {
        FactBody::OrderRefunded(.., refunded) => Some(*refunded),
        _ => None,
    });
    (charge.unwrap(), refunds.collect())
}

fn amounts(refunds: &[Refunded]) -> Vec<String> {
    refunds.iter().map(|refunded| refunded.amount.to_string()).collect()
}

fn without_money(id: u64, subtotal: &str) -> Value {
    let mut refund = refund(id, subtotal, "0.00");
    refund["transactions"] = json!([]);
    refund
}

#[test]
fn an_exchange_without_money_behind_it_leaves_the_order_worth_what_was_charged() {
    let exchanged = |price: &str, refunds: Value| {
        let body = json!({ "financial_status": "paid", "total_price": price, "total_price_set": null,
                           "current_total_price": "100.00", "current_total_price_set": null, "refunds": refunds });
        let (charge, refunds) = told_of(&order(body), "orders/updated");
        (charge.total.to_string(), amounts(&refunds))
    };
    let told = |total: &str, refunds: &[&str]| (total.to_owned(), refunds.iter().map(ToString::to_string).collect());
    assert_eq!(exchanged("100.00", json!([without_money(31, "100.00")])), told("100", &["0"]));
    // A swap by an edit lists the old article in the price too; and back again.
    assert_eq!(exchanged("200.00", json!([without_money(31, "100.00")])), told("100", &["0"]));
    let twice = json!([without_money(31, "100.00"), without_money(32, "100.00")]);
    assert_eq!(exchanged("300.00", twice), told("100", &["0", "0"]));
    // A return for money after the exchange is a refund.
    let body = json!({ "financial_status": "partially_refunded", "current_total_price": "60.00", "current_total_price_set": null,
                       "refunds": [without_money(31, "100.00"), refund(32, "40.00", "0.00")] });
    let (charge, refunds) = told_of(&order(body), "orders/updated");
    assert_eq!((charge.total.to_string(), amounts(&refunds)), told("100", &["0", "40"]));
}

#[test]
fn a_refund_that_failed_and_was_repeated_gives_back_its_money_once() {
    let mut failed = refund(31, "40.00", "0.00");
    failed["transactions"] = json!([{ "kind": "refund", "status": "failure" }]);
    let body = json!({ "financial_status": "partially_refunded", "current_total_price": "60.00", "current_total_price_set": null,
                       "refunds": [failed, refund(32, "40.00", "0.00")] });
    let (charge, refunds) = told_of(&order(body), "orders/updated");
    assert_eq!(
        (charge.total.to_string(), amounts(&refunds)),
        ("100".to_owned(), vec!["0".to_owned(), "40".to_owned()])
    );
}

#[test]
fn refunds_that_show_no_transactions_give_back_no_more_than_the_price_and_the_rest_differ_by() {
    let mut plain = refund(31, "100.00", "0.00");
    plain.as_object_mut().unwrap().remove("transactions");
    let mut second = plain.clone();
    second["id"] = json!(32);
    second["admin_graphql_api_id"] = json!("gid://shopify/Refund/32");
    let body = json!({ "financial_status": "refunded", "current_total_price": "0.00", "current_total_price_set": null,
                       "refunds": [plain, second] });
    let (charge, refunds) = told_of(&order(body), "orders/updated");
    assert_eq!(
        (charge.total.to_string(), amounts(&refunds)),
        ("100".to_owned(), vec!["0".to_owned(), "100".to_owned()])
    );
}

#[test]
fn gift_cards_bought_and_orders_paid_with_credit_are_named() {
    let lines = json!([
        { "gift_card": true, "price": "30.00", "quantity": 2, "discount_allocations": [{ "amount": "5.00" }] },
        { "gift_card": false, "price": "45.00", "quantity": 1 }
    ]);
    let (charge, _) = told_of(&order(json!({ "line_items": lines })), "orders/paid");
    assert_eq!((charge.gift_cards.to_string(), charge.paid_with_credit.to_string()), ("55".into(), "0".into()));
    let credit = |names: Value| {
        let (charge, _) = told_of(&order(json!({ "payment_gateway_names": names })), "orders/paid");
        charge.paid_with_credit.to_string()
    };
    assert_eq!(credit(json!(["gift_card"])), "100");
    assert_eq!(credit(json!(["gift_card", "shopify_store_credit"])), "100");
    assert_eq!(credit(json!(["gift_card", "shopify_payments"])), "0", "how much was paid in which way is not said");
    assert_eq!(credit(json!([])), "0");
}

#[test]
fn tips_and_duties_are_parts_of_the_total_and_an_outstanding_balance_is_not() {
    let duties = |amount: &str| json!({ "shop_money": { "amount": amount, "currency_code": "USD" } });
    let body = json!({ "total_tip_received": "7.00", "original_total_duties_set": duties("20.00"),
                       "current_total_duties_set": duties("12.00"), "total_outstanding": "25.00" });
    let (charge, _) = told_of(&order(body), "orders/updated");
    // Each part is paid in the same proportion.
    let parts = [charge.total, charge.tips, charge.duties, charge.tax].map(|part| part.to_string());
    assert_eq!(parts, ["75", "5.25", "9", "6"]);
    // An order that was created as paid, without a payment, is outstanding as a whole.
    let (charge, _) = told_of(&order(json!({ "total_outstanding": "100.00" })), "orders/updated");
    assert_eq!(charge.total.to_string(), "100");
}

#[test]
fn a_refund_names_the_tax_shipping_duties_and_gift_cards_that_it_gives_back() {
    let mut back = refund(31, "40.00", "3.20");
    let money = |amount: &str| json!({ "shop_money": { "amount": amount, "currency_code": "USD" } });
    back["refund_line_items"][0]["line_item"] = json!({ "gift_card": true });
    back["refund_shipping_lines"] = json!([{ "subtotal_amount_set": money("5.00") }]);
    back["total_duties_set"] = money("2.00");
    let body = json!({ "financial_status": "partially_refunded", "current_total_price": "49.80", "current_total_price_set": null,
                       "current_total_tax": "4.80", "refunds": [back] });
    let (charge, refunds) = told_of(&order(body), "orders/updated");
    let [Refunded { amount, parts }] = refunds[..] else { panic!("{refunds:?}") };
    assert_eq!((charge.total.to_string(), amount.to_string()), ("100".into(), "50.2".into()));
    let parts = parts.each().map(|part| part.map(|part| part.to_string()));
    assert_eq!(parts.each_ref().map(Option::as_deref), [Some("3.2"), Some("5"), None, Some("2"), Some("40")]);
}

#[test]
fn an_exchange_for_a_cheaper_article_gives_back_the_difference() {
    // The refund lists the whole article; its transaction is of the difference.
    let body = json!({ "financial_status": "partially_refunded", "current_total_price": "60.00", "current_total_price_set": null,
                       "refunds": [refund(31, "100.00", "0.00")] });
    let (charge, refunds) = told_of(&order(body), "orders/updated");
    assert_eq!((charge.total.to_string(), amounts(&refunds)), ("100".to_owned(), vec!["40".to_owned()]));
}

#[test]
fn a_gift_card_that_an_edit_took_out_was_not_bought() {
    let mut taken_out = without_money(31, "30.00");
    taken_out["refund_line_items"][0]["line_item"] = json!({ "gift_card": true });
    let lines = json!([{ "gift_card": true, "price": "30.00", "quantity": 1 }, { "price": "70.00", "quantity": 1 }]);
    let body = json!({ "current_total_price": "70.00", "current_total_price_set": null, "refunds": [taken_out],
                       "line_items": lines });
    let (charge, _) = told_of(&order(body), "orders/updated");
    assert_eq!((charge.total.to_string(), charge.gift_cards.to_string()), ("70".into(), "0".into()));
}

/// A refund of articles at this price, of which only so much money was given back.
fn with_money(id: u64, subtotal: &str, money: &str) -> Value {
    let mut refund = refund(id, subtotal, "0.00");
    refund["transactions"] = json!([{ "kind": "refund", "status": "success", "amount": money, "currency": "USD" }]);
    refund
}

#[test]
fn a_swap_for_a_cheaper_article_is_never_worth_more_than_was_charged() {
    // The old article of 100 and the new one of 60 are both in the price; 40 were given back.
    let body = json!({ "financial_status": "partially_refunded", "total_price": "160.00", "total_price_set": null,
                       "current_total_price": "60.00", "current_total_price_set": null,
                       "refunds": [with_money(31, "100.00", "40.00")] });
    let (charge, refunds) = told_of(&order(body), "orders/updated");
    assert_eq!((charge.total.to_string(), amounts(&refunds)), ("100".to_owned(), vec!["40".to_owned()]));
    let alone = with_money(31, "100.00", "40.00").to_string();
    let FactBody::OrderRefunded(.., alone) = &facts(alone.as_bytes(), "refunds/create")[0].body else { panic!() };
    assert_eq!(alone.amount.to_string(), "40");
}

#[test]
fn a_return_against_a_balance_gives_back_what_was_paid_and_no_more() {
    // Of 100, 80 were paid; 50 came back, which ended the balance of 20 and left 30 to be given back.
    let body = json!({ "financial_status": "partially_refunded", "current_total_price": "50.00", "current_total_price_set": null,
                       "total_outstanding": "0.00", "refunds": [with_money(31, "50.00", "30.00")] });
    let (charge, refunds) = told_of(&order(body), "orders/updated");
    assert_eq!((charge.total.to_string(), amounts(&refunds)), ("80".to_owned(), vec!["30".to_owned()]));
}

#[test]
fn edits_from_one_article_to_another_and_back_leave_the_order_worth_what_was_charged() {
    // Paid 100 for A; A became B of 130, whose balance was paid; and became A again, with 30 given back. All three are in
    // the price.
    let body = json!({ "financial_status": "partially_refunded", "total_price": "330.00", "total_price_set": null,
                       "current_total_price": "100.00", "current_total_price_set": null,
                       "refunds": [without_money(31, "100.00"), with_money(32, "130.00", "30.00")] });
    let (charge, refunds) = told_of(&order(body), "orders/updated");
    let given_back = vec!["0".to_owned(), "30".to_owned()];
    assert_eq!((charge.total.to_string(), amounts(&refunds)), ("130".to_owned(), given_back));
    // Without money in either direction nothing was charged besides.
    let body = json!({ "total_price": "300.00", "total_price_set": null,
                       "refunds": [without_money(31, "100.00"), without_money(32, "100.00")] });
    let (charge, refunds) = told_of(&order(body), "orders/updated");
    assert_eq!((charge.total.to_string(), amounts(&refunds)), ("100".to_owned(), vec!["0".to_owned(), "0".to_owned()]));
}

#[test]
fn returned_shipping_takes_its_tax_with_it() {
    let mut back = refund(31, "0.00", "0.00");
    back["refund_line_items"] = json!([]);
    back["refund_shipping_lines"] = json!([{
        "subtotal_amount_set": { "shop_money": { "amount": "2.50", "currency_code": "USD" } },
        "shipping_line": { "price": "5.00", "discounted_price": "5.00", "tax_lines": [{ "price": "0.95" }] }
    }]);
    let body = json!({ "financial_status": "partially_refunded", "current_total_price": "97.02", "current_total_price_set": null,
                       "current_total_tax": "7.52", "refunds": [back] });
    let (charge, refunds) = told_of(&order(body), "orders/updated");
    let [Refunded { amount, parts }] = refunds[..] else { panic!("{refunds:?}") };
    assert_eq!((charge.total.to_string(), charge.tax.to_string()), ("99.995".into(), "7.995".into()));
    assert_eq!(
        (amount.to_string(), parts.tax.unwrap().to_string(), parts.shipping.unwrap().to_string()),
        ("2.975".into(), "0.475".into(), "2.5".into())
    );
}

#[test]
fn a_tax_in_the_price_is_given_back_once() {
    let refunded = |subtotal: &str| {
        let body = json!({ "taxes_included": true, "total_price": "119.00", "total_price_set": null, "total_tax": "19.00",
                           "current_total_price": "59.50", "current_total_price_set": null, "current_total_tax": "9.50",
                           "financial_status": "partially_refunded", "shipping_lines": [],
                           "refunds": [refund(31, subtotal, "9.50")] });
        let (charge, refunds) = told_of(&order(body), "orders/updated");
        let [Refunded { amount, parts }] = refunds[..] else { panic!("{refunds:?}") };
        [charge.total, charge.tax, amount, parts.tax.unwrap()].map(|amount| amount.to_string())
    };
    // A subtotal with the tax in it, and one without it.
    for subtotal in ["59.50", "50.00"] {
        assert_eq!(refunded(subtotal), ["119", "19", "59.5", "9.5"], "{subtotal}");
    }
}

#[test]
fn a_tip_that_is_given_back_is_named_as_one() {
    let mut back = refund(31, "7.00", "0.00");
    back["refund_line_items"][0]["line_item"] = json!({ "tip_payment_gateway": null, "tip_payment_method": "Visa" });
    let body = json!({ "financial_status": "partially_refunded", "current_total_price": "93.00", "current_total_price_set": null,
                       "total_tip_received": "7.00", "refunds": [back] });
    let (charge, refunds) = told_of(&order(body), "orders/updated");
    let [Refunded { amount, parts }] = refunds[..] else { panic!("{refunds:?}") };
    assert_eq!((charge.tips.to_string(), amount.to_string()), ("7".into(), "7".into()));
    assert_eq!(parts.tips.unwrap().to_string(), "7");
}

#[test]
fn a_deposit_counts_nothing_until_the_rest_is_paid_and_then_on_that_day() {
    let deposit = order(json!({ "financial_status": "partially_paid", "total_outstanding": "80.00" }));
    assert_eq!(ignored(&deposit, "orders/updated"), "not_paid");
    assert_eq!(day_of(&[(&order(json!({})), "orders/paid")]), "2026-01-02T15:00:00Z");
}

/// The day that the order counts for, once these documents have come in this order.
fn day_of(documents: &[(&[u8], &str)]) -> String {
    let mut index = FactIndex::new();
    for (document, topic) in documents {
        for fact in all_facts(document, Some(topic)) {
            index.apply(fact);
        }
    }
    let ledger = index.ledger(&MemberId::new("701").unwrap()).unwrap();
    let [order] = ledger.orders() else { panic!("{:?}", ledger.orders()) };
    assert_eq!(order.charge.total.to_string(), "100");
    order.at.to_string()
}

#[test]
fn an_order_counts_for_the_day_on_which_its_payment_was_announced() {
    assert_eq!(day_of(&[(&order(json!({})), "orders/paid")]), "2026-01-02T15:00:00Z");
    for topic in ["orders/create", "orders/updated", "orders/fulfilled"] {
        assert_eq!(day_of(&[(&order(json!({})), topic)]), "2026-01-01T04:59:59Z", "{topic} announces no payment");
    }
}

#[test]
fn an_order_paid_at_the_checkout_counts_for_the_day_on_which_it_was_placed() {
    // Placed a second before New Year, announced two seconds after it.
    let at = |updated_at: &str| order(json!({ "updated_at": updated_at }));
    assert_eq!(day_of(&[(&at("2026-01-01T00:00:02-05:00"), "orders/paid")]), "2026-01-01T04:59:59Z");
    assert_eq!(day_of(&[(&at("2026-01-01T09:00:00-05:00"), "orders/paid")]), "2026-01-01T14:00:00Z");
}

#[test]
fn a_second_announcement_of_payment_does_not_move_the_order() {
    let at = |updated_at: &str| order(json!({ "updated_at": updated_at }));
    let (checkout, late) = (at("2026-01-01T00:00:02-05:00"), at("2026-01-03T10:00:00-05:00"));
    let (balance, snapshot) = (at("2027-02-01T10:00:00-05:00"), at("2027-02-02T10:00:00-05:00"));
    // The balance of an edit is paid a year later. In whatever order the documents come, the first payment gives the day.
    for (first, day) in [(&checkout, "2026-01-01T04:59:59Z"), (&late, "2026-01-03T15:00:00Z")] {
        let mut documents = [(&**first, "orders/paid"), (&*balance, "orders/paid"), (&*snapshot, "orders/updated")];
        for _ in 0..3 {
            documents.rotate_left(1);
            assert_eq!(day_of(&documents), day);
            let swapped = [documents[1], documents[0], documents[2]];
            assert_eq!(day_of(&swapped), day);
        }
    }
}

/// Money in the shop's currency and in the customer's.
fn in_both(shop: &str, customer: &str) -> Value {
    json!({ "shop_money": { "amount": shop, "currency_code": "EUR" },
            "presentment_money": { "amount": customer, "currency_code": "USD" } })
}

/// A refund of one line, with a transaction in the customer's currency.
fn refund_in(currency: &str, money: &str, line: &Value) -> Value {
    json!({ "id": 31, "admin_graphql_api_id": "gid://shopify/Refund/31", "order_id": 5001,
            "created_at": "2026-01-02T10:00:00-05:00", "processed_at": "2026-01-02T10:00:00-05:00",
            "refund_line_items": [{ "subtotal_set": line }], "order_adjustments": [],
            "transactions": [{ "kind": "refund", "status": "success", "amount": money, "currency": currency }] })
}

/// From a public report: an article of 400 was exchanged for one of 300, and the difference given back in dollars.
#[test]
fn an_exchange_whose_difference_is_given_back_in_the_customers_currency_is_worth_what_was_charged() {
    let exchanged = |currency: &str, money: &str, price: Value, line: Value| {
        let body = json!({ "financial_status": "partially_refunded", "currency": "EUR", "total_price_set": price,
                           "total_price": "700.00", "current_total_price": "300.00", "current_total_price_set": null,
                           "total_tax": "0.00", "total_tax_set": null, "current_total_tax_set": null, "tax_lines": [],
                           "shipping_lines": [], "refunds": [refund_in(currency, money, &line)] });
        let (charge, refunds) = told_of(&order(body), "orders/updated");
        (charge.total.to_string(), amounts(&refunds))
    };
    let told = |total: &str, refunded: &str| (total.to_owned(), vec![refunded.to_owned()]);
    let (price, line) = (in_both("700.00", "770.00"), in_both("400.00", "440.00"));
    assert_eq!(exchanged("EUR", "100.00", price.clone(), line.clone()), told("400", "100"));
    assert_eq!(exchanged("USD", "110.00", price.clone(), line.clone()), told("400", "100"));
    // The line of the refund has the rate as well; and rounding takes no cent off a refund of all of it.
    let plain = json!({ "shop_money": { "amount": "700.00", "currency_code": "EUR" } });
    assert_eq!(exchanged("USD", "110.00", plain.clone(), line.clone()), told("400", "100"));
    assert_eq!(
        exchanged("USD", "436.04", in_both("700.00", "763.10"), in_both("400.00", "436.04")),
        told("700", "400")
    );
    // Without any rate, only that money moved is known.
    let no_rate = json!({ "shop_money": { "amount": "400.00", "currency_code": "EUR" } });
    assert_eq!(exchanged("USD", "110.00", plain, no_rate), told("700", "400"));
}

#[test]
fn a_refund_alone_in_the_customers_currency_gives_back_what_it_moved() {
    let body = refund_in("USD", "110.00", &in_both("400.00", "440.00")).to_string();
    let facts = facts(body.as_bytes(), "refunds/create");
    let FactBody::OrderRefunded(.., refunded) = &facts[0].body else { panic!("{facts:?}") };
    assert_eq!(refunded.amount.to_string(), "100");
}
