//! Conditional writes, all or nothing: each item must be exactly as it was read.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnConsumedCapacity, TransactWriteItem};
use rules::calendar::Instant;
use rules::chunk;
use rules::fact::{Fact, ReceivedFact};
use rules::fact_index::Subject;
use rules::id::MemberId;
use rules::ledger::Ledger;
use rules::record::Record;

use super::item::{Item, VERSION};
use super::load::{Member, StoredSubject, laid_texts, name};
use super::merged::{Links, Tombstone};
use super::meter::Kind;
use super::{Store, StoreError, key};
use crate::shop::ShopId;

/// The most items in a transaction of DynamoDB.
const TRANSACTION_WRITES_MAX: usize = 100;

/// The most items that are put together in a transaction: a page may have to be divided.
pub const WRITES_MAX: usize = 90;

/// The most bytes in an item that facts leave behind: DynamoDB takes 400 KB, and what the passing of time adds needs room.
const ITEM_BYTES_MAX: usize = 380_000;
/// The most bytes in an item that sweeps and repairs leave behind.
const MAINTAINED_BYTES_MAX: usize = 400_000;

/// Items to be written together or not at all.
#[derive(Debug, Default)]
pub struct Commit {
    writes: Vec<Write>,
    is_maintenance: bool,
}

#[derive(Debug)]
struct Write {
    table: String,
    item: Item,
    /// The version that the item must have now; none if it must not exist.
    expected: Option<u64>,
}

impl Commit {
    /// A commit without a new fact, of a sweep or a repair: it may leave larger items than facts may.
    pub fn maintenance() -> Self {
        Self { is_maintenance: true, ..Self::default() }
    }

    /// The number of items to write.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Adds the writes of another commit.
    pub fn append(&mut self, other: Self) {
        self.writes.extend(other.writes);
    }

    fn put(&mut self, table: &str, item: Item, expected: Option<u64>) -> Result<(), StoreError> {
        let item = item.number(VERSION, expected.unwrap_or(0).saturating_add(1));
        let bytes = item.size();
        let bytes_max = if self.is_maintenance { MAINTAINED_BYTES_MAX } else { ITEM_BYTES_MAX };
        if bytes > bytes_max {
            return Err(StoreError::TooLarge { key: item.key(), bytes });
        }
        self.writes.push(Write { table: table.to_owned(), item, expected });
        Ok(())
    }

    /// Writes the row of a subject, with all facts known now.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`].
    pub fn file(
        &mut self,
        store: &Store,
        shop: &ShopId,
        subject: &Subject,
        facts: &[Fact],
        was: &StoredSubject,
    ) -> Result<(), StoreError> {
        let told = |fact: &Fact| ReceivedFact::of(fact.clone()).to_json().to_string();
        let mut item = Item::at(&key::subject(shop, subject)).texts(name::FACTS, facts.iter().map(told));
        // The index by member finds all rows of a member, for history, export and erasure.
        if let Some((member, at)) = facts.iter().find_map(|fact| Some((fact.member()?, fact.occurred_at))) {
            let (by, sorted) = key::BY_MEMBER;
            item = item.text(by, key::about(shop, member)).text(sorted, key::at(at));
        }
        self.put(&store.tables.ledger, item, was.version)
    }

    /// Writes a member's item, with pages if the member is heavy.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`].
    pub fn member(
        &mut self,
        store: &Store,
        shop: &ShopId,
        member: &MemberId,
        (ledger, record, links): (&Ledger, &Record, &Links),
        was: &Member,
    ) -> Result<(), StoreError> {
        let parts = chunk::divide(ledger, record, &was.chunk_index);
        let version = was.version.unwrap_or(0).saturating_add(1);
        // A page is written when it changes, and carries the version of the root that it was written with. The root
        // lists the version of each page; a torn read is detected from either side.
        let unchanged: BTreeMap<u32, u64> = parts
            .chunks
            .iter()
            .filter_map(|(number, bytes)| Some((number, was.pages.get(number)?, bytes)))
            .filter(|(_, (_, before), bytes)| before == *bytes)
            .map(|(number, (version, _), _)| (*number, *version))
            .collect();
        let mut root = Item::at(&key::member(store.tables.spread, shop, member)).bytes(name::BODY, parts.root);
        if !parts.index.0.is_empty() {
            let version_of = |number| unchanged.get(&number).copied().unwrap_or(version);
            root = root.texts(name::PAGES, laid_texts(&parts.index, version_of));
        }
        if !was.sent_notices.is_empty() {
            root = root.texts(name::NOTICED, was.sent_notices.iter().cloned());
        }
        self.put(&store.tables.members, links.onto(root), was.version)?;
        for (number, bytes) in parts.chunks.into_iter().filter(|(number, _)| !unchanged.contains_key(number)) {
            let item = Item::at(&key::page(store.tables.spread, shop, member, number))
                .bytes(name::BODY, bytes)
                .number(VERSION, version);
            let expected = was.pages.get(&number).map(|(version, _)| *version);
            self.writes.push(Write { table: store.tables.members.clone(), item, expected });
        }
        Ok(())
    }

    /// Writes a tombstone, in place of a member or again: it keeps out later facts about them.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], which a tombstone never is.
    pub fn tombstone(
        &mut self,
        store: &Store,
        shop: &ShopId,
        member: &MemberId,
        tombstone: &Tombstone,
    ) -> Result<(), StoreError> {
        let Tombstone { erased_at, links, version } = tombstone;
        let item = Item::at(&key::member(store.tables.spread, shop, member)).text(name::ERASED_AT, key::at(*erased_at));
        self.put(&store.tables.members, links.onto(item), *version)
    }

    /// Requests the later verification of a member's erasure. It is committed with the tombstone.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], which this row never is.
    pub fn erasure(&mut self, store: &Store, shop: &ShopId, member: &MemberId, at: Instant) -> Result<(), StoreError> {
        let item = Item::at(&key::erasure(shop, member)).text(name::ERASED_AT, key::at(at));
        self.control(store, item)
    }

    /// Writes a row of the control table, which must be new.
    pub(super) fn control(&mut self, store: &Store, item: Item) -> Result<(), StoreError> {
        self.row(store, item, None)
    }

    /// Writes a row of the control table, which must be of this version.
    pub(super) fn row(&mut self, store: &Store, item: Item, expected: Option<u64>) -> Result<(), StoreError> {
        self.put(&store.tables.control, item, expected)
    }

    /// Writes a row of the history, which must be new.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`].
    pub fn record(&mut self, store: &Store, item: Item) -> Result<(), StoreError> {
        self.put(&store.tables.ledger, item, None)
    }
}

impl Store {
    /// Writes everything or nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if an item is not as it was read. After [`StoreError::Unavailable`] the items may have
    /// been written or not.
    pub async fn commit(&self, mut commit: Commit) -> Result<(), StoreError> {
        match commit.writes.len() {
            0 => Ok(()),
            // A transaction costs twice as much.
            1 => match commit.writes.pop() {
                Some(write) => self.put_one(write).await,
                None => Ok(()),
            },
            writes if writes > TRANSACTION_WRITES_MAX => Err(StoreError::TooMany { writes }),
            _ => self.put_all(commit.writes).await,
        }
    }

    async fn put_one(&self, write: Write) -> Result<(), StoreError> {
        let (condition, value) = condition(write.expected);
        let asked = self.client.put_item().table_name(write.table).set_item(Some(write.item.0));
        let asked = asked.condition_expression(condition).return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let asked = match value {
            Some(value) => asked.expression_attribute_values(":v", value),
            None => asked,
        };
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Write, answer.consumed_capacity());
        Ok(())
    }

    async fn put_all(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let mut asked = self.client.transact_write_items();
        for write in writes {
            let (condition, value) = condition(write.expected);
            let put = Put::builder().table_name(write.table).set_item(Some(write.item.0));
            let put = put.condition_expression(condition);
            let put = match value {
                Some(value) => put.expression_attribute_values(":v", value),
                None => put,
            };
            let put = put.build().map_err(StoreError::refused)?;
            asked = asked.transact_items(TransactWriteItem::builder().put(put).build());
        }
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(StoreError::of_transaction)?;
        self.meter.add(Kind::Write, answer.consumed_capacity());
        Ok(())
    }
}

/// The condition that an item is exactly as it was read: of this version, or absent.
fn condition(expected: Option<u64>) -> (&'static str, Option<AttributeValue>) {
    match expected {
        Some(version) => ("v = :v", Some(AttributeValue::N(version.to_string()))),
        None => ("attribute_not_exists(pk)", None),
    }
}
