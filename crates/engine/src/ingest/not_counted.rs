//! Facts that are stored and count for nothing yet. The writer hears it in the fact's result, not only from a member's
//! explanation.

use rules::calendar::Instant;
use rules::fact::{Fact, FactBody};
use rules::fact_index::{FactStatus, Idle};
use rules::program::{Counted, Metric, Milestone};
use rules::version::Version;

use super::{FactOutcome, Known};
use crate::publishing::remedy;

/// The reason of an order that is cancelled.
pub const CANCELLED: &str = "cancelled";
/// The reason of a fact that waits for the order or entry that it is about.
const WAITING: &str = "waiting_for_order";

/// Why a stored fact counts for nothing yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCounted {
    /// The reason, for programs. The reasons of section 8 of the semantics have their names.
    pub code: &'static str,
    /// A sentence for people: the reason, and what it takes for the fact to count.
    pub message: String,
}

impl NotCounted {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The reason that a fact, the instant that its order counts for, and the version in force tell by themselves.
    fn of(fact: &Fact, counts_at: Option<Instant>, version: &Version) -> Option<Self> {
        let Milestone::Counted(Counted { metric, .. }) = &version.program.milestone else { return None };
        let at = match metric {
            Metric::AmountSpent | Metric::OrdersPlaced => {
                let paid = fact.paid()?;
                if paid.charge.test {
                    return Some(Self::new("test_order", "the order is a test, and a test never counts"));
                }
                counts_at.or(paid.paid_at).unwrap_or(fact.occurred_at)
            }
            Metric::PointsEarned if matches!(fact.body, FactBody::PointsEntry(..)) => fact.occurred_at,
            Metric::PointsEarned => return None,
        };
        if !version.program.active {
            let message =
                "the program is inactive: the fact is kept, and counts once a version with `active: true` is in force";
            return Some(Self::new("inactive_program", message));
        }
        if fact.member().is_none() {
            let message = "the order names no member: it counts once a newer revision of it names one";
            return Some(Self::new("no_member", message));
        }
        Self::before_start(at, version).or_else(|| Self::no_rate(fact, *metric, version))
    }

    fn before_start(at: Instant, version: &Version) -> Option<Self> {
        let starts_on = version.effective_start;
        if version.program.timezone.day(at) >= starts_on {
            return None;
        }
        let message = format!("it is dated before {starts_on}, where the program starts; {}", remedy(version));
        Some(Self::new("before_start", message))
    }

    fn no_rate(fact: &Fact, metric: Metric, version: &Version) -> Option<Self> {
        let paid = fact.paid()?;
        let (theirs, ours) = (paid.charge.currency, version.program.currency);
        let is_spend = metric == Metric::AmountSpent;
        (is_spend && theirs != ours && paid.charge.exchange_rate.is_none()).then(|| {
            let (theirs, ours) = (theirs.code(), ours.code());
            let message = format!(
                "the order is in {theirs} and the program counts {ours}: it counts once a newer revision of it has an \
                 `exchange_rate`, in {ours} for one {theirs}"
            );
            Self::new("no_exchange_rate", message)
        })
    }

    /// The reason that lies in what is known of the fact's order or entry.
    fn idle(idle: Idle) -> Self {
        let waits = |what: &str| {
            format!(
                "the {what} that the fact is about is not known here: the fact counts as soon as the {what} is sent"
            )
        };
        match idle {
            Idle::WaitsForOrder => Self::new(WAITING, waits("order")),
            Idle::WaitsForEntry => Self::new(WAITING, waits("entry of points")),
            Idle::Cancelled => Self::new(
                CANCELLED,
                "the order is cancelled, and a newer revision does not restore it: it counts again once `order.restored` \
                 with its `order_id` is sent, dated after the cancellation",
            ),
        }
    }
}

/// Says of a fact that was written whether it counts for nothing yet, and why.
pub fn not_counted(version: &Version, fact: &Fact, outcome: &FactOutcome) -> Option<NotCounted> {
    match outcome {
        FactOutcome::Taken(FactStatus::Applied | FactStatus::Duplicate, Known { idle, counts_at }) => {
            NotCounted::of(fact, *counts_at, version).or_else(|| idle.map(NotCounted::idle))
        }
        FactOutcome::Taken(FactStatus::Superseded | FactStatus::MemberErased, _)
        | FactOutcome::Refused(_)
        | FactOutcome::Failed(_) => None,
    }
}
