//! The versions of a shop's program: one row each, never changed. A version that is withdrawn before it takes effect gets
//! a row beside it that says so: its number is not given again, and who published what, when and why stays readable. So does
//! one that a clock published that was ahead, once it is in force by the right one.

use rules::calendar::{Instant, Zones};
use rules::json::check_texts;
use rules::version::{PublishError, Published, Version, Versions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::commit::Commit;
use super::item::Item;
use super::{Store, StoreError, history, key};
use crate::announce::{program_brought_forward, program_published};
use crate::shop::ShopId;

/// A version can be withdrawn or replaced as long as it takes effect later than this from now: functions remember versions
/// for 20 s, and must have forgotten it by then.
pub const SETTLED_MS: i64 = 60_000;

/// The attributes of a version's row.
mod name {
    /// The event that published it (`program.published`, section 9).
    pub(super) const EVENT: &str = "event";
    pub(super) const BY: &str = "by";
    pub(super) const WHY: &str = "why";
    pub(super) const RECORDED_AT: &str = "recorded_at";
    /// Of the row beside it.
    pub(super) const WITHDRAWN_BY: &str = "withdrawn_by";
    pub(super) const WITHDRAWN_AT: &str = "withdrawn_at";
    /// Of the other row beside it: from when on the version is in force instead.
    pub(super) const EFFECTIVE_AT: &str = "effective_at";
}

/// A version about to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The program and the options; in force from its `occurred_at`.
    pub event: Published,
    /// Who publishes it.
    pub by: String,
    /// Why.
    pub why: String,
}

/// A version as it was published: the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastPublication {
    /// The version's number.
    pub number: u32,
    /// From when it is in force, unless it was withdrawn.
    pub effective_at: Instant,
    /// Whether that is earlier than the clock said that published it ([`Store::bring_forward`]).
    pub is_early: bool,
    /// What was published, by whom and why.
    pub publication: Publication,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// Whether it was withdrawn before it took effect.
    pub withdrawn: Option<Withdrawn>,
}

/// That a version was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// By whom.
    pub by: String,
    /// When.
    pub at: Instant,
}

/// A version that is in force earlier than the clock said that published it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BroughtForward {
    /// Its number.
    pub number: u32,
    /// When it was to take effect by that clock.
    pub from: Instant,
    /// When it takes effect.
    pub to: Instant,
}

/// A version that could be published now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionDraft {
    /// All versions with it, the newest among them.
    pub versions: Versions,
    /// The version in place of which it would be published, and which would never take effect.
    pub replaces: Option<Version>,
    /// Whether the shop has none before.
    pub is_first: bool,
}

/// Why a version could not be published or withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum PublicationError {
    /// The event or its program is not right.
    #[error(transparent)]
    Invalid(#[from] rules::json::Problems),
    /// It cannot follow the versions there are.
    #[error(transparent)]
    Refused(#[from] PublishError),
    /// The shop is being deleted.
    #[error("everything of this shop is being deleted, as Shopify asked: publish when that is done")]
    BeingDeleted,
    /// Only a shop's first version may have been in force before it was published.
    #[error("a version cannot take effect at {at}, which has passed: it is {now} now")]
    InThePast {
        /// When it would take effect.
        at: Instant,
        /// Now.
        now: Instant,
    },
    /// Some may already work with the version that is about to take effect.
    #[error("version {number} takes effect at {at}, too soon to be replaced or withdrawn: publish after that instant")]
    AboutToTakeEffect {
        /// Its number.
        number: u32,
        /// When it takes effect.
        at: Instant,
    },
    /// Every version is in force already.
    #[error("no version waits to take effect: what is in force is replaced by publishing, not withdrawn")]
    NothingPending,
    /// No version of this number was ever in force.
    #[error("there is no version {0} to roll back to: it was never published, or withdrawn before it took effect")]
    NoSuchVersion(u32),
    /// The database did not take it; after a conflict somebody else has published or withdrawn a version meanwhile.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The versions that publications make, one after the other; none if there are no publications.
///
/// # Errors
/// Says what is wrong with the first that cannot be published.
pub fn published(events: impl IntoIterator<Item = Value>, zones: &Zones) -> Result<Option<Versions>, PublicationError> {
    let mut versions: Option<Versions> = None;
    for event in events {
        let event = Published::read(event, zones)?;
        versions = Some(followed(versions, &event, event.at, false)?);
    }
    Ok(versions)
}

fn followed(
    versions: Option<Versions>,
    event: &Published,
    at: Instant,
    has_orders: bool,
) -> Result<Versions, PublishError> {
    let program = event.program.clone();
    Ok(match versions {
        None => Versions::first(program, Some(at))?,
        Some(mut versions) => {
            versions.publish(program, at, event.options, has_orders)?;
            versions
        }
    })
}

/// Takes the version that waits to take effect out of the versions, if there is one.
fn withdrawn(versions: &mut Versions, now: Instant) -> Result<Option<Version>, PublicationError> {
    let Some(pending) = versions.pending(now) else { return Ok(None) };
    let (number, at) = (pending.number, pending.effective_at);
    if at <= now.plus_millis(SETTLED_MS) {
        return Err(PublicationError::AboutToTakeEffect { number, at });
    }
    Ok(versions.withdraw_last())
}

impl PastPublication {
    fn read(row: &Item, zones: &Zones) -> Result<Self, StoreError> {
        let event = row.need_text(name::EVENT)?;
        let event: Value = serde_json::from_str(event).map_err(|error| row.corrupt(format!("event: {error}")))?;
        let event = Published::read(event, zones).map_err(|problems| row.corrupt(format!("event: {problems}")))?;
        let text = |name| row.need_text(name).map(str::to_owned);
        Ok(Self {
            number: row.key().sk.parse().map_err(|_| row.corrupt(key::SK))?,
            effective_at: event.at,
            is_early: false,
            publication: Publication { event, by: text(name::BY)?, why: text(name::WHY)? },
            recorded_at: instant(row, name::RECORDED_AT)?,
            withdrawn: None,
        })
    }
}

impl Store {
    /// The versions of a shop's program, those that are not in force yet included; none if the shop has none. Those
    /// withdrawn are not among them.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn versions(&self, shop: &ShopId) -> Result<Option<Versions>, StoreError> {
        self.versions_of(shop, &self.publications(shop).await?)
    }

    fn versions_of(&self, shop: &ShopId, publications: &[PastPublication]) -> Result<Option<Versions>, StoreError> {
        let mut versions: Option<Versions> = None;
        for past in publications {
            if let Some(versions) = versions.as_mut().filter(|_| past.withdrawn.is_some()) {
                versions.skip_number();
                continue;
            }
            let corrupt = |error: PublishError| Item::at(&key::version(shop, past.number)).corrupt(error.to_string());
            let mut followed =
                followed(versions, &past.publication.event, past.effective_at, false).map_err(corrupt)?;
            if past.is_early {
                followed.last_is_early();
            }
            versions = Some(followed);
        }
        Ok(versions)
    }

    /// What was ever published of a shop's program, oldest first, by whom, when and why; what was withdrawn included.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn publications(&self, shop: &ShopId) -> Result<Vec<PastPublication>, StoreError> {
        let mut all: Vec<PastPublication> = Vec::new();
        // What says more of a version sorts directly behind it.
        for row in self.query(&self.tables.control, None, (key::PK, &key::version(shop, 0).pk), None).await? {
            match all.last_mut() {
                Some(past) if row.key() == key::withdrawal(shop, past.number) => {
                    let by = row.need_text(name::WITHDRAWN_BY)?.to_owned();
                    past.withdrawn = Some(Withdrawn { by, at: instant(&row, name::WITHDRAWN_AT)? });
                }
                // There is one for each time that a clock was set right: the earliest holds.
                Some(past) if key::is_brought_forward(&row.key(), shop, past.number) => {
                    let from = instant(&row, name::EFFECTIVE_AT)?;
                    (past.effective_at, past.is_early) = (past.effective_at.min(from), true);
                }
                Some(_) | None => all.push(PastPublication::read(&row, &self.zones)?),
            }
        }
        Ok(all)
    }

    /// The publication that puts a version's program in force again from `at`, as it was written, under a number of its own;
    /// its effective start is then the one stored with this version (section 3). The options are those of the publisher who
    /// rolls back.
    ///
    /// # Errors
    /// [`PublicationError::NoSuchVersion`], or the database did not answer.
    pub async fn roll_back(
        &self,
        shop: &ShopId,
        number: u32,
        (at, options): (Instant, &Value),
        (by, why): (&str, &str),
    ) -> Result<Publication, PublicationError> {
        let all = self.publications(shop).await?;
        let past = all.iter().find(|past| past.number == number && past.withdrawn.is_none());
        let past = past.ok_or(PublicationError::NoSuchVersion(number))?;
        let event = Published::of(at, past.publication.event.written_program(), options, &self.zones)?;
        Ok(Publication { event, by: by.to_owned(), why: why.to_owned() })
    }

    /// What publishing would make of a shop's versions, writing nothing.
    ///
    /// # Errors
    /// See [`PublicationError`]: the same that publishing would say.
    pub async fn draft(
        &self,
        shop: &ShopId,
        event: &Published,
        now: Instant,
    ) -> Result<VersionDraft, PublicationError> {
        check_texts(event.written_program(), "$.program")?;
        let mut before = self.versions(shop).await?;
        let replaces = before.as_mut().map_or(Ok(None), |before| withdrawn(before, now))?;
        // Whether there is an order is asked only where it matters. A member of whom something is known stands for it.
        let changes = before.as_ref().is_some_and(|before| before.last().program.currency != event.program.currency);
        let has_orders = changes && !self.member_ids(shop).await?.is_empty();
        let is_first = before.is_none();
        let versions = followed(before, event, event.at, has_orders)?;
        let at = versions.last().effective_at;
        if !is_first && at < now {
            return Err(PublicationError::InThePast { at, now });
        }
        Ok(VersionDraft { versions, replaces, is_first })
    }

    /// Publishes a version and yields all versions with it. The first makes the shop known. At most one version waits to
    /// take effect: another one replaces it, if there is time for that. Everybody interested hears of it through the outbox.
    ///
    /// # Errors
    /// See [`PublicationError`]; then nothing changed.
    pub async fn publish(
        &self,
        shop: &ShopId,
        publication: &Publication,
        now: Instant,
    ) -> Result<Versions, PublicationError> {
        let Publication { event, by, why } = publication;
        check_texts(&json!({ "by": by, "why": why }), "$")?;
        if self.redaction(shop).await?.is_some_and(|redaction| redaction.due_at <= now) {
            return Err(PublicationError::BeingDeleted);
        }
        let VersionDraft { versions, replaces, is_first } = self.draft(shop, event, now).await?;
        let version = versions.last();
        let row = Item::at(&key::version(shop, version.number)).text(name::EVENT, event.written().to_string());
        let row = row.text(name::BY, by).text(name::WHY, why).text(name::RECORDED_AT, key::at(now));
        let mut commit = Commit::default();
        if is_first {
            commit.control(self, Item::at(&key::shop(shop)).text(name::RECORDED_AT, key::at(now)))?;
        }
        if let Some(replaced) = &replaces {
            commit.control(self, withdrawal(shop, replaced, by, now))?;
        }
        commit.control(self, row)?;
        let announced = program_published(shop, version, replaces.map(|replaced| replaced.number), now);
        let outbox = key::outbox_of(shop, 0);
        commit.record(self, history::outgoing(&key::published(shop, version.number), announced, outbox, now))?;
        self.commit(commit).await?;
        Ok(versions)
    }

    /// Puts in force by the right clock what was in force by one that was ahead, until `latest`: each version at `now`, or with
    /// the one before it where that takes effect later. What was to take effect later still stays as it is. Everybody
    /// interested hears of it through the outbox. Yields what it did; done again, it does nothing.
    ///
    /// # Errors
    /// See [`PublicationError`]; the same again goes on where it was.
    pub async fn bring_forward(
        &self,
        shop: &ShopId,
        latest: Instant,
        now: Instant,
    ) -> Result<Vec<BroughtForward>, PublicationError> {
        let mut all = self.publications(shop).await?;
        let (mut at, mut brought) = (now, Vec::new());
        for (place, past) in all.iter_mut().enumerate().filter(|(_, past)| past.withdrawn.is_none()) {
            // What time it is is noted now and then: what was to take effect at once did so, whether or not that was noted.
            let until = latest.max(past.recorded_at.plus_millis(SETTLED_MS));
            let was_in_force = past.recorded_at > now && past.effective_at <= until;
            if was_in_force && past.effective_at > at {
                brought.push(BroughtForward { number: past.number, from: past.effective_at, to: at });
                (past.effective_at, past.is_early) = (at, true);
            } else if place > 0 {
                // The first is in force from the beginning.
                at = at.max(past.effective_at);
            }
        }
        let Some(versions) = self.versions_of(shop, &all)? else { return Ok(brought) };
        // One after the other, in their order: what is done until then is right whenever it breaks off.
        for version in brought.iter().filter_map(|one| versions.numbered(one.number)) {
            let key = key::brought_forward(shop, version.number, version.effective_at);
            let mut commit = Commit::default();
            commit.control(self, Item::at(&key).text(name::EFFECTIVE_AT, key::at(version.effective_at)))?;
            let announced = program_brought_forward(shop, version, now);
            commit.record(self, history::outgoing(&key, announced, key::outbox_of(shop, 0), now))?;
            self.commit(commit).await?;
        }
        Ok(brought)
    }

    /// Withdraws the version that waits to take effect, and yields it.
    ///
    /// # Errors
    /// See [`PublicationError`]; then nothing changed.
    pub async fn withdraw(&self, shop: &ShopId, by: &str, now: Instant) -> Result<Version, PublicationError> {
        let mut versions = self.versions(shop).await?.ok_or(PublicationError::NothingPending)?;
        let pending = withdrawn(&mut versions, now)?.ok_or(PublicationError::NothingPending)?;
        let mut commit = Commit::default();
        commit.control(self, withdrawal(shop, &pending, by, now))?;
        self.commit(commit).await?;
        Ok(pending)
    }
}

/// Who withdraws a version that somebody else withdraws or replaces at the same time loses: this row must be new.
fn withdrawal(shop: &ShopId, version: &Version, by: &str, now: Instant) -> Item {
    let item = Item::at(&key::withdrawal(shop, version.number)).text(name::WITHDRAWN_BY, by);
    item.text(name::WITHDRAWN_AT, key::at(now))
}

fn instant(row: &Item, name: &'static str) -> Result<Instant, StoreError> {
    Instant::parse(row.need_text(name)?).map_err(|_| row.corrupt(name))
}
