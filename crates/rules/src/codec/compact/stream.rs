//! The movements of a packed member: evaluation reads only the columns that the program needs.

use std::ops::Range;

use super::column::{Block, Column, each_row};
use super::keys::Keys;
use super::{Entries, Extras, Orders, amount, extra, flag, instant, kind};
use crate::calendar::Instant;
use crate::credit::{Credits, GivenBack, InCurrency, MovementSink, MovementStream, Part, Priced, own_worth};
use crate::fact::{RefundParts, Refunded};
use crate::ledger::Cancelled;
use crate::program::{Metric, Program, Spend};
use crate::quantity::{Amount, Points, Quantity};

/// The source by which movements name the order or entry at a position.
fn source(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// The positions of one order's or entry's corrections among all corrections.
fn next(first: &mut usize, count: i64, most: usize) -> Range<usize> {
    let start = *first;
    *first = start.saturating_add(usize::try_from(count).unwrap_or(0)).min(most);
    start..*first
}

impl Credits for Orders<'_> {
    fn count(&self, _: Metric) -> usize {
        self.count + self.refund_count
    }

    fn emit(&self, metric: Metric, program: &Program, stream: &mut MovementStream<'_, Self, impl MovementSink>) {
        let own = self.own(program);
        let mut unusual = Unusual::new([
            Watch { column: &self.currency, bits: !0, usual: own },
            Watch { column: &self.flags, bits: !flag::IMPORTED, usual: 0 },
            Watch { column: &self.refunds, bits: !0, usual: 0 },
        ]);
        // Totals in whole minor units need no rounding.
        let of_totals = metric == Metric::AmountSpent && program.spend.is_total() && !self.extras.has_parts();
        let as_they_are = of_totals && self.total.has_whole_amounts(program.minor_unit);
        let mut block = Block::default();
        let (mut position, mut refunded) = (0, 0);
        while position < self.count {
            if position == unusual.next {
                let refunds = next(&mut refunded, self.refunds.get(position), self.refund_count);
                self.emit_exception(position, own, refunds, program, stream);
                unusual.pass();
                position += 1;
                continue;
            }
            let end = unusual.next.min(self.count);
            let [paid_at, worths] = block.read([&self.at, &self.total], position..end);
            if !as_they_are {
                self.price(position, worths, metric, program);
            }
            stream.plain_orders(source(position), paid_at, worths);
            position += worths.len();
        }
    }

    fn cancel_keys(&self) -> Vec<impl AsRef<str>> {
        Vec::<&str>::new() // only points have them
    }

    fn order_keys(&self, _: &Program) -> Vec<impl AsRef<str>> {
        let keys = Keys::read(self.keys, self.count);
        // Corrupt keys may come in any order.
        keys.map(|keys| (0..self.count).map(|position| keys.get(position)).collect()).unwrap_or_default()
    }
}

/// A column whose values, masked by `bits`, are mostly the same.
struct Watch<'a> {
    column: &'a Column<'a>,
    bits: i64,
    usual: i64,
}

impl Watch<'_> {
    /// The first position from `from` on at which the value is not the usual one.
    fn find(&self, from: usize) -> usize {
        self.column.find_other(from, self.bits, self.usual).unwrap_or(usize::MAX)
    }
}

/// The positions at which any of some columns has an unusual value.
struct Unusual<'a, const N: usize> {
    watched: [Watch<'a>; N],
    found: [usize; N],
    /// The next such position.
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

impl Extras<'_> {
    fn has_parts(&self) -> bool {
        self.present & extra::PARTS != 0
    }

    /// The parts that the refund at a position names.
    pub(super) fn parts_of(&self, refund: usize) -> RefundParts {
        if self.present & extra::REFUND_PARTS == 0 {
            return RefundParts::default();
        }
        let named = self.refund_named.get(refund);
        let [tax, shipping, tips, duties, gift_cards] = &self.refund_parts;
        let part = |place: u8, column: &Column<'_>| (named >> place & 1 == 1).then(|| amount(column.get(refund)));
        RefundParts {
            tax: part(0, tax),
            shipping: part(1, shipping),
            tips: part(2, tips),
            duties: part(3, duties),
            gift_cards: part(4, gift_cards),
        }
    }
}

impl Orders<'_> {
    pub(super) fn first_at(&self) -> Option<Instant> {
        (self.count > 0).then(|| instant(self.at.get(0)))
    }

    /// The position of the program's currency among the currencies in use, or -1 if no order is in it.
    fn own(&self, program: &Program) -> i64 {
        let code = program.currency.code().as_bytes();
        let own = self.currencies.chunks(3).position(|other| other == code);
        own.and_then(|own| i64::try_from(own).ok()).unwrap_or(-1)
    }

    /// Replaces totals of orders in the program's currency, from position `first` on, with their worth.
    fn price(&self, first: usize, totals: &mut [i64], metric: Metric, program: &Program) {
        for (position, total) in (first..).zip(totals) {
            let is_below_minimum = metric == Metric::OrdersPlaced && amount(*total) < program.order_minimum;
            let basis = program.spend.basis(amount(*total), |of| self.part(position, of));
            let worth = own_worth(basis, metric, program).ok().filter(|_| !is_below_minimum);
            *total = worth.unwrap_or(Quantity::ZERO).capped();
        }
    }

    /// Emits an order that is in another currency, was refunded or cancelled, or is a test.
    #[inline(never)] // out of the loop over plain orders
    fn emit_exception(
        &self,
        position: usize,
        own: i64,
        refunds: Range<usize>,
        program: &Program,
        stream: &mut MovementStream<'_, Self, impl MovementSink>,
    ) {
        let (at, total) = (instant(self.at.get(position)), amount(self.total.get(position)));
        let flags = self.flags.get(position);
        let is_own = self.currency.get(position) == own;
        let currency = if is_own { InCurrency::Own } else { InCurrency::Foreign(self.rate(position, flags)) };
        let part = |of| self.part(position, of);
        let (basis, counting) = (program.spend.basis(total, part), program.spend.counting(total, part));
        let priced = Priced { at, total, basis, counting, currency, test: flags & flag::TEST != 0 };
        let restored_by = self.restored_at(position, flags).filter(|_| flags & flag::RESTORE_RULES != 0);
        let cancelled = Cancelled::of(self.cancelled_at(position, flags), restored_by);
        stream.order(source(position), &priced, self.refunds(refunds, program.spend), cancelled);
    }

    /// A part of the order at a position.
    #[inline]
    fn part(&self, position: usize, of: Part) -> Amount {
        let own = |column: &Column<'_>| amount(column.get(position));
        let rare = |column: &Column<'_>| if self.extras.has_parts() { own(column) } else { Amount::ZERO };
        match of {
            Part::Tax => own(&self.tax),
            Part::Shipping => own(&self.shipping),
            Part::Discounts => own(&self.discounts),
            Part::Tips => rare(&self.extras.tips),
            Part::Duties => rare(&self.extras.duties),
            Part::GiftCards => rare(&self.extras.gift_cards),
            Part::PaidWithCredit => rare(&self.extras.paid_with_credit),
        }
    }

    fn refunds(&self, positions: Range<usize>, spend: Spend) -> impl Iterator<Item = GivenBack> {
        positions.map(move |refund| {
            let refunded =
                Refunded { amount: amount(self.refund_amount.get(refund)), parts: self.extras.parts_of(refund) };
            GivenBack::of(instant(self.refund_at.get(refund)), &refunded, spend)
        })
    }
}

impl Credits for Entries<'_> {
    fn count(&self, _: Metric) -> usize {
        self.count + self.cancel_count
    }

    fn emit(&self, _: Metric, _: &Program, stream: &mut MovementStream<'_, Self, impl MovementSink>) {
        let mut cancelled = 0;
        let columns = [&self.at, &self.kind, &self.points, &self.cancels];
        each_row(columns, self.count, |source, [at, of, points, cancels]| {
            let cancels = next(&mut cancelled, cancels, self.cancel_count).map(|cancel| {
                let points = Points::new(self.cancel_points.get(cancel));
                (cancel, instant(self.cancel_at.get(cancel)), points)
            });
            if let Some(points) = Points::new(points) {
                stream.entry(source, kind(of), instant(at), points, cancels);
            }
        });
    }

    fn order_keys(&self, _: &Program) -> Vec<impl AsRef<str>> {
        Vec::<&str>::new() // only orders have them
    }

    fn cancel_keys(&self) -> Vec<impl AsRef<str>> {
        let keys = Keys::read(self.cancel_keys, self.cancel_count);
        // Corrupt keys may come in any order.
        keys.map(|keys| (0..self.cancel_count).map(|position| keys.get(position)).collect()).unwrap_or_default()
    }
}

impl Entries<'_> {
    pub(super) fn first_at(&self) -> Option<Instant> {
        (self.count > 0).then(|| instant(self.at.get(0)))
    }
}
