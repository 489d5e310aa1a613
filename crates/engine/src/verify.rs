//! Recomputes members from the rows of the ledger, and compares the result with the stored item, or stores it.
//!
//! A member's item follows from the rows: the facts, and the recorded history. The instant up to which the member was
//! advanced follows from nothing else and is kept; without an item it is now.

use std::collections::BTreeSet;
use std::fmt;

use rules::calendar::Instant;
use rules::fact::Fact;
use rules::fact_index::{FactIndex, Subject};
use rules::id::MemberId;
use rules::ledger::{Ledger, WaitingFact};
use rules::merge::Merge;
use rules::record::Record;
use rules::version::Versions;
use store::history::{self, Recorded};
use store::shop::ShopId;
use store::unread::Unread;
use store::{Commit, Links, Member, Store, StoreError, StoredMember, merges_of};

/// A fault in the stored data of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// There are rows, but no item.
    Missing,
    /// The item, or a page of it, cannot be decoded.
    Unreadable,
    /// The facts in the item differ from those in the rows.
    Facts,
    /// The tier on record, the sequence or the rewards in the item differ from the history.
    Record,
    /// The item says otherwise than the rows whom the id stands for, or the other item does not know of it.
    Merges,
    /// The member was erased, but rows are left.
    LeftBehind,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "has rows in the ledger, and no item",
            Self::Unreadable => "has an item that cannot be decoded",
            Self::Facts => "has other facts than the ledger",
            Self::Record => "has another tier, sequence or rewards on record than in the history",
            Self::Merges => "stands for another member than the ledger says",
            Self::LeftBehind => {
                "was erased, and rows are left (for up to 15 minutes after the erasure: the next pass deletes them)"
            }
        })
    }
}

/// A member recomputed.
#[derive(Debug)]
pub struct Recomputed {
    /// The member.
    pub member: MemberId,
    /// The faults in the stored data; empty if there are none.
    pub differences: Vec<Difference>,
    /// Whether an item, a tombstone or a row of the member is stored.
    pub is_known: bool,
    ledger: Ledger,
    record: Record,
    links: Links,
    /// The member that this id stands for, if that one's item does not know of it.
    unaware: Option<(MemberId, Member)>,
    /// The member as stored; none if the member was erased.
    was: Option<Member>,
}

/// All members of whom an item or a row is stored.
///
/// # Errors
/// See [`StoreError`].
pub async fn everybody(store: &Store, shop: &ShopId) -> Result<BTreeSet<MemberId>, StoreError> {
    everybody_past(store, shop, &mut Unread::nothing()).await
}

/// The same, skipping what cannot be read. Members that occur only there are left out.
///
/// # Errors
/// See [`StoreError`].
pub async fn everybody_past(
    store: &Store,
    shop: &ShopId,
    unread: &mut Unread,
) -> Result<BTreeSet<MemberId>, StoreError> {
    let mut all = store.member_ids_past(shop, unread).await?;
    all.extend(store.ids_with_rows_past(shop, unread).await?);
    Ok(all)
}

/// Recomputes a member and lists the faults in the stored data.
///
/// # Errors
/// See [`StoreError`].
pub async fn recompute(
    store: &Store,
    shop: &ShopId,
    member: &MemberId,
    versions: &Versions,
    now: Instant,
) -> Result<Recomputed, StoreError> {
    let (stored, is_readable) = match store.item_of(shop, member).await {
        Ok(stored) => (stored, true),
        Err(StoreError::Corrupt { .. }) => (StoredMember::Absent, false),
        Err(error) => return Err(error),
    };
    let is_stored = !matches!(stored, StoredMember::Absent);
    let was = stored.alive();
    let nothing_known = Member::default();
    let known = was.as_ref().unwrap_or(&nothing_known);
    let (mut facts, rows) = store.rows_about(shop, member).await?;
    // The index files a row that names several members under one of them; the item knows of them all.
    let waits = known.ledger.waiting().iter().map(|waiting| match &waiting.fact {
        WaitingFact::Refund(order, _) | WaitingFact::Cancellation(order) | WaitingFact::Restoration(order) => {
            Subject::Order(order.clone())
        }
        WaitingFact::PointsCanceled(entry, _) => Subject::Entry(entry.clone()),
    });
    let acts = known.ledger.assignments().iter().filter_map(|given| given.act.id().cloned().map(Subject::Assignment));
    // A cancellation of points names this member, but its entry may belong to another one: the cancellation then does
    // too.
    let entries: Vec<Subject> =
        facts.iter().flat_map(Fact::subjects).filter(|it| matches!(it, Subject::Entry(_))).collect();
    let others = store.subjects(shop, waits.chain(acts).chain(entries)).await?;
    facts.extend(others.into_values().flat_map(|stored| stored.facts));

    let recorded = rows.iter().map(history::read).collect::<Result<Vec<_>, _>>()?;
    let recorded: Vec<Recorded> = recorded.into_iter().flatten().collect();
    let nothing = facts.is_empty() && recorded.is_empty();
    let is_known = !nothing || !is_readable || is_stored;
    let mut index = FactIndex::new();
    for fact in facts {
        index.apply(fact);
    }
    let mut ledger = index.ledger(member).cloned().unwrap_or_default();
    for row in &recorded {
        if let Recorded::Held(held) = row {
            ledger.hold(held.assignment());
        }
    }
    let links = links(store, shop, member, index.merges().of(member).cloned(), known).await?;
    let unaware = unaware(store, shop, member, &links).await?;
    let looked_at = known.record.evaluated_at().unwrap_or(now);
    let version = if is_stored { known.record.version() } else { versions.in_force(now).number };
    let record = Record::from_history(recorded.iter().filter_map(history::past), looked_at, version);

    let mut differences = Vec::new();
    if !is_readable {
        differences.push(Difference::Unreadable);
    } else if was.is_none() {
        differences.extend((!nothing).then_some(Difference::LeftBehind));
    } else if !is_stored {
        // Rows may name a member to whom they do not belong: a cancellation of another member's points.
        let has_content = !ledger.is_empty() || !recorded.is_empty();
        differences.extend(has_content.then_some(Difference::Missing));
    } else {
        differences.extend((ledger != known.ledger).then_some(Difference::Facts));
        differences.extend((!record.tells_the_same_as(&known.record)).then_some(Difference::Record));
        let is_known_there = unaware.is_none();
        differences.extend((links != known.links || !is_known_there).then_some(Difference::Merges));
    }
    Ok(Recomputed { member: member.clone(), differences, is_known, ledger, record, links, unaware, was })
}

/// The links of a member: the merge that the rows tell, and of the ids that the item names those whose own items say so.
async fn links(
    store: &Store,
    shop: &ShopId,
    member: &MemberId,
    merge: Option<Merge>,
    known: &Member,
) -> Result<Links, StoreError> {
    let mut ids = BTreeSet::new();
    for id in &known.links.ids {
        let is_merged = match store.item_of(shop, id).await {
            Ok(stored) => {
                stored.links().and_then(|links| links.merge.as_ref()).is_some_and(|merge| merge.into == *member)
            }
            // It is reported on its own.
            Err(StoreError::Corrupt { .. } | StoreError::Newer { .. }) => true,
            Err(error) => return Err(error),
        };
        if is_merged {
            ids.insert(id.clone());
        }
    }
    Ok(Links { merge, ids })
}

/// The member into whom an id is merged, if that one's item does not know of it.
async fn unaware(
    store: &Store,
    shop: &ShopId,
    member: &MemberId,
    links: &Links,
) -> Result<Option<(MemberId, Member)>, StoreError> {
    let Some(Merge { into, .. }) = &links.merge else { return Ok(None) };
    match store.item_of(shop, into).await {
        Ok(stored) => {
            let other = stored.alive().filter(|other| !other.links.ids.contains(member));
            Ok(other.map(|other| (into.clone(), other)))
        }
        Err(StoreError::Corrupt { .. } | StoreError::Newer { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Recomputed {
    /// Stores the member as recomputed, or deletes the leftovers of an erased member. Does nothing if there are no
    /// faults. A member that still cannot be decoded is deleted and recomputed once more, because rows may have arrived
    /// meanwhile. Without rows, nothing is left of the member.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another writer changed the member in between, or if the member can be decoded by
    /// now: recompute again. [`StoreError::Corrupt`] if the item that cannot be decoded is a tombstone.
    pub async fn repair(
        &self,
        store: &Store,
        shop: &ShopId,
        versions: &Versions,
        now: Instant,
    ) -> Result<(), StoreError> {
        if self.differences.contains(&Difference::Unreadable) {
            let again = recompute(store, shop, &self.member, versions, now).await?;
            if !again.differences.contains(&Difference::Unreadable) {
                return Err(StoreError::Conflict);
            }
            store.discard(shop, &self.member).await?;
            return recompute(store, shop, &self.member, versions, now).await?.put(store, shop).await;
        }
        self.put(store, shop).await
    }

    async fn put(&self, store: &Store, shop: &ShopId) -> Result<(), StoreError> {
        if self.differences.is_empty() {
            return Ok(());
        }
        let Some(was) = &self.was else { return store.erase(shop, &self.member).await.map(drop) };
        let rebuilt = [Difference::Missing, Difference::Unreadable, Difference::Record];
        let is_rebuilt = rebuilt.iter().any(|difference| self.differences.contains(difference));
        let record = if is_rebuilt { &self.record } else { &was.record };
        let mut commit = Commit::maintenance();
        commit.member(store, shop, &self.member, (&self.ledger, record, &self.links), was)?;
        if let Some((id, other)) = &self.unaware {
            let mut links = other.links.clone();
            links.ids.insert(self.member.clone());
            commit.member(store, shop, id, (&other.ledger, &other.record, &links), other)?;
        }
        // The version of the member that the id stands for guards all writes about them.
        let connected = store.connected(shop, [self.member.clone()]).await;
        if let Ok(connected) = &connected {
            let stood_for = merges_of(connected).resolve(&self.member);
            let is_written = stood_for == self.member || self.unaware.as_ref().is_some_and(|(id, _)| *id == stood_for);
            if let Some(other) =
                connected.get(&stood_for).cloned().and_then(StoredMember::present).filter(|_| !is_written)
            {
                commit.member(store, shop, &stood_for, (&other.ledger, &other.record, &other.links), &other)?;
            }
        }
        match connected {
            // What cannot be decoded is mended on its own.
            Ok(_) | Err(StoreError::Corrupt { .. } | StoreError::Newer { .. }) => store.commit(commit).await,
            Err(error) => Err(error),
        }
    }
}
