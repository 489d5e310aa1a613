//! Documents of a shop's own events: facts that arrive at once (section 4). In a file they are consecutive events with the
//! same `document` and `received_at`; as a message they are one event of the type `document`.

use rules::calendar::Instant;
use serde_json::{Value, json};
use store::shop::ShopId;

use super::read::native;

/// The type of an event that has several facts.
pub const DOCUMENT: &str = "document";
/// The field with the facts of such an event.
pub(super) const FACTS: &str = "facts";
/// The type of the fact that erases a member. It is never part of a document.
pub(super) const ERASED: &str = "customer.erased";
/// The most facts of a document; a longer one arrives in parts.
pub const FACTS_MAX: usize = 100;
/// The most bytes of a document with several facts, as of an event.
const BYTES_MAX: usize = 256 * 1024 - 1024;

/// Whether an event belongs to the same document as the one before it.
pub fn continues(before: &Value, event: &Value) -> bool {
    let is_erasure = |event: &Value| event.get("type").and_then(Value::as_str) == Some(ERASED);
    let same = |field| before.get(field) == event.get(field);
    event.get("document").is_some_and(Value::is_string)
        && same("document")
        && same("received_at")
        && !is_erasure(before)
        && !is_erasure(event)
}

/// Divides events into documents, each with its length in bytes. An event without a `document` is one by itself.
pub fn documents<T>(events: &[T], value: impl Fn(&T) -> (&Value, usize)) -> Vec<&[T]> {
    let (mut documents, mut rest, mut bytes) = (Vec::new(), events, 0);
    while let Some(first) = rest.first() {
        bytes += value(first).1;
        let is_more = |pair: &[T]| match pair {
            [before, event] => continues(value(before).0, value(event).0),
            _ => false,
        };
        let mut length = 1;
        while rest.get(length - 1..=length).is_some_and(is_more) && length < FACTS_MAX {
            bytes += rest.get(length).map_or(0, |event| value(event).1);
            if bytes > BYTES_MAX {
                break;
            }
            length += 1;
        }
        let (document, others) = rest.split_at(length);
        documents.push(document);
        (rest, bytes) = (others, 0);
    }
    documents
}

/// A document of a shop's own events in an envelope, as the project's bus delivers it.
pub fn native_document<'a>(shop: &ShopId, events: impl Iterator<Item = &'a Value>, at: Instant) -> String {
    let events: Vec<&Value> = events.collect();
    match &*events {
        [event] => native(shop, event, at),
        _ => native(shop, &json!({ "type": DOCUMENT, FACTS: events }), at),
    }
}
