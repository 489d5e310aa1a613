//! The event bus, as far as the relay needs it.

use std::future::Future;

use store::Outgoing;

/// The source of all outgoing events.
pub const SOURCE: &str = "echelon";

/// The most entries that EventBridge takes at a time.
pub const ENTRIES_MAX: usize = 10;

/// The most bytes that EventBridge takes at a time, and so in one entry.
pub(super) const BYTES_MAX: usize = 256 * 1024;

/// The bytes that EventBridge counts for an entry's time.
const TIME_BYTES: usize = 14;

/// The answer of a bus to an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutResult {
    /// The bus has it.
    Taken,
    /// The bus does not take it now: a retry may succeed.
    Later(String),
    /// The bus never takes it: a retry gets the same answer.
    Never(String),
}

/// The bus on which events are announced.
pub trait Bus: Send + Sync {
    /// Puts at most [`ENTRIES_MAX`] entries, together within what a bus takes, and yields one answer for each. If
    /// nothing is known of an entry, the answer is [`PutResult::Later`].
    fn put(&self, entries: &[&Outgoing]) -> impl Future<Output = Vec<PutResult>> + Send;
}

/// The bytes that an entry counts: its body, its names, and its time.
pub(super) fn size(entry: &Outgoing) -> usize {
    TIME_BYTES + SOURCE.len() + entry.kind.len() + entry.detail.len()
}
