//! Facts about orders and refunds, from the rows of a file.
//!
//! A row is an order, a return, or neither. A return that names its order becomes its refund. A return that names none
//! is matched with the same customer's latest order, among the rows read before and not later than the return, that has
//! at least as much left. Everything remembered for that has a limit: see `returns` and `repeats`.

use std::collections::HashMap;

use rules::calendar::Instant;
use rules::fact::{Charge, Currency, Fact, FactBody, OrderPaid, Refunded};
use rules::id::{IdError, MemberId, OrderId, RefundId};
use rules::quantity::{Amount, NumberError, Quantity, Rate};

use super::columns::{Field, Row};
use super::outcome::{Ignored, LeftOut, Rejected};
use super::preset::Meaning;
use super::repeats::{Print, Repeats, Seen, hash};
use super::returns::OpenOrders;
use super::time::{Clock, TimeError};

/// The id of the refund for the amount that an order's own row says was refunded. A later export replaces it.
const REFUND_IN_ROW: &str = "import";

/// The way in which words and times are read.
#[derive(Debug)]
pub struct Reading {
    /// The meanings of the words in the kind column, in lower case.
    pub kinds: HashMap<String, Meaning>,
    /// The currency of rows that name none.
    pub currency: Option<Currency>,
    /// The clock for times.
    pub clock: Clock,
}

/// A reader of rows. Its memory is bounded per customer.
#[derive(Debug)]
pub struct Orders {
    reading: Reading,
    open: OpenOrders,
    repeats: Repeats,
    group: Option<String>,
    file: u32,
    /// When the present file was exported. It orders the versions of an order: a later export replaces an earlier one.
    exported_at: Option<Instant>,
    /// The orders that a later file replaced.
    replaced: u64,
}

/// The common part of orders and returns.
struct Head {
    /// The number of the order, or the return's own.
    id: OrderId,
    member: Option<MemberId>,
    at: Instant,
    /// Whether the total is negative.
    negative: bool,
    /// What was charged of the total.
    amount: Amount,
    /// The total, with what is outstanding.
    full: Amount,
    currency: Currency,
    exported_at: Option<Instant>,
}

impl Orders {
    /// A reader without memory.
    pub fn new(reading: Reading) -> Self {
        let (open, repeats) = (OpenOrders::default(), Repeats::default());
        Self { reading, open, repeats, group: None, file: 0, exported_at: None, replaced: 0 }
    }

    /// Notes that the next rows are from another file, which was exported at this instant.
    pub fn next_file(&mut self, exported_at: Option<Instant>) {
        self.file += 1;
        self.group = None;
        // Of files exported at the same instant the later one given is the later one.
        self.exported_at = exported_at.map(|at| at.plus_millis(self.file.into()));
    }

    /// The number of orders that a later file replaced.
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// The facts of a row, or why there are none.
    pub fn read(&mut self, row: Row<'_>) -> Result<Vec<Fact>, LeftOut> {
        if row.is_blank() {
            return Err(Ignored::BlankRow.into());
        }
        if row.cells.len() != row.header.width() {
            return Err(Rejected::CellCount { found: row.cells.len(), expected: row.header.width() }.into());
        }
        if self.continues(row)? {
            return Err(Ignored::FurtherLine.into());
        }
        let meaning = self.meaning(row)?;
        let head = self.head(row)?;
        if meaning.unwrap_or(if head.negative { Meaning::Return } else { Meaning::Order }) == Meaning::Return {
            self.returned(row, &head)
        } else {
            self.paid(row, &head)
        }
    }

    /// Whether the row belongs to the order of the row before: it has the same group, and no total.
    fn continues(&mut self, row: Row<'_>) -> Result<bool, Rejected> {
        let Some(group) = row.cell(Field::Group)? else { return Ok(false) };
        if self.group.as_deref() == Some(group) {
            return Ok(row.cell(Field::Total)?.is_none());
        }
        self.group = Some(group.to_owned());
        Ok(false)
    }

    /// The meaning of the row's kind; none if there is no such column.
    fn meaning(&self, row: Row<'_>) -> Result<Option<Meaning>, LeftOut> {
        if !row.has(Field::Kind) {
            return Ok(None);
        }
        let word = row.cell(Field::Kind)?.unwrap_or_default();
        match self.reading.kinds.get(&word.to_lowercase()) {
            Some(Meaning::Ignore) => Err(Ignored::NotAnOrder(word.to_owned()).into()),
            Some(meaning) => Ok(Some(*meaning)),
            None if word.is_empty() => Err(Rejected::MissingValue { column: row.column(Field::Kind) }.into()),
            None => Err(Rejected::UnknownKind { column: row.column(Field::Kind), value: word.to_owned() }.into()),
        }
    }

    fn head(&self, row: Row<'_>) -> Result<Head, Rejected> {
        let id = id(row, Field::OrderId, row.need(Field::OrderId)?, OrderId::new)?;
        let at = match self.time(row, Field::OccurredAt)? {
            Some(at) => at,
            None => self
                .time(row, Field::CreatedAt)?
                .ok_or_else(|| Rejected::MissingValue { column: row.column(Field::OccurredAt) })?,
        };
        let total = row.need(Field::Total)?;
        let digits = total.strip_prefix('-').unwrap_or(total);
        let amount = Amount::parse(digits).map_err(|why| bad_number(row, Field::Total, why))?;
        let full = amount;
        let amount = full.minus(outstanding(row)?.filter(|outstanding| *outstanding < full).unwrap_or_default());
        Ok(Head {
            id,
            member: member(row)?,
            at,
            negative: digits.len() < total.len() && amount != Amount::ZERO,
            amount,
            full,
            currency: self.currency(row)?,
            exported_at: self.exported_at,
        })
    }

    fn paid(&mut self, row: Row<'_>, head: &Head) -> Result<Vec<Fact>, LeftOut> {
        if head.negative {
            let value = row.need(Field::Total)?.to_owned();
            return Err(Rejected::NegativeOrder { column: row.column(Field::Total), value }.into());
        }
        if head.member.is_none() && head.amount == Amount::ZERO {
            return Err(Ignored::NobodyAndNothing.into());
        }
        let paid = self.order_paid(row, head)?;
        let refund = self.refund_in_row(row, head)?;
        let cancelled_at = self.time(row, Field::CancelledAt)?;
        let (print, seen) = self.unknown(row, head, Meaning::Order)?;
        self.replaced += u64::from(seen == Seen::DifferentElsewhere);
        self.repeats.remember(print);

        if let (Some(member), None) = (&head.member, cancelled_at) {
            let given_back = refund.as_ref().map_or(0, |(_, amount)| amount.ten_thousandths());
            let left = head.amount.ten_thousandths().saturating_sub(given_back);
            let left = Amount::from_ten_thousandths(left).unwrap_or(Amount::ZERO);
            self.open.add(member, &head.id, head.at, left, head.currency);
        }
        let mut facts = vec![told(head.at, FactBody::OrderPaid(head.id.clone(), paid), head)];
        facts.extend(refund.map(|(fact, _)| fact));
        facts.extend(cancelled_at.map(|at| told(at, FactBody::OrderCancelled(head.id.clone()), head)));
        Ok(facts)
    }

    fn order_paid(&self, row: Row<'_>, head: &Head) -> Result<OrderPaid, Rejected> {
        let exchange_rate = row.cell(Field::ExchangeRate)?.map(Rate::parse).transpose();
        // Of an order that is not paid in full, each part is paid in the same proportion.
        let part = |field| Ok::<_, Rejected>(amount(row, field)?.part(head.amount, head.full));
        let charge = Charge {
            tax: part(Field::Tax)?,
            shipping: part(Field::Shipping)?,
            tips: part(Field::Tips)?,
            duties: part(Field::Duties)?,
            discounts: amount(row, Field::Discounts)?,
            gift_cards: part(Field::GiftCards)?,
            paid_with_credit: amount(row, Field::PaidWithCredit)?,
            exchange_rate: exchange_rate.map_err(|why| bad_number(row, Field::ExchangeRate, why))?,
            test: flag(row, Field::Test)?,
            ..Charge::of(head.amount, head.currency)
        };
        Ok(OrderPaid { paid_at: self.time(row, Field::PaidAt)?, charge })
    }

    /// The refund in the order's own row. If the export does not say when it was, it counts from the cancellation, or
    /// else from the payment, as if less had been paid from the start.
    fn refund_in_row(&self, row: Row<'_>, head: &Head) -> Result<Option<(Fact, Amount)>, Rejected> {
        let amount = amount(row, Field::Refunded)?;
        if amount == Amount::ZERO {
            return Ok(None);
        }
        let cancelled_at = self.time(row, Field::CancelledAt)?;
        let at = self.time(row, Field::RefundedAt)?.or(cancelled_at).unwrap_or(head.at);
        let refund = id(row, Field::Refunded, REFUND_IN_ROW, RefundId::new)?;
        Ok(Some((refunded(head.id.clone(), refund, at, amount, head), amount)))
    }

    fn returned(&mut self, row: Row<'_>, head: &Head) -> Result<Vec<Fact>, LeftOut> {
        if head.amount == Amount::ZERO {
            return Err(Ignored::NothingReturned.into());
        }
        let refund = id(row, Field::OrderId, head.id.as_str(), RefundId::new)?;
        let named = row.cell(Field::RefundOf)?.map(|text| id(row, Field::RefundOf, text, OrderId::new)).transpose()?;
        // A return that comes twice must not be matched with two orders.
        let (print, _) = self.unknown(row, head, Meaning::Return)?;
        let order = match named {
            Some(order) => order,
            None => self.order_of(head)?,
        };
        self.repeats.remember(print);
        Ok(vec![refunded(order, refund, head.at, head.amount, head)])
    }

    fn order_of(&mut self, head: &Head) -> Result<OrderId, Rejected> {
        let without = |why| Rejected::ReturnWithoutOrder {
            id: head.id.to_string(),
            amount: money(head.amount, head.currency),
            why,
        };
        let member = head.member.as_ref().ok_or_else(|| without("no customer whose order it could be"))?;
        let found = self.open.take(member, head.at, head.amount, head.currency);
        found.ok_or_else(|| without("no earlier order of the customer has as much left"))
    }

    fn time(&self, row: Row<'_>, field: Field) -> Result<Option<Instant>, Rejected> {
        let Some(text) = row.cell(field)? else { return Ok(None) };
        let (column, value) = (|| row.column(field), || text.to_owned());
        match self.reading.clock.read(text) {
            Ok(at) => Ok(Some(at)),
            Err(TimeError::NoTimezone) => Err(Rejected::NoTimezone { column: column(), value: value() }),
            Err(TimeError::Unreadable) => Err(Rejected::BadTime { column: column(), value: value() }),
        }
    }

    fn currency(&self, row: Row<'_>) -> Result<Currency, Rejected> {
        let column = || row.column(Field::Currency);
        match row.cell(Field::Currency)? {
            None => self.reading.currency.ok_or_else(|| Rejected::MissingValue { column: column() }),
            Some(code) => Currency::from_code(&code.to_uppercase())
                .ok_or_else(|| Rejected::BadCurrency { column: column(), value: code.to_owned() }),
        }
    }

    /// Rejects or ignores rows that were read before. Other content under a known id in another file is a later version
    /// of an order (exports overlap), and the engine keeps that of the later export. In the same file it is not clear
    /// which one is meant.
    fn unknown(&self, row: Row<'_>, head: &Head, meaning: Meaning) -> Result<(Print, Seen), LeftOut> {
        let id = hash((head.id.as_str(), meaning == Meaning::Return));
        let content = hash(Field::ALL.map(|field| row.cell(field).ok().flatten()));
        let print = Print { id, content, file: self.file };
        match (self.repeats.look(print), meaning) {
            (seen @ Seen::Never, _) | (seen @ Seen::DifferentElsewhere, Meaning::Order) => Ok((print, seen)),
            (Seen::Same, _) => Err(Ignored::Repeated(head.id.to_string()).into()),
            (Seen::Different | Seen::DifferentElsewhere, _) => Err(Rejected::DuplicateId(head.id.to_string()).into()),
        }
    }
}

fn told(at: Instant, body: FactBody, head: &Head) -> Fact {
    let fact = Fact::new(at, head.member.clone(), body);
    Fact { revision: head.exported_at.map_or(at, |exported_at| exported_at.max(at)), ..fact }
}

fn refunded(order: OrderId, refund: RefundId, at: Instant, amount: Amount, head: &Head) -> Fact {
    told(at, FactBody::OrderRefunded(order, refund, Refunded::of(amount)), head)
}

fn money(amount: Amount, currency: Currency) -> String {
    let digits = Quantity::from(amount).with_decimals(currency.decimals().unwrap_or_default());
    format!("{digits} {}", currency.code())
}

fn member(row: Row<'_>) -> Result<Option<MemberId>, Rejected> {
    let Some(text) = row.cell(Field::MemberId)? else { return Ok(None) };
    let text = if row.header.lower_case_members { &text.to_lowercase() } else { text };
    id(row, Field::MemberId, text, MemberId::new).map(Some)
}

fn id<T>(row: Row<'_>, field: Field, text: &str, new: fn(&str) -> Result<T, IdError>) -> Result<T, Rejected> {
    if rounded(text) {
        return Err(Rejected::RoundedId { column: row.column(field), value: text.to_owned() });
    }
    new(text).map_err(|why| Rejected::BadId { column: row.column(field), value: text.to_owned(), why })
}

/// Whether a spreadsheet wrote the id as a number in scientific notation, such as `5.32E+12`.
fn rounded(id: &str) -> bool {
    let Some((digits, power)) = id.split_once("E+") else { return false };
    let numeric = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b',');
    numeric(digits) && numeric(power)
}

fn amount(row: Row<'_>, field: Field) -> Result<Amount, Rejected> {
    let read = row.cell(field)?.map(Amount::parse).transpose();
    read.map(Option::unwrap_or_default).map_err(|why| bad_number(row, field, why))
}

/// What of the total is not paid yet. Below 0, the customer has paid too much, and nothing is outstanding.
/// An order that is called paid and is outstanding as a whole was entered without its payment: what it is called is right.
fn outstanding(row: Row<'_>) -> Result<Option<Amount>, Rejected> {
    match row.cell(Field::Outstanding)? {
        Some(text) if text.starts_with('-') => Ok(None),
        Some(_) | None => amount(row, Field::Outstanding).map(Some),
    }
}

fn bad_number(row: Row<'_>, field: Field, why: NumberError) -> Rejected {
    Rejected::BadNumber { column: row.column(field), why }
}

fn flag(row: Row<'_>, field: Field) -> Result<bool, Rejected> {
    let text = row.cell(field)?.unwrap_or_default();
    match text.to_lowercase().as_str() {
        "" | "false" | "no" | "0" => Ok(false),
        "true" | "yes" | "1" => Ok(true),
        _ => Err(Rejected::BadFlag { column: row.column(field), value: text.to_owned() }),
    }
}

#[cfg(test)]
#[path = "orders_tests.rs"]
mod tests;
