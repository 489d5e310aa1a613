//! The subjects of facts. A fact is filed under its subjects, and is found there without its member.

use crate::calendar::Instant;
use crate::fact::{Fact, FactBody, PointsCanceled};
use crate::id::{AssignmentId, CancelId, EntryId, MemberId, OrderId};

/// A subject: an order with its refunds and its cancellation, an entry of points with its cancellations, …
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// An order.
    Order(OrderId),
    /// An entry of the points system.
    Entry(EntryId),
    /// A cancellation of points, which a later revision may take from one entry to another.
    Cancel(CancelId),
    /// An assignment, or the end of one.
    Assignment(AssignmentId),
    /// The facts about a member's tags in a year (UTC).
    Tags(MemberId, i32),
    /// The facts about a member as a person: enrollment, birthday, and the member that the id stands for.
    Person(MemberId),
}

impl Subject {
    /// The tags of a member around an instant.
    pub(super) fn tags(member: &MemberId, at: Instant) -> Self {
        Self::Tags(member.clone(), at.utc_year())
    }
}

impl Fact {
    /// The order or entry that the fact follows: until it is known, the fact waits (section 4).
    pub fn follows(&self) -> Option<Subject> {
        match &self.body {
            FactBody::OrderRefunded(order, ..) | FactBody::OrderCancelled(order) | FactBody::OrderRestored(order) => {
                Some(Subject::Order(order.clone()))
            }
            FactBody::PointsCanceled(_, canceled) => Some(Subject::Entry(canceled.entry.clone())),
            FactBody::OrderPaid(..)
            | FactBody::PointsEntry(..)
            | FactBody::TagsSet(_)
            | FactBody::TagsChanged(_)
            | FactBody::Enrolled(_)
            | FactBody::BirthdaySet(_)
            | FactBody::TierAssigned(..)
            | FactBody::TierUnassigned(..)
            | FactBody::Merged(_)
            | FactBody::Erased => None,
        }
    }

    /// The subjects of the fact. An erasure has none, because it is about the member as a whole.
    ///
    /// A cancellation of points is filed twice, under its entry and under its own id. It is read along with the entry,
    /// and is also found by its id alone.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> {
        let own =
            |subject: fn(&MemberId, Instant) -> Subject| (self.member().map(|it| subject(it, self.occurred_at)), None);
        let (subject, other) = match &self.body {
            FactBody::OrderPaid(order, _)
            | FactBody::OrderRefunded(order, ..)
            | FactBody::OrderCancelled(order)
            | FactBody::OrderRestored(order) => (Some(Subject::Order(order.clone())), None),
            FactBody::PointsEntry(entry, _) => (Some(Subject::Entry(entry.clone())), None),
            FactBody::PointsCanceled(cancel, PointsCanceled { entry, .. }) => {
                (Some(Subject::Entry(entry.clone())), Some(Subject::Cancel(cancel.clone())))
            }
            FactBody::TagsSet(_) | FactBody::TagsChanged(_) => own(Subject::tags),
            FactBody::Enrolled(_) | FactBody::BirthdaySet(_) | FactBody::Merged(_) => {
                own(|member, _| Subject::Person(member.clone()))
            }
            FactBody::TierAssigned(assignment, _) | FactBody::TierUnassigned(assignment, _) => {
                (Some(Subject::Assignment(assignment.clone())), None)
            }
            FactBody::Erased => (None, None),
        };
        subject.into_iter().chain(other)
    }
}
