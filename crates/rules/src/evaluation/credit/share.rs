//! The share of an order that its refunds give back (section 4).

use super::Priced;
use crate::calendar::Instant;
use crate::fact::Refunded;
use crate::program::{Metric, Program, Spend};
use crate::quantity::{Amount, Quantity, Share};

/// A refund: numbers only, so the compact form can provide them without text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GivenBack {
    pub at: Instant,
    pub amount: Amount,
    /// What of the amount counts as spend, in ten-thousandths, where the refund names its parts.
    pub counting: Option<u64>,
}

impl GivenBack {
    pub(crate) fn of(at: Instant, refunded: &Refunded, spend: Spend) -> Self {
        let Refunded { amount, parts } = *refunded;
        let left_out = || spend.left_out(|part| parts.get(part).unwrap_or(Amount::ZERO));
        let counting = parts.is_named().then(|| amount.ten_thousandths().saturating_sub(left_out()));
        Self { at, amount, counting }
    }
}

/// The refunds of an order so far, added up.
#[derive(Debug, Clone, Copy, Default)]
struct Refunds {
    /// All amounts, at most the order's total.
    amount: u64,
    /// The amounts of refunds that name no parts: a share of the total.
    unnamed: u64,
    /// What counts of the others: a share of what counts of the order.
    named: u64,
}

impl Refunds {
    fn add(&mut self, refund: &GivenBack, order: &Priced) {
        let amount = refund.amount.ten_thousandths();
        self.amount = self.amount.saturating_add(amount).min(order.total.ten_thousandths());
        match refund.counting.filter(|_| order.counting > 0) {
            Some(counting) => self.named = self.named.saturating_add(counting),
            None => self.unnamed = self.unnamed.saturating_add(amount),
        }
    }

    /// The rest of the order's worth.
    fn left(&self, worth: Quantity, metric: Metric, order: &Priced, program: &Program) -> Quantity {
        let total = order.total.ten_thousandths();
        if self.amount == 0 {
            worth // an order with a total of 0 keeps its worth (section 4)
        } else if self.amount == total {
            Quantity::ZERO
        } else if metric == Metric::OrdersPlaced {
            worth // a partial refund changes nothing (seed 003)
        } else {
            let shares = [Share { part: self.unnamed, of: total }, Share { part: self.named, of: order.counting }];
            worth - program.minor_unit.shares(worth, shares)
        }
    }
}

/// The part of an order's worth that each refund takes. Refunds accumulate, and a full one leaves exactly nothing.
pub(crate) fn taken_by_refunds(
    worth: Quantity,
    metric: Metric,
    order: &Priced,
    program: &Program,
    refunds: impl Iterator<Item = GivenBack>,
) -> impl Iterator<Item = (Instant, Quantity)> {
    refunds.scan((Refunds::default(), worth), move |(refunded, left), refund| {
        refunded.add(&refund, order);
        let rest = refunded.left(worth, metric, order, program);
        let taken = *left - rest;
        *left = rest;
        Some((refund.at, taken))
    })
}
