//! A shop's facts by natural key, each in its latest version, and the ledgers that follow from them (section 4).
//!
//! The order of arrival never matters. Of two versions of one fact the later revision wins, at equal revisions the one
//! that compares greater. A refund waits for its order. The latest revision decides which member an order belongs to.
//!
//! An index need not be complete. It can be loaded with the ledgers of some members ([`FactIndex::load_ledger`]) and
//! the known facts of the subjects that new facts are about ([`FactIndex::insert_known`]). It then applies the new
//! facts ([`FactIndex::apply`]) as the complete index would. Of members under several ids it needs the ledgers of all of
//! them, and their merges.

mod idle;
mod part;
mod row;
mod subject;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::fact::{Currency, Fact, FactBody, Merged, PointsCanceled};
use crate::id::{AssignmentId, CancelId, EntryId, MemberId, OrderId};
use crate::ledger::{Assignment, Ledger, Waiting};
use crate::merge::{Merge, Merges};

pub use idle::Idle;
use row::{AssignmentRow, EntryRow, MemberRow, OrderRow};
pub use subject::Subject;

/// The outcome for a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactStatus {
    /// The fact is new, or a newer version of a known one.
    Applied,
    /// The same version is already known.
    Duplicate,
    /// A version that wins over this one is already known.
    Superseded,
    /// The fact names a member who was erased.
    MemberErased,
}

/// A shop's facts by natural key.
#[derive(Debug, Clone, Default)]
pub struct FactIndex {
    orders: HashMap<OrderId, OrderRow>,
    entries: HashMap<EntryId, EntryRow>,
    /// The entry that each cancellation of points belongs to.
    cancels: HashMap<CancelId, EntryId>,
    assignments: HashMap<AssignmentId, AssignmentRow>,
    members: BTreeMap<MemberId, MemberRow>,
    /// The member that each merged id stands for, and the ids that were erased.
    merges: Merges,
}

/// Stores a version if it wins over the stored one.
fn merge<B: Ord>(place: &mut Option<Fact<B>>, told: Fact<B>) -> FactStatus {
    merge_by(place, told, Fact::cmp)
}

/// The same, with a comparison of its own.
fn merge_by<B>(
    place: &mut Option<Fact<B>>,
    told: Fact<B>,
    compare: impl Fn(&Fact<B>, &Fact<B>) -> Ordering,
) -> FactStatus {
    match place.as_ref().map(|known| compare(&told, known)) {
        Some(Ordering::Equal) => FactStatus::Duplicate,
        Some(Ordering::Less) => FactStatus::Superseded,
        Some(Ordering::Greater) | None => {
            *place = Some(told);
            FactStatus::Applied
        }
    }
}

impl FactIndex {
    /// An empty index.
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

    /// The same, mutable, for [`crate::advance`].
    pub fn ledger_mut(&mut self, member: &MemberId) -> Option<&mut Ledger> {
        self.members.get_mut(member).map(|row| &mut row.ledger)
    }

    /// Whether the member was erased.
    pub fn is_erased(&self, member: &MemberId) -> bool {
        self.merges.is_erased(member)
    }

    /// The members that were erased, in order of id.
    pub fn erased(&self) -> impl Iterator<Item = &MemberId> {
        self.merges.erased()
    }

    /// Whether the shop has an order whose amounts are in a program's currency, or were converted to it.
    pub fn keeps_money_in(&self, currency: Currency) -> bool {
        let paid = self.orders.values().filter_map(|row| row.paid.as_ref());
        paid.map(|paid| &paid.body.charge).any(|charge| charge.is_kept_in(currency))
    }

    /// The members whose ledgers a fact may change: the member it names, and the members who hold its subjects.
    pub fn affected_members(&self, fact: &Fact) -> BTreeSet<MemberId> {
        let mut found: BTreeSet<MemberId> = fact.member().cloned().into_iter().collect();
        for subject in self.touched(fact) {
            found.extend(self.holders(&subject));
        }
        found.retain(|member| !self.is_erased(member));
        found
    }

    /// Applies a fact.
    ///
    /// A fact that does not change its subject changes no ledger either. This holds although a loaded ledger may
    /// contain more about the subject than this index does.
    pub fn apply(&mut self, fact: Fact) -> FactStatus {
        if let Some(member) = fact.erased() {
            return self.erase(member.clone());
        }
        let member_erased = fact.member().is_some_and(|member| self.is_erased(member));
        if let Some(member) = fact.member().filter(|_| !member_erased) {
            self.members.entry(member.clone()).or_default();
            self.name_other(&fact);
        }
        let taken = match self.part(&fact) {
            Some(part) => {
                let before = self.held_part(&part);
                let taken = self.insert_known(fact);
                if taken == FactStatus::Applied {
                    self.replace_part(&part, before.as_ref());
                }
                taken
            }
            None => self.apply_whole(fact),
        };
        if member_erased { FactStatus::MemberErased } else { taken }
    }

    /// Applies a fact, and builds what it is about anew in all ledgers that hold it.
    fn apply_whole(&mut self, fact: Fact) -> FactStatus {
        let subjects = self.touched(&fact);
        let held: Vec<_> = subjects.iter().map(|subject| (subject, self.holders(subject))).collect();
        let taken = self.insert_known(fact);
        if taken == FactStatus::Applied {
            for (subject, holders) in held {
                self.detach(subject, holders);
            }
            for subject in &subjects {
                self.attach(subject);
            }
        }
        taken
    }

    /// Applies facts together: each ledger is put in order once, however many facts there are. Erasures are left out.
    pub(crate) fn apply_all<'f>(&mut self, facts: impl Iterator<Item = &'f Fact> + Clone) {
        let facts = facts.filter(|fact| fact.erased().is_none());
        for fact in facts.clone() {
            if let Some(member) = fact.member().filter(|member| !self.is_erased(member)) {
                self.members.entry(member.clone()).or_default();
                self.name_other(fact);
            }
        }
        let touched = |index: &Self| facts.clone().flat_map(|fact| index.touched(fact)).collect::<BTreeSet<_>>();
        let before = touched(self);
        let held: Vec<_> = before.iter().map(|subject| (subject, self.holders(subject))).collect();
        for fact in facts.clone() {
            let _ = self.insert_known(fact.clone());
        }
        for (subject, holders) in held {
            self.detach(subject, holders);
        }
        for subject in before.union(&touched(self)) {
            self.attach(subject);
        }
    }

    /// Sets a member's ledger to one that was built from their facts before.
    pub fn load_ledger(&mut self, member: MemberId, ledger: Ledger) {
        self.members.entry(member).or_default().ledger = ledger;
    }

    /// Notes that a member is erased, with the member that the id stands for, as the tombstone keeps it.
    pub fn load_erased(&mut self, member: MemberId, merge: Option<Merge>) {
        self.members.remove(&member);
        self.merges.set(&member, merge);
        self.merges.set_erased(member);
    }

    /// Sets the member that an id stands for, as it was settled by the facts before.
    pub fn load_merge(&mut self, member: &MemberId, merge: Option<Merge>) {
        self.merges.set(member, merge);
    }

    /// The merges of the members.
    pub fn merges(&self) -> &Merges {
        &self.merges
    }

    /// Notes the member into whom an id is merged as named.
    fn name_other(&mut self, fact: &Fact) {
        if let FactBody::Merged(Merged { into: Some(into) }) = &fact.body
            && !self.is_erased(into)
        {
            self.members.entry(into.clone()).or_default();
        }
    }

    /// Files a fact without changing a ledger: the ledgers already contain it.
    pub fn insert_known(&mut self, fact: Fact) -> FactStatus {
        let (body, told) = fact.apart();
        match body {
            FactBody::OrderPaid(order, paid) => self.orders.entry(order).or_default().take_paid(told.map(|()| paid)),
            FactBody::OrderRefunded(order, refund, refunded) => {
                self.orders.entry(order).or_default().take_refund(refund, told.map(|()| refunded))
            }
            FactBody::OrderCancelled(order) => merge(&mut self.orders.entry(order).or_default().cancelled, told),
            FactBody::OrderRestored(order) => merge(&mut self.orders.entry(order).or_default().restored, told),
            FactBody::PointsEntry(id, entry) => self.entries.entry(id).or_default().take_entry(told.map(|()| entry)),
            FactBody::PointsCanceled(id, canceled) => self.insert_cancel(id, told.map(|()| canceled)),
            FactBody::TierAssigned(id, assigned) => {
                merge(&mut self.assignments.entry(id).or_default().assigned, told.map(|()| assigned))
            }
            FactBody::TierUnassigned(id, unassigned) => {
                merge(&mut self.assignments.entry(id).or_default().unassigned, told.map(|()| unassigned))
            }
            FactBody::TagsSet(set) => self.own(told.map(|()| set), MemberRow::take_tag_set),
            FactBody::TagsChanged(changed) => self.own(told.map(|()| changed), MemberRow::take_tag_change),
            FactBody::Enrolled(enrolled) => self.own(told.map(|()| enrolled), MemberRow::take_enrolled),
            FactBody::BirthdaySet(birthday) => self.own(told.map(|()| birthday), MemberRow::take_birthday),
            FactBody::Merged(merged) => {
                let member = told.member.clone();
                let taken = self.own(told.map(|()| merged), MemberRow::take_merged);
                if let Some((member, row)) = member.and_then(|id| Some((id.clone(), self.members.get(&id)?))) {
                    self.merges.set(&member, row.merge());
                }
                taken
            }
            FactBody::Erased => told.member.map_or(FactStatus::Duplicate, |member| self.erase(member)),
        }
    }

    /// Applies a fact that belongs only to the member it names.
    fn own<B>(&mut self, told: Fact<B>, take: impl FnOnce(&mut MemberRow, Fact<B>) -> FactStatus) -> FactStatus {
        let row = told.member().and_then(|member| self.members.get_mut(member));
        row.map_or(FactStatus::MemberErased, |row| take(row, told))
    }

    /// The ids that an erasure takes: the member's, and all that stand for the member. None if the member was erased before.
    pub fn taken_by_erasure(&self, member: &MemberId) -> BTreeSet<MemberId> {
        if self.is_erased(member) {
            return BTreeSet::new();
        }
        let mut all = self.merges.standing_for(member);
        all.retain(|id| !self.is_erased(id));
        all.insert(member.clone());
        all
    }

    fn erase(&mut self, member: MemberId) -> FactStatus {
        let all = self.taken_by_erasure(&member);
        for id in all.iter().filter(|id| **id != member) {
            self.members.remove(id);
            self.merges.erase(id);
        }
        self.members.remove(&member);
        self.merges.erase(&member);
        if all.is_empty() { FactStatus::Duplicate } else { FactStatus::Applied }
    }

    /// The members that are evaluated for themselves and whose facts a fact may change: those for whom the affected ids
    /// stand, before the fact and after it.
    pub fn affected_standings(&self, fact: &Fact) -> BTreeSet<MemberId> {
        let mut found: BTreeSet<MemberId> =
            self.affected_members(fact).iter().map(|id| self.merges.resolve(id)).collect();
        if let (Some(id), FactBody::Merged(Merged { into })) = (fact.member(), &fact.body)
            && !self.is_erased(id)
        {
            let mut after = self.merges.around(into.iter().chain([id]));
            after.set(id, into.clone().map(|into| Merge { revision: fact.revision, into }));
            // Only ways through this id change, and each of them led to the member that it stands for, or leads there now.
            for id in into.iter().chain([id]).filter(|id| !self.is_erased(id)) {
                found.extend([self.merges.resolve(id), after.resolve(id)]);
            }
        }
        found
    }

    /// The facts that count for a member: also those of all ids that stand for the member, and none if this id stands for
    /// another.
    pub fn counting_for(&self, member: &MemberId) -> Cow<'_, Ledger> {
        let own = self.ledger(member).map_or_else(|| Cow::Owned(Ledger::default()), Cow::Borrowed);
        if self.merges.is_alone(member) {
            return own;
        }
        if self.merges.resolve(member) != *member {
            return Cow::Owned(Ledger::default());
        }
        let others = self.merges.standing_for(member);
        let others = others.iter().filter_map(|id| Some((id, self.ledger(id)?)));
        Cow::Owned(own.united(others).into_owned())
    }

    /// Whether a fact names a member, by any id that stands for the member.
    pub(crate) fn is_about(&self, fact: &Fact, member: &MemberId) -> bool {
        fact.member().is_some_and(|named| self.merges.resolve(named) == *member)
    }

    /// Adds a hold to a member's own ledger.
    pub fn hold(&mut self, member: &MemberId, held: Assignment) {
        if let Some(row) = self.members.get_mut(member) {
            row.ledger.hold(held);
        }
    }

    /// Files a cancellation of points. A later revision may refer to another entry; the cancellation then moves there.
    fn insert_cancel(&mut self, id: CancelId, told: Fact<PointsCanceled>) -> FactStatus {
        let before = self.cancels.insert(id.clone(), told.body.entry.clone());
        let was_with = before.and_then(|entry| self.entries.get_mut(&entry));
        let mut place = was_with.and_then(|row| row.cancels.remove(&id));
        let taken = merge(&mut place, told);
        if let Some(kept) = place {
            let entry = kept.body.entry.clone();
            self.cancels.insert(id.clone(), entry.clone());
            self.entries.entry(entry).or_default().cancels.insert(id, kept);
        }
        taken
    }

    /// The subjects that a fact may change, in their facts or in their place in ledgers.
    pub fn touched(&self, fact: &Fact) -> BTreeSet<Subject> {
        let mut subjects: BTreeSet<Subject> = fact.subjects().collect();
        if let FactBody::PointsCanceled(cancel, _) = &fact.body {
            subjects.extend(self.cancels.get(cancel).cloned().map(Subject::Entry));
        }
        subjects
    }

    /// Whether the ledgers of a subject's holders contain all that is known of it. They always do, unless the subject
    /// and the ledgers were read at different moments.
    pub fn is_consistent(&self, subject: &Subject) -> bool {
        let mut again = self.clone();
        again.detach(subject, self.holders(subject));
        again.attach(subject);
        self.holders(subject).iter().all(|member| self.ledger(member) == again.ledger(member))
    }

    /// The members who hold a part of a subject.
    pub fn holders(&self, subject: &Subject) -> BTreeSet<MemberId> {
        match subject {
            Subject::Order(id) => self.orders.get(id).map(OrderRow::holders).unwrap_or_default(),
            Subject::Entry(id) => self.entries.get(id).map(EntryRow::holders).unwrap_or_default(),
            Subject::Assignment(id) => self.assignments.get(id).map(AssignmentRow::holders).unwrap_or_default(),
            Subject::Tags(member, _) | Subject::Person(member) => BTreeSet::from([member.clone()]),
            Subject::Cancel(_) => BTreeSet::new(),
        }
    }

    /// Removes a subject from the ledgers of its former holders.
    fn detach(&mut self, subject: &Subject, holders: BTreeSet<MemberId>) {
        for member in holders {
            let Some(MemberRow { ledger, .. }) = self.members.get_mut(&member) else { continue };
            match subject {
                Subject::Order(id) => ledger.drop_order(id),
                Subject::Entry(id) => ledger.drop_entry(id),
                Subject::Assignment(id) => ledger.drop_assignment(id),
                Subject::Tags(_, year) => ledger.drop_tags(*year),
                Subject::Cancel(_) | Subject::Person(_) => {}
            }
        }
    }

    /// Puts a subject into the ledgers of its present holders.
    fn attach(&mut self, subject: &Subject) {
        match subject {
            Subject::Order(id) => match self.orders.get(id) {
                Some(row @ OrderRow { paid: Some(paid), .. }) => {
                    if let Some(held) = paid.member().and_then(|member| self.members.get_mut(member)) {
                        held.ledger.put_order(row.order(id, paid));
                    }
                }
                Some(row) => put_waiting(&mut self.members, row.waiting(id)),
                None => {}
            },
            Subject::Entry(id) => match self.entries.get(id) {
                Some(row @ EntryRow { entry: Some(entry), .. }) => {
                    if let Some(held) = entry.member().and_then(|member| self.members.get_mut(member)) {
                        held.ledger.put_entry(row.entry(id, entry));
                    }
                }
                Some(row) => put_waiting(&mut self.members, row.waiting(id)),
                None => {}
            },
            Subject::Assignment(id) => {
                for (member, act) in self.assignments.get(id).map(|row| row.acts(id)).unwrap_or_default() {
                    if let Some(held) = self.members.get_mut(&member) {
                        held.ledger.put_assignment(act);
                    }
                }
            }
            Subject::Tags(member, year) => {
                if let Some(held) = self.members.get_mut(member) {
                    held.attach_tags(*year);
                }
            }
            Subject::Person(member) => {
                if let Some(held) = self.members.get_mut(member) {
                    held.attach_person();
                }
            }
            Subject::Cancel(_) => {}
        }
    }

    /// Whether a subject is an order that is known.
    pub fn has_order(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Order(id) => self.orders.get(id).is_some_and(|row| row.paid.is_some()),
            Subject::Entry(_)
            | Subject::Cancel(_)
            | Subject::Assignment(_)
            | Subject::Tags(..)
            | Subject::Person(_) => false,
        }
    }

    /// Whether a subject is an order of which a fact is known, be it its cancellation alone.
    pub fn knows_of_order(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Order(id) if self.orders.contains_key(id))
    }

    /// The known facts of a subject, each in its latest version, in a fixed order.
    pub fn facts(&self, subject: &Subject) -> Vec<Fact> {
        match subject {
            Subject::Order(id) => self.orders.get(id).map(|row| row.facts(id)).unwrap_or_default(),
            Subject::Entry(id) => self.entries.get(id).map(|row| row.facts(id)).unwrap_or_default(),
            Subject::Cancel(id) => {
                let row = self.cancels.get(id).and_then(|entry| self.entries.get(entry));
                row.and_then(|row| row.cancel_fact(id)).into_iter().collect()
            }
            Subject::Assignment(id) => self.assignments.get(id).map(|row| row.facts(id)).unwrap_or_default(),
            Subject::Tags(member, year) => {
                self.members.get(member).map(|row| row.tag_facts(member, *year)).unwrap_or_default()
            }
            Subject::Person(member) => self.members.get(member).map(MemberRow::person_facts).unwrap_or_default(),
        }
    }
}

/// The facts of a subject as people are shown them: an order once, with the payment that an older version of it states.
pub fn shown(facts: Vec<Fact>) -> Vec<Fact> {
    let mut shown: Vec<Fact> = Vec::with_capacity(facts.len());
    for fact in facts {
        let same = |known: &&mut Fact| match (&known.body, &fact.body) {
            (FactBody::OrderPaid(one, _), FactBody::OrderPaid(other, _)) => one == other,
            (_, _) => false,
        };
        match (shown.iter_mut().find(same), &fact.body) {
            (Some(Fact { body: FactBody::OrderPaid(_, known), .. }), FactBody::OrderPaid(_, stated)) => {
                known.paid_at = known.paid_at.or(stated.paid_at);
            }
            (_, _) => shown.push(fact),
        }
    }
    shown
}

/// Puts waiting facts into the ledgers of the members they name; erased members are left out.
fn put_waiting(members: &mut BTreeMap<MemberId, MemberRow>, waiting: Vec<(MemberId, Waiting)>) {
    for (member, waiting) in waiting {
        if let Some(held) = members.get_mut(&member) {
            held.ledger.put_waiting(waiting);
        }
    }
}

#[cfg(test)]
mod tests;
