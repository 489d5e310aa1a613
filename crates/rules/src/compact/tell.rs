//! What evaluation reads of a packed member: the columns that the program asks for, straight into the tally.

use super::column::{Column, each_row};
use super::keys::Keys;
use super::{Entries, Orders, amount, flag, kind};
use crate::calendar::Instant;
use crate::credit::{Credits, InCurrency, Movement, Priced, Tally, own_worth};
use crate::program::{Metric, Program, Spend};
use crate::quantity::{Amount, Points, Quantity};

/// Where in the columns the order or entry lies that movements name as their source.
fn place(source: u32) -> usize {
    usize::try_from(source).unwrap_or(usize::MAX)
}

/// The places of the corrections of one order or entry among all of them.
fn next(first: &mut usize, count: i64, most: usize) -> std::ops::Range<usize> {
    let start = *first;
    *first = start.saturating_add(usize::try_from(count).unwrap_or(0)).min(most);
    start..*first
}

impl Credits for Orders<'_> {
    fn count(&self, _: Metric) -> usize {
        self.count + self.refund_count
    }

    fn tell(&self, metric: Metric, program: &Program, tally: &mut Tally<'_, Self, impl FnMut(Movement)>) {
        let own = self.own(program);
        let of_totals = program.spend.is_total();
        // Totals that come in cents anyway need no rounding.
        let as_they_are =
            metric == Metric::AmountSpent && of_totals && self.total.has_whole_amounts(program.minor_unit);
        let mut unusual = Unusual::new([
            Watch { column: &self.currency, bits: !0, usual: own },
            Watch { column: &self.flags, bits: !flag::IMPORTED, usual: 0 },
            Watch { column: &self.refunds, bits: !0, usual: 0 },
        ]);
        let mut refunded = 0;
        each_row([&self.at, &self.total], self.count, |source, [at, total]| {
            let (position, at) = (place(source), Instant::from_millis(at));
            let is_plain = position != unusual.next;
            if is_plain && as_they_are {
                tally.plain_order(source, at, Quantity::from_ten_thousandths(total)); // as nearly every order
                return;
            }
            let total = amount(total);
            let basis = if of_totals { total.ten_thousandths() } else { self.basis(position, total, program.spend) };
            if is_plain {
                tally.plain_order(source, at, own_worth(basis, metric, program).unwrap_or(Quantity::ZERO));
                return;
            }
            unusual.pass();
            let flags = self.flags.get(position);
            let is_own = self.currency.get(position) == own;
            let currency = if is_own { InCurrency::Own } else { InCurrency::Foreign(self.rate(position, flags)) };
            let priced = Priced { at, total, basis, currency, test: flags & flag::TEST != 0 };
            let refunds = next(&mut refunded, self.refunds.get(position), self.refund_count);
            tally.order(source, &priced, self.refunds(refunds), self.cancelled_at(position, flags));
        });
    }

    fn cancel_keys(&self) -> Vec<impl AsRef<str>> {
        Vec::<&str>::new() // of points only
    }
}

/// A column whose values are mostly the same, as far as some of their bits go.
struct Watch<'a> {
    column: &'a Column<'a>,
    bits: i64,
    usual: i64,
}

impl Watch<'_> {
    /// The first position from one on at which the value is not the usual one.
    fn find(&self, from: usize) -> usize {
        self.column.find(from, |value| value & self.bits != self.usual).unwrap_or(usize::MAX)
    }
}

/// Goes through the positions at which any of some columns has an unusual value.
struct Unusual<'a, const N: usize> {
    watched: [Watch<'a>; N],
    found: [usize; N],
    /// The next of them.
    next: usize,
}

impl<'a, const N: usize> Unusual<'a, N> {
    fn new(watched: [Watch<'a>; N]) -> Self {
        let found = watched.each_ref().map(|watch| watch.find(0));
        Self { watched, found, next: first(&found) }
    }

    fn pass(&mut self) {
        for (watch, found) in self.watched.iter().zip(&mut self.found).filter(|(_, found)| **found == self.next) {
            *found = watch.find(self.next.saturating_add(1));
        }
        self.next = first(&self.found);
    }
}

fn first(positions: &[usize]) -> usize {
    positions.iter().copied().min().unwrap_or(usize::MAX)
}

impl Orders<'_> {
    pub(super) fn first_at(&self) -> Option<Instant> {
        (self.count > 0).then(|| Instant::from_millis(self.at.get(0)))
    }

    /// How the program's own currency is written, unless no order is in it.
    fn own(&self, program: &Program) -> i64 {
        let code = program.currency.code().as_bytes();
        let own = self.currencies.chunks(3).position(|other| other == code);
        own.and_then(|own| i64::try_from(own).ok()).unwrap_or(-1)
    }

    #[inline(never)] // out of the loop, where it is mostly not asked for
    fn basis(&self, position: usize, total: Amount, spend: Spend) -> u64 {
        let part = |column: &Column<'_>| amount(column.get(position));
        spend.basis(total, || part(&self.tax), || part(&self.shipping), || part(&self.discounts))
    }

    fn refunds(&self, positions: std::ops::Range<usize>) -> impl Iterator<Item = (Instant, Amount)> {
        positions
            .map(|refund| (Instant::from_millis(self.refund_at.get(refund)), amount(self.refund_amount.get(refund))))
    }
}

impl Credits for Entries<'_> {
    fn count(&self, _: Metric) -> usize {
        self.count + self.cancel_count
    }

    fn tell(&self, _: Metric, _: &Program, tally: &mut Tally<'_, Self, impl FnMut(Movement)>) {
        let mut cancelled = 0;
        let columns = [&self.at, &self.kind, &self.points, &self.cancels];
        each_row(columns, self.count, |source, [at, of, points, cancels]| {
            let cancels = next(&mut cancelled, cancels, self.cancel_count).map(|cancel| {
                let points = Points::new(self.cancel_points.get(cancel));
                (cancel, Instant::from_millis(self.cancel_at.get(cancel)), points)
            });
            if let Some(points) = Points::new(points) {
                tally.entry(source, kind(of), Instant::from_millis(at), points, cancels);
            }
        });
    }

    fn cancel_keys(&self) -> Vec<impl AsRef<str>> {
        let keys = Keys::read(self.cancel_keys, self.cancel_count);
        // Of keys that were never written so, any order will do.
        keys.map(|keys| (0..self.cancel_count).map(|position| keys.get(position)).collect()).unwrap_or_default()
    }
}

impl Entries<'_> {
    pub(super) fn first_at(&self) -> Option<Instant> {
        (self.count > 0).then(|| Instant::from_millis(self.at.get(0)))
    }
}
