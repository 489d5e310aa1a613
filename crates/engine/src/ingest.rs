//! A batch of events becomes facts, members and rows to announce.
//!
//! Each message ends in one of four ways: its facts are applied (or were already known), it is ignored as of no
//! consequence, it is set aside because it can never succeed, or it failed for now and comes again. A message that comes
//! twice changes nothing the second time, for facts are found under their natural keys.

mod aside;
mod fold;
mod group;
mod programs;
mod read;
mod take;
mod told;

pub use aside::Asides;
pub use programs::Programs;
pub use read::{native, read};
pub use told::{Answered, Told};

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use rules::book::Taken;
use rules::calendar::Instant;
use rules::fact::{FUTURE_MS_MAX, Fact};
use rules::record::Row;
use store::records::{Aside, Reason};
use store::shop::ShopId;
use store::{Store, StoreError, Units};

use crate::clock::Clock;
use crate::telemetry::Metric;
use read::{Content, Opened};
use take::Delivery;

/// A message from the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How the queue knows it.
    pub id: String,
    /// An event in EventBridge's envelope.
    pub body: String,
    /// When it was put into the queue, if the queue tells.
    pub sent_at: Option<Instant>,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The messages to be delivered again, by id, in the order of the batch.
    pub failed: Vec<String>,
    /// Why the first of them failed.
    pub failure: Option<String>,
    /// What was set aside, by message, in no order.
    pub set_aside: Vec<(String, Aside)>,
    /// Counts of everything else.
    pub counts: Counts,
    /// The age of the oldest message, in milliseconds.
    pub oldest_ms: Option<i64>,
}

/// What was counted in a batch. Messages are done, ignored, set aside or failed; facts of done ones are applied, known,
/// superseded, or about an erased member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Messages that came.
    pub events: u64,
    /// Messages whose facts are in.
    pub done: u64,
    /// Messages of no consequence.
    pub ignored: u64,
    /// Messages that can never succeed.
    pub set_aside: u64,
    /// Facts that are new, or newer versions of known ones.
    pub applied: u64,
    /// Facts that were known already.
    pub duplicates: u64,
    /// Facts of which a version that wins is known.
    pub superseded: u64,
    /// Facts about somebody who was erased.
    #[serde(alias = "kept_out")]
    pub member_erased: u64,
    /// Transitions recorded.
    pub transitions: u64,
    /// Rewards recorded, birthday points included.
    pub rewards: u64,
    /// Races lost.
    pub conflicts: u64,
}

/// The ingest of a deployment.
#[derive(Debug)]
pub struct Ingest<A> {
    store: Store,
    programs: Arc<Programs>,
    asides: A,
    clock: Clock,
    together: usize,
    salt: u64,
}

impl<A: Asides> Ingest<A> {
    /// The ingest over a store; what can never succeed goes to `asides`.
    pub fn new(store: Store, asides: A, clock: Clock) -> Self {
        let programs = Arc::new(Programs::new(store.clone(), clock.clone()));
        // Processes of functions are numbered alike: what tells them apart has to be chance.
        let salt = RandomState::new().build_hasher().finish();
        Self { store, programs, asides, clock, together: 1, salt }
    }

    /// Waits after a lost race as the salt has it, and not by chance.
    #[must_use]
    pub fn salted(self, salt: u64) -> Self {
        Self { salt, ..self }
    }

    /// Commits up to so many messages in one transaction though they have nothing to do with each other: where nobody
    /// else writes, and a transaction of many items takes as long as one of two. Elsewhere that would only cost races.
    #[must_use]
    pub fn gathering(self, together: usize) -> Self {
        Self { together: together.max(1), ..self }
    }

    /// What was used of the store since this was asked last.
    pub fn used(&self) -> Units {
        self.store.meter().take()
    }

    /// The programs in use, remembered for a while.
    pub fn programs(&self) -> &Arc<Programs> {
        &self.programs
    }

    /// The same with what another remembers, so that both forget together.
    #[must_use]
    pub fn remembering(self, programs: Arc<Programs>) -> Self {
        Self { programs, ..self }
    }

    /// Forgets the versions that are known, so that one just published is in use at once.
    pub fn forget_programs(&self) {
        self.programs.forget();
    }

    /// Takes a batch in.
    pub async fn handle(&self, messages: &[Message]) -> Report {
        let now = self.clock.now();
        let mut report = Report::default();
        report.counts.events = messages.len() as u64;
        report.oldest_ms = messages.iter().filter_map(|it| Some(now.millis() - it.sent_at?.millis())).max();
        let mut failed = BTreeSet::new();
        let mut asides: Vec<(usize, Aside)> = Vec::new();
        let mut shops: BTreeMap<ShopId, Vec<(usize, Content)>> = BTreeMap::new();
        for (place, message) in messages.iter().enumerate() {
            match read::open(&message.body) {
                Ok(Opened { shop, content }) => shops.entry(shop).or_default().push((place, content)),
                Err(aside) => asides.push((place, aside)),
            }
        }
        for (shop, contents) in shops {
            let versions = match self.programs.of(&shop).await {
                Ok(versions) => versions,
                Err(error) => {
                    failed.extend(contents.iter().map(|(place, _)| *place));
                    report.failure.get_or_insert(error.to_string());
                    continue;
                }
            };
            let Some(versions) = versions else {
                let unknown = |(place, content): (usize, Content)| (place, content.aside(&shop, Reason::UnknownShop));
                asides.extend(contents.into_iter().map(unknown));
                continue;
            };
            let mut deliveries = Vec::new();
            for (place, content) in contents {
                match content.facts(&shop, versions.last().program.currency) {
                    Ok(facts) if facts.is_empty() => report.counts.ignored += 1,
                    Ok(facts) => match early(&facts, now) {
                        Some(path) => asides.push((place, Aside::of(&shop, Reason::FromTheFuture).at(path))),
                        None => deliveries.push(Delivery { place, facts }),
                    },
                    Err(aside) => asides.push((place, aside)),
                }
            }
            let outcome = self.take(&shop, &versions, deliveries).await;
            report.counts.add(&outcome.counts);
            failed.extend(outcome.failed);
            report.failure = report.failure.or(outcome.failure);
            asides.extend(outcome.set_aside.into_iter().map(|(place, reason)| (place, Aside::of(&shop, reason))));
        }
        for (place, aside) in asides {
            let Some(message) = messages.get(place) else { continue };
            match self.set_aside(message, &aside).await {
                Ok(()) => {
                    report.counts.set_aside += 1;
                    report.set_aside.push((message.id.clone(), aside));
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

    /// The body first, then the row that tells of it: a row without a body could not be replayed.
    async fn set_aside(&self, message: &Message, aside: &Aside) -> Result<(), StoreError> {
        let id = aside::id(&message.body);
        self.asides.keep(&id, &message.body).await.map_err(StoreError::Unavailable)?;
        self.store.set_aside(&id, aside, message.body.len(), self.clock.now()).await
    }
}

/// Facts dated more than five minutes ahead are refused.
fn early(facts: &[Fact], now: Instant) -> Option<&'static str> {
    let latest = now.plus_millis(FUTURE_MS_MAX);
    facts.iter().any(|fact| fact.occurred_at > latest).then_some("$.occurred_at")
}

impl Counts {
    /// Adds what was counted in another batch.
    pub fn add(&mut self, other: &Self) {
        // Every field by its name: a new one does not compile before it is added up.
        let Self {
            events,
            done,
            ignored,
            set_aside,
            applied,
            duplicates,
            superseded,
            member_erased,
            transitions,
            rewards,
            conflicts,
        } = other;
        self.events += events;
        self.done += done;
        self.ignored += ignored;
        self.set_aside += set_aside;
        self.applied += applied;
        self.duplicates += duplicates;
        self.superseded += superseded;
        self.member_erased += member_erased;
        self.transitions += transitions;
        self.rewards += rewards;
        self.conflicts += conflicts;
    }

    /// The same as it is measured, wherever it runs.
    pub fn measured(&self) -> [(Metric, u64); 9] {
        [
            (Metric::EventsIn, self.events),
            (Metric::FactsApplied, self.applied),
            (Metric::Duplicates, self.duplicates),
            (Metric::Superseded, self.superseded),
            (Metric::Ignored, self.ignored + self.member_erased),
            (Metric::Quarantined, self.set_aside),
            (Metric::Transitions, self.transitions),
            (Metric::Rewards, self.rewards),
            (Metric::Conflicts, self.conflicts),
        ]
    }

    fn fact(&mut self, taken: Taken) {
        match taken {
            Taken::Applied => self.applied += 1,
            Taken::Duplicate => self.duplicates += 1,
            Taken::Superseded => self.superseded += 1,
            Taken::MemberErased => self.member_erased += 1,
        }
    }

    fn row(&mut self, row: &Row) {
        match row {
            Row::Transition(_) => self.transitions += 1,
            Row::Reward(_) | Row::Birthday(_) => self.rewards += 1,
            Row::Held(_) => {}
        }
    }
}
