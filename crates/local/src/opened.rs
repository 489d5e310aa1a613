//! An open store and its queues, and the parts that work on them.

use std::sync::Arc;

use engine::clock::Clock;
use engine::ingest::{FactWriter, Ingest, Quarantine};
use engine::sweep::Sweep;
use store::Store;

use crate::health::Pulse;
use crate::queue::Queues;
use crate::sweeper::{self, Here};

/// An open store and its queues.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The tables.
    pub store: Store,
    /// The queues.
    pub queues: Queues,
    /// The store itself, where it is in this process.
    pub here: Option<embedded_dynamodb::Store>,
    /// Whether no other process can write there.
    pub alone: bool,
}

/// The number of messages that are committed together where no other process writes. Most messages change two items
/// each, and a transaction has room for 90.
const TOGETHER: usize = 32;

/// The delay until a version takes effect where several processes read versions: functions cache them for 20 s.
pub const AHEAD_MS: i64 = 60_000;

impl Opened {
    /// The writer of facts.
    pub fn writer(&self, clock: Clock) -> FactWriter {
        let writer = FactWriter::new(self.store.clone(), clock);
        if self.alone { writer.with_batching(TOGETHER) } else { writer }
    }

    /// The ingestion of events. Events that can never succeed go to `quarantine`.
    pub fn ingest<Q: Quarantine>(&self, quarantine: Q, clock: Clock) -> Ingest<Q> {
        Ingest::with(self.writer(clock), quarantine)
    }

    /// The delay until a version takes effect if no instant is named.
    pub fn ahead_ms(&self) -> i64 {
        if self.alone { 0 } else { AHEAD_MS }
    }

    /// The sweep that advances all members past midnights and changes of rules.
    pub fn sweep(&self, clock: Clock, pulse: Arc<Pulse>) -> Sweep<Here> {
        let workers = Here::beside(self.queues.clone(), pulse);
        Sweep::new(self.store.clone(), workers, clock, sweeper::settings(self.alone))
    }
}
