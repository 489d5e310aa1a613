//! The payments of an order, as a GraphQL query lists them: when it was paid in full for the first time, and how much of it
//! with gift cards or store credit.

use rules::calendar::Instant;
use serde::Deserialize;

use super::json::{Nested, Scalar};
use super::reason::Result;
use super::value::{self, Money, MoneySet, Signed};

/// A transaction of an order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
pub(super) struct Transaction<'a> {
    pub(super) kind: Scalar<'a>,
    pub(super) status: Scalar<'a>,
    pub(super) gateway: Scalar<'a>,
    pub(super) processed_at: Scalar<'a>,
    pub(super) amount_set: Nested<MoneySet<'a>>,
}

const AMOUNT: &str = "$.transactions[].amountSet";

impl Transaction<'_> {
    /// Whether money came in with it: a sale, or the capture of what was authorized before.
    fn is_payment(&self) -> bool {
        matches!(self.kind.text(), Some("SALE" | "CAPTURE")) && self.status.text() == Some("SUCCESS")
    }

    /// Whether it gives money back.
    pub(super) fn is_refund(&self) -> bool {
        self.kind.text() == Some("REFUND")
    }

    /// Whether it has not ended yet.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.status.text(), Some("PENDING" | "AWAITING_RESPONSE"))
    }

    /// Whether it failed for good.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.status.text(), Some("FAILURE" | "ERROR"))
    }
}

/// Whether money that comes through a gateway of this name was paid in before, for a gift card or as store credit.
pub(super) fn is_credit(gateway: &str) -> bool {
    matches!(gateway, "gift_card" | "shopify_store_credit" | "store_credit")
}

/// The sum of the payments with gift cards or store credit.
pub(super) fn with_credit(transactions: &[&Transaction<'_>]) -> Result<Signed> {
    let mut sum = 0;
    for transaction in transactions.iter().filter(|it| it.is_payment()) {
        if transaction.gateway.text().is_some_and(is_credit) {
            sum += Money::of_set(&transaction.amount_set, AMOUNT)?.positive(None)?.unwrap_or(0);
        }
    }
    Ok(sum)
}

/// The instant at which the payments reached the price for the first time, or the last of them if they never did, as in an
/// order that an edit made cheaper before it was paid. None if none is listed.
///
/// `price` is that of the order as it was placed: what an edit adds later is paid later, and does not move the order.
pub(super) fn first_in_full(transactions: &[&Transaction<'_>], price: Signed) -> Result<Option<Instant>> {
    let mut payments = Vec::new();
    for transaction in transactions.iter().filter(|it| it.is_payment()) {
        let at = value::needed_instant(&transaction.processed_at, "$.transactions[].processedAt")?;
        let amount = Money::of_set(&transaction.amount_set, AMOUNT)?.positive(None)?;
        payments.push((at, amount.ok_or_else(|| super::DocumentError::missing(AMOUNT))?));
    }
    payments.sort_unstable();
    let mut received = 0;
    for (at, amount) in &payments {
        received += amount;
        if received >= price {
            return Ok(Some(*at));
        }
    }
    Ok(payments.last().map(|(at, _)| *at))
}
