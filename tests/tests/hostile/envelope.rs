//! Messages that are not events, and events of no shop.

use serde_json::{Value, json};
use store::records::Reason::{self, Invalid, NotAnEvent, UnknownShop, UnknownSource, UnknownTopic};

use crate::case::{Applied, Case, Ignored, case, of_no_shop, quarantined, wrong};
use crate::told::{order, refund, with, without};

/// A message as the bus delivers it, with any text for its detail.
fn message(source: &str, kind: &str, detail: &str) -> String {
    format!(
        r#"{{"version":"0","source":"{source}","detail-type":"{kind}","time":"2024-05-01T10:00:00Z","detail":{detail}}}"#
    )
}

/// Acme's own order, with any text for its detail.
fn told(detail: &str) -> String {
    message("echelon.shop/acme", "order.paid", detail)
}

fn of(source: &str) -> String {
    message(source, "order.paid", &order(json!({})).to_string())
}

/// All cases of messages.
pub fn cases() -> Vec<Case> {
    [no_events(), details(), documents(), sources(), shopify()].concat()
}

fn no_events() -> Vec<Case> {
    let whole = of("echelon.shop/acme");
    let none = |name, body: &str| case(name).message(body, of_no_shop(NotAnEvent, &[])).unknown("anna");
    vec![
        none("nothing", ""),
        none("words", "an order of 120 dollars"),
        none("null", "null"),
        none("a list", &format!("[{whole}]")),
        none("an event without its envelope", &order(json!({})).to_string()),
        none("an event that breaks off", &whole[..whole.len() - 1]),
        none("an event and something behind it", &format!("{whole} {whole}")),
        none("an event behind a byte order mark", &format!("\u{feff}{whole}")),
        none("an event in single quotes", &whole.replace('"', "'")),
        none("an event without a detail", r#"{"source":"echelon.shop/acme","detail-type":"order.paid"}"#),
        none("an event without a source", r#"{"detail-type":"order.paid","detail":{}}"#),
        none("an event from two sources", &whole.replacen('{', r#"{"source":"echelon.shop/other","#, 1)),
        none("ten thousand lists in one another", &"[".repeat(10_000)),
        none("256 KB of the same letter", &"x".repeat(256 * 1024)),
        case("an envelope at a time that is none")
            .message(whole.replace(r#""time":"2024-05-01T10:00:00Z""#, r#""time":"noon""#), Applied)
            .stands("anna", "silver", "120.00"),
    ]
}

fn details() -> Vec<Case> {
    let good = order(json!({})).to_string();
    let bad = |name, detail: &str, paths| case(name).message(told(detail), quarantined(Invalid, paths)).unknown("anna");
    let deep = format!(r#"{{"member_id":{}0{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    vec![
        bad("a detail that is a text", &json!(good).to_string(), &["$.detail"]),
        bad("a detail that is a list", &format!("[{good}]"), &["$.detail"]),
        bad("a detail that is null", "null", &["$.detail"]),
        bad(
            "a detail of another type than its envelope",
            &with(order(json!({})), json!({ "type": "points.earned" })).to_string(),
            &["$.detail-type", "$.detail.type"],
        ),
        bad(
            "a detail whose type is null",
            &with(order(json!({})), json!({ "type": null })).to_string(),
            &["$.detail-type", "$.detail.type"],
        ),
        bad("a detail ten thousand lists deep", &deep, &["$.detail"]),
        bad("a detail with half a letter", &good.replace("anna", r"\ud83e"), &["$.detail"]),
        bad("a total beyond all numbers", &good.replace(r#""120""#, "1e400"), &["$.detail"]),
        bad("two totals, of which either may be meant", &good.replace('{', r#"{"total":"600","#), &["$.total"]),
        bad("two members", &good.replace('{', r#"{"member_id":"ben","#), &["$.member_id"]),
        case("a detail without a type has its envelope's")
            .message(told(&without(order(json!({})), "type").to_string()), Applied)
            .stands("anna", "silver", "120.00"),
        case("an event of an unknown type").event(
            with(order(json!({})), json!({ "type": "order.payed" })),
            wrong(&["$.type"], "is not an event; write one of"),
        ),
        case("a program by way of facts").event(
            json!({ "type": "program.published", "occurred_at": "2024-05-01T10:00:00Z", "program": {} }),
            wrong(&["$.type"], "is not an event"),
        ),
        case("an unknown field")
            .event(order(json!({ "colour": "red" })), wrong(&["$.colour"], "is not known here; the fields are")),
        case("fields that would be another object's in a careless language")
            .event(order(json!({ "__proto__": { "total": "600" } })), wrong(&["$.__proto__"], "is not known here")),
        case("everything wrong at once is told at once").event(
            json!({ "type": "order.paid", "order_id": "", "total": "x", "currency": "y", "occurred_at": "z" }),
            quarantined(Invalid, &["$.order_id", "$.occurred_at", "$.total", "$.currency"]),
        ),
        case("250 KB in one field")
            .event(order(json!({ "note": "x".repeat(250 * 1024) })), wrong(&["$.note"], "is not known here")),
    ]
}

/// Several facts in one event: all of them are taken in, or none.
fn documents() -> Vec<Case> {
    let document = |facts: Value| {
        message("echelon.shop/acme", "document", &json!({ "type": "document", "facts": facts }).to_string())
    };
    let (paid, refund) = (order(json!({})), refund(json!({})));
    let bad =
        |name, facts: Value, paths| case(name).message(document(facts), quarantined(Invalid, paths)).unknown("anna");
    let erasure = json!({ "type": "customer.erased", "member_id": "anna", "occurred_at": "2024-05-01T10:00:00Z" });
    vec![
        case("a document of one fact").message(document(json!([paid])), Applied).stands("anna", "silver", "120.00"),
        bad("a document without facts", Value::Null, &["$.facts"]),
        bad("a document of no facts", json!([]), &["$.facts"]),
        bad("a document whose facts are an object", paid.clone(), &["$.facts"]),
        bad("a document with a fact that is a text", json!([paid, "refund"]), &["$.facts[1]"]),
        bad(
            "a document within a document",
            json!([paid, { "type": "document", "facts": [refund] }]),
            &["$.facts[1].type"],
        ),
        bad("a document of 201 facts", Value::Array(vec![paid.clone(); 201]), &["$.facts"]),
        case("a document that says of all its facts what none of them says")
            .message(
                message(
                    "echelon.shop/acme",
                    "document",
                    &json!({ "type": "document", "facts": [paid], "imported": true }).to_string(),
                ),
                quarantined(Invalid, &["$.imported"]),
            )
            .unknown("anna"),
        bad("an erasure hidden in a document", json!([paid, erasure]), &["$.facts[1]"]),
        bad(
            "a document in which one fact is wrong",
            json!([paid, with(refund.clone(), json!({ "amount": "x" }))]),
            &["$.facts[1].amount"],
        ),
    ]
}

fn sources() -> Vec<Case> {
    let unknown = |name, source: &str| case(name).message(of(source), of_no_shop(UnknownSource, &[])).unknown("anna");
    vec![
        unknown("an event from somewhere else", "com.example.orders"),
        unknown("an event from a source that begins almost right", "echelon.shopacme"),
        unknown("an event of no shop", "echelon.shop/"),
        unknown("a shop that looks like a key", "echelon.shop/acme#program"),
        unknown("a shop with a tab", r"echelon.shop/acme\t"),
        unknown("a shop of 300 letters", &format!("echelon.shop/{}", "x".repeat(300))),
        unknown("a shop in letters that look like others", "echelon.shop/\u{430}cme"),
        case("a shop in capitals is the same shop")
            .message(of("echelon.shop/ACME"), Applied)
            .stands("anna", "silver", "120.00"),
        case("a shop without a program")
            .message(of("echelon.shop/unknown"), quarantined(UnknownShop, &[]).of("unknown"))
            .unknown("anna"),
    ]
}

fn shopify() -> Vec<Case> {
    let hook = |metadata: Value, payload: Value| {
        let detail = json!({ "metadata": metadata, "payload": payload }).to_string();
        message("aws.partner/shopify.com/1/webhooks", "shopifyWebhook", &detail)
    };
    let of = |topic: &str| json!({ "X-Shopify-Topic": topic, "X-Shopify-Shop-Domain": "acme" });
    let paid = json!({ "id": 1, "created_at": "2024-05-02T09:59:00Z", "updated_at": "2024-05-02T09:59:01Z", "currency": "USD",
                       "financial_status": "paid", "total_price": "120.00", "current_total_price": "120.00",
                       "total_tax": "0.00", "total_discounts": "0.00", "taxes_included": false, "shipping_lines": [],
                       "refunds": [], "customer": { "id": 42 } });
    let good = case("a webhook that is as it should be").message(hook(of("orders/paid"), paid.clone()), Applied);
    let bad = |name, changes: Value, reason: Reason, paths| {
        case(name)
            .message(hook(of("orders/paid"), with(paid.clone(), changes)), quarantined(reason, paths))
            .unknown("42")
    };
    vec![
        good.stands("42", "silver", "120.00"),
        case("a webhook without a topic")
            .message(
                hook(json!({ "X-Shopify-Shop-Domain": "acme" }), paid.clone()),
                quarantined(Invalid, &["$.detail.metadata.X-Shopify-Topic"]),
            )
            .unknown("42"),
        case("a webhook of an unknown topic")
            .message(hook(of("orders/unheard_of"), paid.clone()), quarantined(UnknownTopic, &[]))
            .unknown("42"),
        case("a webhook of nothing that tiers depend on")
            .message(hook(of("products/update"), json!({ "id": 1 })), Ignored),
        case("a webhook of no shop")
            .message(
                hook(json!({ "X-Shopify-Topic": "orders/paid" }), paid.clone()),
                of_no_shop(UnknownSource, &["$.detail.metadata.X-Shopify-Shop-Domain"]),
            )
            .unknown("42"),
        case("a webhook of a shop that is none")
            .message(
                hook(json!({ "X-Shopify-Topic": "orders/paid", "X-Shopify-Shop-Domain": "acme#order" }), paid.clone()),
                of_no_shop(UnknownSource, &["$.detail.metadata.X-Shopify-Shop-Domain"]),
            )
            .unknown("42"),
        case("a webhook at a time that is none")
            .message(
                hook(of("orders/paid"), paid.clone()).replace("2024-05-01T10:00:00Z", "noon"),
                quarantined(Invalid, &["$.time"]),
            )
            .unknown("42"),
        bad("a webhook with a negative total", json!({ "total_price": "-120.00" }), Invalid, &["$.total_price"]),
        bad(
            "a webhook with a total of too many decimals",
            json!({ "total_price": "120.00001" }),
            Invalid,
            &["$.total_price"],
        ),
        bad("a webhook with a customer of words", json!({ "customer": { "id": "anna" } }), Invalid, &["$.customer.id"]),
        bad("a webhook without a date", json!({ "created_at": null, "updated_at": null }), Invalid, &["$.updated_at"]),
        case("a webhook whose order is a text")
            .message(hook(of("orders/paid"), json!("an order")), quarantined(Invalid, &["$.detail.payload"])),
        case("a webhook that tells its total twice").message(
            hook(of("orders/paid"), paid).replacen(r#""total_price":"#, r#""total_price":"600.00","total_price":"#, 1),
            quarantined(Invalid, &["$"]),
        ),
    ]
}
