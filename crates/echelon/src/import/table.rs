//! Reading CSV files row by row.

use std::io::BufRead;

use csv::{ByteRecord, Reader, ReaderBuilder};
use rules::fact::ReceivedFact;
use thiserror::Error;

use super::columns::{Header, Mapping, Row};
use super::newlines::Newlines;
use super::orders::Orders;
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
        Ok(Self { lines, header, cells, phones })
    }

    /// The columns.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The phone numbers of the customer in the row that was read last, as they are written.
    pub fn phones(&self) -> Vec<String> {
        let cells = self.phones.iter().filter_map(|place| self.cells.get(*place));
        cells.filter(|cell| !cell.is_empty()).map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()
    }

    /// The next row's place and outcome; none after the last row.
    ///
    /// # Errors
    /// If the file cannot be read further, or the import ends here.
    pub fn next(&mut self, orders: &mut Orders) -> Result<Option<(SourceLocation, Outcome)>, TableError> {
        if !self.lines.read_byte_record(&mut self.cells)? {
            return Ok(None);
        }
        let line = self.first_line();
        let outcome = match orders.read(Row { header: &self.header, cells: &self.cells }) {
            Ok(facts) => Outcome::Facts(facts.into_iter().map(ReceivedFact::of).collect()),
            Err(LeftOut::Rejected(why @ Rejected::NoTimezone { .. })) => return Err(TableError::Row { line, why }),
            Err(left_out) => left_out.into(),
        };
        Ok(Some((SourceLocation::Line(line), outcome)))
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

fn header(cells: &ByteRecord, mapping: &Mapping) -> Result<Header, String> {
    let text = |cell| std::str::from_utf8(cell).map(|name: &str| name.trim().to_owned());
    let names: Result<Vec<_>, _> = cells.iter().map(text).collect();
    Header::read(names.map_err(|_| "has a header that is not UTF-8; save it again as \"CSV UTF-8\"")?, mapping)
}
