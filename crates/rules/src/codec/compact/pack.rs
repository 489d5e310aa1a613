//! Writing a member.

use std::collections::BTreeSet;

use super::column::Writer;
use super::{EXTRA_FORMAT, FORMAT, PLAIN_FORMAT, extra, flag, part};
use crate::calendar::Instant;
use crate::fact::{EntryKind, Mode, RefundParts, Tag};
use crate::id::TierId;
use crate::ledger::{Act, Assignment, Entry, Ledger, Order, Refund, TagFact, TagsSaid, Waiting, WaitingFact};
use crate::quantity::Amount;
use crate::record::Record;

/// Packs a member.
pub fn pack(ledger: &Ledger, record: &Record) -> Vec<u8> {
    let mut packed = Parts::default();
    let extras = extras(&ledger.orders);
    packed.part(part::ORDERS, !ledger.orders.is_empty(), |w| orders(w, &ledger.orders, extras));
    packed.part(part::ENTRIES, !ledger.entries.is_empty(), |w| entries(w, &ledger.entries));
    packed.part(part::WAITING, !ledger.waiting.is_empty(), |w| waitings(w, &ledger.waiting));
    packed.part(part::TAGS, !ledger.tags.is_empty(), |w| tags(w, &ledger.tags));
    packed.part(part::ASSIGNMENTS, !ledger.assignments.is_empty(), |w| {
        w.count(ledger.assignments.len());
        for assignment in &ledger.assignments {
            act(w, assignment);
        }
    });
    packed.part(part::ENROLLED, ledger.enrolled.is_some(), |w| {
        if let Some(enrolled) = ledger.enrolled {
            w.signed(enrolled.at.millis());
            w.byte(u8::from(enrolled.imported));
            birthday(w, enrolled.birthday);
        }
    });
    packed.part(part::BIRTHDAY, ledger.birthday.is_some(), |w| {
        if let Some(told) = ledger.birthday {
            w.signed(told.at.millis());
            birthday(w, told.birthday);
        }
    });
    packed.part(part::RECORD, *record != Record::default(), |w| write_record(w, record));
    let is_restoration = |waiting: &Waiting| matches!(waiting.fact, WaitingFact::Restoration(_));
    let is_plain = extras == 0 && !ledger.waiting.iter().any(is_restoration);
    let format = match (record.corrections, is_plain) {
        (0, true) => PLAIN_FORMAT,
        (0, false) => EXTRA_FORMAT,
        _ => FORMAT,
    };
    [&[format, packed.present], packed.bytes.0.as_slice()].concat()
}

/// The parts written so far, each preceded by its length, so a reader can skip the parts that it does not need.
#[derive(Default)]
struct Parts {
    present: u8,
    bytes: Writer,
}

impl Parts {
    fn part(&mut self, part: u8, present: bool, write: impl FnOnce(&mut Writer)) {
        if present {
            let mut w = Writer::default();
            write(&mut w);
            self.present |= part;
            self.bytes.count(w.0.len());
            self.bytes.0.append(&mut w.0);
        }
    }
}

fn signed(value: u64) -> i64 {
    value.cast_signed()
}

fn bit(set: bool, flag: i64) -> i64 {
    if set { flag } else { 0 }
}

/// A column of one number per item.
fn each<T>(items: &[T], value: impl FnMut(&T) -> i64) -> Vec<i64> {
    items.iter().map(value).collect()
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// The blocks that follow an order part, as bits.
fn extras(orders: &[Order]) -> u8 {
    let has = |is: bool, bit: u8| if is { bit } else { 0 };
    orders.iter().fold(0, |all, Order { charge, restored, refunds, .. }| {
        let parts = [charge.tips, charge.duties, charge.gift_cards, charge.paid_with_credit];
        all | has(parts.iter().any(|part| *part != Amount::ZERO), extra::PARTS)
            | has(restored.is_some(), extra::RESTORED)
            | has(refunds.iter().any(|refund| refund.refunded.parts.is_named()), extra::REFUND_PARTS)
    })
}

fn orders(w: &mut Writer, orders: &[Order], extras: u8) {
    let currencies: BTreeSet<_> = orders.iter().map(|order| order.charge.currency.code()).collect();
    let currencies: Vec<_> = currencies.into_iter().collect();
    let position = |order: &Order| currencies.iter().position(|code| *code == order.charge.currency.code());
    w.count(orders.len());
    w.text(&currencies.concat());
    w.columns(&[
        each(orders, |order| order.at.millis()),
        each(orders, |order| signed(order.charge.total.ten_thousandths())),
        each(orders, |order| signed(order.charge.tax.ten_thousandths())),
        each(orders, |order| signed(order.charge.shipping.ten_thousandths())),
        each(orders, |order| signed(order.charge.discounts.ten_thousandths())),
        each(orders, |order| count(position(order).unwrap_or(0))),
        each(orders, |order| order.charge.exchange_rate.map_or(0, |rate| signed(rate.raw()))),
        each(orders, |order| {
            bit(order.imported, flag::IMPORTED)
                | bit(order.charge.test, flag::TEST)
                | bit(order.cancelled.is_some(), flag::CANCELLED)
                | bit(order.cancelled.is_some_and(|cancelled| cancelled.imported), flag::CANCEL_IMPORTED)
                | bit(order.charge.exchange_rate.is_some(), flag::HAS_RATE)
                | bit(order.restored.is_some(), flag::RESTORED)
                | bit(order.restored.is_some_and(|restored| restored.imported), flag::RESTORE_IMPORTED)
                | bit(order.restored.is_some_and(|restored| restored.rules), flag::RESTORE_RULES)
        }),
        each(orders, |order| {
            let after = |at: Instant| at.millis().wrapping_sub(order.at.millis());
            order.cancelled.map_or(0, |cancelled| after(cancelled.at))
        }),
        each(orders, |order| count(order.refunds.len())),
    ]);
    w.keys(&orders.iter().map(|order| order.id.as_str()).collect::<Vec<_>>());
    let refunds: Vec<_> = orders.iter().flat_map(|order| &order.refunds).collect();
    w.count(refunds.len());
    if !refunds.is_empty() {
        w.columns(&[
            each(&refunds, |refund| refund.at.millis()),
            each(&refunds, |refund| signed(refund.refunded.amount.ten_thousandths())),
            each(&refunds, |refund| bit(refund.imported, flag::IMPORTED)),
        ]);
        w.keys(&refunds.iter().map(|refund| refund.id.as_str()).collect::<Vec<_>>());
    }
    if extras != 0 {
        w.byte(extras);
        write_extras(w, orders, &refunds, extras);
    }
}

fn write_extras(w: &mut Writer, orders: &[Order], refunds: &[&Refund], extras: u8) {
    if extras & extra::PARTS != 0 {
        w.columns(&[
            each(orders, |order| signed(order.charge.tips.ten_thousandths())),
            each(orders, |order| signed(order.charge.duties.ten_thousandths())),
            each(orders, |order| signed(order.charge.gift_cards.ten_thousandths())),
            each(orders, |order| signed(order.charge.paid_with_credit.ten_thousandths())),
        ]);
    }
    if extras & extra::RESTORED != 0 {
        w.columns(&[each(orders, |order| {
            let after = |at: Instant| at.millis().wrapping_sub(order.at.millis());
            order.restored.map_or(0, |restored| after(restored.at))
        })]);
    }
    if extras & extra::REFUND_PARTS != 0 {
        let named = |refund: &&Refund| {
            let bits = (0..).zip(refund.refunded.parts.each()).map(|(place, part)| bit(part.is_some(), 1 << place));
            bits.fold(0, |all, bit| all | bit)
        };
        let part = |of: fn(&RefundParts) -> Option<Amount>| {
            each(refunds, |refund| of(&refund.refunded.parts).map_or(0, |part| signed(part.ten_thousandths())))
        };
        w.columns(&[
            each(refunds, named),
            part(|parts| parts.tax),
            part(|parts| parts.shipping),
            part(|parts| parts.tips),
            part(|parts| parts.duties),
            part(|parts| parts.gift_cards),
        ]);
    }
}

fn entries(w: &mut Writer, entries: &[Entry]) {
    w.count(entries.len());
    w.columns(&[
        each(entries, |entry| entry.at.millis()),
        each(entries, |entry| match entry.kind {
            EntryKind::Earned => 0,
            EntryKind::Adjusted => 1,
            EntryKind::Imported => 2,
        }),
        each(entries, |entry| entry.points.get()),
        each(entries, |entry| bit(entry.imported, flag::IMPORTED)),
        each(entries, |entry| count(entry.cancels.len())),
    ]);
    w.keys(&entries.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>());
    let cancels: Vec<_> = entries.iter().flat_map(|entry| &entry.cancels).collect();
    w.count(cancels.len());
    if !cancels.is_empty() {
        w.columns(&[
            each(&cancels, |cancel| cancel.at.millis()),
            each(&cancels, |cancel| cancel.points.map_or(0, |points| points.get())),
            each(&cancels, |cancel| bit(cancel.imported, flag::IMPORTED)),
        ]);
        w.keys(&cancels.iter().map(|cancel| cancel.id.as_str()).collect::<Vec<_>>());
    }
}

fn waitings(w: &mut Writer, waiting: &[Waiting]) {
    w.count(waiting.len());
    w.columns(&[
        each(waiting, |waiting| waiting.at.millis()),
        each(waiting, |waiting| match waiting.fact {
            WaitingFact::Refund(..) => 0,
            WaitingFact::Cancellation(_) => 1,
            WaitingFact::PointsCanceled(..) => 2,
            WaitingFact::Restoration(_) => 3,
        }),
        each(waiting, |waiting| bit(waiting.imported, flag::IMPORTED)),
    ]);
    let keys = waiting.iter().map(|waiting| match &waiting.fact {
        WaitingFact::Refund(order, refund) => (order.as_str(), refund.as_str()),
        WaitingFact::Cancellation(order) | WaitingFact::Restoration(order) => (order.as_str(), ""),
        WaitingFact::PointsCanceled(entry, cancel) => (entry.as_str(), cancel.as_str()),
    });
    let (of, own): (Vec<_>, Vec<_>) = keys.unzip();
    w.keys(&of);
    w.keys(&own);
}

/// Each distinct tag is written once, and facts name it by position.
fn tags(w: &mut Writer, facts: &[TagFact]) {
    let sets = |fact: &'_ TagFact| match fact.said.clone() {
        TagsSaid::All(all) => (false, all, BTreeSet::new()),
        TagsSaid::Change { added, removed } => (true, added, removed),
    };
    let known: BTreeSet<Tag> =
        facts.iter().map(sets).flat_map(|(_, one, other)| one.into_iter().chain(other)).collect();
    let known: Vec<Tag> = known.into_iter().collect();
    w.count(known.len());
    for tag in &known {
        w.text(tag.as_str());
    }
    let list = |w: &mut Writer, tags: &BTreeSet<Tag>| {
        w.count(tags.len());
        for tag in tags {
            w.count(known.binary_search(tag).unwrap_or(0));
        }
    };
    w.count(facts.len());
    for fact in facts {
        let (change, one, other) = sets(fact);
        w.signed(fact.at.millis());
        w.byte(u8::from(change) | u8::from(fact.imported) << 1);
        list(w, &one);
        if change {
            list(w, &other);
        }
    }
}

fn maybe_instant(w: &mut Writer, at: Option<Instant>) {
    w.byte(u8::from(at.is_some()));
    if let Some(at) = at {
        w.signed(at.millis());
    }
}

/// No tier has an empty id, so an empty text means none.
fn maybe_tier(w: &mut Writer, tier: Option<&TierId>) {
    w.text(tier.map_or("", TierId::as_str));
}

fn act(w: &mut Writer, assignment: &Assignment) {
    w.signed(assignment.at.millis());
    w.byte(u8::from(assignment.imported));
    match &assignment.act {
        Act::Assign { id, tier, mode, until, reward } => {
            w.byte(0);
            w.text(id.as_str());
            maybe_tier(w, tier.as_ref());
            w.byte(u8::from(*mode == Mode::Lock) | u8::from(*reward) << 1);
            maybe_instant(w, *until);
        }
        Act::Hold { version, tier, until, since } => {
            w.byte(1);
            w.unsigned(u64::from(*version));
            maybe_tier(w, Some(tier));
            maybe_instant(w, *until);
            w.signed(since.millis());
        }
        Act::Unassign { id } => {
            w.byte(2);
            w.text(id.as_str());
        }
    }
}

fn birthday(w: &mut Writer, birthday: Option<crate::calendar::DayOfYear>) {
    w.byte(birthday.map_or(0, |birthday| birthday.month()));
    if let Some(birthday) = birthday {
        w.byte(birthday.day());
    }
}

fn write_record(w: &mut Writer, record: &Record) {
    let Record {
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
        shared: _,
    } = record;
    maybe_tier(w, tier.as_ref());
    w.unsigned(u64::from(*seq));
    maybe_instant(w, *last_at);
    maybe_instant(w, *evaluated_at);
    w.unsigned(u64::from(*version));
    w.count(rewarded.len());
    for (tier, since) in rewarded {
        w.text(tier.as_str());
        w.signed(since.millis());
    }
    w.count(renewed.len());
    for (tier, year) in renewed {
        w.text(tier.as_str());
        w.signed(i64::from(*year));
    }
    w.byte(u8::from(birthday_year.is_some()));
    if let Some(year) = birthday_year {
        w.signed(i64::from(*year));
    }
    if *corrections > 0 {
        w.unsigned(u64::from(*corrections));
    }
    if let (Some(day), Some(at)) = (day, evaluated_at) {
        w.signed(day.after_utc(*at)); // one byte
    }
}
