//! A member's history as rows of the ledger table: audit, history and outbox in one.
//!
//! | attribute | of | content |
//! |---|---|---|
//! | `pk`, `sk` | all | see [`super::key`] |
//! | `member`, `at` | all | the index by member: when it took effect; of a notice, when it was due |
//! | `recorded_at` | all | when it was recorded |
//! | `unpublished` | rows that are still to be announced | the sparse index that is the outbox |
//! | `type` | all | the event's name, such as `tier.changed.v1`; `tier.held` is never announced |
//! | `detail` | all | the complete event; of `tier.held` the hold |
//! | `renewed` | transitions, where there are any | renewals settled by then: `year tier` |
//! | `since` | rewards | the start of the stretch that brought the tier |
//!
//! The rows are read back for the history and, together with the facts, for rebuilding a member. [`past`] yields the
//! input of [`Record::from_history`](rules::record::Record::from_history), and [`Recorded::Held`] the floors that no
//! fact contains ([`Held::assignment`]).

use rules::calendar::Instant;
use rules::id::{MemberId, TierId};
use rules::notice::Notice;
use rules::record::{Held, Past, Row};
use rules::version::Version;
use serde::Deserialize;
use serde_json::json;

use super::item::Item;
use super::key::{self, Key, Spread};
use super::{Store, StoreError};
use crate::announce::{
    About, Announcement, BIRTHDAY_POINTS_DUE, BirthdayPointsDue, EXPIRING, Expiring, REWARD_ISSUED, RewardIssued,
    TIER_CHANGED, TIER_VALIDITY_CHANGED, TierChanged, TierValidityChanged, WITHIN_REACH, WithinReach,
    birthday_points_due, notice_event, reward_issued, tier_changed, validity_changed,
};
use crate::shop::ShopId;

/// The attribute with the name of an event.
pub const TYPE: &str = "type";
/// The attribute with the event's body.
pub const DETAIL: &str = "detail";
/// The type of a hold, which is never announced.
pub const HELD: &str = "tier.held";
const RENEWED: &str = "renewed";
const SINCE: &str = "since";

/// A row of the history, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// The tier changed, or was renewed.
    Transition {
        /// The event that was announced.
        event: Box<TierChanged>,
        /// The renewals settled by then.
        renewed: Vec<(TierId, i32)>,
    },
    /// The end of the tier held was corrected.
    Correction(Box<TierValidityChanged>),
    /// An entry reward was due.
    Reward {
        /// The event that was announced.
        event: Box<RewardIssued>,
        /// The instant since which the tier reached was held.
        since: Instant,
    },
    /// Birthday points were due.
    Birthday(Box<BirthdayPointsDue>),
    /// A hold. It belongs in the member's ledger beside the facts.
    Held(Held),
    /// The member was notified that a tier is expiring.
    Expiring(Box<Expiring>),
    /// The member was notified that a tier is within reach.
    WithinReach(Box<WithinReach>),
}

/// The item of a row, to be written in the transaction that writes the member. `about` needs all versions of the shop's
/// program: those that decided, and those whose tiers were removed since.
pub fn item(spread: Spread, about: About<'_>, row: &Row) -> Item {
    let About { shop, member, .. } = about;
    match row {
        Row::Transition(made) => {
            let key = key::transition(shop, member, made.seq);
            let renewed = made.renewed.iter().map(|(tier, year)| format!("{year} {tier}"));
            let item = announced(spread, about, key, tier_changed(about, made));
            if made.renewed.is_empty() { item } else { item.texts(RENEWED, renewed) }
        }
        Row::Reward(due) => {
            let key = key::reward(shop, member, due.transition, &due.tier);
            announced(spread, about, key, reward_issued(about, due)).text(SINCE, due.since.to_string())
        }
        Row::Birthday(due) => {
            announced(spread, about, key::birthday(shop, member, due.on.year()), birthday_points_due(about, due))
        }
        Row::Correction(made) => {
            announced(spread, about, key::correction(shop, member, made.number), validity_changed(about, made))
        }
        Row::Held(made) => held(about, made),
    }
}

/// The item of a notice that is due at `at` under `version`, to be written in the transaction that stores its key with
/// the member. A repeated notice has the same key, and the second write is refused.
pub fn notice(spread: Spread, about: About<'_>, version: &Version, told: &Notice, at: Instant) -> Item {
    let key = key::notice(about.shop, about.member, &told.key());
    announced(spread, about, key, notice_event(about, version, told, at))
}

fn announced(spread: Spread, about: About<'_>, key: Key, made: Announcement) -> Item {
    let (by, sorted) = (key::about(about.shop, about.member), key::at(made.at));
    let item = outgoing(&key, made, key::outbox(spread, about.shop, about.member), about.recorded_at);
    item.text(key::BY_MEMBER.0, by).text(key::BY_MEMBER.1, sorted)
}

/// A row that is announced from an outbox. By itself it is about no member: it is in no index by member, and no erasure
/// deletes it.
pub(super) fn outgoing(key: &Key, made: Announcement, outbox: String, recorded_at: Instant) -> Item {
    let item = Item::at(key).text(key::UNPUBLISHED.0, outbox).text(key::UNPUBLISHED.1, key::at(recorded_at));
    item.text(TYPE, made.kind).text(DETAIL, made.detail)
}

/// A hold. It is never announced.
fn held(about: About<'_>, held: &Held) -> Item {
    let item = Item::at(&key::hold(about.shop, about.member, held.version, held.at));
    let item =
        item.text(key::BY_MEMBER.0, key::about(about.shop, about.member)).text(key::BY_MEMBER.1, key::at(held.at));
    let item = item.text(key::UNPUBLISHED.1, key::at(about.recorded_at));
    item.text(TYPE, HELD).text(DETAIL, json!(held).to_string())
}

/// Reads a row back; none if the row is not of the history, but of a fact.
///
/// # Errors
/// [`StoreError::Corrupt`] if it cannot be decoded, or a newer release wrote it.
pub fn read(item: &Item) -> Result<Option<Recorded>, StoreError> {
    Ok(Some(match item.maybe_text(TYPE) {
        None => return Ok(None),
        Some(TIER_CHANGED) => Recorded::Transition { event: detail(item)?, renewed: renewed(item)? },
        Some(REWARD_ISSUED) => {
            let since = Instant::parse(item.need_text(SINCE)?).map_err(|_| item.corrupt(SINCE))?;
            Recorded::Reward { event: detail(item)?, since }
        }
        Some(TIER_VALIDITY_CHANGED) => Recorded::Correction(detail(item)?),
        Some(BIRTHDAY_POINTS_DUE) => Recorded::Birthday(detail(item)?),
        Some(HELD) => Recorded::Held(*detail(item)?),
        Some(EXPIRING) => Recorded::Expiring(detail(item)?),
        Some(WITHIN_REACH) => Recorded::WithinReach(detail(item)?),
        Some(other) => return Err(item.corrupt(format!("type `{other}`"))),
    }))
}

fn detail<T: for<'de> Deserialize<'de>>(item: &Item) -> Result<Box<T>, StoreError> {
    let read = serde_json::from_str(item.need_text(DETAIL)?);
    read.map(Box::new).map_err(|error| item.corrupt(format!("{DETAIL}: {error}")))
}

fn renewed(item: &Item) -> Result<Vec<(TierId, i32)>, StoreError> {
    let settled = |text: &str| {
        let (year, tier) = text.split_once(' ')?;
        Some((TierId::new(tier).ok()?, year.parse().ok()?))
    };
    item.maybe_texts(RENEWED)?.into_iter().map(|text| settled(text).ok_or_else(|| item.corrupt(RENEWED))).collect()
}

impl Store {
    /// The keys of all notices that a member was ever sent ([`rules::notice::Notice::key`]).
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn sent_notices(&self, shop: &ShopId, member: &MemberId) -> Result<Vec<String>, StoreError> {
        let (of, begins) = (key::history(shop, member), key::notices());
        let rows = self.query(&self.tables.ledger, None, (key::PK, &of), Some(begins)).await?;
        let told = |row: &Item| row.key().sk.strip_prefix(begins).map(str::to_owned);
        Ok(rows.iter().filter_map(told).collect())
    }

    /// The history of a member: transitions with their rewards first, in order of sequence.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn history(&self, shop: &ShopId, member: &MemberId) -> Result<Vec<Recorded>, StoreError> {
        let rows = self.query(&self.tables.ledger, None, (key::PK, &key::history(shop, member)), None).await?;
        rows.iter().filter_map(|row| read(row).transpose()).collect()
    }
}

/// The part of a row that rebuilds a record; none for holds and notices.
pub fn past(row: &Recorded) -> Option<Past> {
    match row {
        Recorded::Transition { event, renewed } => Some(Past::Transition {
            seq: event.sequence,
            to: event.after.as_ref().map(|tier| tier.id.clone()),
            at: event.effective_at,
            renewed: renewed.clone(),
        }),
        Recorded::Reward { event, since } => Some(Past::Reward { tier: event.tier.id.clone(), since: *since }),
        Recorded::Correction(event) => Some(Past::Correction { number: event.correction }),
        Recorded::Birthday(event) => Some(Past::Birthday { year: event.on.year() }),
        Recorded::Held(_) | Recorded::Expiring(_) | Recorded::WithinReach(_) => None,
    }
}
