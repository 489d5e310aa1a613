//! Facts, as a shop reports them, each with its natural key (section 4 of the semantics).
//!
//! A [`Fact`] has the member and the instant; its body has the content. The order of fields in these structs is the
//! order of the table in section 4. Of two versions of one fact with the same revision, the one that compares greater
//! wins, so the order of arrival never matters.

mod read;

pub use read::{ReceivedFact, program_published};

use std::collections::BTreeSet;
use std::fmt;

use crate::calendar::{DayOfYear, Instant};
use crate::id::{AssignmentId, CancelId, EntryId, MemberId, OrderId, RefundId, TierId};
use crate::quantity::{Amount, Points, Rate};

/// The most milliseconds by which a fact may be dated after its arrival; beyond it is refused. Clocks differ by
/// minutes, not more (section 4).
pub const FUTURE_MS_MAX: i64 = 5 * 60 * 1_000;

/// An ISO 4217 currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The currency of a code such as `USD`.
    pub fn from_code(code: &str) -> Option<Self> {
        iso_currency::Currency::from_code(code).map(Self)
    }

    /// The code, three capital letters.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// The decimals of its minor unit, if it has one; gold and test codes have none.
    pub fn decimals(self) -> Option<u8> {
        self.0.exponent().and_then(|decimals| u8::try_from(decimals).ok())
    }
}

impl PartialOrd for Currency {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Currency {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.code().cmp(other.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A customer tag: trimmed and in lower case, as tags are compared (section 5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    /// The tag of a text; none if only spaces are left.
    pub fn new(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        (!trimmed.is_empty()).then(|| Self(trimmed.to_lowercase()))
    }

    /// The tag in its compared form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for Tag {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// One version of a fact. The later revision wins; at equal revisions, the version that compares greater, field by field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact<B = FactBody> {
    /// The instant at which this version was made (default: when the fact occurred).
    pub revision: Instant,
    /// The instant at which it happened.
    pub occurred_at: Instant,
    /// The content, with its natural key.
    pub body: B,
    /// The member named. Only a guest's order, and a fact that follows an order or an entry, may name none (section 4).
    pub member: Option<MemberId>,
    /// Whether it was imported; an imported fact is announced quietly and brings no reward.
    pub imported: bool,
}

/// A paid order. While it names no member (a guest), it belongs to none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderPaid {
    /// The instant of payment, where the sender knows it. The order counts for its day, else for the day it occurred.
    pub paid_at: Option<Instant>,
    /// The charge.
    pub charge: Charge,
}

/// The charge of an order: the total and its parts, in the order's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Charge {
    /// The grand total charged: after discounts, with tax and shipping, tips and duties.
    pub total: Amount,
    /// The tax included in the total.
    pub tax: Amount,
    /// The shipping included in the total.
    pub shipping: Amount,
    /// The tips included in the total.
    pub tips: Amount,
    /// The duties included in the total.
    pub duties: Amount,
    /// The discounts that were subtracted.
    pub discounts: Amount,
    /// What of the total bought gift cards or store credit.
    pub gift_cards: Amount,
    /// What of the total was paid with gift cards or store credit.
    pub paid_with_credit: Amount,
    /// The order's currency.
    pub currency: Currency,
    /// Program currency per unit of the order's.
    pub exchange_rate: Option<Rate>,
    /// Whether it was a test.
    pub test: bool,
}

impl Charge {
    /// Whether its amounts are in a program's currency, or were converted to it.
    pub fn is_kept_in(&self, currency: Currency) -> bool {
        self.currency == currency || self.exchange_rate.is_some()
    }

    /// A charge of nothing but goods.
    pub fn of(total: Amount, currency: Currency) -> Self {
        Self {
            total,
            tax: Amount::ZERO,
            shipping: Amount::ZERO,
            tips: Amount::ZERO,
            duties: Amount::ZERO,
            discounts: Amount::ZERO,
            gift_cards: Amount::ZERO,
            paid_with_credit: Amount::ZERO,
            currency,
            exchange_rate: None,
            test: false,
        }
    }
}

/// Money given back, a part of the grand total of its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refunded {
    /// The amount, in the order's currency.
    pub amount: Amount,
    /// The parts of the amount, where the sender names them.
    pub parts: RefundParts,
}

impl Refunded {
    /// A refund that names no parts.
    pub fn of(amount: Amount) -> Self {
        Self { amount, parts: RefundParts::default() }
    }
}

/// The parts that a refund names: what of its amount gives back tax, shipping and so on. A part of zero is named too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct RefundParts {
    /// The tax given back.
    pub tax: Option<Amount>,
    /// The shipping given back.
    pub shipping: Option<Amount>,
    /// The tips given back.
    pub tips: Option<Amount>,
    /// The duties given back.
    pub duties: Option<Amount>,
    /// The gift cards or store credit given back.
    pub gift_cards: Option<Amount>,
}

impl RefundParts {
    /// All parts, in the order of section 4.
    pub fn each(&self) -> [Option<Amount>; 5] {
        let Self { tax, shipping, tips, duties, gift_cards } = *self;
        [tax, shipping, tips, duties, gift_cards]
    }

    /// Whether the refund names a part.
    pub fn is_named(&self) -> bool {
        self.each().iter().any(Option::is_some)
    }
}

/// The origin of an entry of the points system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// Earned by the member.
    Earned,
    /// Adjusted by hand, up or down.
    Adjusted,
    /// Brought over from another system.
    Imported,
}

/// An entry of the points system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PointsEntry {
    /// The origin.
    pub kind: EntryKind,
    /// The number of points; negative only if adjusted.
    pub points: Points,
    /// The reason, in the shop's words.
    pub reason: Option<String>,
}

/// Points of an entry taken back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PointsCanceled {
    /// The entry that the points came from.
    pub entry: EntryId,
    /// The number of points; all that are left if absent.
    pub points: Option<Points>,
}

/// A member's full set of tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagsSet {
    /// All the tags.
    pub tags: BTreeSet<Tag>,
}

/// Tags added and removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagsChanged {
    /// The tags added.
    pub added: BTreeSet<Tag>,
    /// The tags removed.
    pub removed: BTreeSet<Tag>,
}

/// The enrollment of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Enrolled {
    /// The customer's birthday, if it was given.
    pub birthday: Option<DayOfYear>,
}

/// A customer's birthday, set or withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BirthdaySet {
    /// The day, or none if withdrawn.
    pub birthday: Option<DayOfYear>,
}

/// The effect of a manual assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// At least this tier.
    Floor,
    /// Exactly this tier, or none.
    Lock,
}

/// A tier given by hand.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TierAssigned {
    /// The tier, or none.
    pub tier: Option<TierId>,
    /// Floor or lock.
    pub mode: Mode,
    /// The exclusive end; none means without end.
    pub until: Option<Instant>,
    /// The reason, in the shop's words.
    pub reason: Option<String>,
    /// The author of the assignment, as the shop names them.
    pub by: Option<String>,
    /// Whether the entry reward is given (default yes).
    pub reward: bool,
}

/// The end of all older assignments of the member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TierUnassigned {
    /// The reason, in the shop's words.
    pub reason: Option<String>,
    /// The author of the end, as the shop names them.
    pub by: Option<String>,
}

/// An id that stands for another, or no longer does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Merged {
    /// The member that the id stands for; none if the merge was undone.
    pub into: Option<MemberId>,
}

/// The content of a fact, under its natural key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactBody {
    /// `order.paid`
    OrderPaid(OrderId, OrderPaid),
    /// `order.refunded`: the order and the refund are the key
    OrderRefunded(OrderId, RefundId, Refunded),
    /// `order.cancelled`: nothing of the order is left
    OrderCancelled(OrderId),
    /// `order.restored`: the order counts again
    OrderRestored(OrderId),
    /// `points.earned`, `points.adjusted`, `points.imported`
    PointsEntry(EntryId, PointsEntry),
    /// `points.canceled`
    PointsCanceled(CancelId, PointsCanceled),
    /// `customer.tags_set`, keyed by its instant within the member
    TagsSet(TagsSet),
    /// `customer.tags_changed`, keyed by instant and content within the member
    TagsChanged(TagsChanged),
    /// `customer.enrolled`, one per member: the earliest wins
    Enrolled(Enrolled),
    /// `customer.birthday_set`, one per member
    BirthdaySet(BirthdaySet),
    /// `tier.assigned`
    TierAssigned(AssignmentId, TierAssigned),
    /// `tier.unassigned`
    TierUnassigned(AssignmentId, TierUnassigned),
    /// `customer.merged`, one per member
    Merged(Merged),
    /// `customer.erased`: everything about the member is deleted, and later facts are kept out
    Erased,
}

impl FactBody {
    /// The kind.
    pub(crate) fn kind(&self) -> FactKind {
        match self {
            Self::OrderPaid(..) => FactKind::OrderPaid,
            Self::OrderRefunded(..) => FactKind::OrderRefunded,
            Self::OrderCancelled(_) => FactKind::OrderCancelled,
            Self::OrderRestored(_) => FactKind::OrderRestored,
            Self::PointsEntry(..) => FactKind::PointsEntry,
            Self::PointsCanceled(..) => FactKind::PointsCanceled,
            Self::TagsSet(_) => FactKind::TagsSet,
            Self::TagsChanged(_) => FactKind::TagsChanged,
            Self::Enrolled(_) => FactKind::Enrolled,
            Self::BirthdaySet(_) => FactKind::BirthdaySet,
            Self::TierAssigned(..) => FactKind::TierAssigned,
            Self::TierUnassigned(..) => FactKind::TierUnassigned,
            Self::Merged(_) => FactKind::Merged,
            Self::Erased => FactKind::Erased,
        }
    }
}

/// The kinds of facts, in the order of the table of section 4: of several facts that explain a change the first kind counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FactKind {
    OrderPaid,
    OrderRefunded,
    OrderCancelled,
    OrderRestored,
    PointsEntry,
    PointsCanceled,
    TagsSet,
    TagsChanged,
    Enrolled,
    BirthdaySet,
    TierAssigned,
    TierUnassigned,
    Merged,
    Erased,
}

impl<B> Fact<B> {
    /// A fact in its first version, reported as it happened.
    pub fn new(occurred_at: Instant, member: impl Into<Option<MemberId>>, body: B) -> Self {
        Self { revision: occurred_at, occurred_at, body, member: member.into(), imported: false }
    }

    /// The member named, if there is one.
    pub fn member(&self) -> Option<&MemberId> {
        self.member.as_ref()
    }

    /// The same fact with another body.
    pub(crate) fn map<C>(self, body: impl FnOnce(B) -> C) -> Fact<C> {
        let Self { revision, occurred_at, body: was, member, imported } = self;
        Fact { revision, occurred_at, body: body(was), member, imported }
    }

    /// Splits the fact into the body and everything else.
    pub(crate) fn apart(self) -> (B, Fact<()>) {
        let Self { revision, occurred_at, body, member, imported } = self;
        (body, Fact { revision, occurred_at, body: (), member, imported })
    }
}

impl Fact {
    /// The latest instant that the fact says something happened at: it cannot have arrived before (section 4).
    pub fn latest_at(&self) -> Instant {
        let paid_at = self.paid().and_then(|paid| paid.paid_at);
        paid_at.map_or(self.occurred_at, |paid_at| paid_at.max(self.occurred_at))
    }

    /// The content of the fact, if it is that an order was paid.
    pub fn paid(&self) -> Option<&OrderPaid> {
        if let FactBody::OrderPaid(_, paid) = &self.body { Some(paid) } else { None }
    }

    /// The member to be erased, if the fact is an erasure.
    pub fn erased(&self) -> Option<&MemberId> {
        self.member().filter(|_| self.body == FactBody::Erased)
    }

    /// The fact without a member, where that is allowed (section 4: facts that follow an order or an entry).
    pub fn without_member(&self) -> Option<Self> {
        self.follows().map(|_| Self { member: None, ..self.clone() })
    }

    /// Marks the fact as imported: it is announced quietly and brings no reward. An erasure is never announced, so it
    /// is not marked.
    pub fn mark_imported(&mut self) {
        self.imported = self.body != FactBody::Erased;
    }
}
