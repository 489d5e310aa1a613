//! The causes of tier changes (section 7), and the cause that follows from a fact.

use crate::fact::{EntryKind, Fact, FactBody};

/// The cause of a change of tier (section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Orders, points earned or adjusted, enrollment, and their corrections.
    Activity,
    /// A refund, a cancellation, points cancelled.
    Refund,
    /// A deadline, New Year, credits aging out, the end of an assignment.
    PeriodEnd,
    /// A new version of the program.
    ProgramChanged,
    /// A tier given or ended by hand.
    Assigned,
    /// Points or facts brought over from another system: announced quietly.
    Imported,
    /// Customer tags.
    TagsChanged,
    /// An id that stands for another member, or no longer does.
    Merged,
}

/// The effect of a fact on a transition that it causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribution {
    /// The cause to record.
    pub cause: Cause,
    /// Whether an entry reward may follow.
    pub may_reward: bool,
}

impl Attribution {
    /// The attribution of a transition of a member to an arriving fact, which may name the member. For the member that an
    /// assignment leaves, the fact acts as the end of the assignment: only the member it names is rewarded.
    pub(crate) fn by(fact: &Fact, names_the_member: bool) -> Self {
        let (cause, may_reward) = match &fact.body {
            FactBody::OrderPaid(..)
            | FactBody::OrderRestored(_)
            | FactBody::PointsEntry(..)
            | FactBody::Enrolled(_)
            | FactBody::BirthdaySet(_)
            | FactBody::Erased => (Cause::Activity, true),
            FactBody::OrderRefunded(..) | FactBody::OrderCancelled(_) | FactBody::PointsCanceled(..) => {
                (Cause::Refund, true)
            }
            FactBody::TagsSet(_) | FactBody::TagsChanged(_) => (Cause::TagsChanged, true),
            FactBody::TierAssigned(_, assigned) => (Cause::Assigned, assigned.reward && names_the_member),
            FactBody::TierUnassigned(..) => (Cause::Assigned, false),
            FactBody::Merged(_) => (Cause::Merged, false),
        };
        Self::new(cause, is_imported(fact), may_reward)
    }

    /// The attribution to a document of which no single fact made the difference.
    pub(crate) fn by_all(facts: &[Fact], cause: Cause) -> Self {
        Self::new(cause, facts.iter().all(is_imported), true)
    }

    /// Whether a transition of this cause is announced to the member.
    pub(crate) fn is_announced(self) -> bool {
        !matches!(self.cause, Cause::Imported | Cause::Merged)
    }

    pub(crate) fn new(cause: Cause, imported: bool, may_reward: bool) -> Self {
        let cause = if imported { Cause::Imported } else { cause };
        let brings = matches!(cause, Cause::Activity | Cause::TagsChanged | Cause::Assigned);
        Self { cause, may_reward: may_reward && brings }
    }
}

/// Whether a fact was brought over from another system.
fn is_imported(fact: &Fact) -> bool {
    let brought_over = matches!(&fact.body, FactBody::PointsEntry(_, entry) if entry.kind == EntryKind::Imported);
    fact.imported || brought_over
}
