//! The versions of a shop's program: one row each, never changed. If a version is withdrawn before it takes effect, a
//! second row says so. Its number is not given again, and who published what, when and why stays readable. Another row
//! brings a version forward that was published by a clock that was ahead.

use rules::calendar::{Instant, Zones};
use rules::fact::Currency;
use rules::json::check_texts;
use rules::version::{PublishError, Published, Version, Versions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::commit::Commit;
use super::item::Item;
use super::{Store, StoreError, history, key};
use crate::announce::{program_brought_forward, program_published};
use crate::shop::ShopId;

/// The time before its `effective_at`, in milliseconds, from which a version can no longer be withdrawn or replaced.
/// Functions cache versions for 20 s, and must have dropped it by then.
pub const SETTLED_MS: i64 = 60_000;

/// The attributes of a version's row.
mod name {
    /// The event that published it (`program.published`, section 9).
    pub(super) const EVENT: &str = "event";
    pub(super) const BY: &str = "by";
    pub(super) const WHY: &str = "why";
    pub(super) const RECORDED_AT: &str = "recorded_at";
    /// In the row of a withdrawal.
    pub(super) const WITHDRAWN_BY: &str = "withdrawn_by";
    pub(super) const WITHDRAWN_AT: &str = "withdrawn_at";
    /// In the row that brings a version forward: the instant from which it is in force instead.
    pub(super) const EFFECTIVE_AT: &str = "effective_at";
}

/// A version about to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The program and the options; in force from its `occurred_at`.
    pub event: Published,
    /// The person who publishes it.
    pub by: String,
    /// The reason.
    pub why: String,
}

/// A version as it was published, for the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastPublication {
    /// The version's number.
    pub number: u32,
    /// The instant from which it is in force, unless it was withdrawn.
    pub effective_at: Instant,
    /// Whether that instant is earlier than published, because the publisher's clock was ahead
    /// ([`Store::bring_forward`]).
    pub is_early: bool,
    /// The publication, with its publisher and reason.
    pub publication: Publication,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// The withdrawal, if it was withdrawn before it took effect.
    pub withdrawn: Option<Withdrawn>,
}

/// The withdrawal of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// The person who withdrew it.
    pub by: String,
    /// When it was withdrawn.
    pub at: Instant,
}

/// A version that was brought forward, because the clock that published it was ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BroughtForward {
    /// Its number.
    pub number: u32,
    /// When it would take effect by that clock.
    pub from: Instant,
    /// When it takes effect.
    pub to: Instant,
}

/// A version that could be published now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionDraft {
    /// All versions with it, the newest among them.
    pub versions: Versions,
    /// The version that it would replace, and which would then never take effect.
    pub replaces: Option<Version>,
    /// Whether the shop has no versions yet.
    pub is_first: bool,
}

/// The reason why a version could not be published or withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum PublicationError {
    /// The event or its program is invalid.
    #[error(transparent)]
    Invalid(#[from] rules::json::Problems),
    /// It cannot follow the existing versions.
    #[error(transparent)]
    Refused(#[from] PublishError),
    /// The program counts money and does not name its currency.
    #[error("currency_missing: the program counts money and names no currency: write {}", currency_to_write(*.0))]
    CurrencyMissing(Option<Currency>),
    /// The program's file has an instant at which it takes effect, which would be ignored.
    #[error(
        "`effective_at` is {0} in the program, and would be ignored: it says since when a shop's first version is in \
         force, in the past. Remove it: `at` (on the command line `--at`) says from when a version is in force, and \
         `start_date`, for earlier years with the option `clamp: false`, from which day facts count"
    )]
    EffectiveAtIgnored(Instant),
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
    /// Functions may already work with the version that is about to take effect.
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
    /// No version with this number was ever in force.
    #[error("there is no version {0} to roll back to: it was never published, or withdrawn before it took effect")]
    NoSuchVersion(u32),
    /// The database did not carry it out. After a conflict, another publisher has published or withdrawn a version
    /// meanwhile.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The field that names a currency: the offered one, or an example.
fn currency_to_write(offered: Option<Currency>) -> String {
    match offered.map(Currency::code) {
        Some(code) => format!("\"currency\": \"{code}\", in which most orders are kept here, or the shop's own"),
        None => "the shop's own, such as \"currency\": \"EUR\"".to_owned(),
    }
}

/// The versions that publications make, one after the other; none without publications.
///
/// # Errors
/// The problems of the first publication that is refused.
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
    keeps_money: bool,
) -> Result<Versions, PublishError> {
    let program = event.program.clone();
    Ok(match versions {
        None => Versions::first_with(program, Some(at), event.options)?,
        Some(mut versions) => {
            versions.publish(program, at, event.options, keeps_money)?;
            versions
        }
    })
}

/// Removes the version that waits to take effect from the versions, if there is one.
fn withdrawn(versions: &mut Versions, now: Instant) -> Result<Option<Version>, PublicationError> {
    let Some(pending) = versions.pending(now) else { return Ok(None) };
    let (number, at) = (pending.number, pending.effective_at);
    if at <= now.plus_millis(SETTLED_MS) {
        return Err(PublicationError::AboutToTakeEffect { number, at });
    }
    Ok(versions.withdraw_last())
}

/// The stored publication after the ones before it.
fn follow(versions: Option<Versions>, shop: &ShopId, past: &PastPublication) -> Result<Versions, StoreError> {
    let corrupt = |error: PublishError| Item::at(&key::version(shop, past.number)).corrupt(error.to_string());
    let mut followed = followed(versions, &past.publication.event, past.effective_at, false).map_err(corrupt)?;
    if past.is_early {
        followed.last_is_early();
    }
    Ok(followed)
}

/// The row of a version, and what the rows beside it say.
struct PublishedRows {
    number: u32,
    version: Item,
    withdrawn: Option<Withdrawn>,
    early_from: Option<Instant>,
}

impl PublishedRows {
    fn read(self, zones: &Zones) -> Result<PastPublication, StoreError> {
        let Self { number, version: row, withdrawn, early_from } = self;
        let event = row.need_text(name::EVENT)?;
        let event: Value = serde_json::from_str(event).map_err(|error| row.corrupt(format!("event: {error}")))?;
        let event = Published::read(event, zones).map_err(|problems| row.corrupt(format!("event: {problems}")))?;
        let text = |name| row.need_text(name).map(str::to_owned);
        Ok(PastPublication {
            number,
            effective_at: early_from.map_or(event.at, |from| from.min(event.at)),
            is_early: early_from.is_some(),
            publication: Publication { event, by: text(name::BY)?, why: text(name::WHY)? },
            recorded_at: instant(&row, name::RECORDED_AT)?,
            withdrawn,
        })
    }
}

impl Store {
    /// The versions of a shop's program, including those not in force yet, but not withdrawn ones; none if the shop has
    /// none.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn versions(&self, shop: &ShopId) -> Result<Option<Versions>, StoreError> {
        let mut versions: Option<Versions> = None;
        for rows in self.published_rows(shop).await? {
            // A version that was withdrawn is never in force: a shop works on although this release cannot read it.
            match versions.as_mut().filter(|_| rows.withdrawn.is_some()) {
                Some(versions) => drop(versions.skip_number()),
                None => versions = Some(follow(versions, shop, &rows.read(&self.zones)?)?),
            }
        }
        Ok(versions)
    }

    fn versions_of(&self, shop: &ShopId, publications: &[PastPublication]) -> Result<Option<Versions>, StoreError> {
        let mut versions: Option<Versions> = None;
        for past in publications {
            match versions.as_mut().filter(|_| past.withdrawn.is_some()) {
                Some(versions) => drop(versions.skip_number()),
                None => versions = Some(follow(versions, shop, past)?),
            }
        }
        Ok(versions)
    }

    /// All publications of a shop, oldest first, with publisher, time and reason; including withdrawn ones.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn publications(&self, shop: &ShopId) -> Result<Vec<PastPublication>, StoreError> {
        self.published_rows(shop).await?.into_iter().map(|rows| rows.read(&self.zones)).collect()
    }

    async fn published_rows(&self, shop: &ShopId) -> Result<Vec<PublishedRows>, StoreError> {
        let mut all: Vec<PublishedRows> = Vec::new();
        // Rows that add to a version sort directly after it.
        for row in self.query(&self.tables.control, None, (key::PK, &key::version(shop, 0).pk), None).await? {
            match all.last_mut() {
                Some(past) if row.key() == key::withdrawal(shop, past.number) => {
                    let by = row.need_text(name::WITHDRAWN_BY)?.to_owned();
                    past.withdrawn = Some(Withdrawn { by, at: instant(&row, name::WITHDRAWN_AT)? });
                }
                // There is one such row for each correction of a clock; the earliest instant holds.
                Some(past) if key::is_brought_forward(&row.key(), shop, past.number) => {
                    let from = instant(&row, name::EFFECTIVE_AT)?;
                    past.early_from = Some(past.early_from.map_or(from, |other| other.min(from)));
                }
                Some(_) | None => {
                    let number = row.key().sk.parse().map_err(|_| row.corrupt(key::SK))?;
                    all.push(PublishedRows { number, version: row, withdrawn: None, early_from: None });
                }
            }
        }
        Ok(all)
    }

    /// The publication that puts a version's program in force again from `at`, as it was written, under a new number. Its
    /// effective start is the one stored with that version (section 3). The publisher gives the options anew.
    ///
    /// # Errors
    /// [`PublicationError::NoSuchVersion`], or an error of the database.
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

    /// The versions that a publication would make. Writes nothing.
    ///
    /// # Errors
    /// See [`PublicationError`]: the same errors as publishing.
    pub async fn draft(
        &self,
        shop: &ShopId,
        event: &Published,
        now: Instant,
    ) -> Result<VersionDraft, PublicationError> {
        check_texts(event.written_program(), "$.program")?;
        event.program.check_rises("$.program")?;
        let mut before = self.versions(shop).await?;
        let replaces = before.as_mut().map_or(Ok(None), |before| withdrawn(before, now))?;
        // Members are read only if the currency changes.
        let old = before.as_ref().map(|before| before.last().program.currency);
        let keeps_money = match old.filter(|old| *old != event.program.currency) {
            Some(old) => self.keeps_money_in(shop, old).await?,
            None => false,
        };
        let is_first = before.is_none();
        let versions = followed(before, event, event.at, keeps_money)?;
        let at = versions.last().effective_at;
        if !is_first && at < now {
            return Err(PublicationError::InThePast { at, now });
        }
        Ok(VersionDraft { versions, replaces, is_first })
    }

    /// Publishes a version and yields all versions with it. The first version enters the shop in the list of shops. At
    /// most one version waits to take effect: a new one replaces it, if there is time for that. The outbox announces
    /// the version.
    ///
    /// # Errors
    /// See [`PublicationError`]; nothing has changed then.
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

    /// Brings versions forward that were in force by a clock that was ahead, until `latest`. Each takes effect at
    /// `now`, or together with the version before it if that takes effect later. Versions that were not in force by
    /// that clock stay as they are. The outbox announces each one. Yields the versions brought forward; a repeated call
    /// finds none.
    ///
    /// # Errors
    /// See [`PublicationError`]; a repeated call continues.
    pub async fn bring_forward(
        &self,
        shop: &ShopId,
        latest: Instant,
        now: Instant,
    ) -> Result<Vec<BroughtForward>, PublicationError> {
        let mut all = self.publications(shop).await?;
        let (mut at, mut brought) = (now, Vec::new());
        for (place, past) in all.iter_mut().enumerate().filter(|(_, past)| past.withdrawn.is_none()) {
            // The clock is recorded only now and then. A version that was to take effect at once did so, whether or not
            // the clock was recorded after that.
            let until = latest.max(past.recorded_at.plus_millis(SETTLED_MS));
            let was_in_force = past.recorded_at > now && past.effective_at <= until;
            if was_in_force && past.effective_at > at {
                brought.push(BroughtForward { number: past.number, from: past.effective_at, to: at });
                (past.effective_at, past.is_early) = (at, true);
            } else if place > 0 {
                // The first version is in force from the beginning.
                at = at.max(past.effective_at);
            }
        }
        let Some(versions) = self.versions_of(shop, &all)? else { return Ok(brought) };
        // In order, one commit each: an interrupted call leaves a valid state.
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
    /// See [`PublicationError`]; nothing has changed then.
    pub async fn withdraw(&self, shop: &ShopId, by: &str, now: Instant) -> Result<Version, PublicationError> {
        let mut versions = self.versions(shop).await?.ok_or(PublicationError::NothingPending)?;
        let pending = withdrawn(&mut versions, now)?.ok_or(PublicationError::NothingPending)?;
        let mut commit = Commit::default();
        commit.control(self, withdrawal(shop, &pending, by, now))?;
        self.commit(commit).await?;
        Ok(pending)
    }
}

/// The row of a withdrawal. It must be new: of two publishers who withdraw or replace a version at the same time, one
/// gets a conflict.
fn withdrawal(shop: &ShopId, version: &Version, by: &str, now: Instant) -> Item {
    let item = Item::at(&key::withdrawal(shop, version.number)).text(name::WITHDRAWN_BY, by);
    item.text(name::WITHDRAWN_AT, key::at(now))
}

fn instant(row: &Item, name: &'static str) -> Result<Instant, StoreError> {
    Instant::parse(row.need_text(name)?).map_err(|_| row.corrupt(name))
}
