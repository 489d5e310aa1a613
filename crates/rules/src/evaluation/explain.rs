//! The reasons for a member's standing, as data, in the order in which they were decided (section 8).

mod thresholds;

use serde::Serialize;
use thresholds::{met, missed};

use crate::assignment::{binding, ruling};
use crate::calendar::{Day, Instant};
use crate::credit::{GivenBack, Movement, NoCredit, Priced, movements, taken_back, taken_by_refunds};
use crate::earned::{Counting, Renewal, Total, Window};
use crate::fact::Tag;
use crate::id::{AssignmentId, CancelId, EntryId, OrderId, RefundId, TierId};
use crate::ledger::{Act, Assignment, Entry, Ledger, Order, TagsSaid, WaitingFact};
use crate::program::{Counted as CountedMilestone, Metric, Milestone, Rank};
use crate::quantity::Quantity;
use crate::standing::{Assessment, Facts, assess};
use crate::version::Version;

/// The findings behind a standing. Counted amounts add up to the totals, and every fact that is seen is counted, in
/// effect, or excluded with a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The number of the program version that decided.
    pub version: u32,
    /// Facts dated before this day do not count.
    pub effective_start: Day,
    /// The configured start date, where the effective start is later (seed 001).
    pub moved_from: Option<Day>,
    /// The windows that decide, the current one first.
    pub windows: Vec<WindowFound>,
    /// The facts that counted.
    pub counted: Vec<CountedFact>,
    /// The facts that hold without being counted: the tags and the assignment in force.
    pub in_effect: Vec<FactRef>,
    /// The facts that did not count, with the reasons.
    pub excluded: Vec<ExcludedFact>,
    /// The member's tags, where tags decide.
    pub tags: Option<Vec<Tag>>,
    /// The tier earned, before assignments.
    pub earned: Option<Met>,
    /// The next threshold above it, and the amount missing.
    pub missed: Option<Missed>,
    /// The assignment in force.
    pub assignment: Option<AssignmentFound>,
    /// The next instant at which the tier can change by itself.
    pub next_change_at: Option<Instant>,
}

/// A window with its sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WindowFound {
    /// The current or the previous window.
    pub which: Which,
    /// The start and the exclusive end.
    #[serde(flatten)]
    pub window: Window,
    /// The sum of what counted in it.
    pub total: Quantity,
    /// The tier that the sum earned.
    pub earns: Option<TierId>,
}

/// The window that a fact counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The window that progress is measured in.
    Current,
    /// The last calendar year, whose tier lasts through this one.
    Previous,
}

/// A fact that counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CountedFact {
    /// The fact that counted.
    pub fact: FactRef,
    /// The amount, negative if credit was taken back.
    pub amount: Quantity,
    /// The day it counts for.
    pub on: Day,
    /// The window it counts in.
    pub window: Which,
}

/// A fact that did not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExcludedFact {
    /// The fact that did not count.
    pub fact: FactRef,
    /// The reason.
    pub reason: Reason,
}

/// A fact by its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FactRef {
    /// An order.
    Order(OrderId),
    /// A refund of an order.
    Refund(OrderId, RefundId),
    /// The cancellation of an order.
    OrderCancelled(OrderId),
    /// The restoration of an order.
    OrderRestored(OrderId),
    /// An entry of the points system.
    Entry(EntryId),
    /// A cancellation of points.
    PointsCanceled(CancelId),
    /// A fact about tags at an instant; the position distinguishes facts of one instant.
    Tags(Instant, usize),
    /// The enrollment.
    Enrolled,
    /// The birthday set last.
    Birthday,
    /// A tier given by hand.
    Assigned(AssignmentId),
    /// The end of older assignments.
    Unassigned(AssignmentId),
    /// A tier held over the change to a version.
    Held(u32),
}

/// The reasons why a fact did not count (section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The fact is dated before the effective start.
    BeforeStart,
    /// The day of the fact lies outside the window.
    OutsideWindow,
    /// The order is a test.
    TestOrder,
    /// The order or entry was cancelled, so nothing of it is left.
    Cancelled,
    /// The order was refunded in full, so nothing of it is left.
    RefundedInFull,
    /// A later fact has replaced it: a full set of tags, or the cancellation or restoration of an order.
    Superseded,
    /// The program uses another metric.
    NotThisMetric,
    /// The fact came before the last upgrade or deadline, which restarted the counter.
    BeforeAnchor,
    /// The order or entry that the fact refers to is not known yet.
    WaitingForOrder,
    /// The order is in a foreign currency, without a rate.
    NoExchangeRate,
    /// The fact is worth nothing under the spend settings, or nothing was left to take.
    WorthNothing,
    /// A partial refund leaves an order counted.
    PartialRefundOfCountedOrder,
    /// The refund gave back only parts of the order that do not count, such as shipping.
    GaveBackNothingCounted,
    /// The fact starts the timeline, but is worth nothing.
    NoCredit,
    /// The assignment has ended.
    AssignmentEnded,
    /// A newer assignment rules.
    AssignmentOverruled,
    /// The assignment names a tier that the program does not have.
    AssignmentTierUnknown,
}

/// A threshold that is met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Met {
    /// The tier.
    pub tier: TierId,
    /// Its threshold; none for tags.
    pub threshold: Option<Quantity>,
    /// Whether it was reached earlier, and is kept although less counts now (`on_refund: keep`).
    pub kept: bool,
}

/// A threshold that is missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// The tier.
    pub tier: TierId,
    /// Its threshold.
    pub threshold: Quantity,
    /// The amount missing.
    pub by: Quantity,
}

/// An assignment in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssignmentFound {
    /// The fact or hold that assigned the tier.
    pub fact: FactRef,
    /// The tier it names, or none.
    pub tier: Option<TierId>,
    /// Whether the assignment gives exactly that tier; otherwise at least that tier.
    pub exactly: bool,
    /// The exclusive end, if it has one.
    pub until: Option<Instant>,
}

/// Explains the standing that [`crate::standing::evaluate`] returns. Facts later than `as_of` are not seen.
pub fn explain(version: &Version, ledger: &Ledger, as_of: Instant) -> Explanation {
    of(version, ledger, as_of, &assess(version, &Facts::of(ledger), as_of, as_of))
}

/// The same for a member who is already assessed under this version, from all facts up to `as_of`, at `as_of`.
pub(crate) fn of(version: &Version, ledger: &Ledger, as_of: Instant, now: &Assessment) -> Explanation {
    let program = &version.program;
    let tier_id = |rank: Option<Rank>| program.tier_id(rank).cloned();
    let mut findings = Findings {
        version,
        as_of,
        now,
        own: program.counted().map(|it| movements(ledger, version, it, as_of)).unwrap_or_default(),
        counted: Vec::new(),
        in_effect: Vec::new(),
        excluded: Vec::new(),
    };
    findings.own.retain(|movement| !movement.kind.is_correction());
    findings.orders(ledger.orders());
    findings.entries(ledger.entries());
    findings.states(ledger);
    findings.assignments(ledger.assignments());
    let window = |which, total: &Total| WindowFound {
        which,
        window: total.window,
        total: total.counted,
        earns: tier_id(total.earns),
    };
    let count = now.count.as_ref();
    let windows = count.into_iter().flat_map(|count| {
        let previous = count.previous.as_ref().map(|total| window(Which::Previous, total));
        std::iter::once(window(Which::Current, &count.current)).chain(previous)
    });
    let step = now.steps.after(as_of).first().map(|step| step.at);
    let deadline = count.and_then(|count| match count.renewal {
        Renewal::Deadlines { next, .. } => Some(next),
        Renewal::None | Renewal::ForYear(..) => None,
    });
    let tags = matches!(program.milestone, Milestone::Tags(_))
        .then(|| crate::earned::current_tags(ledger.tags(), as_of).into_iter().cloned().collect());
    Explanation {
        version: version.number,
        effective_start: version.effective_start,
        moved_from: version.moved_from.map(Day::of),
        windows: windows.collect(),
        tags,
        earned: met(version, now),
        missed: missed(version, now),
        assignment: in_force(version, ledger.assignments(), as_of),
        next_change_at: program.active.then(|| step.into_iter().chain(deadline).min()).flatten(),
        counted: findings.counted,
        in_effect: findings.in_effect,
        excluded: findings.excluded,
    }
}

fn act_ref(act: &Act) -> FactRef {
    match act {
        Act::Assign { id, .. } => FactRef::Assigned(id.clone()),
        Act::Hold { version, .. } => FactRef::Held(*version),
        Act::Unassign { id } => FactRef::Unassigned(id.clone()),
    }
}

fn in_force(version: &Version, acts: &[Assignment], as_of: Instant) -> Option<AssignmentFound> {
    let act = &ruling(acts, &version.program, as_of, as_of)?.act;
    let (tier, exactly) = match act {
        Act::Assign { tier, mode, .. } => (tier.clone(), *mode == crate::fact::Mode::Lock),
        Act::Hold { tier, .. } => (Some(tier.clone()), false),
        Act::Unassign { .. } => return None,
    };
    Some(AssignmentFound { fact: act_ref(act), tier, exactly, until: act.until() })
}

/// What was found of a fact: counted with an amount, in effect without one, or excluded.
type Finding = Result<Option<Quantity>, Reason>;

/// Sorts every fact that is seen into counted, in effect, or excluded.
struct Findings<'a> {
    version: &'a Version,
    as_of: Instant,
    now: &'a Assessment,
    /// The movements of orders or entries themselves, sorted by source. Corrections are left out, because they have no
    /// such order.
    own: Vec<Movement>,
    counted: Vec<CountedFact>,
    in_effect: Vec<FactRef>,
    excluded: Vec<ExcludedFact>,
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

    /// The movement of an order or entry itself.
    fn own(&self, source: usize) -> Option<Movement> {
        let source = u32::try_from(source).ok()?;
        let place = self.own.binary_search_by_key(&source, |movement| movement.source).ok()?;
        self.own.get(place).copied()
    }

    fn orders(&mut self, orders: &[Order]) {
        let as_of = self.as_of;
        for (source, order) in orders.iter().enumerate().filter(|(_, order)| order.at <= as_of) {
            let parts = self.order_parts(order);
            self.place(self.own(source), parts);
        }
    }

    fn order_parts(&self, order: &Order) -> Vec<(FactRef, Finding)> {
        let as_of = self.as_of;
        let program = &self.version.program;
        let refunds: Vec<_> = order.refunds.iter().filter(|refund| refund.at <= as_of).collect();
        let is_cancelled = order.cancelled_for().is_some_and(|cancelled| cancelled.is_at(as_of));
        let priced = Priced::of(order, program);
        let worth = match self.milestone().map(|counted| counted.metric) {
            None | Some(Metric::PointsEarned) => Err(Reason::NotThisMetric),
            Some(metric) => match priced.worth(metric, program) {
                Ok(_) if program.timezone.day(order.at) < self.version.effective_start => Err(Reason::BeforeStart),
                Ok(_) if is_cancelled => Err(Reason::Cancelled),
                Ok(worth) => Ok((metric, worth)),
                Err(NoCredit::TestOrder) => Err(Reason::TestOrder),
                Err(NoCredit::NoExchangeRate) => Err(Reason::NoExchangeRate),
                Err(NoCredit::WorthNothing) => Err(Reason::WorthNothing),
            },
        };
        let taken: Vec<Quantity> = match worth {
            Err(_) => Vec::new(),
            Ok((metric, worth)) => {
                let given_back = refunds.iter().map(|it| GivenBack::of(it.at, &it.refunded, program.spend));
                taken_by_refunds(worth, metric, &priced, program, given_back).map(|(_, taken)| taken).collect()
            }
        };
        let all_taken = taken.iter().fold(Quantity::ZERO, |sum, part| sum + *part);
        let worth = match worth {
            Ok((_, worth)) if !refunds.is_empty() && worth == all_taken => Err(Reason::RefundedInFull),
            other => other,
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
        for (source, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.at <= as_of) {
            let parts = self.entry_parts(entry);
            self.place(self.own(source), parts);
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
            Some(Metric::PointsEarned) => {
                if self.version.program.timezone.day(entry.at) < self.version.effective_start {
                    Err(Reason::BeforeStart)
                } else if left == 0 {
                    Err(Reason::Cancelled)
                } else {
                    Ok(entry.points.get())
                }
            }
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
            if self.milestone().is_some() {
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
