//! Why a tier changes: the causes of section 7, and which of them a fact brings about.

use crate::fact::Fact;
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
        use crate::fact::EntryKind::Imported;
        let new = |cause, imported| Self::new(cause, imported, true);
        match fact {
            Fact::OrderPaid { paid, .. } => new(Cause::Activity, paid.imported),
            Fact::OrderRefunded { refunded, .. } => new(Cause::Refund, refunded.imported),
            Fact::OrderCancelled { cancelled, .. } => new(Cause::Refund, cancelled.imported),
            Fact::PointsEntry { told, .. } => new(Cause::Activity, told.imported || told.content.kind == Imported),
            Fact::PointsCanceled { told, .. } => new(Cause::Refund, told.imported),
            Fact::TagsSet(told) => new(Cause::TagsChanged, told.imported),
            Fact::TagsChanged(told) => new(Cause::TagsChanged, told.imported),
            Fact::Enrolled(told) => new(Cause::Activity, told.imported),
            Fact::BirthdaySet(told) => new(Cause::Activity, told.imported),
            Fact::TierAssigned { told, .. } => {
                Self::new(Cause::Assigned, told.imported, told.content.reward && told.member == *member)
            }
            Fact::TierUnassigned { told, .. } => Self::new(Cause::Assigned, told.imported, false),
            Fact::Erased { .. } => new(Cause::Activity, false),
        }
    }

    pub(crate) fn new(cause: Cause, imported: bool, may_reward: bool) -> Self {
        let cause = if imported { Cause::Imported } else { cause };
        let brings = matches!(cause, Cause::Activity | Cause::TagsChanged | Cause::Assigned);
        Self { cause, may_reward: may_reward && brings }
    }
}
