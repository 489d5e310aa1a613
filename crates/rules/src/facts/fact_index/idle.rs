//! Facts that are known and move nothing for now, because of what is known of their order or entry.

use super::{FactIndex, Subject};
use crate::calendar::Instant;
use crate::fact::{Fact, FactBody};

/// Why a known fact moves nothing for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// The order that it is about is not known.
    WaitsForOrder,
    /// The entry of points that it is about is not known.
    WaitsForEntry,
    /// It is an order that is cancelled; only `order.restored` makes it count again (section 4).
    Cancelled,
}

impl FactIndex {
    /// The instant that the order of a known fact about its payment counts for: another revision may have said when it was paid.
    pub fn counts_at(&self, fact: &Fact) -> Option<Instant> {
        let FactBody::OrderPaid(id, _) = &fact.body else { return None };
        let row = self.orders.get(id)?;
        row.paid.as_ref().map(|paid| row.counts_at(paid))
    }

    /// Why a known fact moves nothing for now.
    pub fn idle(&self, fact: &Fact) -> Option<Idle> {
        if let FactBody::OrderPaid(id, _) = &fact.body {
            return self.orders.get(id).filter(|row| row.is_cancelled()).map(|_| Idle::Cancelled);
        }
        match fact.follows()? {
            Subject::Order(id) => {
                let is_known = self.orders.get(&id).is_some_and(|row| row.paid.is_some());
                (!is_known).then_some(Idle::WaitsForOrder)
            }
            Subject::Entry(id) => {
                let is_known = self.entries.get(&id).is_some_and(|row| row.entry.is_some());
                (!is_known).then_some(Idle::WaitsForEntry)
            }
            Subject::Cancel(_) | Subject::Assignment(_) | Subject::Tags(..) | Subject::Person(_) => None,
        }
    }
}
