//! What was recorded about a member, as rows of the ledger table: audit, history and outbox in one.
//!
//! | attribute | of | what |
//! |---|---|---|
//! | `pk`, `sk` | all | see [`super::key`] |
//! | `member`, `at` | all | the index by member: when it took effect; of a notice, when it was due |
//! | `recorded_at` | all | when it was recorded |
//! | `unpublished` | what is announced, until it is | the sparse index that is the outbox |
//! | `type` | all | the event's name, such as `tier.changed.v1`; `tier.held` is announced nowhere |
//! | `detail` | all | what is sent, complete; of `tier.held` what is held |
//! | `renewed` | transitions, where there are any | renewals settled by then: `year tier` |
//! | `since` | rewards | the start of the stretch that brought the tier |
//!
//! What was recorded is read back for history and, with the facts, for rebuilding a member: [`past`] gives what
//! [`Record::from_history`](rules::record::Record::from_history) takes, [`Recorded::Held`] the floors that no fact tells
//! ([`Held::assignment`]).

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
    TIER_CHANGED, TierChanged, WITHIN_REACH, WithinReach, birthday_points_due, notice_event, reward_issued,
    tier_changed,
};
use crate::shop::ShopId;

/// The attribute with the name of an event.
pub const TYPE: &str = "type";
/// The attribute with what is sent.
pub const DETAIL: &str = "detail";
/// The type of a tier held over a change of rules; it is announced nowhere.
pub const HELD: &str = "tier.held";
const RENEWED: &str = "renewed";
const SINCE: &str = "since";

/// What was recorded, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// The tier changed, or was renewed.
    Transition {
        /// What was announced.
        event: Box<TierChanged>,
        /// The renewals settled by then.
        renewed: Vec<(TierId, i32)>,
    },
    /// An entry reward was due.
    Reward {
        /// What was announced.
        event: Box<RewardIssued>,
        /// Since when the tier reached was held.
        since: Instant,
    },
    /// Birthday points were due.
    Birthday(Box<BirthdayPointsDue>),
    /// A tier is held over a change of rules: it belongs into the member's ledger beside the facts.
    Held(Held),
    /// The member was told that a tier is expiring.
    Expiring(Box<Expiring>),
    /// The member was told that a tier is within reach.
    WithinReach(Box<WithinReach>),
}

/// The item of a row, to be put in the transaction that writes the member. The versions it is about are all of the shop's
/// program: those that decided, and those that had tiers since removed.
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
        Row::Held(made) => held(about, made),
    }
}

/// The item of something told ahead, due at `at` under `version`, to be put in the transaction that remembers its key with
/// the member. A notice told twice has the same key, and the second is refused.
pub fn notice(spread: Spread, about: About<'_>, version: &Version, told: &Notice, at: Instant) -> Item {
    let key = key::notice(about.shop, about.member, &told.key());
    announced(spread, about, key, notice_event(about, version, told, at))
}

fn announced(spread: Spread, about: About<'_>, key: Key, made: Announcement) -> Item {
    let (by, sorted) = (key::about(about.shop, about.member), key::at(made.at));
    let item = outgoing(&key, made, key::outbox(spread, about.shop, about.member), about.recorded_at);
    item.text(key::BY_MEMBER.0, by).text(key::BY_MEMBER.1, sorted)
}

/// A row that is announced from an outbox. Without more it is about no member: in no index by member, and erased with none.
pub(super) fn outgoing(key: &Key, made: Announcement, outbox: String, recorded_at: Instant) -> Item {
    let item = Item::at(key).text(key::UNPUBLISHED.0, outbox).text(key::UNPUBLISHED.1, key::at(recorded_at));
    item.text(TYPE, made.kind).text(DETAIL, made.detail)
}

/// A tier held is announced nowhere.
fn held(about: About<'_>, held: &Held) -> Item {
    let item = Item::at(&key::hold(about.shop, about.member, held.version, held.at));
    let item =
        item.text(key::BY_MEMBER.0, key::about(about.shop, about.member)).text(key::BY_MEMBER.1, key::at(held.at));
    let item = item.text(key::UNPUBLISHED.1, key::at(about.recorded_at));
    item.text(TYPE, HELD).text(DETAIL, json!(held).to_string())
}

/// Reads a row back; nothing if the row is none of the history, but of a fact.
///
/// # Errors
/// [`StoreError::Corrupt`] if it does not read, or a newer release wrote it.
pub fn read(item: &Item) -> Result<Option<Recorded>, StoreError> {
    Ok(Some(match item.maybe_text(TYPE) {
        None => return Ok(None),
        Some(TIER_CHANGED) => Recorded::Transition { event: detail(item)?, renewed: renewed(item)? },
        Some(REWARD_ISSUED) => {
            let since = Instant::parse(item.need_text(SINCE)?).map_err(|_| item.corrupt(SINCE))?;
            Recorded::Reward { event: detail(item)?, since }
        }
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
    /// The keys of all that a member was ever told ahead ([`rules::notice::Notice::key`]).
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn sent_notices(&self, shop: &ShopId, member: &MemberId) -> Result<Vec<String>, StoreError> {
        let (of, begins) = (key::history(shop, member), key::notices());
        let rows = self.query(&self.tables.ledger, None, (key::PK, &of), Some(begins)).await?;
        let told = |row: &Item| row.key().sk.strip_prefix(begins).map(str::to_owned);
        Ok(rows.iter().filter_map(told).collect())
    }

    /// What was recorded about a member, transitions with their rewards in order of sequence first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn history(&self, shop: &ShopId, member: &MemberId) -> Result<Vec<Recorded>, StoreError> {
        let rows = self.query(&self.tables.ledger, None, (key::PK, &key::history(shop, member)), None).await?;
        rows.iter().filter_map(|row| read(row).transpose()).collect()
    }
}

/// What is remembered of a row for putting a record together again; of a tier held and of notices, nothing.
pub fn past(row: &Recorded) -> Option<Past> {
    match row {
        Recorded::Transition { event, renewed } => Some(Past::Transition {
            seq: event.sequence,
            to: event.after.as_ref().map(|tier| tier.id.clone()),
            at: event.effective_at,
            renewed: renewed.clone(),
        }),
        Recorded::Reward { event, since } => Some(Past::Reward { tier: event.tier.id.clone(), since: *since }),
        Recorded::Birthday(event) => Some(Past::Birthday { year: event.on.year() }),
        Recorded::Held(_) | Recorded::Expiring(_) | Recorded::WithinReach(_) => None,
    }
}
