//! Refunds of orders and cancellations of entries, each put at its place in a ledger by itself. To build an order or entry
//! anew for each of its thousands of corrections would cost the square of their number.

use super::FactIndex;
use super::row::{EntryRow, OrderRow};
use crate::fact::{Fact, FactBody};
use crate::id::{CancelId, EntryId, MemberId, OrderId, RefundId};
use crate::ledger::{Cancel, Entry, Ledger, Order, Refund, Waiting};

/// The part of an order or entry that a fact states.
#[derive(Debug)]
pub(super) enum Part {
    Refund(OrderId, RefundId),
    Cancel(EntryId, CancelId),
}

/// A part as it is held in a member's ledger.
#[derive(Debug)]
pub(super) enum HeldPart {
    Refund(MemberId, Refund),
    Cancel(MemberId, Cancel),
    Waiting(MemberId, Waiting),
}

impl FactIndex {
    /// The part that a fact states, if nothing else about its order or entry changes with it.
    ///
    /// There is none if the ledger does not hold the order or entry as this index knows it: they were read at different
    /// moments then, and the whole is built anew.
    pub(super) fn part(&self, fact: &Fact) -> Option<Part> {
        let part = match &fact.body {
            FactBody::OrderRefunded(order, refund, _) => Part::Refund(order.clone(), refund.clone()),
            FactBody::PointsCanceled(cancel, told) => {
                let moves = self.cancels.get(cancel).is_some_and(|entry| *entry != told.entry);
                (!moves).then(|| Part::Cancel(told.entry.clone(), cancel.clone()))?
            }
            FactBody::OrderPaid(..)
            | FactBody::OrderCancelled(_)
            | FactBody::OrderRestored(_)
            | FactBody::PointsEntry(..)
            | FactBody::TierAssigned(..)
            | FactBody::TierUnassigned(..)
            | FactBody::TagsSet(_)
            | FactBody::TagsChanged(_)
            | FactBody::Enrolled(_)
            | FactBody::BirthdaySet(_)
            | FactBody::Merged(_)
            | FactBody::Erased => return None,
        };
        self.is_held_as_known(&part).then_some(part)
    }

    fn is_held_as_known(&self, part: &Part) -> bool {
        let ledger = |member: Option<&MemberId>| member.and_then(|member| self.ledger(member));
        match part {
            Part::Refund(id, _) => {
                let known = self.orders.get(id).and_then(|row| Some((row, row.paid.as_ref()?)));
                known.is_none_or(|(row, paid)| {
                    ledger(paid.member()).is_none_or(|ledger| {
                        let place = order_place(ledger, id, row);
                        let held = place.and_then(|place| ledger.orders.get(place));
                        held.is_some_and(|held| held.refunds.len() == row.refunds.len())
                    })
                })
            }
            Part::Cancel(id, _) => {
                let known = self.entries.get(id).and_then(|row| Some((row, row.entry.as_ref()?)));
                known.is_none_or(|(row, entry)| {
                    ledger(entry.member()).is_none_or(|ledger| {
                        let place = entry_place(ledger, id, row);
                        let held = place.and_then(|place| ledger.entries.get(place));
                        held.is_some_and(|held| held.cancels.len() == row.cancels.len())
                    })
                })
            }
        }
    }

    /// A part as it is to be held by what is known; none if it is not known, or no member holds it.
    pub(super) fn held_part(&self, part: &Part) -> Option<HeldPart> {
        match part {
            Part::Refund(order, id) => {
                let row = self.orders.get(order)?;
                let told = row.refunds.get(id)?;
                match &row.paid {
                    Some(paid) => {
                        Some(HeldPart::Refund(paid.member.clone()?, OrderRow::refund(id, told, row.counts_at(paid))))
                    }
                    None => OrderRow::waiting_refund(order, id, told).map(|(of, it)| HeldPart::Waiting(of, it)),
                }
            }
            Part::Cancel(entry, id) => {
                let row = self.entries.get(entry)?;
                let told = row.cancels.get(id)?;
                match &row.entry {
                    Some(own) => {
                        Some(HeldPart::Cancel(own.member.clone()?, EntryRow::cancel(id, told, own.occurred_at)))
                    }
                    None => EntryRow::waiting_cancel(entry, id, told).map(|(of, it)| HeldPart::Waiting(of, it)),
                }
            }
        }
    }

    /// Replaces a part in the ledger that holds it.
    pub(super) fn replace_part(&mut self, part: &Part, before: Option<&HeldPart>) {
        if let Some(before) = before {
            self.edit(part, before, false);
        }
        if let Some(now) = self.held_part(part) {
            self.edit(part, &now, true);
        }
    }

    /// Adds a part to the ledger that holds it, or removes it.
    fn edit(&mut self, part: &Part, held: &HeldPart, add: bool) {
        let Self { orders, entries, members, .. } = self;
        let (HeldPart::Refund(member, _) | HeldPart::Cancel(member, _) | HeldPart::Waiting(member, _)) = held;
        let Some(ledger) = members.get_mut(member).map(|row| &mut row.ledger) else { return };
        match (part, held) {
            (Part::Refund(id, _), HeldPart::Refund(_, refund)) => {
                let place = orders.get(id).and_then(|row| order_place(ledger, id, row));
                if let Some(Order { refunds, .. }) = place.and_then(|place| ledger.orders.get_mut(place)) {
                    let place = refunds.binary_search_by(|it| (it.at, &it.id).cmp(&(refund.at, &refund.id)));
                    put(refunds, place, add.then(|| refund.clone()));
                }
            }
            (Part::Cancel(id, _), HeldPart::Cancel(_, cancel)) => {
                let place = entries.get(id).and_then(|row| entry_place(ledger, id, row));
                if let Some(Entry { cancels, .. }) = place.and_then(|place| ledger.entries.get_mut(place)) {
                    let place = cancels.binary_search_by(|it| (it.at, &it.id).cmp(&(cancel.at, &cancel.id)));
                    put(cancels, place, add.then(|| cancel.clone()));
                }
            }
            (Part::Refund(..) | Part::Cancel(..), HeldPart::Waiting(_, waiting)) => {
                let place = ledger.waiting.binary_search(waiting);
                put(&mut ledger.waiting, place, add.then(|| waiting.clone()));
            }
            (Part::Refund(..), HeldPart::Cancel(..)) | (Part::Cancel(..), HeldPart::Refund(..)) => {}
        }
    }
}

/// Puts an item at the place where it was searched for, or removes what is there if there is none to put.
fn put<T>(list: &mut Vec<T>, place: Result<usize, usize>, item: Option<T>) {
    match (place, item) {
        (Err(place), Some(item)) => list.insert(place, item),
        (Ok(place), Some(item)) => {
            if let Some(held) = list.get_mut(place) {
                *held = item;
            }
        }
        (Ok(place), None) => drop(list.remove(place)),
        (Err(_), None) => {}
    }
}

fn order_place(ledger: &Ledger, id: &OrderId, row: &OrderRow) -> Option<usize> {
    let at = row.counts_at(row.paid.as_ref()?);
    ledger.orders.binary_search_by(|order| (order.at, &order.id).cmp(&(at, id))).ok()
}

fn entry_place(ledger: &Ledger, id: &EntryId, row: &EntryRow) -> Option<usize> {
    let own = row.entry.as_ref()?;
    let key = (own.occurred_at, own.body.kind, id);
    ledger.entries.binary_search_by(|entry| (entry.at, entry.kind, &entry.id).cmp(&key)).ok()
}
