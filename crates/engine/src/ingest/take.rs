//! The messages of a shop, read and in order, go in: together what belongs together, as many at a time as one
//! transaction holds, and again where somebody else was faster.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use futures::StreamExt;
use rules::advance::is_due;
use rules::fact::Fact;
use rules::fact_index::FactStatus;
use rules::version::Versions;
use store::records::Reason;
use store::shop::ShopId;
use store::{Commit, Remedy, StoreError, WRITES_MAX};

use super::fold::{self, Folded, LoadedState, fold};
use super::group::{self, Group};
use super::{Counts, FactWriter};

/// How often a group that lost a race is decided again before its messages are given back.
const TRIES_MAX: u32 = 6;
/// How many groups are committed at a time.
const COMMITS_AT_A_TIME: usize = 16;
/// A commit that takes longer is given up, so that no writer is late by more than sweeps allow for.
const COMMIT_MS_MAX: u64 = 5_000;

/// A message that was read: its place in the batch, and its facts.
pub(super) struct Delivery {
    pub(super) place: usize,
    pub(super) facts: Vec<Fact>,
}

/// What became of messages.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) counts: Counts,
    /// What became of each fact of the messages that are done, with the message's place.
    pub(super) taken: Vec<(usize, FactStatus)>,
    pub(super) quarantined: Vec<(usize, Reason)>,
    pub(super) failed: Vec<usize>,
    pub(super) failure: Option<String>,
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

/// What to do about it.
enum Next {
    /// Fewer messages at a time; a single one can never succeed.
    Fewer,
    /// Read again and decide again, at once.
    Again,
    /// The same after a pause, but not for ever.
    Pause(String),
    /// Give the messages back.
    GiveUp(String),
}

impl Failure {
    fn next(self) -> Next {
        match self {
            Self::TooMuch => Next::Fewer,
            Self::Passed => Next::Again,
            Self::Store(error) => match error.remedy() {
                Remedy::Reload => Next::Pause(error.to_string()),
                Remedy::Later => Next::GiveUp(error.to_string()),
                Remedy::Quarantine => Next::Fewer,
            },
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl FactWriter {
    /// Takes the messages of a shop in. An item that does not read holds up those alone whom it concerns.
    pub(super) async fn take(&self, shop: &ShopId, versions: &Versions, deliveries: Vec<Delivery>) -> Outcome {
        let mut outcome = Outcome::default();
        let mut stack = vec![deliveries];
        while let Some(mut deliveries) = stack.pop() {
            match fold::load(&self.store, shop, facts_of(&deliveries)).await {
                Ok(known) => outcome = outcome.and(self.take_known(shop, versions, deliveries, &known).await),
                Err(StoreError::Newer { .. } | StoreError::Corrupt { .. }) if deliveries.len() > 1 => {
                    let later = deliveries.split_off(deliveries.len() / 2);
                    stack.extend([later, deliveries]);
                }
                Err(error) => outcome = outcome.and(Outcome::failed(&deliveries, error.to_string())),
            }
        }
        outcome
    }

    /// Takes messages in, group by group.
    async fn take_known(
        &self,
        shop: &ShopId,
        versions: &Versions,
        deliveries: Vec<Delivery>,
        known: &LoadedState,
    ) -> Outcome {
        let gathered = group::gathered(group::connected(deliveries, known), self.max_messages_per_commit);
        let taken = futures::stream::iter(gathered).map(|groups| self.take_groups(shop, versions, groups, known));
        let outcomes: Vec<Outcome> = taken.buffer_unordered(COMMITS_AT_A_TIME).collect().await;
        outcomes.into_iter().fold(Outcome::default(), Outcome::and)
    }

    /// Takes groups in, together if nothing is in the way of any; otherwise each half apart, down to one alone.
    async fn take_groups(
        &self,
        shop: &ShopId,
        versions: &Versions,
        groups: Vec<Group>,
        known: &LoadedState,
    ) -> Outcome {
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
                Ok(folded) => outcome.done(deliveries(), &folded),
                Err(_) => {
                    let others = groups.split_off(groups.len() / 2);
                    stack.extend([others, groups]);
                }
            }
        }
        outcome
    }

    /// Takes connected messages in, as many at a time as one transaction holds.
    async fn take_group(&self, shop: &ShopId, versions: &Versions, group: Group, known: &LoadedState) -> Outcome {
        let mut outcome = Outcome::default();
        let mut left = group.deliveries.as_slice();
        let (mut at_most, mut tries, mut reloaded) = (left.len(), 0, None);
        while !left.is_empty() {
            let known = reloaded.as_ref().unwrap_or(known);
            let (some, rest) = left.split_at(at_most.min(left.len()));
            match self.try_some(shop, versions, facts_of(some), known).await.map_err(Failure::next) {
                Ok(folded) => {
                    outcome.done(some.iter(), &folded);
                    (left, at_most, tries) = (rest, some.len().saturating_mul(2), 0);
                }
                // Nothing was written: what was read is still what is there. Other work has its turn in between.
                Err(Next::Fewer) => {
                    tokio::task::yield_now().await;
                    if some.len() > 1 {
                        at_most = some.len() / 2;
                    } else {
                        outcome.quarantined.extend(some.iter().map(|delivery| (delivery.place, Reason::TooLarge)));
                        // What comes behind it is likely to be too large as well: not all of it is tried again.
                        (left, at_most, tries) = (rest, 1, 0);
                    }
                    continue;
                }
                Err(Next::Again) => {}
                Err(Next::Pause(_)) if tries < TRIES_MAX => {
                    outcome.counts.conflicts += 1;
                    tries += 1;
                    tokio::time::sleep(pause(self.salt, some, tries)).await;
                }
                Err(Next::Pause(why) | Next::GiveUp(why)) => return outcome.and(Outcome::failed(left, why)),
            }
            // Whatever happened, what was read is not what is there now.
            match fold::load(&self.store, shop, facts_of(left)).await {
                Ok(known) => reloaded = Some(known),
                Err(error) => return outcome.and(Outcome::failed(left, error.to_string())),
            }
        }
        outcome
    }

    async fn try_some<'a>(
        &self,
        shop: &ShopId,
        versions: &Versions,
        facts: impl Iterator<Item = &'a Fact> + Clone,
        known: &LoadedState,
    ) -> Result<Folded, Failure> {
        let now = self.clock.now();
        let folded = fold(versions, known, facts, now);
        if folded.is_torn {
            return Err(StoreError::Conflict.into());
        }
        let commit = folded.commit(&self.store, shop, versions, known, now)?;
        if commit.len() > WRITES_MAX {
            return Err(Failure::TooMuch);
        }
        // A boundary may have passed while this was decided: a sweep that looks at members from it on must find what
        // follows from these facts already passed.
        let then = self.clock.now().plus_millis(-1);
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
        done.unwrap_or_else(|_| Err(StoreError::unavailable(format!("no answer in {COMMIT_MS_MAX} ms"))))
    }
}

fn facts_of(deliveries: &[Delivery]) -> impl Iterator<Item = &Fact> + Clone {
    deliveries.iter().flat_map(|delivery| &delivery.facts)
}

/// How long to wait after a lost race: longer each time, and not as long as the others who lost it.
fn pause(salt: u64, deliveries: &[Delivery], tries: u32) -> Duration {
    let mut hasher = DefaultHasher::new();
    (salt, deliveries.first().map(|delivery| delivery.place), tries).hash(&mut hasher);
    Duration::from_millis((5 << tries) + hasher.finish() % (10 << tries))
}

impl Outcome {
    fn failed(deliveries: &[Delivery], why: String) -> Self {
        let failed = deliveries.iter().map(|delivery| delivery.place).collect();
        Self { failed, failure: Some(why), ..Self::default() }
    }

    fn done<'a>(&mut self, deliveries: impl Iterator<Item = &'a Delivery>, folded: &Folded) {
        let mut taken = folded.taken.iter();
        for Delivery { place, facts } in deliveries {
            self.counts.done += 1;
            self.taken.extend(taken.by_ref().take(facts.len()).map(|taken| (*place, *taken)));
        }
        self.counts.add(&folded.counts);
    }

    fn and(mut self, other: Self) -> Self {
        self.counts.add(&other.counts);
        self.taken.extend(other.taken);
        self.quarantined.extend(other.quarantined);
        self.failed.extend(other.failed);
        self.failure = self.failure.or(other.failure);
        self
    }
}
