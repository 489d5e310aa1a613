//! Section 4: the worth of facts, as movements.

use super::fact::place_of_kind;
use super::ledger::{Entry, Ledger, Order, Place};
use super::program::{Metric, Program, amount};
use super::time::{Instant, day};
use chrono::NaiveDate;
use iso_currency::Currency;
use rust_decimal::Decimal;
use serde_json::Value;

/// "Every fact yields credit *movements* `(instant, dated, amount)`".
#[derive(Debug, Clone, PartialEq)]
pub struct Movement {
    /// The instant, kind and key.
    pub place: Place,
    /// The place of the order or entry that it belongs to; its own, if it is the order's or entry's own movement.
    pub origin: Place,
    /// "dated": the local day it counts on.
    pub day: NaiveDate,
    /// The amount that it adds, negative if it takes back.
    pub amount: Decimal,
}

impl Movement {
    /// Its instant.
    pub fn at(&self) -> Instant {
        self.place.0
    }
}

impl Ledger {
    /// All movements under a program, in order.
    pub fn movements(&self, program: &Program) -> Vec<Movement> {
        let mut all = Vec::new();
        match program.metric {
            Metric::Spent => self.orders.iter().for_each(|order| spend(program, order, &mut all)),
            Metric::Orders => self.orders.iter().for_each(|order| count(program, order, &mut all)),
            Metric::Points => self.entries.iter().for_each(|entry| points(program, entry, &mut all)),
            Metric::Tags => {}
        }
        // "zero movements and facts dated before the effective start count nothing"
        all.retain(|movement| !movement.amount.is_zero() && movement.day >= program.effective_start);
        all.sort_by(|a, b| a.place.cmp(&b.place));
        all
    }
}

/// Adds a movement for each step in the worth of an order or entry: (place, worth from there on).
fn steps(program: &Program, origin: &Place, worths: Vec<(Place, Decimal)>, all: &mut Vec<Movement>) {
    let mut worth = Decimal::ZERO;
    for (place, next) in worths {
        all.push(Movement {
            place,
            origin: origin.clone(),
            // "dated that day", "**dated the order's day**", "dated the entry's day"
            day: day(program.timezone, origin.0),
            amount: next - worth,
        });
        worth = next;
    }
}

/// `amount_spent`
fn spend(program: &Program, order: &Order, all: &mut Vec<Movement>) {
    let body = &order.paid.body;
    // "Test orders … count nothing."
    if body["test"] == true {
        return;
    }
    let Some(basis) = basis(program, body) else {
        return;
    };
    let total = amount(&body["total"]).unwrap();
    let mut worths = vec![(order.place.clone(), basis)];
    for (place, refunded, cancelled) in corrections(order) {
        worths.push((place, if cancelled { Decimal::ZERO } else { left(program, basis, refunded, total) }));
    }
    steps(program, &order.place, worths, all);
}

/// Each refund and the cancellation in order: its place, the amount refunded by then, and whether the order is cancelled.
fn corrections(order: &Order) -> Vec<(Place, Decimal, bool)> {
    let mut list: Vec<(Place, Decimal, bool)> = order
        .refunds
        .iter()
        .map(|(at, id, amount)| ((*at, place_of_kind("order.refunded"), id.clone()), *amount, false))
        .collect();
    if let Some(at) = order.cancelled {
        let place = (at, place_of_kind("order.cancelled"), order.place.2.clone());
        list.push((place, Decimal::ZERO, true));
    }
    list.sort();
    // "refunds accumulate", "a cancelled order is worth 0"
    let (mut refunded, mut cancelled) = (Decimal::ZERO, false);
    for (_, amount, is_cancellation) in &mut list {
        refunded += *amount;
        cancelled |= *is_cancellation;
        (*amount, *is_cancellation) = (refunded, cancelled);
    }
    list
}

/// "`basis` = `total`, minus `tax` unless `include_tax`, minus `shipping` unless `include_shipping`, plus
/// `discounts` if `before_discounts`; never below 0; converted, then rounded half-even to the currency's minor unit."
fn basis(program: &Program, body: &Value) -> Option<Decimal> {
    let part = |name: &str| amount(&body[name]).unwrap_or_default();
    let mut basis = part("total");
    if !program.include_tax {
        basis -= part("tax");
    }
    if !program.include_shipping {
        basis -= part("shipping");
    }
    if program.before_discounts {
        basis += part("discounts");
    }
    basis = basis.max(Decimal::ZERO);
    // "An order in another currency than the program's needs `exchange_rate` (program currency per unit)"
    let foreign = body["currency"].as_str().is_some_and(|code| code != program.currency);
    let rate = if foreign { amount(&body["exchange_rate"])? } else { Decimal::ONE };
    let exact = in_units(basis, 4) * in_units(rate, 10);
    let minor = minor_digits(program);
    let rounded = half_even(exact, 10_i128.pow(14 - minor));
    Some(Decimal::from_i128_with_scale(rounded, minor).normalize())
}

/// "the order's credit is always `basis − round(basis × min(refunded, total) / total)`; so a full refund leaves
/// exactly 0, and `total` = 0 leaves `basis`"
fn left(program: &Program, basis: Decimal, refunded: Decimal, total: Decimal) -> Decimal {
    if total.is_zero() {
        return basis;
    }
    let minor = minor_digits(program);
    let exact = in_units(basis, minor) * in_units(refunded.min(total), 4);
    let part = half_even(exact, in_units(total, 4));
    basis - Decimal::from_i128_with_scale(part, minor).normalize()
}

fn minor_digits(program: &Program) -> u32 {
    let currency = Currency::from_code(&program.currency);
    currency.and_then(|currency| currency.exponent()).unwrap_or(0).into()
}

/// An amount as a whole number of 10^-digits; it must not have more digits.
fn in_units(amount: Decimal, digits: u32) -> i128 {
    let amount = amount.normalize();
    assert!(amount.scale() <= digits, "more digits than allowed in `{amount}`");
    amount.mantissa() * 10_i128.pow(digits - amount.scale())
}

/// Divides once, exactly, and rounds to the nearest whole number, ties to even. Neither number is negative.
fn half_even(dividend: i128, divisor: i128) -> i128 {
    let (whole, rest) = (dividend / divisor, dividend % divisor);
    match (rest * 2).cmp(&divisor) {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Equal => whole + whole % 2,
        std::cmp::Ordering::Greater => whole + 1,
    }
}

/// `orders_placed`: "`+1` per paid order; `−1` (dated the order's day) when cancelled or refunded in full; a partial
/// refund changes nothing."
fn count(program: &Program, order: &Order, all: &mut Vec<Movement>) {
    let body = &order.paid.body;
    if body["test"] == true {
        return;
    }
    let total = amount(&body["total"]).unwrap();
    let mut worths = vec![(order.place.clone(), Decimal::ONE)];
    for (place, refunded, cancelled) in corrections(order) {
        let in_full = !total.is_zero() && refunded >= total;
        worths.push((place, if cancelled || in_full { Decimal::ZERO } else { Decimal::ONE }));
    }
    steps(program, &order.place, worths, all);
}

/// `points_earned`: "a cancellation moves `−points` at its instant, dated the entry's day, never more than is left (of
/// a negative entry: toward zero)".
fn points(program: &Program, entry: &Entry, all: &mut Vec<Movement>) {
    let mut left = amount(&entry.fact.body["points"]).unwrap();
    let mut worths = vec![(entry.place.clone(), left)];
    for (at, id, points) in &entry.cancels {
        // "(default: all that is left)"
        let taken = points.unwrap_or(left.abs()).min(left.abs());
        left -= if left.is_sign_negative() { -taken } else { taken };
        worths.push(((*at, place_of_kind("points.canceled"), id.clone()), left));
    }
    steps(program, &entry.place, worths, all);
}
