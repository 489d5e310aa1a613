//! Forgetting a member: the tombstone is there already and fences off every writer; what is left goes now.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use rules::fact::Fact;
use rules::id::MemberId;

use super::commit::Commit;
use super::item::Item;
use super::key::Key;
use super::load::{Filed, filed, name};
use super::meter::Kind;
use super::{Store, StoreError, key, table};
use crate::shop::ShopId;

impl Store {
    /// Deletes everything about a member but the tombstone. May be done again at any time, and is, until nothing is
    /// found: the index by member follows the table a little later.
    ///
    /// # Errors
    /// See [`StoreError`]; then some may be left.
    pub async fn erase(&self, shop: &ShopId, member: &MemberId) -> Result<(), StoreError> {
        let of = key::about(shop, member);
        let (by, _) = key::BY_MEMBER;
        for found in self.query(&self.tables.ledger, Some(table::BY_MEMBER), (by, &of), None).await? {
            // A row that has meanwhile changed is looked at again in the next pass.
            match self.forget(shop, member, &found.key(), &of).await {
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        let bucket = key::bucket_of(shop, key::bucket(member));
        for page in self.query(&self.tables.members, None, (key::PK, &bucket), Some(&key::pages(member))).await? {
            self.delete(&self.tables.members, &page, None).await?;
        }
        Ok(())
    }

    /// Deletes a row. If it is about others too, it stays without this member's name: several may speak of one order.
    async fn forget(&self, shop: &ShopId, member: &MemberId, at: &Key, of: &str) -> Result<(), StoreError> {
        let (by, _) = key::BY_MEMBER;
        for row in self.get_all(&self.tables.ledger, std::iter::once(at)).await? {
            let was = if row.0.contains_key(name::FACTS) { filed(&row)? } else { Filed::default() };
            let rest = without(member, &was.facts);
            match rest.first().and_then(|fact| fact.things().next()) {
                Some(thing) => {
                    let mut commit = Commit::default();
                    commit.file(self, shop, &thing, &rest, &was)?;
                    self.commit(commit).await?;
                }
                None => self.delete(&self.tables.ledger, &row, Some((by, of))).await?,
            }
        }
        Ok(())
    }

    pub(super) async fn delete(
        &self,
        table: &str,
        item: &Item,
        only_if: Option<(&str, &str)>,
    ) -> Result<(), StoreError> {
        let at = Item::at(&item.key());
        let asked = self.client.delete_item().table_name(table).set_key(Some(at.0));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let asked = match only_if {
            Some((name, value)) => asked
                .condition_expression("#name = :value")
                .expression_attribute_names("#name", name)
                .expression_attribute_values(":value", AttributeValue::S(value.to_owned())),
            None => asked,
        };
        let answer = asked.send().await.map_err(|error| StoreError::of_sdk(&error))?;
        self.meter.add(Kind::Write, answer.consumed_capacity());
        Ok(())
    }
}

/// What is left of a row's facts without a member: nothing, if the thing is theirs or nobody else speaks of it.
fn without(member: &MemberId, facts: &[Fact]) -> Vec<Fact> {
    let theirs = |fact: &Fact| fact.member() == Some(member);
    let is_thing = |fact: &Fact| matches!(fact, Fact::OrderPaid { .. } | Fact::PointsEntry { .. });
    if facts.iter().all(theirs) || facts.iter().any(|fact| is_thing(fact) && theirs(fact)) {
        return Vec::new();
    }
    facts.iter().filter_map(|fact| if theirs(fact) { fact.without_member() } else { Some(fact.clone()) }).collect()
}
