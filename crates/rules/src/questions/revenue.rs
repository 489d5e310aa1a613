//! The revenue of a member's orders: for insight, not for tiers.

use std::ops::Range;

use crate::calendar::{Instant, Span};
use crate::credit::{GivenBack, NoCredit, Priced, taken_by_refunds};
use crate::ledger::{Ledger, Order};
use crate::program::{Metric, Program};
use crate::quantity::Quantity;
use crate::version::Version;

/// The revenue of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Revenue {
    /// The amount paid minus the amount refunded, in program currency.
    pub net: Quantity,
    /// The number of orders in it.
    pub orders: u64,
    /// The number of orders in another currency without a rate, which are in neither of the above.
    pub left_out: u64,
}

impl Revenue {
    /// Adds the revenue of other orders.
    pub fn add(&mut self, other: Self) {
        self.net += other.net;
        self.orders = self.orders.saturating_add(other.orders);
        self.left_out = self.left_out.saturating_add(other.left_out);
    }
}

/// The 365 local days before the day of an instant, and the part of that day before it.
pub fn trailing_year(version: &Version, as_of: Instant) -> Range<Instant> {
    let zone = &version.program.timezone;
    zone.midnight(Span::YEAR_OF_DAYS.before(zone.day(as_of)))..as_of
}

/// The revenue of the orders paid within a window, as known at its exclusive end. An order counts with its total,
/// whatever the spend settings. The total is converted by the order's own rate, reduced by the refunds up to the end,
/// and rounded as worth is (section 4). Test orders and orders cancelled by then do not count. The program's start
/// makes no difference.
pub fn revenue(program: &Program, ledger: &Ledger, window: Range<Instant>) -> Revenue {
    let orders = ledger.orders();
    let first = orders.partition_point(|order| order.at < window.start);
    let orders = orders.iter().skip(first).take_while(|order| order.at < window.end);
    let mut sum = Revenue::default();
    let last = window.end.plus_millis(-1);
    for order in orders.filter(|order| order.cancelled_for().is_none_or(|cancelled| !cancelled.is_at(last))) {
        sum.add(brought_in(program, order, window.end));
    }
    sum
}

fn brought_in(program: &Program, order: &Order, until: Instant) -> Revenue {
    let total = order.charge.total;
    let priced = Priced { basis: total.ten_thousandths(), ..Priced::of(order, program) };
    let worth = match priced.worth(Metric::AmountSpent, program) {
        Ok(worth) => worth,
        Err(NoCredit::WorthNothing | NoCredit::BelowMinimum) => Quantity::ZERO,
        Err(NoCredit::TestOrder) => return Revenue::default(),
        Err(NoCredit::NoExchangeRate) => return Revenue { left_out: 1, ..Revenue::default() },
    };
    let refunds = order.refunds.iter().filter(|refund| refund.at < until);
    let refunds = refunds.map(|refund| GivenBack { at: refund.at, amount: refund.refunded.amount, counting: None });
    let taken = taken_by_refunds(worth, Metric::AmountSpent, &priced, program, refunds);
    let net = taken.fold(worth, |left, (_, taken)| left - taken);
    Revenue { net, orders: 1, left_out: 0 }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::calendar::Zones;
    use crate::id::MemberId;
    use crate::replay::Replay;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    /// The revenue of Anna's orders within the year before an instant.
    fn brought_in(lines: &[Value], as_of: &str) -> (String, u64, u64) {
        let program = json!({ "start_date": "2026-06-01", "timezone": "America/New_York", "spend": { "include_tax": false },
            "milestone": { "metric": "orders_placed" }, "tiers": [{ "id": "gold", "threshold": 1 }] });
        let mut replay = Replay::start(&program, &Zones::built_in()).unwrap();
        for line in lines {
            replay.line(line, at("2030-01-01T00:00:00Z")).unwrap();
        }
        let version = replay.version_at(at(as_of)).clone();
        let ledger = replay.index().ledger(&MemberId::new("anna").unwrap()).unwrap();
        let Revenue { net, orders, left_out } = revenue(&version.program, ledger, trailing_year(&version, at(as_of)));
        (net.to_string(), orders, left_out)
    }

    fn order(id: &str, total: &str, on: &str, more: Value) -> Value {
        let mut order = json!({ "type": "order.paid", "member_id": "anna", "order_id": id, "total": total, "tax": "1.00",
                                "occurred_at": on });
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        order
    }

    fn refund(order: &str, amount: &str, on: &str) -> Value {
        json!({ "type": "order.refunded", "member_id": "anna", "order_id": order, "refund_id": on, "amount": amount,
                "occurred_at": on })
    }

    #[test]
    fn orders_of_365_local_days_count_with_their_totals_whenever_the_program_starts() {
        let lines = [
            order("1", "10", "2026-01-01T04:59:59.999Z", json!({})),
            order("2", "20.50", "2026-01-01T05:00:00Z", json!({})),
            order("3", "40", "2027-01-01T04:59:59.999Z", json!({})),
            order("4", "80", "2027-01-01T05:00:00Z", json!({})),
        ];
        assert_eq!(brought_in(&lines, "2027-01-01T05:00:00Z"), ("60.5".to_owned(), 2, 0));
        assert_eq!(brought_in(&lines, "2027-01-01T12:00:00Z"), ("140.5".to_owned(), 3, 0));
    }

    #[test]
    fn refunds_known_by_then_are_taken_off_and_cancelled_and_test_orders_do_not_count() {
        let paid = "2026-07-01T12:00:00Z";
        let cancelled = json!({ "type": "order.cancelled", "member_id": "anna", "order_id": "3",
                                "occurred_at": "2026-09-01T12:00:00Z" });
        let lines = [
            order("1", "100", paid, json!({})),
            order("2", "50", paid, json!({})),
            order("3", "25", paid, json!({})),
            order("4", "7", paid, json!({ "test": true })),
            refund("1", "30", "2026-08-01T12:00:00Z"),
            refund("1", "10", "2026-10-01T12:00:00Z"),
            refund("2", "99", "2026-08-01T12:00:00Z"),
            cancelled,
        ];
        assert_eq!(brought_in(&lines, "2026-08-15T00:00:00Z"), ("95".to_owned(), 3, 0));
        assert_eq!(brought_in(&lines, "2026-11-01T00:00:00Z"), ("60".to_owned(), 2, 0));
    }

    #[test]
    fn other_currencies_are_converted_and_left_out_where_there_is_no_rate() {
        let on = "2026-07-01T12:00:00Z";
        let lines = [
            order("1", "100", on, json!({ "currency": "EUR", "exchange_rate": "1.0842" })),
            order("2", "100", on, json!({ "currency": "JPY" })),
            order("3", "0", on, json!({})),
            refund("1", "50", on),
            refund("2", "50", on),
        ];
        assert_eq!(brought_in(&lines, "2026-08-01T00:00:00Z"), ("54.21".to_owned(), 2, 1));
    }
}
