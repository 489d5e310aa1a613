//! When the orders of an import were paid, as far as any row or document says it (section 4 of the semantics).

use std::collections::HashMap;

use rules::calendar::Instant;
use rules::fact::{Fact, FactBody};

use super::repeats::hash;

/// The number of orders whose payments are remembered: some 80 MB. Of orders beyond them, a version that does not say when
/// the order was paid arrives on the day on which it was placed.
const ORDERS_MAX: usize = 1_000_000;

/// The payments of the orders read so far.
#[derive(Debug, Default)]
pub struct Payments {
    known: HashMap<u64, Payment>,
    /// Whether any order was paid later than it was placed.
    is_any_later: bool,
}

/// A payment and the version of the order that says it, as a pair that is greater for the later version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Payment {
    revision: Instant,
    at: Instant,
}

impl Payments {
    /// Notes when an order was paid, if a fact says it.
    pub fn note(&mut self, fact: &Fact) {
        let FactBody::OrderPaid(order, paid) = &fact.body else { return };
        let Some(at) = paid.paid_at else { return };
        let payment = Payment { revision: fact.revision, at };
        let id = hash(order.as_str());
        if let Some(known) = self.known.get_mut(&id) {
            *known = payment.max(*known);
        } else if self.known.len() < ORDERS_MAX {
            self.known.insert(id, payment);
        }
        self.is_any_later |= at > fact.occurred_at;
    }

    /// Whether no order is known to have been paid later than it was placed.
    pub fn are_at_checkout(&self) -> bool {
        !self.is_any_later
    }

    /// When an order was paid, if that is known.
    pub fn paid_at(&self, order: &str) -> Option<Instant> {
        self.known.get(&hash(order)).map(|payment| payment.at)
    }
}
