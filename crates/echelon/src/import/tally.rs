//! The orders of an import by what is to be said of them, each once: as its latest version has it.

use std::collections::{HashMap, VecDeque};

use rules::calendar::Instant;
use rules::fact::{Currency, Fact, OrderPaid};
use rules::id::OrderId;
use rules::quantity::Amount;

use super::repeats::{ROWS_REMEMBERED, hash};
use super::sum::OrderSum;

/// What is to be said of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// It names no member.
    NoMember,
    /// It is called paid and is outstanding as a whole.
    NothingPaid,
    /// It is refunded in part, and the row does not number the refund.
    PartlyRefunded,
    /// It is in another currency than the program's, and has no rate.
    OtherCurrency,
    /// It was paid before the program's start.
    BeforeStart,
    /// Its member's number was found in the customers export.
    ByNumber,
    /// Its member is named by an e-mail address.
    ByEmail,
    /// It is a row that names no member, of a file of orders.
    ByNothing,
}

const ALL: [About; 8] = [
    About::NoMember,
    About::NothingPaid,
    About::PartlyRefunded,
    About::OtherCurrency,
    About::BeforeStart,
    About::ByNumber,
    About::ByEmail,
    About::ByNothing,
];

/// A version of an order, as far as it is counted.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    revision: Instant,
    occurred_at: Instant,
    /// When it was paid, and the version that says so: of several the latest one rules (section 4 of the semantics).
    paid_at: Option<(Instant, Instant)>,
    total: Amount,
    currency: Currency,
    is_test: bool,
    /// A bit for each of [`About`].
    about: u8,
}

impl Version {
    /// The version that a fact tells.
    pub fn of(fact: &Fact, paid: &OrderPaid) -> Self {
        Self {
            revision: fact.revision,
            occurred_at: fact.occurred_at,
            paid_at: paid.paid_at.map(|at| (fact.revision, at)),
            total: paid.charge.total,
            currency: paid.charge.currency,
            is_test: paid.charge.test,
            about: 0,
        }
    }

    /// Notes what is to be said of it, or that it is not.
    pub fn set(&mut self, about: About, is_so: bool) {
        let bit = 1 << (about as u8);
        self.about = if is_so { self.about | bit } else { self.about & !bit };
    }

    /// The instant whose day the order counts for.
    pub fn counts_at(&self) -> Instant {
        self.paid_at.map_or(self.occurred_at, |(_, at)| at)
    }

    /// Whether the order was only a test.
    pub fn is_test(&self) -> bool {
        self.is_test
    }

    fn is(&self, about: About) -> bool {
        self.about & (1 << (about as u8)) != 0
    }
}

/// The orders counted so far. Versions of an order replace each other as long as no more than 200,000 orders lie
/// between them, some 30 MB; further apart both are counted, as the rows are both written.
#[derive(Debug, Default)]
pub struct Tally {
    sums: [OrderSum; ALL.len()],
    known: HashMap<u64, Version>,
    order: VecDeque<u64>,
}

impl Tally {
    /// Counts a version of an order in place of the one before, or leaves that one if it is later. `settle` completes what is
    /// to be said of the one that stays, once it is known when the order was paid.
    pub fn count(&mut self, order: &OrderId, version: Version, settle: impl FnOnce(&mut Version)) {
        let id = hash(order.as_str());
        let former = self.known.get(&id).copied();
        let mut latest = former.filter(|former| former.revision > version.revision).unwrap_or(version);
        latest.paid_at = former.and_then(|former| former.paid_at).max(version.paid_at);
        settle(&mut latest);
        for (about, sum) in ALL.into_iter().zip(&mut self.sums) {
            if let Some(former) = former.filter(|former| former.is(about)) {
                sum.remove(former.total, former.currency);
            }
            if latest.is(about) {
                sum.add(latest.total, latest.currency);
            }
        }
        if self.known.insert(id, latest).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > ROWS_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// The orders of which this is to be said.
    pub fn sum(&self, about: About) -> OrderSum {
        ALL.into_iter().zip(&self.sums).find(|(one, _)| *one == about).map(|(_, sum)| sum.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use rules::fact::{Charge, FactBody};

    use super::*;

    fn version(revision: i64, total: &str, paid_at: Option<i64>) -> Version {
        let charge = Charge::of(Amount::parse(total).unwrap(), Currency::from_code("EUR").unwrap());
        let paid = OrderPaid { paid_at: paid_at.map(Instant::from_millis), charge };
        let body = FactBody::OrderPaid(OrderId::new("1").unwrap(), paid.clone());
        let fact = Fact { revision: Instant::from_millis(revision), ..Fact::new(Instant::from_millis(5), None, body) };
        Version::of(&fact, &paid)
    }

    #[test]
    fn an_order_is_counted_once_as_its_latest_version_has_it_and_on_the_day_that_any_of_them_says() {
        let mut tally = Tally::default();
        let order = OrderId::new("1").unwrap();
        let mut count = |mut version: Version, about: About| {
            version.set(about, true);
            tally.count(&order, version, |latest| {
                let is_early = latest.counts_at() < Instant::from_millis(10);
                latest.set(About::BeforeStart, is_early);
            });
            [About::ByEmail, About::ByNumber, About::BeforeStart].map(|about| tally.sum(about).to_string())
        };
        assert_eq!(
            count(version(100, "520", None), About::ByEmail),
            ["1 order over 520.00 EUR", NONE, "1 order over 520.00 EUR"]
        );
        assert_eq!(
            count(version(200, "430", None), About::ByNumber),
            [NONE, "1 order over 430.00 EUR", "1 order over 430.00 EUR"]
        );
        assert_eq!(
            count(version(150, "9", Some(20)), About::ByEmail),
            [NONE, "1 order over 430.00 EUR", NONE],
            "an earlier version"
        );
    }

    const NONE: &str = "0 orders over ";
}
