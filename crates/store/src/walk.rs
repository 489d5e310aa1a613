//! Reads a whole shop: all members of whom something is stored, and all rows about one of them.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use rules::fact::Fact;
use rules::id::MemberId;

use super::item::Item;
use super::key::{self, Key};
use super::load::{name, stored_subject};
use super::meter::Kind;
use super::{Store, StoreError, table};
use crate::shop::ShopId;
use crate::unread::Unread;

impl Store {
    /// All members who have an item, including the tombstones of erased members.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn member_ids(&self, shop: &ShopId) -> Result<BTreeSet<MemberId>, StoreError> {
        self.member_ids_past(shop, &mut Unread::nothing()).await
    }

    /// The same, skipping what cannot be read: a bucket, or an id.
    pub async fn member_ids_past(&self, shop: &ShopId, unread: &mut Unread) -> Result<BTreeSet<MemberId>, StoreError> {
        let mut all = BTreeSet::new();
        for bucket in 0..self.tables.spread.buckets() {
            let of = key::bucket_of(shop, bucket);
            let items = match self.query(&self.tables.members, None, (key::PK, &of), None).await {
                Ok(items) => items,
                Err(error) => {
                    unread.pass(error)?;
                    continue;
                }
            };
            for item in items {
                match key::root_of(&item.key()).map(MemberId::new) {
                    Some(Ok(id)) => drop(all.insert(id)),
                    Some(Err(error)) => unread.pass(item.corrupt(error.to_string()))?,
                    None => {}
                }
            }
        }
        Ok(all)
    }

    /// All members who have a row in the index by member.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn ids_with_rows(&self, shop: &ShopId) -> Result<BTreeSet<MemberId>, StoreError> {
        self.ids_with_rows_past(shop, &mut Unread::nothing()).await
    }

    /// The same, skipping what cannot be read: an id, or everything after a page.
    pub async fn ids_with_rows_past(
        &self,
        shop: &ShopId,
        unread: &mut Unread,
    ) -> Result<BTreeSet<MemberId>, StoreError> {
        let (by, _) = key::BY_MEMBER;
        let begins = key::about_any_member(shop);
        let asked = self.client.scan().table_name(&self.tables.ledger).index_name(table::BY_MEMBER);
        let asked = asked.filter_expression("begins_with(#by, :shop)").expression_attribute_names("#by", by);
        let asked = asked.expression_attribute_values(":shop", AttributeValue::S(begins.clone()));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let (mut all, mut from) = (BTreeSet::new(), None);
        loop {
            let answer = match asked.clone().set_exclusive_start_key(from).send().await {
                Ok(answer) => answer,
                Err(error) => {
                    unread.pass(StoreError::of_sdk(error))?;
                    return Ok(all);
                }
            };
            self.meter.add(Kind::Read, answer.consumed_capacity());
            for item in answer.items.unwrap_or_default().into_iter().map(Item) {
                let id = item.need_text(by).and_then(|of| {
                    let id = of.strip_prefix(&begins).unwrap_or_default();
                    MemberId::new(id).map_err(|error| item.corrupt(error.to_string()))
                });
                match id {
                    Ok(id) => drop(all.insert(id)),
                    Err(error) => unread.pass(error)?,
                }
            }
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(all);
            }
        }
    }

    /// All rows about a member: the facts of their subjects, and their history in order.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn rows_about(&self, shop: &ShopId, member: &MemberId) -> Result<(Vec<Fact>, Vec<Item>), StoreError> {
        let (by, _) = key::BY_MEMBER;
        let of = key::about(shop, member);
        let found = self.query(&self.tables.ledger, Some(table::BY_MEMBER), (by, &of), None).await?;
        let history = key::history(shop, member);
        let keys: Vec<Key> = found.iter().map(Item::key).filter(|key| key.pk != history).collect();
        let mut facts = Vec::new();
        for row in self.get_all(&self.tables.ledger, keys.iter()).await? {
            if row.0.contains_key(name::FACTS) {
                facts.extend(stored_subject(&row)?.facts);
            }
        }
        let recorded = self.query(&self.tables.ledger, None, (key::PK, &history), None).await?;
        Ok((facts, recorded))
    }
}
