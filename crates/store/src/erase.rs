//! The erasure of a member. The tombstone exists already and fences off every writer. The rest is deleted now. Later
//! passes look for leftovers until one finds nothing: the index by member lags behind the table, and a writer that read
//! before the tombstone may write after the first pass.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use rules::calendar::Instant;
use rules::fact::{Fact, FactBody};
use rules::fact_index::Subject;
use rules::id::MemberId;

use super::commit::Commit;
use super::item::{Item, VERSION};
use super::key::Key;
use super::load::{StoredSubject, name, stored_subject};
use super::meter::Kind;
use super::{Store, StoreError, key, table};
use crate::shop::ShopId;

/// The time after which an erasure is verified, in milliseconds: longer than a writer may take, and than the index
/// lags.
const VERIFIED_MS: i64 = 15 * 60_000;

impl Store {
    /// Deletes everything about a member but the tombstone. It is repeated until nothing is found, because the index by
    /// member lags a little behind the table. Yields the number of rows and pages found.
    ///
    /// # Errors
    /// See [`StoreError`]; some rows may then be left.
    pub async fn erase(&self, shop: &ShopId, member: &MemberId) -> Result<usize, StoreError> {
        let (mut erased, of) = (0, key::about(shop, member));
        let (by, _) = key::BY_MEMBER;
        for found in self.query(&self.tables.ledger, Some(table::BY_MEMBER), (by, &of), None).await? {
            // A row that changed meanwhile is left to the next pass.
            match self.forget(shop, member, &found.key()).await {
                Ok(()) | Err(StoreError::Conflict) => erased += 1,
                Err(error) => return Err(error),
            }
        }
        for page in self.pages(shop, member).await? {
            self.delete(&self.tables.members, &page, None).await?;
            erased += 1;
        }
        Ok(erased)
    }

    /// Deletes the item and the pages of a member that cannot be decoded. They can then be rebuilt from rows.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it is a tombstone: the rows do not contain what keeps the member out.
    /// [`StoreError::Conflict`] if another writer changes the item meanwhile: it stays. Otherwise see [`StoreError`];
    /// some pages may then be left.
    pub async fn discard(&self, shop: &ShopId, member: &MemberId) -> Result<(), StoreError> {
        let root =
            self.get_all(&self.tables.members, std::iter::once(&key::member(self.tables.spread, shop, member))).await?;
        if let Some(tombstone) = root.iter().find(|root| root.0.contains_key(name::ERASED_AT)) {
            return Err(tombstone.corrupt("tombstone"));
        }
        // The root goes last: without it, leftover pages would go unnoticed.
        for page in self.pages(shop, member).await? {
            self.delete(&self.tables.members, &page, None).await?;
        }
        for root in root {
            self.delete_as_read(&self.tables.members, &root).await?;
        }
        Ok(())
    }

    /// Looks again for leftovers of members erased so long ago that no writer of that time is left. Yields the number
    /// of members of whom nothing was found.
    ///
    /// # Errors
    /// See [`StoreError`]; the rest is verified next time.
    pub async fn verify_erasures(&self, shop: &ShopId, now: Instant) -> Result<usize, StoreError> {
        let (mut gone, mut damaged) = (0, None);
        for row in self.query(&self.tables.control, None, (key::PK, &key::erasures(shop)), None).await? {
            let at = Instant::parse(row.need_text(name::ERASED_AT)?).map_err(|_| row.corrupt(name::ERASED_AT))?;
            let member = MemberId::new(&row.key().sk).map_err(|error| row.corrupt(error.to_string()))?;
            if now.millis() - at.millis() < VERIFIED_MS {
                continue;
            }
            self.settle_request(shop, &member).await?;
            match self.erase(shop, &member).await {
                Ok(0) => {
                    self.delete(&self.tables.control, &row, None).await?;
                    gone += 1;
                }
                Ok(_) => {}
                // A damaged row of one member holds up the others' erasures no longer.
                Err(error @ (StoreError::Corrupt { .. } | StoreError::Newer { .. })) => {
                    damaged = damaged.or(Some(error))
                }
                Err(error) => return Err(error),
            }
        }
        damaged.map_or(Ok(gone), Err)
    }

    /// Deletes a row. If it is also about other members, it stays without this member's name: several members can
    /// appear in the facts of one order.
    async fn forget(&self, shop: &ShopId, member: &MemberId, at: &Key) -> Result<(), StoreError> {
        for row in self.get_all(&self.tables.ledger, std::iter::once(at)).await? {
            let was = if row.0.contains_key(name::FACTS) { stored_subject(&row)? } else { StoredSubject::default() };
            // A cancellation of points is also filed under its entry, which may belong to another member. It then counts
            // for that one, and stays known under both keys: it may still move to another entry.
            let mut rest = without(member, &was.facts);
            for entry in entries(&was.facts).map(|entry| key::subject(shop, &entry)).filter(|entry| entry != at) {
                for row in self.get_all(&self.tables.ledger, std::iter::once(&entry)).await? {
                    let entry = self.rename(shop, member, &stored_subject(&row)?).await?;
                    let is_here = |fact: &Fact| fact.subjects().any(|subject| key::subject(shop, &subject) == *at);
                    if rest.is_empty() {
                        rest = entry.into_iter().filter(is_here).collect();
                    }
                }
            }
            let mut subjects = rest.iter().flat_map(Fact::subjects);
            match subjects.find(|subject| key::subject(shop, subject) == *at) {
                Some(subject) => {
                    let mut commit = Commit::default();
                    commit.file(self, shop, &subject, &rest, &was)?;
                    self.commit(commit).await?;
                }
                None => {
                    self.forget_cancels(shop, at, &was.facts).await?;
                    self.delete_as_read(&self.tables.ledger, &row).await?;
                }
            }
        }
        Ok(())
    }

    /// Deletes the cancellations of a deleted entry's points, whichever member they name. Left alone, they would count
    /// as waiting facts of that member.
    async fn forget_cancels(&self, shop: &ShopId, at: &Key, facts: &[Fact]) -> Result<(), StoreError> {
        let is_of_this_row =
            |fact: &Fact| entries(std::slice::from_ref(fact)).any(|entry| key::subject(shop, &entry) == *at);
        let cancels = facts.iter().filter(|fact| is_of_this_row(fact)).flat_map(Fact::subjects);
        for cancel in cancels.filter(|subject| matches!(subject, Subject::Cancel(_))) {
            for row in self.get_all(&self.tables.ledger, std::iter::once(&key::subject(shop, &cancel))).await? {
                // The cancellation may have moved to another entry.
                if stored_subject(&row)?.facts.iter().any(is_of_this_row) {
                    self.delete_as_read(&self.tables.ledger, &row).await?;
                }
            }
        }
        Ok(())
    }

    /// Writes another member's entry without this member's name, if it contains the name. Yields its facts; none if it is
    /// not another member's.
    async fn rename(&self, shop: &ShopId, member: &MemberId, was: &StoredSubject) -> Result<Vec<Fact>, StoreError> {
        let rest = without(member, &was.facts);
        let Some(subject) =
            rest.iter().find(|fact| matches!(fact.body, FactBody::PointsEntry(..))).and_then(|it| it.subjects().next())
        else {
            return Ok(Vec::new());
        };
        if rest != was.facts {
            let mut commit = Commit::default();
            commit.file(self, shop, &subject, &rest, was)?;
            self.commit(commit).await?;
        }
        Ok(rest)
    }

    /// Deletes an item if it still has the version that was read.
    async fn delete_as_read(&self, table: &str, item: &Item) -> Result<(), StoreError> {
        let version = item.0.get(VERSION).cloned();
        self.delete(table, item, version.map(|version| (VERSION, version))).await
    }

    pub(super) async fn delete(
        &self,
        table: &str,
        item: &Item,
        only_if: Option<(&str, AttributeValue)>,
    ) -> Result<(), StoreError> {
        let at = Item::at(&item.key());
        let asked = self.client.delete_item().table_name(table).set_key(Some(at.0));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let asked = match only_if {
            Some((name, value)) => asked
                .condition_expression("#name = :value")
                .expression_attribute_names("#name", name)
                .expression_attribute_values(":value", value),
            None => asked,
        };
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Write, answer.consumed_capacity());
        Ok(())
    }
}

/// The entries whose points are canceled.
fn entries(facts: &[Fact]) -> impl Iterator<Item = Subject> {
    let canceled = facts.iter().filter(|fact| matches!(fact.body, FactBody::PointsCanceled(..)));
    canceled.flat_map(Fact::subjects).filter(|subject| matches!(subject, Subject::Entry(_)))
}

/// The facts of a row without a member's name; none if the subject belongs to the member, or if all facts name the
/// member.
fn without(member: &MemberId, facts: &[Fact]) -> Vec<Fact> {
    let theirs = |fact: &Fact| fact.member() == Some(member);
    if facts.iter().all(theirs) || facts.iter().any(|fact| owns_subject(fact) && theirs(fact)) {
        return Vec::new();
    }
    facts.iter().filter_map(|fact| if theirs(fact) { fact.without_member() } else { Some(fact.clone()) }).collect()
}

/// Whether a fact owns its subject: other facts of the subject belong to its member, whichever member they name
/// (section 4).
pub fn owns_subject(fact: &Fact) -> bool {
    matches!(fact.body, FactBody::OrderPaid(..) | FactBody::PointsEntry(..))
}
