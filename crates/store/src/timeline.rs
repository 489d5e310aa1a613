//! A member's timeline, the latest row first, page by page. It is read from the index by member, which lags a little
//! behind the table.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use rules::fact::Fact;
use rules::fact_index::shown;
use rules::id::MemberId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::item::Item;
use super::key::{self, Key};
use super::load::{name, stored_subject};
use super::meter::Kind;
use super::{Store, StoreError, history, table};
use crate::shop::ShopId;

/// The number of keys read from the index at once.
const KEYS: i32 = 100;
/// The number of reads after which a page ends even if it is not full, to answer in time whatever rows lie in between.
const READS_MAX: usize = 10;

/// A place in a timeline: after this row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    #[serde(deserialize_with = "key::partition_part")]
    pk: String,
    #[serde(deserialize_with = "key::sort_part")]
    sk: String,
    #[serde(deserialize_with = "key::sort_part")]
    at: String,
}

/// A part of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Stretch<T> {
    /// The rows, the latest first.
    pub rows: Vec<T>,
    /// The place where the next part begins; none if this is the end.
    pub next: Option<Mark>,
}

/// An event or a hold that was recorded about a member.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The event's name, such as `tier.changed.v1`.
    pub kind: String,
    /// When it was recorded.
    pub recorded_at: String,
    /// The event that was announced, or the hold.
    pub detail: Value,
}

impl Store {
    /// The recorded rows about a member, of the given types, at most `limit`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn recorded(
        &self,
        shop: &ShopId,
        member: &MemberId,
        kinds: &[&str],
        limit: usize,
        from: Option<Mark>,
    ) -> Result<Stretch<Told>, StoreError> {
        let told = |item: &Item| {
            let Some(kind) = item.maybe_text(history::TYPE).filter(|kind| kinds.contains(kind)) else {
                return Ok(None);
            };
            let detail = serde_json::from_str(item.need_text(history::DETAIL)?);
            let detail = detail.map_err(|error| item.corrupt(format!("detail: {error}")))?;
            let recorded_at = item.need_text(key::UNPUBLISHED.1)?.to_owned();
            Ok(Some(Told { kind: kind.to_owned(), recorded_at, detail }))
        };
        self.stretch(shop, member, true, limit, from, told).await
    }

    /// The facts about a member, grouped by subject: at most `limit` subjects.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn facts_about(
        &self,
        shop: &ShopId,
        member: &MemberId,
        limit: usize,
        from: Option<Mark>,
    ) -> Result<Stretch<Vec<Fact>>, StoreError> {
        let facts = |item: &Item| {
            if item.0.contains_key(name::FACTS) {
                stored_subject(item).map(|stored| Some(shown(stored.facts)))
            } else {
                Ok(None)
            }
        };
        self.stretch(shop, member, false, limit, from, facts).await
    }

    async fn stretch<T>(
        &self,
        shop: &ShopId,
        member: &MemberId,
        is_history: bool,
        limit: usize,
        from: Option<Mark>,
        read: impl Fn(&Item) -> Result<Option<T>, StoreError>,
    ) -> Result<Stretch<T>, StoreError> {
        let (of, history) = (key::about(shop, member), key::history(shop, member));
        let (mut rows, mut from) = (Vec::new(), from);
        for _ in 0..READS_MAX {
            let (keys, next) = self.keys_about(&of, from.take()).await?;
            let wanted: Vec<Key> = keys.iter().map(Item::key).filter(|key| (key.pk == history) == is_history).collect();
            let found = self.get_all(&self.tables.ledger, wanted.iter()).await?;
            for key in &keys {
                let Some(item) = found.iter().find(|item| item.key() == key.key()) else { continue };
                rows.extend(read(item)?);
                if rows.len() == limit {
                    let is_last = next.is_none() && keys.last().is_some_and(|last| last.key() == key.key());
                    let next = if is_last { None } else { Some(Mark::behind(key)?) };
                    return Ok(Stretch { rows, next });
                }
            }
            from = next;
            if from.is_none() {
                break;
            }
        }
        Ok(Stretch { rows, next: from })
    }

    async fn keys_about(&self, of: &str, from: Option<Mark>) -> Result<(Vec<Item>, Option<Mark>), StoreError> {
        let (by, _) = key::BY_MEMBER;
        let asked = self.client.query().table_name(&self.tables.ledger).index_name(table::BY_MEMBER).limit(KEYS);
        let asked = asked.scan_index_forward(false).key_condition_expression("#by = :of");
        let asked = asked.expression_attribute_names("#by", by);
        let asked = asked.expression_attribute_values(":of", AttributeValue::S(of.to_owned()));
        let asked = asked.set_exclusive_start_key(from.map(|mark| mark.key(of).0));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Read, answer.consumed_capacity());
        let keys = answer.items.unwrap_or_default().into_iter().map(Item).collect();
        let next = answer.last_evaluated_key.map(|last| Mark::behind(&Item(last))).transpose()?;
        Ok((keys, next))
    }
}

impl Mark {
    /// Whether the mark may lie in a member's timeline, as far as its row tells: the shop of every row, and the member of
    /// those that are kept by member.
    pub fn is_of(&self, shop: &ShopId, member: &MemberId) -> bool {
        key::shop_of(&self.pk).as_ref() == Some(shop)
            && key::member_of(&self.pk).is_none_or(|named| named == member.as_str())
    }

    fn behind(item: &Item) -> Result<Self, StoreError> {
        let Key { pk, sk } = item.key();
        Ok(Self { pk, sk, at: item.need_text(key::BY_MEMBER.1)?.to_owned() })
    }

    /// The start key. A caller who made the mark up only moves within the rows about this member.
    fn key(self, of: &str) -> Item {
        let Self { pk, sk, at } = self;
        Item::at(&Key { pk, sk }).text(key::BY_MEMBER.0, of).text(key::BY_MEMBER.1, at)
    }
}
