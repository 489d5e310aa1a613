//! A member in few bytes: the ledger and the record as one versioned binary value, for an item of a database.
//!
//! It is lossless: every standing and every explanation is the same from it as from the facts, for every program, so a
//! change of metric, period or spend settings needs nothing else. Free text (reasons, authors) stays outside.
//!
//! Credits lie in columns, so that evaluation ([`Packed::standing`]) reads only the numbers that the program asks for,
//! without taking the rest apart. The first byte is the format; a new format is read one release before it is written.

mod column;
mod keys;
mod pack;
mod unpack;

use thiserror::Error;

pub use pack::pack;

use self::column::Column;
use crate::calendar::Instant;
use crate::credit::{Credits, InCurrency, Priced, Tally};
use crate::fact::EntryKind;
use crate::ledger::{Assignment, Ledger, TagFact};
use crate::program::{Metric, Program, Spend};
use crate::quantity::{Amount, Points, Rate};
use crate::record::Record;
use crate::standing::{Facts, Standing, assess, told_as};
use crate::version::Version;

/// The format written.
const FORMAT: u8 = 1;

/// Why bytes are no member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CompactError {
    /// A newer release wrote them: try again with one that knows the format; never rewrite them.
    #[error("format {0} of a packed member is not known to this release")]
    UnknownFormat(u8),
    /// They end too early.
    #[error("a packed member ends too early")]
    Truncated,
    /// They say something that was never written.
    #[error("a packed member has an impossible {0}")]
    Corrupt(&'static str),
}

/// The parts a packed member has; what is empty is left out.
mod part {
    pub(super) const ORDERS: u8 = 1;
    pub(super) const ENTRIES: u8 = 2;
    pub(super) const WAITING: u8 = 4;
    pub(super) const TAGS: u8 = 8;
    pub(super) const ASSIGNMENTS: u8 = 16;
    pub(super) const ENROLLED: u8 = 32;
    pub(super) const BIRTHDAY: u8 = 64;
    pub(super) const RECORD: u8 = 128;
}

/// What is special about an order, a refund or an entry.
mod flag {
    pub(super) const IMPORTED: i64 = 1;
    pub(super) const TEST: i64 = 2;
    pub(super) const CANCELLED: i64 = 4;
    pub(super) const CANCEL_IMPORTED: i64 = 8;
    pub(super) const HAS_RATE: i64 = 16;
}

/// A packed member, opened but not taken apart: each part is read when it is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Packed<'a> {
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
    /// How long after the order it was cancelled, where the flag says that it was.
    cancelled: Column<'a>,
    /// How many refunds each order has.
    refunds: Column<'a>,
    /// The codes of the currencies in use, three letters each.
    currencies: &'a [u8],
    keys: &'a [u8],
    refund_at: Column<'a>,
    refund_amount: Column<'a>,
    refund_flags: Column<'a>,
    refund_count: usize,
    refund_keys: &'a [u8],
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
    /// 0 for all that is left.
    cancel_points: Column<'a>,
    cancel_flags: Column<'a>,
    cancel_count: usize,
    cancel_keys: &'a [u8],
}

/// What waits for an order or an entry.
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
    /// An unknown format (retry with a newer release), or bytes that were never written so.
    pub fn open(bytes: &'a [u8]) -> Result<Self, CompactError> {
        unpack::open(bytes)
    }

    /// The standing of the member, the same as [`crate::standing::evaluate`] gives from the ledger.
    ///
    /// # Errors
    /// Bytes that were never written so.
    pub fn standing(&self, version: &Version, as_of: Instant) -> Result<Standing, CompactError> {
        let (tags, assignments) = (unpack::tags(self.tags)?, unpack::assignments(self.assignments)?);
        let credits = Columns { orders: unpack::orders(self.orders)?, entries: unpack::entries(self.entries)? };
        let first_at = self.first_at(&credits, &tags, &assignments)?;
        let facts = Facts { credits: &credits, tags: &tags, assignments: &assignments, first_at };
        Ok(told_as(version, assess(version, &facts, as_of, as_of).standing))
    }

    /// The ledger, taken apart.
    ///
    /// # Errors
    /// Bytes that were never written so.
    pub fn ledger(&self) -> Result<Ledger, CompactError> {
        unpack::ledger(self)
    }

    /// What has been recorded about the member.
    ///
    /// # Errors
    /// Bytes that were never written so.
    pub fn record(&self) -> Result<Record, CompactError> {
        unpack::record(self.record)
    }

    fn first_at(
        &self,
        credits: &Columns<'_>,
        tags: &[TagFact],
        assignments: &[Assignment],
    ) -> Result<Option<Instant>, CompactError> {
        let first = |count: usize, at: &Column<'_>| (count > 0).then(|| Instant::from_millis(at.get(0)));
        let waiting = unpack::waitings(self.waiting)?;
        let firsts = [
            first(credits.orders.count, &credits.orders.at),
            first(credits.entries.count, &credits.entries.at),
            first(waiting.count, &waiting.at),
            tags.first().map(|tags| tags.at),
            assignments.first().map(|assignment| assignment.at),
            unpack::enrolled(self.enrolled)?.map(|enrolled| enrolled.at),
        ];
        Ok(firsts.into_iter().flatten().min())
    }
}

/// The credits of a packed member.
struct Columns<'a> {
    orders: Orders<'a>,
    entries: Entries<'a>,
}

/// An amount as stored; the bound holds whatever the bytes say.
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

fn count_at(column: &Column<'_>, position: usize) -> usize {
    usize::try_from(column.get(position)).unwrap_or(0)
}

impl Orders<'_> {
    /// The code of the currency at a position.
    fn code(&self, position: usize) -> Option<&str> {
        let codes = self.currencies.get(position.checked_mul(3)?..)?;
        std::str::from_utf8(codes.get(..3)?).ok()
    }

    #[inline]
    fn priced(&self, position: usize, spend: Spend, own: i64) -> Priced {
        let flags = self.flags.get(position);
        let rate = || (flags & flag::HAS_RATE != 0).then(|| Rate::from_raw(self.rate.get(position).cast_unsigned()));
        let part = |column: &Column<'_>| amount(column.get(position));
        let total = part(&self.total);
        let is_own = self.currency.get(position) == own;
        Priced {
            at: Instant::from_millis(self.at.get(position)),
            total,
            basis: spend.basis(total, || part(&self.tax), || part(&self.shipping), || part(&self.discounts)),
            currency: if is_own { InCurrency::Own } else { InCurrency::Foreign(rate()) },
            test: flags & flag::TEST != 0,
        }
    }

    fn cancelled_at(&self, position: usize) -> Option<Instant> {
        let cancelled = self.flags.get(position) & flag::CANCELLED != 0;
        cancelled.then(|| Instant::from_millis(self.at.get(position).wrapping_add(self.cancelled.get(position))))
    }
}

impl Credits for Columns<'_> {
    fn count(&self, metric: Metric) -> usize {
        match metric {
            Metric::PointsEarned => self.entries.count + self.entries.cancel_count,
            Metric::AmountSpent | Metric::OrdersPlaced => self.orders.count + self.orders.refund_count,
        }
    }

    fn tell(&self, metric: Metric, program: &Program, tally: &mut Tally<'_>) {
        match metric {
            Metric::PointsEarned => self.tell_entries(tally),
            Metric::AmountSpent | Metric::OrdersPlaced => self.tell_orders(program, tally),
        }
    }
}

impl Columns<'_> {
    fn tell_orders(&self, program: &Program, tally: &mut Tally<'_>) {
        let orders = &self.orders;
        let code = program.currency.code().as_bytes();
        let own = orders.currencies.chunks(3).position(|other| other == code);
        let own = own.and_then(|own| i64::try_from(own).ok()).unwrap_or(-1);
        let mut refund = 0_usize;
        for position in 0..orders.count {
            let source = u32::try_from(position).unwrap_or(u32::MAX);
            let priced = orders.priced(position, program.spend, own);
            let refunds = count_at(&orders.refunds, position);
            let cancelled = orders.cancelled_at(position);
            if refunds == 0 && cancelled.is_none() {
                tally.credit(source, &priced);
                continue;
            }
            let end = refund.saturating_add(refunds);
            let refunds = (refund..end.min(orders.refund_count)).map(|refund| {
                (Instant::from_millis(orders.refund_at.get(refund)), amount(orders.refund_amount.get(refund)))
            });
            tally.order(source, &priced, refunds, cancelled);
            refund = end;
        }
    }

    fn tell_entries(&self, tally: &mut Tally<'_>) {
        let entries = &self.entries;
        let mut cancel = 0_usize;
        for position in 0..entries.count {
            let end = cancel.saturating_add(count_at(&entries.cancels, position));
            let cancels = (cancel..end.min(entries.cancel_count)).map(|cancel| {
                (Instant::from_millis(entries.cancel_at.get(cancel)), Points::new(entries.cancel_points.get(cancel)))
            });
            let source = u32::try_from(position).unwrap_or(u32::MAX);
            if let Some(points) = Points::new(entries.points.get(position)) {
                let at = Instant::from_millis(entries.at.get(position));
                tally.entry(source, kind(entries.kind.get(position)), at, points, cancels);
            }
            cancel = end;
        }
    }
}
