//! Posted events become messages in EventBridge's envelope, exactly as the deployed system gets them from its bus.

use engine::ingest;
use http_api::problem::{Place, Problem, ProblemCode};
use rules::calendar::Instant;
use rules::json::repeated;
use serde_json::Value;
use serde_json::value::RawValue;
use store::shop::ShopId;

/// The maximum size of an event, as on EventBridge.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;

/// The fact that erases a member.
const ERASED: &str = "customer.erased";
/// The maximum number of events in a request, so that one sender does not delay the others.
pub const EVENTS_MAX: usize = 1_000;

/// The prefix of a problem's place if it is about one of several items; the item's number follows.
pub const ITEM: &str = "item ";

/// Events as messages.
#[derive(Debug)]
pub struct Messages {
    /// The messages: one for each event, or for each document of several.
    pub bodies: Vec<String>,
    /// The number of events.
    pub events: usize,
    /// Whether one of them erases a member, for good.
    pub erase: bool,
    /// Whether one of them is imported: they are part of a history that is loaded.
    pub imported: bool,
}

/// Decodes the shop's own events: one JSON object, an array of them, or one after the other.
///
/// # Errors
/// A problem that names the item that cannot be accepted; then none is.
pub fn native(body: &[u8], shop: &ShopId, now: Instant) -> Result<Messages, Problem> {
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
    if items.len() > EVENTS_MAX {
        let (detail, remedy) = (format!("{} events at once", items.len()), format!("send {EVENTS_MAX} at a time"));
        return Err(Problem::new(ProblemCode::TooManyItems, detail, remedy));
    }
    let read = |(place, item): (usize, &&RawValue)| {
        let event = event(item.get()).map_err(|problem| of_item(problem, place + 1))?;
        Ok((event, item.get().len()))
    };
    let events = items.iter().enumerate().map(read).collect::<Result<Vec<(Value, usize)>, Problem>>()?;
    let documents = ingest::documents(&events, |(event, length)| (event, *length));
    let body =
        |document: &[(Value, usize)]| ingest::native_document(shop, document.iter().map(|(event, _)| event), now);
    Ok(Messages {
        bodies: documents.into_iter().map(body).collect(),
        events: events.len(),
        erase: events.iter().any(|(event, _)| event.get("type").and_then(Value::as_str) == Some(ERASED)),
        imported: events.iter().any(|(event, _)| event.get("imported") == Some(&Value::Bool(true))),
    })
}

fn event(text: &str) -> Result<Value, Problem> {
    if text.len() > EVENT_BYTES_MAX {
        return Err(too_large());
    }
    // The raw text is valid JSON, but a repeated field would be ambiguous.
    let read = repeated(text).and_then(|repeated| Ok((serde_json::from_str::<Value>(text)?, repeated)));
    let (event, repeated) = read.map_err(|error| not_json(1, &error, "it"))?;
    if let Some(problem) = repeated.first() {
        return Err(Problem::bad(problem.to_string(), "say each field once"));
    }
    match event.get("type").and_then(Value::as_str) {
        Some(_) => Ok(event),
        None => {
            let remedy = "send objects with a `type`, such as `order.paid`; `echelon import` turns a shop's own documents into them";
            Err(Problem::bad("it is not an object that names its `type`", remedy))
        }
    }
}

pub(super) fn text(body: &[u8]) -> Result<&str, Problem> {
    let text = std::str::from_utf8(body).map_err(|_| Problem::bad("the body is not UTF-8", "send JSON as UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
    if text.is_empty() {
        return Err(Problem::bad("the body is empty", "send events as JSON: an object, an array, or one per line"));
    }
    Ok(text)
}

pub(super) fn not_json(item: usize, error: &serde_json::Error, what: &str) -> Problem {
    let problem =
        Problem::bad(format!("{what} is not JSON: {error}"), "correct it and send all again: nothing was taken");
    of_item(problem, item)
}

pub(super) fn too_large() -> Problem {
    Problem::too_large(EVENT_BYTES_MAX)
}

/// A problem about one of the items sent, counted from 1: `item 2`.
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
        native(body.as_bytes(), &shop, Instant::from_millis(0))
            .map(|messages| messages.bodies)
            .map_err(|problem| what(&problem))
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
}
