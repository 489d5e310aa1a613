//! Ingests batches of events: they become facts, members and rows to announce.
//!
//! Each message ends in one of four ways: its facts are applied (or were already known), it is ignored because it has
//! no consequence, it is quarantined because it can never succeed, or it failed for now and is redelivered. A
//! redelivered message changes nothing, because facts are found under their natural keys.

mod direct;
mod document;
mod fold;
mod group;
mod not_counted;
mod programs;
mod quarantine;
mod read;
mod take;

pub use direct::{FactOutcome, Known};
pub use document::{DOCUMENT, FACTS, OpenDocument, documents, native_document};
pub use not_counted::{CANCELLED, NotCounted, not_counted};
pub use programs::ProgramCache;
pub use quarantine::Quarantine;
pub use read::{native, read};

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use rules::calendar::Instant;
use rules::fact::{FUTURE_MS_MAX, Fact};
use rules::fact_index::{FactStatus, Idle};
use rules::record::Row;
use store::records::{Quarantined, Reason};
use store::shop::ShopId;
use store::{Store, StoreError, Units};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::Clock;
use crate::telemetry::Metric;
use read::{Content, Opened};
use take::Delivery;

/// A message from the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's id of the message.
    pub id: String,
    /// An event in EventBridge's envelope.
    pub body: String,
    /// When it was sent to the queue, if the queue says so.
    pub sent_at: Option<Instant>,
}

/// The result of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The messages to redeliver, by id, in the order of the batch.
    pub failed: Vec<String>,
    /// The reason why the first of them failed.
    pub failure: Option<String>,
    /// The quarantined messages, in no particular order.
    pub quarantined: Vec<(String, Quarantined)>,
    /// Counts of everything else.
    pub counts: Counts,
    /// The age of the oldest message, in milliseconds.
    pub oldest_ms: Option<i64>,
}

/// The counts of a batch. Messages are done, ignored, quarantined or failed. Facts of done messages are applied, known,
/// superseded, or about an erased member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Messages received.
    pub events: u64,
    /// Messages whose facts are stored.
    pub done: u64,
    /// Messages without consequence.
    pub ignored: u64,
    /// Messages that can never succeed.
    #[serde(alias = "set_aside")]
    pub quarantined: u64,
    /// Facts that are new, or newer revisions of known ones.
    pub applied: u64,
    /// Facts that were known already.
    pub duplicates: u64,
    /// Facts of which a later revision is known.
    pub superseded: u64,
    /// Facts about an erased member.
    #[serde(alias = "kept_out")]
    pub member_erased: u64,
    /// Transitions recorded.
    pub transitions: u64,
    /// Rewards recorded, including birthday points.
    pub rewards: u64,
    /// Applied revisions of orders that were cancelled before: they count for nothing until `order.restored` is sent.
    #[serde(default)]
    pub still_cancelled: u64,
    /// Lost races.
    pub conflicts: u64,
}

/// Writes facts: decides in memory what they change, and commits the result.
#[derive(Debug)]
pub struct FactWriter {
    store: Store,
    programs: Arc<ProgramCache>,
    clock: Clock,
    max_messages_per_commit: usize,
    salt: u64,
    /// The turns of shops: facts of one shop are decided one group after another, so that a shop whose facts take long to
    /// decide keeps at most one core from the others.
    turns: Vec<Semaphore>,
}

/// The number of turns that shops are spread over.
const TURNS: u8 = 64;

impl FactWriter {
    /// The turn of a shop, which ends when it is dropped.
    async fn turn(&self, shop: &ShopId) -> Option<SemaphorePermit<'_>> {
        let place = usize::from(shop.place_among(TURNS));
        self.turns.get(place)?.acquire().await.ok()
    }

    /// Creates a writer on a store.
    pub fn new(store: Store, clock: Clock) -> Self {
        let programs = Arc::new(ProgramCache::new(store.clone(), clock.clone()));
        // Processes of functions have the same ids; a random salt tells them apart.
        let salt = RandomState::new().build_hasher().finish();
        let turns = std::iter::repeat_with(|| Semaphore::new(1)).take(TURNS.into()).collect();
        Self { store, programs, clock, max_messages_per_commit: 1, salt, turns }
    }

    /// Takes the waits after lost races from a given salt instead of a random one.
    #[must_use]
    pub fn with_jitter_seed(self, salt: u64) -> Self {
        Self { salt, ..self }
    }

    /// Commits up to this many unrelated messages in one transaction. That pays only where no other process writes, and
    /// a transaction of many items takes as long as one of two. Elsewhere it would only cause conflicts.
    #[must_use]
    pub fn with_batching(self, max_messages_per_commit: usize) -> Self {
        Self { max_messages_per_commit: max_messages_per_commit.max(1), ..self }
    }

    /// Shares another writer's cache of programs; both are then invalidated together.
    #[must_use]
    pub fn sharing_cache(self, programs: Arc<ProgramCache>) -> Self {
        Self { programs, ..self }
    }

    /// The programs in use, cached for 20 s.
    pub fn programs(&self) -> &Arc<ProgramCache> {
        &self.programs
    }
}

/// Ingests messages of a queue; messages that can never succeed are quarantined.
#[derive(Debug)]
pub struct Ingest<Q> {
    writer: FactWriter,
    quarantine: Q,
}

impl<Q: Quarantine> Ingest<Q> {
    /// Creates the ingest of a store.
    pub fn new(store: Store, quarantine: Q, clock: Clock) -> Self {
        Self::with(FactWriter::new(store, clock), quarantine)
    }

    /// Creates the ingest with an existing writer.
    pub fn with(writer: FactWriter, quarantine: Q) -> Self {
        Self { writer, quarantine }
    }

    /// The units of the store used since the last call.
    pub fn used(&self) -> Units {
        self.writer.store.meter().take()
    }

    /// The programs in use, cached for 20 s.
    pub fn programs(&self) -> &Arc<ProgramCache> {
        self.writer.programs()
    }

    /// Invalidates the cached versions; a version just published is then in use at once.
    pub fn invalidate_programs(&self) {
        self.writer.programs.forget();
    }

    /// Ingests a batch.
    pub async fn handle(&self, messages: &[Message]) -> Report {
        let now = self.writer.clock.now();
        let mut report = Report::default();
        report.counts.events = messages.len() as u64;
        report.oldest_ms = messages.iter().filter_map(|it| Some(now.millis() - it.sent_at?.millis())).max();
        let mut failed = BTreeSet::new();
        let mut quarantined: Vec<(usize, Quarantined)> = Vec::new();
        let mut shops: BTreeMap<ShopId, Vec<(usize, Content)>> = BTreeMap::new();
        for (place, message) in messages.iter().enumerate() {
            match read::open(&message.body) {
                Ok(Opened { shop, content }) => {
                    shops.entry(self.writer.store.shop_named(shop)).or_default().push((place, content));
                }
                Err(why) => {
                    let shop = why.shop.map(|shop| self.writer.store.shop_named(shop));
                    quarantined.push((place, Quarantined { shop, ..why }));
                }
            }
        }
        for (shop, contents) in shops {
            let versions = match self.writer.programs.of(&shop).await {
                Ok(versions) => versions,
                Err(error) => {
                    failed.extend(contents.iter().map(|(place, _)| *place));
                    report.failure.get_or_insert(error.to_string());
                    continue;
                }
            };
            let Some(versions) = versions else {
                let unknown =
                    |(place, content): (usize, Content)| (place, content.quarantined(&shop, Reason::UnknownShop));
                quarantined.extend(contents.into_iter().map(unknown));
                continue;
            };
            let mut deliveries = Vec::new();
            for (place, content) in contents {
                match content.facts(&shop, versions.last().program.currency) {
                    Ok(facts) if facts.is_empty() => report.counts.ignored += 1,
                    Ok(facts) => match early(&facts, now) {
                        Some(path) => quarantined.push((place, Quarantined::of(&shop, Reason::FromTheFuture).at(path))),
                        None => deliveries.push(Delivery::message(place, facts)),
                    },
                    Err(why) => quarantined.push((place, why)),
                }
            }
            let outcome = self.writer.take(&shop, &versions, deliveries).await;
            report.counts.add(&outcome.counts);
            failed.extend(outcome.failed);
            report.failure = report.failure.or(outcome.failure);
            quarantined
                .extend(outcome.quarantined.into_iter().map(|(place, reason)| (place, Quarantined::of(&shop, reason))));
        }
        // All in one step. If that fails, each by itself: one of them may be the cause.
        let places: Vec<usize> = quarantined.iter().map(|(place, _)| *place).collect();
        let quarantined: Vec<(&Message, Quarantined)> =
            quarantined.into_iter().filter_map(|(place, why)| Some((messages.get(place)?, why))).collect();
        let together = if quarantined.is_empty() { Ok(()) } else { self.quarantine(&quarantined).await };
        for (place, (message, why)) in places.into_iter().zip(quarantined) {
            let done = match &together {
                Ok(()) => Ok(()),
                Err(_) => self.quarantine(&[(message, why.clone())]).await,
            };
            match done {
                Ok(()) => {
                    report.counts.quarantined += 1;
                    report.quarantined.push((message.id.clone(), why));
                }
                Err(error) => {
                    failed.insert(place);
                    report.failure.get_or_insert(error.to_string());
                }
            }
        }
        report.failed = failed.into_iter().filter_map(|place| Some(messages.get(place)?.id.clone())).collect();
        report
    }

    /// Stores the bodies first, then their rows: a row without a body could not be replayed. A body that comes twice has
    /// one row.
    async fn quarantine(&self, messages: &[(&Message, Quarantined)]) -> Result<(), StoreError> {
        let by_id = messages.iter().map(|(message, why)| (quarantine::id(&message.body), (&*message.body, why)));
        let different: BTreeMap<String, (&str, &Quarantined)> = by_id.collect();
        let bodies: Vec<(String, &str)> = different.iter().map(|(id, (body, _))| (id.clone(), *body)).collect();
        self.quarantine.put(&bodies).await?;
        let rows = different.iter().map(|(id, (body, why))| (&**id, *why, body.len()));
        self.writer.store.quarantine(rows, self.writer.clock.now()).await
    }
}

/// Finds facts dated more than five minutes ahead, which are refused.
fn early(facts: &[Fact], now: Instant) -> Option<&'static str> {
    let latest = now.plus_millis(FUTURE_MS_MAX);
    let fact = facts.iter().find(|fact| fact.latest_at() > latest)?;
    Some(if fact.occurred_at > latest { "$.occurred_at" } else { "$.paid_at" })
}

impl Counts {
    /// Adds the counts of another batch.
    pub fn add(&mut self, other: &Self) {
        // All fields are named: a new field does not compile until it is added here.
        let Self {
            events,
            done,
            ignored,
            quarantined,
            applied,
            duplicates,
            superseded,
            member_erased,
            transitions,
            rewards,
            still_cancelled,
            conflicts,
        } = other;
        self.events += events;
        self.done += done;
        self.ignored += ignored;
        self.quarantined += quarantined;
        self.applied += applied;
        self.duplicates += duplicates;
        self.superseded += superseded;
        self.member_erased += member_erased;
        self.transitions += transitions;
        self.rewards += rewards;
        self.still_cancelled += still_cancelled;
        self.conflicts += conflicts;
    }

    /// The counts as metrics, the same wherever ingest runs.
    pub fn measured(&self) -> [(Metric, u64); 9] {
        [
            (Metric::EventsIn, self.events),
            (Metric::FactsApplied, self.applied),
            (Metric::Duplicates, self.duplicates),
            (Metric::Superseded, self.superseded),
            (Metric::Ignored, self.ignored + self.member_erased),
            (Metric::Quarantined, self.quarantined),
            (Metric::Transitions, self.transitions),
            (Metric::Rewards, self.rewards),
            (Metric::Conflicts, self.conflicts),
        ]
    }

    fn fact(&mut self, status: FactStatus, idle: Option<Idle>) {
        if idle == Some(Idle::Cancelled) {
            self.still_cancelled += 1;
        }
        match status {
            FactStatus::Applied => self.applied += 1,
            FactStatus::Duplicate => self.duplicates += 1,
            FactStatus::Superseded => self.superseded += 1,
            FactStatus::MemberErased => self.member_erased += 1,
        }
    }

    fn row(&mut self, row: &Row) {
        match row {
            Row::Transition(_) => self.transitions += 1,
            Row::Reward(_) | Row::Birthday(_) => self.rewards += 1,
            Row::Correction(_) | Row::Held(_) => {}
        }
    }
}
