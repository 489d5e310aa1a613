//! Money and points that were never paid.

use serde_json::{Value, json};

use crate::case::{Applied, Case, Superseded, case, wrong};
use crate::told::{canceled, earned, order, refund, with, without};

const TOTAL: &[&str; 1] = &["$.total"];
const POINTS: &[&str; 1] = &["$.points"];

fn total(total: Value) -> Value {
    order(json!({ "total": total }))
}

/// All cases of money.
pub fn cases() -> Vec<Case> {
    [totals(), parts(), currencies(), refunds(), points()].concat()
}

fn totals() -> Vec<Case> {
    let no_number = "is not a decimal number such as";
    vec![
        case("an order of minus ten dollars").event(total(json!("-10")), wrong(TOTAL, "must not be negative")),
        case("an order of minus nothing").event(total(json!("-0")), Applied).stands("anna", "", "0.00"),
        case("an order without a total").event(without(order(json!({})), "total"), wrong(TOTAL, "is missing")),
        case("a total of null").event(total(json!(null)), wrong(TOTAL, "is missing")),
        case("a total that says nothing").event(total(json!("")), wrong(TOTAL, no_number)),
        case("a total in powers of ten").event(total(json!("1e3")), wrong(TOTAL, no_number)),
        case("a total that is no number").event(total(json!("NaN")), wrong(TOTAL, no_number)),
        case("a total without end").event(total(json!("Infinity")), wrong(TOTAL, no_number)),
        case("a total with a comma between thousands").event(total(json!("1,000.00")), wrong(TOTAL, no_number)),
        case("a total with a comma for a point").event(total(json!("10,50")), wrong(TOTAL, no_number)),
        case("a total with its currency").event(total(json!("$120")), wrong(TOTAL, no_number)),
        case("a total with spaces around it").event(total(json!(" 120 ")), wrong(TOTAL, no_number)),
        case("a total in digits of another script").event(total(json!("١٢٠")), wrong(TOTAL, no_number)),
        case("a total with a plus").event(total(json!("+120")), wrong(TOTAL, no_number)),
        case("a total in hexadecimal").event(total(json!("0x78")), wrong(TOTAL, no_number)),
        case("a total as a float computes it, 0.1 + 0.2")
            .event(total(json!(0.1 + 0.2)), wrong(TOTAL, "must be written as a text")),
        case("a total in a list").event(total(json!(["120"])), wrong(TOTAL, "must be a text, not a list")),
        case("a total that is true").event(total(json!(true)), wrong(TOTAL, "must be a text, not a boolean")),
        case("a total with five decimals").event(total(json!("10.00001")), wrong(TOTAL, "has more than 4 decimals")),
        case("a total of a million millions")
            .event(total(json!("1000000000000")), wrong(TOTAL, "must be below 1000000000000")),
        case("a total of ten thousand digits").event(total(json!("9".repeat(10_000))), wrong(TOTAL, "must be below")),
        case("a hundred totals as large as may be, which add up exactly")
            .events((0..100).map(|n| (order(json!({ "order_id": n, "total": "999999999999.99" })), Applied)))
            .stands("anna", "gold", "99999999999999.00"),
    ]
}

fn parts() -> Vec<Case> {
    vec![
        case("more tax than was paid is worth nothing where tax does not count")
            .without_tax()
            .event(order(json!({ "tax": "500" })), Applied)
            .stands("anna", "", "0.00"),
        case("a negative tax").event(order(json!({ "tax": "-1" })), wrong(&["$.tax"], "must not be negative")),
        case("negative shipping")
            .event(order(json!({ "shipping": "-1" })), wrong(&["$.shipping"], "must not be negative")),
        case("a negative discount")
            .event(order(json!({ "discounts": "-1" })), wrong(&["$.discounts"], "must not be negative")),
        case("a test order that says so in words")
            .event(order(json!({ "test": "false" })), wrong(&["$.test"], "must be true or false, not a text")),
    ]
}

fn currencies() -> Vec<Case> {
    let foreign = |rate: &str| order(json!({ "currency": "EUR", "exchange_rate": rate }));
    const RATE: &[&str; 1] = &["$.exchange_rate"];
    const CURRENCY: &[&str; 1] = &["$.currency"];
    let code = "is not an ISO 4217 currency code";
    vec![
        case("a currency in small letters").event(order(json!({ "currency": "usd" })), wrong(CURRENCY, code)),
        case("a currency of no country").event(order(json!({ "currency": "BTC" })), wrong(CURRENCY, code)),
        case("a currency that is none").event(order(json!({ "currency": "" })), wrong(CURRENCY, code)),
        case("a code that is reserved for tests")
            .event(order(json!({ "currency": "XTS", "exchange_rate": "1" })), Applied)
            .stands("anna", "silver", "120.00"),
        case("another currency without a rate is kept and not counted")
            .event(order(json!({ "currency": "EUR" })), Applied)
            .stands("anna", "", "0.00"),
        case("a rate of nothing makes an order worth nothing").event(foreign("0"), Applied).stands("anna", "", "0.00"),
        case("a negative rate").event(foreign("-1.1"), wrong(RATE, "must not be negative")),
        case("a rate beyond all currencies").event(foreign("1000000000"), wrong(RATE, "must be below 1000000000")),
        case("a rate with eleven decimals").event(foreign("1.00000000001"), wrong(RATE, "has more than 10 decimals")),
        case("the largest total at the largest rate")
            .event(with(foreign("999999999.9999999999"), json!({ "total": "999999999999.9999" })), Applied)
            .stands("anna", "gold", "999999999999999899900.00"),
    ]
}

fn refunds() -> Vec<Case> {
    const AMOUNT: &[&str; 1] = &["$.amount"];
    let bought = |name| case(name).event(order(json!({})), Applied);
    vec![
        bought("more given back than was paid leaves nothing, and not less")
            .event(refund(json!({ "amount": "500" })), Applied)
            .stands("anna", "", "0.00"),
        bought("nothing given back changes nothing")
            .event(refund(json!({ "amount": "0" })), Applied)
            .stands("anna", "silver", "120.00"),
        bought("a negative refund")
            .event(refund(json!({ "amount": "-20" })), wrong(AMOUNT, "must not be negative"))
            .stands("anna", "silver", "120.00"),
        bought("the same refund under the same key, and another amount")
            .event(refund(json!({ "amount": "20" })), Applied)
            .event(refund(json!({ "amount": "10" })), Superseded)
            .event(refund(json!({ "amount": "30" })), Applied)
            .stands("anna", "", "90.00"),
    ]
}

fn points() -> Vec<Case> {
    let whole = "must be a whole number from 1 to 999999999999";
    let points = |points: Value| earned(json!({ "points": points }));
    vec![
        case("half a point").event(points(json!(0.5)), wrong(POINTS, whole)),
        case("half a point, as text").event(points(json!("0.5")), wrong(POINTS, whole)),
        case("no points").event(points(json!(0)), wrong(POINTS, whole)),
        case("minus five points earned").event(points(json!(-5)), wrong(POINTS, whole)),
        case("an adjustment by nothing")
            .event(earned(json!({ "type": "points.adjusted", "points": 0 })), wrong(POINTS, "must not be 0")),
        case("points beyond the limit").event(points(json!(1_000_000_000_000_i64)), wrong(POINTS, whole)),
        case("points beyond 64 bits").event(points(json!(u64::MAX)), wrong(POINTS, whole)),
        case("more points taken back than there were leaves none, and not fewer")
            .counting_points()
            .event(points(json!(120)), Applied)
            .event(canceled(json!({ "points": 5_000 })), Applied)
            .event(canceled(json!({ "cancel_id": "c2" })), Applied)
            .stands("anna", "", "0"),
        case("minus five points taken back")
            .counting_points()
            .event(points(json!(120)), Applied)
            .event(canceled(json!({ "points": -5 })), wrong(POINTS, whole))
            .stands("anna", "silver", "120"),
        case("an adjustment far below nothing")
            .counting_points()
            .event(earned(json!({ "type": "points.adjusted", "points": -999_999_999_999_i64 })), Applied)
            .stands("anna", "", "-999999999999"),
    ]
}
