//! A ledger as the source of credits.

use super::sources::{Source, Sources};
use super::{Credits, GivenBack, MovementSink, MovementStream, Priced};
use crate::ledger::{Entry, Ledger, Order};
use crate::program::{Metric, Program};

impl Credits for Ledger {
    fn count(&self, metric: Metric) -> usize {
        match metric {
            Metric::PointsEarned => self.entries.len(),
            Metric::AmountSpent | Metric::OrdersPlaced => self.orders.len(),
        }
    }

    fn emit(&self, metric: Metric, program: &Program, stream: &mut MovementStream<'_, Self, impl MovementSink>) {
        let mut first_cancel = 0;
        for (source, of) in (0..).zip(Sources::of(metric, program).all(self)) {
            match of {
                Source::Order(order) => emit_order(source, order, program, stream),
                Source::Entry(entry) => {
                    emit_entry(source, entry, first_cancel, stream);
                    first_cancel += entry.cancels.len();
                }
            }
        }
    }

    fn order_keys(&self, program: &Program) -> Vec<impl AsRef<str>> {
        // Orders count beside entries only where they earn points; entries are never restored.
        let key = |source| match source {
            Source::Order(order) => order.id.as_str(),
            Source::Entry(_) => "",
        };
        let metric = program.counted().map_or(Metric::AmountSpent, |counted| counted.metric);
        Sources::of(metric, program).all(self).map(key).collect::<Vec<_>>()
    }

    fn cancel_keys(&self) -> Vec<impl AsRef<str>> {
        self.entries.iter().flat_map(|entry| &entry.cancels).map(|cancel| cancel.id.as_str()).collect()
    }
}

fn emit_order(
    source: u32,
    order: &Order,
    program: &Program,
    stream: &mut MovementStream<'_, Ledger, impl MovementSink>,
) {
    let refunds = order.refunds.iter().map(|refund| GivenBack::of(refund.at, &refund.refunded, program.spend));
    stream.order(source, &Priced::of(order, program), refunds, order.cancelled_for());
}

fn emit_entry(
    source: u32,
    entry: &Entry,
    first_cancel: usize,
    stream: &mut MovementStream<'_, Ledger, impl MovementSink>,
) {
    let cancels = (first_cancel..).zip(&entry.cancels).map(|(place, cancel)| (place, cancel.at, cancel.points));
    stream.entry(source, entry.kind, entry.at, entry.points, cancels);
}
