//! What was found of each fact: counted, in effect, or excluded with a reason (law L5).

use super::{CountedFact, ExcludedFact, FactRef, Reason, Which, act_ref};
use crate::assignment::{binding, ruling};
use crate::calendar::{Day, Instant};
use crate::credit::{
    CountsFrom, GivenBack, Movement, NoCredit, Priced, Sources, movements, taken_back, taken_by_refunds,
};
use crate::earned::{Counting, Total};
use crate::ledger::{Act, Assignment, Entry, Ledger, Order, TagsSaid, WaitingFact};
use crate::program::{Counted as CountedMilestone, Metric};
use crate::quantity::Quantity;
use crate::standing::Assessment;
use crate::version::Version;

/// What was found of a fact: counted with an amount, in effect without one, or excluded.
type Finding = Result<Option<Quantity>, Reason>;

/// Sorts every fact that is seen into counted, in effect, or excluded.
pub(super) struct Findings<'a> {
    version: &'a Version,
    ledger: &'a Ledger,
    as_of: Instant,
    now: &'a Assessment,
    /// The movements of orders or entries themselves, sorted by source. Corrections are left out, because they have no
    /// such order.
    own: Vec<Movement>,
    /// The orders or entries that are sources of movements.
    sources: Option<Sources>,
    counts_from: CountsFrom,
    pub(super) counted: Vec<CountedFact>,
    pub(super) in_effect: Vec<FactRef>,
    pub(super) excluded: Vec<ExcludedFact>,
}

impl<'a> Findings<'a> {
    /// All facts of a ledger up to an instant, sorted.
    pub(super) fn of(version: &'a Version, ledger: &'a Ledger, as_of: Instant, now: &'a Assessment) -> Self {
        let program = &version.program;
        let enrolled_at = ledger.enrolled().map(|told| told.at).filter(|at| *at <= as_of);
        let counts_from = CountsFrom::of(program, enrolled_at);
        let movements = |counted| movements(ledger, version, counted, (counts_from, as_of));
        let mut own = program.counted().map(movements).unwrap_or_default();
        own.retain(|movement| !movement.kind.is_correction());
        let sources = program.counted().map(|counted| Sources::of(counted.metric, program));
        let (counted, in_effect, excluded) = (Vec::new(), Vec::new(), Vec::new());
        let mut found = Self { version, ledger, as_of, now, own, sources, counts_from, counted, in_effect, excluded };
        found.orders(ledger.orders());
        found.entries(ledger.entries());
        found.states(ledger);
        found.assignments(ledger.assignments());
        found
    }
}

impl Findings<'_> {
    fn milestone(&self) -> Option<&CountedMilestone> {
        self.version.program.counted()
    }

    fn exclude(&mut self, fact: FactRef, reason: Reason) {
        self.excluded.push(ExcludedFact { fact, reason });
    }

    /// Counts the parts of one order or entry in the window that it lies in, or excludes all of them.
    fn place(&mut self, own: Option<Movement>, parts: Vec<(FactRef, Finding)>) {
        let window = own.map(|movement| (self.window(&movement), self.day(&movement)));
        for (fact, part) in parts {
            match (part, window) {
                (Err(reason), _) => self.exclude(fact, reason),
                (Ok(Some(amount)), Some((Ok(window), on))) => {
                    self.counted.push(CountedFact { fact, amount, on, window });
                }
                (Ok(None), Some((Ok(_), _))) => self.in_effect.push(fact),
                (Ok(_), Some((Err(reason), _))) => self.exclude(fact, reason),
                (Ok(_), None) => self.exclude(fact, Reason::BeforeStart),
            }
        }
    }

    fn day(&self, own: &Movement) -> Day {
        self.version.program.timezone.day(own.dated)
    }

    /// The window that a movement counts in.
    fn window(&self, own: &Movement) -> Result<Which, Reason> {
        let Some(count) = &self.now.count else { return Err(Reason::NotThisMetric) };
        let within = |total: &Total| match total.counts {
            Counting::Days(first, last) => (first..=last).contains(&self.day(own)),
            Counting::From(first) => own.source >= first,
        };
        if within(&count.current) {
            Ok(Which::Current)
        } else if count.previous.as_ref().is_some_and(within) {
            Ok(Which::Previous)
        } else {
            Err(match count.current.counts {
                Counting::Days(..) => Reason::OutsideWindow,
                Counting::From(_) => Reason::BeforeAnchor,
            })
        }
    }

    /// The reason why a fact dated at an instant does not count, whatever it is worth.
    fn too_early(&self, at: Instant) -> Option<Reason> {
        let enrolled_first = match self.counts_from {
            CountsFrom::Start => true,
            CountsFrom::Enrolment(enrolled_at) => enrolled_at.is_some_and(|enrolled_at| enrolled_at <= at),
        };
        if self.version.program.timezone.day(at) < self.version.effective_start {
            Some(Reason::BeforeStart)
        } else if enrolled_first {
            None
        } else {
            Some(Reason::BeforeEnrolment)
        }
    }

    /// The movement of an order or entry itself.
    fn own(&self, source: usize) -> Option<Movement> {
        let source = u32::try_from(source).ok()?;
        let place = self.own.binary_search_by_key(&source, |movement| movement.source).ok()?;
        self.own.get(place).copied()
    }

    fn orders(&mut self, orders: &[Order]) {
        let as_of = self.as_of;
        for (position, order) in orders.iter().enumerate().filter(|(_, order)| order.at <= as_of) {
            let parts = self.order_parts(order);
            let source = self.sources.filter(|sources| *sources != Sources::Entries);
            let own = source.and_then(|sources| self.own(sources.of_order(self.ledger, position, order)));
            self.place(own, parts);
        }
    }

    fn order_parts(&self, order: &Order) -> Vec<(FactRef, Finding)> {
        let as_of = self.as_of;
        let program = &self.version.program;
        let refunds: Vec<_> = order.refunds.iter().filter(|refund| refund.at <= as_of).collect();
        let is_cancelled = order.cancelled_for().is_some_and(|cancelled| cancelled.is_at(as_of));
        let priced = Priced::of(order, program);
        let metric = match self.milestone().map(|counted| counted.metric) {
            Some(metric @ (Metric::AmountSpent | Metric::OrdersPlaced)) => Some(metric),
            Some(Metric::PointsEarned) => program.earning.map(|_| Metric::PointsEarned),
            None => None,
        };
        let moves = |metric, left| program.moves(metric, left);
        let worth = match metric.map(|metric| (metric, priced.worth(metric, program))) {
            None => Err(Reason::NotThisMetric),
            Some((metric, Ok(worth))) => match self.too_early(order.at) {
                Some(reason) => Err(reason),
                None if is_cancelled => Err(Reason::Cancelled),
                None if moves(metric, worth).is_zero() => Err(Reason::WorthNothing),
                None => Ok((metric, worth)),
            },
            Some((_, Err(NoCredit::TestOrder))) => Err(Reason::TestOrder),
            Some((_, Err(NoCredit::NoExchangeRate))) => Err(Reason::NoExchangeRate),
            Some((_, Err(NoCredit::BelowMinimum))) => Err(Reason::BelowMinimum),
            Some((_, Err(NoCredit::WorthNothing))) => Err(Reason::WorthNothing),
        };
        let mut left = worth.map_or(Quantity::ZERO, |(_, worth)| worth);
        let taken: Vec<Quantity> = match worth {
            Err(_) => Vec::new(),
            Ok((metric, worth)) => {
                let given_back = refunds.iter().map(|it| GivenBack::of(it.at, &it.refunded, program.spend));
                let taken = taken_by_refunds(worth, metric, &priced, program, given_back).map(|(_, taken)| {
                    let before = moves(metric, left);
                    left = left - taken;
                    before - moves(metric, left)
                });
                taken.collect()
            }
        };
        let worth = match worth {
            Ok(_) if !refunds.is_empty() && left.is_zero() => Err(Reason::RefundedInFull),
            Ok((metric, worth)) => Ok((metric, moves(metric, worth))),
            Err(reason) => Err(reason),
        };
        let mut parts = vec![(FactRef::Order(order.id.clone()), worth.map(|(_, worth)| Some(worth)))];
        for (index, refund) in refunds.into_iter().enumerate() {
            let part = worth.and_then(|(metric, _)| match taken.get(index) {
                Some(taken) if !taken.is_zero() => Ok(Some(-*taken)),
                _ if metric == Metric::OrdersPlaced => Err(Reason::PartialRefundOfCountedOrder),
                _ if GivenBack::of(refund.at, &refund.refunded, program.spend).counting == Some(0) => {
                    Err(Reason::GaveBackNothingCounted)
                }
                _ => Err(Reason::WorthNothing),
            });
            parts.push((FactRef::Refund(order.id.clone(), refund.id.clone()), part));
        }
        let is_seen = |at: Option<Instant>| at.is_some_and(|at| at <= as_of);
        let was_cancelled = is_seen(order.cancelled.map(|cancelled| cancelled.at));
        if was_cancelled {
            let reason = worth.err().unwrap_or(Reason::Superseded);
            parts.push((FactRef::OrderCancelled(order.id.clone()), Err(reason)));
        }
        if let Some(restored) = order.restored.filter(|restored| is_seen(Some(restored.at))) {
            let found = match worth {
                Ok(_) if was_cancelled => Ok(None),
                Ok(_) => Err(Reason::WorthNothing),
                Err(Reason::Cancelled) if !restored.rules => Err(Reason::Superseded),
                Err(reason) => Err(reason),
            };
            parts.push((FactRef::OrderRestored(order.id.clone()), found));
        }
        parts
    }

    fn entries(&mut self, entries: &[Entry]) {
        let as_of = self.as_of;
        for (position, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.at <= as_of) {
            let parts = self.entry_parts(entry);
            let source = self.sources.filter(|sources| *sources != Sources::Orders);
            let own = source.and_then(|sources| self.own(sources.of_entry(self.ledger, position, entry)));
            self.place(own, parts);
        }
    }

    fn entry_parts(&self, entry: &Entry) -> Vec<(FactRef, Finding)> {
        let as_of = self.as_of;
        let cancels: Vec<_> = entry.cancels.iter().filter(|cancel| cancel.at <= as_of).collect();
        let mut left = entry.points.get();
        let taken: Vec<i64> = cancels
            .iter()
            .map(|cancel| {
                let taken = taken_back(left, cancel.points);
                left -= taken;
                taken
            })
            .collect();
        let points = match self.milestone().map(|counted| counted.metric) {
            Some(Metric::PointsEarned) => match self.too_early(entry.at) {
                Some(reason) => Err(reason),
                None if left == 0 => Err(Reason::Cancelled),
                None => Ok(entry.points.get()),
            },
            None | Some(Metric::AmountSpent | Metric::OrdersPlaced) => Err(Reason::NotThisMetric),
        };
        let mut parts = vec![(FactRef::Entry(entry.id.clone()), points.map(|points| Some(Quantity::whole(points))))];
        for (cancel, taken) in cancels.into_iter().zip(taken) {
            let part =
                points.and(if taken == 0 { Err(Reason::WorthNothing) } else { Ok(Some(Quantity::whole(-taken))) });
            parts.push((FactRef::PointsCanceled(cancel.id.clone()), part));
        }
        parts
    }

    /// Sorts tags, enrollment, birthday, and waiting facts.
    fn states(&mut self, ledger: &Ledger) {
        let as_of = self.as_of;
        for waiting in ledger.waiting().iter().filter(|waiting| waiting.at <= as_of) {
            let fact = match &waiting.fact {
                WaitingFact::Refund(order, refund) => FactRef::Refund(order.clone(), refund.clone()),
                WaitingFact::Cancellation(order) => FactRef::OrderCancelled(order.clone()),
                WaitingFact::Restoration(order) => FactRef::OrderRestored(order.clone()),
                WaitingFact::PointsCanceled(_, cancel) => FactRef::PointsCanceled(cancel.clone()),
            };
            self.exclude(fact, Reason::WaitingForOrder);
        }
        let seen = ledger.tags().iter().filter(|fact| fact.at <= as_of);
        let last_set = seen.clone().filter(|fact| matches!(fact.said, TagsSaid::All(_))).map(|fact| fact.at).max();
        for (position, fact) in seen.enumerate() {
            let found = FactRef::Tags(fact.at, position);
            if self.milestone().is_some() && self.version.program.eligibility.excluded_tags.is_empty() {
                self.exclude(found, Reason::NotThisMetric);
            } else if last_set.is_some_and(|set| fact.at < set) {
                self.exclude(found, Reason::Superseded);
            } else {
                self.in_effect.push(found);
            }
        }
        if ledger.enrolled().is_some_and(|enrolled| enrolled.at <= as_of) {
            self.exclude(FactRef::Enrolled, Reason::NoCredit);
        }
        if ledger.birthday.is_some_and(|told| told.at <= as_of) {
            self.exclude(FactRef::Birthday, Reason::NoCredit);
        }
    }

    fn assignments(&mut self, acts: &[Assignment]) {
        let as_of = self.as_of;
        let ruling = ruling(acts, &self.version.program, as_of, as_of);
        let seen = acts.iter().filter(|act| act.at <= as_of);
        let ends = seen.clone().enumerate().filter(|(_, act)| matches!(act.act, Act::Unassign { .. }));
        let ended = ends.map(|(position, _)| position).last();
        for (position, assignment) in seen.enumerate() {
            let fact = act_ref(&assignment.act);
            let over = assignment.act.until().is_some_and(|until| until <= as_of);
            if matches!(assignment.act, Act::Unassign { .. }) || ruling.is_some_and(|ruling| ruling == assignment) {
                self.in_effect.push(fact);
            } else if over || ended.is_some_and(|end| position < end) {
                self.exclude(fact, Reason::AssignmentEnded);
            } else if binding(&assignment.act, &self.version.program).is_none() {
                self.exclude(fact, Reason::AssignmentTierUnknown);
            } else {
                self.exclude(fact, Reason::AssignmentOverruled);
            }
        }
    }
}
