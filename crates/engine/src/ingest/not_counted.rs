//! Facts that are stored and count for nothing yet. The writer hears it in the fact's result, not only from a member's
//! explanation.

use std::collections::BTreeMap;

use rules::calendar::Instant;
use rules::fact::{Fact, FactBody};
use rules::fact_index::{FactStatus, Subject};
use rules::program::{Counted, Metric, Milestone};
use rules::version::{Version, Versions};
use store::StoredSubject;
use store::shop::ShopId;

use super::{FactOutcome, FactWriter};
use crate::publishing::remedy;

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

    /// The reason that a fact and the version in force tell by themselves.
    fn of(fact: &Fact, version: &Version) -> Option<Self> {
        let Milestone::Counted(Counted { metric, .. }) = &version.program.milestone else { return None };
        let at = match metric {
            Metric::AmountSpent | Metric::OrdersPlaced => {
                let paid = fact.paid()?;
                if paid.charge.test {
                    return Some(Self::new("test_order", "the order is a test, and a test never counts"));
                }
                paid.paid_at.unwrap_or(fact.occurred_at)
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

    /// The reason that a fact waits for another one, which is not among those stored.
    fn waiting(fact: &Fact, known: &BTreeMap<Subject, StoredSubject>) -> Option<Self> {
        let awaited = fact.follows()?;
        let stored = known.get(&awaited).into_iter().flat_map(|stored| &stored.facts);
        let is_known = stored.map(|fact| &fact.body).any(|body| {
            matches!(
                (&awaited, body),
                (Subject::Order(_), FactBody::OrderPaid(..)) | (Subject::Entry(_), FactBody::PointsEntry(..))
            )
        });
        let what = if matches!(awaited, Subject::Order(_)) { "order" } else { "entry of points" };
        (!is_known).then(|| {
            let message = format!(
                "the {what} that the fact is about is not known here: the fact counts as soon as the {what} is sent"
            );
            Self::new("waiting_for_order", message)
        })
    }
}

impl FactWriter {
    /// Says of each fact that was written whether it counts for nothing yet, and why. The store is read only for facts
    /// about another fact, once for all of them; if it does not answer, nothing is said of these.
    pub async fn not_counted(
        &self,
        shop: &ShopId,
        versions: &Versions,
        written: &[(Fact, FactOutcome)],
    ) -> Vec<Option<NotCounted>> {
        let version = versions.in_force(self.clock.now());
        let is_kept = |outcome: &FactOutcome| match outcome {
            FactOutcome::Taken(FactStatus::Applied | FactStatus::Duplicate) => true,
            FactOutcome::Taken(FactStatus::Superseded | FactStatus::MemberErased)
            | FactOutcome::Refused(_)
            | FactOutcome::Failed(_) => false,
        };
        let kept = || written.iter().filter(|(_, outcome)| is_kept(outcome));
        let awaited: Vec<Subject> = kept().filter_map(|(fact, _)| fact.follows()).collect();
        let known = if awaited.is_empty() { Some(BTreeMap::new()) } else { self.known(shop, awaited).await };
        let why = |(fact, outcome): &(Fact, FactOutcome)| {
            let waits = || known.as_ref().and_then(|known| NotCounted::waiting(fact, known));
            if is_kept(outcome) { NotCounted::of(fact, version).or_else(waits) } else { None }
        };
        written.iter().map(why).collect()
    }

    async fn known(&self, shop: &ShopId, awaited: Vec<Subject>) -> Option<BTreeMap<Subject, StoredSubject>> {
        let known = self.store.subjects(shop, awaited).await;
        known.inspect_err(|error| tracing::warn!(%error, "it is not known whether facts wait for others")).ok()
    }
}
