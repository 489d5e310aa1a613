//! Facts about orders and refunds, from the rows of a file.
//!
//! A row is an order, a return, or neither. A return that names its order becomes its refund. A return that names none
//! is matched with the same customer's latest order, not later than the return, that has at least as much left: among
//! the rows read before, or else, as in a file that is newest first, among all rows of the file. Everything remembered
//! for that has a limit: see `returns` and `repeats`.

use std::collections::{HashMap, HashSet};

use rules::calendar::Instant;
use rules::fact::{Charge, Currency, Fact, FactBody, OrderPaid, Refunded};
use rules::id::{MemberId, OrderId, RefundId};
use rules::quantity::{Amount, NumberError, Quantity, Rate};

use super::cancellations::{Cancellations, Export};
use super::cells::{bad_number, bad_rate, flag, id};
use super::columns::{Field, Row};
use super::numbers::{Notation, Written, contradicts};
use super::outcome::{Ignored, LeftOut, Rejected};
use super::preset::Meaning;
use super::repeats::{Print, Repeats, Seen, hash};
use super::returns::OpenOrders;
use super::time::{Clock, TimeError};

/// The id of the refund for the amount that an order's own row says was refunded. A later export replaces it.
pub const REFUND_IN_ROW: &str = "import";

/// The way in which words and times are read.
#[derive(Debug)]
pub struct Reading {
    /// The meanings of the words in the kind column, in lower case.
    pub kinds: HashMap<String, Meaning>,
    /// The currency of rows that name none.
    pub currency: Option<Currency>,
    /// The clock for times.
    pub clock: Clock,
    /// The way in which amounts are written.
    pub notation: Notation,
    /// The customers' ids that mean a guest.
    pub guests: Vec<String>,
}

/// A reader of rows. Its memory is bounded per customer.
#[derive(Debug)]
pub struct Orders {
    reading: Reading,
    open: OpenOrders,
    repeats: Repeats,
    cancellations: Cancellations,
    /// When each file so far was exported, by its number. No file has the number 0.
    exports: Vec<Option<Instant>>,
    /// The returns that are matched at the end of the file.
    deferred: Vec<Deferred>,
    group: Option<String>,
    file: u32,
    /// When the present file was exported. It orders the versions of an order: a later export replaces an earlier one.
    exported_at: Option<Instant>,
    /// The orders that a later file replaced.
    replaced: u64,
    /// The hashes of the orders whose own row has had a refund, and has it still.
    refunded: HashSet<u64>,
    /// Whether the row that was read last is called paid and is outstanding as a whole.
    nothing_paid: bool,
}

/// The line and the outcome of a return that waited for the end of the file.
pub type Settled = (u64, Result<Vec<Fact>, LeftOut>);

/// The number of returns that may wait for the end of the file: some 20 MB. Returns beyond them are rejected at once.
const DEFERRED_MAX: usize = 100_000;

/// A return whose order was not among the rows before it.
#[derive(Debug)]
struct Deferred {
    line: u64,
    head: Head,
    refund: RefundId,
    print: Print,
}

/// Of files exported at the same instant, or before what they tell, the later one given is the later one. What is joined with
/// the customers export is a version one millisecond later (see `keyed`), and still earlier than that of the next file.
const FILE_MS: i64 = 2;

/// The common part of orders and returns.
#[derive(Debug)]
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
    /// The milliseconds by which its facts are later versions than those of the first file.
    later_ms: i64,
}

impl Orders {
    /// A reader without memory.
    pub fn new(reading: Reading) -> Self {
        let (open, repeats) = (OpenOrders::default(), Repeats::default());
        let (cancellations, exports, deferred) = (Cancellations::default(), vec![None], Vec::new());
        Self {
            reading,
            open,
            repeats,
            cancellations,
            exports,
            deferred,
            group: None,
            file: 0,
            exported_at: None,
            replaced: 0,
            refunded: HashSet::new(),
            nothing_paid: false,
        }
    }

    /// Notes that the next rows are from another file, which was exported at this instant.
    pub fn next_file(&mut self, exported_at: Option<Instant>) {
        self.file += 1;
        self.exports.push(exported_at);
        self.group = None;
        self.deferred.clear();
        self.exported_at = exported_at.map(|at| at.plus_millis(FILE_MS * i64::from(self.file)));
    }

    /// The number of orders that a later file replaced.
    pub fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Whether the row that was read last is called paid and is outstanding as a whole.
    pub fn has_nothing_paid(&self) -> bool {
        self.nothing_paid
    }

    /// The facts of the row on a line, or why there are none. None for a return that is matched at the end of the file,
    /// because its order was not among the rows before it.
    pub fn take(&mut self, row: Row<'_>, line: u64) -> Option<Result<Vec<Fact>, LeftOut>> {
        let read = self.read(row);
        if !matches!(read, Err(LeftOut::Rejected(Rejected::ReturnWithoutOrder { .. })))
            || self.deferred.len() >= DEFERRED_MAX
        {
            return Some(read);
        }
        let Ok(head) = self.head(row) else { return Some(read) };
        let Ok(refund) = id(row, Field::OrderId, head.id.as_str(), RefundId::new) else { return Some(read) };
        let print = self.print(row, &head, Meaning::Return);
        self.deferred.push(Deferred { line, head, refund, print });
        None
    }

    /// The outcomes of the returns that waited for the end of the file, each with its line, in order of time.
    pub fn settle(&mut self) -> Vec<Settled> {
        self.nothing_paid = false;
        let mut deferred = std::mem::take(&mut self.deferred);
        deferred.sort_by_key(|one| (one.head.at, one.line));
        deferred.into_iter().map(|one| (one.line, self.settled(one))).collect()
    }

    fn settled(&mut self, Deferred { line: _, head, refund, print }: Deferred) -> Result<Vec<Fact>, LeftOut> {
        self.look(print, &head, Meaning::Return)?;
        let order = self.order_of(&head)?;
        self.repeats.remember(print);
        Ok(vec![refunded(order, refund, head.at, head.amount, &head)])
    }

    /// The facts of a row, or why there are none.
    pub fn read(&mut self, row: Row<'_>) -> Result<Vec<Fact>, LeftOut> {
        self.nothing_paid = false;
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
        if meaning == Some(Meaning::Ignore) {
            return Err(Ignored::NotAnOrder(row.cell(Field::Kind)?.unwrap_or_default().to_owned()).into());
        }
        let head = self.head(row)?;
        match meaning.unwrap_or(if head.negative { Meaning::Return } else { Meaning::Order }) {
            Meaning::Return => self.returned(row, &head),
            Meaning::Cancelled if row.cell(Field::CancelledAt)?.is_none() => self.never_paid(row, &head),
            kind @ (Meaning::Order
            | Meaning::Ignore
            | Meaning::Cancelled
            | Meaning::WhollyRefunded
            | Meaning::PartlyRefunded) => self.paid(row, &head, kind),
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
            Some(meaning) => Ok(Some(*meaning)),
            None if word.is_empty() => Err(Rejected::MissingValue { column: row.column(Field::Kind) }.into()),
            None => Err(Rejected::UnknownKind { column: row.column(Field::Kind), value: word.to_owned() }.into()),
        }
    }

    fn head(&self, row: Row<'_>) -> Result<Head, Rejected> {
        let id = id(row, Field::OrderId, row.need(Field::OrderId)?, OrderId::new)?;
        let at = match self.occurred_at(row)? {
            Some(at) => at,
            None => self
                .time(row, Field::CreatedAt)?
                .ok_or_else(|| Rejected::MissingValue { column: row.column(Field::OccurredAt) })?,
        };
        let total = row.need(Field::Total)?;
        let currency = self.currency(row)?;
        let Written { is_negative, amount: full, .. } = self.written(row, Field::Total, total, currency)?;
        let unpaid = self.outstanding(row, currency)?.filter(|outstanding| *outstanding < full);
        let amount = full.minus(unpaid.unwrap_or_default());
        let negative = is_negative && amount != Amount::ZERO;
        let (member, exported_at) = (self.member(row)?, self.exported_at);
        let later_ms = FILE_MS * i64::from(self.file.saturating_sub(1));
        Ok(Head { id, member, at, negative, amount, full, currency, exported_at, later_ms })
    }

    /// A file that was read, or is being read.
    fn export(&self, file: u32) -> Export {
        let at = usize::try_from(file).ok().and_then(|file| self.exports.get(file));
        Export { file, at: at.copied().flatten() }
    }

    /// The cancellation of the order of a row, and its restoration if a later export has it as paid.
    fn cancelled(&mut self, print: Print, at: Instant, head: &Head) -> Vec<Fact> {
        let (by, before) = (self.export(self.file), self.repeats.file_of(print.id).map(|file| self.export(file)));
        let (at, restored_at) = self.cancellations.cancelled(print.id, by, at, before);
        let mut facts = vec![told(at, FactBody::OrderCancelled(head.id.clone()), head)];
        facts.extend(restored_at.map(|at| told(at, FactBody::OrderRestored(head.id.clone()), head)));
        facts
    }

    /// An order that was cancelled, as far as the file knows before it was paid. If an earlier file had it as paid, it
    /// counts no longer; if not, its cancellation changes nothing.
    fn never_paid(&mut self, row: Row<'_>, head: &Head) -> Result<Vec<Fact>, LeftOut> {
        let (print, seen) = self.unknown(row, head, Meaning::Order)?;
        self.replaced += u64::from(seen == Seen::DifferentElsewhere);
        let facts = self.cancelled(print, head.at, head);
        self.repeats.remember(print);
        Ok(facts)
    }

    fn paid(&mut self, row: Row<'_>, head: &Head, kind: Meaning) -> Result<Vec<Fact>, LeftOut> {
        if head.negative {
            let value = row.need(Field::Total)?.to_owned();
            return Err(Rejected::NegativeOrder { column: row.column(Field::Total), value }.into());
        }
        if head.member.is_none() && head.amount == Amount::ZERO {
            return Err(Ignored::NobodyAndNothing.into());
        }
        let outstanding = self.outstanding(row, head.currency)?.unwrap_or_default();
        let cancelled_at = self.time(row, Field::CancelledAt)?;
        let is_gone = kind == Meaning::WhollyRefunded || cancelled_at.is_some();
        // Whatever is outstanding of an order that is gone, nothing of it counts.
        if outstanding > head.full && !is_gone {
            let total = money(head.full, head.currency);
            let (column, value) = (row.column(Field::Outstanding), money(outstanding, head.currency));
            return Err(Rejected::OutstandingAboveTotal { column, value, total }.into());
        }
        let paid = self.order_paid(row, head)?;
        let refund = self.refund_in_row(row, head, kind)?;
        self.nothing_paid = outstanding == head.full && outstanding > Amount::ZERO && !is_gone;
        let (print, seen) = self.unknown(row, head, Meaning::Order)?;
        self.replaced += u64::from(seen == Seen::DifferentElsewhere);
        let ended = match cancelled_at {
            Some(at) => self.cancelled(print, at, head),
            None => {
                let restored_at = self.cancellations.counts(print.id, self.export(self.file));
                restored_at.map(|at| told(at, FactBody::OrderRestored(head.id.clone()), head)).into_iter().collect()
            }
        };
        self.repeats.remember(print);

        if let (Some(member), None) = (&head.member, cancelled_at) {
            let given_back = refund.as_ref().map_or(0, |(_, amount)| amount.ten_thousandths());
            let left = head.amount.ten_thousandths().saturating_sub(given_back);
            let left = Amount::from_ten_thousandths(left).unwrap_or(Amount::ZERO);
            self.open.add(member, &head.id, head.at, left, head.currency);
        }
        // A later export that has no refund any more takes back the one of an earlier export.
        let taken_back = match &refund {
            Some(_) => {
                self.refunded.insert(print.id);
                None
            }
            None if self.refunded.remove(&print.id) => {
                let refund = id(row, Field::Refunded, REFUND_IN_ROW, RefundId::new)?;
                Some(refunded(head.id.clone(), refund, head.at, Amount::ZERO, head))
            }
            None => None,
        };
        let mut facts = vec![told(head.at, FactBody::OrderPaid(head.id.clone(), paid), head)];
        facts.extend(refund.map(|(fact, _)| fact).or(taken_back));
        facts.extend(ended);
        Ok(facts)
    }

    fn order_paid(&self, row: Row<'_>, head: &Head) -> Result<OrderPaid, Rejected> {
        let exchange_rate = row.cell(Field::ExchangeRate)?.map(Rate::parse).transpose();
        // Of an order that is not paid in full, each part is paid in the same proportion.
        let amount = |field| self.amount(row, field, head.currency);
        let part = |field| Ok::<_, Rejected>(amount(field)?.part(head.amount, head.full));
        let charge = Charge {
            tax: part(Field::Tax)?,
            shipping: part(Field::Shipping)?,
            tips: part(Field::Tips)?,
            duties: part(Field::Duties)?,
            discounts: amount(Field::Discounts)?,
            gift_cards: part(Field::GiftCards)?,
            paid_with_credit: amount(Field::PaidWithCredit)?,
            exchange_rate: exchange_rate.map_err(|why| bad_rate(row, &why))?,
            test: flag(row, Field::Test)?,
            ..Charge::of(head.amount, head.currency)
        };
        Ok(OrderPaid { paid_at: self.time(row, Field::PaidAt)?, charge })
    }

    /// The refund in the order's own row. If the export does not say when it was, it counts from the cancellation, or
    /// else from the payment, as if less had been paid from the start.
    fn refund_in_row(&self, row: Row<'_>, head: &Head, kind: Meaning) -> Result<Option<(Fact, Amount)>, Rejected> {
        let amount = match (self.amount(row, Field::Refunded, head.currency)?, kind) {
            (Amount::ZERO, Meaning::WhollyRefunded) => head.amount,
            (Amount::ZERO, Meaning::PartlyRefunded) => {
                return Err(Rejected::MissingValue { column: row.column(Field::Refunded) });
            }
            (amount, _) => amount,
        };
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

    /// When the row's order was paid: its time of day may stand in a column of its own.
    fn occurred_at(&self, row: Row<'_>) -> Result<Option<Instant>, Rejected> {
        match (row.cell(Field::OccurredAt)?, row.cell(Field::TimeOfDay)?) {
            (Some(day), Some(time)) => self.instant(row, Field::OccurredAt, &format!("{day} {time}")).map(Some),
            (Some(text), None) => self.instant(row, Field::OccurredAt, text).map(Some),
            (None, _) => Ok(None),
        }
    }

    fn time(&self, row: Row<'_>, field: Field) -> Result<Option<Instant>, Rejected> {
        row.cell(field)?.map(|text| self.instant(row, field, text)).transpose()
    }

    fn instant(&self, row: Row<'_>, field: Field, text: &str) -> Result<Instant, Rejected> {
        let (column, value) = (|| row.column(field), || text.to_owned());
        match self.reading.clock.read(text) {
            Ok(at) => Ok(at),
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

    /// The member. A guest has none, or one of the ids that mean a guest.
    fn member(&self, row: Row<'_>) -> Result<Option<MemberId>, Rejected> {
        let Some(text) = row.cell(Field::MemberId)? else { return Ok(None) };
        let text = if row.header.lower_case_members { &text.to_lowercase() } else { text };
        let member = id(row, Field::MemberId, text, MemberId::new)?;
        Ok(Some(member).filter(|member| !self.reading.guests.iter().any(|guest| guest == member.as_str())))
    }

    fn written<'a>(&self, row: Row<'_>, field: Field, text: &'a str, of: Currency) -> Result<Written<'a>, Rejected> {
        let written =
            self.reading.notation.read(text).map_err(|why| bad_number(row, field, self.reading.notation, &why))?;
        if contradicts(written.currency, of) {
            return Err(Rejected::OtherCurrency {
                column: row.column(field),
                value: text.to_owned(),
                currency: of.code(),
            });
        }
        Ok(written)
    }

    /// The amount of a field; zero if there is none. What is subtracted or given back may be written below 0: it is the
    /// same amount.
    fn amount(&self, row: Row<'_>, field: Field, of: Currency) -> Result<Amount, Rejected> {
        let Some(text) = row.cell(field)? else { return Ok(Amount::ZERO) };
        let Written { is_negative, amount, .. } = self.written(row, field, text, of)?;
        let either = matches!(field, Field::Discounts | Field::Refunded);
        if is_negative && !either && amount != Amount::ZERO {
            return Err(bad_number(row, field, self.reading.notation, &NumberError::Negative(text.to_owned())));
        }
        Ok(amount)
    }

    /// What of the total is not paid yet. Below 0, the customer has paid too much, and nothing is outstanding. An order
    /// that is called paid and is outstanding as a whole was entered without its payment: what it is called is right, and
    /// the report warns of it.
    fn outstanding(&self, row: Row<'_>, of: Currency) -> Result<Option<Amount>, Rejected> {
        let Some(text) = row.cell(Field::Outstanding)? else { return Ok(None) };
        let Written { is_negative, amount, .. } = self.written(row, Field::Outstanding, text, of)?;
        Ok(Some(amount).filter(|_| !is_negative))
    }

    /// Rejects or ignores rows that were read before. Other content under a known id in another file is a later version
    /// of an order (exports overlap), and the engine keeps that of the later export. In the same file it is not clear
    /// which one is meant.
    fn unknown(&self, row: Row<'_>, head: &Head, meaning: Meaning) -> Result<(Print, Seen), LeftOut> {
        let print = self.print(row, head, meaning);
        Ok((print, self.look(print, head, meaning)?))
    }

    fn print(&self, row: Row<'_>, head: &Head, meaning: Meaning) -> Print {
        let id = hash((head.id.as_str(), meaning == Meaning::Return));
        let content = hash(Field::ALL.map(|field| row.cell(field).ok().flatten()));
        Print { id, content, file: self.file }
    }

    fn look(&self, print: Print, head: &Head, meaning: Meaning) -> Result<Seen, LeftOut> {
        match (self.repeats.look(print), meaning) {
            (seen @ Seen::Never, _) | (seen @ Seen::DifferentElsewhere, Meaning::Order) => Ok(seen),
            (Seen::Same, _) => Err(Ignored::Repeated(head.id.to_string()).into()),
            (Seen::Different | Seen::DifferentElsewhere, _) => Err(Rejected::DuplicateId(head.id.to_string()).into()),
        }
    }
}

fn told(at: Instant, body: FactBody, head: &Head) -> Fact {
    let earliest = at.plus_millis(head.later_ms);
    let revision = head.exported_at.map_or(earliest, |exported_at| exported_at.max(earliest));
    Fact { revision, ..Fact::new(at, head.member.clone(), body) }
}

fn refunded(order: OrderId, refund: RefundId, at: Instant, amount: Amount, head: &Head) -> Fact {
    told(at, FactBody::OrderRefunded(order, refund, Refunded::of(amount)), head)
}

fn money(amount: Amount, currency: Currency) -> String {
    let digits = Quantity::from(amount).with_decimals(currency.decimals().unwrap_or_default());
    format!("{digits} {}", currency.code())
}

#[cfg(test)]
#[path = "orders_tests.rs"]
mod tests;
