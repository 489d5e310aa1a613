//! The compact form of a member: the ledger and the record as one versioned binary value, for an item of a database.
//!
//! It is lossless: for every program it yields the same standings and explanations as the facts do. A change of metric,
//! period or spend settings therefore needs nothing else. Free text (reasons, authors) is stored elsewhere.
//!
//! Credits lie in columns, so evaluation ([`Packed::standing`]) reads only the numbers that the program needs, without
//! unpacking the rest. The first byte is the format. Older formats are read, and rewritten in the present one. A format
//! that only a newer release knows is refused with [`CompactError::UnknownFormat`].

mod column;
mod keys;
mod pack;
mod stream;
mod unpack;

use thiserror::Error;

pub use pack::pack;

use self::column::Column;
use crate::calendar::Instant;
use crate::credit::Credits;
use crate::fact::EntryKind;
use crate::ledger::Ledger;
use crate::program::{Counted, Metric, Milestone};
use crate::quantity::{Amount, Rate};
use crate::record::Record;
use crate::standing::{Facts, Standing, assess, evaluate, told_as};
use crate::version::Version;

/// The first format, which lacks the local day of the last evaluation.
const FIRST_FORMAT: u8 = 1;
/// The format written for members without [`Extras`] and waiting restorations, so that an older release reads them too.
const PLAIN_FORMAT: u8 = 2;
/// The format written for other members without corrections.
const EXTRA_FORMAT: u8 = 3;
/// The format written for members whose tier's end was corrected.
const FORMAT: u8 = 4;

/// The reasons why bytes are not a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CompactError {
    /// A newer release wrote the bytes. Retry with a release that knows the format; never rewrite them.
    #[error("format {0} of a packed member is not known to this release")]
    UnknownFormat(u8),
    /// The bytes end too early.
    #[error("a packed member ends too early")]
    Truncated,
    /// The bytes have a value that is never written.
    #[error("a packed member has an impossible {0}")]
    Corrupt(&'static str),
}

/// The bits of a packed member's parts; an empty part is left out.
mod part {
    pub(crate) const ORDERS: u8 = 1;
    pub(crate) const ENTRIES: u8 = 2;
    pub(crate) const WAITING: u8 = 4;
    pub(crate) const TAGS: u8 = 8;
    pub(crate) const ASSIGNMENTS: u8 = 16;
    pub(crate) const ENROLLED: u8 = 32;
    pub(crate) const BIRTHDAY: u8 = 64;
    pub(crate) const RECORD: u8 = 128;
}

/// The special traits of an order, a refund or an entry.
mod flag {
    pub(crate) const IMPORTED: i64 = 1;
    pub(crate) const TEST: i64 = 2;
    pub(crate) const CANCELLED: i64 = 4;
    pub(crate) const CANCEL_IMPORTED: i64 = 8;
    pub(crate) const HAS_RATE: i64 = 16;
    pub(crate) const RESTORED: i64 = 32;
    pub(crate) const RESTORE_IMPORTED: i64 = 64;
    pub(crate) const RESTORE_RULES: i64 = 128;
}

/// A packed member, opened but not unpacked: each part is read when it is needed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Packed<'a> {
    format: u8,
    orders: &'a [u8],
    entries: &'a [u8],
    waiting: &'a [u8],
    tags: &'a [u8],
    assignments: &'a [u8],
    enrolled: &'a [u8],
    birthday: &'a [u8],
    record: &'a [u8],
}

/// Orders in columns, with their refunds in columns of their own, in the same order.
#[derive(Debug, Clone, Default)]
struct Orders<'a> {
    count: usize,
    at: Column<'a>,
    total: Column<'a>,
    tax: Column<'a>,
    shipping: Column<'a>,
    discounts: Column<'a>,
    currency: Column<'a>,
    rate: Column<'a>,
    flags: Column<'a>,
    /// Milliseconds from the order to its cancellation, where the flag says that it was cancelled.
    cancelled: Column<'a>,
    /// The number of refunds of each order.
    refunds: Column<'a>,
    /// The codes of the currencies in use, three letters each.
    currencies: &'a [u8],
    keys: &'a [u8],
    refund_at: Column<'a>,
    refund_amount: Column<'a>,
    refund_flags: Column<'a>,
    refund_count: usize,
    refund_keys: &'a [u8],
    extras: Extras<'a>,
}

/// The bits of the blocks that follow an order part, each left out if no order or refund needs it.
mod extra {
    pub(crate) const PARTS: u8 = 1;
    pub(crate) const RESTORED: u8 = 2;
    pub(crate) const REFUND_PARTS: u8 = 4;
}

/// What few orders have: tips, duties, gift cards and credit, restorations, and the parts that refunds name.
#[derive(Debug, Clone, Default)]
struct Extras<'a> {
    present: u8,
    tips: Column<'a>,
    duties: Column<'a>,
    gift_cards: Column<'a>,
    paid_with_credit: Column<'a>,
    /// Milliseconds from the order to its restoration, where the flag says that it was restored.
    restored: Column<'a>,
    /// A bit for each part that a refund names, in the order of section 4.
    refund_named: Column<'a>,
    refund_parts: [Column<'a>; 5],
}

/// Entries of the points system, like [`Orders`].
#[derive(Debug, Clone, Default)]
struct Entries<'a> {
    count: usize,
    at: Column<'a>,
    kind: Column<'a>,
    points: Column<'a>,
    flags: Column<'a>,
    cancels: Column<'a>,
    keys: &'a [u8],
    cancel_at: Column<'a>,
    /// 0 for all points that are left.
    cancel_points: Column<'a>,
    cancel_flags: Column<'a>,
    cancel_count: usize,
    cancel_keys: &'a [u8],
}

/// Facts that wait for an order or an entry.
#[derive(Debug, Clone, Default)]
struct Waitings<'a> {
    count: usize,
    at: Column<'a>,
    kind: Column<'a>,
    flags: Column<'a>,
    of: &'a [u8],
    own: &'a [u8],
}

impl<'a> Packed<'a> {
    /// Opens a packed member.
    ///
    /// # Errors
    /// An unknown format (retry with a newer release), or bytes that are not a packed member.
    pub fn open(bytes: &'a [u8]) -> Result<Self, CompactError> {
        unpack::open(bytes)
    }

    /// The standing of the member, the same as [`crate::standing::evaluate`] gives from the ledger.
    ///
    /// # Errors
    /// The bytes are not a packed member.
    pub fn standing(&self, version: &Version, as_of: Instant) -> Result<Standing, CompactError> {
        match &version.program.milestone {
            // Orders that earn points count in one line with entries, which lie in columns of their own.
            Milestone::Counted(Counted { metric: Metric::PointsEarned, .. }) if version.program.earning.is_some() => {
                Ok(evaluate(version, &self.ledger()?, as_of))
            }
            Milestone::Counted(Counted { metric: Metric::PointsEarned, .. }) => {
                let mut entries = Entries::default();
                entries.read(self.entries)?;
                let firsts = (entries.first_at(), unpack::first_order_at(self.orders)?);
                self.standing_by(&entries, firsts, version, as_of)
            }
            Milestone::Counted(_) => {
                let mut orders = Orders::default();
                orders.read(self.orders, self.format)?;
                let firsts = (orders.first_at(), unpack::first_at(self.entries)?);
                self.standing_by(&orders, firsts, version, as_of)
            }
            Milestone::Tags(_) => {
                let firsts = (unpack::first_order_at(self.orders)?, unpack::first_at(self.entries)?);
                self.standing_by(&Orders::default(), firsts, version, as_of)
            }
        }
    }

    /// The standing from the credits that the program counts. `firsts` are the instants of the first order and the first entry.
    fn standing_by(
        &self,
        credits: &impl Credits,
        firsts: (Option<Instant>, Option<Instant>),
        version: &Version,
        as_of: Instant,
    ) -> Result<Standing, CompactError> {
        let (tags, assignments) = (unpack::tags(self.tags)?, unpack::assignments(self.assignments)?);
        let first_at = earlier(firsts.0, firsts.1);
        let enrolled_at = unpack::enrolled(self.enrolled)?.map(|enrolled| enrolled.at);
        let first_at = earlier(first_at, enrolled_at);
        let first_at = earlier(first_at, unpack::first_at(self.waiting)?);
        let first_at = earlier(first_at, tags.first().map(|tags| tags.at));
        let first_at = earlier(first_at, assignments.first().map(|assignment| assignment.at));
        let facts = Facts { credits, tags: &tags, assignments: &assignments, enrolled_at, first_at };
        Ok(told_as(version, assess(version, &facts, as_of, as_of).standing))
    }

    /// The ledger, unpacked.
    ///
    /// # Errors
    /// The bytes are not a packed member.
    pub fn ledger(&self) -> Result<Ledger, CompactError> {
        unpack::ledger(self)
    }

    /// The member's record.
    ///
    /// # Errors
    /// The bytes are not a packed member.
    pub fn record(&self) -> Result<Record, CompactError> {
        unpack::record(self.format, self.record)
    }
}

/// The earlier of two instants, or the only one.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, None) => one,
        (None, other) => other,
    }
}

/// The instant of a fact as stored. One that no fact can say is read as the nearest that a fact can: counting passes every
/// deadline until then.
fn instant(stored: i64) -> Instant {
    Instant::nearest_written(stored)
}

/// An amount as stored. An amount out of bounds is read as zero.
fn amount(stored: i64) -> Amount {
    u64::try_from(stored).ok().and_then(Amount::from_ten_thousandths).unwrap_or(Amount::ZERO)
}

fn kind(stored: i64) -> EntryKind {
    match stored {
        0 => EntryKind::Earned,
        1 => EntryKind::Adjusted,
        _ => EntryKind::Imported,
    }
}

impl Orders<'_> {
    /// The code of the currency at a position.
    fn code(&self, position: usize) -> Option<&str> {
        let codes = self.currencies.get(position.checked_mul(3)?..)?;
        std::str::from_utf8(codes.get(..3)?).ok()
    }

    fn rate(&self, position: usize, flags: i64) -> Option<Rate> {
        Rate::from_raw(self.rate.get(position).cast_unsigned()).filter(|_| flags & flag::HAS_RATE != 0)
    }

    fn cancelled_at(&self, position: usize, flags: i64) -> Option<Instant> {
        let cancelled = flags & flag::CANCELLED != 0;
        cancelled.then(|| self.after(position, &self.cancelled))
    }

    fn restored_at(&self, position: usize, flags: i64) -> Option<Instant> {
        let restored = flags & flag::RESTORED != 0;
        restored.then(|| self.after(position, &self.extras.restored))
    }

    /// The instant that lies as long after an order as a column says.
    fn after(&self, position: usize, column: &Column<'_>) -> Instant {
        instant(self.at.get(position).wrapping_add(column.get(position)))
    }
}
