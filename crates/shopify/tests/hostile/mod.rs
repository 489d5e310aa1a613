//! Every document has an outcome with a reason, and never a panic or a wrong number.

use proptest::prelude::*;
use shopify::{Outcome, read, source};

use super::{order, rejected, worth};
use serde_json::{Value, json};

const TOPICS: [&str; 13] = [
    "orders/paid",
    "orders/delete",
    "orders/edited",
    "refunds/create",
    "customers/create",
    "customers/update",
    "customers/delete",
    "customer.tags_added",
    "customer.tags_removed",
    "customers/merge",
    "customers/redact",
    "shop/redact",
    "products/update",
];

fn sample() -> String {
    String::from_utf8(include_bytes!("../../benches/data/order.json").to_vec()).unwrap().trim_end().to_owned()
}

#[test]
fn a_body_that_breaks_off_anywhere_is_rejected() {
    let whole = sample();
    assert!(matches!(read(whole.as_bytes(), Some("orders/paid")), Outcome::Facts { .. }));
    for end in 0..whole.len() {
        for hint in [Some("orders/paid"), Some("products/update"), None] {
            let outcome = read(&whole.as_bytes()[..end], hint);
            assert!(matches!(outcome, Outcome::Rejected(_)), "{end} {hint:?}: {outcome:?}");
        }
    }
}

#[test]
fn an_envelope_that_breaks_off_anywhere_is_rejected() {
    let payload: Value = serde_json::from_slice(&order(json!({}))).unwrap();
    let whole = json!({ "version": "0", "detail-type": "shopifyWebhook",
                        "detail": { "metadata": { "X-Shopify-Topic": "orders/paid" }, "payload": payload } })
    .to_string();
    assert!(matches!(read(whole.as_bytes(), None), Outcome::Facts { .. }));
    for end in 0..whole.len() {
        assert!(matches!(read(&whole.as_bytes()[..end], None), Outcome::Rejected(_)), "{end}");
        source(&whole.as_bytes()[..end]);
    }
}

#[test]
fn a_wrong_type_in_any_field_is_never_a_wrong_number() {
    let whole: Value = serde_json::from_slice(&order(json!({}))).unwrap();
    let wrong = [json!(true), json!(-1), json!(1.5), json!("x"), json!([]), json!({}), json!([[1]]), json!({"id": []})];
    for key in whole.as_object().unwrap().keys() {
        for wrong in &wrong {
            let body = order(json!({ key: wrong }));
            if let Outcome::Facts { facts, .. } = read(&body, Some("orders/paid")) {
                // The field is not read, or another one takes precedence, or the value is so small that it means none.
                let facts: Vec<_> = facts.into_iter().map(|told| told.fact).collect();
                assert_eq!(worth(&facts), if key == "test" { 0 } else { 1_000_000 }, "{key} {wrong}");
            }
            for topic in TOPICS {
                read(&body, Some(topic));
            }
        }
    }
}

#[test]
fn nesting_costs_no_stack() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(5_000), close.repeat(5_000));
        let order = String::from_utf8(order(json!({ "note": "HERE" }))).unwrap();
        let passed_over = order.replace("\"HERE\"", &deep);
        assert_eq!(read(passed_over.as_bytes(), Some("orders/paid")), read(order.as_bytes(), Some("orders/paid")));
        for topic in TOPICS {
            for field in ["shipping_lines", "refunds", "detail", "tags", "id"] {
                let body = format!("{{\"id\": 1, \"{field}\": {deep}}}");
                read(body.as_bytes(), Some(topic));
            }
            if open == "[" {
                assert_eq!(rejected(deep.as_bytes(), topic).code(), "unreadable_field");
            }
        }
        read(deep.as_bytes(), None);
    }
    let envelope = "{\"detail-type\":\"shopifyWebhook\",\"detail\":{\"payload\":";
    let deep = format!("{}{{}}{}", envelope.repeat(5_000), "}}".repeat(5_000));
    assert_eq!(rejected(deep.as_bytes(), "orders/paid").code(), "missing_field");
}

#[test]
fn a_field_that_comes_twice_is_rejected() {
    let body = String::from_utf8(order(json!({}))).unwrap();
    let twice = body.replacen('{', "{\"total_price\":\"1.00\",", 1);
    let metadata = r#"{"X-Shopify-Topic":"orders/paid"}"#;
    let envelope =
        format!(r#"{{"detail-type":"shopifyWebhook","detail":{{"payload":{twice},"metadata":{metadata}}}}}"#);
    for document in [twice, envelope] {
        let rejected = rejected(document.as_bytes(), "orders/paid");
        assert_eq!(rejected.code(), "unreadable_field");
        assert!(rejected.to_string().contains("duplicate field `total_price`"), "{rejected}");
    }
}

#[test]
fn a_list_is_never_read_as_an_object_field_by_field() {
    for (field, list) in [
        ("total_price_set", json!([["1.00", "USD"]])),
        ("customer", json!([702, "gid://shopify/Customer/702"])),
        ("shipping_lines", json!([["1.00"]])),
        ("refunds", json!([[1]])),
        ("refunds", json!([null])),
    ] {
        assert_eq!(rejected(&order(json!({ field: list })), "orders/paid").code(), "unreadable_field", "{field}");
    }
    assert_eq!(rejected(b"[5001]", "orders/paid").code(), "unreadable_field");
}

#[test]
fn the_error_of_a_document_that_is_not_json_names_the_place() {
    let code = |document: &[u8]| rejected(document, "products/update").code();
    assert_eq!((code(b""), code(b" \n\t"), code(b"\xff\xfe{}")), ("empty", "empty", "not_json"));
    let broken = [
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":1}}",
        "{\"a\":[}",
        "{\"a\":{]}",
        "nul",
        "nullify",
        "\"\u{1}\"",
        "+1",
        "--",
    ];
    for document in broken {
        let as_order = rejected(document.as_bytes(), "orders/paid").code();
        assert!(matches!(as_order, "not_json" | "unreadable_field"), "{document}: {as_order}");
        if document != "{\"a\"}"
            && document != "{\"a\":}"
            && document != "{\"a\":1,}"
            && document != "{a:1}"
            && document != "--"
        {
            assert_eq!(code(document.as_bytes()), "not_json", "{document}");
        }
    }
    assert!(rejected(b"{\"a\": tru}", "orders/paid").to_string().contains("at line 1 column 10"));
}

#[test]
fn negative_and_immense_money_is_rejected() {
    for (key, amount) in [
        ("total_price", "-1.00"),
        ("current_total_price", "-0.01"),
        ("total_tax", "-8"),
        ("total_discounts", "-3"),
        ("total_price", "1000000000000"),
        ("total_price", "99999999999999999999999999999999999999999"),
    ] {
        let body = order(json!({ key: amount, format!("{key}_set"): null }));
        assert_eq!(rejected(&body, "orders/paid").code(), "unreadable_field", "{key} {amount}");
    }
}

#[test]
fn escapes_in_names_and_texts_are_read_as_what_they_mean() {
    let body = String::from_utf8(order(json!({}))).unwrap();
    let escaped = body.replace("\"financial_status\":\"paid\"", "\"financial\\u005fstatus\":\"p\\u0061id\"");
    assert_ne!(body, escaped);
    assert_eq!(read(body.as_bytes(), Some("orders/paid")), read(escaped.as_bytes(), Some("orders/paid")));
}

proptest! {
    #[test]
    fn any_bytes_have_an_outcome(bytes in prop::collection::vec(any::<u8>(), 0..300), topic in 0..TOPICS.len()) {
        read(&bytes, Some(TOPICS[topic]));
        read(&bytes, None);
        source(&bytes);
    }

    #[test]
    fn a_byte_changed_anywhere_never_panics(at in 0_usize..4_000, byte in any::<u8>(), topic in 0..TOPICS.len()) {
        let mut body = sample().into_bytes();
        body[at] = byte;
        read(&body, Some(TOPICS[topic]));
        read(&body, None);
    }
}
