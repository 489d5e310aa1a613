//! The outbox: a sparse index of the ledger. Marking a row as published takes it out of the index.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use rules::calendar::Instant;

use super::history::{DETAIL, TYPE};
use super::item::{Attributes, Item};
use super::key::{self, Key};
use super::meter::Kind;
use super::{Store, StoreError, table};
use crate::shop::ShopId;

/// The number of rows requested at once: as many as can be read together.
const PAGE: i32 = 100;

/// A row to be announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its key in the ledger.
    pub key: Key,
    /// The event's name, such as `tier.changed.v1`.
    pub kind: String,
    /// The event's body.
    pub detail: String,
    /// When it was recorded.
    pub recorded_at: Instant,
}

impl Outgoing {
    /// The event that a row of the ledger announces; none if it was announced already, or never is.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it is to be announced and its event is missing.
    pub fn of(row: &Item) -> Result<Option<Self>, StoreError> {
        let (outbox, since) = key::UNPUBLISHED;
        if row.maybe_text(outbox).is_none() {
            return Ok(None);
        }
        let text = |name| row.need_text(name).map(str::to_owned);
        let recorded_at = Instant::parse(row.need_text(since)?).map_err(|_| row.corrupt(since))?;
        Ok(Some(Self { key: row.key(), kind: text(TYPE)?, detail: text(DETAIL)?, recorded_at }))
    }
}

/// Some keys of an outbox, and where the next page begins.
#[derive(Debug, Clone, Default)]
pub struct OutboxBatch {
    /// The keys, oldest first.
    pub keys: Vec<Key>,
    /// The start of the next page; none if this is the last.
    pub next: Option<Attributes>,
}

impl Store {
    /// All shops.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn shops(&self) -> Result<Vec<ShopId>, StoreError> {
        let rows = self.query(&self.tables.control, None, (key::PK, &key::shops()), None).await?;
        let named = |row: &Item| ShopId::new(&row.key().sk).map_err(|_| row.corrupt(key::SK));
        rows.iter().map(named).collect()
    }

    /// Rows of an outbox recorded before an instant, oldest first, from the end of the last page.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn unpublished(
        &self,
        shop: &ShopId,
        outbox: u8,
        before: Instant,
        from: Option<Attributes>,
    ) -> Result<OutboxBatch, StoreError> {
        let (by, sorted) = key::UNPUBLISHED;
        let asked = self.client.query().table_name(&self.tables.ledger).index_name(table::UNPUBLISHED).limit(PAGE);
        let asked = asked.key_condition_expression("#by = :outbox AND #at < :before");
        let asked = asked.expression_attribute_names("#by", by).expression_attribute_names("#at", sorted);
        let asked = asked.expression_attribute_values(":outbox", AttributeValue::S(key::outbox_of(shop, outbox)));
        let asked = asked.expression_attribute_values(":before", AttributeValue::S(key::at(before)));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes).set_exclusive_start_key(from);
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Read, answer.consumed_capacity());
        let keys = answer.items.unwrap_or_default().into_iter().map(|item| Item(item).key()).collect();
        Ok(OutboxBatch { keys, next: answer.last_evaluated_key })
    }

    /// The rows of these keys that are still to be announced, and the keys of those that cannot be decoded. The index
    /// lags a little behind the table, so the rows themselves decide.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn outgoing(&self, keys: &[Key]) -> Result<(Vec<Outgoing>, Vec<Key>), StoreError> {
        let (mut found, mut unreadable) = (Vec::new(), Vec::new());
        for row in self.get_all(&self.tables.ledger, keys.iter()).await? {
            match Outgoing::of(&row) {
                Ok(outgoing) => found.extend(outgoing),
                Err(_) => unreadable.push(row.key()),
            }
        }
        Ok((found, unreadable))
    }

    /// Takes a row out of its outbox. A row that was erased meanwhile stays erased.
    ///
    /// # Errors
    /// See [`StoreError`]; the row is then announced again later.
    pub async fn mark_published(&self, row: &Key) -> Result<(), StoreError> {
        let asked = self.client.update_item().table_name(&self.tables.ledger).set_key(Some(Item::at(row).0));
        let asked = asked.update_expression("REMOVE #by").expression_attribute_names("#by", key::UNPUBLISHED.0);
        let asked = asked.condition_expression("attribute_exists(pk)");
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        match asked.send().await.map_err(StoreError::of_sdk) {
            Ok(answer) => {
                self.meter.add(Kind::Write, answer.consumed_capacity());
                Ok(())
            }
            Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
