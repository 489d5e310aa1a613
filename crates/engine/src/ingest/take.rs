//! Ingests the decoded messages of a shop in order. Connected messages go together, as many at a time as one
//! transaction holds. They are decided again if another writer was faster.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use futures::StreamExt;
use rules::fact::Fact;
use rules::version::Versions;
use store::records::Reason;
use store::shop::ShopId;
use store::{Commit, Remedy, StoreError, WRITES_MAX};

use super::fold::{self, Folded, LoadedState, Taken, fold};
use super::group::{self, Group};
use super::{Counts, FactWriter};

/// The number of retries of a group that lost a race, before its messages are given back.
const TRIES_MAX: u32 = 6;
/// The number of groups committed at a time.
const COMMITS_AT_A_TIME: usize = 16;
/// The time limit of a commit, in milliseconds. It keeps a writer from being later than sweeps allow for.
const COMMIT_MS_MAX: u64 = 5_000;

/// A document: facts that arrive at once (section 4), such as those of a message.
pub(super) struct Delivery {
    /// The places in the batch: that of the message, or those of the facts if each has its own.
    pub(super) places: Vec<usize>,
    pub(super) facts: Vec<Fact>,
}

impl Delivery {
    /// A message at a place in the batch.
    pub(super) fn message(place: usize, facts: Vec<Fact>) -> Self {
        Self { places: vec![place], facts }
    }

    /// Each fact as a document of its own.
    pub(super) fn by_fact(&self) -> Vec<Self> {
        let place = |nth: usize| self.places.get(nth).or(self.places.last()).copied().unwrap_or_default();
        let facts = self.facts.iter().cloned().enumerate();
        facts.map(|(nth, fact)| Self::message(place(nth), vec![fact])).collect()
    }

    /// Documents as one; none if there are none.
    pub(super) fn together(documents: Vec<Self>) -> Option<Self> {
        documents.into_iter().reduce(|mut all, next| {
            all.places.extend(next.places);
            all.facts.extend(next.facts);
            all
        })
    }

    /// The status of each fact with its place.
    fn placed<'a>(&self, taken: impl Iterator<Item = &'a Taken>) -> Vec<(usize, Taken)> {
        let last = self.places.last().copied().unwrap_or_default();
        taken.enumerate().map(|(nth, taken)| (self.places.get(nth).copied().unwrap_or(last), *taken)).collect()
    }
}

/// The outcome of messages.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) counts: Counts,
    /// The status of each fact of done messages, with the message's place.
    pub(super) taken: Vec<(usize, Taken)>,
    pub(super) quarantined: Vec<(usize, Reason)>,
    pub(super) failed: Vec<usize>,
    pub(super) failure: Option<String>,
}

/// The reason why facts were not committed.
enum Failure {
    /// A transaction does not hold them all.
    TooMuch,
    /// A boundary has passed meanwhile.
    Passed,
    /// An error of the database.
    Store(StoreError),
}

/// The next step after a failure.
enum Next {
    /// Take fewer messages at a time; a single one can never succeed.
    Fewer,
    /// Load and decide again, at once.
    Again,
    /// Load and decide again after a pause, a limited number of times.
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
    /// Ingests the messages of a shop. An item that cannot be decoded holds up only the messages that need it.
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

    /// Ingests messages, group by group.
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

    /// Ingests groups, together if none of them fails; otherwise each half separately, down to a single group.
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
            let documents = deliveries().map(|delivery| &*delivery.facts);
            match self.try_some(shop, versions, documents, known).await {
                Ok(folded) => outcome.done(deliveries(), &folded),
                Err(_) => {
                    let others = groups.split_off(groups.len() / 2);
                    stack.extend([others, groups]);
                }
            }
        }
        outcome
    }

    /// Ingests connected messages, as many at a time as one transaction holds.
    async fn take_group(&self, shop: &ShopId, versions: &Versions, group: Group, known: &LoadedState) -> Outcome {
        let mut outcome = Outcome::default();
        let mut left = group.deliveries.as_slice();
        let (mut at_most, mut tries, mut reloaded) = (left.len(), 0, None);
        while !left.is_empty() {
            let known = reloaded.as_ref().unwrap_or(known);
            let (some, rest) = left.split_at(at_most.min(left.len()));
            let documents = some.iter().map(|delivery| &*delivery.facts);
            match self.try_some(shop, versions, documents, known).await.map_err(Failure::next) {
                Ok(folded) => {
                    outcome.done(some.iter(), &folded);
                    (left, at_most, tries) = (rest, some.len().saturating_mul(2), 0);
                }
                // Nothing was written, and the loaded state is still current. Other tasks get a turn in between.
                Err(Next::Fewer) => {
                    tokio::task::yield_now().await;
                    if some.len() > 1 {
                        at_most = some.len() / 2;
                    } else if let Some(parts) = some.first().and_then(|document| group::parts(document, known)) {
                        // Nothing is connected between the parts, so that each may arrive by itself.
                        let mut of_all = Outcome::default();
                        for part in parts {
                            of_all = of_all.and(Box::pin(self.take_group(shop, versions, part, known)).await);
                        }
                        outcome = outcome.and(of_all.of_one_message());
                        (left, at_most, tries) = (rest, 1, 0);
                    } else {
                        let places = some.iter().flat_map(|delivery| &delivery.places);
                        outcome.quarantined.extend(places.map(|place| (*place, Reason::TooLarge)));
                        // The next messages are likely to be too large as well: start with one of them.
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
            // In any case, the loaded state is no longer current.
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
        documents: impl Iterator<Item = &'a [Fact]> + Clone,
        known: &LoadedState,
    ) -> Result<Folded, Failure> {
        let turn = self.turn(shop).await;
        let now = self.clock.now();
        let folded = fold(versions, known, documents, now);
        drop(turn);
        if folded.is_torn {
            return Err(StoreError::Conflict.into());
        }
        if folded.is_too_many {
            return Err(Failure::TooMuch);
        }
        let commit = folded.commit(&self.store, shop, versions, known, now)?;
        if commit.len() > WRITES_MAX {
            return Err(Failure::TooMuch);
        }
        // A boundary may have passed during the decision. A sweep that evaluates members from the boundary on must find
        // the consequences of these facts already recorded.
        let then = self.clock.now().plus_millis(-1);
        if folded.is_due(versions, then) {
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

/// The wait after a lost race: longer each time, and different from that of the other losers.
fn pause(salt: u64, deliveries: &[Delivery], tries: u32) -> Duration {
    let mut hasher = DefaultHasher::new();
    (salt, deliveries.first().and_then(|delivery| delivery.places.first()), tries).hash(&mut hasher);
    Duration::from_millis((5 << tries) + hasher.finish() % (10 << tries))
}

impl Outcome {
    fn failed(deliveries: &[Delivery], why: String) -> Self {
        let failed = deliveries.iter().flat_map(|delivery| &delivery.places).copied().collect();
        Self { failed, failure: Some(why), ..Self::default() }
    }

    fn done<'a>(&mut self, deliveries: impl Iterator<Item = &'a Delivery>, folded: &Folded) {
        let mut taken = folded.taken.iter();
        for delivery in deliveries {
            self.counts.done += 1;
            self.taken.extend(delivery.placed(taken.by_ref().take(delivery.facts.len())));
        }
        self.counts.add(&folded.counts);
    }

    /// The outcome of the parts of one message. A part that failed has the message redelivered; the others are then known.
    fn of_one_message(mut self) -> Self {
        if !self.failed.is_empty() {
            self.quarantined.clear();
        }
        self.quarantined.sort_unstable_by_key(|(place, _)| *place);
        self.quarantined.dedup_by_key(|(place, _)| *place);
        self.counts.done = u64::from(self.failed.is_empty() && self.quarantined.is_empty());
        self
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
