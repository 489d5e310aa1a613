//! The versions of a shop's program: one row each, never changed. A version that is withdrawn before it takes effect gets
//! a row beside it that says so: its number is not given again, and who published what, when and why stays readable.

use rules::calendar::{Instant, Zones};
use rules::json::check_texts;
use rules::version::{PublishError, Published, Version, Versions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::commit::Commit;
use super::item::Item;
use super::{Store, StoreError, history, key};
use crate::announce::program_published;
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
}

/// A version about to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// `program.published`, with the program and the options; in force from its `occurred_at`.
    pub event: Value,
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

/// What was done about versions that a clock published that was ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BroughtBack {
    /// The numbers of all of them, oldest first: they are withdrawn.
    pub withdrawn: Vec<u32>,
    /// The number of the last that was in force by that clock, and the one under which it is in force now. None if there was
    /// none, or if it cannot be: then a person has to publish what is meant.
    pub again: Option<(u32, u32)>,
}

/// A version that could be published now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
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
        versions = Some(followed(versions, &event, false, zones)?);
    }
    Ok(versions)
}

fn followed(
    versions: Option<Versions>,
    event: &Value,
    has_orders: bool,
    zones: &Zones,
) -> Result<Versions, PublicationError> {
    let Published { at, program, options } = Published::read(event, zones)?;
    Ok(match versions {
        None => Versions::first(program, Some(at))?,
        Some(mut versions) => {
            versions.publish(program, at, options, has_orders)?;
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
    fn read(row: &Item) -> Result<Self, StoreError> {
        let instant = |name| Instant::parse(row.need_text(name)?).map_err(|_| row.corrupt(name));
        let event = row.need_text(name::EVENT)?;
        let event: Value = serde_json::from_str(event).map_err(|error| row.corrupt(format!("event: {error}")))?;
        let effective_at = event.get("occurred_at").and_then(Value::as_str).and_then(|at| Instant::parse(at).ok());
        let text = |name| row.need_text(name).map(str::to_owned);
        Ok(Self {
            number: row.key().sk.parse().map_err(|_| row.corrupt(key::SK))?,
            effective_at: effective_at.ok_or_else(|| row.corrupt(name::EVENT))?,
            publication: Publication { event, by: text(name::BY)?, why: text(name::WHY)? },
            recorded_at: instant(name::RECORDED_AT)?,
            withdrawn: None,
        })
    }

    /// The same publication by the right clock, in place of those of a clock that was ahead. Each of them was accepted behind the
    /// one before: so whoever said of any that the tiers may change said it of this one.
    fn again(&self, at: Instant, ahead: &[Self]) -> Publication {
        let Publication { event, by, why } = &self.publication;
        let mut options = event.get("options").cloned().unwrap_or_else(|| json!({}));
        let says = |past: &Self| past.publication.event.pointer("/options/while_active") == Some(&Value::Bool(true));
        if let Some(options) = options.as_object_mut().filter(|_| ahead.iter().any(says)) {
            options.insert("while_active".to_owned(), Value::Bool(true));
        }
        self.rolled_back(at, &options, by, why)
    }

    /// The publication that puts this version's program in force again, as it was told, under a number of its own; its
    /// effective start is then the one stored with this version (section 3). Options are the publisher's, and told anew.
    pub fn rolled_back(&self, at: Instant, options: &Value, by: &str, why: &str) -> Publication {
        let program = self.publication.event.get("program").cloned().unwrap_or_default();
        let event = json!({ "type": "program.published", "occurred_at": at, "program": program, "options": options });
        Publication { event, by: by.to_owned(), why: why.to_owned() }
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
            match &mut versions {
                Some(versions) if past.withdrawn.is_some() => {
                    versions.skip_number();
                }
                _ => {
                    let corrupt =
                        |error: PublicationError| Item::at(&key::version(shop, past.number)).corrupt(error.to_string());
                    versions = Some(followed(versions, &past.publication.event, false, &self.zones).map_err(corrupt)?);
                }
            }
        }
        Ok(versions)
    }

    /// What was ever published of a shop's program, oldest first, by whom, when and why; what was withdrawn included.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn publications(&self, shop: &ShopId) -> Result<Vec<PastPublication>, StoreError> {
        let mut all: Vec<PastPublication> = Vec::new();
        // The row that withdraws a version sorts directly behind it.
        for row in self.query(&self.tables.control, None, (key::PK, &key::version(shop, 0).pk), None).await? {
            match row.maybe_text(name::WITHDRAWN_AT) {
                None => all.push(PastPublication::read(&row)?),
                Some(at) => {
                    let at = Instant::parse(at).map_err(|_| row.corrupt(name::WITHDRAWN_AT))?;
                    let by = row.need_text(name::WITHDRAWN_BY)?.to_owned();
                    let version = all.last_mut().filter(|past| row.key() == key::withdrawal(shop, past.number));
                    version.ok_or_else(|| row.corrupt(key::SK))?.withdrawn = Some(Withdrawn { by, at });
                }
            }
        }
        Ok(all)
    }

    /// The publication that rolls back to a version, in force from `at`; see [`PastPublication::rolled_back`].
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
        Ok(past.rolled_back(at, options, by, why))
    }

    /// What publishing would make of a shop's versions, writing nothing.
    ///
    /// # Errors
    /// See [`PublicationError`]: the same that publishing would say.
    pub async fn draft(&self, shop: &ShopId, event: &Value, now: Instant) -> Result<Draft, PublicationError> {
        event.get("program").map_or(Ok(()), |program| check_texts(program, "$.program"))?;
        let mut before = self.versions(shop).await?;
        let replaces = before.as_mut().map_or(Ok(None), |before| withdrawn(before, now))?;
        // Whether there is an order is asked only where it matters. Somebody of whom something is known stands for it.
        let currency = |versions: &Versions| versions.last().program.currency;
        let now_in = followed(before.clone(), event, false, &self.zones)?;
        let changes = before.as_ref().is_some_and(|before| currency(before) != currency(&now_in));
        let has_orders = changes && !self.member_ids(shop).await?.is_empty();
        let is_first = before.is_none();
        let versions = followed(before, event, has_orders, &self.zones)?;
        let at = versions.last().effective_at;
        if !is_first && at < now {
            return Err(PublicationError::InThePast { at, now });
        }
        Ok(Draft { versions, replaces, is_first })
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
        let Draft { versions, replaces, is_first } = self.draft(shop, event, now).await?;
        let version = versions.last();
        let row = Item::at(&key::version(shop, version.number)).text(name::EVENT, event.to_string());
        let row = row.text(name::BY, by).text(name::WHY, why).text(name::RECORDED_AT, key::at(now));
        let mut commit = Commit::default();
        if is_first {
            commit.control(self, Item::at(&key::shop(shop)).text(name::RECORDED_AT, key::at(now)))?;
        }
        if let Some(replaced) = &replaces {
            commit.control(self, withdrawal(shop, replaced.number, &Withdrawn { by: by.clone(), at: now }))?;
        }
        commit.control(self, row)?;
        let announced = program_published(shop, version, replaces.map(|replaced| replaced.number), now);
        let outbox = key::outbox_of(shop, 0);
        commit.record(self, history::outgoing(&key::published(shop, version.number), announced, outbox, now))?;
        self.commit(commit).await?;
        Ok(versions)
    }

    /// Withdraws what was published by a clock that was ahead, and publishes the last of it again that was in force by that
    /// clock: with the same program and options, in force from `at` on. Nothing is done where nothing was published so. A
    /// shop's first version stays as it is, for it is in force from the beginning.
    ///
    /// # Errors
    /// See [`PublicationError`]; then nothing changed.
    pub async fn bring_back_versions(
        &self,
        shop: &ShopId,
        at: Instant,
        now: Instant,
    ) -> Result<Option<BroughtBack>, PublicationError> {
        let mut all = self.publications(shop).await?;
        let is_ahead = |past: &PastPublication| past.recorded_at > now && past.withdrawn.is_none();
        let ahead: Vec<PastPublication> = all.iter().skip(1).filter(|past| is_ahead(past)).cloned().collect();
        let Some(last) = ahead.last() else { return Ok(None) };
        let was_in_force = |past: &&PastPublication| past.effective_at <= past.recorded_at.plus_millis(SETTLED_MS);
        let withdrawn = Withdrawn { by: last.publication.by.clone(), at: now };
        for past in all.iter_mut().skip(1).filter(|past| is_ahead(past)) {
            past.withdrawn = Some(withdrawn.clone());
        }
        let versions = self.versions_of(shop, &all)?;
        // What waits by the right clock is in nobody's way: whether it still holds is for people to say.
        let is_pending = versions.as_ref().is_some_and(|versions| versions.pending(now).is_some());
        let meant = ahead.iter().rfind(was_in_force).filter(|_| !is_pending);
        let mut commit = Commit::default();
        for past in &ahead {
            commit.control(self, withdrawal(shop, past.number, &withdrawn))?;
        }
        let mut again = None;
        if let Some(past) = meant {
            let Publication { event, by, why } = past.again(at, &ahead);
            if let Ok(versions) = followed(versions, &event, false, &self.zones) {
                let version = versions.last();
                let row = Item::at(&key::version(shop, version.number)).text(name::EVENT, event.to_string());
                commit
                    .control(self, row.text(name::BY, by).text(name::WHY, why).text(name::RECORDED_AT, key::at(now)))?;
                let announced = program_published(shop, version, Some(past.number), now);
                let outbox = key::outbox_of(shop, 0);
                commit
                    .record(self, history::outgoing(&key::published(shop, version.number), announced, outbox, now))?;
                again = Some((past.number, version.number));
            }
        }
        self.commit(commit).await?;
        Ok(Some(BroughtBack { withdrawn: ahead.iter().map(|past| past.number).collect(), again }))
    }

    /// Withdraws the version that waits to take effect, and yields it.
    ///
    /// # Errors
    /// See [`PublicationError`]; then nothing changed.
    pub async fn withdraw(&self, shop: &ShopId, by: &str, now: Instant) -> Result<Version, PublicationError> {
        let mut versions = self.versions(shop).await?.ok_or(PublicationError::NothingPending)?;
        let pending = withdrawn(&mut versions, now)?.ok_or(PublicationError::NothingPending)?;
        let mut commit = Commit::default();
        commit.control(self, withdrawal(shop, pending.number, &Withdrawn { by: by.to_owned(), at: now }))?;
        self.commit(commit).await?;
        Ok(pending)
    }
}

/// Who withdraws a version that somebody else withdraws or replaces at the same time loses: this row must be new.
fn withdrawal(shop: &ShopId, number: u32, withdrawn: &Withdrawn) -> Item {
    let item = Item::at(&key::withdrawal(shop, number)).text(name::WITHDRAWN_BY, &withdrawn.by);
    item.text(name::WITHDRAWN_AT, key::at(withdrawn.at))
}
