//! What people and shops ask for under data protection law: a member's data, which the shop hands out, and a whole shop to
//! be forgotten.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use rules::calendar::Instant;
use rules::id::MemberId;
use serde::{Deserialize, Serialize};

use super::commit::Commit;
use super::item::Item;
use super::key::{self, Key};
use super::meter::Kind;
use super::{Store, StoreError};
use crate::shop::ShopId;

const ASKED_AT: &str = "asked_at";

/// A member's data was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRequest {
    /// Whose.
    pub member_id: MemberId,
    /// When.
    pub asked_at: Instant,
}

impl Store {
    /// Notes that a member's data was asked for. Asked again, the first time stands.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn note_request(&self, shop: &ShopId, member: &MemberId, at: Instant) -> Result<(), StoreError> {
        self.note(Item::at(&key::request(shop, member)).text(ASKED_AT, key::at(at))).await
    }

    async fn note(&self, item: Item) -> Result<(), StoreError> {
        let mut commit = Commit::default();
        commit.control(self, item)?;
        match self.commit(commit).await {
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The data that was asked for and not handed out yet, by member.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn requests(&self, shop: &ShopId) -> Result<Vec<DataRequest>, StoreError> {
        let rows = self.query(&self.tables.control, None, (key::PK, &key::requests(shop)), None).await?;
        let read = |row: &Item| {
            let member_id = MemberId::new(&row.key().sk).map_err(|error| row.corrupt(error.to_string()))?;
            let asked_at = Instant::parse(row.need_text(ASKED_AT)?).map_err(|_| row.corrupt(ASKED_AT))?;
            Ok(DataRequest { member_id, asked_at })
        };
        rows.iter().map(read).collect()
    }

    /// Notes that what was asked for was handed out, or that there is nobody any more.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn settle_request(&self, shop: &ShopId, member: &MemberId) -> Result<(), StoreError> {
        self.delete(&self.tables.control, &Item::at(&key::request(shop, member)), None).await
    }

    /// Whether a member's erasure has still to be verified; none of somebody who was not erased.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn erasure_is_open(&self, shop: &ShopId, member: &MemberId) -> Result<bool, StoreError> {
        let key = key::erasure(shop, member);
        Ok(!self.get_all(&self.tables.control, std::iter::once(&key)).await?.is_empty())
    }

    /// Notes that a whole shop is to be forgotten: the next tick begins.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn note_redaction(&self, shop: &ShopId, at: Instant) -> Result<(), StoreError> {
        self.note(Item::at(&key::redaction(shop)).text(ASKED_AT, key::at(at))).await
    }

    /// Forgets everything about the shops that are to be forgotten; yields how many items there were. What is left when it
    /// fails is found by the next tick; a shop is done when nothing is found any more.
    ///
    /// All tables are gone through: orders of guests are in no index. That is rare, and costs what reading everything costs.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn redact_shops(&self) -> Result<usize, StoreError> {
        let mut gone = 0;
        for row in self.query(&self.tables.control, None, (key::PK, &key::redactions()), None).await? {
            let shop = ShopId::new(&row.key().sk).map_err(|_| row.corrupt(key::SK))?;
            // First, so that nobody takes in what is told of a shop that has no program.
            let mut found = self.forget_all(&self.tables.control, &shop).await?;
            found += self.forget_all(&self.tables.members, &shop).await?;
            found += self.forget_all(&self.tables.ledger, &shop).await?;
            self.delete(&self.tables.control, &Item::at(&key::shop(&shop)), None).await?;
            if found == 0 {
                self.delete(&self.tables.control, &row, None).await?;
            }
            gone += found;
        }
        Ok(gone)
    }

    async fn forget_all(&self, table: &str, shop: &ShopId) -> Result<usize, StoreError> {
        let asked = self.client.scan().table_name(table).filter_expression("begins_with(pk, :shop)");
        let asked = asked.projection_expression("pk, sk");
        let asked = asked.expression_attribute_values(":shop", AttributeValue::S(format!("{shop}#")));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let (mut gone, mut from) = (0, None);
        loop {
            let answer = asked.clone().set_exclusive_start_key(from).send().await;
            let answer = answer.map_err(|error| StoreError::of_sdk(&error))?;
            self.meter.add(Kind::Read, answer.consumed_capacity());
            for item in answer.items.unwrap_or_default().into_iter().map(Item) {
                let Key { pk, .. } = item.key();
                if key::shop_of(&pk).as_ref() == Some(shop) {
                    self.delete(table, &item, None).await?;
                    gone += 1;
                }
            }
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(gone);
            }
        }
    }
}
