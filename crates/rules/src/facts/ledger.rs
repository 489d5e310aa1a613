//! A member's ledger: the facts that are theirs, each in its latest version, in the order of the timeline.
//!
//! This is all that evaluation knows of a member. Revisions and free text stay with the facts (see
//! [`crate::fact_index`]); everything here also has a compact binary form (see [`crate::compact`]).

use std::collections::BTreeSet;

use crate::calendar::Instant;
use crate::cause::{Attribution, Cause};
use crate::fact::{Birthday, EntryKind, Mode, OrderPaid, Tag};
use crate::id::{AssignmentId, CancelId, EntryId, OrderId, RefundId, TierId};
use crate::quantity::{Amount, Points};

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

/// A paid order with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// When it was paid.
    pub at: Instant,
    /// What was paid.
    pub paid: OrderPaid,
    /// Whether it was imported.
    pub imported: bool,
    /// Its refunds, in the order in which they act.
    pub refunds: Vec<Refund>,
    /// When it was cancelled, acting not before it was paid.
    pub cancelled: Option<Cancellation>,
}

/// A refund of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// When it acts: not before its order (section 4).
    pub at: Instant,
    /// Its id within the order.
    pub id: RefundId,
    /// How much, in the order's currency.
    pub amount: Amount,
    /// Whether it was imported.
    pub imported: bool,
}

/// The cancellation of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancellation {
    /// When it acts: not before its order (section 4).
    pub at: Instant,
    /// Whether it was imported.
    pub imported: bool,
}

/// An entry of the points system with its cancellations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// How it came about.
    pub kind: EntryKind,
    /// When.
    pub at: Instant,
    /// How many points.
    pub points: Points,
    /// Whether it was imported.
    pub imported: bool,
    /// What was taken back, in the order in which it acts.
    pub cancels: Vec<Cancel>,
}

/// Points of an entry taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// When it acts: not before its entry (section 4).
    pub at: Instant,
    /// Its id.
    pub id: CancelId,
    /// How many; all that is left if it does not say.
    pub points: Option<Points>,
    /// Whether it was imported.
    pub imported: bool,
}

/// A fact that refers to an order or entry not known yet (section 4: it waits with the member it names).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting {
    /// When it occurred.
    pub at: Instant,
    /// Which fact.
    pub fact: WaitingFact,
    /// Whether it was imported.
    pub imported: bool,
}

/// Which fact waits, and for what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WaitingFact {
    /// A refund for its order.
    Refund(OrderId, RefundId),
    /// A cancellation for its order.
    Cancellation(OrderId),
    /// A cancellation of points for its entry.
    PointsCanceled(EntryId, CancelId),
}

/// Something said about the member's tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagFact {
    /// When it was so.
    pub at: Instant,
    /// What was said.
    pub said: TagsSaid,
    /// Whether it was imported.
    pub imported: bool,
}

/// What was said about tags; at one instant the full set comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TagsSaid {
    /// The full set.
    All(BTreeSet<Tag>),
    /// What came and what went.
    Change {
        /// What came.
        added: BTreeSet<Tag>,
        /// What went.
        removed: BTreeSet<Tag>,
    },
}

/// A manual assignment, the end of all older ones, or a tier held over a change of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// From when.
    pub at: Instant,
    /// What it does.
    pub act: Act,
    /// Whether it was imported.
    pub imported: bool,
}

/// What an assignment does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Somebody gave a tier.
    Assign {
        /// The fact's key.
        id: AssignmentId,
        /// The tier, or none.
        tier: Option<TierId>,
        /// How it binds.
        mode: Mode,
        /// Until when, exclusive.
        until: Option<Instant>,
        /// Whether the entry reward is given.
        reward: bool,
    },
    /// The program itself holds a tier that a change of rules would have taken (section 7, `by: "program"`): a floor.
    Hold {
        /// The version that would have taken it.
        version: u32,
        /// The tier held.
        tier: TierId,
        /// Until when: its end under the old version.
        until: Option<Instant>,
        /// Since when it is held: the stretch goes on.
        since: Instant,
    },
    /// All older assignments end.
    Unassign {
        /// The fact's key.
        id: AssignmentId,
    },
}

/// The customer joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enrolment {
    /// When.
    pub at: Instant,
    /// Their birthday, if they said it.
    pub birthday: Option<Birthday>,
    /// Whether it was imported.
    pub imported: bool,
}

/// The birthday that was told last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BirthdayTold {
    /// When.
    pub at: Instant,
    /// The day, or none any more.
    pub birthday: Option<Birthday>,
}

impl Act {
    /// The key of the fact that it is, unless the program did it.
    pub fn id(&self) -> Option<&AssignmentId> {
        match self {
            Self::Assign { id, .. } | Self::Unassign { id } => Some(id),
            Self::Hold { .. } => None,
        }
    }

    /// Until when it binds, if it ends by itself.
    pub fn until(&self) -> Option<Instant> {
        match self {
            Self::Assign { until, .. } | Self::Hold { until, .. } => *until,
            Self::Unassign { .. } => None,
        }
    }

    /// Kind, then key: how acts of one instant are ordered. A tier held over a change of rules comes last, for it holds
    /// what the others gave.
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

    /// What waits for an order or an entry.
    pub fn waiting(&self) -> &[Waiting] {
        &self.waiting
    }

    /// What was said about tags.
    pub fn tags(&self) -> &[TagFact] {
        &self.tags
    }

    /// Assignments, their ends, and tiers held over a change of rules.
    pub fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }

    /// When the customer joined.
    pub fn enrolled(&self) -> Option<Enrolment> {
        self.enrolled
    }

    /// The birthday as known at an instant: what was told last, else what was said when joining.
    pub fn birthday(&self, at: Instant) -> Option<Birthday> {
        match self.birthday.filter(|told| told.at <= at) {
            Some(told) => told.birthday,
            None => self.enrolled.filter(|enrolled| enrolled.at <= at).and_then(|enrolled| enrolled.birthday),
        }
    }

    /// Whether there is no fact at all.
    pub fn is_empty(&self) -> bool {
        self.first_at().is_none() && self.birthday.is_none()
    }

    /// When the member's timeline starts: at the first fact (section 4); a birthday starts none.
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

    /// Whether everything stands where the order of section 5 puts it, acts not before what it belongs to, and is held since before.
    pub(crate) fn is_in_order(&self) -> bool {
        let refunds = |order: &Order| {
            let paid_at = order.at;
            let cancelled = order.cancelled.is_none_or(|cancelled| cancelled.at >= paid_at);
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

    /// How many facts there are.
    pub fn len(&self) -> usize {
        let orders: usize =
            self.orders.iter().map(|order| 1 + order.refunds.len() + usize::from(order.cancelled.is_some())).sum();
        let entries: usize = self.entries.iter().map(|entry| 1 + entry.cancels.len()).sum();
        let states = usize::from(self.enrolled.is_some()) + usize::from(self.birthday.is_some());
        orders + entries + self.waiting.len() + self.tags.len() + self.assignments.len() + states
    }

    /// The instants of all facts that act on something, each with its kind's place in section 4 and what it makes of a transition.
    fn acting(&self) -> impl Iterator<Item = (Instant, u8, Attribution)> {
        let refund = |at, kind, imported| (at, kind, Attribution::new(Cause::Refund, imported, true));
        let orders = self.orders.iter().flat_map(move |order| {
            let paid = (order.at, 0, Attribution::new(Cause::Activity, order.imported, true));
            let refunds = order.refunds.iter().map(move |it| refund(it.at, 1, it.imported));
            let cancelled = order.cancelled.map(|it| refund(it.at, 2, it.imported));
            std::iter::once(paid).chain(refunds).chain(cancelled)
        });
        let entries = self.entries.iter().flat_map(move |entry| {
            let imported = entry.imported || entry.kind == EntryKind::Imported;
            let cancels = entry.cancels.iter().map(move |it| refund(it.at, 4, it.imported));
            std::iter::once((entry.at, 3, Attribution::new(Cause::Activity, imported, true))).chain(cancels)
        });
        let tags = self.tags.iter().map(|it| (it.at, 5, Attribution::new(Cause::TagsChanged, it.imported, true)));
        let enrolled = self.enrolled.map(|it| (it.at, 6, Attribution::new(Cause::Activity, it.imported, true)));
        let acts = self.assignments.iter().filter_map(|it| match &it.act {
            Act::Assign { reward, .. } => Some((it.at, 7, Attribution::new(Cause::Assigned, it.imported, *reward))),
            Act::Unassign { .. } => Some((it.at, 8, Attribution::new(Cause::Assigned, it.imported, false))),
            Act::Hold { .. } => None,
        });
        orders.chain(entries).chain(tags).chain(enrolled).chain(acts)
    }

    /// What a fact of exactly this instant makes of a transition; of several the first kind that section 4 lists. One that waits
    /// for what it refers to makes nothing of any.
    pub(crate) fn told_at(&self, at: Instant) -> Option<Attribution> {
        self.acting().filter(|(other, ..)| *other == at).min_by_key(|(_, kind, _)| *kind).map(|(.., told)| told)
    }

    /// The first instant of a fact after another.
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

    /// Puts a tier in that the program holds ([`Act::Hold`]): no fact tells of it.
    pub fn hold(&mut self, held: Assignment) {
        self.put_assignment(held);
    }

    pub(crate) fn put_waiting(&mut self, waiting: Waiting) {
        insert(&mut self.waiting, waiting, Ord::cmp);
    }

    /// Puts in all at once what was said about tags: one by one, each would move those behind it.
    pub(crate) fn put_tags(&mut self, facts: impl IntoIterator<Item = TagFact>) {
        self.tags.extend(facts);
        self.tags.sort();
    }

    pub(crate) fn put_assignment(&mut self, assignment: Assignment) {
        if let Act::Hold { version, .. } = &assignment.act {
            let is_same = |other: &Assignment| matches!(&other.act, Act::Hold { version: held, .. } if held == version);
            // A version holds a tier once. Where it did so ahead of its time, by a clock that was ahead, the earlier counts.
            if self.assignments.iter().any(|other| is_same(other) && other.at <= assignment.at) {
                return;
            }
            self.assignments.retain(|other| !is_same(other));
        }
        insert(&mut self.assignments, assignment, |a, b| (a.at, a.act.order()).cmp(&(b.at, b.act.order())));
    }

    /// Takes an order out, with what waits for it.
    pub(crate) fn drop_order(&mut self, id: &OrderId) {
        self.orders.retain(|order| order.id != *id);
        self.waiting.retain(|waiting| match &waiting.fact {
            WaitingFact::Refund(order, _) | WaitingFact::Cancellation(order) => order != id,
            WaitingFact::PointsCanceled(..) => true,
        });
    }

    /// Takes an entry out, with what waits for it.
    pub(crate) fn drop_entry(&mut self, id: &EntryId) {
        self.entries.retain(|entry| entry.id != *id);
        self.waiting.retain(|waiting| match &waiting.fact {
            WaitingFact::PointsCanceled(entry, _) => entry != id,
            WaitingFact::Refund(..) | WaitingFact::Cancellation(_) => true,
        });
    }

    /// Takes an assignment out, or the end of one.
    pub(crate) fn drop_assignment(&mut self, gone: &AssignmentId) {
        self.assignments.retain(|assignment| match &assignment.act {
            Act::Assign { id, .. } | Act::Unassign { id } => id != gone,
            Act::Hold { .. } => true,
        });
    }

    /// Takes out what was said about tags in a year (UTC).
    pub(crate) fn drop_tags(&mut self, year: i32) {
        self.tags.retain(|tags| tags.at.utc_year() != year);
    }
}
