//! The known facts of one subject, each in its latest version.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{FactStatus, merge, merge_by};
use crate::calendar::Instant;
use crate::fact::{
    BirthdaySet, Charge, Enrolled, Fact, FactBody, Merged, OrderPaid, PointsCanceled, PointsEntry, Refunded,
    TagsChanged, TagsSet, TierAssigned, TierUnassigned,
};
use crate::id::{AssignmentId, CancelId, EntryId, MemberId, OrderId, RefundId};
use crate::ledger::{
    Act, Assignment, BirthdayTold, Cancel, Cancellation, Enrolment, Entry, Ledger, Order, Refund, Restoration, TagFact,
    TagsSaid, Waiting, WaitingFact,
};
use crate::merge::Merge;
use crate::quantity::Amount;

#[derive(Debug, Clone, Default)]
pub(super) struct OrderRow {
    pub(super) paid: Option<Fact<OrderPaid>>,
    /// The latest statement of when the order was paid. A later version that does not know it never moves the order.
    payment: Option<Payment>,
    pub(super) cancelled: Option<Fact<()>>,
    pub(super) restored: Option<Fact<()>>,
    pub(super) refunds: BTreeMap<RefundId, Fact<Refunded>>,
}

/// An instant of payment, and the version of the order that states it. Of several the greatest version rules (section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Payment {
    revision: Instant,
    occurred_at: Instant,
    paid_at: Instant,
    imported: bool,
}

impl Payment {
    fn of(told: &Fact<OrderPaid>) -> Option<Self> {
        let Fact { revision, occurred_at, body: OrderPaid { paid_at, .. }, imported, .. } = *told;
        paid_at.map(|paid_at| Self { revision, occurred_at, paid_at, imported })
    }

    /// The version as it is kept beside a greater one: it states the payment and nothing else, and names no member.
    fn bare(self, paid: &Fact<OrderPaid>) -> Fact<OrderPaid> {
        let Self { revision, occurred_at, paid_at, imported } = self;
        let charge = Charge::of(Amount::ZERO, paid.body.charge.currency);
        let body = OrderPaid { paid_at: Some(paid_at), charge };
        Fact { revision, occurred_at, body, member: None, imported }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct EntryRow {
    pub(super) entry: Option<Fact<PointsEntry>>,
    pub(super) cancels: BTreeMap<CancelId, Fact<PointsCanceled>>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct AssignmentRow {
    pub(super) assigned: Option<Fact<TierAssigned>>,
    pub(super) unassigned: Option<Fact<TierUnassigned>>,
}

/// A member's ledger, and the facts that belong only to this member.
#[derive(Debug, Clone, Default)]
pub(super) struct MemberRow {
    pub(super) ledger: Ledger,
    tag_sets: BTreeMap<Instant, Fact<TagsSet>>,
    /// A change is its own key, together with its instant; the value tells whether it was imported.
    tag_changes: BTreeMap<(Instant, TagsChanged), bool>,
    enrolled: Option<Fact<Enrolled>>,
    birthday: Option<Fact<BirthdaySet>>,
    merged: Option<Fact<Merged>>,
}

impl OrderRow {
    pub(super) fn take_paid(&mut self, told: Fact<OrderPaid>) -> FactStatus {
        let payment = Payment::of(&told);
        let dates = payment > self.payment;
        self.payment = self.payment.max(payment);
        let taken = merge(&mut self.paid, told);
        // An older version that arrives late may still be the one that knows the day of payment.
        if taken == FactStatus::Superseded && dates { FactStatus::Applied } else { taken }
    }

    pub(super) fn take_refund(&mut self, id: RefundId, refunded: Fact<Refunded>) -> FactStatus {
        let mut place = self.refunds.remove(&id);
        let taken = merge(&mut place, refunded);
        self.refunds.extend(place.map(|kept| (id, kept)));
        taken
    }

    /// The members who hold a part of this order: its member once the order is known, until then the members whom
    /// waiting facts name.
    pub(super) fn holders(&self) -> BTreeSet<MemberId> {
        match &self.paid {
            Some(paid) => paid.member.clone().into_iter().collect(),
            None => {
                let named = self.refunds.values().filter_map(|refund| refund.member.clone());
                let turned = [&self.cancelled, &self.restored].into_iter().flatten();
                named.chain(turned.filter_map(|turned| turned.member.clone())).collect()
            }
        }
    }

    /// The instant that the order counts for.
    pub(super) fn counts_at(&self, paid: &Fact<OrderPaid>) -> Instant {
        self.payment.map_or(paid.occurred_at, |payment| payment.paid_at)
    }

    /// A refund of an order that counts for `at`.
    pub(super) fn refund(id: &RefundId, told: &Fact<Refunded>, at: Instant) -> Refund {
        #[cfg(test)]
        super::tests::BUILT.with(|built| built.set(built.get() + 1));
        Refund { at: told.occurred_at.max(at), id: id.clone(), refunded: told.body, imported: told.imported }
    }

    pub(super) fn order(&self, id: &OrderId, paid: &Fact<OrderPaid>) -> Order {
        let at = self.counts_at(paid);
        let not_before = |other: Instant| other.max(at);
        let cancelled = self
            .cancelled
            .as_ref()
            .map(|cancelled| Cancellation { at: not_before(cancelled.occurred_at), imported: cancelled.imported });
        let restored = self.restored.as_ref().map(|restored| Restoration {
            at: not_before(restored.occurred_at),
            imported: restored.imported,
            rules: !self.is_cancelled(),
        });
        let refunds = self.refunds.iter().map(|(id, told)| Self::refund(id, told, at)).collect();
        let charge = paid.body.charge;
        let imported = self.payment.map_or(paid.imported, |payment| payment.imported);
        Order { id: id.clone(), at, charge, imported, refunds, cancelled, restored }
    }

    /// Whether the cancellation rules: there is no restoration, or none that is later (section 4).
    pub(super) fn is_cancelled(&self) -> bool {
        let restored = self.restored.as_ref().map(|restored| restored.occurred_at);
        self.cancelled
            .as_ref()
            .is_some_and(|cancelled| restored.is_none_or(|restored| restored <= cancelled.occurred_at))
    }

    /// A refund that waits for the order, with the member whom it names.
    pub(super) fn waiting_refund(order: &OrderId, id: &RefundId, told: &Fact<Refunded>) -> Option<(MemberId, Waiting)> {
        let fact = WaitingFact::Refund(order.clone(), id.clone());
        Some((told.member.clone()?, Waiting { at: told.occurred_at, fact, imported: told.imported }))
    }

    pub(super) fn waiting(&self, order: &OrderId) -> Vec<(MemberId, Waiting)> {
        let refunds = self.refunds.iter().filter_map(|(id, told)| Self::waiting_refund(order, id, told));
        let turns = [
            (&self.cancelled, WaitingFact::Cancellation(order.clone())),
            (&self.restored, WaitingFact::Restoration(order.clone())),
        ];
        let turns = turns.into_iter().filter_map(|(turned, fact)| {
            let turned = turned.as_ref()?;
            let waiting = Waiting { at: turned.occurred_at, fact, imported: turned.imported };
            turned.member.clone().map(|member| (member, waiting))
        });
        refunds.chain(turns).collect()
    }

    /// The facts, and beside the order the older version that states its payment, if another does.
    pub(super) fn facts(&self, order: &OrderId) -> Vec<Fact> {
        let stated_before =
            self.paid.as_ref().zip(self.payment).filter(|(paid, payment)| Payment::of(paid) != Some(*payment));
        let stated_before = stated_before.map(|(paid, payment)| payment.bare(paid));
        let paid = self.paid.iter().cloned().chain(stated_before);
        let paid = paid.map(|told| told.map(|paid| FactBody::OrderPaid(order.clone(), paid)));
        let refunds = self.refunds.iter().map(|(id, told)| {
            told.clone().map(|refunded| FactBody::OrderRefunded(order.clone(), id.clone(), refunded))
        });
        let cancelled = self.cancelled.iter().cloned();
        let cancelled = cancelled.map(|told| told.map(|()| FactBody::OrderCancelled(order.clone())));
        let restored = self.restored.iter().cloned();
        let restored = restored.map(|told| told.map(|()| FactBody::OrderRestored(order.clone())));
        paid.chain(refunds).chain(cancelled).chain(restored).collect()
    }
}

impl EntryRow {
    /// Entries compare the kind before the rest (section 4).
    pub(super) fn take_entry(&mut self, told: Fact<PointsEntry>) -> FactStatus {
        let first = |told: &Fact<PointsEntry>| (told.revision, told.body.kind);
        merge_by(&mut self.entry, told, |one, other| first(one).cmp(&first(other)).then_with(|| one.cmp(other)))
    }

    pub(super) fn holders(&self) -> BTreeSet<MemberId> {
        match &self.entry {
            Some(entry) => entry.member.clone().into_iter().collect(),
            None => self.cancels.values().filter_map(|told| told.member.clone()).collect(),
        }
    }

    /// A cancellation of points of an entry that occurred at `at`.
    pub(super) fn cancel(id: &CancelId, told: &Fact<PointsCanceled>, at: Instant) -> Cancel {
        #[cfg(test)]
        super::tests::BUILT.with(|built| built.set(built.get() + 1));
        Cancel { at: told.occurred_at.max(at), id: id.clone(), points: told.body.points, imported: told.imported }
    }

    pub(super) fn entry(&self, id: &EntryId, entry: &Fact<PointsEntry>) -> Entry {
        let at = entry.occurred_at;
        let cancels = self.cancels.iter().map(|(id, told)| Self::cancel(id, told, at)).collect();
        let PointsEntry { kind, points, .. } = entry.body;
        Entry { id: id.clone(), kind, at, points, imported: entry.imported, cancels }
    }

    /// A cancellation that waits for the entry, with the member whom it names.
    pub(super) fn waiting_cancel(
        entry: &EntryId,
        id: &CancelId,
        told: &Fact<PointsCanceled>,
    ) -> Option<(MemberId, Waiting)> {
        let fact = WaitingFact::PointsCanceled(entry.clone(), id.clone());
        Some((told.member.clone()?, Waiting { at: told.occurred_at, fact, imported: told.imported }))
    }

    pub(super) fn waiting(&self, entry: &EntryId) -> Vec<(MemberId, Waiting)> {
        self.cancels.iter().filter_map(|(id, told)| Self::waiting_cancel(entry, id, told)).collect()
    }

    pub(super) fn facts(&self, entry: &EntryId) -> Vec<Fact> {
        let told = self.entry.iter().cloned().map(|told| told.map(|own| FactBody::PointsEntry(entry.clone(), own)));
        told.chain(self.cancels.keys().filter_map(|id| self.cancel_fact(id))).collect()
    }

    pub(super) fn cancel_fact(&self, id: &CancelId) -> Option<Fact> {
        let told = self.cancels.get(id)?.clone();
        Some(told.map(|canceled| FactBody::PointsCanceled(id.clone(), canceled)))
    }
}

impl AssignmentRow {
    pub(super) fn holders(&self) -> BTreeSet<MemberId> {
        let assigned = self.assigned.iter().filter_map(|told| told.member.clone());
        assigned.chain(self.unassigned.iter().filter_map(|told| told.member.clone())).collect()
    }

    pub(super) fn acts(&self, id: &AssignmentId) -> Vec<(MemberId, Assignment)> {
        let assigned = self.assigned.iter().cloned().map(|told| {
            told.map(|TierAssigned { tier, mode, until, reward, .. }| Act::Assign {
                id: id.clone(),
                tier,
                mode,
                until,
                reward,
            })
        });
        let unassigned = self.unassigned.iter().cloned().map(|told| told.map(|_| Act::Unassign { id: id.clone() }));
        let act = |Fact { occurred_at: at, body: act, member, imported, .. }: Fact<Act>| {
            member.map(|member| (member, Assignment { at, act, imported }))
        };
        assigned.chain(unassigned).filter_map(act).collect()
    }

    pub(super) fn facts(&self, id: &AssignmentId) -> Vec<Fact> {
        let assigned = self.assigned.iter().cloned();
        let assigned = assigned.map(|told| told.map(|own| FactBody::TierAssigned(id.clone(), own)));
        let unassigned = self.unassigned.iter().cloned();
        let unassigned = unassigned.map(|told| told.map(|own| FactBody::TierUnassigned(id.clone(), own)));
        assigned.chain(unassigned).collect()
    }
}

impl MemberRow {
    pub(super) fn take_tag_set(&mut self, told: Fact<TagsSet>) -> FactStatus {
        let at = told.occurred_at;
        let mut place = self.tag_sets.remove(&at);
        let taken = merge(&mut place, told);
        self.tag_sets.extend(place.map(|kept| (at, kept)));
        taken
    }

    /// A change is its own key, so a repeat is the same fact.
    pub(super) fn take_tag_change(&mut self, told: Fact<TagsChanged>) -> FactStatus {
        let (key, imported) = ((told.occurred_at, told.body), told.imported);
        if self.tag_changes.get(&key).is_some_and(|known| *known >= imported) {
            return FactStatus::Duplicate;
        }
        self.tag_changes.insert(key, imported);
        FactStatus::Applied
    }

    /// Each member has one enrollment. The earliest wins; of two at one instant, the one that compares greater.
    pub(super) fn take_enrolled(&mut self, told: Fact<Enrolled>) -> FactStatus {
        let earliest = |told: &Fact<Enrolled>| Reverse(told.occurred_at);
        merge_by(&mut self.enrolled, told, |one, other| {
            earliest(one).cmp(&earliest(other)).then_with(|| one.cmp(other))
        })
    }

    pub(super) fn take_birthday(&mut self, told: Fact<BirthdaySet>) -> FactStatus {
        merge(&mut self.birthday, told)
    }

    pub(super) fn take_merged(&mut self, told: Fact<Merged>) -> FactStatus {
        merge(&mut self.merged, told)
    }

    /// The member that the id stands for, by the latest revision; none for itself.
    pub(super) fn merge(&self) -> Option<Merge> {
        let Fact { revision, body, .. } = self.merged.as_ref()?;
        body.into.clone().map(|into| Merge { revision: *revision, into })
    }

    /// Puts the tags of a year into the ledger; the former ones have been removed.
    pub(super) fn attach_tags(&mut self, year: i32) {
        let sets = self.tag_sets.iter().filter(|(at, _)| at.utc_year() == year).map(|(at, told)| {
            let said = TagsSaid::All(told.body.tags.clone());
            TagFact { at: *at, said, imported: told.imported }
        });
        let changes = self.tag_changes.iter().filter(|((at, _), _)| at.utc_year() == year);
        let changes = changes.map(|((at, told), imported)| {
            let said = TagsSaid::Change { added: told.added.clone(), removed: told.removed.clone() };
            TagFact { at: *at, said, imported: *imported }
        });
        self.ledger.put_tags(sets.chain(changes));
    }

    /// Puts enrollment and birthday into the ledger.
    pub(super) fn attach_person(&mut self) {
        self.ledger.enrolled = self.enrolled.as_ref().map(|told| {
            let Enrolled { birthday } = told.body;
            Enrolment { at: told.occurred_at, birthday, imported: told.imported }
        });
        let birthday = self.birthday.as_ref();
        self.ledger.birthday = birthday.map(|told| BirthdayTold { at: told.occurred_at, birthday: told.body.birthday });
    }

    pub(super) fn tag_facts(&self, member: &MemberId, year: i32) -> Vec<Fact> {
        let sets = self.tag_sets.values().filter(|told| told.occurred_at.utc_year() == year);
        let changes = self.tag_changes.iter().filter(|((at, _), _)| at.utc_year() == year);
        let changes = changes.map(|((at, told), imported)| {
            let body = FactBody::TagsChanged(told.clone());
            Fact { imported: *imported, ..Fact::new(*at, member.clone(), body) }
        });
        sets.cloned().map(|told| told.map(FactBody::TagsSet)).chain(changes).collect()
    }

    pub(super) fn person_facts(&self) -> Vec<Fact> {
        let enrolled = self.enrolled.iter().cloned().map(|told| told.map(FactBody::Enrolled));
        let birthday = self.birthday.iter().cloned().map(|told| told.map(FactBody::BirthdaySet));
        let merged = self.merged.iter().cloned().map(|told| told.map(FactBody::Merged));
        enrolled.chain(birthday).chain(merged).collect()
    }
}
