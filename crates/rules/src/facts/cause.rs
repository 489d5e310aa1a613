//! Why a tier changes: the causes of section 7, and which of them a fact brings about.

use crate::fact::{EntryKind, Fact, FactBody};
use crate::id::MemberId;

/// What made a tier change (section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Orders, points earned or adjusted, enrolment, and their corrections.
    Activity,
    /// A refund, a cancellation, points cancelled.
    Refund,
    /// A deadline, New Year, credits ageing out, the end of an assignment.
    PeriodEnd,
    /// A new version of the program.
    ProgramChanged,
    /// A tier given or ended by hand.
    Assigned,
    /// Points or facts brought over from elsewhere: announced quietly.
    Imported,
    /// Customer tags.
    TagsChanged,
}

/// What a fact makes of a transition that it causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribution {
    /// The cause to name.
    pub cause: Cause,
    /// Whether an entry reward may follow.
    pub may_reward: bool,
}

impl Attribution {
    /// What a fact that arrives makes of a transition of `member`. An assignment that leaves a member for another is as
    /// an end of it: only whom it names is rewarded.
    pub fn by(fact: &Fact, member: &MemberId) -> Self {
        let (cause, may_reward) = match &fact.body {
            FactBody::OrderPaid(..)
            | FactBody::PointsEntry(..)
            | FactBody::Enrolled(_)
            | FactBody::BirthdaySet(_)
            | FactBody::Erased => (Cause::Activity, true),
            FactBody::OrderRefunded(..) | FactBody::OrderCancelled(_) | FactBody::PointsCanceled(..) => {
                (Cause::Refund, true)
            }
            FactBody::TagsSet(_) | FactBody::TagsChanged(_) => (Cause::TagsChanged, true),
            FactBody::TierAssigned(_, assigned) => (Cause::Assigned, assigned.reward && fact.member() == Some(member)),
            FactBody::TierUnassigned(..) => (Cause::Assigned, false),
        };
        let brought_over = matches!(&fact.body, FactBody::PointsEntry(_, entry) if entry.kind == EntryKind::Imported);
        Self::new(cause, fact.imported || brought_over, may_reward)
    }

    pub(crate) fn new(cause: Cause, imported: bool, may_reward: bool) -> Self {
        let cause = if imported { Cause::Imported } else { cause };
        let brings = matches!(cause, Cause::Activity | Cause::TagsChanged | Cause::Assigned);
        Self { cause, may_reward: may_reward && brings }
    }
}
