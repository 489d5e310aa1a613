//! What evaluation reads of a packed member: the columns that the program asks for, straight into the tally.

use super::column::{Column, each_row};
use super::keys::Keys;
use super::{CompactError, Entries, Orders, amount, flag, kind};
use crate::calendar::Instant;
use crate::credit::{Credits, InCurrency, Priced, Tally, own_worth};
use crate::program::{Metric, Program, Spend};
use crate::quantity::{Amount, Points, Quantity};

/// The credits of a packed member, as far as they are needed.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub(super) orders: Orders<'a>,
    pub(super) entries: Entries<'a>,
}

impl Credits for Columns<'_> {
    fn count(&self, metric: Metric) -> usize {
        match metric {
            Metric::PointsEarned => self.entries.count + self.entries.cancel_count,
            Metric::AmountSpent | Metric::OrdersPlaced => self.orders.count + self.orders.refund_count,
        }
    }

    fn tell(&self, metric: Metric, program: &Program, tally: &mut Tally<'_>) {
        match metric {
            Metric::PointsEarned => self.entries.tell(tally),
            Metric::AmountSpent | Metric::OrdersPlaced => self.orders.tell(metric, program, tally),
        }
    }

    fn cancel_keys(&self) -> Vec<impl AsRef<str>> {
        self.entries.cancel_keys().unwrap_or_default() // of keys that were never written so, any order will do
    }
}

fn source(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// The places of the corrections of one order or entry among all of them.
fn next(first: &mut usize, count: i64, most: usize) -> std::ops::Range<usize> {
    let start = *first;
    *first = start.saturating_add(usize::try_from(count).unwrap_or(0)).min(most);
    start..*first
}

impl Orders<'_> {
    fn tell(&self, metric: Metric, program: &Program, tally: &mut Tally<'_>) {
        let own = self.own(program);
        let of_totals = program.spend.is_total();
        // Totals that come in cents anyway need no rounding.
        let as_they_are = metric == Metric::AmountSpent && of_totals && self.total.is_whole_in(program.minor_unit);
        let mut refunded = 0;
        let columns = [&self.at, &self.total, &self.currency, &self.flags, &self.refunds];
        each_row(columns, self.count, |position, [at, total, currency, flags, refunds]| {
            let (source, at, total) = (source(position), Instant::from_millis(at), amount(total));
            let plain = currency == own && flags & !flag::IMPORTED == 0 && refunds == 0;
            if plain && as_they_are {
                tally.plain_order(source, at, total.into()); // as nearly every order
                return;
            }
            let basis = if of_totals { total.ten_thousandths() } else { self.basis(position, total, program.spend) };
            if plain {
                tally.plain_order(source, at, own_worth(basis, metric, program).unwrap_or(Quantity::ZERO));
                return;
            }
            let currency =
                if currency == own { InCurrency::Own } else { InCurrency::Foreign(self.rate(position, flags)) };
            let priced = Priced { at, total, basis, currency, test: flags & flag::TEST != 0 };
            let refunds = next(&mut refunded, refunds, self.refund_count);
            tally.order(source, &priced, self.refunds(refunds), self.cancelled_at(position, flags));
        });
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

impl Entries<'_> {
    fn cancel_keys(&self) -> Result<Vec<String>, CompactError> {
        let keys = Keys::read(self.cancel_keys, self.cancel_count)?;
        Ok((0..self.cancel_count).map(|position| keys.get(position)).collect())
    }

    fn tell(&self, tally: &mut Tally<'_>) {
        let mut cancelled = 0;
        let columns = [&self.at, &self.kind, &self.points, &self.cancels];
        each_row(columns, self.count, |position, [at, of, points, cancels]| {
            let cancels = next(&mut cancelled, cancels, self.cancel_count).map(|cancel| {
                let points = Points::new(self.cancel_points.get(cancel));
                (cancel, Instant::from_millis(self.cancel_at.get(cancel)), points)
            });
            if let Some(points) = Points::new(points) {
                tally.entry(source(position), kind(of), Instant::from_millis(at), points, cancels);
            }
        });
    }
}
