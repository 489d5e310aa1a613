//! The event bus, as far as it is needed.

use std::future::Future;

use store::Outgoing;

/// The source of all outgoing events.
pub const SOURCE: &str = "echelon";

/// EventBridge takes at most so many entries at a time.
pub const ENTRIES_MAX: usize = 10;

/// EventBridge takes at most so many bytes at a time, and so in one entry.
pub(super) const BYTES_MAX: usize = 256 * 1024;

/// What EventBridge counts for the time of an entry.
const TIME_BYTES: usize = 14;

/// What a bus says to an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutResult {
    /// It has it.
    Taken,
    /// Not now: it is worth trying again.
    Later(String),
    /// Not this: it will say the same again.
    Never(String),
}

/// Where events are announced.
pub trait Bus: Send + Sync {
    /// Puts at most [`ENTRIES_MAX`] entries, together within what a bus takes, and yields one answer for each. If
    /// nothing is known of an entry, the answer is [`PutResult::Later`].
    fn put(&self, entries: &[&Outgoing]) -> impl Future<Output = Vec<PutResult>> + Send;
}

/// How many bytes an entry counts: what is sent, its names, and its time.
pub(super) fn size(entry: &Outgoing) -> usize {
    TIME_BYTES + SOURCE.len() + entry.kind.len() + entry.detail.len()
}
