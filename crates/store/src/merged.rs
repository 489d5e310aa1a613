//! Members under several ids (section 4): every id has its own item, with its own facts and record. The item also says which
//! member the id stands for and which ids were merged into it, and so those that belong together are found from any of them.
//!
//! A writer who changes an item of one of them also writes the item of the member that they stand for. Its version
//! therefore detects any concurrent write about them. Items that belong together are read twice: if no version has changed,
//! they are as they were at one moment in between.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rules::calendar::Instant;
use rules::id::MemberId;
use rules::ledger::Ledger;
use rules::merge::{Merge, Merges};
use rules::record::{Record, Row, holds};

use super::item::Item;
use super::key::Key;
use super::load::{Member, READ_AGAIN_MAX, StoredMember, name};
use super::{Store, StoreError, key};
use crate::shop::ShopId;

/// The most ids that may stand for one member, the member's own included. The erasure of all of them fits into one
/// transaction.
pub const MERGED_MAX: usize = 32;

/// The merges of an id, as its item keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Links {
    /// The member that the id was merged into. A tombstone keeps it as settled.
    pub merge: Option<Merge>,
    /// The ids that were merged into this one, also where the merge is void.
    pub ids: BTreeSet<MemberId>,
}

/// A tombstone, in place of a member who was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The instant of the erasure.
    pub erased_at: Instant,
    /// The member that the id stands for, and the ids that were merged into it.
    pub links: Links,
    /// The item's own version.
    pub(super) version: Option<u64>,
}

/// A member's other id: its own facts and record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherId {
    /// The id.
    pub id: MemberId,
    /// The facts that name it.
    pub ledger: Ledger,
    /// Its record, from when it stood for itself.
    pub record: Record,
}

impl Links {
    /// The links of an id among the merges of a shop. An erased id is named only where it matters: not as the end of a way,
    /// and not among those merged into another, unless a member stands for that one through it.
    pub fn of(merges: &Merges, id: &MemberId) -> Self {
        let ends = |into: &MemberId| merges.is_erased(into) && merges.of(into).is_none();
        let merge = merges.of(id).filter(|merge| !ends(&merge.into)).cloned();
        let ids = merges.into_id(id).filter(|other| merges.leads_from_a_member(other)).cloned().collect();
        Self { merge, ids }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.merge.is_none() && self.ids.is_empty()
    }

    /// The ids next to this one.
    fn beside(&self) -> impl Iterator<Item = &MemberId> {
        self.ids.iter().chain(self.merge.iter().map(|merge| &merge.into))
    }

    /// Writes the links to an item.
    pub(super) fn onto(&self, item: Item) -> Item {
        let item = match &self.merge {
            Some(Merge { revision, into }) => item.text(name::MERGED, format!("{} {into}", key::at(*revision))),
            None => item,
        };
        if self.ids.is_empty() {
            return item;
        }
        item.texts(name::MERGED_IDS, self.ids.iter().map(MemberId::to_string))
    }

    /// Reads the links of an item.
    pub(super) fn from(item: &Item) -> Result<Self, StoreError> {
        let id = |text: &str, of| MemberId::new(text).map_err(|_| item.corrupt(of));
        let merge = item.maybe_text(name::MERGED).map(|text| {
            let (revision, into) = text.split_once(' ').ok_or_else(|| item.corrupt(name::MERGED))?;
            let revision = Instant::parse(revision).map_err(|_| item.corrupt(name::MERGED))?;
            Ok(Merge { revision, into: id(into, name::MERGED)? })
        });
        let ids = item.maybe_texts(name::MERGED_IDS)?.into_iter().map(|text| id(text, name::MERGED_IDS));
        Ok(Self { merge: merge.transpose()?, ids: ids.collect::<Result<_, _>>()? })
    }
}

impl Tombstone {
    /// The same with other links.
    #[must_use]
    pub fn with(&self, links: Links) -> Self {
        Self { links, ..self.clone() }
    }

    /// The tombstone that takes the place of a member.
    pub fn of(was: &Member, erased_at: Instant, links: Links) -> Self {
        Self { erased_at, links, version: was.version }
    }
}

impl StoredMember {
    /// The links of the item, if there is one.
    pub fn links(&self) -> Option<&Links> {
        match self {
            Self::Absent => None,
            Self::Present(member) => Some(&member.links),
            Self::Erased(tombstone) => Some(&tombstone.links),
        }
    }

    /// The item's own version; none if there is no item.
    fn version(&self) -> Option<u64> {
        match self {
            Self::Absent => None,
            Self::Present(member) => member.version,
            Self::Erased(tombstone) => tombstone.version,
        }
    }
}

impl Member {
    /// The facts that count for the member: their own, and those of all ids that stand for the member.
    pub fn counting(&self) -> Cow<'_, Ledger> {
        if self.stands_for.is_some() {
            return Cow::Owned(Ledger::default());
        }
        self.ledger.united(self.others.iter().map(|other| (&other.id, &other.ledger)))
    }

    /// Evaluates the member with the facts of all ids that stand for the member. Holds go to the member's own facts.
    pub fn evaluate(&mut self, evaluate: impl FnOnce(&mut Ledger, &mut Record) -> Vec<Row>) -> Vec<Row> {
        if self.others.is_empty() && self.stands_for.is_none() {
            return evaluate(&mut self.ledger, &mut self.record);
        }
        let mut counting = self.counting().into_owned();
        let others = self.others.iter().map(|other| &other.record);
        let rows = self.record.sharing_with(others, |record| evaluate(&mut counting, record));
        holds(&rows).for_each(|held| self.ledger.hold(held));
        rows
    }
}

/// The merges that items tell of.
pub fn merges_of(stored: &BTreeMap<MemberId, StoredMember>) -> Merges {
    let mut merges = Merges::default();
    for (id, stored) in stored {
        if let Some(links) = stored.links() {
            merges.set(id, links.merge.clone());
        }
        if stored.is_erased() {
            merges.set_erased(id.clone());
        }
    }
    merges
}

impl Store {
    /// Members as stored, each with the ids that stand for the member, or the member that the id stands for. Absent if they
    /// have no item. The items of all ids that belong together are read twice.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn members(
        &self,
        shop: &ShopId,
        members: impl IntoIterator<Item = MemberId>,
    ) -> Result<BTreeMap<MemberId, StoredMember>, StoreError> {
        let wanted: BTreeSet<MemberId> = members.into_iter().collect();
        let mut found = self.connected(shop, wanted.iter().cloned()).await?;
        if found.values().all(|stored| stored.links().is_none_or(Links::is_empty)) {
            return Ok(found);
        }
        let merges = merges_of(&found);
        let all = found.clone();
        found.retain(|id, _| wanted.contains(id));
        for (id, stored) in &mut found {
            if let Some(member) = whole(&all, &merges, id) {
                *stored = StoredMember::Present(Box::new(member));
            }
        }
        Ok(found)
    }

    /// Members as they are asked about: of a merged id, the member that it stands for, with that member's id. None of whom
    /// nothing is known, or who was erased. All of it is as of one moment.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn resolved(
        &self,
        shop: &ShopId,
        members: impl IntoIterator<Item = MemberId>,
    ) -> Result<BTreeMap<MemberId, Option<(Member, Option<MemberId>)>>, StoreError> {
        let wanted: BTreeSet<MemberId> = members.into_iter().collect();
        let all = self.connected(shop, wanted.iter().cloned()).await?;
        let merges = merges_of(&all);
        let resolve = |id: MemberId| {
            let present = all.get(&id).is_some_and(|stored| matches!(stored, StoredMember::Present(_)));
            let member = merges.resolve(&id);
            let held = present.then(|| whole(&all, &merges, &member)).flatten();
            let merged_into = (member != id).then_some(member);
            (id, held.map(|held| (held, merged_into)))
        };
        Ok(wanted.into_iter().map(resolve).collect())
    }

    /// The item of one id by itself, without the items that belong together with it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn item_of(&self, shop: &ShopId, id: &MemberId) -> Result<StoredMember, StoreError> {
        Ok(self.items(shop, [id.clone()]).await?.remove(id).unwrap_or_default())
    }

    /// Members as stored, and all whose ids are connected with theirs by merges, as they were at one moment.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn connected(
        &self,
        shop: &ShopId,
        members: impl IntoIterator<Item = MemberId>,
    ) -> Result<BTreeMap<MemberId, StoredMember>, StoreError> {
        let wanted: BTreeSet<MemberId> = members.into_iter().collect();
        for tries in 0..READ_AGAIN_MAX {
            let found = self.reached(shop, wanted.iter().cloned()).await?;
            let linked = |(id, stored): (&MemberId, &StoredMember)| {
                stored.links().is_some_and(|links| !links.is_empty()).then(|| id.clone())
            };
            let linked: Vec<MemberId> = found.iter().filter_map(linked).collect();
            if linked.is_empty() || self.are_unchanged(shop, &linked, &found).await? {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(5 << tries)).await;
        }
        Err(StoreError::unavailable("the items of a member under several ids keep changing".to_owned()))
    }

    /// Whether the items of ids still have the versions that were read.
    async fn are_unchanged(
        &self,
        shop: &ShopId,
        ids: &[MemberId],
        read: &BTreeMap<MemberId, StoredMember>,
    ) -> Result<bool, StoreError> {
        let keys: BTreeMap<Key, &MemberId> =
            ids.iter().map(|id| (key::member(self.tables.spread, shop, id), id)).collect();
        let again = self.get_all(&self.tables.members, keys.keys()).await?;
        let is_as_read = |item: &Item| {
            let read = keys.get(&item.key()).and_then(|id| read.get(*id)?.version());
            Ok(read == Some(item.version()?))
        };
        let same = again.iter().map(is_as_read).collect::<Result<Vec<bool>, StoreError>>()?;
        Ok(same.len() == ids.len() && same.into_iter().all(|same| same))
    }

    /// The items of members, and of all that can be reached from them by merges.
    async fn reached(
        &self,
        shop: &ShopId,
        members: impl IntoIterator<Item = MemberId>,
    ) -> Result<BTreeMap<MemberId, StoredMember>, StoreError> {
        let mut found = self.items(shop, members).await?;
        loop {
            let beside = found.values().filter_map(StoredMember::links).flat_map(Links::beside);
            let missing: BTreeSet<MemberId> = beside.filter(|id| !found.contains_key(*id)).cloned().collect();
            if missing.is_empty() {
                return Ok(found);
            }
            found.extend(self.items(shop, missing).await?);
        }
    }
}

/// A member with the ids that stand for the member, or with the member that the id stands for.
fn whole(all: &BTreeMap<MemberId, StoredMember>, merges: &Merges, id: &MemberId) -> Option<Member> {
    let StoredMember::Present(stored) = all.get(id)? else { return None };
    let mut member = Member::clone(stored);
    let stands_for = merges.resolve(id);
    if stands_for == *id {
        member.others = merges.standing_for(id).into_iter().filter_map(|id| OtherId::of(all, id)).collect();
    } else {
        member.stands_for = Some(stands_for);
    }
    Some(member)
}

impl OtherId {
    fn of(stored: &BTreeMap<MemberId, StoredMember>, id: MemberId) -> Option<Self> {
        match stored.get(&id)? {
            StoredMember::Present(member) => {
                Some(Self { id, ledger: member.ledger.clone(), record: member.record.clone() })
            }
            StoredMember::Absent | StoredMember::Erased(_) => None,
        }
    }
}
