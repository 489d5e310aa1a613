//! The reasons for a member's standing, as data, in the order in which they were decided (section 8).

mod findings;
mod thresholds;

use findings::Findings;
use serde::Serialize;
use thresholds::{met, missed};

use crate::assignment::ruling;
use crate::calendar::{Day, Instant};
use crate::earned::{Renewal, Total, Window};
use crate::fact::Tag;
use crate::id::{AssignmentId, CancelId, EntryId, OrderId, RefundId, TierId};
use crate::ledger::{Act, Assignment, Ledger};
use crate::program::{Milestone, Rank};
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
    /// Why the member earns no tier, whatever counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barred: Option<Barred>,
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
    /// The order's total is below the minimum of an order.
    BelowMinimum,
    /// The fact is dated before the enrolment, and only enrolled members take part.
    BeforeEnrolment,
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

/// The reason why a member earns no tier (section 5, eligibility).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Barred {
    /// The member has a tag with which none is earned.
    Tag(Tag),
    /// The member has not enrolled.
    NotEnrolled,
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
    /// The rule by which it is held, where no year or window that decides reached its threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_by: Option<HeldBy>,
}

/// The rule by which a tier is held although its threshold was not reached again (section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// A review that found its retain threshold.
    RetainThreshold(Quantity),
    /// A review that took one tier at most.
    OneStep,
    /// A grace after a review that missed it.
    Grace {
        /// The exclusive end.
        until: Instant,
    },
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
    let findings = Findings::of(version, ledger, as_of, now);
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
        Renewal::None | Renewal::ForYear { .. } => None,
    });
    let tags = matches!(program.milestone, Milestone::Tags(_))
        .then(|| crate::earned::current_tags(ledger.tags(), as_of).into_iter().cloned().collect());
    Explanation {
        version: version.number,
        effective_start: version.effective_start,
        moved_from: version.moved_from.map(Day::of),
        windows: windows.collect(),
        tags,
        barred: barred(version, ledger, as_of, now),
        earned: met(version, now),
        missed: missed(version, now),
        assignment: in_force(version, ledger.assignments(), as_of),
        next_change_at: program.active.then(|| step.into_iter().chain(deadline).min()).flatten(),
        counted: findings.counted,
        in_effect: findings.in_effect,
        excluded: findings.excluded,
    }
}

fn barred(version: &Version, ledger: &Ledger, as_of: Instant, now: &Assessment) -> Option<Barred> {
    if now.earns_tiers {
        return None;
    }
    let excluded = &version.program.eligibility.excluded_tags;
    let tags = crate::earned::current_tags(ledger.tags(), as_of);
    let tag = tags.into_iter().find(|tag| excluded.contains(*tag)).cloned();
    Some(tag.map_or(Barred::NotEnrolled, Barred::Tag))
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
