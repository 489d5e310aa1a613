//! What people and shops ask for under data protection law: a member's data, which the shop hands out, and a whole shop to
//! be forgotten.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, ReturnConsumedCapacity, TransactWriteItem};
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
const TABLE: &str = "table";
const FOUND: &str = "found";
const BEHIND_PK: &str = "behind_pk";
const BEHIND_SK: &str = "behind_sk";

/// A shop is deleted so long after it was asked for, as Shopify itself waits after an app is uninstalled.
pub const REDACTED_AFTER_MS: i64 = 48 * 60 * 60 * 1_000;
/// So many items are read, and so many are deleted, at a time.
const SCANNED_TOGETHER: i32 = 1_000;
const DELETED_TOGETHER: usize = 100;

/// The deletion of a whole shop, as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    /// When it was asked for.
    pub asked_at: Instant,
    /// From when on everything is deleted; before, it can be withdrawn.
    pub due_at: Instant,
}

impl Redaction {
    fn asked(asked_at: Instant) -> Self {
        Self { asked_at, due_at: asked_at.plus_millis(REDACTED_AFTER_MS) }
    }

    fn read(row: &Item) -> Result<Self, StoreError> {
        let asked_at = Instant::parse(row.need_text(ASKED_AT)?).map_err(|_| row.corrupt(ASKED_AT))?;
        Ok(Self::asked(asked_at))
    }
}

/// How far the deletion of a shop has come in its pass through the tables.
#[derive(Debug, Default)]
struct Pass {
    /// Which of the tables.
    table: usize,
    /// Behind which item of it.
    behind: Option<Key>,
    /// How many items this pass has found.
    found: usize,
}

impl Pass {
    fn read(row: &Item) -> Result<Self, StoreError> {
        let number = |name| if row.0.contains_key(name) { row.need_number(name) } else { Ok(0) };
        let behind = row.maybe_text(BEHIND_PK).zip(row.maybe_text(BEHIND_SK));
        let behind = behind.map(|(pk, sk)| Key { pk: pk.to_owned(), sk: sk.to_owned() });
        Ok(Self { table: number(TABLE)?, behind, found: number(FOUND)? })
    }
}

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

    /// Notes that a whole shop is to be deleted, [`REDACTED_AFTER_MS`] from now: until then it can be withdrawn. Asked again,
    /// the first time stands.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn note_redaction(&self, shop: &ShopId, at: Instant) -> Result<Redaction, StoreError> {
        self.note(Item::at(&key::redaction(shop)).text(ASKED_AT, key::at(at))).await?;
        Ok(self.redaction(shop).await?.unwrap_or(Redaction::asked(at)))
    }

    /// The deletion of a whole shop that was asked for, if it was.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn redaction(&self, shop: &ShopId) -> Result<Option<Redaction>, StoreError> {
        let key = key::redaction(shop);
        let row = self.get_all(&self.tables.control, std::iter::once(&key)).await?.into_iter().next();
        row.map(|row| Redaction::read(&row)).transpose()
    }

    /// Withdraws the deletion of a shop, unless it has begun; whether there was one to withdraw.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it has begun; otherwise see [`StoreError`].
    pub async fn withdraw_redaction(&self, shop: &ShopId, now: Instant) -> Result<bool, StoreError> {
        match self.redaction(shop).await? {
            None => Ok(false),
            Some(redaction) if redaction.due_at <= now => Err(StoreError::Conflict),
            Some(_) => {
                self.delete(&self.tables.control, &Item::at(&key::redaction(shop)), None).await?;
                Ok(true)
            }
        }
    }

    /// Goes on deleting the shops whose deletion is due, for so long as `budget` allows; yields how many items are gone.
    /// What is left is found by the next tick, which goes on where this one stopped; a shop is done when a whole pass has
    /// found nothing. What fails in one shop stops no other.
    ///
    /// All tables are gone through: orders of guests are in no index. That is rare, and costs what reading everything costs.
    ///
    /// # Errors
    /// See [`StoreError`]: the shops to be deleted cannot be listed.
    pub async fn redact_shops(&self, now: Instant, budget: Duration) -> Result<usize, StoreError> {
        let (begun, mut gone) = (std::time::Instant::now(), 0);
        for row in self.query(&self.tables.control, None, (key::PK, &key::redactions()), None).await? {
            let shop = ShopId::new(&row.key().sk).map_err(|_| row.corrupt(key::SK))?;
            if Redaction::read(&row)?.due_at > now {
                continue;
            }
            match self.redact(&shop, &row, &|| begun.elapsed() >= budget).await {
                Ok(found) => gone += found,
                Err(error) => tracing::error!(%shop, %error, "a shop is not deleted yet; the next tick goes on"),
            }
        }
        Ok(gone)
    }

    /// Goes on deleting a shop. What is behind a place in the tables is remembered in the row that asks for it.
    async fn redact(
        &self,
        shop: &ShopId,
        row: &Item,
        is_over: &(dyn Fn() -> bool + Sync),
    ) -> Result<usize, StoreError> {
        let mut pass = Pass::read(row)?;
        let before = pass.found;
        // First, so that nobody takes in what is told of a shop that has no program.
        let tables = [&self.tables.control, &self.tables.members, &self.tables.ledger];
        while let Some(table) = tables.get(pass.table) {
            if self.forget_some(table, shop, &mut pass, is_over).await? {
                pass.table += 1;
                pass.behind = None;
            }
            if is_over() && pass.table < tables.len() {
                self.put_pass(row, &pass).await?;
                return Ok(pass.found - before);
            }
        }
        self.delete(&self.tables.control, &Item::at(&key::shop(shop)), None).await?;
        let found = pass.found - before;
        if pass.found == 0 {
            self.delete(&self.tables.control, row, None).await?;
        } else {
            self.put_pass(row, &Pass::default()).await?;
        }
        Ok(found)
    }

    /// Remembers how far a pass has come.
    async fn put_pass(&self, row: &Item, pass: &Pass) -> Result<(), StoreError> {
        let item = Item::at(&row.key()).text(ASKED_AT, row.need_text(ASKED_AT)?);
        let item = item.number(TABLE, pass.table as u64).number(FOUND, pass.found as u64);
        let item = match &pass.behind {
            Some(Key { pk, sk }) => item.text(BEHIND_PK, pk.as_str()).text(BEHIND_SK, sk.as_str()),
            None => item,
        };
        let asked = self.client.put_item().table_name(&self.tables.control).set_item(Some(item.0));
        asked.send().await.map(drop).map_err(|error| StoreError::of_sdk(&error))
    }

    /// Deletes what a shop has in a table, from behind a place on; whether it came to the table's end.
    async fn forget_some(
        &self,
        table: &str,
        shop: &ShopId,
        pass: &mut Pass,
        is_over: &(dyn Fn() -> bool + Sync),
    ) -> Result<bool, StoreError> {
        let asked = self.client.scan().table_name(table).filter_expression("begins_with(pk, :shop)");
        let asked = asked.projection_expression("pk, sk").limit(SCANNED_TOGETHER);
        let asked = asked.expression_attribute_values(":shop", AttributeValue::S(format!("{shop}#")));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        loop {
            let from = pass.behind.as_ref().map(|key| Item::at(key).0);
            let answer = asked.clone().set_exclusive_start_key(from).send().await;
            let answer = answer.map_err(|error| StoreError::of_sdk(&error))?;
            self.meter.add(Kind::Read, answer.consumed_capacity());
            let items = answer.items.unwrap_or_default().into_iter().map(Item);
            let theirs: Vec<Item> = items.filter(|item| key::shop_of(&item.key().pk).as_ref() == Some(shop)).collect();
            for some in theirs.chunks(DELETED_TOGETHER) {
                self.delete_together(table, some).await?;
                pass.found += some.len();
            }
            let Some(last) = answer.last_evaluated_key else { return Ok(true) };
            pass.behind = Some(Item(last).key());
            if is_over() {
                return Ok(false);
            }
        }
    }

    /// Deletes items, in one commit.
    async fn delete_together(&self, table: &str, items: &[Item]) -> Result<(), StoreError> {
        let delete = |item: &Item| {
            let delete = Delete::builder().table_name(table).set_key(Some(Item::at(&item.key()).0)).build();
            let delete = delete.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            Ok(TransactWriteItem::builder().delete(delete).build())
        };
        let writes = items.iter().map(delete).collect::<Result<_, StoreError>>()?;
        let asked = self.client.transact_write_items().set_transact_items(Some(writes));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(|error| StoreError::of_sdk(&error))?;
        for consumed in answer.consumed_capacity() {
            self.meter.add(Kind::Write, Some(consumed));
        }
        Ok(())
    }
}
