//! An open store and its queues, and what works on them.

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
    /// Whether nobody else can write there.
    pub alone: bool,
}

/// So many messages are committed together where nobody else writes: most change two items each, and a transaction has
/// room for 90.
const TOGETHER: usize = 32;

/// How far ahead a version takes effect where several processes read versions: functions remember them for 20 s.
pub const AHEAD_MS: i64 = 60_000;

impl Opened {
    /// What writes facts into the store.
    pub fn writer(&self, clock: Clock) -> FactWriter {
        let writer = FactWriter::new(self.store.clone(), clock);
        if self.alone { writer.with_batching(TOGETHER) } else { writer }
    }

    /// What takes events into the store; what can never succeed goes to `quarantine`.
    pub fn ingest<Q: Quarantine>(&self, quarantine: Q, clock: Clock) -> Ingest<Q> {
        Ingest::with(self.writer(clock), quarantine)
    }

    /// How far ahead a version takes effect where no instant is named.
    pub fn ahead_ms(&self) -> i64 {
        if self.alone { 0 } else { AHEAD_MS }
    }

    /// What brings everybody past midnights and changes of rules.
    pub fn sweep(&self, clock: Clock, pulse: Arc<Pulse>) -> Sweep<Here> {
        let workers = Here::beside(self.queues.clone(), pulse);
        Sweep::new(self.store.clone(), workers, clock, sweeper::settings(self.alone))
    }
}
