//! The worth of facts: each yields movements of credit, or a reason why it yields none (section 4).

mod of_ledger;
mod ranks;
mod share;
mod sink;
mod sources;
mod spend;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use ranks::ranks;
pub(crate) use share::{GivenBack, taken_by_refunds};
pub(crate) use sink::{MovementSink, SumWindow};
pub(crate) use sources::Sources;
pub(crate) use spend::Part;

use crate::calendar::{Instant, TWO_DAYS};
use crate::fact::EntryKind;
use crate::ledger::{Cancelled, Order};
use crate::program::{Counted, Metric, Program};
use crate::quantity::{Amount, Points, Quantity, Rate};
use crate::version::Version;

/// Credit that comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Movement {
    /// The instant at which it acts.
    pub at: Instant,
    /// The kind, which orders movements of one instant as section 4 lists them.
    pub kind: MovementKind,
    /// The position in the ledger of the order or entry that it belongs to.
    pub source: u32,
    /// The instant whose local day it counts for: that of the order or entry, for a refund too. The day is not stored,
    /// because most evaluations do not need it.
    pub dated: Instant,
    /// The amount, negative if credit is taken back.
    pub amount: Quantity,
}

/// The kinds of movements, in the order of section 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MovementKind {
    OrderPaid,
    OrderRefunded,
    OrderCancelled,
    OrderRestored,
    Points(EntryKind),
    PointsCanceled,
}

impl MovementKind {
    /// Whether it takes back the credit of an earlier movement (of a negative entry or a restored order, gives it back).
    #[inline]
    pub(crate) fn is_correction(self) -> bool {
        match self {
            Self::OrderPaid | Self::Points(_) => false,
            Self::OrderRefunded | Self::OrderCancelled | Self::OrderRestored | Self::PointsCanceled => true,
        }
    }
}

/// The reasons why a fact yields no credit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoCredit {
    /// The order is a test.
    TestOrder,
    /// The order is in a foreign currency, without a rate.
    NoExchangeRate,
    /// The order's total is below the minimum of an order.
    BelowMinimum,
    /// The fact is worth nothing under the spend settings, or nothing was left to take.
    WorthNothing,
}

/// The instant from which facts count, besides the program's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CountsFrom {
    /// The program's start alone.
    Start,
    /// The member's enrolment; without one nothing counts.
    Enrolment(Option<Instant>),
}

impl CountsFrom {
    /// That of a member under a program, given the enrolment as far as it is known.
    pub(crate) fn of(program: &Program, enrolled_at: Option<Instant>) -> Self {
        if program.eligibility.enrolled_only { Self::Enrolment(enrolled_at) } else { Self::Start }
    }
}

/// The parts of an order that decide its worth: numbers only, so the compact form can provide them without text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Priced {
    pub at: Instant,
    pub total: Amount,
    /// The part of the total that is spend, in ten-thousandths of the order's currency.
    pub basis: u64,
    /// The part of the total that counts, in ten-thousandths of the order's currency.
    pub counting: u64,
    pub currency: InCurrency,
    pub test: bool,
}

/// Whether an order is in the program's own currency.
#[derive(Debug, Clone, Copy)]
pub(crate) enum InCurrency {
    Own,
    Foreign(Option<Rate>),
}

impl Priced {
    pub(crate) fn of(order: &Order, program: &Program) -> Self {
        let charge = &order.charge;
        Self {
            at: order.at,
            total: charge.total,
            basis: program.spend.basis(charge.total, |part| charge.get(part)),
            counting: program.spend.counting(charge.total, |part| charge.get(part)),
            currency: if charge.currency == program.currency {
                InCurrency::Own
            } else {
                InCurrency::Foreign(charge.exchange_rate)
            },
            test: charge.test,
        }
    }

    /// The worth of the order before refunds and cancellation.
    pub(crate) fn worth(&self, metric: Metric, program: &Program) -> Result<Quantity, NoCredit> {
        if self.test {
            return Err(NoCredit::TestOrder);
        }
        match (metric, self.currency) {
            (Metric::OrdersPlaced, _) if !self.is_an_order(program.order_minimum) => Err(NoCredit::BelowMinimum),
            (_, InCurrency::Own) | (Metric::OrdersPlaced, _) => own_worth(self.basis, metric, program),
            (Metric::AmountSpent | Metric::PointsEarned, InCurrency::Foreign(Some(rate))) => {
                something(rate.convert(self.basis, program.minor_unit))
            }
            (Metric::AmountSpent | Metric::PointsEarned, InCurrency::Foreign(None)) => Err(NoCredit::NoExchangeRate),
        }
    }

    /// Whether the converted grand total reaches a minimum. Without a rate it reaches none above 0.
    fn is_an_order(&self, minimum: Amount) -> bool {
        match self.currency {
            InCurrency::Own => self.total >= minimum,
            InCurrency::Foreign(Some(rate)) => rate.converts_to_at_least(self.total, minimum),
            InCurrency::Foreign(None) => minimum == Amount::ZERO,
        }
    }
}

/// The worth of an order in the program's currency, whose total reaches the minimum: for points, the spend that earns them.
#[inline]
pub(crate) fn own_worth(basis: u64, metric: Metric, program: &Program) -> Result<Quantity, NoCredit> {
    match metric {
        Metric::AmountSpent | Metric::PointsEarned => something(program.minor_unit.round(basis)),
        Metric::OrdersPlaced => Ok(Quantity::ONE),
    }
}

impl Program {
    /// What an order moves, given what is left of its worth: the points that it earns, where points count.
    #[inline]
    pub(crate) fn moves(&self, metric: Metric, left: Quantity) -> Quantity {
        match (metric, self.earning) {
            (Metric::AmountSpent | Metric::OrdersPlaced, _) => left,
            (Metric::PointsEarned, Some(earning)) => left.per_full(earning.amount, earning.points),
            (Metric::PointsEarned, None) => Quantity::ZERO,
        }
    }
}

#[inline]
fn something(worth: Quantity) -> Result<Quantity, NoCredit> {
    if worth.is_zero() { Err(NoCredit::WorthNothing) } else { Ok(worth) }
}

/// Passes on the movements of a member's facts that have happened by an instant, in the order of section 5. Orders and
/// entries are emitted in that order; corrections are held back until they are due.
pub(crate) struct MovementStream<'v, C, T> {
    credits: &'v C,
    version: &'v Version,
    metric: Metric,
    until: Instant,
    /// Nothing before this instant counts.
    from: Instant,
    /// The days around the start, where an instant's own day has to be looked up.
    about_start: Range<Instant>,
    sink: &'v mut T,
    /// The first of the pending corrections, and mostly the only one.
    pending: Option<Correction>,
    later: BinaryHeap<Reverse<Correction>>,
    /// The instant at which the first pending correction acts.
    due: Instant,
    /// The number of corrections emitted.
    told: usize,
    /// The ranks of all orders and of all cancellations of points by key, once they are needed.
    order_ranks: Option<Vec<usize>>,
    cancel_ranks: Option<Vec<usize>>,
}

/// A movement that corrects an earlier one. Corrections are ordered by instant, kind and place, so those of one order
/// or entry stay in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Correction {
    at: Instant,
    kind: MovementKind,
    /// The place among the corrections emitted.
    place: usize,
    source: u32,
    dated: Instant,
    amount: Quantity,
    /// The place among all the member's cancellations of points, by which the key is found; 0 for orders.
    cancel: usize,
}

impl<'v, C: Credits, T: MovementSink> MovementStream<'v, C, T> {
    fn new(
        credits: &'v C,
        version: &'v Version,
        counted: &Counted,
        (from, until): (CountsFrom, Instant),
        sink: &'v mut T,
    ) -> Self {
        let start = version.starts_at;
        let (from, until) = match from {
            CountsFrom::Start => (Instant::FIRST, until),
            CountsFrom::Enrolment(Some(enrolled_at)) => (enrolled_at, until),
            CountsFrom::Enrolment(None) => (Instant::FIRST, Instant::FIRST),
        };
        Self {
            credits,
            version,
            metric: counted.metric,
            until,
            from,
            about_start: start.plus_millis(-TWO_DAYS)..start.plus_millis(TWO_DAYS).max(from),
            sink,
            pending: None,
            later: BinaryHeap::new(),
            due: Instant::LAST,
            told: 0,
            order_ranks: None,
            cancel_ranks: None,
        }
    }

    /// Takes the movements of orders without refunds or cancellation, from the source `first` on: the instants of
    /// payment in milliseconds, and the worths in ten-thousandths.
    #[inline(never)] // a tight loop of its own
    pub(crate) fn plain_orders(&mut self, first: u32, paid_at: &[i64], worths: &[i64]) {
        let instants = paid_at.iter().copied().map(Instant::from_millis);
        let mut orders = (first..).zip(instants.zip(worths.iter().copied()));
        loop {
            let crossing = match self.sum_only() {
                Some(mut window) => {
                    let crossing = orders.find(|(_, (at, worth))| !window.try_add(*at, *worth));
                    self.sink.add(window.sum());
                    crossing
                }
                None => orders.next(),
            };
            let Some((source, (at, worth))) = crossing else { break };
            self.plain_order(source, at, Quantity::from_ten_thousandths(worth));
        }
    }

    /// The window in which credits are only added up: until the next correction nothing else happens.
    #[inline]
    fn sum_only(&self) -> Option<SumWindow> {
        let end = self.until.min(self.due).plus_millis(1);
        self.sink.sum_only().map(|window| window.within(self.about_start.end..end))
    }

    #[inline]
    fn plain_order(&mut self, source: u32, at: Instant, worth: Quantity) {
        if !worth.is_zero() {
            self.place(source, MovementKind::OrderPaid, at, worth);
        }
    }

    /// Takes the movements of an order: its worth on its day, then the amounts that each refund and the cancellation take back.
    /// A restoration gives back what is left of the order then; refunds in the meantime take nothing by themselves.
    #[inline(never)] // out of loops over plain orders
    pub(crate) fn order(
        &mut self,
        source: u32,
        order: &Priced,
        refunds: impl Iterator<Item = GivenBack>,
        cancelled: Option<Cancelled>,
    ) {
        let (metric, program) = (self.metric, &self.version.program);
        let Ok(worth) = order.worth(metric, program) else { return };
        let moves = |left| program.moves(metric, left);
        let whole = moves(worth);
        if whole.is_zero() || !self.place(source, MovementKind::OrderPaid, order.at, whole) {
            return;
        }
        let (dated, until) = (order.at, self.until);
        let cancelled = cancelled.filter(|cancelled| cancelled.from <= until);
        let refunds = refunds.filter(|refund| refund.at <= until);
        let (mut left, mut when_cancelled, mut when_restored) = (worth, whole, whole);
        for (at, taken) in taken_by_refunds(worth, metric, order, program, refunds) {
            let before = moves(left);
            left = left - taken;
            let after = moves(left);
            // A refund comes before the cancellation or restoration of its instant (section 4).
            if cancelled.is_none_or(|cancelled| at <= cancelled.from) {
                when_cancelled = after;
            }
            if cancelled.and_then(|cancelled| cancelled.until).is_none_or(|until| at <= until) {
                when_restored = after;
            }
            if !cancelled.is_some_and(|cancelled| cancelled.absorbs(at)) {
                let amount = after - before;
                self.correct(Movement { at, kind: MovementKind::OrderRefunded, source, dated, amount }, 0);
            }
        }
        let Some(Cancelled { from: at, until: restored_at }) = cancelled else { return };
        self.correct(Movement { at, kind: MovementKind::OrderCancelled, source, dated, amount: -when_cancelled }, 0);
        if let Some(at) = restored_at.filter(|at| *at <= until) {
            self.correct(Movement { at, kind: MovementKind::OrderRestored, source, dated, amount: when_restored }, 0);
        }
    }

    /// Places a credit on its day, if it has happened and does not lie before the start.
    #[inline(always)] // into loops over all orders
    fn place(&mut self, source: u32, kind: MovementKind, at: Instant, amount: Quantity) -> bool {
        let counts = at <= self.until && (at >= self.about_start.end || self.has_started(at));
        if counts {
            if self.due <= at {
                // Of the same instant only those of orders, before an entry (section 4).
                self.hand_over(|correction| (correction.at, correction.kind) < (at, kind));
            }
            self.sink.accept(Movement { at, kind, source, dated: at, amount });
        }
        counts
    }

    #[inline(never)] // out of loops over all orders
    fn has_started(&self, at: Instant) -> bool {
        at >= self.about_start.start
            && at >= self.from
            && self.version.program.timezone.day(at) >= self.version.effective_start
    }

    /// Takes the movements of an entry: its points on its day, then the points that each cancellation takes back,
    /// toward zero. Each cancellation comes with its place among all of the member's.
    #[inline]
    pub(crate) fn entry(
        &mut self,
        source: u32,
        kind: EntryKind,
        at: Instant,
        points: Points,
        cancels: impl Iterator<Item = (usize, Instant, Option<Points>)>,
    ) {
        let amount = Quantity::whole(points.get());
        if !self.place(source, MovementKind::Points(kind), at, amount) {
            return;
        }
        let dated = at;
        let mut left = points.get();
        let until = self.until;
        for (cancel, at, points) in cancels.filter(|(_, at, _)| *at <= until) {
            let taken = taken_back(left, points);
            let (kind, amount) = (MovementKind::PointsCanceled, Quantity::whole(-taken));
            self.correct(Movement { at, kind, source, dated, amount }, cancel);
            left -= taken;
        }
    }

    fn correct(&mut self, movement: Movement, cancel: usize) {
        let Movement { at, kind, source, dated, amount } = movement;
        if amount.is_zero() {
            return;
        }
        let new = Correction { at, kind, place: self.told, source, dated, amount, cancel };
        self.told += 1;
        self.due = self.due.min(at);
        match &mut self.pending {
            None => self.pending = Some(new),
            Some(first) => {
                let later = if new < *first { std::mem::replace(first, new) } else { new };
                self.later.push(Reverse(later));
            }
        }
    }

    /// Passes on the pending corrections that are due. They come after the orders or entries of their instant.
    #[inline(never)] // out of loops over all orders
    fn hand_over(&mut self, is_due: impl Fn(&Correction) -> bool) {
        while let Some(first) = self.next(&is_due) {
            if matches!(first.kind, MovementKind::PointsCanceled | MovementKind::OrderRestored) {
                self.hand_over_by_key(first);
            } else {
                self.sink.accept(first.movement());
            }
        }
        self.due = self.pending.map_or(Instant::LAST, |next| next.at);
    }

    /// Passes on the cancellations of points at one instant, ordered by key. Keys are read only if there are several
    /// sources, and once. The order matters because a cancellation gives points back to a negative entry. Refunds only
    /// take credit, which never brings a tier, so their order does not matter.
    fn hand_over_by_key(&mut self, first: Correction) {
        let mut tied = vec![first];
        while let Some(next) = self.next(|next| (next.at, next.kind) == (first.at, first.kind)) {
            tied.push(next);
        }
        if tied.iter().any(|other| other.source != first.source) {
            let credits = self.credits;
            if first.kind == MovementKind::OrderRestored {
                let program = &self.version.program;
                let ranks = self.order_ranks.get_or_insert_with(|| ranks(&credits.order_keys(program)));
                let place = |correction: &Correction| usize::try_from(correction.source).unwrap_or(usize::MAX);
                tied.sort_by_key(|correction| ranks.get(place(correction)));
            } else {
                let ranks = self.cancel_ranks.get_or_insert_with(|| ranks(&credits.cancel_keys()));
                tied.sort_by_key(|correction| ranks.get(correction.cancel));
            }
        }
        for correction in tied {
            self.sink.accept(correction.movement());
        }
    }

    /// Takes out the first of the pending corrections, if it is wanted.
    fn next(&mut self, is_wanted: impl Fn(&Correction) -> bool) -> Option<Correction> {
        let first = self.pending.take_if(|first| is_wanted(first))?;
        self.pending = self.later.pop().map(|Reverse(next)| next);
        Some(first)
    }
}

impl Correction {
    fn movement(self) -> Movement {
        let Self { at, kind, source, dated, amount, .. } = self;
        Movement { at, kind, source, dated, amount }
    }
}

/// The points that a cancellation takes of the `left` points of an entry: never more than are left; of a negative
/// entry, toward zero.
pub(crate) fn taken_back(left: i64, points: Option<Points>) -> i64 {
    match points {
        Some(points) if left < 0 => -points.get().abs().min(-left),
        Some(points) => points.get().abs().min(left),
        None => left,
    }
}

/// The source of a member's credits: the ledger, or its compact form.
pub(crate) trait Credits: Sized {
    /// The most movements there may be.
    fn count(&self, metric: Metric) -> usize;
    /// Emits every order or entry, in the order of the timeline.
    fn emit(&self, metric: Metric, program: &Program, stream: &mut MovementStream<'_, Self, impl MovementSink>);
    /// The keys of all cancellations of points, entry by entry.
    fn cancel_keys(&self) -> Vec<impl AsRef<str>>;
    /// The keys of all orders, each in the place of its source.
    fn order_keys(&self, program: &Program) -> Vec<impl AsRef<str>>;
}

/// Passes on the movements of a member from an instant on, up to an instant, in order.
#[inline]
pub(crate) fn each_movement<C: Credits>(
    credits: &C,
    version: &Version,
    counted: &Counted,
    within: (CountsFrom, Instant),
    sink: &mut impl MovementSink,
) {
    let mut stream = MovementStream::new(credits, version, counted, within, sink);
    credits.emit(counted.metric, &version.program, &mut stream);
    stream.hand_over(|_| true);
}

/// The movements of a member from an instant on, up to an instant, in order.
pub(crate) fn movements(
    credits: &impl Credits,
    version: &Version,
    counted: &Counted,
    within: (CountsFrom, Instant),
) -> Vec<Movement> {
    let mut movements = Vec::with_capacity(credits.count(counted.metric));
    each_movement(credits, version, counted, within, &mut movements);
    movements
}
