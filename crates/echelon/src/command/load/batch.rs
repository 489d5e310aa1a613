//! The events that are sent together. A document is never divided: its facts arrive at once (section 4).

use engine::ingest::OpenDocument;

use super::target::Event;

/// The most that is sent at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Events, unless a single document has more.
    pub events: usize,
    /// Bytes, unless a single event has more.
    pub bytes: usize,
}

/// Events that wait to be sent, and the document that was read last.
pub struct Batch {
    events: Part,
    document: Part,
    open: OpenDocument,
    limits: Limits,
}

/// Events with their length in bytes.
#[derive(Default)]
struct Part {
    events: Vec<Event>,
    bytes: usize,
}

impl Batch {
    /// An empty batch.
    pub fn new(limits: Limits) -> Self {
        Self { events: Part::default(), document: Part::default(), open: OpenDocument::default(), limits }
    }

    /// Whether an event arrives with the document that was read last. It is pushed next.
    pub fn goes_on_with(&mut self, event: &Event) -> bool {
        self.open.takes(&event.value, event.length)
    }

    /// Ends the document that was read last. Yields the events before it if there is no room for it beside them.
    pub fn without_room(&mut self) -> Option<Vec<Event>> {
        let Self { events: before, document, limits, .. } = self;
        let has_room = before.events.len() + document.events.len() <= limits.events
            && before.bytes + document.bytes <= limits.bytes;
        let full = (!has_room && !before.events.is_empty()).then(|| std::mem::take(before).events);
        let Part { mut events, bytes } = std::mem::take(document);
        before.events.append(&mut events);
        before.bytes += bytes;
        full
    }

    /// All events, if they are as many as are sent together and no document is open.
    pub fn full(&mut self) -> Option<Vec<Event>> {
        let Self { events: before, document, open, limits } = self;
        let is_full = before.events.len() + document.events.len() >= limits.events
            && before.bytes + document.bytes <= limits.bytes;
        if !is_full || open.may_go_on() {
            return None;
        }
        let mut events = std::mem::take(before).events;
        events.append(&mut std::mem::take(document).events);
        (!events.is_empty()).then_some(events)
    }

    /// Adds an event to the document that was read last, or begins one with it.
    pub fn push(&mut self, event: Event) {
        self.document.bytes += event.length + 1;
        self.document.events.push(event);
    }

    /// Everything that is left, in batches.
    pub fn rest(mut self) -> impl Iterator<Item = Vec<Event>> {
        let full = self.without_room();
        full.into_iter().chain(Some(self.events.events)).filter(|events| !events.is_empty())
    }
}
