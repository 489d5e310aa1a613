//! A shop's facts by natural key, each in its latest version, and the ledgers that follow from them (section 4).
//!
//! The order of arrival never matters: of two versions of one fact the later revision wins, at equal revisions the one
//! that compares greater; a refund waits for its order; the latest revision says whose an order is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::calendar::Instant;
use crate::fact::{
    BirthdaySet, Cancelled, Enrolled, Fact, OrderPaid, PointsCanceled, PointsEntry, Refunded, Revised, TagsChanged,
    TagsSet, TierAssigned, TierUnassigned,
};
use crate::id::{AssignmentId, CancelId, EntryId, MemberId, OrderId, RefundId};
use crate::ledger::{
    Act, Assignment, BirthdayTold, Cancel, Cancellation, Enrolment, Entry, Ledger, Order, Refund, TagFact, TagsSaid,
    Waiting, WaitingFact,
};

/// What became of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is new, or a newer version of a known one.
    Applied,
    /// The very same is already known.
    Duplicate,
    /// A version that wins over it is already known.
    Superseded,
    /// It names a member who was erased.
    KeptOut,
}

/// A shop's facts.
#[derive(Debug, Clone, Default)]
pub struct Book {
    orders: HashMap<OrderId, OrderRow>,
    entries: HashMap<EntryId, EntryRow>,
    cancels: HashMap<CancelId, Revised<PointsCanceled, Option<MemberId>>>,
    assigned: HashMap<AssignmentId, Revised<TierAssigned>>,
    unassigned: HashMap<AssignmentId, Revised<TierUnassigned>>,
    members: BTreeMap<MemberId, MemberRow>,
    erased: HashSet<MemberId>,
}

#[derive(Debug, Clone, Default)]
struct OrderRow {
    paid: Option<Revised<OrderPaid, Option<MemberId>>>,
    cancelled: Option<Revised<Cancelled, Option<MemberId>>>,
    refunds: BTreeMap<RefundId, Revised<Refunded, Option<MemberId>>>,
}

#[derive(Debug, Clone, Default)]
struct EntryRow {
    entry: Option<Revised<PointsEntry>>,
    cancels: BTreeSet<CancelId>,
}

#[derive(Debug, Clone, Default)]
struct MemberRow {
    ledger: Ledger,
    tag_sets: BTreeMap<Instant, Revised<TagsSet>>,
    tag_changes: BTreeMap<TagsChanged, bool>,
    enrolled: Option<Revised<Enrolled>>,
    birthday: Option<Revised<BirthdaySet>>,
}

/// Puts a version in place if it wins over the one that is there.
fn merge<T: Ord>(place: &mut Option<T>, told: T) -> Taken {
    match place.as_ref().map(|known| told.cmp(known)) {
        Some(std::cmp::Ordering::Equal) => Taken::Duplicate,
        Some(std::cmp::Ordering::Less) => Taken::Superseded,
        Some(std::cmp::Ordering::Greater) | None => {
            *place = Some(told);
            Taken::Applied
        }
    }
}

/// [`merge`] for a place in a map.
fn merge_at<K: std::hash::Hash + Eq, T: Ord>(map: &mut HashMap<K, T>, key: K, told: T) -> Taken {
    let mut place = map.remove(&key);
    let taken = merge(&mut place, told);
    if let Some(kept) = place {
        map.insert(key, kept);
    }
    taken
}

impl Book {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }

    /// The members that were ever named, in order of id.
    pub fn members(&self) -> impl Iterator<Item = &MemberId> {
        self.members.keys()
    }

    /// A member's ledger, if the member was ever named and not erased.
    pub fn ledger(&self, member: &MemberId) -> Option<&Ledger> {
        self.members.get(member).map(|row| &row.ledger)
    }

    pub(crate) fn ledger_mut(&mut self, member: &MemberId) -> Option<&mut Ledger> {
        self.members.get_mut(member).map(|row| &mut row.ledger)
    }

    /// Whether the member was erased.
    pub fn is_erased(&self, member: &MemberId) -> bool {
        self.erased.contains(member)
    }

    /// Whether the shop has an order.
    pub fn has_orders(&self) -> bool {
        self.orders.values().any(|row| row.paid.is_some())
    }

    /// Whose ledgers a fact may change: the member it names, and whoever holds what it belongs to.
    pub fn concerned(&self, fact: &Fact) -> BTreeSet<MemberId> {
        let mut found: BTreeSet<MemberId> = fact.member().cloned().into_iter().collect();
        match fact {
            Fact::OrderPaid { order, .. } | Fact::OrderRefunded { order, .. } | Fact::OrderCancelled { order, .. } => {
                found.extend(self.orders.get(order).into_iter().flat_map(OrderRow::holders));
            }
            Fact::PointsEntry { entry, .. } => found.extend(self.entry_holders(entry)),
            Fact::PointsCanceled { cancel, told } => {
                found.extend(self.entry_holders(&told.content.entry));
                if let Some(known) = self.cancels.get(cancel) {
                    found.extend(self.entry_holders(&known.content.entry));
                }
            }
            Fact::TierAssigned { assignment, .. } => {
                found.extend(self.assigned.get(assignment).map(|known| known.member.clone()));
            }
            Fact::TierUnassigned { assignment, .. } => {
                found.extend(self.unassigned.get(assignment).map(|known| known.member.clone()));
            }
            Fact::TagsSet(_)
            | Fact::TagsChanged(_)
            | Fact::Enrolled(_)
            | Fact::BirthdaySet(_)
            | Fact::Erased { .. } => {}
        }
        found.retain(|member| !self.erased.contains(member));
        found
    }

    /// Takes a fact in.
    pub fn take(&mut self, fact: Fact) -> Taken {
        if let Some(member) = fact.member().filter(|member| !self.erased.contains(member)) {
            self.members.entry(member.clone()).or_default();
        }
        let kept_out = fact.member().is_some_and(|member| self.erased.contains(member));
        let taken = match fact {
            Fact::OrderPaid { order, paid } => self.change_order(order, |row| merge(&mut row.paid, paid)),
            Fact::OrderRefunded { order, refund, refunded } => self.change_order(order, |row| {
                let mut place = row.refunds.remove(&refund);
                let taken = merge(&mut place, refunded);
                row.refunds.extend(place.map(|kept| (refund, kept)));
                taken
            }),
            Fact::OrderCancelled { order, cancelled } => {
                self.change_order(order, |row| merge(&mut row.cancelled, cancelled))
            }
            Fact::PointsEntry { entry, told } => self.take_entry(entry, told),
            Fact::PointsCanceled { cancel, told } => self.take_cancel(cancel, told),
            Fact::TierAssigned { assignment, told } => self.take_assigned(assignment, told),
            Fact::TierUnassigned { assignment, told } => self.take_unassigned(assignment, told),
            Fact::TagsSet(told) => self.change_member(told.member.clone(), |row| row.take_tag_set(told)),
            Fact::TagsChanged(told) => self.change_member(told.member.clone(), |row| row.take_tag_change(told)),
            Fact::Enrolled(told) => self.change_member(told.member.clone(), |row| row.take_enrolled(told)),
            Fact::BirthdaySet(told) => self.change_member(told.member.clone(), |row| row.take_birthday(told)),
            Fact::Erased { member, .. } => return self.erase(member),
        };
        if kept_out { Taken::KeptOut } else { taken }
    }

    /// Changes an order's row and brings the ledgers of all whom it concerned or concerns up to date.
    fn change_order(&mut self, id: OrderId, change: impl FnOnce(&mut OrderRow) -> Taken) -> Taken {
        let row = self.orders.entry(id.clone()).or_default();
        for member in row.holders() {
            if let Some(held) = self.members.get_mut(&member) {
                held.ledger.drop_order(&id);
            }
        }
        let taken = change(row);
        match &row.paid {
            Some(paid) => {
                let live = paid.member.as_ref().filter(|member| !self.erased.contains(*member));
                if let Some(held) = live.and_then(|member| self.members.get_mut(member)) {
                    held.ledger.put_order(row.order(id, paid));
                }
            }
            None => {
                for (member, waiting) in row.waiting(&id) {
                    let live = self.members.get_mut(&member).filter(|_| !self.erased.contains(&member));
                    if let Some(held) = live {
                        held.ledger.put_waiting(waiting);
                    }
                }
            }
        }
        taken
    }

    fn take_entry(&mut self, id: EntryId, told: Revised<PointsEntry>) -> Taken {
        self.change_entry(id, |row, _| merge(&mut row.entry, told))
    }

    fn take_cancel(&mut self, id: CancelId, told: Revised<PointsCanceled, Option<MemberId>>) -> Taken {
        let before = self.cancels.get(&id).map(|known| known.content.entry.clone());
        let named = told.content.entry.clone();
        if let Some(left) = before.filter(|entry| *entry != named) {
            // A later revision refers to another entry: the cancellation leaves the one it was with, if it wins.
            if self.cancels.get(&id).is_some_and(|known| told <= *known) {
                return Taken::Superseded;
            }
            self.change_entry(left, |row, _| {
                row.cancels.remove(&id);
                Taken::Applied
            });
        }
        self.change_entry(named, |row, cancels| {
            row.cancels.insert(id.clone());
            merge_at(cancels, id, told)
        })
    }

    fn entry_holders(&self, id: &EntryId) -> Vec<MemberId> {
        self.entries.get(id).map(|row| row.holders(&self.cancels)).unwrap_or_default()
    }

    /// Like [`Self::change_order`], for an entry of the points system.
    fn change_entry(
        &mut self,
        id: EntryId,
        change: impl FnOnce(&mut EntryRow, &mut HashMap<CancelId, Revised<PointsCanceled, Option<MemberId>>>) -> Taken,
    ) -> Taken {
        let row = self.entries.entry(id.clone()).or_default();
        for member in row.holders(&self.cancels) {
            if let Some(held) = self.members.get_mut(&member) {
                held.ledger.drop_entry(&id);
            }
        }
        let taken = change(row, &mut self.cancels);
        match &row.entry {
            Some(entry) => {
                if let Some(held) = self.members.get_mut(&entry.member).filter(|_| !self.erased.contains(&entry.member))
                {
                    held.ledger.put_entry(row.entry(id, entry, &self.cancels));
                }
            }
            None => {
                for (member, waiting) in row.waiting(&id, &self.cancels) {
                    if let Some(held) = self.members.get_mut(&member).filter(|_| !self.erased.contains(&member)) {
                        held.ledger.put_waiting(waiting);
                    }
                }
            }
        }
        taken
    }

    fn take_assigned(&mut self, id: AssignmentId, told: Revised<TierAssigned>) -> Taken {
        let before = self.assigned.get(&id).map(|known| known.member.clone());
        let taken = merge_at(&mut self.assigned, id.clone(), told);
        let Some(known) = self.assigned.get(&id) else { return taken };
        let TierAssigned { occurred_at, tier, mode, until, reward, .. } = known.content.clone();
        let act = Act::Assign { id: id.clone(), tier, mode, until, reward };
        let assignment = Assignment { at: occurred_at, act, imported: known.imported };
        let owner = known.member.clone();
        let same = |act: &Act| matches!(act, Act::Assign { id: other, .. } if *other == id);
        self.move_act(before, owner, assignment, same);
        taken
    }

    fn take_unassigned(&mut self, id: AssignmentId, told: Revised<TierUnassigned>) -> Taken {
        let before = self.unassigned.get(&id).map(|known| known.member.clone());
        let taken = merge_at(&mut self.unassigned, id.clone(), told);
        let Some(known) = self.unassigned.get(&id) else { return taken };
        let act = Act::Unassign { id: id.clone() };
        let assignment = Assignment { at: known.content.occurred_at, act, imported: known.imported };
        let owner = known.member.clone();
        let same = |act: &Act| matches!(act, Act::Unassign { id: other } if *other == id);
        self.move_act(before, owner, assignment, same);
        taken
    }

    fn move_act(&mut self, before: Option<MemberId>, owner: MemberId, act: Assignment, same: impl Fn(&Act) -> bool) {
        if let Some(left) = before.and_then(|member| self.members.get_mut(&member)) {
            left.ledger.drop_act(same);
        }
        if let Some(held) = self.members.get_mut(&owner) {
            held.ledger.put_assignment(act);
        }
    }

    fn change_member(&mut self, member: MemberId, change: impl FnOnce(&mut MemberRow) -> Taken) -> Taken {
        self.members.get_mut(&member).map_or(Taken::KeptOut, change)
    }

    /// Deletes everything about a member; what names the member later is kept out.
    fn erase(&mut self, member: MemberId) -> Taken {
        self.members.remove(&member);
        if self.erased.insert(member) { Taken::Applied } else { Taken::Duplicate }
    }

    /// The members that were erased, in no order.
    pub fn erased(&self) -> impl Iterator<Item = &MemberId> {
        self.erased.iter()
    }
}

impl OrderRow {
    /// Who holds something of this order: its member once it is known, until then whom the waiting facts name.
    fn holders(&self) -> BTreeSet<MemberId> {
        match &self.paid {
            Some(paid) => paid.member.clone().into_iter().collect(),
            None => {
                let named = self.refunds.values().filter_map(|refund| refund.member.clone());
                named.chain(self.cancelled.as_ref().and_then(|cancelled| cancelled.member.clone())).collect()
            }
        }
    }

    fn order(&self, id: OrderId, paid: &Revised<OrderPaid, Option<MemberId>>) -> Order {
        let not_before = |at: Instant| at.max(paid.content.occurred_at);
        let refund = |(id, refund): (&RefundId, &Revised<Refunded, Option<MemberId>>)| Refund {
            at: not_before(refund.content.occurred_at),
            id: id.clone(),
            amount: refund.content.amount,
            imported: refund.imported,
        };
        let cancelled = self.cancelled.as_ref().map(|cancelled| Cancellation {
            at: not_before(cancelled.content.occurred_at),
            imported: cancelled.imported,
        });
        let refunds = self.refunds.iter().map(refund).collect();
        Order { id, paid: paid.content.clone(), imported: paid.imported, refunds, cancelled }
    }

    fn waiting(&self, order: &OrderId) -> Vec<(MemberId, Waiting)> {
        let refunds = self.refunds.iter().filter_map(|(id, refund)| {
            let fact = WaitingFact::Refund(order.clone(), id.clone());
            let waiting = Waiting { at: refund.content.occurred_at, fact, imported: refund.imported };
            refund.member.clone().map(|member| (member, waiting))
        });
        let cancelled = self.cancelled.as_ref().and_then(|cancelled| {
            let fact = WaitingFact::Cancellation(order.clone());
            let waiting = Waiting { at: cancelled.content.occurred_at, fact, imported: cancelled.imported };
            cancelled.member.clone().map(|member| (member, waiting))
        });
        refunds.chain(cancelled).collect()
    }
}

type Cancels = HashMap<CancelId, Revised<PointsCanceled, Option<MemberId>>>;

impl EntryRow {
    fn told<'a>(
        &'a self,
        cancels: &'a Cancels,
    ) -> impl Iterator<Item = (&'a CancelId, &'a Revised<PointsCanceled, Option<MemberId>>)> {
        self.cancels.iter().filter_map(|id| cancels.get(id).map(|told| (id, told)))
    }

    fn holders(&self, cancels: &Cancels) -> Vec<MemberId> {
        match &self.entry {
            Some(entry) => vec![entry.member.clone()],
            None => self.told(cancels).filter_map(|(_, told)| told.member.clone()).collect(),
        }
    }

    fn entry(&self, id: EntryId, entry: &Revised<PointsEntry>, cancels: &Cancels) -> Entry {
        let at = entry.content.occurred_at;
        let cancel = |(id, told): (&CancelId, &Revised<PointsCanceled, Option<MemberId>>)| Cancel {
            at: told.content.occurred_at.max(at),
            id: id.clone(),
            points: told.content.points,
            imported: told.imported,
        };
        let cancels = self.told(cancels).map(cancel).collect();
        let PointsEntry { kind, points, .. } = entry.content;
        Entry { id, kind, at, points, imported: entry.imported, cancels }
    }

    fn waiting(&self, entry: &EntryId, cancels: &Cancels) -> Vec<(MemberId, Waiting)> {
        let waiting = |(id, told): (&CancelId, &Revised<PointsCanceled, Option<MemberId>>)| {
            let fact = WaitingFact::PointsCanceled(entry.clone(), id.clone());
            let waiting = Waiting { at: told.content.occurred_at, fact, imported: told.imported };
            told.member.clone().map(|member| (member, waiting))
        };
        self.told(cancels).filter_map(waiting).collect()
    }
}

impl MemberRow {
    fn take_tag_set(&mut self, told: Revised<TagsSet>) -> Taken {
        let at = told.content.occurred_at;
        let mut place = self.tag_sets.remove(&at);
        let taken = merge(&mut place, told);
        self.tag_sets.extend(place.map(|kept| (at, kept)));
        self.lay_out_tags();
        taken
    }

    /// A change is its own key: the same twice is one.
    fn take_tag_change(&mut self, told: Revised<TagsChanged>) -> Taken {
        let imported = self.tag_changes.get(&told.content).copied();
        if imported.is_some_and(|imported| imported >= told.imported) {
            return Taken::Duplicate;
        }
        self.tag_changes.insert(told.content, told.imported);
        self.lay_out_tags();
        Taken::Applied
    }

    fn lay_out_tags(&mut self) {
        self.ledger.tags.clear();
        for (at, told) in &self.tag_sets {
            let said = TagsSaid::All(told.content.tags.clone());
            self.ledger.put_tags(TagFact { at: *at, said, imported: told.imported });
        }
        for (told, imported) in &self.tag_changes {
            let said = TagsSaid::Change { added: told.added.clone(), removed: told.removed.clone() };
            self.ledger.put_tags(TagFact { at: told.occurred_at, said, imported: *imported });
        }
    }

    /// One per member, the earliest wins; of two at one instant the one that compares greater.
    fn take_enrolled(&mut self, told: Revised<Enrolled>) -> Taken {
        let earliest = |told: &Revised<Enrolled>| std::cmp::Reverse(told.content.occurred_at);
        if let Some(known) = &self.enrolled {
            match earliest(&told).cmp(&earliest(known)).then_with(|| told.cmp(known)) {
                std::cmp::Ordering::Less => return Taken::Superseded,
                std::cmp::Ordering::Equal => return Taken::Duplicate,
                std::cmp::Ordering::Greater => {}
            }
        }
        let Enrolled { occurred_at, birthday } = told.content;
        self.ledger.enrolled = Some(Enrolment { at: occurred_at, birthday, imported: told.imported });
        self.enrolled = Some(told);
        Taken::Applied
    }

    fn take_birthday(&mut self, told: Revised<BirthdaySet>) -> Taken {
        let taken = merge(&mut self.birthday, told);
        self.ledger.birthday = self
            .birthday
            .as_ref()
            .map(|told| BirthdayTold { at: told.content.occurred_at, birthday: told.content.birthday });
        taken
    }
}
