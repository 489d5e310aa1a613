//! Whatever arrives, there is an outcome with a reason, never a panic and never a wrong number.

use proptest::prelude::*;
use service::wire::shopify::{Outcome, Rejected, read, source};

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
                // The field is not read, or another outranks it, or it says so little that it means none.
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
fn nesting_has_an_end() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(5_000), close.repeat(5_000));
        let body = format!("{{\"id\": 1, \"note\": {deep}}}");
        assert_eq!(rejected(body.as_bytes(), "orders/paid"), Rejected::TooDeep);
        assert_eq!(
            rejected(format!("{{\"shipping_lines\": {deep}}}").as_bytes(), "orders/paid").code(),
            "unreadable_field"
        );
        for topic in TOPICS {
            assert!(matches!(read(deep.as_bytes(), Some(topic)), Outcome::Rejected(_)), "{topic}");
        }
        assert!(matches!(read(deep.as_bytes(), None), Outcome::Rejected(_)));
    }
}

#[test]
fn what_is_no_json_says_where() {
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
    assert!(rejected(b"{\"a\": tru}", "orders/paid").to_string().contains("at byte 6"));
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
