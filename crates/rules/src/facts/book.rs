//! A shop's facts by natural key, each in its latest version, and the ledgers that follow from them (section 4).
//!
//! The order of arrival never matters: of two versions of one fact the later revision wins, at equal revisions the one
//! that compares greater; a refund waits for its order; the latest revision says whose an order is.
//!
//! A book need not be whole. With the ledgers of some members ([`Book::seat`]) and what is known of the things that facts
//! are about ([`Book::know`]) it takes those facts in ([`Book::take`]) as the whole book would.

mod row;
mod thing;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::fact::{Fact, FactBody, PointsCanceled};
use crate::id::{AssignmentId, CancelId, EntryId, MemberId, OrderId};
use crate::ledger::{Ledger, Waiting};

use row::{AssignmentRow, EntryRow, MemberRow, OrderRow};
pub use thing::Thing;

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
    MemberErased,
}

/// A shop's facts.
#[derive(Debug, Clone, Default)]
pub struct Book {
    orders: HashMap<OrderId, OrderRow>,
    entries: HashMap<EntryId, EntryRow>,
    /// With which entry a cancellation of points is.
    cancels: HashMap<CancelId, EntryId>,
    assignments: HashMap<AssignmentId, AssignmentRow>,
    members: BTreeMap<MemberId, MemberRow>,
    erased: HashSet<MemberId>,
}

/// Puts a version in place if it wins over the one that is there.
fn merge<B: Ord>(place: &mut Option<Fact<B>>, told: Fact<B>) -> Taken {
    merge_by(place, told, Fact::cmp)
}

/// The same, with an order of its own.
fn merge_by<B>(place: &mut Option<Fact<B>>, told: Fact<B>, compare: impl Fn(&Fact<B>, &Fact<B>) -> Ordering) -> Taken {
    match place.as_ref().map(|known| compare(&told, known)) {
        Some(Ordering::Equal) => Taken::Duplicate,
        Some(Ordering::Less) => Taken::Superseded,
        Some(Ordering::Greater) | None => {
            *place = Some(told);
            Taken::Applied
        }
    }
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

    /// The same, to bring it up to date ([`crate::advance`]).
    pub fn ledger_mut(&mut self, member: &MemberId) -> Option<&mut Ledger> {
        self.members.get_mut(member).map(|row| &mut row.ledger)
    }

    /// Whether the member was erased.
    pub fn is_erased(&self, member: &MemberId) -> bool {
        self.erased.contains(member)
    }

    /// The members that were erased, in no order.
    pub fn erased(&self) -> impl Iterator<Item = &MemberId> {
        self.erased.iter()
    }

    /// Whether the shop has an order.
    pub fn has_orders(&self) -> bool {
        self.orders.values().any(|row| row.paid.is_some())
    }

    /// Whose ledgers a fact may change: the member it names, and whoever holds what it belongs to.
    pub fn concerned(&self, fact: &Fact) -> BTreeSet<MemberId> {
        let mut found: BTreeSet<MemberId> = fact.member().cloned().into_iter().collect();
        for thing in self.touched(fact) {
            found.extend(self.holders(&thing));
        }
        found.retain(|member| !self.erased.contains(member));
        found
    }

    /// Takes a fact in.
    ///
    /// What changes nothing of the thing it is about changes no ledger either, whatever else is known of the thing: a ledger
    /// that was seated may know more than this book does.
    pub fn take(&mut self, fact: Fact) -> Taken {
        if let Some(member) = fact.erased() {
            return self.erase(member.clone());
        }
        let member_erased = fact.member().is_some_and(|member| self.erased.contains(member));
        if let Some(member) = fact.member().filter(|_| !member_erased) {
            self.members.entry(member.clone()).or_default();
        }
        let things = self.touched(&fact);
        let held: Vec<_> = things.iter().map(|thing| (thing, self.holders(thing))).collect();
        let taken = self.know(fact);
        if taken == Taken::Applied {
            for (thing, holders) in held {
                self.lift(thing, holders);
            }
            for thing in &things {
                self.lay(thing);
            }
        }
        if member_erased { Taken::MemberErased } else { taken }
    }

    /// Gives a member the ledger that was made of their facts before.
    pub fn seat(&mut self, member: MemberId, ledger: Ledger) {
        self.members.entry(member).or_default().ledger = ledger;
    }

    /// Files a fact without changing a ledger: one that was taken in before, and is in the ledgers already.
    pub fn know(&mut self, fact: Fact) -> Taken {
        let (body, told) = fact.apart();
        match body {
            FactBody::OrderPaid(order, paid) => {
                merge(&mut self.orders.entry(order).or_default().paid, told.map(|()| paid))
            }
            FactBody::OrderRefunded(order, refund, refunded) => {
                self.orders.entry(order).or_default().take_refund(refund, told.map(|()| refunded))
            }
            FactBody::OrderCancelled(order) => merge(&mut self.orders.entry(order).or_default().cancelled, told),
            FactBody::PointsEntry(id, entry) => self.entries.entry(id).or_default().take_entry(told.map(|()| entry)),
            FactBody::PointsCanceled(id, canceled) => self.know_cancel(id, told.map(|()| canceled)),
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
            FactBody::Erased => told.member.map_or(Taken::Duplicate, |member| self.erase(member)),
        }
    }

    /// Takes in what only the member has whom it names.
    fn own<B>(&mut self, told: Fact<B>, take: impl FnOnce(&mut MemberRow, Fact<B>) -> Taken) -> Taken {
        let row = told.member().and_then(|member| self.members.get_mut(member));
        row.map_or(Taken::MemberErased, |row| take(row, told))
    }

    fn erase(&mut self, member: MemberId) -> Taken {
        self.members.remove(&member);
        if self.erased.insert(member) { Taken::Applied } else { Taken::Duplicate }
    }

    /// A later revision may refer to another entry: then the cancellation leaves the one it was with.
    fn know_cancel(&mut self, id: CancelId, told: Fact<PointsCanceled>) -> Taken {
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

    /// The things whose facts or whose place in ledgers a fact may change.
    pub fn touched(&self, fact: &Fact) -> BTreeSet<Thing> {
        let mut things: BTreeSet<Thing> = fact.things().collect();
        if let FactBody::PointsCanceled(cancel, _) = &fact.body {
            things.extend(self.cancels.get(cancel).cloned().map(Thing::Entry));
        }
        things
    }

    /// Whether the ledgers of those who hold a thing have what is known of it. They always do, unless the thing and they were
    /// read at different moments.
    pub fn agrees(&self, thing: &Thing) -> bool {
        let mut again = self.clone();
        again.lift(thing, self.holders(thing));
        again.lay(thing);
        self.holders(thing).iter().all(|member| self.ledger(member) == again.ledger(member))
    }

    /// Who holds something of a thing.
    pub fn holders(&self, thing: &Thing) -> BTreeSet<MemberId> {
        match thing {
            Thing::Order(id) => self.orders.get(id).map(OrderRow::holders).unwrap_or_default(),
            Thing::Entry(id) => self.entries.get(id).map(EntryRow::holders).unwrap_or_default(),
            Thing::Assignment(id) => self.assignments.get(id).map(AssignmentRow::holders).unwrap_or_default(),
            Thing::Tags(member, _) | Thing::Person(member) => BTreeSet::from([member.clone()]),
            Thing::Cancel(_) => BTreeSet::new(),
        }
    }

    /// Takes a thing out of the ledgers of those who held it.
    fn lift(&mut self, thing: &Thing, holders: BTreeSet<MemberId>) {
        for member in holders {
            let Some(MemberRow { ledger, .. }) = self.members.get_mut(&member) else { continue };
            match thing {
                Thing::Order(id) => ledger.drop_order(id),
                Thing::Entry(id) => ledger.drop_entry(id),
                Thing::Assignment(id) => ledger.drop_assignment(id),
                Thing::Tags(_, year) => ledger.drop_tags(*year),
                Thing::Cancel(_) | Thing::Person(_) => {}
            }
        }
    }

    /// Puts a thing into the ledgers of those who hold it now.
    fn lay(&mut self, thing: &Thing) {
        match thing {
            Thing::Order(id) => match self.orders.get(id) {
                Some(row @ OrderRow { paid: Some(paid), .. }) => {
                    if let Some(held) = paid.member().and_then(|member| self.members.get_mut(member)) {
                        held.ledger.put_order(row.order(id, paid));
                    }
                }
                Some(row) => put_waiting(&mut self.members, row.waiting(id)),
                None => {}
            },
            Thing::Entry(id) => match self.entries.get(id) {
                Some(row @ EntryRow { entry: Some(entry), .. }) => {
                    if let Some(held) = entry.member().and_then(|member| self.members.get_mut(member)) {
                        held.ledger.put_entry(row.entry(id, entry));
                    }
                }
                Some(row) => put_waiting(&mut self.members, row.waiting(id)),
                None => {}
            },
            Thing::Assignment(id) => {
                for (member, act) in self.assignments.get(id).map(|row| row.acts(id)).unwrap_or_default() {
                    if let Some(held) = self.members.get_mut(&member) {
                        held.ledger.put_assignment(act);
                    }
                }
            }
            Thing::Tags(member, year) => {
                if let Some(held) = self.members.get_mut(member) {
                    held.lay_tags(*year);
                }
            }
            Thing::Person(member) => {
                if let Some(held) = self.members.get_mut(member) {
                    held.lay_person();
                }
            }
            Thing::Cancel(_) => {}
        }
    }

    /// The facts that are known of a thing, each in its latest version, in an order of their own.
    pub fn facts(&self, thing: &Thing) -> Vec<Fact> {
        match thing {
            Thing::Order(id) => self.orders.get(id).map(|row| row.facts(id)).unwrap_or_default(),
            Thing::Entry(id) => self.entries.get(id).map(|row| row.facts(id)).unwrap_or_default(),
            Thing::Cancel(id) => {
                let row = self.cancels.get(id).and_then(|entry| self.entries.get(entry));
                row.and_then(|row| row.cancel_fact(id)).into_iter().collect()
            }
            Thing::Assignment(id) => self.assignments.get(id).map(|row| row.facts(id)).unwrap_or_default(),
            Thing::Tags(member, year) => {
                self.members.get(member).map(|row| row.tag_facts(member, *year)).unwrap_or_default()
            }
            Thing::Person(member) => self.members.get(member).map(MemberRow::person_facts).unwrap_or_default(),
        }
    }
}

/// What waits is with the members it names, those who were erased left out.
fn put_waiting(members: &mut BTreeMap<MemberId, MemberRow>, waiting: Vec<(MemberId, Waiting)>) {
    for (member, waiting) in waiting {
        if let Some(held) = members.get_mut(&member) {
            held.ledger.put_waiting(waiting);
        }
    }
}

#[cfg(test)]
mod tests;
