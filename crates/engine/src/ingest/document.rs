//! Documents of a shop's own events: facts that arrive at once (section 4). In a file they are consecutive events with the
//! same `document` and `received_at`; as a message they are one event of the type `document`.

use std::collections::BTreeSet;

use rules::calendar::Instant;
use serde_json::{Value, json};
use store::shop::ShopId;

use super::read::native;

/// The type of an event that has several facts.
pub const DOCUMENT: &str = "document";
/// The field with the facts of such an event.
pub const FACTS: &str = "facts";
/// The type of the fact that erases a member. It is never part of a document.
pub(super) const ERASED: &str = "customer.erased";
/// The most facts of a document. What a document changes is explained by leaving out each of its facts in turn.
pub(super) const FACTS_MAX: usize = 200;
/// The most orders, entries and the like that the facts of a document are about: one transaction holds them all.
const SUBJECTS_MAX: usize = 40;
/// The most bytes of a document with several facts, as of an event.
const BYTES_MAX: usize = 256 * 1024 - 1024;
/// The fields that say what a fact is about.
const SUBJECTS: [&str; 4] = ["order_id", "entry_id", "cancel_id", "assignment_id"];

/// The part of a document that was read last, to know whether the next event belongs to it.
#[derive(Debug, Default)]
pub struct OpenDocument {
    /// The document and the arrival; none of an event that arrives by itself.
    name: Option<(Value, Option<Value>)>,
    facts: usize,
    bytes: usize,
    subjects: BTreeSet<String>,
}

impl OpenDocument {
    /// Takes the next event with its length in bytes. Returns whether it arrives with those before it; if not, it begins a
    /// document of its own, or a further part of one that is too long to arrive at once.
    pub fn takes(&mut self, event: &Value, bytes: usize) -> bool {
        let name = name(event);
        let mut subjects = subjects(event);
        let goes_on = name.is_some()
            && name == self.name
            && self.facts < FACTS_MAX
            && self.bytes + bytes <= BYTES_MAX
            && self.subjects.union(&subjects).count() <= SUBJECTS_MAX;
        if goes_on {
            self.facts += 1;
            self.bytes += bytes;
            self.subjects.append(&mut subjects);
        } else {
            *self = Self { name, facts: 1, bytes, subjects };
        }
        goes_on
    }

    /// Whether an event that follows may arrive with those before it.
    pub fn may_go_on(&self) -> bool {
        self.name.is_some()
    }
}

/// The document of an event and its arrival; none if it arrives by itself.
fn name(event: &Value) -> Option<(Value, Option<Value>)> {
    let kind = event.get("type").and_then(Value::as_str);
    let document = event.get("document").filter(|document| document.is_string())?;
    let is_alone = matches!(kind, Some(ERASED | DOCUMENT));
    (!is_alone).then(|| (document.clone(), event.get("received_at").cloned()))
}

/// What an event is about, and whom.
fn subjects(event: &Value) -> BTreeSet<String> {
    let told = SUBJECTS.iter().filter_map(|field| Some(format!("{field} {}", event.get(*field)?)));
    let of: BTreeSet<String> = told.collect();
    if !of.is_empty() {
        return of;
    }
    event.get("member_id").map(|member| format!("member {member} {:?}", event.get("type"))).into_iter().collect()
}

/// Divides events into documents, each event with its length in bytes. An event without a `document` is one by itself.
pub fn documents<T>(events: &[T], value: impl Fn(&T) -> (&Value, usize)) -> Vec<&[T]> {
    let mut open = OpenDocument::default();
    let begins: Vec<bool> = events.iter().map(&value).map(|(event, bytes)| !open.takes(event, bytes)).collect();
    let mut places = begins.iter().enumerate().filter(|(_, begins)| **begins).map(|(place, _)| place).skip(1);
    let (mut documents, mut begin) = (Vec::new(), 0);
    while begin < events.len() {
        let end = places.next().unwrap_or(events.len());
        documents.extend(events.get(begin..end));
        begin = end;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(events: &[Value]) -> Vec<usize> {
        let length = |event: &Value| event.to_string().len();
        documents(events, |event| (event, length(event))).into_iter().map(<[Value]>::len).collect()
    }

    fn refund(document: &str, order: usize, refund: usize) -> Value {
        json!({ "type": "order.refunded", "order_id": order.to_string(), "refund_id": refund.to_string(),
                "document": document })
    }

    #[test]
    fn consecutive_events_of_a_document_are_one_up_to_its_limits() {
        let alone = |kind: &str| json!({ "type": kind, "document": "a" });
        let events =
            [refund("a", 1, 1), refund("a", 1, 2), refund("b", 1, 3), json!({ "type": "x" }), json!({ "type": "x" })];
        assert_eq!(lengths(&events), [2, 1, 1, 1]);
        assert_eq!(lengths(&[alone(ERASED), alone(ERASED), alone(DOCUMENT), alone(DOCUMENT)]), [1, 1, 1, 1]);
        let other = json!({ "type": "order.refunded", "order_id": "1", "document": "a", "received_at": "2024-01-01T00:00:00Z" });
        assert_eq!(lengths(&[refund("a", 1, 1), other]), [1, 1]);
        let of_one_order: Vec<_> = (0..250).map(|nth| refund("a", 1, nth)).collect();
        assert_eq!(lengths(&of_one_order), [200, 50]);
        let of_many: Vec<_> = (0..100).map(|nth| refund("a", nth, nth)).collect();
        assert_eq!(lengths(&of_many), [40, 40, 20]);
        let mut long = refund("a", 1, 1);
        long["note"] = json!("x".repeat(100 * 1024));
        assert_eq!(lengths(&[long.clone(), long.clone(), long]), [2, 1]);
        assert_eq!(lengths(&[]), Vec::<usize>::new());
    }
}
