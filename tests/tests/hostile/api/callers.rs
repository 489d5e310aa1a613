//! Callers, and the headers that they send.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_api::caller::{Caller, Scope};
use http_api::token::TokenKey;
use rules::calendar::Instant;
use serde_json::json;
use store::shop::ShopId;
use tests::api_harness::{ApiHarness, order};

use super::{ANNA, BAD, Case, assign, case, told};

/// Headers.
pub fn headers() -> Vec<Case> {
    vec![
        case(
            "a state that is none",
            |desk| {
                desk.ask("POST", "/v1/program/versions").json(&json!({ "program": {} })).with("If-Match", "whatever")
            },
            (412, "precondition-failed", "If-Match"),
        ),
        case(
            "a state of letters that are none",
            |desk| desk.ask("POST", "/v1/program/versions").json(&json!({ "program": {} })).with("If-Match", "\u{fc}"),
            (412, "precondition-failed", "If-Match"),
        ),
        case(
            "a draft over another one, unseen",
            |desk| desk.ask("PUT", "/v1/program/draft").json(&json!({ "program": { "name": "mine" } })),
            (428, "precondition-required", "send its ETag"),
        ),
        case(
            "an idempotency key of nothing",
            |desk| told(desk, order("anna", "1", "120.00").to_string()).with("Idempotency-Key", " "),
            (400, BAD, "1 to 255 bytes"),
        ),
        case(
            "an idempotency key of 256 letters",
            |desk| told(desk, order("anna", "1", "120.00").to_string()).with("Idempotency-Key", &"x".repeat(256)),
            (400, BAD, "1 to 255 bytes"),
        ),
        case(
            "an idempotency key that stands for something else",
            |desk| {
                assign(desk, json!({ "tier": "silver", "mode": "floor", "reason": "y" }))
                    .with("Idempotency-Key", "used")
            },
            (422, "idempotency-key-reused", "was used for something else"),
        ),
        case(
            "a header for another shop",
            |desk| desk.ask("GET", ANNA).with("X-Echelon-Shop", "other"),
            (403, "wrong-shop", "one shop only"),
        ),
        case(
            "a header for a shop that cannot be read",
            |desk| desk.ask("GET", ANNA).with("X-Echelon-Shop", "\u{fc}").by(desk.token(None, Scope::Read)),
            (400, BAD, "names no shop"),
        ),
        case(
            "a webhook that is not signed",
            |desk| desk.ask("POST", "/webhooks/shopify").by(None).raw(r#"{"shop_domain":"acme"}"#),
            (401, "invalid-signature", "X-Shopify-Hmac-Sha256"),
        ),
        case(
            "a webhook that is signed with nothing",
            |desk| {
                desk.ask("POST", "/webhooks/shopify")
                    .by(None)
                    .with("X-Shopify-Hmac-Sha256", "")
                    .raw(r#"{"shop_domain":"acme"}"#)
            },
            (401, "invalid-signature", "sign it with the secret"),
        ),
    ]
}

/// Tokens.
pub fn tokens() -> Vec<Case> {
    vec![
        case("no token", |desk| desk.ask("GET", ANNA).by(None), (401, "unauthenticated", "Authorization: Bearer")),
        case(
            "a token that signs itself with nothing",
            |desk| desk.ask("GET", ANNA).by(unsigned(desk, r#"{"alg":"none","typ":"JWT"}"#)),
            (401, "unauthenticated", "not valid"),
        ),
        case(
            "a token that has another way of signing",
            |desk| desk.ask("GET", ANNA).by(unsigned(desk, r#"{"alg":"RS256","typ":"JWT"}"#)),
            (401, "unauthenticated", "not valid"),
        ),
        case(
            "a token that has ended",
            |desk| desk.ask("GET", ANNA).by(signed(OURS, "acme", desk.system.now().plus_millis(-1_000))),
            (401, "unauthenticated", "not valid"),
        ),
        case(
            "a token that ends just now",
            |desk| desk.ask("GET", ANNA).by(signed(OURS, "acme", desk.system.now())),
            (401, "unauthenticated", "not valid"),
        ),
        case(
            "a token under another key",
            |desk| {
                desk.ask("GET", ANNA).by(signed(
                    "another key, of thirty-two bytes",
                    "acme",
                    desk.system.now().plus_millis(60_000),
                ))
            },
            (401, "unauthenticated", "not valid"),
        ),
        case(
            "a token of another shop",
            |desk| desk.ask("GET", ANNA).by(desk.token(Some("other"), Scope::Admin)),
            (404, "unknown-program", "`other` has published no program"),
        ),
        case(
            "a token of another shop that names this one",
            |desk| desk.ask("GET", "/v1/members/anna?shop=acme").by(desk.token(Some("other"), Scope::Admin)),
            (403, "wrong-shop", "the token says which"),
        ),
        case(
            "a member's token for what staff may",
            |desk| desk.ask("GET", ANNA).by(desk.member_token("anna")),
            (403, "forbidden", "echelon/read"),
        ),
        case(
            "a member's token for another member",
            |desk| desk.ask("GET", "/v1/me?member_id=ben").by(desk.member_token("unknown")),
            (404, "unknown-member", "nothing is known"),
        ),
        case(
            "a token that may look, and tells",
            |desk| told(desk, order("anna", "9", "1").to_string()).by(desk.token(Some("acme"), Scope::Read)),
            (403, "forbidden", "echelon/write"),
        ),
        case(
            "a token that may tell, and forgets",
            |desk| desk.ask("DELETE", ANNA).by(desk.token(Some("acme"), Scope::Write)),
            (403, "forbidden", "echelon/admin"),
        ),
        case(
            "a token of 100 KB",
            |desk| desk.ask("GET", ANNA).by("x".repeat(100_000)),
            (401, "unauthenticated", "not valid"),
        ),
    ]
}

/// The key that the desk signs tokens with.
const OURS: &str = "a key of thirty-two bytes or more";

fn signed(key: &str, shop: &str, until: Instant) -> String {
    let shop = Some(ShopId::new(shop).unwrap());
    TokenKey::new(key).unwrap().sign(&Caller::Staff { shop, scope: Scope::Admin, name: "jo".to_owned() }, until).token
}

/// A token that is right except for its header, with the signature of another one.
fn unsigned(desk: &ApiHarness, header: &str) -> String {
    let right = desk.token(Some("acme"), Scope::Admin);
    let (_, rest) = right.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}
