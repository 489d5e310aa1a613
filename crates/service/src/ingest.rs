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
mod sqs;

pub use aside::{Aside, Asides, Reason};
pub use programs::Programs;
pub use read::native;
pub use sqs::SqsAsides;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use rules::advance::is_due;
use rules::book::Taken;
use rules::calendar::Instant;
use rules::fact::{FUTURE_MS_MAX, Fact};
use rules::record::Row;
use rules::version::Versions;

use crate::clock::Clock;
use crate::shop::ShopId;
use crate::store::{Commit, Remedy, Store, StoreError, Units, WRITES_MAX};
use fold::{Folded, Known, fold};
use group::Group;
use read::{Content, Opened};

/// How often a group that lost a race is decided again before its messages are given back.
const TRIES_MAX: u32 = 6;
/// How many groups are committed at a time.
const COMMITS_AT_A_TIME: usize = 16;
/// A commit that takes longer is given up, so that no writer is late by more than sweeps allow for.
const COMMIT_MS_MAX: u64 = 5_000;

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
    /// Why the first of them failed; it names no member.
    pub failure: Option<String>,
    /// What was set aside, by message, in no order.
    pub set_aside: Vec<(String, Aside)>,
    /// Counts of everything else.
    pub counts: Counts,
    /// The age of the oldest message, in milliseconds.
    pub oldest_ms: Option<i64>,
}

/// What was counted in a batch. Messages are done, ignored, set aside or failed; facts of done ones are applied, known,
/// superseded or kept out.
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
    pub kept_out: u64,
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
    programs: Programs,
    asides: A,
    clock: Clock,
    together: usize,
}

/// A message that was read: its place in the batch, and its facts.
struct Delivery {
    place: usize,
    facts: Vec<Fact>,
}

/// What became of the messages of a group.
#[derive(Default)]
struct Outcome {
    counts: Counts,
    set_aside: Vec<(usize, Reason)>,
    failed: Vec<usize>,
    failure: Option<String>,
}

impl<A: Asides> Ingest<A> {
    /// The ingest over a store; what can never succeed goes to `asides`.
    pub fn new(store: Store, asides: A, clock: Clock) -> Self {
        let programs = Programs::new(store.clone(), clock.clone());
        Self { store, programs, asides, clock, together: 1 }
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
                    report.failure.get_or_insert(error.unnamed());
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
                    report.failure.get_or_insert(error.unnamed());
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

    /// Takes the messages of a shop in, group by group.
    async fn take(&self, shop: &ShopId, versions: &Versions, deliveries: Vec<Delivery>) -> Outcome {
        let facts = deliveries.iter().flat_map(|delivery| &delivery.facts);
        let known = match fold::load(&self.store, shop, facts).await {
            Ok(known) => known,
            Err(error) => {
                let failed = deliveries.iter().map(|delivery| delivery.place).collect();
                return Outcome { failed, failure: Some(error.unnamed()), ..Outcome::default() };
            }
        };
        let gathered = group::gathered(group::connected(deliveries, &known), self.together);
        let known = &known;
        let taken = futures::stream::iter(gathered).map(|groups| self.take_groups(shop, versions, groups, known));
        let outcomes: Vec<Outcome> = taken.buffer_unordered(COMMITS_AT_A_TIME).collect().await;
        outcomes.into_iter().fold(Outcome::default(), Outcome::and)
    }

    /// Takes groups in, together if nothing is in the way of any; otherwise each half apart, down to one alone.
    async fn take_groups(&self, shop: &ShopId, versions: &Versions, groups: Vec<Group>, known: &Known) -> Outcome {
        let mut outcome = Outcome::default();
        let mut stack = vec![groups];
        while let Some(mut groups) = stack.pop() {
            if groups.len() < 2 {
                for group in groups {
                    outcome = outcome.and(self.take_group(shop, versions, group, known).await);
                }
                continue;
            }
            let deliveries = || groups.iter().flat_map(|group| &group.deliveries);
            let facts = deliveries().flat_map(|delivery| &delivery.facts);
            match self.try_some(shop, versions, facts, known).await {
                Ok(folded) => {
                    outcome.counts.done += deliveries().count() as u64;
                    outcome.counts.add(&folded.counts);
                }
                Err(_) => {
                    let others = groups.split_off(groups.len() / 2);
                    stack.extend([others, groups]);
                }
            }
        }
        outcome
    }

    /// Takes connected messages in, as many at a time as one transaction holds.
    async fn take_group(&self, shop: &ShopId, versions: &Versions, group: Group, known: &Known) -> Outcome {
        let mut outcome = Outcome::default();
        let mut deliveries = group.deliveries.as_slice();
        let mut reloaded = None;
        let mut tries = 0;
        let mut at_most = deliveries.len();
        while !deliveries.is_empty() {
            let known = reloaded.as_ref().unwrap_or(known);
            let (some, rest) = deliveries.split_at(at_most.min(deliveries.len()));
            let facts = some.iter().flat_map(|delivery| &delivery.facts);
            let result = self.try_some(shop, versions, facts, known).await;
            let remedy = match result {
                Ok(folded) => {
                    outcome.counts.done += some.len() as u64;
                    outcome.counts.add(&folded.counts);
                    (deliveries, at_most, tries) = (rest, rest.len(), 0);
                    None
                }
                // Too much for one transaction or one item: fewer at a time, down to a single message.
                Err(Failure::TooMuch) if some.len() > 1 => {
                    at_most = some.len() / 2;
                    None
                }
                Err(Failure::TooMuch) => Some((Remedy::SetAside, "it changes too much at once".to_owned())),
                Err(Failure::Passed) => None,
                Err(Failure::Store(error)) => Some((error.remedy(), error.unnamed())),
            };
            match remedy {
                None => {}
                Some((Remedy::SetAside, _)) if some.len() > 1 => at_most = some.len() / 2,
                Some((Remedy::SetAside, _)) => {
                    outcome.set_aside.extend(some.iter().map(|delivery| (delivery.place, Reason::TooLarge)));
                    (deliveries, at_most, tries) = (rest, rest.len(), 0);
                }
                Some((Remedy::Reload, _)) if tries < TRIES_MAX => {
                    outcome.counts.conflicts += 1;
                    tries += 1;
                    tokio::time::sleep(pause(shop, some, tries)).await;
                }
                Some((Remedy::Reload | Remedy::Later, why)) => {
                    outcome.failed.extend(deliveries.iter().map(|delivery| delivery.place));
                    outcome.failure = Some(why);
                    return outcome;
                }
            }
            if deliveries.is_empty() {
                break;
            }
            // Whatever happened, what was read is not what is there now.
            match fold::load(&self.store, shop, deliveries.iter().flat_map(|delivery| &delivery.facts)).await {
                Ok(known) => reloaded = Some(known),
                Err(error) => {
                    outcome.failed.extend(deliveries.iter().map(|delivery| delivery.place));
                    outcome.failure = Some(error.unnamed());
                    return outcome;
                }
            }
        }
        outcome
    }

    async fn try_some<'a>(
        &self,
        shop: &ShopId,
        versions: &Versions,
        facts: impl Iterator<Item = &'a Fact> + Clone,
        known: &Known,
    ) -> Result<Folded, Failure> {
        let now = self.clock.now();
        let folded = fold(versions, known, facts, now);
        let commit = folded.commit(&self.store, shop, versions, known, now)?;
        if commit.len() > WRITES_MAX {
            return Err(Failure::TooMuch);
        }
        // A boundary may have passed while this was decided: a sweep that looks at members from it on must find what
        // follows from these facts already passed.
        let then = self.clock.now();
        if folded.members.iter().any(|(_, ledger, record)| is_due(ledger, record, versions, then)) {
            return Err(Failure::Passed);
        }
        self.commit(commit).await?;
        for member in &folded.erased {
            self.store.erase(shop, member).await?;
        }
        Ok(folded)
    }

    async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let done = tokio::time::timeout(Duration::from_millis(COMMIT_MS_MAX), self.store.commit(commit)).await;
        done.unwrap_or_else(|_| Err(StoreError::Unavailable(format!("no answer in {COMMIT_MS_MAX} ms"))))
    }
}

/// Why facts were not committed.
enum Failure {
    /// More than a transaction holds.
    TooMuch,
    /// A boundary has passed meanwhile.
    Passed,
    /// The database.
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Facts dated more than five minutes ahead are refused.
fn early(facts: &[Fact], now: Instant) -> Option<&'static str> {
    let latest = now.plus_millis(FUTURE_MS_MAX);
    facts.iter().any(|fact| fact.occurred_at() > latest).then_some("$.occurred_at")
}

/// How long to wait after a lost race: longer each time, and not as long as the others who lost it.
fn pause(shop: &ShopId, deliveries: &[Delivery], tries: u32) -> Duration {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (shop.as_str(), deliveries.first().map(|delivery| delivery.place), tries, std::process::id()).hash(&mut hasher);
    Duration::from_millis((5 << tries) + hasher.finish() % (10 << tries))
}

impl Outcome {
    fn and(mut self, other: Self) -> Self {
        self.counts.add(&other.counts);
        self.set_aside.extend(other.set_aside);
        self.failed.extend(other.failed);
        self.failure = self.failure.or(other.failure);
        self
    }
}

impl Counts {
    /// Adds what was counted in another batch.
    pub fn add(&mut self, other: &Self) {
        let Self { events, done, ignored, set_aside, applied, duplicates, superseded, kept_out, .. } = *other;
        let Self { transitions, rewards, conflicts, .. } = *other;
        self.events += events;
        self.done += done;
        self.ignored += ignored;
        self.set_aside += set_aside;
        self.applied += applied;
        self.duplicates += duplicates;
        self.superseded += superseded;
        self.kept_out += kept_out;
        self.transitions += transitions;
        self.rewards += rewards;
        self.conflicts += conflicts;
    }

    fn fact(&mut self, taken: Taken) {
        match taken {
            Taken::Applied => self.applied += 1,
            Taken::Duplicate => self.duplicates += 1,
            Taken::Superseded => self.superseded += 1,
            Taken::KeptOut => self.kept_out += 1,
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
