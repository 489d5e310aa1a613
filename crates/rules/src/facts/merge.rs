//! Members under several ids (section 4): facts keep the id that they name, and the member that they belong to is resolved
//! when they are read. If `carl` was merged into `ben` and `ben` into `anna`, both stand for `anna`.

use std::collections::{BTreeMap, BTreeSet};

use crate::calendar::Instant;
use crate::id::MemberId;

/// The member that an id stands for, as last told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Merge {
    /// The revision of the fact that says so.
    pub revision: Instant,
    /// The member.
    pub into: MemberId,
}

/// The merges of a shop, or of some of its members: complete for every member that is connected with one of them.
///
/// Any merges have a meaning, whatever their order of arrival:
/// - where they run in a circle, the one of the latest revision in it is void (of two the one whose id is greater);
/// - a merge into an erased member is void. A merge into an erased id that stood for another member passes on to that one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merges {
    into: BTreeMap<MemberId, Merge>,
    from: BTreeMap<MemberId, BTreeSet<MemberId>>,
    erased: BTreeSet<MemberId>,
}

impl Merges {
    /// The merge of an id, if it was merged.
    pub fn of(&self, id: &MemberId) -> Option<&Merge> {
        self.into.get(id)
    }

    /// The ids that were merged into an id, also where the merge is void.
    pub fn into_id(&self, id: &MemberId) -> impl Iterator<Item = &MemberId> {
        self.from.get(id).into_iter().flatten()
    }

    /// Sets whom an id stands for: a member, or itself.
    pub fn set(&mut self, id: &MemberId, merge: Option<Merge>) {
        if let Some(Merge { into, .. }) = self.into.remove(id)
            && let Some(sources) = self.from.get_mut(&into)
        {
            sources.remove(id);
            if sources.is_empty() {
                self.from.remove(&into);
            }
        }
        if let Some(merge) = merge {
            self.from.entry(merge.into.clone()).or_default().insert(id.clone());
            self.into.insert(id.clone(), merge);
        }
    }

    /// Whether an id was erased.
    pub fn is_erased(&self, id: &MemberId) -> bool {
        self.erased.contains(id)
    }

    /// The erased ids, in order.
    pub fn erased(&self) -> impl Iterator<Item = &MemberId> {
        self.erased.iter()
    }

    /// Notes that an id is erased, whose merge is settled already: as a tombstone keeps it.
    pub fn set_erased(&mut self, id: MemberId) {
        self.erased.insert(id);
    }

    /// Erases an id. It stands for ever for the member that it stands for now; of an id that stands for itself nothing is
    /// kept but that it was erased.
    pub fn erase(&mut self, id: &MemberId) {
        if self.resolve(id) == *id {
            self.set(id, None);
        }
        self.erased.insert(id.clone());
    }

    /// The member that an id stands for: itself, unless it was merged.
    pub fn resolve(&self, id: &MemberId) -> MemberId {
        if !self.into.contains_key(id) {
            return id.clone();
        }
        let mut way = vec![id];
        let mut seen = BTreeSet::from([id]);
        while let Some(next) = way.last().and_then(|last| self.into.get(*last)).map(|merge| &merge.into) {
            if !seen.insert(next) {
                let circle = way.iter().position(|passed| *passed == next).unwrap_or_default();
                // An erased id stands for ever for the member it stood for.
                let latest = |place: &usize| way.get(*place).and_then(|id| Some((&self.into.get(*id)?.revision, *id)));
                let can_be_void = |place: &usize| way.get(*place).is_some_and(|id| !self.is_erased(id));
                let void = (circle..way.len()).filter(can_be_void).max_by_key(latest).unwrap_or(circle);
                // The way goes round the circle once and ends where it is broken: at the void merge's own id.
                let last = way.get(void).copied().unwrap_or(id);
                return last.clone();
            }
            way.push(next);
        }
        let alive = way.iter().rev().find(|passed| !self.is_erased(passed));
        (*alive.unwrap_or(&id)).clone()
    }

    /// The ids that stand for a member besides the member's own, in order; none if the id stands for another itself.
    pub fn standing_for(&self, member: &MemberId) -> BTreeSet<MemberId> {
        if !self.from.contains_key(member) || self.resolve(member) != *member {
            return BTreeSet::new();
        }
        // Every way that leads to a member who stands for themselves ends there.
        let (mut all, mut open) = (BTreeSet::new(), vec![member]);
        while let Some(id) = open.pop() {
            open.extend(self.into_id(id).filter(|other| *other != member && all.insert((*other).clone())));
        }
        all
    }

    /// All ids that are connected with an id by merges, void ones too, and the id itself.
    pub fn connected(&self, id: &MemberId) -> BTreeSet<MemberId> {
        let (mut all, mut open) = (BTreeSet::from([id.clone()]), vec![id.clone()]);
        while let Some(id) = open.pop() {
            let beside = self.into_id(&id).chain(self.of(&id).map(|merge| &merge.into));
            for other in beside {
                if all.insert(other.clone()) {
                    open.push(other.clone());
                }
            }
        }
        all
    }

    /// The same merges as far as they are connected with some ids.
    pub fn around<'a>(&self, ids: impl IntoIterator<Item = &'a MemberId>) -> Self {
        let mut part = Self::default();
        for id in ids.into_iter().flat_map(|id| self.connected(id)) {
            part.set(&id, self.of(&id).cloned());
            if self.is_erased(&id) {
                part.set_erased(id);
            }
        }
        part
    }

    /// Whether an id was not erased, or one that was not is merged into it, on and on.
    pub fn leads_from_a_member(&self, id: &MemberId) -> bool {
        let (mut seen, mut open) = (BTreeSet::from([id]), vec![id]);
        while let Some(id) = open.pop() {
            if !self.is_erased(id) {
                return true;
            }
            open.extend(self.into_id(id).filter(|other| seen.insert(other)));
        }
        false
    }

    /// Whether an id is connected with no other.
    pub fn is_alone(&self, id: &MemberId) -> bool {
        !self.into.contains_key(id) && !self.from.contains_key(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random, the same in each run.
    fn numbers() -> impl FnMut(u64) -> u64 {
        let mut state = 7_u64;
        move |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        }
    }

    #[test]
    fn the_ids_that_stand_for_a_member_are_those_whose_way_ends_there() {
        let id = |n: u64| MemberId::new(&format!("m{n}")).unwrap();
        let mut next = numbers();
        let (mut groups, mut circles) = (0, 0);
        for _ in 0..20_000 {
            let mut merges = Merges::default();
            for _ in 0..next(12) {
                let (one, other) = (id(next(6)), id(next(6)));
                if next(8) == 0 {
                    for taken in merges.standing_for(&one) {
                        merges.erase(&taken);
                    }
                    merges.erase(&one);
                } else if one != other && !merges.is_erased(&one) {
                    let revision = Instant::from_millis(i64::try_from(next(4)).unwrap());
                    merges.set(&one, (next(6) > 0).then_some(Merge { revision, into: other }));
                }
            }
            for member in (0..6).map(id).filter(|member| !merges.is_erased(member)) {
                let all = (0..6).map(id).filter(|other| *other != member && merges.resolve(other) == member);
                let expected: BTreeSet<MemberId> =
                    if merges.resolve(&member) == member { all.collect() } else { BTreeSet::new() };
                let found = merges.standing_for(&member);
                assert_eq!(found, expected, "{member} in {merges:?}");
                groups += usize::from(found.len() > 1);
                circles += usize::from(merges.of(&member).is_some() && !found.is_empty());
            }
        }
        assert!(groups > 1_000 && circles > 1_000, "{groups} groups, {circles} circles");
    }
}
