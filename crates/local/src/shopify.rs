//! Shopify's webhooks on one machine, handled as its bus would deliver them.
//!
//! Shopify signs the body and nothing else. A sender that has one signed body can send it again with other headers. So
//! a topic is accepted only if the body has its shape, and a shop only if its webhooks are expected here. A body is
//! remembered with its shop and what it told, for as long as quarantined bodies are kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::HeaderMap;
use http_api::problem::Problem;
use http_api::shopify::Secret;
use rules::calendar::Instant;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use shopify::Topic;
use store::shop::ShopId;
use tokio::sync::Mutex;

use super::envelope::{EVENT_BYTES_MAX, not_json, text, too_large};

/// The prefix of the source of Shopify's deliveries over EventBridge; the name of a bus follows.
const SHOPIFY_SOURCE: &str = "aws.partner/shopify.com/webhooks";

/// The webhooks that are accepted.
#[derive(Debug, Clone)]
pub struct Shopify {
    /// The secret that signs them.
    pub secret: Secret,
    /// The shops that they may be from; if none is named, those that have a program.
    pub shops: BTreeSet<ShopId>,
    /// Held from checking whether a body came before until it is remembered.
    pub turn: Arc<Mutex<()>>,
}

/// A webhook whose headers fit its body.
#[derive(Debug)]
pub struct Delivery {
    /// The shop that the headers name.
    pub shop: ShopId,
    /// The webhook as a message of the bus.
    pub message: String,
    /// The body's SHA-256.
    pub digest: String,
    /// The kind of change that the body tells of; none if the topic is not used, whatever the body is.
    pub tells: Option<&'static str>,
    /// Whether the body is the id of a changed resource alone. Such a body is the same for every change of it.
    pub is_stub: bool,
}

impl Delivery {
    /// Decodes a webhook.
    ///
    /// # Errors
    /// A problem that says which header is missing or does not fit the body, or that the body is not JSON.
    pub fn read(body: &[u8], headers: &HeaderMap, now: Instant) -> Result<Self, Problem> {
        if body.len() > EVENT_BYTES_MAX {
            return Err(too_large());
        }
        let payload: &RawValue = serde_json::from_str(text(body)?).map_err(|error| not_json(1, &error, "the body"))?;
        let value: Value = serde_json::from_str(payload.get()).map_err(|error| not_json(1, &error, "the body"))?;
        let said = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let need = |name: &'static str| {
            said(name).ok_or_else(|| Problem::bad(format!("the header `{name}` is missing"), "send it as Shopify does"))
        };
        let (topic, shop_domain) = (need(TOPIC)?, need(SHOP_DOMAIN)?);
        let shop = ShopId::new(shop_domain).map_err(|error| Problem::field(SHOP_DOMAIN, error.to_string()))?;
        let tells = told(Topic::named(topic), &value)?;
        let is_stub = is_id_alone(&value) && tells != Some(ORDER_DELETED);
        let envelope = Envelope {
            version: "0",
            source: SHOPIFY_SOURCE,
            detail_type: "shopifyWebhook",
            time: now.to_string(),
            detail: Detail {
                payload,
                metadata: Metadata { topic, shop_domain, triggered_at: said("X-Shopify-Triggered-At") },
            },
        };
        let message = serde_json::to_string(&envelope).map_err(|error| not_json(1, &error, "the body"))?;
        let digest = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { shop, message, digest, tells, is_stub })
    }
}

/// The relation of a signed body to earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The body is new, or tells something else that it may also tell.
    New,
    /// The body came before, and told the same.
    Again,
    /// The body came before for another shop, or told something that contradicts this.
    Contradicts,
}

/// The topics that a new customer's body may have together: Shopify sends it under both.
const TOGETHER: [&str; 2] = ["customer created", "customer updated"];

/// Compares what a body tells with what it told before, which is written as `SHOP TOLD,TOLD`. Returns the relation, and
/// the new text to remember.
pub fn seen(before: Option<&str>, shop: &str, tells: &str) -> (Seen, String) {
    let Some((of, told)) = before.and_then(|before| before.split_once(' ')) else {
        return (Seen::New, format!("{shop} {tells}"));
    };
    let already: Vec<&str> = told.split(',').collect();
    let seen = if of != shop {
        Seen::Contradicts
    } else if already.contains(&tells) {
        Seen::Again
    } else if TOGETHER.contains(&tells) && already.iter().all(|told| TOGETHER.contains(told)) {
        Seen::New
    } else {
        Seen::Contradicts
    };
    (seen, format!("{of} {told},{tells}"))
}

const TOPIC: &str = "X-Shopify-Topic";
const SHOP_DOMAIN: &str = "X-Shopify-Shop-Domain";

/// The change of an order that no longer exists.
const ORDER_DELETED: &str = "order deleted";

fn is_id_alone(body: &Value) -> bool {
    let mut names = body.as_object().into_iter().flat_map(serde_json::Map::keys);
    body.get("id").is_some() && names.all(|name| name == "id" || name == "admin_graphql_api_id")
}

/// The kind of change that a body tells of under a topic, if it has the shape of that topic's bodies.
fn told(topic: Option<Topic>, body: &Value) -> Result<Option<&'static str>, Problem> {
    let has = |name| body.get(name).is_some();
    let is_order = has("total_price") || has("financial_status") || has("line_items");
    let is_refund = has("order_id") && has("refund_line_items");
    let is_person = !is_order && !has("order_id") && !has("customerId");
    let is_id_alone = is_id_alone(body);
    let (told, fits) = match topic {
        // Of a resource that is too large for a webhook only the ids are sent. Its reader quarantines them with the remedy, so
        // a body that was signed for a deletion does no harm here.
        Some(Topic::Order) => ("order", is_id_alone || (is_order && has("total_price") && !is_refund)),
        // Only the id is allowed, or another body with an id could be sent again to delete its order.
        Some(Topic::OrderDeleted) => (ORDER_DELETED, is_id_alone),
        Some(Topic::Refund) => ("refund", is_id_alone || is_refund),
        Some(Topic::CustomerCreated) => ("customer created", is_person),
        Some(Topic::CustomerUpdated) => ("customer updated", is_person),
        Some(Topic::TagsAdded) => ("tags added", has("customerId")),
        Some(Topic::TagsRemoved) => ("tags removed", has("customerId")),
        Some(Topic::CustomerRedacted | Topic::Privacy) => {
            let remedy = "have the compliance topics sent to /webhooks/shopify, which checks what they say";
            return Err(Problem::bad("events sent here erase no member", remedy).at(TOPIC, "is a compliance topic"));
        }
        Some(Topic::OrderEdited | Topic::CustomerDeleted | Topic::NotUsed) => return Ok(None),
        Some(Topic::CustomersMerged) => ("customers merged", has("admin_graphql_api_customer_deleted_id")),
        None => {
            tracing::warn!("a webhook of a topic that is not known here is left alone");
            return Ok(None);
        }
    };
    if fits { Ok(Some(told)) } else { Err(Problem::not_of_topic(TOPIC, "names another topic than the body is of")) }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Envelope<'a> {
    version: &'a str,
    source: &'a str,
    detail_type: &'a str,
    time: String,
    detail: Detail<'a>,
}

#[derive(Serialize)]
struct Detail<'a> {
    payload: &'a RawValue,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(rename = "X-Shopify-Topic")]
    topic: &'a str,
    #[serde(rename = "X-Shopify-Shop-Domain")]
    shop_domain: &'a str,
    #[serde(rename = "X-Shopify-Triggered-At", skip_serializing_if = "Option::is_none")]
    triggered_at: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(topic: &str, body: &Value) -> Result<Delivery, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(TOPIC, topic.parse().unwrap());
        headers.insert(SHOP_DOMAIN, "acme.myshopify.com".parse().unwrap());
        Delivery::read(body.to_string().as_bytes(), &headers, Instant::from_millis(0))
    }

    #[test]
    fn a_webhook_reads_in_its_envelope_as_it_came() {
        let body = br#"{"id": 9007199254740993, "created_at": "2026-01-01T00:00:00Z"}"#;
        let (mut headers, now) = (HeaderMap::new(), Instant::from_millis(0));
        headers.insert(TOPIC, "customers/create".parse().unwrap());
        assert!(Delivery::read(body, &headers, now).unwrap_err().detail.contains(SHOP_DOMAIN));
        headers.insert(SHOP_DOMAIN, "acme.myshopify.com".parse().unwrap());
        let Delivery { message, .. } = Delivery::read(body, &headers, now).unwrap();
        assert!(message.contains("9007199254740993"));
        let source = shopify::source(message.as_bytes()).unwrap();
        assert_eq!(source.shop.as_deref(), Some("acme.myshopify.com"));
        assert_eq!(source.topic.as_deref(), Some("customers/create"));
        assert!(Delivery::read(b"{", &headers, now).unwrap_err().detail.contains("not JSON"));
    }

    #[test]
    fn a_body_is_taken_under_topics_of_its_shape_alone() {
        let order = json!({ "id": 1, "total_price": "5.00", "financial_status": "paid", "customer": { "id": 2 } });
        let refund = json!({ "id": 1, "order_id": 2, "refund_line_items": [] });
        let customer = json!({ "id": 2, "admin_graphql_api_id": "gid://shopify/Customer/2", "tags": "vip" });
        let tags = json!({ "customerId": "gid://shopify/Customer/2", "tags": ["vip"] });
        let gone = json!({ "id": 1 });
        let bodies = [&order, &refund, &customer, &tags, &gone];
        for (topic, taken) in [
            ("orders/paid", vec![&order, &gone]),
            ("orders/updated", vec![&order, &gone]),
            ("orders/delete", vec![&gone]),
            ("refunds/create", vec![&refund, &gone]),
            ("customers/create", vec![&customer, &gone]),
            ("customers/update", vec![&customer, &gone]),
            ("customer.tags_added", vec![&tags]),
            ("customer.tags_removed", vec![&tags]),
            ("customers/redact", vec![]),
            ("customers/data_request", vec![]),
            ("shop/redact", vec![]),
        ] {
            let found: Vec<&Value> = bodies.into_iter().filter(|body| read(topic, body).is_ok()).collect();
            assert_eq!(found, taken, "{topic}");
        }
        let told = |topic, body| read(topic, body).unwrap().tells;
        assert_eq!(told("orders/paid", &order), told("orders/create", &order));
        assert_ne!(told("customer.tags_added", &tags), told("customer.tags_removed", &tags));
        assert_eq!(told("customers/enable", &customer), None);
    }

    #[test]
    fn a_stub_is_taken_as_an_order_and_cannot_be_sent_again_to_delete_it() {
        let stub = json!({ "id": 1, "admin_graphql_api_id": "gid://shopify/Order/1" });
        let tells = |topic| read(topic, &stub).unwrap().tells.unwrap();
        let (first, remembered) = seen(None, "acme", tells("orders/paid"));
        assert_eq!(first, Seen::New);
        assert_eq!(seen(Some(&remembered), "acme", tells("orders/updated")).0, Seen::Again);
        assert_eq!(seen(Some(&remembered), "acme", tells("orders/delete")).0, Seen::Contradicts);
        let more = json!({ "id": 1, "admin_graphql_api_id": "gid://shopify/Order/1", "note": "" });
        assert!(read("orders/paid", &more).unwrap_err().detail.contains("topic"), "with any other field it is no stub");
    }

    #[test]
    fn a_body_that_came_tells_the_same_shop_what_it_may_tell_and_nothing_else() {
        let tells = |told: &str| format!("acme {told}");
        for (before, now, expected) in [
            ("order", "order", Seen::Again),
            ("customer created", "customer updated", Seen::New),
            ("customer updated", "customer created", Seen::New),
            ("customer created,customer updated", "customer created", Seen::Again),
            ("tags added", "tags removed", Seen::Contradicts),
        ] {
            assert_eq!(seen(Some(&tells(before)), "acme", now).0, expected, "{before}, {now}");
        }
        assert_eq!(seen(None, "acme", "order"), (Seen::New, tells("order")));
        assert_eq!(seen(Some(&tells("order")), "other", "order").0, Seen::Contradicts);
        let (_, both) = seen(Some(&tells("customer created")), "acme", "customer updated");
        assert_eq!(both, tells("customer created,customer updated"));
    }
}
