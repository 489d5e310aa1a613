//! Counts of the shop's events, taken from what the replay made of each.

use std::collections::BTreeSet;

use rules::calendar::{Day, Instant, Zone};
use rules::fact::{Charge, Fact, FactBody, ReceivedFact};
use rules::fact_index::FactStatus;
use rules::id::{MemberId, OrderId};
use serde::Serialize;

/// An event that arrives more than this long after it was known is late.
const LATE_MS: i64 = 24 * 3_600_000;

/// Counts of events.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Counts {
    /// Facts that arrived; a repeated fact counts each time.
    pub events: u64,
    pub orders: u64,
    /// Orders without a member when they arrived.
    pub by_guests: u64,
    /// Guest orders that a later revision gave to a member.
    pub claimed: u64,
    pub in_foreign_currency: u64,
    pub without_exchange_rate: u64,
    pub tests: u64,
    /// Orders that arrived again with other amounts.
    pub corrected: u64,
    pub returns: u64,
    pub cancellations: u64,
    pub enrolments: u64,
    pub given_by_hand: u64,
    /// Facts that arrived again although the same or a newer revision was known.
    pub repeated: u64,
    /// Facts that arrived more than a day after they were known.
    pub late: u64,
    /// Late facts that were known in an earlier year than they arrived in.
    pub late_across_new_year: u64,
    #[serde(skip)]
    seen: BTreeSet<OrderId>,
    #[serde(skip)]
    guests: BTreeSet<OrderId>,
    /// Members' orders that arrived in the year after they were paid.
    #[serde(skip)]
    pub late_orders: Vec<LateOrder>,
}

/// An order that arrived in the year after it was paid.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LateOrder {
    #[serde(skip)]
    pub member: MemberId,
    pub order_id: OrderId,
    pub paid_at: Instant,
    pub paid_on: Day,
    pub arrived_at: Instant,
    pub arrived_on: Day,
}

impl Counts {
    /// Counts one event.
    pub(crate) fn add(&mut self, told: &ReceivedFact, taken: FactStatus, zone: &Zone) {
        self.events += 1;
        match taken {
            FactStatus::Applied => {}
            FactStatus::Duplicate | FactStatus::Superseded => {
                self.repeated += 1;
                return;
            }
            FactStatus::MemberErased => return,
        }
        let late = self.count_late(told, zone);
        let fact = &told.fact;
        match &fact.body {
            FactBody::OrderPaid(order, paid) => {
                self.order(order, &paid.charge, fact.member());
                if let Some(arrived_at) = late.filter(|_| fact.revision == fact.occurred_at)
                    && let Some(member) = fact.member.clone()
                {
                    let (order_id, paid_at) = (order.clone(), fact.occurred_at);
                    let (paid_on, arrived_on) = (zone.day(paid_at), zone.day(arrived_at));
                    self.late_orders.push(LateOrder { member, order_id, paid_at, paid_on, arrived_at, arrived_on });
                }
            }
            FactBody::OrderRefunded(..) => self.returns += 1,
            FactBody::OrderCancelled(_) => self.cancellations += 1,
            FactBody::Enrolled(_) => self.enrolments += 1,
            FactBody::TierAssigned(..) => self.given_by_hand += 1,
            FactBody::TierUnassigned(..)
            | FactBody::OrderRestored(_)
            | FactBody::BirthdaySet(_)
            | FactBody::PointsEntry(..)
            | FactBody::PointsCanceled(..)
            | FactBody::TagsSet(_)
            | FactBody::TagsChanged(_)
            | FactBody::Merged(_)
            | FactBody::Erased => {}
        }
    }

    /// Counts a late fact; returns its arrival if that was in a later year.
    fn count_late(&mut self, told: &ReceivedFact, zone: &Zone) -> Option<Instant> {
        let Fact { revision, occurred_at, body, .. } = &told.fact;
        let known_at = *if let FactBody::OrderPaid(..) = body { revision } else { occurred_at };
        let arrived_at = told.received_at?;
        if arrived_at.millis() - known_at.millis() <= LATE_MS {
            return None;
        }
        self.late += 1;
        let across = zone.day(arrived_at).year() > zone.day(known_at).year();
        self.late_across_new_year += u64::from(across);
        across.then_some(arrived_at)
    }

    fn order(&mut self, order: &OrderId, paid: &Charge, member: Option<&MemberId>) {
        if self.seen.insert(order.clone()) {
            let foreign = paid.currency.code() != "USD";
            self.orders += 1;
            self.tests += u64::from(paid.test);
            self.in_foreign_currency += u64::from(foreign);
            self.without_exchange_rate += u64::from(foreign && paid.exchange_rate.is_none());
            if member.is_none() {
                self.by_guests += 1;
                self.guests.insert(order.clone());
            }
        } else if member.is_some() && self.guests.remove(order) {
            self.claimed += 1;
        } else {
            self.corrected += 1;
        }
    }
}
