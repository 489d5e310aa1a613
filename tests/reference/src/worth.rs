//! Section 4: the worth of facts, as movements.

use super::fact::{names_a_part, place_of_kind};
use super::ledger::{Correction, Entry, Ledger, Order, Place};
use super::program::{GiftCards, Metric, Program, amount};
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
            Metric::Points => {
                self.entries.iter().for_each(|entry| points(program, entry, &mut all));
                self.orders.iter().for_each(|order| earn(program, order, &mut all));
            }
            Metric::Tags => {}
        }
        // "zero movements and facts dated before the effective start count nothing"
        all.retain(|movement| !movement.amount.is_zero() && movement.day >= program.effective_start);
        // "with `enrolled_only` neither do facts dated before the instant of enrolment", or of members who have not enrolled
        if program.enrolled_only {
            let enrolled_at = self.enrolled_at().unwrap_or(Instant::MAX);
            all.retain(|movement| movement.origin.0 >= enrolled_at);
        }
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
    steps(program, &order.place, credits(program, order), all);
}

/// `points_earned`: "With `earning`, an order has besides `points × ⌊credit / amount⌋`, where `credit` is what
/// `amount_spent` would count of it, and moves by the difference whenever that changes".
fn earn(program: &Program, order: &Order, all: &mut Vec<Movement>) {
    let Some(earning) = program.earning else {
        return;
    };
    let amount = in_units(earning.amount, 4);
    let full = |credit: Decimal| earning.points * Decimal::from(in_units(credit, 4) / amount);
    let worths = credits(program, order).into_iter().map(|(place, credit)| (place, full(credit)));
    steps(program, &order.place, worths.collect(), all);
}

/// The credit of an order from each of its facts on; none if it counts nothing.
fn credits(program: &Program, order: &Order) -> Vec<(Place, Decimal)> {
    let body = &order.paid.body;
    // "Test orders … count nothing."
    if body["test"] == true {
        return Vec::new();
    }
    let Some(basis) = basis(program, body) else {
        return Vec::new();
    };
    let mut worths = vec![(order.place.clone(), basis)];
    for (place, refunds, cancelled) in corrections(order) {
        worths.push((place, if cancelled { Decimal::ZERO } else { left(program, body, basis, &refunds) }));
    }
    worths
}

/// Each refund, the cancellation and the restoration in order: its place, the refunds by then, and whether the order is
/// cancelled from there on.
fn corrections(order: &Order) -> Vec<(Place, Vec<&Value>, bool)> {
    let all = order.refunds.iter().chain(&order.cancelled).chain(&order.restored);
    let mut places: Vec<&Place> = all.map(|correction| &correction.place).collect();
    places.sort();
    let state = |place: &Place| {
        let refunds = order.refunds.iter().filter(|refund| refund.place <= *place);
        (place.clone(), refunds.map(|refund| &refund.fact.body).collect(), is_cancelled(order, place))
    };
    places.into_iter().map(state).collect()
}

/// "of the cancellation and the restoration that have happened the later by its own `occurred_at` rules, the
/// cancellation if they are equal"
fn is_cancelled(order: &Order, place: &Place) -> bool {
    let happened = |one: &Option<Correction>| one.as_ref().filter(|one| one.place <= *place).map(|one| one.fact.at);
    match (happened(&order.cancelled), happened(&order.restored)) {
        (Some(cancelled), Some(restored)) => cancelled >= restored,
        (cancelled, _) => cancelled.is_some(),
    }
}

/// "`basis` = `total`, minus each of `tax`, `shipping`, `tips`, `duties` that is not included, minus `gift_cards` with
/// `when_spent`, minus `paid_with_credit` with `when_bought`, plus `discounts` if `before_discounts`; never below 0;
/// converted, then rounded half-even to the currency's minor unit."
fn basis(program: &Program, body: &Value) -> Option<Decimal> {
    let part = |name: &str| amount(&body[name]).unwrap_or_default();
    let mut basis = part("total") - not_included(program, body);
    if program.gift_cards == GiftCards::WhenBought {
        basis -= part("paid_with_credit");
    }
    if program.before_discounts {
        basis += part("discounts");
    }
    basis = basis.max(Decimal::ZERO);
    let rate = rate(program, body)?;
    let minor = minor_digits(program);
    let rounded = half_even(in_units(basis, 4), in_units(rate, 10), 10_i128.pow(14 - minor));
    Some(Decimal::from_i128_with_scale(rounded, minor).normalize())
}

/// "An order in another currency than the program's needs `exchange_rate` (program currency per unit)".
fn rate(program: &Program, body: &Value) -> Option<Decimal> {
    let foreign = body["currency"].as_str().is_some_and(|code| code != program.currency);
    if foreign { amount(&body["exchange_rate"]) } else { Some(Decimal::ONE) }
}

/// The parts of an order or a refund that are not included, added up.
fn not_included(program: &Program, body: &Value) -> Decimal {
    let parts = [
        ("tax", program.include_tax),
        ("shipping", program.include_shipping),
        ("tips", program.include_tips),
        ("duties", program.include_duties),
        ("gift_cards", program.gift_cards != GiftCards::WhenSpent),
    ];
    let left_out = parts.iter().filter(|(_, included)| !included);
    left_out.map(|(name, _)| amount(&body[name]).unwrap_or_default()).sum()
}

/// "the order's credit is always `basis − round(basis × shares)`"
fn left(program: &Program, order: &Value, basis: Decimal, refunds: &[&Value]) -> Decimal {
    let minor = minor_digits(program);
    let (share, of) = shares(program, order, refunds);
    let part = half_even(in_units(basis, minor), share, of);
    basis - Decimal::from_i128_with_scale(part, minor).normalize()
}

/// The shares of the order that its refunds give back, added up, as a fraction: dividend and divisor.
fn shares(program: &Program, order: &Value, refunds: &[&Value]) -> (i128, i128) {
    const NOTHING: (i128, i128) = (0, 1);
    const WHOLE: (i128, i128) = (1, 1);
    let units = |amount: Decimal| in_units(amount, 4);
    let amount_of = |refund: &Value| units(amount(&refund["amount"]).unwrap());
    let total = units(amount(&order["total"]).unwrap());
    // "`total` = 0 leaves `basis`"
    if total == 0 {
        return NOTHING;
    }
    // "`total − the order's parts that are not included`"
    let counting = total - units(not_included(program, order));
    let mut amounts = 0;
    // All shares have one of two divisors: `total`, or what of the order counts.
    let (mut of_total, mut of_counting) = (0, 0);
    for refund in refunds {
        amounts += amount_of(refund);
        if names_a_part(refund) && counting > 0 {
            // "what of it counts through what of the order counts: `(amount − its parts that are not included) / (total
            // − the order's parts that are not included)`, never below 0"
            of_counting += (amount_of(refund) - units(not_included(program, refund))).max(0);
        } else {
            // "where it names no part, `amount / total`", "and `amount / total` if that divisor is not above 0"
            of_total += amount_of(refund);
        }
    }
    // "to exactly 1 once the amounts reach `total`"
    if amounts >= total {
        return WHOLE;
    }
    if of_counting == 0 {
        return (of_total, total);
    }
    // "Shares add up, to at most 1". The products stay below i128's end: all amounts together are below `total` < 10^16.
    let divisor = total * counting;
    ((of_total * counting + of_counting * total).min(divisor), divisor)
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

/// Multiplies with a fraction exactly, and rounds once, to the nearest whole number, ties to even. No number is negative.
/// The product may be beyond i128, so the number is taken bit by bit.
fn half_even(number: i128, dividend: i128, divisor: i128) -> i128 {
    // At each bit, `whole + rest / divisor` is the fraction times the bits so far.
    let (mut whole, mut rest) = (0, 0);
    for bit in (0..127).rev() {
        let added = if number >> bit & 1 == 1 { dividend } else { 0 };
        let sum = 2 * rest + added;
        (whole, rest) = (2 * whole + sum / divisor, sum % divisor);
    }
    match (rest * 2).cmp(&divisor) {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Equal => whole + whole % 2,
        std::cmp::Ordering::Greater => whole + 1,
    }
}

/// "an order whose converted grand total is below it is no order (`below_minimum`); one without a rate meets no minimum
/// above 0"
fn meets_minimum(program: &Program, body: &Value) -> bool {
    let total = in_units(amount(&body["total"]).unwrap(), 4);
    let minimum = in_units(program.min_total, 4);
    // Exactly: what is converted is rounded only where it becomes credit.
    let converted = rate(program, body).map(|rate| total * in_units(rate, 10));
    minimum == 0 || converted.is_some_and(|converted| converted >= minimum * 10_i128.pow(10))
}

/// `orders_placed`: "`+1` per paid order of at least `orders.min_total`; `−1` (dated the order's day) when cancelled or refunded in full; a partial
/// refund changes nothing."
fn count(program: &Program, order: &Order, all: &mut Vec<Movement>) {
    let body = &order.paid.body;
    if body["test"] == true || !meets_minimum(program, body) {
        return;
    }
    let total = amount(&body["total"]).unwrap();
    let mut worths = vec![(order.place.clone(), Decimal::ONE)];
    for (place, refunds, cancelled) in corrections(order) {
        let refunded: Decimal = refunds.iter().filter_map(|refund| amount(&refund["amount"])).sum();
        // "(an order with `total` 0 is never refunded in full: only a cancellation takes it away)"
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ties_go_to_the_even_number_and_products_may_be_as_large_as_amounts_allow() {
        let halves = [(1, 0), (3, 2), (5, 2), (7, 4)];
        for (number, rounded) in halves {
            assert_eq!(half_even(number, 1, 2), rounded, "{number} halves");
        }
        assert_eq!(half_even(10, 1, 3), 3);
        assert_eq!(half_even(10, 2, 3), 7);
        let large = 2 * 10_i128.pow(25);
        let divisor = 10_i128.pow(32) - 1;
        assert_eq!(half_even(large, divisor, divisor), large);
        assert_eq!(half_even(large, 1, divisor), 0);
        assert_eq!(half_even(large, 10_i128.pow(31), 10_i128.pow(32)), large / 10);
    }

    #[test]
    fn shares_of_both_kinds_add_up_exactly_and_never_to_more_than_the_whole() {
        let program = json!({ "start_date": "2023-01-01", "tiers": [], "spend": { "include_shipping": false } });
        let program = Program::read(&program, None, &[]).unwrap();
        let order = json!({ "total": "90", "shipping": "20" });
        let share = |refunds: &[Value]| {
            let (dividend, divisor) = shares(&program, &order, &refunds.iter().collect::<Vec<_>>());
            half_even(63_000, dividend, divisor)
        };
        let (plain, goods) = (json!({ "amount": "10" }), json!({ "amount": "10", "shipping": "0" }));
        assert_eq!(share(&[]), 0);
        assert_eq!(share(std::slice::from_ref(&plain)), 7_000); // a ninth
        assert_eq!(share(std::slice::from_ref(&goods)), 9_000); // a seventh
        assert_eq!(share(&[plain, goods]), 16_000);
        assert_eq!(share(&[json!({ "amount": "20", "shipping": "20" })]), 0);
        assert_eq!(share(&[json!({ "amount": "20", "shipping": "20" }), json!({ "amount": "70" })]), 63_000);
        assert_eq!(share(&[json!({ "amount": "75", "shipping": "0" })]), 63_000);
    }
}
