//! The facts that lie before a program's start and count for nothing: how many, and how much money. For the publisher,
//! not for tiers.

use std::collections::BTreeMap;

use crate::fact::{Charge, Currency};
use crate::ledger::{Ledger, Order};
use crate::program::{Counted, Metric, Milestone};
use crate::quantity::Quantity;
use crate::version::Version;

/// Facts that count for nothing: before a program's start, or for another reason.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct UncountedSum {
    /// The number of orders, or of entries of points where the program counts points.
    pub facts: u64,
    /// What was paid for these orders and not given back, by the code of its currency.
    pub money: BTreeMap<String, Quantity>,
}

impl UncountedSum {
    /// A member's facts before the effective start of a version, of the kind that it counts. Test orders and cancelled
    /// orders would count for nothing anyway; under a program of tags the start has no effect.
    pub fn of(ledger: &Ledger, version: &Version) -> Self {
        let mut found = Self::default();
        let start = version.program.timezone.midnight(version.effective_start);
        match &version.program.milestone {
            Milestone::Counted(Counted { metric: Metric::PointsEarned, .. }) => {
                let entries = ledger.entries().iter().filter(|entry| entry.at < start).count();
                found.facts = u64::try_from(entries).unwrap_or(u64::MAX);
            }
            Milestone::Counted(Counted { metric: Metric::AmountSpent | Metric::OrdersPlaced, .. }) => {
                let orders = ledger.orders().iter().filter(|order| order.at < start);
                let stands = |order: &&Order| order.cancelled_for().is_none_or(|cancelled| cancelled.until.is_some());
                orders.filter(stands).for_each(|order| found.add_order(order));
            }
            Milestone::Tags(_) => {}
        }
        found
    }

    fn add_order(&mut self, order: &Order) {
        let left = order.refunds.iter().fold(order.charge.total, |left, refund| left.minus(refund.refunded.amount));
        self.add_charge(&Charge { total: left, ..order.charge });
    }

    /// Adds an order with what was charged for it, unless it is a test.
    pub fn add_charge(&mut self, charge: &Charge) {
        if charge.test {
            return;
        }
        self.facts = self.facts.saturating_add(1);
        *self.money.entry(charge.currency.code().to_owned()).or_default() += Quantity::from(charge.total);
    }

    /// Adds the facts of others.
    pub fn add(&mut self, other: Self) {
        let Self { facts, money } = other;
        self.facts = self.facts.saturating_add(facts);
        for (currency, amount) in money {
            *self.money.entry(currency).or_default() += amount;
        }
    }

    /// The facts in words, such as `2 facts (900.00 EUR)`.
    pub fn in_words(&self) -> String {
        let facts = if self.facts == 1 { "1 fact".to_owned() } else { format!("{} facts", self.facts) };
        let decimals = |code: &str| Currency::from_code(code).and_then(Currency::decimals).unwrap_or_default();
        let amount = |(code, sum): (&String, &Quantity)| format!("{} {code}", sum.with_decimals(decimals(code)));
        let money: Vec<String> = self.money.iter().map(amount).collect();
        if money.is_empty() { facts } else { format!("{facts} ({})", money.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::calendar::{Instant, Zones};
    use crate::id::MemberId;
    use crate::replay::Replay;

    #[test]
    fn what_lies_before_the_start_is_counted_without_tests_and_cancelled_orders_and_less_what_was_given_back() {
        let program = json!({ "start_date": "2026-01-01", "currency": "EUR", "milestone": { "metric": "amount_spent" },
                              "tiers": [{ "id": "gold", "threshold": 500 }] });
        let order = |id: &str, at: &str, total: &str, currency: &str, test: bool| {
            json!({ "type": "order.paid", "member_id": "anna", "order_id": id, "occurred_at": at, "total": total,
                    "currency": currency, "test": test })
        };
        let events: Vec<Value> = vec![
            order("1", "2025-11-05T10:00:00Z", "900.00", "EUR", false),
            order("2", "2025-11-06T10:00:00Z", "50", "USD", false),
            order("3", "2025-11-07T10:00:00Z", "70", "EUR", true),
            order("4", "2025-11-08T10:00:00Z", "80", "EUR", false),
            order("5", "2026-02-01T10:00:00Z", "100", "EUR", false),
            json!({ "type": "order.cancelled", "order_id": "4", "occurred_at": "2025-11-09T10:00:00Z" }),
            json!({ "type": "order.refunded", "order_id": "1", "refund_id": "r", "amount": "100.50",
                    "occurred_at": "2026-02-02T10:00:00Z" }),
        ];
        let zones = Zones::built_in();
        let mut replay = Replay::start(&program, &zones).unwrap();
        let now = Instant::parse("2026-03-01T00:00:00Z").unwrap();
        for event in &events {
            replay.line(event, now).unwrap();
        }
        let ledger = replay.index().ledger(&MemberId::new("anna").unwrap()).unwrap();
        let found = UncountedSum::of(ledger, replay.versions().last());
        assert_eq!(found.in_words(), "2 facts (799.50 EUR, 50.00 USD)");
    }
}
