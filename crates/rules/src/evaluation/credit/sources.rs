//! The orders and entries whose movements a metric counts, numbered in the order of the timeline.

use crate::ledger::{Entry, Ledger, Order};
use crate::program::{Metric, Program};

/// Which facts are the sources of movements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sources {
    Orders,
    Entries,
    /// Entries, and the orders that earn points. At one instant, orders come first (section 4).
    Both,
}

/// An order or an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'l> {
    Order(&'l Order),
    Entry(&'l Entry),
}

impl Sources {
    pub(crate) fn of(metric: Metric, program: &Program) -> Self {
        match metric {
            Metric::AmountSpent | Metric::OrdersPlaced => Self::Orders,
            Metric::PointsEarned if program.earning.is_some() => Self::Both,
            Metric::PointsEarned => Self::Entries,
        }
    }

    /// All sources of a ledger, in the order of their numbers.
    pub(crate) fn all(self, ledger: &Ledger) -> impl Iterator<Item = Source<'_>> {
        let orders = if self == Self::Entries { &[] } else { ledger.orders() };
        let entries = if self == Self::Orders { &[] } else { ledger.entries() };
        let (mut orders, mut entries) = (orders.iter().peekable(), entries.iter().peekable());
        std::iter::from_fn(move || {
            let order = match (orders.peek(), entries.peek()) {
                (Some(order), Some(entry)) if order.at > entry.at => None,
                _ => orders.next(),
            };
            order.map(Source::Order).or_else(|| entries.next().map(Source::Entry))
        })
    }

    /// The number of the order at a position among the orders.
    pub(crate) fn of_order(self, ledger: &Ledger, position: usize, order: &Order) -> usize {
        let before = if self == Self::Both { ledger.entries().partition_point(|entry| entry.at < order.at) } else { 0 };
        position.saturating_add(before)
    }

    /// The number of the entry at a position among the entries.
    pub(crate) fn of_entry(self, ledger: &Ledger, position: usize, entry: &Entry) -> usize {
        let before = if self == Self::Both { ledger.orders().partition_point(|order| order.at <= entry.at) } else { 0 };
        position.saturating_add(before)
    }
}
