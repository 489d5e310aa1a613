//! The bodies of requests.

use serde_json::json;
use tests::api_harness::order;

use super::{BAD, Case, FACTS, assign, case, told};

/// Bodies that cannot be read, or are not what they have to be.
pub fn cases() -> Vec<Case> {
    vec![
        case("no body", |desk| told(desk, ""), (400, BAD, "the body is not JSON")),
        case("a body that breaks off", |desk| told(desk, "{\"type\":"), (400, BAD, "the body is not JSON: EOF")),
        case(
            "a body that is not UTF-8",
            |desk| told(desk, [0xff, 0xfe, b'{', b'}']),
            (400, BAD, "the body is not UTF-8"),
        ),
        case("a body and something behind it", |desk| told(desk, "{} {}"), (400, BAD, "trailing characters")),
        case(
            "a body with half a letter",
            |desk| told(desk, r#"{"type":"\ud83e"}"#),
            (400, BAD, "the body is not JSON"),
        ),
        case("ten thousand lists in one another", |desk| told(desk, "[".repeat(10_000)), (400, BAD, "recursion limit")),
        case("a total beyond all numbers", |desk| told(desk, r#"{"total":1e400}"#), (400, BAD, "number out of range")),
        case(
            "a field said twice",
            |desk| told(desk, r#"{"type":"x","type":"y"}"#),
            (400, BAD, "$.type: is written twice"),
        ),
        case(
            "a body of a megabyte and more",
            |desk| told(desk, "x".repeat(1024 * 1024 + 1)),
            (413, "payload-too-large", "1048576 bytes"),
        ),
        case(
            "a hundred and one facts",
            |desk| told(desk, json!(vec![order("anna", "9", "1"); 101]).to_string()),
            (413, "too-many-items", "100 at a time"),
        ),
        case(
            "a fact in a form",
            |desk| {
                desk.ask("POST", FACTS).with("content-type", "application/x-www-form-urlencoded").raw("type=order.paid")
            },
            (415, "unsupported-media-type", "application/json"),
        ),
        case(
            "a fact that is null",
            |desk| told(desk, "null"),
            (422, "validation-failed", "must be an object, not null"),
        ),
        case(
            "a fact that is a text",
            |desk| told(desk, "\"order.paid\""),
            (422, "validation-failed", "must be an object, not a text"),
        ),
        case(
            "an erasure by way of facts",
            |desk| {
                told(
                    desk,
                    json!({ "type": "customer.erased", "member_id": "anna", "occurred_at": "2024-03-01T12:00:00Z" })
                        .to_string(),
                )
            },
            (422, "validation-failed", "DELETE /v1/members/{member_id}"),
        ),
        case(
            "standings of no member",
            |desk| desk.ask("POST", "/v1/standings").json(&json!({ "member_ids": [] })),
            (400, BAD, "and may name 1 to 100"),
        ),
        case(
            "standings of a hundred and one",
            |desk| {
                desk.ask("POST", "/v1/standings")
                    .json(&json!({ "member_ids": (0..101).map(|n| n.to_string()).collect::<Vec<_>>() }))
            },
            (400, BAD, "and may name 1 to 100"),
        ),
        case(
            "an assignment to no tier of the program",
            |desk| assign(desk, json!({ "tier": "platinum", "mode": "floor", "reason": "x" })),
            (422, "validation-failed", "name one of: silver, gold"),
        ),
        case(
            "an assignment without a reason",
            |desk| assign(desk, json!({ "tier": "gold", "mode": "floor", "reason": "" })),
            (400, BAD, "says why, for the audit"),
        ),
        case(
            "an assignment for ten thousand reasons",
            |desk| assign(desk, json!({ "tier": "gold", "mode": "floor", "reason": "x".repeat(10_000) })),
            (400, BAD, "has 10000 characters, and may have 1000"),
        ),
        case(
            "an assignment until it is over already",
            |desk| {
                assign(desk, json!({ "tier": "gold", "mode": "floor", "reason": "x", "until": "2024-01-01T00:00:00Z" }))
            },
            (422, "validation-failed", "until"),
        ),
        case(
            "an assignment with an unknown field",
            |desk| assign(desk, json!({ "tier": "gold", "mode": "floor", "reason": "x", "by": "the queen" })),
            (400, BAD, "unknown field `by`"),
        ),
        case(
            "a token for a year",
            |desk| desk.ask("POST", "/v1/members/anna/token").json(&json!({ "minutes": 525_600 })),
            (400, BAD, "minutes"),
        ),
    ]
}
