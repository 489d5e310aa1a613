//! A member's ledger: the member's facts, each in its latest version, in the order of the timeline.
//!
//! Evaluation uses nothing else about a member. Revisions and free text stay with the facts (see
//! [`crate::fact_index`]). Everything here also has a compact binary form (see [`crate::compact`]).

mod united;

use std::collections::BTreeSet;

use crate::calendar::{DayOfYear, Instant};
use crate::cause::{Attribution, Cause};
use crate::fact::{Charge, EntryKind, FactKind, Mode, Refunded, Tag};
use crate::id::{AssignmentId, CancelId, EntryId, OrderId, RefundId, TierId};
use crate::quantity::Points;

/// The facts of one member. Lists are kept in the order of section 5: instant, then kind, then key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    pub(crate) orders: Vec<Order>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) tags: Vec<TagFact>,
    pub(crate) assignments: Vec<Assignment>,
    pub(crate) enrolled: Option<Enrolment>,
    pub(crate) birthday: Option<BirthdayTold>,
}

/// A paid order with its refunds, its cancellation and its restoration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The order's id.
    pub id: OrderId,
    /// The instant that the order counts for: that of its payment where one is known (section 4).
    pub at: Instant,
    /// The charge.
    pub charge: Charge,
    /// Whether the fact that says when it was paid was imported.
    pub imported: bool,
    /// The refunds, in the order in which they act.
    pub refunds: Vec<Refund>,
    /// The cancellation; it acts at the earliest when the order was paid.
    pub cancelled: Option<Cancellation>,
    /// The restoration; it acts at the earliest when the order was paid.
    pub restored: Option<Restoration>,
}

/// A refund of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The instant at which it acts, not before its order (section 4).
    pub at: Instant,
    /// The id within the order.
    pub id: RefundId,
    /// The amount and its parts, in the order's currency.
    pub refunded: Refunded,
    /// Whether it was imported.
    pub imported: bool,
}

/// The cancellation of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancellation {
    /// The instant at which it acts, not before its order (section 4).
    pub at: Instant,
    /// Whether it was imported.
    pub imported: bool,
}

/// The restoration of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restoration {
    /// The instant at which it acts, not before its order (section 4).
    pub at: Instant,
    /// Whether it was imported.
    pub imported: bool,
    /// Whether it is later than the cancellation, by what each says of itself. Otherwise the cancellation rules.
    pub rules: bool,
}

/// The time during which an order is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cancelled {
    pub from: Instant,
    /// The restoration that ends it.
    pub until: Option<Instant>,
}

impl Cancelled {
    /// Of a cancellation and a restoration the later one rules, from when it acts. Nothing is cancelled if both act at once
    /// and the restoration rules.
    pub(crate) fn of(cancelled: Option<Instant>, restored_by: Option<Instant>) -> Option<Self> {
        let from = cancelled?;
        (restored_by != Some(from)).then_some(Self { from, until: restored_by })
    }

    /// Whether a refund at an instant takes nothing by itself: the order is cancelled. One at the instant of the cancellation
    /// comes before it, one at that of the restoration too, while the order is still cancelled.
    pub(crate) fn absorbs(self, refunded_at: Instant) -> bool {
        self.from < refunded_at && self.until.is_none_or(|until| refunded_at <= until)
    }

    /// Whether the order is cancelled at an instant.
    pub(crate) fn is_at(self, at: Instant) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// An entry of the points system with its cancellations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The entry's id.
    pub id: EntryId,
    /// The origin.
    pub kind: EntryKind,
    /// The instant at which it occurred.
    pub at: Instant,
    /// The number of points.
    pub points: Points,
    /// Whether it was imported.
    pub imported: bool,
    /// The cancellations, in the order in which they act.
    pub cancels: Vec<Cancel>,
}

/// Points of an entry taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// The instant at which it acts, not before its entry (section 4).
    pub at: Instant,
    /// The cancellation's id.
    pub id: CancelId,
    /// The number of points; all that are left if absent.
    pub points: Option<Points>,
    /// Whether it was imported.
    pub imported: bool,
}

/// A fact that refers to an order or entry not known yet. It waits with the member it names (section 4).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting {
    /// The instant at which it occurred.
    pub at: Instant,
    /// The fact, by its keys.
    pub fact: WaitingFact,
    /// Whether it was imported.
    pub imported: bool,
}

/// A waiting fact, with the order or entry that it waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WaitingFact {
    /// A refund for its order.
    Refund(OrderId, RefundId),
    /// A cancellation for its order.
    Cancellation(OrderId),
    /// A restoration for its order.
    Restoration(OrderId),
    /// A cancellation of points for its entry.
    PointsCanceled(EntryId, CancelId),
}

/// A fact about the member's tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagFact {
    /// The instant at which it occurred.
    pub at: Instant,
    /// The full set or a change.
    pub said: TagsSaid,
    /// Whether it was imported.
    pub imported: bool,
}

/// The content of a fact about tags; at one instant the full set comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TagsSaid {
    /// The full set.
    All(BTreeSet<Tag>),
    /// Tags added and removed.
    Change {
        /// The tags added.
        added: BTreeSet<Tag>,
        /// The tags removed.
        removed: BTreeSet<Tag>,
    },
}

/// A manual assignment, the end of all older ones, or a tier held over a change of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The instant from which it acts.
    pub at: Instant,
    /// The effect.
    pub act: Act,
    /// Whether it was imported.
    pub imported: bool,
}

/// The effect of an assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A person gave a tier by hand.
    Assign {
        /// The fact's key.
        id: AssignmentId,
        /// The tier, or none.
        tier: Option<TierId>,
        /// Floor or lock.
        mode: Mode,
        /// The exclusive end.
        until: Option<Instant>,
        /// Whether the entry reward is given.
        reward: bool,
    },
    /// The program holds a tier that a change of rules would have taken (section 7, `by: "program"`): a floor.
    Hold {
        /// The version that would have taken it.
        version: u32,
        /// The tier held.
        tier: TierId,
        /// The end: that of the tier under the old version.
        until: Option<Instant>,
        /// The start of the stretch that the hold continues.
        since: Instant,
    },
    /// A person ended all older assignments.
    Unassign {
        /// The fact's key.
        id: AssignmentId,
    },
}

/// The enrollment of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enrolment {
    /// The instant of the enrollment.
    pub at: Instant,
    /// The customer's birthday, if it was given.
    pub birthday: Option<DayOfYear>,
    /// Whether it was imported.
    pub imported: bool,
}

/// The birthday set last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BirthdayTold {
    /// The instant at which it was set.
    pub at: Instant,
    /// The day, or none if withdrawn.
    pub birthday: Option<DayOfYear>,
}

impl Order {
    /// The time during which the order is cancelled.
    pub(crate) fn cancelled_for(&self) -> Option<Cancelled> {
        let restored_by = self.restored.filter(|restored| restored.rules).map(|restored| restored.at);
        Cancelled::of(self.cancelled.map(|cancelled| cancelled.at), restored_by)
    }

    /// The number of its cancellations and restorations.
    fn turns(&self) -> usize {
        usize::from(self.cancelled.is_some()) + usize::from(self.restored.is_some())
    }
}

impl Act {
    /// The key of the act's fact, unless the program made the act.
    pub fn id(&self) -> Option<&AssignmentId> {
        match self {
            Self::Assign { id, .. } | Self::Unassign { id } => Some(id),
            Self::Hold { .. } => None,
        }
    }

    /// The exclusive end, if the act ends by itself.
    pub fn until(&self) -> Option<Instant> {
        match self {
            Self::Assign { until, .. } | Self::Hold { until, .. } => *until,
            Self::Unassign { .. } => None,
        }
    }

    /// Kind, then key: the order of acts at one instant. A hold comes last, because it holds what the others gave.
    fn order(&self) -> (u8, u32, &str) {
        match self {
            Self::Assign { id, .. } => (0, 0, id.as_str()),
            Self::Unassign { id } => (1, 0, id.as_str()),
            Self::Hold { version, .. } => (2, *version, ""),
        }
    }
}

/// Puts an item at its place in a sorted list.
fn insert<T>(list: &mut Vec<T>, item: T, before: impl Fn(&T, &T) -> std::cmp::Ordering) {
    let place = list.partition_point(|other| before(other, &item).is_lt());
    list.insert(place, item);
}

impl Ledger {
    /// The orders, by instant and id.
    pub fn orders(&self) -> &[Order] {
        &self.orders
    }

    /// The entries of the points system, by instant, kind and id.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The facts that wait for an order or an entry.
    pub fn waiting(&self) -> &[Waiting] {
        &self.waiting
    }

    /// The facts about tags, in order.
    pub fn tags(&self) -> &[TagFact] {
        &self.tags
    }

    /// The assignments, their ends, and the holds.
    pub fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }

    /// The enrollment, if the customer joined.
    pub fn enrolled(&self) -> Option<Enrolment> {
        self.enrolled
    }

    /// The birthday as known at an instant: the one set last, or else the one given at enrollment.
    pub fn birthday(&self, at: Instant) -> Option<DayOfYear> {
        match self.birthday.filter(|told| told.at <= at) {
            Some(told) => told.birthday,
            None => self.enrolled.filter(|enrolled| enrolled.at <= at).and_then(|enrolled| enrolled.birthday),
        }
    }

    /// Whether there is no fact at all.
    pub fn is_empty(&self) -> bool {
        self.first_at().is_none() && self.birthday.is_none()
    }

    /// The start of the member's timeline: the first fact (section 4); a birthday starts none.
    pub fn first_at(&self) -> Option<Instant> {
        [
            self.orders.first().map(|order| order.at),
            self.entries.first().map(|entry| entry.at),
            self.waiting.first().map(|waiting| waiting.at),
            self.tags.first().map(|tags| tags.at),
            self.assignments.first().map(|assignment| assignment.at),
            self.enrolled.map(|enrolled| enrolled.at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether all lists are in the order of section 5, no correction acts before its order or entry, and no hold
    /// starts after it was made.
    pub(crate) fn is_in_order(&self) -> bool {
        let refunds = |order: &Order| {
            let paid_at = order.at;
            let cancelled = order.cancelled.is_none_or(|cancelled| cancelled.at >= paid_at)
                && order.restored.is_none_or(|restored| restored.at >= paid_at);
            let acts = order.refunds.iter().all(|refund| refund.at >= paid_at);
            cancelled && acts && order.refunds.is_sorted_by_key(|refund| (refund.at, &refund.id))
        };
        let cancels = |entry: &Entry| {
            let acts = entry.cancels.iter().all(|cancel| cancel.at >= entry.at);
            acts && entry.cancels.is_sorted_by_key(|cancel| (cancel.at, &cancel.id))
        };
        let holds = |assignment: &Assignment| match &assignment.act {
            Act::Hold { since, .. } => *since <= assignment.at,
            Act::Assign { .. } | Act::Unassign { .. } => true,
        };
        self.orders.is_sorted_by_key(|order| (order.at, &order.id))
            && self.orders.iter().all(refunds)
            && self.entries.is_sorted_by_key(|entry| (entry.at, entry.kind, &entry.id))
            && self.entries.iter().all(cancels)
            && self.waiting.is_sorted()
            && self.tags.is_sorted()
            && self.assignments.is_sorted_by_key(|assignment| (assignment.at, assignment.act.order()))
            && self.assignments.iter().all(holds)
    }

    /// The number of facts.
    pub fn len(&self) -> usize {
        let orders: usize = self.orders.iter().map(|order| 1 + order.refunds.len() + order.turns()).sum();
        let entries: usize = self.entries.iter().map(|entry| 1 + entry.cancels.len()).sum();
        let states = usize::from(self.enrolled.is_some()) + usize::from(self.birthday.is_some());
        orders + entries + self.waiting.len() + self.tags.len() + self.assignments.len() + states
    }

    /// The instants of all facts that act on something, each with its kind's place in section 4 and its attribution.
    fn acting(&self) -> impl Iterator<Item = (Instant, FactKind, Attribution)> {
        let refund = |at, kind, imported| (at, kind, Attribution::new(Cause::Refund, imported, true));
        let orders = self.orders.iter().flat_map(move |order| {
            let paid = (order.at, FactKind::OrderPaid, Attribution::new(Cause::Activity, order.imported, true));
            let refunds = order.refunds.iter().map(move |it| refund(it.at, FactKind::OrderRefunded, it.imported));
            let cancelled = order.cancelled.map(|it| refund(it.at, FactKind::OrderCancelled, it.imported));
            let restored = order
                .restored
                .map(|it| (it.at, FactKind::OrderRestored, Attribution::new(Cause::Activity, it.imported, true)));
            std::iter::once(paid).chain(refunds).chain(cancelled).chain(restored)
        });
        let entries = self.entries.iter().flat_map(move |entry| {
            let imported = entry.imported || entry.kind == EntryKind::Imported;
            let cancels = entry.cancels.iter().map(move |it| refund(it.at, FactKind::PointsCanceled, it.imported));
            std::iter::once((entry.at, FactKind::PointsEntry, Attribution::new(Cause::Activity, imported, true)))
                .chain(cancels)
        });
        let tags = self.tags.iter().map(|it| {
            let kind = match it.said {
                TagsSaid::All(_) => FactKind::TagsSet,
                TagsSaid::Change { .. } => FactKind::TagsChanged,
            };
            (it.at, kind, Attribution::new(Cause::TagsChanged, it.imported, true))
        });
        let enrolled =
            self.enrolled.map(|it| (it.at, FactKind::Enrolled, Attribution::new(Cause::Activity, it.imported, true)));
        let acts = self.assignments.iter().filter_map(|it| match &it.act {
            Act::Assign { reward, .. } => {
                Some((it.at, FactKind::TierAssigned, Attribution::new(Cause::Assigned, it.imported, *reward)))
            }
            Act::Unassign { .. } => {
                Some((it.at, FactKind::TierUnassigned, Attribution::new(Cause::Assigned, it.imported, false)))
            }
            Act::Hold { .. } => None,
        });
        orders.chain(entries).chain(tags).chain(enrolled).chain(acts)
    }

    /// The facts of exactly this instant, each with its kind and its attribution. A waiting fact has no effect.
    pub(crate) fn told_at(&self, at: Instant) -> impl Iterator<Item = (FactKind, Attribution)> {
        self.acting().filter(move |(other, ..)| *other == at).map(|(_, kind, told)| (kind, told))
    }

    /// The first instant of a fact after `after`.
    pub(crate) fn next_at(&self, after: Instant) -> Option<Instant> {
        let waiting = self.waiting.iter().map(|it| it.at);
        self.acting().map(|(at, ..)| at).chain(waiting).filter(|at| *at > after).min()
    }

    pub(crate) fn put_order(&mut self, mut order: Order) {
        order.refunds.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        insert(&mut self.orders, order, |a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    }

    pub(crate) fn put_entry(&mut self, mut entry: Entry) {
        entry.cancels.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        insert(&mut self.entries, entry, |a, b| (a.at, a.kind, &a.id).cmp(&(b.at, b.kind, &b.id)));
    }

    /// Adds a hold ([`Act::Hold`]), which comes from no fact.
    pub fn hold(&mut self, held: Assignment) {
        self.put_assignment(held);
    }

    pub(crate) fn put_waiting(&mut self, waiting: Waiting) {
        insert(&mut self.waiting, waiting, Ord::cmp);
    }

    /// Adds all facts about tags at once. One by one, each would move the facts behind it.
    pub(crate) fn put_tags(&mut self, facts: impl IntoIterator<Item = TagFact>) {
        self.tags.extend(facts);
        self.tags.sort();
    }

    /// Puts an assignment, or the hold of a version; returns whether it was not left out, because the version holds one.
    pub(crate) fn put_assignment(&mut self, assignment: Assignment) -> bool {
        if let Act::Hold { version, .. } = &assignment.act {
            let is_same = |other: &Assignment| matches!(&other.act, Act::Hold { version: held, .. } if held == version);
            // A version holds a tier once. Where a clock that was ahead made the hold too early, the earlier one counts.
            if self.assignments.iter().any(|other| is_same(other) && other.at <= assignment.at) {
                return false;
            }
            self.assignments.retain(|other| !is_same(other));
        }
        insert(&mut self.assignments, assignment, |a, b| (a.at, a.act.order()).cmp(&(b.at, b.act.order())));
        true
    }

    /// Removes an order, and the facts that wait for it.
    pub(crate) fn drop_order(&mut self, id: &OrderId) {
        self.orders.retain(|order| order.id != *id);
        self.waiting.retain(|waiting| match &waiting.fact {
            WaitingFact::Refund(order, _) | WaitingFact::Cancellation(order) | WaitingFact::Restoration(order) => {
                order != id
            }
            WaitingFact::PointsCanceled(..) => true,
        });
    }

    /// Removes an entry, and the facts that wait for it.
    pub(crate) fn drop_entry(&mut self, id: &EntryId) {
        self.entries.retain(|entry| entry.id != *id);
        self.waiting.retain(|waiting| match &waiting.fact {
            WaitingFact::PointsCanceled(entry, _) => entry != id,
            WaitingFact::Refund(..) | WaitingFact::Cancellation(_) | WaitingFact::Restoration(_) => true,
        });
    }

    /// Removes an assignment, or the end of one.
    pub(crate) fn drop_assignment(&mut self, gone: &AssignmentId) {
        self.assignments.retain(|assignment| match &assignment.act {
            Act::Assign { id, .. } | Act::Unassign { id } => id != gone,
            Act::Hold { .. } => true,
        });
    }

    /// Removes the facts about tags of a year (UTC).
    pub(crate) fn drop_tags(&mut self, year: i32) {
        self.tags.retain(|tags| tags.at.utc_year() != year);
    }
}
