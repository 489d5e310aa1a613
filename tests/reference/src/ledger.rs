//! Section 4: the facts that belong to a member.

use super::fact::{Fact, Shop, place_of_kind};
use super::program::{amount, tag};
use super::time::{Instant, instant};
use rust_decimal::Decimal;
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// "movements are ordered by instant, then kind as listed in section 4, then key"; a midnight comes before all
/// movements of its instant (kind 0).
pub type Place = (Instant, u8, String);

/// An order with its refunds, cancellation and restoration.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// Its place, at the instant that it counts for.
    pub(super) place: Place,
    pub(super) paid: Fact,
    /// In the order in which they act.
    pub(super) refunds: Vec<Correction>,
    pub(super) cancelled: Option<Correction>,
    pub(super) restored: Option<Correction>,
}

/// A refund, the cancellation or the restoration of an order.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    /// Its place, at the instant at which it acts: "the later of its own and its order's instant".
    pub(super) place: Place,
    pub(super) fact: Fact,
}

impl Correction {
    fn of(fact: &Fact, order_at: Instant, id: &str) -> Correction {
        Correction { place: (fact.at.max(order_at), place_of_kind(&fact.kind), id.to_owned()), fact: fact.clone() }
    }
}

/// A points entry with its cancellations.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub(super) place: Place,
    pub(super) fact: Fact,
    /// The instants at which they act, ids, points (none: all that are left); in that order.
    pub(super) cancels: Vec<(Instant, String, Option<Decimal>)>,
}

/// `tier.assigned`, `tier.unassigned`, or a hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The place; a newer one is greater.
    pub place: Place,
    /// Whether it is an unassignment.
    pub ends_older: bool,
    /// The tier assigned, or none.
    pub tier: Option<String>,
    /// Whether the mode is `lock`, not `floor`.
    pub lock: bool,
    /// "until `until`, if given".
    pub until: Option<Instant>,
    /// The `since` of the stretch that a hold continues; none for other assignments.
    pub held_since: Option<Instant>,
}

/// The facts of one member, under all ids that stand for them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    /// The ids that stand for the member, with their own; none if they stand for another member, or were erased.
    pub(super) ids: BTreeSet<String>,
    pub(super) orders: Vec<Order>,
    pub(super) entries: Vec<Entry>,
    /// "while it waits, such a fact is with the member it names"
    waiting: Vec<Fact>,
    tags: Vec<Fact>,
    /// "the earliest enrolment"
    enrolled: Option<Fact>,
    /// The birthday that counts as said with the enrollment.
    birthday_enrolled: Option<String>,
    birthday_set: Option<Fact>,
    /// The assignments, in no particular order.
    pub assignments: Vec<Assignment>,
}

impl Ledger {
    /// Collects the facts of `member`: "the member into whom another was merged has the facts of both".
    pub fn of(shop: &Shop, member: &str) -> Ledger {
        // "Everything about the member is deleted"; an id that stands for another member has no facts.
        let mut ledger = Ledger { ids: shop.ids_of(member), ..Ledger::default() };
        if ledger.ids.is_empty() {
            return ledger;
        }
        let ids = ledger.ids.clone();
        let is_mine = |fact: &Fact| fact.names_one_of(&ids);
        // "the latest revision says whose an order or entry is"
        for paid in shop.of_kind("order.paid").filter(|fact| is_mine(fact)) {
            ledger.orders.push(order(shop, paid));
        }
        for kind in ["points.earned", "points.adjusted", "points.imported"] {
            for fact in shop.of_kind(kind).filter(|fact| is_mine(fact)) {
                ledger.entries.push(entry(shop, fact));
            }
        }
        // "once the order or entry is known, that one's member rules"
        for kind in ["order.refunded", "order.cancelled", "order.restored", "points.canceled"] {
            for fact in shop.of_kind(kind).filter(|fact| is_mine(fact)) {
                let known = match kind {
                    "points.canceled" => shop.fact(&["entry", text(fact, "entry_id")]),
                    _ => shop.fact(&["order", text(fact, "order_id")]),
                };
                if known.is_none() {
                    ledger.waiting.push(fact.clone());
                }
            }
        }
        for kind in ["customer.tags_set", "customer.tags_changed"] {
            // "tags only as said of themselves"
            let own = shop.of_kind(kind).filter(|fact| fact.member.as_deref() == Some(member));
            ledger.tags.extend(own.cloned());
        }
        let enrolled = |id: &str| shop.fact(&["enrolled", id]);
        // Of enrollments at one instant the member's own, else that of the lower id.
        let enrollments = ids.iter().filter_map(|id| enrolled(id));
        ledger.enrolled =
            enrollments.min_by_key(|fact| (fact.at, fact.member.as_deref() != Some(member), &fact.member)).cloned();
        if let Some(id) = birthday_said_of(shop, member, &ids) {
            ledger.birthday_enrolled = enrolled(&id).and_then(birthday).map(str::to_owned);
            ledger.birthday_set = shop.fact(&["birthday", &id]).cloned();
        }
        for kind in ["tier.assigned", "tier.unassigned"] {
            for fact in shop.of_kind(kind).filter(|fact| is_mine(fact)) {
                ledger.assignments.push(Assignment {
                    place: place(fact, "assignment_id"),
                    ends_older: kind == "tier.unassigned",
                    tier: fact.body["tier"].as_str().map(str::to_owned),
                    lock: fact.body["mode"] == "lock",
                    until: fact.body["until"].as_str().and_then(instant),
                    held_since: None,
                });
            }
        }
        ledger
    }

    /// The ledger as if only facts with an instant before `end` had happened.
    pub fn before(&self, end: Instant) -> Ledger {
        let mut seen = self.clone();
        seen.orders.retain(|order| order.place.0 < end);
        for order in &mut seen.orders {
            order.refunds.retain(|refund| refund.place.0 < end);
            order.cancelled = order.cancelled.take().filter(|cancelled| cancelled.place.0 < end);
            order.restored = order.restored.take().filter(|restored| restored.place.0 < end);
        }
        seen.entries.retain(|entry| entry.place.0 < end);
        for entry in &mut seen.entries {
            entry.cancels.retain(|cancel| cancel.0 < end);
        }
        seen.waiting.retain(|fact| fact.at < end);
        seen.tags.retain(|fact| fact.at < end);
        seen.enrolled = seen.enrolled.filter(|fact| fact.at < end);
        seen.birthday_set = seen.birthday_set.filter(|fact| fact.at < end);
        seen.assignments.retain(|assignment| assignment.place.0 < end);
        seen
    }

    /// Whether a known fact acts on `member`, whose ledger this is. It does not while it waits for its order or entry, nor
    /// where that is another member's, nor where a fact told under another of their ids stands in its place. A merge or an
    /// erasure "has no instant of its own".
    pub fn feels(&self, fact: &Fact, member: &str) -> bool {
        match fact.kind.as_str() {
            "order.paid" | "order.refunded" | "order.cancelled" | "order.restored" => {
                self.orders.iter().any(|order| text(&order.paid, "order_id") == text(fact, "order_id"))
            }
            "points.canceled" => {
                self.entries.iter().any(|entry| text(&entry.fact, "entry_id") == text(fact, "entry_id"))
            }
            "customer.tags_set" | "customer.tags_changed" => fact.member.as_deref() == Some(member),
            "customer.enrolled" => self.enrolled.as_ref() == Some(fact),
            "customer.birthday_set" => self.birthday_set.as_ref() == Some(fact),
            "customer.merged" | "customer.erased" => false,
            _ => fact.names_one_of(&self.ids),
        }
    }

    /// The instants of all facts; "(`birthday_set`) starts no timeline" and is not among them.
    pub fn instants(&self) -> Vec<Instant> {
        let mut all = Vec::new();
        for order in &self.orders {
            all.push(order.place.0);
            let corrections = order.refunds.iter().chain(&order.cancelled).chain(&order.restored);
            all.extend(corrections.map(|correction| correction.place.0));
        }
        for entry in &self.entries {
            all.push(entry.place.0);
            all.extend(entry.cancels.iter().map(|cancel| cancel.0));
        }
        all.extend(self.waiting.iter().map(|fact| fact.at));
        all.extend(self.tags.iter().map(|fact| fact.at));
        all.extend(self.enrolled.iter().map(|fact| fact.at));
        all.extend(self.assignments.iter().map(|assignment| assignment.place.0));
        all
    }

    /// "A member's timeline starts at its first fact".
    pub fn first(&self) -> Option<Instant> {
        self.instants().into_iter().min()
    }

    /// The instant of the enrollment, if it is known.
    pub fn enrolled_at(&self) -> Option<Instant> {
        self.enrolled.as_ref().map(|fact| fact.at)
    }

    /// The birthday as `MM-DD`, as known at `at`: a `birthday_set` overrides the enrollment.
    pub fn birthday(&self, at: Instant) -> Option<String> {
        let seen = self.before(at + 1);
        match seen.birthday_set {
            Some(set) => birthday(&set).map(str::to_owned),
            None => seen.enrolled.and(seen.birthday_enrolled),
        }
    }

    /// "The current set at `t` is the latest `tags_set` with `occurred_at` ≤ `t`, then the later changes up to `t`
    /// in order of instant (at one instant: set, then all removed, then all added)".
    pub fn tags_at(&self, t: Instant) -> Vec<String> {
        let list = |fact: &Fact, name: &str| -> Vec<String> {
            let list = fact.body[name].as_array().cloned().unwrap_or_default();
            list.iter().filter_map(Value::as_str).map(tag).collect()
        };
        let seen: Vec<&Fact> = self.tags.iter().filter(|fact| fact.at <= t).collect();
        let sets = seen.iter().filter(|fact| fact.kind == "customer.tags_set");
        let latest = sets.max_by_key(|fact| fact.at);
        let mut current = latest.map_or_else(Vec::new, |set| list(set, "tags"));
        let from = latest.map_or(Instant::MIN, |set| set.at);
        let changes: Vec<&&Fact> =
            seen.iter().filter(|fact| fact.kind == "customer.tags_changed" && fact.at >= from).collect();
        let mut instants: Vec<Instant> = changes.iter().map(|fact| fact.at).collect();
        instants.sort_unstable();
        instants.dedup();
        for at in instants {
            for change in changes.iter().filter(|fact| fact.at == at) {
                let removed = list(change, "removed");
                current.retain(|tag| !removed.contains(tag));
            }
            for change in changes.iter().filter(|fact| fact.at == at) {
                current.extend(list(change, "added"));
            }
        }
        current
    }
}

/// The id whose birthday counts: "the birthday last said of themselves, else the other's".
fn birthday_said_of(shop: &Shop, member: &str, ids: &BTreeSet<String>) -> Option<String> {
    let set = |id: &String| shop.fact(&["birthday", id]).map(|fact| fact.at);
    let enrolled =
        |id: &String| shop.fact(&["enrolled", id]).filter(|fact| birthday(fact).is_some()).map(|fact| fact.at);
    let said = || ids.iter().filter(|id| set(id).is_some() || enrolled(id).is_some());
    // Theirs alone; of the others' the one set latest, else the one told at the earliest enrollment; at last the lower id's.
    said()
        .find(|id| *id == member)
        .or_else(|| said().filter(|id| set(id).is_some()).max_by_key(|id| (set(id), Reverse(*id))))
        .or_else(|| said().min_by_key(|id| (enrolled(id), *id)))
        .cloned()
}

fn birthday(fact: &Fact) -> Option<&str> {
    fact.body["birthday"].as_str()
}

fn text<'a>(fact: &'a Fact, name: &str) -> &'a str {
    fact.body[name].as_str().unwrap()
}

fn place(fact: &Fact, id: &str) -> Place {
    (fact.at, place_of_kind(&fact.kind), text(fact, id).to_owned())
}

fn order(shop: &Shop, paid: &Fact) -> Order {
    let order_id = text(paid, "order_id");
    let order_at = shop.dated(paid);
    // "it waits, and acts at the later of its own and its order's instant"
    let mut refunds: Vec<_> = shop
        .of_kind("order.refunded")
        .filter(|refund| text(refund, "order_id") == order_id)
        .map(|refund| Correction::of(refund, order_at, text(refund, "refund_id")))
        .collect();
    refunds.sort_by(|a, b| a.place.cmp(&b.place));
    let known = |space: &str| Some(Correction::of(shop.fact(&[space, order_id])?, order_at, order_id));
    Order {
        place: (order_at, place_of_kind(&paid.kind), order_id.to_owned()),
        refunds,
        cancelled: known("cancelled"),
        restored: known("restored"),
        paid: paid.clone(),
    }
}

fn entry(shop: &Shop, fact: &Fact) -> Entry {
    let entry_id = text(fact, "entry_id");
    // "(`points.canceled` likewise)"
    let mut cancels: Vec<_> = shop
        .of_kind("points.canceled")
        .filter(|cancel| text(cancel, "entry_id") == entry_id)
        .map(|cancel| {
            let id = text(cancel, "cancel_id").to_owned();
            (cancel.at.max(fact.at), id, amount(&cancel.body["points"]))
        })
        .collect();
    cancels.sort();
    Entry { place: place(fact, "entry_id"), cancels, fact: fact.clone() }
}
