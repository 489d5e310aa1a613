//! Rows of a CSV file of any kind, each with the line that it starts on. Memory is bounded by one row.

use std::io::BufRead;

use csv::{ByteRecord, Reader, ReaderBuilder};
use thiserror::Error;

use super::newlines::Newlines;

/// Why a file is not read, or not to its end. The text follows the name of the file.
#[derive(Debug, Error)]
pub enum RowsError {
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
    /// The header is not text.
    #[error("has a header that is not UTF-8; save it again as \"CSV UTF-8\"")]
    NotUtf8,
    /// A column is wanted, and two have its name.
    #[error("has the column `{0}` twice; rename one of them")]
    Twice(String),
}

/// The reader of a file, which stands at a row.
#[derive(Debug)]
pub struct Rows<R> {
    lines: Reader<Newlines<R>>,
    names: Vec<String>,
    cells: ByteRecord,
}

impl<R: BufRead> Rows<R> {
    /// Reads a file's header.
    ///
    /// # Errors
    /// If there is none, or it is not UTF-8.
    pub fn open(reader: R, delimiter: u8) -> Result<Self, RowsError> {
        let mut lines = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(Newlines::over(reader));
        let mut cells = ByteRecord::new();
        if !lines.read_byte_record(&mut cells)? {
            return Err(RowsError::Empty);
        }
        let text = |cell| std::str::from_utf8(cell).map(|name: &str| name.trim().to_owned());
        let names = cells.iter().map(text).collect::<Result<_, _>>().map_err(|_| RowsError::NotUtf8)?;
        Ok(Self { lines, names, cells })
    }

    /// The names of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The place of the column with a name, without regard to capitals.
    ///
    /// # Errors
    /// If two columns have the name.
    pub fn place(&self, wanted: &str) -> Result<Option<usize>, RowsError> {
        let mut places = self.names.iter().enumerate().filter(|(_, name)| name.eq_ignore_ascii_case(wanted));
        let first = places.next().map(|(place, _)| place);
        if places.next().is_some() { Err(RowsError::Twice(wanted.to_owned())) } else { Ok(first) }
    }

    /// Goes to the next row; returns its line, or none after the last row.
    ///
    /// # Errors
    /// If the file cannot be read further.
    pub fn next_row(&mut self) -> Result<Option<u64>, RowsError> {
        let line = self.lines.position().line();
        let read = self.lines.read_byte_record(&mut self.cells);
        if !read.map_err(|source| RowsError::Broken { line, source })? {
            return Ok(None);
        }
        self.lines.get_mut().row_ended();
        // The reader stands on the line after the row, and a quoted cell may span several lines.
        let within = self.cells.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        let ended = u64::from(!self.lines.get_ref().is_over());
        Ok(Some(self.lines.position().line().saturating_sub(within + ended)))
    }

    /// The cells of the row, as they are in the file.
    pub fn cells(&self) -> &ByteRecord {
        &self.cells
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor, Read, repeat};

    use super::super::newlines::ROW_BYTES_MAX;
    use super::*;

    fn rows(quote: &str, length: usize) -> Rows<impl BufRead> {
        let cell = repeat(b'x').take(length as u64);
        let text = Cursor::new(format!("a,b\n1,{quote}")).chain(cell).chain(Cursor::new(format!("{quote}\n2,y\n")));
        Rows::open(BufReader::new(text), b',').unwrap()
    }

    #[test]
    fn a_row_without_end_is_named_before_it_fills_the_memory() {
        for quote in ["", "\""] {
            let mut long = rows(quote, 2 * ROW_BYTES_MAX);
            let error = long.next_row().unwrap_err().to_string();
            assert!(error.starts_with("line 2: cannot be read on: a row is longer than 16777216 bytes"), "{error}");
            let mut short = rows(quote, ROW_BYTES_MAX / 2);
            assert_eq!((short.next_row().unwrap(), short.next_row().unwrap()), (Some(2), Some(3)));
        }
    }
}
