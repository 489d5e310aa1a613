//! Shopify's three compliance webhooks, which come over HTTPS alone, signed: `customers/data_request`,
//! `customers/redact` and `shop/redact`.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rules::id::MemberId;
use serde_json::Value;
use service::shop::ShopId;
use service::wire::shopify::{Outcome, read};
use sha2::Sha256;

use crate::Api;
use crate::extract::{Raw, json};
use crate::problem::Problem;

/// Where Shopify sends them to.
pub(crate) fn routes() -> Router<Api> {
    Router::new().route("/webhooks/shopify", post(compliance))
}

/// Whether a body was signed with a secret: HMAC-SHA256 over the body as it came, in base64. Takes equally long wherever a
/// wrong signature differs.
pub fn is_signed(body: &[u8], signature: Option<&str>, secret: &str) -> bool {
    let signature = signature.and_then(|text| STANDARD.decode(text.trim()).ok());
    let (Some(signature), Ok(mut mac)) = (signature, Hmac::<Sha256>::new_from_slice(secret.as_bytes())) else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

async fn compliance(State(api): State<Api>, headers: HeaderMap, Raw(body): Raw) -> Result<StatusCode, Problem> {
    let said = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(secret) = &api.shopify_secret else {
        let remedy = "deploy with ShopifySecret, or start `echelon serve` with --shopify-secret";
        return Err(Problem::unknown(
            "webhook",
            "no secret is set, so that nothing Shopify signs can be believed",
            remedy,
        ));
    };
    if !is_signed(&body, said("X-Shopify-Hmac-Sha256"), secret) {
        return Err(Problem::unsigned());
    }
    let payload: Value = json(&body)?;
    // The signature is over the body alone: the shop is the one that stands in there.
    let domain = payload.get("shop_domain").and_then(Value::as_str).unwrap_or_default();
    let shop = ShopId::new(domain).map_err(|error| Problem::field("$.shop_domain", error.to_string()))?;
    match said("X-Shopify-Topic") {
        Some("customers/data_request") => {
            let member = customer(&payload)?;
            api.store.note_request(&shop, &member, api.clock.now()).await?;
        }
        Some("customers/redact") => match read(&body, Some("customers/redact")) {
            Outcome::Facts { facts, .. } => {
                for member in facts.iter().filter_map(|told| told.fact.member()) {
                    is_done(api.forget(&shop, member).await)?;
                }
            }
            Outcome::Ignored(_) | Outcome::Rejected(_) => return Err(no_customer()),
        },
        Some("shop/redact") => {
            if api.store.versions(&shop).await?.is_some() {
                api.store.note_redaction(&shop, api.clock.now()).await?;
                api.due.notify_one();
            }
        }
        Some(other) => {
            let remedy = "send other topics over EventBridge";
            return Err(Problem::bad(format!("`{other}` is not one of the compliance topics"), remedy));
        }
        None => return Err(Problem::field("X-Shopify-Topic", "is missing")),
    }
    Ok(StatusCode::OK)
}

/// Of a shop without a program there is nobody to forget.
fn is_done(done: Result<(), Problem>) -> Result<(), Problem> {
    match done {
        Err(problem) if problem.status == StatusCode::NOT_FOUND.as_u16() => Ok(()),
        done => done,
    }
}

fn customer(payload: &Value) -> Result<MemberId, Problem> {
    let id = payload.pointer("/customer/id").and_then(Value::as_u64).ok_or_else(no_customer)?;
    MemberId::new(&id.to_string()).map_err(|_| no_customer())
}

fn no_customer() -> Problem {
    Problem::field("$.customer.id", "names no customer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_body_under_the_same_secret_is_signed() {
        // printf '{"id":1}' | openssl dgst -sha256 -hmac hush -binary | base64
        let signature = Some("VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=");
        assert!(is_signed(b"{\"id\":1}", signature, "hush"));
        assert!(!is_signed(b"{\"id\":2}", signature, "hush"));
        assert!(!is_signed(b"{\"id\":1}", signature, "loud"));
        for wrong in [None, Some(""), Some("not base64"), Some("AAAA")] {
            assert!(!is_signed(b"{\"id\":1}", wrong, "hush"), "{wrong:?}");
        }
    }
}
