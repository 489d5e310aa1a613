//! Reading CSV files row by row.

use std::io::BufRead;

use csv::{ByteRecord, Reader, ReaderBuilder};
use rules::fact::{Fact, ReceivedFact};
use thiserror::Error;

use super::columns::{Header, Mapping, Row};
use super::newlines::Newlines;
use super::numbers::looks_like_money;
use super::orders::{Orders, Settled};
use super::outcome::{LeftOut, Outcome, Rejected};
use super::report::SourceLocation;

/// The layout of a table.
#[derive(Debug)]
pub struct Layout {
    /// The mapping from columns to fields.
    pub mapping: Mapping,
    /// The character between the cells.
    pub delimiter: u8,
}

/// Why a table is not read, or not to its end. The text follows the name of the file.
#[derive(Debug, Error)]
pub enum TableError {
    /// The file, or its packed form, cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] csv::Error),
    /// It cannot be read on from the row that begins on a line.
    #[error("line {line}: cannot be read on: {source}")]
    Broken {
        /// The line.
        line: u64,
        /// The error.
        source: csv::Error,
    },
    /// There is not even a header.
    #[error("is empty; its first row must name the columns")]
    Empty,
    /// The header cannot be used.
    #[error("{0}")]
    Header(String),
    /// An error that every row would have, which ends the import.
    #[error("line {line}: {why}")]
    Row {
        /// The line.
        line: u64,
        /// The reason.
        why: Rejected,
    },
}

/// A table that was opened.
#[derive(Debug)]
pub struct Table<R> {
    lines: Reader<Newlines<R>>,
    header: Header,
    cells: ByteRecord,
    /// The places of the customer's phone numbers.
    phones: Vec<usize>,
    unread: Vec<Unread>,
    looked_at: u64,
    /// The rows that waited for the end of the file, once it is reached.
    deferred: Option<std::vec::IntoIter<Settled>>,
}

/// The number of rows whose unread columns are looked at: enough to know a column with money from one without.
const LOOKED_AT_MAX: u64 = 1_000;

/// A column that is not read.
#[derive(Debug)]
struct Unread {
    place: usize,
    /// Whether every cell that is not empty looks like an amount of money.
    may_be_money: bool,
    /// Whether an amount other than zero was among them.
    has_amount: bool,
}

/// The columns of phone numbers that are the customer's own: a parcel may go to another person.
const PHONES: [&str; 2] = ["Phone", "Billing Phone"];

impl<R: BufRead> Table<R> {
    /// Reads a table's header.
    ///
    /// # Errors
    /// If there is no header, or it lacks a required column.
    pub fn open(reader: R, layout: &Layout) -> Result<Self, TableError> {
        let mut lines = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(layout.delimiter)
            .from_reader(Newlines::over(reader));
        let mut cells = ByteRecord::new();
        if !lines.read_byte_record(&mut cells)? {
            return Err(TableError::Empty);
        }
        let header = header(&cells, &layout.mapping).map_err(TableError::Header)?;
        let is_phone = |cell: &[u8]| PHONES.iter().any(|name| cell.trim_ascii().eq_ignore_ascii_case(name.as_bytes()));
        let phones = cells.iter().enumerate().filter(|(_, cell)| is_phone(cell)).map(|(place, _)| place).collect();
        let is_needless = |name| layout.mapping.preset.is_needless(name);
        let unread = header.unused_places().filter(|(_, name)| !is_needless(name));
        let unread = unread.map(|(place, _)| Unread { place, may_be_money: true, has_amount: false }).collect();
        Ok(Self { lines, header, cells, phones, unread, looked_at: 0, deferred: None })
    }

    /// The headers of columns that are not read and look like money, in the rows read so far.
    pub fn unread_money(&self) -> Vec<&str> {
        let money = |column: &&Unread| column.may_be_money && column.has_amount;
        let name = |column: &Unread| self.header.unused_places().find(|(place, _)| *place == column.place);
        self.unread.iter().filter(money).filter_map(name).map(|(_, name)| name).collect()
    }

    fn look_at_unread(&mut self) {
        if self.looked_at == LOOKED_AT_MAX {
            return;
        }
        self.looked_at += 1;
        for column in self.unread.iter_mut().filter(|column| column.may_be_money) {
            let cell = self.cells.get(column.place).and_then(|cell| std::str::from_utf8(cell).ok()).unwrap_or_default();
            match (cell.trim(), looks_like_money(cell.trim())) {
                ("", _) => {}
                (_, Some(has_amount)) => column.has_amount |= has_amount,
                (_, None) => column.may_be_money = false,
            }
        }
    }

    /// The columns.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The phone numbers of the customer in the row that was read last, as they are written; none for a row
    /// that waited for the end of the file.
    pub fn phones(&self) -> Vec<String> {
        if self.deferred.is_some() {
            return Vec::new();
        }
        let cells = self.phones.iter().filter_map(|place| self.cells.get(*place));
        cells.filter(|cell| !cell.is_empty()).map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()
    }

    /// The next row's place and outcome; none after the last row. Returns whose order was not among the rows before them
    /// come after all other rows.
    ///
    /// # Errors
    /// If the file cannot be read further, or the import ends here.
    pub fn next(&mut self, orders: &mut Orders) -> Result<Option<(SourceLocation, Outcome)>, TableError> {
        while self.deferred.is_none() {
            let line = self.lines.position().line();
            let read = self.lines.read_byte_record(&mut self.cells);
            if !read.map_err(|source| TableError::Broken { line, source })? {
                self.deferred = Some(orders.settle().into_iter());
                break;
            }
            self.lines.get_mut().row_ended();
            let line = self.first_line();
            self.look_at_unread();
            if let Some(read) = orders.take(Row { header: &self.header, cells: &self.cells }, line) {
                return outcome(line, read).map(Some);
            }
        }
        let settled = self.deferred.as_mut().and_then(Iterator::next);
        settled.map(|(line, read)| outcome(line, read)).transpose()
    }

    /// The line on which a row starts. The reader stands on the line after the row, and a quoted cell may span several
    /// lines, even to the end of the file if the quote is never closed. (The position in the row itself is that of the
    /// empty lines before it.)
    fn first_line(&self) -> u64 {
        let within = self.cells.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        let ended = u64::from(!self.lines.get_ref().is_over());
        self.lines.position().line().saturating_sub(within + ended)
    }
}

fn outcome(line: u64, read: Result<Vec<Fact>, LeftOut>) -> Result<(SourceLocation, Outcome), TableError> {
    let outcome = match read {
        Ok(facts) => Outcome::Facts(facts.into_iter().map(ReceivedFact::of).collect()),
        Err(LeftOut::Rejected(why @ Rejected::NoTimezone { .. })) => return Err(TableError::Row { line, why }),
        Err(left_out) => left_out.into(),
    };
    Ok((SourceLocation::Line(line), outcome))
}

fn header(cells: &ByteRecord, mapping: &Mapping) -> Result<Header, String> {
    let text = |cell| std::str::from_utf8(cell).map(|name: &str| name.trim().to_owned());
    let names: Result<Vec<_>, _> = cells.iter().map(text).collect();
    Header::read(names.map_err(|_| "has a header that is not UTF-8; save it again as \"CSV UTF-8\"")?, mapping)
}
