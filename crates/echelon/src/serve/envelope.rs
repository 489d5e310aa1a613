//! What is posted becomes messages in EventBridge's envelope, exactly as the deployed system gets them from its bus.

use axum::http::HeaderMap;
use rules::calendar::Instant;
use rules::json::repeated;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use service::ingest;
use service::shop::ShopId;
use web::problem::{Place, Problem};

/// An event has at most this many bytes, as on EventBridge.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;

/// What the place of a problem begins with that is about one of several items; its number follows.
pub const ITEM: &str = "item ";

/// What Shopify's deliveries over EventBridge begin with; what follows is the name of a bus.
const SHOPIFY_SOURCE: &str = "aws.partner/shopify.com/webhooks";

/// The shop's own events: one JSON object, an array of them, or one after the other.
///
/// # Errors
/// Names the item that cannot be taken; then none is.
pub fn native(body: &[u8], shop: &ShopId, now: Instant) -> Result<Vec<String>, Problem> {
    let text = text(body)?;
    let items: Vec<&RawValue> = if text.starts_with('[') {
        serde_json::from_str(text).map_err(|error| not_json(1, &error, "the array"))?
    } else {
        let mut items = Vec::new();
        for item in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
            items.push(item.map_err(|error| not_json(items.len() + 1, &error, "it"))?);
        }
        items
    };
    let enclose = |(place, item): (usize, &&RawValue)| {
        event(item.get()).map(|event| ingest::native(shop, &event, now)).map_err(|problem| of_item(problem, place + 1))
    };
    items.iter().enumerate().map(enclose).collect()
}

fn event(text: &str) -> Result<Value, Problem> {
    if text.len() > EVENT_BYTES_MAX {
        return Err(too_large());
    }
    // The raw text is JSON already; a field that is there twice leaves open which is meant.
    let read = repeated(text).and_then(|repeated| Ok((serde_json::from_str::<Value>(text)?, repeated)));
    let (event, repeated) = read.map_err(|error| not_json(1, &error, "it"))?;
    if let Some(problem) = repeated.first() {
        return Err(Problem::bad(problem.to_string(), "say each field once"));
    }
    match event.get("type").and_then(Value::as_str) {
        Some(_) => Ok(event),
        None => {
            let remedy = "send objects with a `type`, such as `order.paid`";
            Err(Problem::bad("it is not an object that names its `type`", remedy))
        }
    }
}

/// A webhook of Shopify's: its headers say what it is, and the body stays as it came.
///
/// # Errors
/// Says which header is missing, or that the body is not JSON.
pub fn shopify(body: &[u8], headers: &HeaderMap, now: Instant) -> Result<String, Problem> {
    if body.len() > EVENT_BYTES_MAX {
        return Err(too_large());
    }
    let payload: &RawValue = serde_json::from_str(text(body)?).map_err(|error| not_json(1, &error, "the body"))?;
    let said = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let need = |name: &'static str| {
        said(name).ok_or_else(|| Problem::bad(format!("the header `{name}` is missing"), "send it as Shopify does"))
    };
    let metadata = Metadata {
        topic: need("X-Shopify-Topic")?,
        shop_domain: need("X-Shopify-Shop-Domain")?,
        triggered_at: said("X-Shopify-Triggered-At"),
    };
    let envelope = Envelope {
        version: "0",
        source: SHOPIFY_SOURCE,
        detail_type: "shopifyWebhook",
        time: now.to_string(),
        detail: Detail { payload, metadata },
    };
    serde_json::to_string(&envelope).map_err(|error| not_json(1, &error, "the body"))
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

fn text(body: &[u8]) -> Result<&str, Problem> {
    let text = std::str::from_utf8(body).map_err(|_| Problem::bad("the body is not UTF-8", "send JSON as UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    if text.is_empty() {
        return Err(Problem::bad("the body is empty", "send events as JSON: an object, an array, or one per line"));
    }
    Ok(text)
}

fn not_json(item: usize, error: &serde_json::Error, what: &str) -> Problem {
    let problem =
        Problem::bad(format!("{what} is not JSON: {error}"), "correct it and send all again: nothing was taken");
    of_item(problem, item)
}

fn too_large() -> Problem {
    Problem::too_large(EVENT_BYTES_MAX)
}

/// About one of the items sent, counted from 1: `item 2`.
fn of_item(mut problem: Problem, number: usize) -> Problem {
    let message = problem.detail.clone();
    problem.problems = vec![Place { path: format!("{ITEM}{number}"), message }];
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &str) -> Result<Vec<String>, String> {
        let shop = ShopId::new("acme").unwrap();
        native(body.as_bytes(), &shop, Instant::from_millis(0)).map_err(|problem| what(&problem))
    }

    fn what(problem: &Problem) -> String {
        let items: Vec<&str> = problem.problems.iter().map(|place| place.path.as_str()).collect();
        format!("{} {items:?} {}", problem.status, problem.detail)
    }

    #[test]
    fn events_come_alone_in_an_array_or_one_per_line() {
        let event = r#"{"type":"customer.enrolled","member_id":"anna"}"#;
        let alone = told(event).unwrap();
        assert!(alone[0].contains(r#""source":"echelon.shop/acme""#) && alone[0].contains(event), "{}", alone[0]);
        for (body, count) in [
            (format!("[{event}, {event}]"), 2),
            (format!("{event}\n{event}\r\n\n{event}\n"), 3),
            ("{\n  \"type\": \"x\"\n}".to_owned(), 1),
            ("[]".to_owned(), 0),
        ] {
            assert_eq!(told(&body).unwrap().len(), count, "{body}");
        }
    }

    #[test]
    fn what_cannot_be_taken_is_named_by_its_place() {
        for (body, starts) in [
            ("", "400 [] the body is empty"),
            ("{\"type\":\"x\"}\n{\"type\":", "400 [\"item 2\"] it is not JSON"),
            ("[{\"type\":\"x\"}, 7]", "400 [\"item 2\"] it is not an object"),
            ("[{\"type\":\"x\"},", "400 [\"item 1\"] the array is not JSON"),
            ("{\"type\":\"x\",\"type\":\"y\"}", "400 [\"item 1\"] $.type"),
        ] {
            let what = told(body).unwrap_err();
            assert!(what.starts_with(starts), "{body}: {what}");
        }
    }

    #[test]
    fn a_webhook_reads_in_its_envelope_as_it_came() {
        let mut headers = HeaderMap::new();
        headers.insert("X-Shopify-Topic", "customers/create".parse().unwrap());
        let body = br#"{"id": 9007199254740993, "created_at": "2026-01-01T00:00:00Z"}"#;
        let now = Instant::from_millis(0);
        assert!(what(&shopify(body, &headers, now).unwrap_err()).contains("X-Shopify-Shop-Domain"));
        headers.insert("X-Shopify-Shop-Domain", "acme.myshopify.com".parse().unwrap());
        let message = shopify(body, &headers, now).unwrap();
        assert!(message.contains("9007199254740993"));
        let source = service::wire::shopify::source(message.as_bytes()).unwrap();
        assert_eq!(source.shop.as_deref(), Some("acme.myshopify.com"));
        assert_eq!(source.topic.as_deref(), Some("customers/create"));
        assert!(what(&shopify(b"{", &headers, now).unwrap_err()).contains("not JSON"));
    }
}
