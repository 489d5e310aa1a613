//! Facts from and to their JSON form: the events of section 4.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    BirthdaySet, Charge, Currency, Enrolled, EntryKind, Fact, FactBody, Merged, Mode, OrderPaid, PointsCanceled,
    PointsEntry, RefundParts, Refunded, Tag, TagsChanged, TagsSet, TierAssigned, TierUnassigned,
};
use crate::calendar::{DayOfYear, Instant};
use crate::id::{AssignmentId, CancelId, EntryId, MemberId, OrderId, RefundId, TierId};
use crate::json::{Node, Notes, Object, Problems};
use crate::quantity::{Amount, Points, Rate};

/// A fact as received, with the instant of its arrival if the sender gave one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedFact {
    /// The fact.
    pub fact: Fact,
    /// The instant of its arrival; if absent, the instant at which it occurred.
    pub received_at: Option<Instant>,
    /// The document that it came with. The consecutive facts of a document arrive at once (section 4).
    pub document: Option<String>,
}

impl Fact {
    /// The types of events that carry facts (section 4).
    pub const TYPES: [&str; 16] = [
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
        "customer.birthday_set",
        "customer.merged",
        "customer.erased",
        "tier.assigned",
        "tier.unassigned",
    ];

    /// The types of events that are no facts, because they never change a tier: points that are spent stay earned.
    pub const NEVER_SENT: [&str; 2] = ["points.redeemed", "points.expired"];

    /// Reads one event of section 4. An order without a currency is in `currency`, the program's.
    ///
    /// # Errors
    /// All problems at once, each with its JSON path.
    pub fn read(event: &Value, currency: Currency) -> Result<ReceivedFact, Problems> {
        let notes = Notes::default();
        let read = Node::root(event, &notes).object().and_then(|object| read_told(object, currency));
        notes.settle(read)
    }
}

fn read_told(o: Object<'_>, currency: Currency) -> Option<ReceivedFact> {
    let kind = o.need("type")?.text()?;
    let received_at = o.maybe("received_at", Node::instant);
    let document = o.maybe("document", free_text);
    let read = match kind {
        "order.paid" => order_paid(&o, currency),
        "order.refunded" => order_refunded(&o),
        "order.cancelled" => order_turned(&o, FactBody::OrderCancelled),
        "order.restored" => order_turned(&o, FactBody::OrderRestored),
        "points.earned" => points_entry(&o, EntryKind::Earned),
        "points.adjusted" => points_entry(&o, EntryKind::Adjusted),
        "points.imported" => points_entry(&o, EntryKind::Imported),
        "points.canceled" => points_canceled(&o),
        "customer.tags_set" => tags_set(&o),
        "customer.tags_changed" => tags_changed(&o),
        "customer.enrolled" => enrolled(&o),
        "customer.birthday_set" => birthday_set(&o),
        "customer.merged" => merged(&o),
        "customer.erased" => erased(&o),
        "tier.assigned" => tier_assigned(&o),
        "tier.unassigned" => tier_unassigned(&o),
        _ if Fact::NEVER_SENT.contains(&kind) => {
            return o.need("type")?.problem(format!(
                "nothing_to_send: redeeming or expiring points never lowers what was earned, so `{kind}` is no fact here"
            ));
        }
        other => {
            return o
                .need("type")?
                .problem(format!("`{other}` is not an event; write one of `{}`", Fact::TYPES.join("`, `")));
        }
    };
    o.finish();
    Some(ReceivedFact { fact: read?, received_at: received_at?, document: document? })
}

fn some_member(o: &Object<'_>) -> Option<Option<MemberId>> {
    o.need("member_id")?.id(MemberId::new).map(Some)
}

fn maybe_member(o: &Object<'_>) -> Option<Option<MemberId>> {
    o.maybe("member_id", |node| node.id(MemberId::new))
}

fn occurred_at(o: &Object<'_>) -> Option<Instant> {
    o.need("occurred_at")?.instant()
}

/// A fact from its body and the fields that every fact has. It takes all parts as options, so that every problem is found.
fn fact(
    o: &Object<'_>,
    occurred_at: Option<Instant>,
    member: Option<Option<MemberId>>,
    body: Option<FactBody>,
) -> Option<Fact> {
    let revision = o.maybe("revision", Node::instant);
    let imported = o.or("imported", false, Node::bool);
    let (revision, imported, occurred_at) = (revision?, imported?, occurred_at?);
    Some(Fact { revision: revision.unwrap_or(occurred_at), occurred_at, body: body?, member: member?, imported })
}

fn read_currency(node: &Node<'_>) -> Option<Currency> {
    let code = node.text()?;
    match Currency::from_code(code) {
        Some(currency) => Some(currency),
        None => node.problem(format!("`{code}` is not an ISO 4217 currency code such as \"USD\"")),
    }
}

fn order_paid(o: &Object<'_>, default: Currency) -> Option<Fact> {
    let order = o.need("order_id").and_then(|node| node.id(OrderId::new));
    let at = occurred_at(o);
    let paid_at = o.maybe("paid_at", Node::instant);
    let total = o.need("total").and_then(|node| node.amount());
    let part = |name| o.or(name, Amount::ZERO, Node::amount);
    let (tax, shipping, tips, duties) = (part("tax"), part("shipping"), part("tips"), part("duties"));
    let (discounts, gift_cards, paid_with_credit) = (part("discounts"), part("gift_cards"), part("paid_with_credit"));
    let currency = o.or("currency", default, read_currency);
    let exchange_rate = o.maybe("exchange_rate", |node| node.decimal(Rate::parse));
    let test = o.or("test", false, Node::bool);
    let member = maybe_member(o);
    let body = (|| {
        let charge = Charge {
            total: total?,
            tax: tax?,
            shipping: shipping?,
            tips: tips?,
            duties: duties?,
            discounts: discounts?,
            gift_cards: gift_cards?,
            paid_with_credit: paid_with_credit?,
            currency: currency?,
            exchange_rate: exchange_rate?,
            test: test?,
        };
        Some(FactBody::OrderPaid(order?, OrderPaid { paid_at: paid_at?, charge }))
    })();
    fact(o, at, member, body)
}

fn order_refunded(o: &Object<'_>) -> Option<Fact> {
    let order = o.need("order_id").and_then(|node| node.id(OrderId::new));
    let refund = o.need("refund_id").and_then(|node| node.id(RefundId::new));
    let at = occurred_at(o);
    let amount = o.need("amount").and_then(|node| node.amount());
    let part = |name| o.maybe(name, Node::amount);
    let parts = [part("tax"), part("shipping"), part("tips"), part("duties"), part("gift_cards")];
    let member = maybe_member(o);
    let refunded = (|| {
        let [tax, shipping, tips, duties, gift_cards] = parts;
        let parts =
            RefundParts { tax: tax?, shipping: shipping?, tips: tips?, duties: duties?, gift_cards: gift_cards? };
        Some(Refunded { amount: amount?, parts })
    })();
    // None where a part cannot be read has been said above.
    let refunded = refunded.and_then(|refunded| whole_parts(o, refunded));
    let body = (|| Some(FactBody::OrderRefunded(order?, refund?, refunded?)))();
    fact(o, at, member, body)
}

/// The parts of a refund are together at most its amount (section 4).
fn whole_parts(o: &Object<'_>, refunded: Refunded) -> Option<Refunded> {
    let parts = refunded.parts.each().into_iter().flatten().map(Amount::ten_thousandths);
    let sum = parts.fold(0, u64::saturating_add);
    if sum <= refunded.amount.ten_thousandths() {
        return Some(refunded);
    }
    let problem = format!("is {}, less than its parts together: write the amount with all its parts", refunded.amount);
    o.need("amount")?.problem(problem)
}

/// Reads a cancellation or a restoration.
fn order_turned(o: &Object<'_>, body: impl FnOnce(OrderId) -> FactBody) -> Option<Fact> {
    let order = o.need("order_id").and_then(|node| node.id(OrderId::new));
    let at = occurred_at(o);
    let member = maybe_member(o);
    fact(o, at, member, order.map(body))
}

const POINTS_MAX: i64 = 999_999_999_999;

fn points(node: &Node<'_>, negative: bool) -> Option<Points> {
    let range = if negative { -POINTS_MAX..=POINTS_MAX } else { 1..=POINTS_MAX };
    let points = node.integer(range)?;
    Points::new(points).or_else(|| node.problem("must not be 0"))
}

fn points_entry(o: &Object<'_>, kind: EntryKind) -> Option<Fact> {
    let entry = o.need("entry_id").and_then(|node| node.id(EntryId::new));
    let at = occurred_at(o);
    let points = o.need("points").and_then(|node| points(&node, kind == EntryKind::Adjusted));
    let reason = o.maybe("reason", free_text);
    let member = some_member(o);
    let body = (|| Some(FactBody::PointsEntry(entry?, PointsEntry { kind, points: points?, reason: reason? })))();
    fact(o, at, member, body)
}

fn points_canceled(o: &Object<'_>) -> Option<Fact> {
    let cancel = o.need("cancel_id").and_then(|node| node.id(CancelId::new));
    let at = occurred_at(o);
    let entry = o.need("entry_id").and_then(|node| node.id(EntryId::new));
    let points = o.maybe("points", |node| points(node, false));
    o.get("reason"); // allowed, and ignored
    let member = maybe_member(o);
    let body = (|| Some(FactBody::PointsCanceled(cancel?, PointsCanceled { entry: entry?, points: points? })))();
    fact(o, at, member, body)
}

fn tags(node: &Node<'_>) -> Option<BTreeSet<Tag>> {
    let mut found = BTreeSet::new();
    for item in node.list()? {
        found.extend(Tag::new(item.text()?));
    }
    Some(found)
}

fn tags_set(o: &Object<'_>) -> Option<Fact> {
    let at = occurred_at(o);
    let tags = o.need("tags").and_then(|node| tags(&node));
    let member = some_member(o);
    fact(o, at, member, tags.map(|tags| FactBody::TagsSet(TagsSet { tags })))
}

fn tags_changed(o: &Object<'_>) -> Option<Fact> {
    let at = occurred_at(o);
    let added = o.or("added", BTreeSet::new(), tags);
    let removed = o.or("removed", BTreeSet::new(), tags);
    let member = some_member(o);
    let changed = added.zip(removed).map(|(added, removed)| TagsChanged { added, removed });
    fact(o, at, member, changed.map(FactBody::TagsChanged))
}

fn birthday(node: &Node<'_>) -> Option<DayOfYear> {
    let text = node.text()?;
    match DayOfYear::parse(text) {
        Some(birthday) => Some(birthday),
        None => node.problem(format!("`{text}` is not a day of the year such as \"02-29\" (month, then day)")),
    }
}

fn enrolled(o: &Object<'_>) -> Option<Fact> {
    let at = occurred_at(o);
    let birthday = o.maybe("birthday", birthday);
    let member = some_member(o);
    fact(o, at, member, birthday.map(|birthday| FactBody::Enrolled(Enrolled { birthday })))
}

fn birthday_set(o: &Object<'_>) -> Option<Fact> {
    let at = occurred_at(o);
    let birthday = o.nullable("birthday", "a birthday withdrawn", birthday);
    let member = some_member(o);
    fact(o, at, member, birthday.map(|birthday| FactBody::BirthdaySet(BirthdaySet { birthday })))
}

/// Reads a merge, or that it is undone.
fn merged(o: &Object<'_>) -> Option<Fact> {
    let at = occurred_at(o);
    let into = o.nullable("into", "a merge undone", |node| node.id(MemberId::new));
    let member = some_member(o);
    if let (Some(Some(into)), Some(Some(id))) = (&into, &member)
        && into == id
    {
        return o.need("into")?.problem("is the member's own id: name the member that this id stands for from now on");
    }
    fact(o, at, member, into.map(|into| FactBody::Merged(Merged { into })))
}

/// Reads an erasure. It has no other version and is never announced, so its `revision` and `imported` are ignored.
fn erased(o: &Object<'_>) -> Option<Fact> {
    let at = occurred_at(o);
    let member = some_member(o);
    let Fact { occurred_at, member, body, .. } = fact(o, at, member, Some(FactBody::Erased))?;
    Some(Fact::new(occurred_at, member, body))
}

fn free_text(node: &Node<'_>) -> Option<String> {
    node.text().map(str::to_owned)
}

fn tier_assigned(o: &Object<'_>) -> Option<Fact> {
    let assignment = o.need("assignment_id").and_then(|node| node.id(AssignmentId::new));
    let at = occurred_at(o);
    let tier = o.nullable("tier", "no tier", |node| node.id(TierId::new));
    let modes = [("floor", Mode::Floor), ("lock", Mode::Lock)];
    let mode = o.need("mode").and_then(|node| node.word(&modes));
    let until = o.maybe("until", Node::instant);
    let reason = o.maybe("reason", free_text);
    let by = o.maybe("by", free_text);
    let reward = o.or("reward", true, Node::bool);
    let member = some_member(o);
    let body = (|| {
        let assigned =
            TierAssigned { tier: tier?, mode: mode?, until: until?, reason: reason?, by: by?, reward: reward? };
        Some(FactBody::TierAssigned(assignment?, assigned))
    })();
    fact(o, at, member, body)
}

fn tier_unassigned(o: &Object<'_>) -> Option<Fact> {
    let assignment = o.need("assignment_id").and_then(|node| node.id(AssignmentId::new));
    let at = occurred_at(o);
    let reason = o.maybe("reason", free_text);
    let by = o.maybe("by", free_text);
    let member = some_member(o);
    let body = (|| Some(FactBody::TierUnassigned(assignment?, TierUnassigned { reason: reason?, by: by? })))();
    fact(o, at, member, body)
}

/// Builds the JSON form of a fact, without fields that have their default.
struct Line(Map<String, Value>);

impl Line {
    /// Starts with the fields that every event has.
    fn new(fact: &Fact) -> Self {
        let Fact { revision, occurred_at, body, member, imported } = fact;
        let mut line = Self(Map::new());
        line.put("type", body.event_type());
        line.maybe("member_id", member.as_ref());
        line.put("occurred_at", occurred_at.to_string());
        if revision != occurred_at {
            line.put("revision", revision.to_string());
        }
        if *imported {
            line.put("imported", true);
        }
        line
    }

    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn maybe(&mut self, key: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.put(key, value.to_string());
        }
    }

    fn amount(&mut self, key: &str, amount: Amount) {
        if amount != Amount::ZERO {
            self.put(key, amount.to_string());
        }
    }

    fn tags(&mut self, key: &str, tags: &BTreeSet<Tag>) {
        self.put(key, tags.iter().map(|tag| Value::from(tag.as_str())).collect::<Vec<_>>());
    }
}

impl Line {
    /// Adds the fields of the body.
    fn body(&mut self, body: &FactBody) {
        match body {
            FactBody::OrderPaid(order, OrderPaid { paid_at, charge }) => {
                self.put("order_id", order.as_str());
                self.maybe("paid_at", *paid_at);
                self.put("total", charge.total.to_string());
                self.amount("tax", charge.tax);
                self.amount("shipping", charge.shipping);
                self.amount("tips", charge.tips);
                self.amount("duties", charge.duties);
                self.amount("discounts", charge.discounts);
                self.amount("gift_cards", charge.gift_cards);
                self.amount("paid_with_credit", charge.paid_with_credit);
                self.put("currency", charge.currency.code());
                self.maybe("exchange_rate", charge.exchange_rate);
                if charge.test {
                    self.put("test", true);
                }
            }
            FactBody::OrderRefunded(order, refund, Refunded { amount, parts }) => {
                let RefundParts { tax, shipping, tips, duties, gift_cards } = parts;
                self.put("order_id", order.as_str());
                self.put("refund_id", refund.as_str());
                self.put("amount", amount.to_string());
                self.maybe("tax", *tax);
                self.maybe("shipping", *shipping);
                self.maybe("tips", *tips);
                self.maybe("duties", *duties);
                self.maybe("gift_cards", *gift_cards);
            }
            FactBody::OrderCancelled(order) | FactBody::OrderRestored(order) => self.put("order_id", order.as_str()),
            FactBody::PointsEntry(entry, PointsEntry { kind: _, points, reason }) => {
                self.put("entry_id", entry.as_str());
                self.put("points", points.get());
                self.maybe("reason", reason.as_ref());
            }
            FactBody::PointsCanceled(cancel, PointsCanceled { entry, points }) => {
                self.put("cancel_id", cancel.as_str());
                self.put("entry_id", entry.as_str());
                if let Some(points) = points {
                    self.put("points", points.get());
                }
            }
            FactBody::TagsSet(TagsSet { tags }) => self.tags("tags", tags),
            FactBody::TagsChanged(TagsChanged { added, removed }) => {
                self.tags("added", added);
                self.tags("removed", removed);
            }
            FactBody::Enrolled(Enrolled { birthday }) => self.maybe("birthday", *birthday),
            FactBody::BirthdaySet(BirthdaySet { birthday }) => {
                self.put("birthday", birthday.map(|birthday| birthday.to_string()));
            }
            FactBody::TierAssigned(assignment, assigned) => {
                self.put("assignment_id", assignment.as_str());
                self.put("tier", assigned.tier.as_ref().map(TierId::as_str));
                self.put("mode", if assigned.mode == Mode::Floor { "floor" } else { "lock" });
                self.maybe("until", assigned.until);
                self.maybe("reason", assigned.reason.as_ref());
                self.maybe("by", assigned.by.as_ref());
                if !assigned.reward {
                    self.put("reward", false);
                }
            }
            FactBody::TierUnassigned(assignment, TierUnassigned { reason, by }) => {
                self.put("assignment_id", assignment.as_str());
                self.maybe("reason", reason.as_ref());
                self.maybe("by", by.as_ref());
            }
            FactBody::Merged(Merged { into }) => self.put("into", into.as_ref().map(MemberId::as_str)),
            FactBody::Erased => {}
        }
    }
}

impl FactBody {
    /// The type of its event, one of [`Fact::TYPES`].
    fn event_type(&self) -> &'static str {
        match self {
            Self::OrderPaid(..) => "order.paid",
            Self::OrderRefunded(..) => "order.refunded",
            Self::OrderCancelled(_) => "order.cancelled",
            Self::OrderRestored(_) => "order.restored",
            Self::PointsEntry(_, PointsEntry { kind: EntryKind::Earned, .. }) => "points.earned",
            Self::PointsEntry(_, PointsEntry { kind: EntryKind::Adjusted, .. }) => "points.adjusted",
            Self::PointsEntry(_, PointsEntry { kind: EntryKind::Imported, .. }) => "points.imported",
            Self::PointsCanceled(..) => "points.canceled",
            Self::TagsSet(_) => "customer.tags_set",
            Self::TagsChanged(_) => "customer.tags_changed",
            Self::Enrolled(_) => "customer.enrolled",
            Self::BirthdaySet(_) => "customer.birthday_set",
            Self::TierAssigned(..) => "tier.assigned",
            Self::TierUnassigned(..) => "tier.unassigned",
            Self::Merged(_) => "customer.merged",
            Self::Erased => "customer.erased",
        }
    }
}

impl ReceivedFact {
    /// A fact that arrives when it occurs, by itself.
    pub fn of(fact: Fact) -> Self {
        Self { fact, received_at: None, document: None }
    }

    /// The event of section 4 for this fact, readable by [`Fact::read`].
    pub fn to_json(&self) -> Value {
        let mut line = Line::new(&self.fact);
        line.body(&self.fact.body);
        line.maybe("received_at", self.received_at);
        line.maybe("document", self.document.as_ref());
        Value::Object(line.0)
    }
}

/// The event that puts a new program version in force (section 9).
pub fn program_published(occurred_at: Instant, program: Value, options: Value) -> Value {
    json!({ "type": "program.published", "occurred_at": occurred_at.to_string(), "program": program, "options": options })
}

#[cfg(test)]
mod tests;
