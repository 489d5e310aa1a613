//! What is known of one business thing, each fact in its latest version.

use std::collections::{BTreeMap, BTreeSet};

use super::{Taken, merge};
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

#[derive(Debug, Clone, Default)]
pub(super) struct OrderRow {
    pub(super) paid: Option<Revised<OrderPaid, Option<MemberId>>>,
    pub(super) cancelled: Option<Revised<Cancelled, Option<MemberId>>>,
    pub(super) refunds: BTreeMap<RefundId, Revised<Refunded, Option<MemberId>>>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct EntryRow {
    pub(super) entry: Option<Revised<PointsEntry>>,
    pub(super) cancels: BTreeMap<CancelId, Revised<PointsCanceled, Option<MemberId>>>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct AssignmentRow {
    pub(super) assigned: Option<Revised<TierAssigned>>,
    pub(super) unassigned: Option<Revised<TierUnassigned>>,
}

/// A member's ledger, and what only they have.
#[derive(Debug, Clone, Default)]
pub(super) struct MemberRow {
    pub(super) ledger: Ledger,
    tag_sets: BTreeMap<Instant, Revised<TagsSet>>,
    tag_changes: BTreeMap<TagsChanged, bool>,
    enrolled: Option<Revised<Enrolled>>,
    birthday: Option<Revised<BirthdaySet>>,
}

impl OrderRow {
    pub(super) fn refund(&mut self, id: RefundId, refunded: Revised<Refunded, Option<MemberId>>) -> Taken {
        let mut place = self.refunds.remove(&id);
        let taken = merge(&mut place, refunded);
        self.refunds.extend(place.map(|kept| (id, kept)));
        taken
    }

    /// Who holds something of this order: its member once it is known, until then whom the waiting facts name.
    pub(super) fn holders(&self) -> BTreeSet<MemberId> {
        match &self.paid {
            Some(paid) => paid.member.clone().into_iter().collect(),
            None => {
                let named = self.refunds.values().filter_map(|refund| refund.member.clone());
                named.chain(self.cancelled.as_ref().and_then(|cancelled| cancelled.member.clone())).collect()
            }
        }
    }

    pub(super) fn order(&self, id: &OrderId, paid: &Revised<OrderPaid, Option<MemberId>>) -> Order {
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
        Order { id: id.clone(), paid: paid.content.clone(), imported: paid.imported, refunds, cancelled }
    }

    pub(super) fn waiting(&self, order: &OrderId) -> Vec<(MemberId, Waiting)> {
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

    pub(super) fn facts(&self, order: &OrderId) -> Vec<Fact> {
        let paid = self.paid.iter().map(|paid| Fact::OrderPaid { order: order.clone(), paid: paid.clone() });
        let refunds = self.refunds.iter().map(|(refund, told)| Fact::OrderRefunded {
            order: order.clone(),
            refund: refund.clone(),
            refunded: told.clone(),
        });
        let cancelled = self.cancelled.iter();
        let cancelled = cancelled.map(|it| Fact::OrderCancelled { order: order.clone(), cancelled: it.clone() });
        paid.chain(refunds).chain(cancelled).collect()
    }
}

impl EntryRow {
    pub(super) fn holders(&self) -> BTreeSet<MemberId> {
        match &self.entry {
            Some(entry) => BTreeSet::from([entry.member.clone()]),
            None => self.cancels.values().filter_map(|told| told.member.clone()).collect(),
        }
    }

    pub(super) fn entry(&self, id: &EntryId, entry: &Revised<PointsEntry>) -> Entry {
        let at = entry.content.occurred_at;
        let cancel = |(id, told): (&CancelId, &Revised<PointsCanceled, Option<MemberId>>)| Cancel {
            at: told.content.occurred_at.max(at),
            id: id.clone(),
            points: told.content.points,
            imported: told.imported,
        };
        let cancels = self.cancels.iter().map(cancel).collect();
        let PointsEntry { kind, points, .. } = entry.content;
        Entry { id: id.clone(), kind, at, points, imported: entry.imported, cancels }
    }

    pub(super) fn waiting(&self, entry: &EntryId) -> Vec<(MemberId, Waiting)> {
        let waiting = |(id, told): (&CancelId, &Revised<PointsCanceled, Option<MemberId>>)| {
            let fact = WaitingFact::PointsCanceled(entry.clone(), id.clone());
            let waiting = Waiting { at: told.content.occurred_at, fact, imported: told.imported };
            told.member.clone().map(|member| (member, waiting))
        };
        self.cancels.iter().filter_map(waiting).collect()
    }

    pub(super) fn facts(&self, entry: &EntryId) -> Vec<Fact> {
        let told = self.entry.iter().map(|told| Fact::PointsEntry { entry: entry.clone(), told: told.clone() });
        let cancels = self.cancels.iter();
        let cancels = cancels.map(|(id, told)| Fact::PointsCanceled { cancel: id.clone(), told: told.clone() });
        told.chain(cancels).collect()
    }
}

impl AssignmentRow {
    pub(super) fn holders(&self) -> BTreeSet<MemberId> {
        let assigned = self.assigned.iter().map(|told| told.member.clone());
        assigned.chain(self.unassigned.iter().map(|told| told.member.clone())).collect()
    }

    pub(super) fn acts(&self, id: &AssignmentId) -> Vec<(MemberId, Assignment)> {
        let assigned = self.assigned.iter().map(|told| {
            let TierAssigned { occurred_at, tier, mode, until, reward, .. } = told.content.clone();
            let act = Act::Assign { id: id.clone(), tier, mode, until, reward };
            (told.member.clone(), Assignment { at: occurred_at, act, imported: told.imported })
        });
        let unassigned = self.unassigned.iter().map(|told| {
            let act = Act::Unassign { id: id.clone() };
            (told.member.clone(), Assignment { at: told.content.occurred_at, act, imported: told.imported })
        });
        assigned.chain(unassigned).collect()
    }

    pub(super) fn facts(&self, id: &AssignmentId) -> Vec<Fact> {
        let assigned = self.assigned.iter();
        let assigned = assigned.map(|told| Fact::TierAssigned { assignment: id.clone(), told: told.clone() });
        let unassigned = self.unassigned.iter();
        let unassigned = unassigned.map(|told| Fact::TierUnassigned { assignment: id.clone(), told: told.clone() });
        assigned.chain(unassigned).collect()
    }
}

impl MemberRow {
    pub(super) fn take_tag_set(&mut self, told: Revised<TagsSet>) -> Taken {
        let at = told.content.occurred_at;
        let mut place = self.tag_sets.remove(&at);
        let taken = merge(&mut place, told);
        self.tag_sets.extend(place.map(|kept| (at, kept)));
        taken
    }

    /// A change is its own key: the same twice is one.
    pub(super) fn take_tag_change(&mut self, told: Revised<TagsChanged>) -> Taken {
        let imported = self.tag_changes.get(&told.content).copied();
        if imported.is_some_and(|imported| imported >= told.imported) {
            return Taken::Duplicate;
        }
        self.tag_changes.insert(told.content, told.imported);
        Taken::Applied
    }

    /// One per member, the earliest wins; of two at one instant the one that compares greater.
    pub(super) fn take_enrolled(&mut self, told: Revised<Enrolled>) -> Taken {
        let earliest = |told: &Revised<Enrolled>| std::cmp::Reverse(told.content.occurred_at);
        if let Some(known) = &self.enrolled {
            match earliest(&told).cmp(&earliest(known)).then_with(|| told.cmp(known)) {
                std::cmp::Ordering::Less => return Taken::Superseded,
                std::cmp::Ordering::Equal => return Taken::Duplicate,
                std::cmp::Ordering::Greater => {}
            }
        }
        self.enrolled = Some(told);
        Taken::Applied
    }

    pub(super) fn take_birthday(&mut self, told: Revised<BirthdaySet>) -> Taken {
        merge(&mut self.birthday, told)
    }

    /// Puts the tags of a year into the ledger; those that were there have been taken out.
    pub(super) fn lay_tags(&mut self, year: i32) {
        for (at, told) in self.tag_sets.iter().filter(|(at, _)| at.utc_year() == year) {
            let said = TagsSaid::All(told.content.tags.clone());
            self.ledger.put_tags(TagFact { at: *at, said, imported: told.imported });
        }
        for (told, imported) in self.tag_changes.iter().filter(|(told, _)| told.occurred_at.utc_year() == year) {
            let said = TagsSaid::Change { added: told.added.clone(), removed: told.removed.clone() };
            self.ledger.put_tags(TagFact { at: told.occurred_at, said, imported: *imported });
        }
    }

    /// Puts enrolment and birthday into the ledger.
    pub(super) fn lay_person(&mut self) {
        self.ledger.enrolled = self.enrolled.as_ref().map(|told| {
            let Enrolled { occurred_at, birthday } = told.content;
            Enrolment { at: occurred_at, birthday, imported: told.imported }
        });
        self.ledger.birthday = self
            .birthday
            .as_ref()
            .map(|told| BirthdayTold { at: told.content.occurred_at, birthday: told.content.birthday });
    }

    pub(super) fn tag_facts(&self, member: &MemberId, year: i32) -> Vec<Fact> {
        let sets = self.tag_sets.values().filter(|told| told.content.occurred_at.utc_year() == year);
        let changes = self.tag_changes.iter().filter(|(told, _)| told.occurred_at.utc_year() == year);
        let changes = changes.map(|(told, imported)| {
            let (revision, content) = (told.occurred_at, told.clone());
            Fact::TagsChanged(Revised { revision, content, member: member.clone(), imported: *imported })
        });
        sets.cloned().map(Fact::TagsSet).chain(changes).collect()
    }

    pub(super) fn person_facts(&self) -> Vec<Fact> {
        let enrolled = self.enrolled.iter().cloned().map(Fact::Enrolled);
        enrolled.chain(self.birthday.iter().cloned().map(Fact::BirthdaySet)).collect()
    }
}
