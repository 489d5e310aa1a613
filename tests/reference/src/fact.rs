//! Section 4: the facts of a shop, their natural keys, and the repeats that win.

use super::identity::Tombstones;
use super::program::{amount, is_amount};
use super::time::{Instant, instant, print};
use rust_decimal::Decimal;
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// A value in the form in which facts are compared: "amounts as numbers, instants as instants, text by code point, absent
/// before present".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// Missing or null.
    Absent,
    /// A place in a list of kinds.
    Kind(u8),
    /// An amount.
    Number(Decimal),
    /// An instant.
    At(Instant),
    /// Text.
    Text(String),
    /// A boolean.
    Flag(bool),
    /// A set of texts, sorted.
    Texts(BTreeSet<String>),
}

/// One fact.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// The `type`.
    pub kind: String,
    /// The natural key, by which repeats are recognized.
    pub key: Vec<String>,
    /// The member that the fact names.
    pub member: Option<String>,
    /// `occurred_at`
    pub at: Instant,
    /// `paid_at`, of an order that names it.
    pub paid_at: Option<Instant>,
    /// "(an instant; default: `occurred_at`)"
    pub revision: Instant,
    /// Marked `imported: true`.
    pub imported: bool,
    /// The whole line.
    pub body: Value,
    content: Vec<Field>,
}

/// The place of a kind in section 4, for "movements are ordered by instant, then kind as listed in section 4".
pub fn place_of_kind(kind: &str) -> u8 {
    const LISTED: [&str; 14] = [
        "order.paid",
        "order.refunded",
        "order.cancelled",
        "order.restored",
        "points.earned",
        "points.adjusted",
        "points.imported",
        "points.canceled",
        "customer.tags_set",
        "customer.tags_changed",
        "customer.enrolled",
        "tier.assigned",
        "tier.unassigned",
        "customer.merged",
    ];
    LISTED.iter().position(|&listed| listed == kind).unwrap_or(LISTED.len()) as u8 + 1
}

impl Fact {
    /// Reads a line; `None` if it is not a valid fact. `currency` is the program's, the default of orders.
    pub fn read(line: &Value, currency: &str) -> Option<Fact> {
        let kind = line["type"].as_str()?;
        let at = instant(line["occurred_at"].as_str()?)?;
        let member = line["member_id"].as_str().map(str::to_owned);
        let id = |name: &str| line[name].as_str().map(str::to_owned);
        let text = |name: &str| id(name).map_or(Field::Absent, Field::Text);
        let number = |name: &str| amount(&line[name]).map_or(Field::Absent, Field::Number);
        let or_zero = |name: &str| Field::Number(amount(&line[name]).unwrap_or_default());
        let flag = |name: &str, default: bool| Field::Flag(line[name].as_bool().unwrap_or(default));
        let set = |name: &str| texts(&line[name]);
        let moment = |name: &str| match &line[name] {
            Value::Null => Some(None),
            given => Some(Some(instant(given.as_str()?)?)),
        };
        let own = |space: &str| Some(vec![space.to_owned(), member.clone()?]);

        // "`member_id` may be missing on `order.paid` (a guest …) and on `order.refunded`, `order.cancelled`,
        // `order.restored`, `points.canceled`"
        let guests = ["order.paid", "order.refunded", "order.cancelled", "order.restored", "points.canceled"];
        if member.is_none() && !guests.contains(&kind) {
            return None;
        }
        // Given values must be valid.
        let fits = |name: &str, check: &dyn Fn(Decimal) -> bool| match &line[name] {
            Value::Null => true,
            given => amount(given).is_some_and(check),
        };
        let parts = [&["total", "discounts", "paid_with_credit", "amount"][..], &REFUND_PARTS].concat();
        let rate = |rate: Decimal| rate > Decimal::ZERO && rate.scale() <= 10;
        let whole = |points: Decimal| points.is_integer() && !points.is_zero() && is_amount(points.abs());
        if !parts.iter().all(|part| fits(part, &is_amount))
            || !fits("exchange_rate", &rate)
            || !fits("points", &whole)
            || (kind != "points.adjusted" && !fits("points", &|points| points > Decimal::ZERO))
            // "the same `document` (a text)"
            || !(line["document"].is_null() || line["document"].is_string())
        {
            return None;
        }
        let paid_at = if kind == "order.paid" { moment("paid_at")? } else { None };
        let (key, mut content) = match kind {
            "order.paid" => (
                vec!["order".into(), id("order_id")?],
                vec![
                    paid_at.map_or(Field::Absent, Field::At),
                    Field::Number(amount(&line["total"]).filter(|total| !total.is_sign_negative())?),
                    or_zero("tax"),
                    or_zero("shipping"),
                    or_zero("tips"),
                    or_zero("duties"),
                    or_zero("discounts"),
                    or_zero("gift_cards"),
                    or_zero("paid_with_credit"),
                    Field::Text(id("currency").unwrap_or_else(|| currency.to_owned())),
                    number("exchange_rate"),
                    flag("test", false),
                ],
            ),
            // "(refunds: within their order …)"
            "order.refunded" => {
                let given_back = amount(&line["amount"])?;
                // "(what of `amount` gives those back; together at most `amount`)"
                if REFUND_PARTS.iter().filter_map(|part| amount(&line[part])).sum::<Decimal>() > given_back {
                    return None;
                }
                let mut content = vec![text("order_id"), Field::Number(given_back)];
                content.extend(REFUND_PARTS.map(number));
                (vec!["refund".into(), id("order_id")?, id("refund_id")?], content)
            }
            "order.cancelled" => (vec!["cancelled".into(), id("order_id")?], vec![]),
            "order.restored" => (vec!["restored".into(), id("order_id")?], vec![]),
            // "Earned, adjusted and imported entries share one key space."
            "points.earned" | "points.adjusted" | "points.imported" => {
                let points = amount(&line["points"])?;
                (vec!["entry".into(), id("entry_id")?], vec![Field::Number(points), text("reason")])
            }
            "points.canceled" => {
                (vec!["canceled".into(), id("cancel_id")?], vec![Field::Text(id("entry_id")?), number("points")])
            }
            // "(… `customer.*` facts: within their member)"
            "customer.tags_set" => {
                let mut key = own("tags_set")?;
                key.push(print(at));
                (key, vec![set("tags")])
            }
            "customer.tags_changed" => {
                let mut key = own("tags_changed")?;
                key.push(print(at));
                key.push(format!("{:?} {:?}", set("added"), set("removed")));
                (key, vec![set("added"), set("removed")])
            }
            "customer.enrolled" => (own("enrolled")?, vec![text("birthday")]),
            "customer.birthday_set" => (own("birthday")?, vec![text("birthday")]),
            "tier.assigned" => {
                if !["floor", "lock"].contains(&line["mode"].as_str()?) {
                    return None;
                }
                let until = moment("until")?.map_or(Field::Absent, Field::At);
                (
                    vec!["assigned".into(), id("assignment_id")?],
                    vec![text("tier"), text("mode"), until, text("reason"), text("by"), flag("reward", true)],
                )
            }
            "tier.unassigned" => (vec!["unassigned".into(), id("assignment_id")?], vec![text("reason"), text("by")]),
            "customer.merged" => {
                let into = text("into");
                // "(a member's id, or null: undone)"; no id is merged into itself.
                if !(line["into"].is_null() || line["into"].is_string()) || line["into"] == line["member_id"] {
                    return None;
                }
                (own("merged")?, vec![into])
            }
            "customer.erased" => (own("erased")?, vec![]),
            _ => return None,
        };
        // "field by field in the order of the table (for entries the kind first; … then `member_id`, then `imported`)"
        content.insert(0, Field::At(at));
        content.insert(0, Field::Kind(place_of_kind(kind)));
        content.push(text("member_id"));
        content.push(flag("imported", false));
        // "(`revision` defaults to the `occurred_at` that is stated …)"
        let revision = moment("revision")?.unwrap_or(at);
        Some(Fact {
            kind: kind.to_owned(),
            key,
            member,
            at,
            paid_at,
            revision,
            imported: line["imported"] == true,
            body: line.clone(),
            content,
        })
    }

    /// The later of its instants: "`received_at` (defaults) to the later of the two; neither may lie more than five
    /// minutes after the arrival".
    pub fn latest_instant(&self) -> Instant {
        self.at.max(self.paid_at.unwrap_or(self.at))
    }

    /// "a repeat with different content replaces it only if its `revision` … is later; at equal revisions the one
    /// that compares greater wins"; an enrollment: "one per member, the earliest wins".
    fn beats(&self, other: &Fact) -> bool {
        if self.kind == "customer.enrolled" {
            return (Reverse(self.at), self.revision, &self.content)
                > (Reverse(other.at), other.revision, &other.content);
        }
        (self.revision, &self.content) > (other.revision, &other.content)
    }

    /// Whether another line tells the same fact with the same content.
    pub fn is_told_again_by(&self, other: &Fact) -> bool {
        self.key == other.key && self.revision == other.revision && self.content == other.content
    }

    /// "Causes: `activity` (orders, restored ones too, earned and adjusted points, enrolment, corrections), `refund` (refund,
    /// cancellation, cancelled points), … `assigned` (and unassigned), `imported` (`points.imported`, or any fact
    /// marked `imported: true`), `tags_changed`, `merged`."
    pub fn cause(&self) -> &'static str {
        match self.kind.as_str() {
            _ if self.imported => "imported",
            "points.imported" => "imported",
            "order.refunded" | "order.cancelled" | "points.canceled" => "refund",
            "tier.assigned" | "tier.unassigned" => "assigned",
            "customer.tags_set" | "customer.tags_changed" => "tags_changed",
            "customer.merged" => "merged",
            _ => "activity",
        }
    }

    /// Whether an entry it brings the member who has these ids is rewarded: "cause `activity`, `tags_changed`, or `assigned`
    /// with `reward: true`", "Unassigning … give none".
    pub fn rewards(&self, ids: &BTreeSet<String>) -> bool {
        match self.cause() {
            "activity" | "tags_changed" => true,
            "assigned" => self.kind == "tier.assigned" && self.body["reward"] != false && self.names_one_of(ids),
            _ => false,
        }
    }

    /// Whether the member that the fact names is one of these ids.
    pub fn names_one_of(&self, ids: &BTreeSet<String>) -> bool {
        self.member.as_ref().is_some_and(|member| ids.contains(member))
    }

    /// The ids that it names as members: its own, and the one that a merge is into.
    fn names(&self) -> Vec<String> {
        let into = self.body["into"].as_str().filter(|_| self.kind == "customer.merged");
        self.member.iter().cloned().chain(into.map(str::to_owned)).collect()
    }
}

fn texts(list: &Value) -> Field {
    let list = list.as_array().cloned().unwrap_or_default();
    Field::Texts(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// The parts of a refund that are optional, in the order of the table.
const REFUND_PARTS: [&str; 5] = ["tax", "shipping", "tips", "duties", "gift_cards"];

/// Whether a refund says which parts of its amount it gives back: "where it names any (0 names it too)".
pub fn names_a_part(refund: &Value) -> bool {
    REFUND_PARTS.iter().any(|part| !refund[part].is_null())
}

fn keep_better(facts: &mut BTreeMap<Vec<String>, Fact>, fact: Fact) {
    match facts.get(&fact.key) {
        Some(present) if !fact.beats(present) => {}
        _ => {
            facts.insert(fact.key.clone(), fact);
        }
    }
}

/// All facts of a shop, each natural key once.
#[derive(Debug, Clone, Default)]
pub struct Shop {
    /// The program's currency, the default of orders.
    pub currency: String,
    facts: BTreeMap<Vec<String>, Fact>,
    /// Of each order the latest revision that names a `paid_at`, even if a later one does not.
    paid: BTreeMap<Vec<String>, Fact>,
    named: BTreeSet<String>,
    pub(super) tombstones: Tombstones,
}

impl Shop {
    /// An empty shop with the program's currency.
    pub fn new(currency: &str) -> Shop {
        Shop { currency: currency.to_owned(), ..Shop::default() }
    }

    /// Applies one line, in any order (an erasure takes those whom it meets). Returns false if it is not a valid fact.
    pub fn take(&mut self, line: &Value) -> bool {
        match Fact::read(line, &self.currency) {
            Some(fact) => {
                self.merge(fact);
                true
            }
            None => false,
        }
    }

    /// The ids that a fact names as members. A merge of an erased id is kept out, and names no other.
    pub fn named_by(&self, fact: &Fact) -> Vec<String> {
        match &fact.member {
            Some(member) if self.is_erased(member) => vec![member.clone()],
            _ => fact.names(),
        }
    }

    /// Applies one fact, unless a better one with its key is known.
    pub fn merge(&mut self, fact: Fact) {
        self.named.extend(self.named_by(&fact));
        if let ("customer.erased", Some(member)) = (fact.kind.as_str(), &fact.member) {
            self.erase(member);
        }
        if fact.paid_at.is_some() {
            keep_better(&mut self.paid, fact.clone());
        }
        keep_better(&mut self.facts, fact);
    }

    /// The instant that an order counts for: "that of its `paid_at`, if any revision of it names one (of several the
    /// latest revision's that does), else of its `occurred_at`".
    pub fn order_at(&self, order_id: &str) -> Option<Instant> {
        let order = self.fact(&["order", order_id])?;
        Some(self.paid.get(&order.key).and_then(|told| told.paid_at).unwrap_or(order.at))
    }

    /// Whether an order's fact is the one that says when it was paid. The order takes effect then, as that fact.
    pub fn dates(&self, fact: &Fact) -> bool {
        self.paid.get(&fact.key).map_or(self.knows(fact), |told| told == fact)
    }

    /// The instant as of which a fact counts. A correction "acts at the later of its own and its order's instant
    /// (`points.canceled` likewise), and counts as dated then, … once the order is known".
    pub fn dated(&self, fact: &Fact) -> Instant {
        let named = |id: &str| fact.body[id].as_str().unwrap();
        match fact.kind.as_str() {
            "order.paid" => self.order_at(named("order_id")).unwrap_or(fact.at),
            "order.refunded" | "order.cancelled" | "order.restored" => {
                self.order_at(named("order_id")).map_or(fact.at, |order_at| order_at.max(fact.at))
            }
            "points.canceled" => {
                self.fact(&["entry", named("entry_id")]).map_or(fact.at, |entry| entry.at.max(fact.at))
            }
            _ => fact.at,
        }
    }

    /// Whether a fact is the one known under its key.
    pub fn knows(&self, fact: &Fact) -> bool {
        self.facts.get(&fact.key) == Some(fact)
    }

    /// Whether a fact is known, or says when an order was paid that another revision tells.
    pub fn matters(&self, fact: &Fact) -> bool {
        self.knows(fact) || self.paid.get(&fact.key) == Some(fact)
    }

    /// All members whom any fact has ever named.
    pub fn members(&self) -> &BTreeSet<String> {
        &self.named
    }

    /// The fact with this key.
    pub fn fact(&self, key: &[&str]) -> Option<&Fact> {
        let key: Vec<String> = key.iter().map(|&part| part.to_owned()).collect();
        self.facts.get(&key)
    }

    /// All facts of some kind.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Fact> {
        self.facts.values().filter(move |fact| fact.kind == kind)
    }
}
