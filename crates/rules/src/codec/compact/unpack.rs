//! Reading a member.

use std::collections::BTreeSet;
use std::ops::Range;

use super::column::{Column, Reader};
use super::keys::Keys;
use super::{
    CompactError, EXTRA_FORMAT, Entries, Extras, FIRST_FORMAT, FORMAT, Orders, PLAIN_FORMAT, Packed, Waitings, extra,
    flag, kind, part,
};
use crate::calendar::{Day, DayOfYear, Instant};
use crate::fact::{Charge, Currency, Mode, Refunded, Tag};
use crate::id::{AssignmentId, CancelId, EntryId, OrderId, RefundId, TierId};
use crate::ledger::{
    Act, Assignment, BirthdayTold, Cancel, Cancellation, Enrolment, Entry, Ledger, Order, Refund, Restoration, TagFact,
    TagsSaid, Waiting, WaitingFact,
};
use crate::quantity::{Amount, Points};
use crate::record::{Given, Record};

type Result<T> = std::result::Result<T, CompactError>;

pub(super) fn open(bytes: &[u8]) -> Result<Packed<'_>> {
    let mut r = Reader(bytes);
    let format = match r.byte()? {
        format @ FIRST_FORMAT..=FORMAT => format,
        other => return Err(CompactError::UnknownFormat(other)),
    };
    let parts = r.byte()?;
    let mut part = |part| {
        if parts & part == 0 {
            return Ok(Default::default());
        }
        r.block()
    };
    let packed = Packed {
        format,
        orders: part(part::ORDERS)?,
        entries: part(part::ENTRIES)?,
        waiting: part(part::WAITING)?,
        tags: part(part::TAGS)?,
        assignments: part(part::ASSIGNMENTS)?,
        enrolled: part(part::ENROLLED)?,
        birthday: part(part::BIRTHDAY)?,
        record: part(part::RECORD)?,
    };
    if r.0.is_empty() { Ok(packed) } else { Err(CompactError::Corrupt("end")) }
}

/// Reads a part to its end; a part that was left out has nothing.
#[inline]
fn whole<'a, T: Default>(part: &'a [u8], read: impl FnOnce(&mut Reader<'a>) -> Result<T>) -> Result<T> {
    if part.is_empty() {
        return Ok(T::default());
    }
    let mut r = Reader(part);
    let found = read(&mut r)?;
    if r.0.is_empty() { Ok(found) } else { Err(CompactError::Corrupt("part")) }
}

/// Does the same in place, for a value that is too large to be moved at every evaluation.
#[inline]
fn whole_into<'a, T>(
    place: &mut T,
    part: &'a [u8],
    read: impl FnOnce(&mut T, &mut Reader<'a>) -> Result<()>,
) -> Result<()> {
    if part.is_empty() {
        return Ok(());
    }
    let mut r = Reader(part);
    read(place, &mut r)?;
    if r.0.is_empty() { Ok(()) } else { Err(CompactError::Corrupt("part")) }
}

/// The instant of the first order; the rest of the part is not read.
pub(super) fn first_order_at(part: &[u8]) -> Result<Option<Instant>> {
    if part.is_empty() {
        return Ok(None);
    }
    let mut r = Reader(part);
    let count = r.count()?;
    r.block()?; // the currencies
    first_of(count, r)
}

/// The instant of the first entry or waiting fact; the rest of the part is not read.
pub(super) fn first_at(part: &[u8]) -> Result<Option<Instant>> {
    if part.is_empty() {
        return Ok(None);
    }
    let mut r = Reader(part);
    first_of(r.count()?, r)
}

/// The first value of the first column.
fn first_of(count: usize, mut r: Reader<'_>) -> Result<Option<Instant>> {
    let mut at = Column::default();
    Column::read_some(&mut r, count, [&mut at])?;
    Ok((count > 0).then(|| Instant::from_millis(at.get(0))))
}

#[inline]
pub(super) fn tags(part: &[u8]) -> Result<Vec<TagFact>> {
    whole(part, read_tags)
}

#[inline]
pub(super) fn assignments(part: &[u8]) -> Result<Vec<Assignment>> {
    whole(part, read_assignments)
}

#[inline]
pub(super) fn enrolled(part: &[u8]) -> Result<Option<Enrolment>> {
    whole(part, |r| read_enrolled(r).map(Some))
}

pub(super) fn record(format: u8, part: &[u8]) -> Result<Record> {
    whole(part, |r| read_record(format, r))
}

impl<'a> Orders<'a> {
    pub(super) fn read(&mut self, part: &'a [u8], format: u8) -> Result<()> {
        whole_into(self, part, |orders, r| {
            orders.count = r.count()?;
            orders.currencies = r.block()?;
            let Self { at, total, tax, shipping, discounts, currency, rate, flags, cancelled, refunds, .. } = orders;
            let columns = [at, total, tax, shipping, discounts, currency, rate, flags, cancelled, refunds];
            Column::read_all(r, orders.count, columns)?;
            orders.keys = r.block()?;
            orders.refund_count = r.count()?;
            if orders.refund_count > 0 {
                let columns = [&mut orders.refund_at, &mut orders.refund_amount, &mut orders.refund_flags];
                Column::read_all(r, orders.refund_count, columns)?;
                orders.refund_keys = r.block()?;
            }
            if format > PLAIN_FORMAT && !r.0.is_empty() {
                orders.extras.read(r, orders.count, orders.refund_count)?;
            }
            Ok(())
        })
    }
}

impl<'a> Extras<'a> {
    fn read(&mut self, r: &mut Reader<'a>, orders: usize, refunds: usize) -> Result<()> {
        let known = extra::PARTS | extra::RESTORED | extra::REFUND_PARTS;
        self.present = r.byte()?;
        if self.present == 0 || self.present & !known != 0 || (self.present & extra::REFUND_PARTS != 0 && refunds == 0)
        {
            return Err(CompactError::Corrupt("extra"));
        }
        let Self { tips, duties, gift_cards, paid_with_credit, restored, refund_named, refund_parts, .. } = self;
        if self.present & extra::PARTS != 0 {
            Column::read_all(r, orders, [tips, duties, gift_cards, paid_with_credit])?;
        }
        if self.present & extra::RESTORED != 0 {
            Column::read_all(r, orders, [restored])?;
        }
        if self.present & extra::REFUND_PARTS != 0 {
            let [tax, shipping, tips, duties, gift_cards] = refund_parts;
            Column::read_all(r, refunds, [refund_named, tax, shipping, tips, duties, gift_cards])?;
        }
        Ok(())
    }
}

impl<'a> Entries<'a> {
    pub(super) fn read(&mut self, part: &'a [u8]) -> Result<()> {
        whole_into(self, part, |entries, r| {
            entries.count = r.count()?;
            let Self { at, kind, points, flags, cancels, .. } = entries;
            Column::read_all(r, entries.count, [at, kind, points, flags, cancels])?;
            entries.keys = r.block()?;
            entries.cancel_count = r.count()?;
            if entries.cancel_count > 0 {
                let columns = [&mut entries.cancel_at, &mut entries.cancel_points, &mut entries.cancel_flags];
                Column::read_all(r, entries.cancel_count, columns)?;
                entries.cancel_keys = r.block()?;
            }
            Ok(())
        })
    }
}

impl<'a> Waitings<'a> {
    fn read(&mut self, part: &'a [u8]) -> Result<()> {
        whole_into(self, part, |waiting, r| {
            waiting.count = r.count()?;
            Column::read_all(r, waiting.count, [&mut waiting.at, &mut waiting.kind, &mut waiting.flags])?;
            (waiting.of, waiting.own) = (r.block()?, r.block()?);
            Ok(())
        })
    }
}

fn read_tags(r: &mut Reader<'_>) -> Result<Vec<TagFact>> {
    let known =
        (0..r.count()?).map(|_| Tag::new(r.text()?).ok_or(CompactError::Corrupt("tag"))).collect::<Result<Vec<_>>>()?;
    let list = |r: &mut Reader<'_>| -> Result<BTreeSet<Tag>> {
        let named = |position: u64| usize::try_from(position).ok().and_then(|position| known.get(position)).cloned();
        (0..r.count()?).map(|_| named(r.unsigned()?).ok_or(CompactError::Corrupt("tag"))).collect()
    };
    let fact = |r: &mut Reader<'_>| {
        let at = instant(r.signed()?)?;
        let flags = r.byte()?;
        let one = list(r)?;
        let said = if flags & 1 == 0 { TagsSaid::All(one) } else { TagsSaid::Change { added: one, removed: list(r)? } };
        Ok(TagFact { at, said, imported: flags & 2 != 0 })
    };
    (0..r.count()?).map(|_| fact(r)).collect()
}

fn maybe_instant(r: &mut Reader<'_>) -> Result<Option<Instant>> {
    Ok(if r.byte()? == 0 { None } else { Some(Instant::from_millis(r.signed()?)) })
}

fn id<T, E>(made: std::result::Result<T, E>) -> Result<T> {
    made.map_err(|_| CompactError::Corrupt("id"))
}

fn maybe_tier(r: &mut Reader<'_>) -> Result<Option<TierId>> {
    match r.text()? {
        "" => Ok(None),
        tier => id(TierId::new(tier)).map(Some),
    }
}

fn read_assignments(r: &mut Reader<'_>) -> Result<Vec<Assignment>> {
    (0..r.count()?)
        .map(|_| {
            let at = instant(r.signed()?)?;
            let imported = r.byte()? != 0;
            Ok(Assignment { at, act: act(r)?, imported })
        })
        .collect()
}

fn act(r: &mut Reader<'_>) -> Result<Act> {
    match r.byte()? {
        0 => {
            let assignment = id(AssignmentId::new(r.text()?))?;
            let tier = maybe_tier(r)?;
            let flags = r.byte()?;
            let mode = if flags & 1 == 0 { Mode::Floor } else { Mode::Lock };
            Ok(Act::Assign { id: assignment, tier, mode, until: maybe_instant(r)?, reward: flags & 2 != 0 })
        }
        1 => Ok(Act::Hold {
            version: number(r)?,
            tier: maybe_tier(r)?.ok_or(CompactError::Corrupt("tier"))?,
            until: maybe_instant(r)?,
            since: Instant::from_millis(r.signed()?),
        }),
        2 => Ok(Act::Unassign { id: id(AssignmentId::new(r.text()?))? }),
        _ => Err(CompactError::Corrupt("assignment")),
    }
}

fn number(r: &mut Reader<'_>) -> Result<u32> {
    u32::try_from(r.unsigned()?).map_err(|_| CompactError::Corrupt("number"))
}

fn year(r: &mut Reader<'_>) -> Result<i32> {
    i32::try_from(r.signed()?).map_err(|_| CompactError::Corrupt("year"))
}

fn birthday(r: &mut Reader<'_>) -> Result<Option<DayOfYear>> {
    match r.byte()? {
        0 => Ok(None),
        month => DayOfYear::new(month, r.byte()?).map(Some).ok_or(CompactError::Corrupt("birthday")),
    }
}

fn read_enrolled(r: &mut Reader<'_>) -> Result<Enrolment> {
    let at = instant(r.signed()?)?;
    let imported = r.byte()? != 0;
    Ok(Enrolment { at, imported, birthday: birthday(r)? })
}

fn birthday_told(r: &mut Reader<'_>) -> Result<BirthdayTold> {
    Ok(BirthdayTold { at: instant(r.signed()?)?, birthday: birthday(r)? })
}

fn read_record(format: u8, r: &mut Reader<'_>) -> Result<Record> {
    let tier = maybe_tier(r)?;
    let seq = number(r)?;
    let last_at = maybe_instant(r)?;
    let evaluated_at = maybe_instant(r)?;
    let version = number(r)?;
    let rewarded = |r: &mut Reader<'_>| Ok((id(TierId::new(r.text()?))?, Instant::from_millis(r.signed()?)));
    let rewarded = (0..r.count()?).map(|_| rewarded(r)).collect::<Result<_>>()?;
    let renewed = |r: &mut Reader<'_>| Ok((id(TierId::new(r.text()?))?, year(r)?));
    let renewed = (0..r.count()?).map(|_| renewed(r)).collect::<Result<_>>()?;
    let birthday_year = if r.byte()? == 0 { None } else { Some(year(r)?) };
    let corrections = if format > EXTRA_FORMAT { number(r)? } else { 0 };
    let day = match evaluated_at {
        // A record that was assembled from history has no day.
        Some(at) if format > FIRST_FORMAT && !r.0.is_empty() => {
            Some(Day::of_utc(at, r.signed()?).ok_or(CompactError::Corrupt("day"))?)
        }
        Some(_) | None => None,
    };
    Ok(Record {
        tier,
        seq,
        last_at,
        evaluated_at,
        day,
        version,
        rewarded,
        renewed,
        birthday_year,
        corrections,
        shared: Given::default(),
    })
}

/// Unpacks the ledger and checks it. Evaluation reads the columns as they are; only here are bytes refused that no
/// member packs to.
pub(super) fn ledger(packed: &Packed<'_>) -> Result<Ledger> {
    let (mut orders, mut entries, mut waiting) = (Orders::default(), Entries::default(), Waitings::default());
    orders.read(packed.orders, packed.format)?;
    entries.read(packed.entries)?;
    waiting.read(packed.waiting)?;
    let ledger = Ledger {
        orders: unpacked_orders(&orders)?,
        entries: unpacked_entries(&entries)?,
        waiting: unpacked_waitings(&waiting, packed.format)?,
        tags: tags(packed.tags)?,
        assignments: assignments(packed.assignments)?,
        enrolled: enrolled(packed.enrolled)?,
        birthday: whole(packed.birthday, |r| birthday_told(r).map(Some))?,
    };
    if ledger.is_in_order() { Ok(ledger) } else { Err(CompactError::Corrupt("order")) }
}

/// The instant of a fact, if it can be written.
fn instant(millis: i64) -> Result<Instant> {
    Instant::written(millis).ok_or(CompactError::Corrupt("instant"))
}

fn exact_amount(stored: i64) -> Result<Amount> {
    let amount = u64::try_from(stored).ok().and_then(Amount::from_ten_thousandths);
    amount.ok_or(CompactError::Corrupt("amount"))
}

fn count_at(column: &Column<'_>, position: usize) -> Result<usize> {
    usize::try_from(column.get(position)).map_err(|_| CompactError::Corrupt("count"))
}

/// The positions of one order's or entry's corrections among all corrections. The last order's or entry's must end the list.
fn corrections(first: &mut usize, count: usize, of: usize, is_last: bool) -> Result<Range<usize>> {
    let start = *first;
    *first = start.saturating_add(count);
    if *first > of || (is_last && *first < of) { Err(CompactError::Corrupt("count")) } else { Ok(start..*first) }
}

fn unpacked_orders(orders: &Orders<'_>) -> Result<Vec<Order>> {
    let keys = Keys::read(orders.keys, orders.count)?;
    let refund_keys = Keys::read(orders.refund_keys, orders.refund_count)?;
    let (codes, rest) = orders.currencies.as_chunks::<3>();
    if !rest.is_empty() || !codes.is_sorted_by(|one, next| one < next) {
        return Err(CompactError::Corrupt("currency"));
    }
    let mut refund = 0_usize;
    (0..orders.count)
        .map(|position| {
            let refunds = count_at(&orders.refunds, position)?;
            let refunds = corrections(&mut refund, refunds, orders.refund_count, position + 1 == orders.count)?
                .map(|refund| unpacked_refund(orders, &refund_keys, refund))
                .collect::<Result<_>>()?;
            let flags = orders.flags.get(position);
            let part = |column: &Column<'_>| exact_amount(column.get(position));
            let currency = orders.code(count_at(&orders.currency, position)?).and_then(Currency::from_code);
            let exchange_rate = orders.rate(position, flags);
            if exchange_rate.is_some() != (flags & flag::HAS_RATE != 0) {
                return Err(CompactError::Corrupt("rate"));
            }
            let at = instant(orders.at.get(position))?;
            let extras = &orders.extras;
            let rare = |column| if extras.present & extra::PARTS == 0 { Ok(Amount::ZERO) } else { part(column) };
            let charge = Charge {
                total: part(&orders.total)?,
                tax: part(&orders.tax)?,
                shipping: part(&orders.shipping)?,
                tips: rare(&extras.tips)?,
                duties: rare(&extras.duties)?,
                discounts: part(&orders.discounts)?,
                gift_cards: rare(&extras.gift_cards)?,
                paid_with_credit: rare(&extras.paid_with_credit)?,
                currency: currency.ok_or(CompactError::Corrupt("currency"))?,
                exchange_rate,
                test: flags & flag::TEST != 0,
            };
            let imported = flags & flag::CANCEL_IMPORTED != 0;
            let cancelled = orders.cancelled_at(position, flags).map(|at| instant(at.millis())).transpose()?;
            let cancelled = cancelled.map(|at| Cancellation { at, imported });
            let restored = orders.restored_at(position, flags).map(|at| instant(at.millis())).transpose()?;
            if restored.is_some() && extras.present & extra::RESTORED == 0 {
                return Err(CompactError::Corrupt("restoration"));
            }
            let restored = restored.map(|at| Restoration {
                at,
                imported: flags & flag::RESTORE_IMPORTED != 0,
                rules: flags & flag::RESTORE_RULES != 0,
            });
            let id = id(OrderId::new(&keys.get(position)))?;
            Ok(Order { id, at, charge, imported: flags & flag::IMPORTED != 0, refunds, cancelled, restored })
        })
        .collect()
}

fn unpacked_refund(orders: &Orders<'_>, keys: &Keys<'_>, position: usize) -> Result<Refund> {
    Ok(Refund {
        at: instant(orders.refund_at.get(position))?,
        id: id(RefundId::new(&keys.get(position)))?,
        refunded: unpacked_refunded(orders, position)?,
        imported: orders.refund_flags.get(position) & flag::IMPORTED != 0,
    })
}

fn unpacked_refunded(orders: &Orders<'_>, position: usize) -> Result<Refunded> {
    let extras = &orders.extras;
    if extras.present & extra::REFUND_PARTS != 0 {
        let columns = (0..).zip(&extras.refund_parts);
        let is_named = |place: u8| extras.refund_named.get(position) >> place & 1 == 1;
        for (place, column) in columns {
            exact_amount(column.get(position))?;
            if !is_named(place) && column.get(position) != 0 {
                return Err(CompactError::Corrupt("refund"));
            }
        }
        if extras.refund_named.get(position) >> extras.refund_parts.len() != 0 {
            return Err(CompactError::Corrupt("refund"));
        }
    }
    let amount = exact_amount(orders.refund_amount.get(position))?;
    Ok(Refunded { amount, parts: extras.parts_of(position) })
}

fn unpacked_entries(entries: &Entries<'_>) -> Result<Vec<Entry>> {
    let keys = Keys::read(entries.keys, entries.count)?;
    let cancel_keys = Keys::read(entries.cancel_keys, entries.cancel_count)?;
    let mut cancel = 0_usize;
    (0..entries.count)
        .map(|position| {
            let cancels = count_at(&entries.cancels, position)?;
            let cancels = corrections(&mut cancel, cancels, entries.cancel_count, position + 1 == entries.count)?
                .map(|cancel| unpacked_cancel(entries, &cancel_keys, cancel))
                .collect::<Result<_>>()?;
            Ok(Entry {
                id: id(EntryId::new(&keys.get(position)))?,
                kind: kind(entries.kind.get(position)),
                at: instant(entries.at.get(position))?,
                points: points(entries.points.get(position))?,
                imported: entries.flags.get(position) & flag::IMPORTED != 0,
                cancels,
            })
        })
        .collect()
}

fn points(stored: i64) -> Result<Points> {
    Points::new(stored).ok_or(CompactError::Corrupt("points"))
}

fn unpacked_cancel(entries: &Entries<'_>, keys: &Keys<'_>, position: usize) -> Result<Cancel> {
    let all_that_is_left = 0;
    let stored = entries.cancel_points.get(position);
    Ok(Cancel {
        at: instant(entries.cancel_at.get(position))?,
        id: id(CancelId::new(&keys.get(position)))?,
        points: if stored == all_that_is_left { None } else { Some(points(stored)?) },
        imported: entries.cancel_flags.get(position) & flag::IMPORTED != 0,
    })
}

fn unpacked_waitings(waiting: &Waitings<'_>, format: u8) -> Result<Vec<Waiting>> {
    let (of, own) = (Keys::read(waiting.of, waiting.count)?, Keys::read(waiting.own, waiting.count)?);
    (0..waiting.count)
        .map(|position| {
            let (of, own) = (of.get(position), own.get(position));
            let fact = match waiting.kind.get(position) {
                0 => WaitingFact::Refund(id(OrderId::new(&of))?, id(RefundId::new(&own))?),
                1 => WaitingFact::Cancellation(id(OrderId::new(&of))?),
                2 => WaitingFact::PointsCanceled(id(EntryId::new(&of))?, id(CancelId::new(&own))?),
                3 if format > PLAIN_FORMAT => WaitingFact::Restoration(id(OrderId::new(&of))?),
                _ => return Err(CompactError::Corrupt("waiting fact")),
            };
            let imported = waiting.flags.get(position) & flag::IMPORTED != 0;
            Ok(Waiting { at: instant(waiting.at.get(position))?, fact, imported })
        })
        .collect()
}

#[cfg(test)]
mod tests;
