//! Shopify's three compliance webhooks, which come signed, and only over HTTPS: `customers/data_request`,
//! `customers/redact` and `shop/redact`.
//!
//! Shopify signs the body and nothing else. A sender that has one signed body can send it again with other headers. So
//! a topic is accepted only if the body fits it, and a shop only if the body names it. A whole shop is deleted 48 hours
//! later ([`store::REDACTED_AFTER_MS`]); until then the deletion can be withdrawn.

use std::collections::BTreeSet;
use std::fmt;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rules::id::MemberId;
use serde_json::Value;
use sha2::Sha256;
use shopify::{Outcome, read};
use store::shop::ShopId;

use crate::Api;
use crate::extract::{json, whole};
use crate::problem::{Problem, ProblemCode};

/// The route for Shopify's compliance webhooks.
pub(crate) fn routes() -> Router<Api> {
    Router::new().route("/webhooks/shopify", post(compliance))
}

/// The minimum number of bytes of a secret; Shopify's have 32 or more.
pub const SECRET_BYTES_MIN: usize = 16;

/// The secret that Shopify signs webhooks with.
#[derive(Clone)]
pub struct Secret(String);

/// The text is too short for a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret of Shopify's has at least {SECRET_BYTES_MIN} bytes, this one has {0}: copy it whole from the app's settings"
)]
pub struct SecretError(usize);

impl Secret {
    /// A secret, if it is long enough to resist guessing.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn new(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        // A settings file may include a comment in the value.
        let length = text.split_once(" #").map_or(text, |(before, _)| before.trim()).len();
        if length < SECRET_BYTES_MIN || length < text.len() {
            Err(SecretError(length))
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// Whether the request's body was signed with the secret: HMAC-SHA256 over the raw body, in base64. The comparison
    /// takes constant time.
    pub fn has_signed(&self, body: &[u8], headers: &HeaderMap) -> bool {
        let signature = said(headers, SIGNATURE).and_then(|text| STANDARD.decode(text.trim()).ok());
        let (Some(signature), Ok(mut mac)) = (signature, Hmac::<Sha256>::new_from_slice(self.0.as_bytes())) else {
            return false;
        };
        mac.update(body);
        mac.verify_slice(&signature).is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

const SIGNATURE: &str = "X-Shopify-Hmac-Sha256";

fn said<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A request from Shopify.
enum Wanted {
    /// For a customer's data.
    Data,
    /// For the erasure of a customer.
    Customer,
    /// For the deletion of a shop.
    Shop,
}

impl Wanted {
    /// The request that a topic makes, if the body fits that topic. The three have different fields, so a body cannot
    /// be sent again under another topic.
    fn of(topic: Option<&str>, body: &Value) -> Result<Self, Problem> {
        let has = |name| body.get(name).is_some_and(|value| !value.is_null());
        let (wanted, fits) = match topic {
            Some("customers/data_request") => (Self::Data, has("customer") && !has("orders_to_redact")),
            Some("customers/redact") => {
                (Self::Customer, has("customer") && !has("data_request") && !has("orders_requested"))
            }
            Some("shop/redact") => {
                let others = ["customer", "orders_to_redact", "orders_requested", "data_request"];
                (Self::Shop, !others.into_iter().any(has))
            }
            Some(other) => {
                let remedy = "send other topics over EventBridge, or on one machine to /events";
                return Err(Problem::bad(format!("`{other}` is not one of the compliance topics"), remedy));
            }
            None => return Err(Problem::field("X-Shopify-Topic", "is missing")),
        };
        if fits {
            Ok(wanted)
        } else {
            Err(Problem::not_of_topic("X-Shopify-Topic", "names another topic than the body is of"))
        }
    }
}

/// The shop, which the signed body and the header must both name.
fn shop(body: &Value, headers: &HeaderMap) -> Result<ShopId, Problem> {
    let domain = body.get("shop_domain").and_then(Value::as_str).unwrap_or_default();
    let shop = ShopId::new(domain).map_err(|error| Problem::field("$.shop_domain", error.to_string()))?;
    let header = said(headers, "X-Shopify-Shop-Domain").map(ShopId::new);
    if header == Some(Ok(shop.clone())) {
        return Ok(shop);
    }
    Err(Problem::not_of_topic("X-Shopify-Shop-Domain", "is not the shop that the body names"))
}

/// The maximum size of a compliance webhook in bytes.
const BYTES_MAX: usize = 256 * 1024;

async fn compliance(State(api): State<Api>, headers: HeaderMap, body: Body) -> Result<StatusCode, Problem> {
    let Some(secret) = &api.shopify_secret else {
        let remedy = "deploy with ShopifySecret, or start `echelon serve` with --shopify-secret";
        return Err(Problem::new(
            ProblemCode::UnknownWebhook,
            "no secret is set, so that nothing Shopify signs can be believed",
            remedy,
        ));
    };
    // The body is not read unless the request has a signature.
    said(&headers, SIGNATURE).ok_or_else(Problem::unsigned)?;
    let body = whole(body, BYTES_MAX).await?;
    if !secret.has_signed(&body, &headers) {
        return Err(Problem::unsigned());
    }
    let payload: Value = json(&body)?;
    let wanted = Wanted::of(said(&headers, "X-Shopify-Topic"), &payload)?;
    let shop = api.store.shop_named(shop(&payload, &headers)?);
    match wanted {
        Wanted::Data => {
            let member = customer(&payload)?;
            api.store.note_request(&shop, &member, api.clock.now()).await?;
        }
        Wanted::Customer => match read(&body, Some("customers/redact")) {
            Outcome::Facts { facts, .. } => {
                for member in facts.iter().filter_map(|told| told.fact.member()) {
                    is_done(api.forget(&shop, member).await)?;
                }
                for member in under_address(&api, &shop, &payload).await? {
                    is_done(api.forget(&shop, &member).await)?;
                }
            }
            Outcome::Ignored(_) | Outcome::Rejected(_) => return Err(no_customer()),
        },
        // One of several Shopify shops that are one shop here does not speak for the others.
        Wanted::Shop if api.store.has_several_names(&shop) => {
            tracing::error!(%shop, "Shopify asks that one of several shops be deleted that are one shop here: nothing is deleted");
        }
        Wanted::Shop => {
            if api.store.versions(&shop).await?.is_some() {
                let due_at = api.store.note_redaction(&shop, api.clock.now()).await?.due_at;
                tracing::warn!(%shop, %due_at, "Shopify asks that a shop be deleted; until then it can be withdrawn");
            }
        }
    }
    Ok(StatusCode::OK)
}

/// The members whose ids are the address that a request names: an import without the customers' numbers gives such ids.
async fn under_address(api: &Api, shop: &ShopId, payload: &Value) -> Result<Vec<MemberId>, Problem> {
    let address = payload.pointer("/customer/email").and_then(Value::as_str).unwrap_or_default().trim();
    let ids: BTreeSet<MemberId> =
        [address.to_owned(), address.to_lowercase()].iter().filter_map(|id| MemberId::new(id).ok()).collect();
    let stored = api.store.members(shop, ids).await?;
    Ok(stored.into_iter().filter_map(|(id, stored)| stored.present().map(|_| id)).collect())
}

/// A shop without a program has no members to erase, so that counts as done.
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

    fn signed(signature: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(signature) = signature {
            headers.insert("X-Shopify-Hmac-Sha256", signature.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_the_same_body_under_the_same_secret_is_signed() {
        // printf '{"id":1}' | openssl dgst -sha256 -hmac 'hush, hush, hush' -binary | base64
        let headers = signed(Some("9J437bRDlbVZCWHNf82YWpSVG9G95rVbYZ4YtzsdQVQ="));
        let secret = Secret::new("hush, hush, hush").unwrap();
        assert!(secret.has_signed(b"{\"id\":1}", &headers));
        assert!(!secret.has_signed(b"{\"id\":2}", &headers));
        assert!(!Secret::new("loud, loud, loud").unwrap().has_signed(b"{\"id\":1}", &headers));
        for wrong in [None, Some(""), Some("not base64"), Some("AAAA")] {
            assert!(!secret.has_signed(b"{\"id\":1}", &signed(wrong)), "{wrong:?}");
        }
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_none() {
        for short in ["", " ", "hush", "123456789012345", "               "] {
            assert_eq!(Secret::new(short).unwrap_err(), SecretError(short.trim().len()), "{short}");
        }
        assert!(Secret::new("hush, hush, hush    # of the app").is_err(), "a comment is no part of it");
        assert!(!format!("{:?}", Secret::new("hush, hush, hush")).contains("hush"));
    }
}
