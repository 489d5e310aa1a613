//! Section 4: whose facts are whose, and what they are worth: the movements.

use super::fact::{Fact, Shop, place_of_kind};
use super::program::{Metric, Program, amount, tag};
use super::time::{Instant, day, instant};
use chrono::NaiveDate;
use iso_currency::Currency;
use rust_decimal::Decimal;
use serde_json::Value;

/// "movements are ordered by instant, then kind as listed in section 4, then key"; a midnight comes before all
/// movements of its instant (kind 0).
pub type Place = (Instant, u8, String);

/// An order with what happened to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    place: Place,
    paid: Fact,
    /// Instants at which they act, ids, amounts; in that order.
    refunds: Vec<(Instant, String, Decimal)>,
    cancelled: Option<Instant>,
}

/// A points entry with its cancellations.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    place: Place,
    fact: Fact,
    /// Instants at which they act, ids, points (none: all that is left); in that order.
    cancels: Vec<(Instant, String, Option<Decimal>)>,
}

/// `tier.assigned`, `tier.unassigned`, or a hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// Newer is greater.
    pub place: Place,
    /// Whether it is an unassignment.
    pub ends_older: bool,
    /// The tier assigned.
    pub tier: Option<String>,
    /// `lock`, not `floor`.
    pub lock: bool,
    /// "until `until`, if given".
    pub until: Option<Instant>,
    /// Of a hold: the `since` of the stretch that it continues.
    pub held_since: Option<Instant>,
}

/// What the shop knows of one member.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    orders: Vec<Order>,
    entries: Vec<Entry>,
    /// "while it waits, such a fact is with the member it names"
    waiting: Vec<Fact>,
    tags: Vec<Fact>,
    enrolled: Option<Fact>,
    birthday_set: Option<Fact>,
    /// In no particular order.
    pub assignments: Vec<Assignment>,
}

/// "Every fact yields credit *movements* `(instant, dated, amount)`".
#[derive(Debug, Clone, PartialEq)]
pub struct Movement {
    /// Instant, kind, key.
    pub place: Place,
    /// The place of the order or entry that it belongs to (its own, if it is that).
    pub origin: Place,
    /// "dated": the local day it counts on.
    pub day: NaiveDate,
    /// What it adds.
    pub amount: Decimal,
}

impl Movement {
    /// Its instant.
    pub fn at(&self) -> Instant {
        self.place.0
    }
}

impl Ledger {
    /// Everything that is `member`'s.
    pub fn of(shop: &Shop, member: &str) -> Ledger {
        let mut ledger = Ledger::default();
        // "Everything about the member is deleted"
        if shop.is_erased(member) {
            return ledger;
        }
        let is_mine = |fact: &Fact| fact.member.as_deref() == Some(member);
        // "the latest revision says whose an order or entry is"
        for paid in shop.of_kind("order.paid").filter(|fact| is_mine(fact)) {
            ledger.orders.push(order(shop, paid));
        }
        for kind in ["points.earned", "points.adjusted", "points.imported"] {
            for fact in shop.of_kind(kind).filter(|fact| is_mine(fact)) {
                ledger.entries.push(entry(shop, fact));
            }
        }
        // "once the order or entry is known, that one's member rules"
        for kind in ["order.refunded", "order.cancelled", "points.canceled"] {
            for fact in shop.of_kind(kind).filter(|fact| is_mine(fact)) {
                let known = match kind {
                    "points.canceled" => shop.fact(&["entry", text(fact, "entry_id")]),
                    _ => shop.fact(&["order", text(fact, "order_id")]),
                };
                if known.is_none() {
                    ledger.waiting.push(fact.clone());
                }
            }
        }
        for kind in ["customer.tags_set", "customer.tags_changed"] {
            ledger
                .tags
                .extend(shop.of_kind(kind).filter(|fact| is_mine(fact)).cloned());
        }
        ledger.enrolled = shop.fact(&["enrolled", member]).cloned();
        ledger.birthday_set = shop.fact(&["birthday", member]).cloned();
        for kind in ["tier.assigned", "tier.unassigned"] {
            for fact in shop.of_kind(kind).filter(|fact| is_mine(fact)) {
                ledger.assignments.push(Assignment {
                    place: place(fact, "assignment_id"),
                    ends_older: kind == "tier.unassigned",
                    tier: fact.body["tier"].as_str().map(str::to_owned),
                    lock: fact.body["mode"] == "lock",
                    until: fact.body["until"].as_str().and_then(instant),
                    held_since: None,
                });
            }
        }
        ledger
    }

    /// The ledger as if only facts with an instant before `end` had happened.
    pub fn before(&self, end: Instant) -> Ledger {
        let mut seen = self.clone();
        seen.orders.retain(|order| order.place.0 < end);
        for order in &mut seen.orders {
            order.refunds.retain(|refund| refund.0 < end);
            order.cancelled = order.cancelled.filter(|&at| at < end);
        }
        seen.entries.retain(|entry| entry.place.0 < end);
        for entry in &mut seen.entries {
            entry.cancels.retain(|cancel| cancel.0 < end);
        }
        seen.waiting.retain(|fact| fact.at < end);
        seen.tags.retain(|fact| fact.at < end);
        seen.enrolled = seen.enrolled.filter(|fact| fact.at < end);
        seen.birthday_set = seen.birthday_set.filter(|fact| fact.at < end);
        seen.assignments
            .retain(|assignment| assignment.place.0 < end);
        seen
    }

    /// The instants of all facts; "(`birthday_set`) starts no timeline" and is not among them.
    pub fn instants(&self) -> Vec<Instant> {
        let mut all = Vec::new();
        for order in &self.orders {
            all.push(order.place.0);
            all.extend(order.refunds.iter().map(|refund| refund.0));
            all.extend(order.cancelled);
        }
        for entry in &self.entries {
            all.push(entry.place.0);
            all.extend(entry.cancels.iter().map(|cancel| cancel.0));
        }
        all.extend(self.waiting.iter().map(|fact| fact.at));
        all.extend(self.tags.iter().map(|fact| fact.at));
        all.extend(self.enrolled.iter().map(|fact| fact.at));
        all.extend(self.assignments.iter().map(|assignment| assignment.place.0));
        all
    }

    /// "A member's timeline starts at its first fact".
    pub fn first(&self) -> Option<Instant> {
        self.instants().into_iter().min()
    }

    /// `MM-DD`, as known at `at`: a `birthday_set` rules over the enrolment.
    pub fn birthday(&self, at: Instant) -> Option<String> {
        let seen = self.before(at + 1);
        let ruling = seen.birthday_set.or(seen.enrolled)?;
        ruling.body["birthday"].as_str().map(str::to_owned)
    }

    /// "The current set at `t` is the latest `tags_set` with `occurred_at` ≤ `t`, then the later changes up to `t`
    /// in order of instant (at one instant: set, then all removed, then all added)".
    pub fn tags_at(&self, t: Instant) -> Vec<String> {
        let list = |fact: &Fact, name: &str| -> Vec<String> {
            let list = fact.body[name].as_array().cloned().unwrap_or_default();
            list.iter().filter_map(Value::as_str).map(tag).collect()
        };
        let seen: Vec<&Fact> = self.tags.iter().filter(|fact| fact.at <= t).collect();
        let sets = seen.iter().filter(|fact| fact.kind == "customer.tags_set");
        let latest = sets.max_by_key(|fact| fact.at);
        let mut current = latest.map_or_else(Vec::new, |set| list(set, "tags"));
        let from = latest.map_or(Instant::MIN, |set| set.at);
        let changes: Vec<&&Fact> = seen
            .iter()
            .filter(|fact| fact.kind == "customer.tags_changed" && fact.at >= from)
            .collect();
        let mut instants: Vec<Instant> = changes.iter().map(|fact| fact.at).collect();
        instants.sort_unstable();
        instants.dedup();
        for at in instants {
            for change in changes.iter().filter(|fact| fact.at == at) {
                let removed = list(change, "removed");
                current.retain(|tag| !removed.contains(tag));
            }
            for change in changes.iter().filter(|fact| fact.at == at) {
                current.extend(list(change, "added"));
            }
        }
        current
    }

    /// All movements under a program, in order.
    pub fn movements(&self, program: &Program) -> Vec<Movement> {
        let mut all = Vec::new();
        match program.metric {
            Metric::Spent => self
                .orders
                .iter()
                .for_each(|order| spend(program, order, &mut all)),
            Metric::Orders => self
                .orders
                .iter()
                .for_each(|order| count(program, order, &mut all)),
            Metric::Points => self
                .entries
                .iter()
                .for_each(|entry| points(program, entry, &mut all)),
            Metric::Tags => {}
        }
        // "zero movements and facts dated before the effective start count nothing"
        all.retain(|movement| {
            !movement.amount.is_zero() && movement.day >= program.effective_start
        });
        all.sort_by(|a, b| a.place.cmp(&b.place));
        all
    }
}

fn text<'a>(fact: &'a Fact, name: &str) -> &'a str {
    fact.body[name].as_str().unwrap()
}

fn place(fact: &Fact, id: &str) -> Place {
    (
        fact.at,
        place_of_kind(&fact.kind),
        text(fact, id).to_owned(),
    )
}

fn order(shop: &Shop, paid: &Fact) -> Order {
    let order_id = text(paid, "order_id");
    // "it waits, and acts at the later of its own and its order's instant"
    let mut refunds: Vec<_> = shop
        .of_kind("order.refunded")
        .filter(|refund| text(refund, "order_id") == order_id)
        .map(|refund| {
            let amount = amount(&refund.body["amount"]).unwrap();
            (
                refund.at.max(paid.at),
                text(refund, "refund_id").to_owned(),
                amount,
            )
        })
        .collect();
    refunds.sort();
    let cancelled = shop.fact(&["cancelled", order_id]);
    Order {
        place: place(paid, "order_id"),
        refunds,
        cancelled: cancelled.map(|fact| fact.at.max(paid.at)),
        paid: paid.clone(),
    }
}

fn entry(shop: &Shop, fact: &Fact) -> Entry {
    let entry_id = text(fact, "entry_id");
    // "(`points.canceled` likewise)"
    let mut cancels: Vec<_> = shop
        .of_kind("points.canceled")
        .filter(|cancel| text(cancel, "entry_id") == entry_id)
        .map(|cancel| {
            let id = text(cancel, "cancel_id").to_owned();
            (cancel.at.max(fact.at), id, amount(&cancel.body["points"]))
        })
        .collect();
    cancels.sort();
    Entry {
        place: place(fact, "entry_id"),
        cancels,
        fact: fact.clone(),
    }
}

/// A movement for each step of what an order or entry is worth: (place, worth from there on).
fn steps(
    program: &Program,
    origin: &Place,
    worths: Vec<(Place, Decimal)>,
    all: &mut Vec<Movement>,
) {
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
        worths.push((
            place,
            if cancelled {
                Decimal::ZERO
            } else {
                left(program, basis, refunded, total)
            },
        ));
    }
    steps(program, &order.place, worths, all);
}

/// Each refund and the cancellation in order: its place, what is refunded by then, whether the order is cancelled.
fn corrections(order: &Order) -> Vec<(Place, Decimal, bool)> {
    let mut list: Vec<(Place, Decimal, bool)> = order
        .refunds
        .iter()
        .map(|(at, id, amount)| {
            (
                (*at, place_of_kind("order.refunded"), id.clone()),
                *amount,
                false,
            )
        })
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
    let foreign = body["currency"]
        .as_str()
        .is_some_and(|code| code != program.currency);
    let rate = if foreign {
        amount(&body["exchange_rate"])?
    } else {
        Decimal::ONE
    };
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
    currency
        .and_then(|currency| currency.exponent())
        .unwrap_or(0)
        .into()
}

/// An amount as a whole number of units of 10^-digits (it has no more digits than that).
fn in_units(amount: Decimal, digits: u32) -> i128 {
    let amount = amount.normalize();
    assert!(
        amount.scale() <= digits,
        "more digits than allowed in `{amount}`"
    );
    amount.mantissa() * 10_i128.pow(digits - amount.scale())
}

/// Divides once, exactly, and rounds to the nearest whole number, ties to the even one. Neither is negative.
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
        worths.push((
            place,
            if cancelled || in_full {
                Decimal::ZERO
            } else {
                Decimal::ONE
            },
        ));
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
        left -= if left.is_sign_negative() {
            -taken
        } else {
            taken
        };
        worths.push(((*at, place_of_kind("points.canceled"), id.clone()), left));
    }
    steps(program, &entry.place, worths, all);
}
