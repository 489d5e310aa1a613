//! Requests under data protection law: a member's data, which the shop hands out, and the deletion of a whole shop.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, ReturnConsumedCapacity, TransactWriteItem};
use rules::calendar::Instant;
use rules::id::MemberId;
use serde::{Deserialize, Serialize};

use super::commit::Commit;
use super::item::Item;
use super::key::{self, Key};
use super::load::name;
use super::meter::Kind;
use super::{Store, StoreError};
use crate::shop::ShopId;

const ASKED_AT: &str = "asked_at";
/// The attribute that says that the deletion has begun.
const BEGUN: &str = "begun";
const TABLE: &str = "table";
const FOUND: &str = "found";
const BEHIND_PK: &str = "behind_pk";
const BEHIND_SK: &str = "behind_sk";

/// The delay before a shop is deleted, in milliseconds: 48 hours, as long as Shopify itself waits after an app is
/// uninstalled.
pub const REDACTED_AFTER_MS: i64 = 48 * 60 * 60 * 1_000;
/// The number of items read at a time, and the number deleted at a time.
const SCANNED_TOGETHER: i32 = 1_000;
const DELETED_TOGETHER: usize = 100;

/// The requested deletion of a whole shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    /// When it was requested.
    pub asked_at: Instant,
    /// The instant from which everything is deleted. Before it, the request can be withdrawn.
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

/// The progress of a shop's deletion in its pass through the tables.
#[derive(Debug, Default)]
struct Pass {
    /// The index of the table.
    table: usize,
    /// The last item read from the table.
    behind: Option<Key>,
    /// The number of items that this pass has found.
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

/// A request for a member's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRequest {
    /// The member.
    pub member_id: MemberId,
    /// When it was made.
    pub asked_at: Instant,
}

impl Store {
    /// Stores the request for a member's data. If it is repeated, the first one stands.
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

    /// The open requests for data, by member.
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

    /// Settles a request: the data was handed out, or the member is gone.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn settle_request(&self, shop: &ShopId, member: &MemberId) -> Result<(), StoreError> {
        self.delete(&self.tables.control, &Item::at(&key::request(shop, member)), None).await
    }

    /// Whether a member's erasure is still to be verified; false if the member was not erased.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn erasure_is_open(&self, shop: &ShopId, member: &MemberId) -> Result<bool, StoreError> {
        let key = key::erasure(shop, member);
        Ok(!self.get_all(&self.tables.control, std::iter::once(&key)).await?.is_empty())
    }

    /// Stores the request to delete a whole shop, [`REDACTED_AFTER_MS`] from now. Until then it can be withdrawn. If it
    /// is repeated, the first one stands.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn note_redaction(&self, shop: &ShopId, at: Instant) -> Result<Redaction, StoreError> {
        if let Some(asked) = self.redaction(shop).await? {
            return Ok(asked);
        }
        self.note(Item::at(&key::redaction(shop)).text(ASKED_AT, key::at(at))).await?;
        Ok(self.redaction(shop).await?.unwrap_or(Redaction::asked(at)))
    }

    /// The requested deletion of a whole shop, if any.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn redaction(&self, shop: &ShopId) -> Result<Option<Redaction>, StoreError> {
        let keys = key::redactions().map(|partition| key::redaction_in(partition, shop));
        let row = self.get_all(&self.tables.control, keys.iter()).await?.into_iter().next();
        row.map(|row| Redaction::read(&row)).transpose()
    }

    /// Moves requests to now that a clock that was ahead dated later: deletions of shops, and erasures of these shops'
    /// members that are still to be verified. Yields the number of moved requests.
    ///
    /// # Errors
    /// See [`StoreError`]; a repeated call continues.
    pub async fn bring_requests_forward(&self, shops: &[ShopId], now: Instant) -> Result<usize, StoreError> {
        let deletions = key::redactions().map(|partition| (partition.to_owned(), ASKED_AT));
        let erasures = shops.iter().map(|shop| (key::erasures(shop), name::ERASED_AT));
        let mut count = 0;
        for (partition, attribute) in deletions.into_iter().chain(erasures) {
            for row in self.query(&self.tables.control, None, (key::PK, &partition), None).await? {
                let asked_at = Instant::parse(row.need_text(attribute)?).map_err(|_| row.corrupt(attribute))?;
                if asked_at <= now {
                    continue;
                }
                let asked = self.client.update_item().table_name(&self.tables.control);
                let asked = asked.set_key(Some(Item::at(&row.key()).0)).update_expression("SET #at = :now");
                let asked =
                    asked.condition_expression("attribute_exists(pk)").expression_attribute_names("#at", attribute);
                // A deletion that has begun can no longer be withdrawn, and goes on.
                let has_begun = row.0.contains_key(BEGUN);
                let at = if has_begun { now.plus_millis(-REDACTED_AFTER_MS) } else { now };
                let asked = asked.expression_attribute_values(":now", AttributeValue::S(key::at(at)));
                match asked.send().await.map_err(StoreError::of_sdk) {
                    Ok(_) => count += 1,
                    // It was withdrawn or carried out at this moment.
                    Err(StoreError::Conflict) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(count)
    }

    /// Withdraws the deletion of a shop, unless it has begun. Yields whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it has begun; otherwise see [`StoreError`].
    pub async fn withdraw_redaction(&self, shop: &ShopId) -> Result<bool, StoreError> {
        if self.redaction(shop).await?.is_none() {
            return Ok(false);
        }
        for partition in key::redactions() {
            let key = Item::at(&key::redaction_in(partition, shop)).0;
            let asked = self.client.delete_item().table_name(&self.tables.control).set_key(Some(key));
            // The deleting process marks the row first: of the two, the later one gets a conflict.
            let asked = asked.condition_expression("attribute_not_exists(#begun)");
            let asked = asked.expression_attribute_names("#begun", BEGUN);
            asked.send().await.map_err(StoreError::of_sdk)?;
        }
        Ok(true)
    }

    /// Continues the deletion of shops that are due, for as long as `budget` allows. Yields the number of items
    /// deleted. The next tick continues where this one stopped. A shop is done when a whole pass has found nothing. A
    /// failure in one shop does not stop another.
    ///
    /// The pass reads all tables, because orders of guests are in no index. That is rare, and costs as much as reading
    /// everything.
    ///
    /// # Errors
    /// See [`StoreError`]: the shops to delete cannot be listed.
    pub async fn redact_shops(&self, now: Instant, budget: Duration) -> Result<usize, StoreError> {
        let (begun, mut gone) = (std::time::Instant::now(), 0);
        for partition in key::redactions() {
            for row in self.query(&self.tables.control, None, (key::PK, partition), None).await? {
                match self.redact_if_due(&row, now, &|| begun.elapsed() >= budget).await {
                    Ok(found) => gone += found,
                    // It was withdrawn at this moment, or another process has done it.
                    Err(StoreError::Conflict) => {}
                    Err(error) => {
                        tracing::error!(shop = row.key().sk, %error, "a shop is not deleted yet; the next tick goes on");
                    }
                }
            }
        }
        Ok(gone)
    }

    async fn redact_if_due(
        &self,
        row: &Item,
        now: Instant,
        is_over: &(dyn Fn() -> bool + Sync),
    ) -> Result<usize, StoreError> {
        let shop = ShopId::new(&row.key().sk).map_err(|_| row.corrupt(key::SK))?;
        if Redaction::read(row)?.due_at > now {
            return Ok(0);
        }
        self.redact(&shop, row, is_over).await
    }

    /// Continues the deletion of a shop. The progress is in the row of the request.
    async fn redact(
        &self,
        shop: &ShopId,
        row: &Item,
        is_over: &(dyn Fn() -> bool + Sync),
    ) -> Result<usize, StoreError> {
        let mut pass = Pass::read(row)?;
        let before = pass.found;
        // From here on the deletion cannot be withdrawn.
        self.put_pass(row, &pass).await?;
        if pass.table == 0 && pass.behind.is_none() {
            self.delete(&self.tables.control, &Item::at(&key::shop(shop)), None).await?;
        }
        // The control table first: events about a shop without a program are quarantined, and no longer ingested.
        let tables = [&self.tables.control, &self.tables.members, &self.tables.ledger];
        while let Some(table) = tables.get(pass.table) {
            let is_end = self.forget_some(table, shop, &mut pass).await?;
            if is_end {
                pass.table += 1;
                pass.behind = None;
            }
            if pass.table < tables.len() {
                self.put_pass(row, &pass).await?;
                if is_over() {
                    return Ok(pass.found - before);
                }
            }
        }
        let found = pass.found - before;
        if pass.found == 0 {
            self.delete(&self.tables.control, row, None).await?;
        } else {
            self.put_pass(row, &Pass::default()).await?;
        }
        Ok(found)
    }

    /// Stores the progress of a pass, and that the deletion has begun.
    async fn put_pass(&self, row: &Item, pass: &Pass) -> Result<(), StoreError> {
        let key = Some(Item::at(&row.key()).0);
        let asked = self.client.update_item().table_name(&self.tables.control).set_key(key);
        let number = |number: usize| AttributeValue::N(number.to_string());
        let asked = asked.expression_attribute_names("#begun", BEGUN).expression_attribute_names("#table", TABLE);
        let asked = asked.expression_attribute_names("#found", FOUND).expression_attribute_names("#pk", BEHIND_PK);
        let asked = asked.expression_attribute_names("#sk", BEHIND_SK);
        let asked = asked.expression_attribute_values(":begun", AttributeValue::Bool(true));
        let asked = asked.expression_attribute_values(":table", number(pass.table));
        let asked = asked.expression_attribute_values(":found", number(pass.found));
        let asked = asked.condition_expression("attribute_exists(pk)");
        let asked = match &pass.behind {
            Some(Key { pk, sk }) => asked
                .update_expression("SET #begun = :begun, #table = :table, #found = :found, #pk = :pk, #sk = :sk")
                .expression_attribute_values(":pk", AttributeValue::S(pk.clone()))
                .expression_attribute_values(":sk", AttributeValue::S(sk.clone())),
            None => asked.update_expression("SET #begun = :begun, #table = :table, #found = :found REMOVE #pk, #sk"),
        };
        asked.send().await.map(drop).map_err(StoreError::of_sdk)
    }

    /// Deletes a shop's items in the next part of a table. Yields whether that was the last part.
    async fn forget_some(&self, table: &str, shop: &ShopId, pass: &mut Pass) -> Result<bool, StoreError> {
        let asked = self.client.scan().table_name(table).filter_expression("begins_with(pk, :shop)");
        let asked = asked.projection_expression("pk, sk").limit(SCANNED_TOGETHER);
        let asked = asked.expression_attribute_values(":shop", AttributeValue::S(format!("{shop}#")));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let asked = asked.set_exclusive_start_key(pass.behind.as_ref().map(|key| Item::at(key).0));
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Read, answer.consumed_capacity());
        let items = answer.items.unwrap_or_default().into_iter().map(Item);
        let theirs: Vec<Item> = items.filter(|item| key::shop_of(&item.key().pk).as_ref() == Some(shop)).collect();
        // Events about a shop without a program are quarantined. Those rows are deleted but not counted: while events
        // arrive, a pass would never find nothing.
        let quarantined = key::quarantined(Some(shop));
        for some in theirs.chunks(DELETED_TOGETHER) {
            self.delete_together(table, some).await?;
            pass.found += some.iter().filter(|item| item.key().pk != quarantined).count();
        }
        pass.behind = answer.last_evaluated_key.map(|last| Item(last).key());
        Ok(pass.behind.is_none())
    }

    /// Deletes items in one transaction.
    async fn delete_together(&self, table: &str, items: &[Item]) -> Result<(), StoreError> {
        let delete = |item: &Item| {
            let delete = Delete::builder().table_name(table).set_key(Some(Item::at(&item.key()).0)).build();
            let delete = delete.map_err(StoreError::refused)?;
            Ok(TransactWriteItem::builder().delete(delete).build())
        };
        let writes = items.iter().map(delete).collect::<Result<_, StoreError>>()?;
        let asked = self.client.transact_write_items().set_transact_items(Some(writes));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        for consumed in answer.consumed_capacity() {
            self.meter.add(Kind::Write, Some(consumed));
        }
        Ok(())
    }
}
