//! The events that are sent together. A document is never divided: its facts arrive at once (section 4).

use engine::ingest::{DOCUMENT_FACTS_MAX, continues};

use super::target::Event;

/// The length of a batch that is sent, whatever the number of its events: half of what a served system takes.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Events that wait to be sent, and the document that was read last.
pub struct Batch {
    events: Part,
    document: Part,
    most: usize,
}

/// Events with their length in bytes.
#[derive(Default)]
struct Part {
    events: Vec<Event>,
    bytes: usize,
}

impl Batch {
    /// A batch of at most so many events, unless a single document has more.
    pub fn of_at_most(most: usize) -> Self {
        Self { events: Part::default(), document: Part::default(), most }
    }

    /// Whether an event belongs to the document that was read last.
    pub fn goes_on_with(&self, event: &Event) -> bool {
        let Part { events, .. } = &self.document;
        events.len() < DOCUMENT_FACTS_MAX && events.last().is_some_and(|last| continues(&last.value, &event.value))
    }

    /// Ends the document that was read last. Yields the events before it if there is no room for it beside them.
    pub fn without_room(&mut self) -> Option<Vec<Event>> {
        let Self { events: before, document, most } = self;
        let has_room =
            before.events.len() + document.events.len() <= *most && before.bytes + document.bytes <= BYTES_MAX;
        let full = (!has_room && !before.events.is_empty()).then(|| std::mem::take(before).events);
        let Part { mut events, bytes } = std::mem::take(document);
        before.events.append(&mut events);
        before.bytes += bytes;
        full
    }

    /// All events, if they are as many as are sent together and the last one is no part of a document that may go on.
    pub fn full(&mut self) -> Option<Vec<Event>> {
        let Self { events: before, document, most } = self;
        let is_full =
            before.events.len() + document.events.len() >= *most || before.bytes + document.bytes >= BYTES_MAX;
        let may_go_on = document.events.last().is_some_and(|last| last.value.get("document").is_some());
        if !is_full || may_go_on {
            return None;
        }
        let mut events = std::mem::take(before).events;
        events.append(&mut std::mem::take(document).events);
        (!events.is_empty()).then_some(events)
    }

    /// Adds an event to the document that was read last, or begins one with it.
    pub fn push(&mut self, event: Event) {
        self.document.bytes += event.length;
        self.document.events.push(event);
    }

    /// Everything that is left, in batches.
    pub fn rest(mut self) -> impl Iterator<Item = Vec<Event>> {
        let full = self.without_room();
        full.into_iter().chain(Some(self.events.events)).filter(|events| !events.is_empty())
    }
}
