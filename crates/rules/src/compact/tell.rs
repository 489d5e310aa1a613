//! What evaluation reads of a packed member: the columns that the program asks for, straight into the tally.

use super::column::{Column, each_row};
use super::{Entries, Orders, amount, flag, kind};
use crate::calendar::Instant;
use crate::credit::{Credits, InCurrency, Priced, Tally};
use crate::program::{Metric, Program};
use crate::quantity::Points;

/// The credits of a packed member.
pub(super) struct Columns<'a> {
    pub(super) orders: Orders<'a>,
    pub(super) entries: Entries<'a>,
}

impl Credits for Columns<'_> {
    fn count(&self, metric: Metric) -> usize {
        match metric {
            Metric::PointsEarned => self.entries.count,
            Metric::AmountSpent | Metric::OrdersPlaced => self.orders.count,
        }
    }

    fn tell(&self, metric: Metric, program: &Program, tally: &mut Tally<'_>) {
        match metric {
            Metric::PointsEarned => self.entries.tell(tally),
            Metric::AmountSpent | Metric::OrdersPlaced => self.orders.tell(program, tally),
        }
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
    fn tell(&self, program: &Program, tally: &mut Tally<'_>) {
        let code = program.currency.code().as_bytes();
        let own = self.currencies.chunks(3).position(|other| other == code);
        let own = own.and_then(|own| i64::try_from(own).ok()).unwrap_or(-1);
        let mut refunded = 0;
        let columns = [&self.at, &self.total, &self.currency, &self.flags, &self.refunds];
        each_row(columns, self.count, |position, [at, total, currency, flags, refunds]| {
            let part = |column: &Column<'_>| amount(column.get(position));
            let total = amount(total);
            let (tax, shipping, discounts) = (|| part(&self.tax), || part(&self.shipping), || part(&self.discounts));
            let priced = Priced {
                at: Instant::from_millis(at),
                total,
                basis: program.spend.basis(total, tax, shipping, discounts),
                currency: if currency == own {
                    InCurrency::Own
                } else {
                    InCurrency::Foreign(self.rate(position, flags))
                },
                test: flags & flag::TEST != 0,
            };
            if refunds == 0 && flags & flag::CANCELLED == 0 {
                tally.credit(source(position), &priced);
                return;
            }
            let refunds = next(&mut refunded, refunds, self.refund_count).map(|refund| {
                (Instant::from_millis(self.refund_at.get(refund)), amount(self.refund_amount.get(refund)))
            });
            tally.order(source(position), &priced, refunds, self.cancelled_at(position, flags));
        });
    }
}

impl Entries<'_> {
    fn tell(&self, tally: &mut Tally<'_>) {
        let mut cancelled = 0;
        let columns = [&self.at, &self.kind, &self.points, &self.cancels];
        each_row(columns, self.count, |position, [at, of, points, cancels]| {
            let cancels = next(&mut cancelled, cancels, self.cancel_count).map(|cancel| {
                (Instant::from_millis(self.cancel_at.get(cancel)), Points::new(self.cancel_points.get(cancel)))
            });
            if let Some(points) = Points::new(points) {
                tally.entry(source(position), kind(of), Instant::from_millis(at), points, cancels);
            }
        });
    }
}
