//! Reading CSV files row by row.

use csv::{ByteRecord, ReaderBuilder};

use super::columns::{Header, Mapping, Row};
use super::input::Opened;
use super::newlines::Newlines;
use super::orders::Orders;
use super::outcome::{LeftOut, Outcome, Rejected};
use super::report::Place;
use super::{Import, told};
use crate::failure::Failure;

/// How a table is laid out.
#[derive(Debug)]
pub struct Layout {
    /// Which column says what.
    pub mapping: Mapping,
    /// What stands between the cells.
    pub delimiter: u8,
}

/// Reads a file's rows, each into an outcome.
pub fn read(opened: Opened, layout: &Layout, orders: &mut Orders, import: &mut Import<'_>) -> Result<(), Failure> {
    let mut lines = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(layout.delimiter)
        .from_reader(Newlines::over(opened.reader));
    let mut cells = ByteRecord::new();
    let failed = |file: &str, error: csv::Error| Failure::input(format!("`{file}` cannot be read: {error}"));
    if !lines.read_byte_record(&mut cells).map_err(|error| failed(import.file, error))? {
        return Err(Failure::input(format!("`{}` is empty; its first row must name the columns", import.file)));
    }
    let header = header(&cells, &layout.mapping).map_err(|why| Failure::input(format!("`{}` {why}", import.file)))?;
    import.report.opened(import.file, &header);
    while lines.read_byte_record(&mut cells).map_err(|error| failed(import.file, error))? {
        let line = first_line(lines.position().line(), &cells);
        let outcome = match orders.read(Row { header: &header, cells: &cells }) {
            Ok(facts) => Outcome::Facts(facts.into_iter().map(told).collect()),
            Err(LeftOut::Rejected(why @ Rejected::NoTimezone { .. })) => {
                return Err(Failure::input(format!("`{}` line {line}: {why}", import.file)));
            }
            Err(left_out) => left_out.into(),
        };
        import.take(Place::Line(line), outcome)?;
    }
    Ok(())
}

/// The line a row starts on: the reader stands on the line after it, and a quoted cell may hold further ones. (The
/// position in the row itself is that of the empty lines before it.)
fn first_line(after: u64, cells: &ByteRecord) -> u64 {
    let within = cells.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
    after.saturating_sub(1 + within)
}

fn header(cells: &ByteRecord, mapping: &Mapping) -> Result<Header, String> {
    let text = |cell| std::str::from_utf8(cell).map(|name: &str| name.trim().to_owned());
    let names: Result<Vec<_>, _> = cells.iter().map(text).collect();
    Header::read(names.map_err(|_| "has a header that is not UTF-8; save it again as \"CSV UTF-8\"")?, mapping)
}
