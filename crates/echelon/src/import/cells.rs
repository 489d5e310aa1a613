//! Single cells of a row of orders: ids and flags, and what is said of numbers that cannot be read.

use rules::id::IdError;
use rules::quantity::NumberError;

use super::columns::{Field, Row};
use super::ids::{self, Bent};
use super::numbers::Notation;
use super::outcome::Rejected;

/// Reads an id, as it was before a spreadsheet bent it.
pub fn id<T>(row: Row<'_>, field: Field, text: &str, new: fn(&str) -> Result<T, IdError>) -> Result<T, Rejected> {
    let (column, value) = (|| row.column(field), || text.to_owned());
    let meant = ids::meant(text).map_err(|bent| match bent {
        Bent::Rounded => Rejected::RoundedId { column: column(), value: value() },
        Bent::Apostrophe => Rejected::MarkedId { column: column(), value: value() },
        Bent::Ambiguous => Rejected::AmbiguousId { column: column(), value: value() },
    })?;
    new(&meant).map_err(|why| Rejected::BadId { column: column(), value: value(), why })
}

/// The rejection of an amount, with the remedy in the notation in use.
pub fn bad_number(row: Row<'_>, field: Field, notation: Notation, why: &NumberError) -> Rejected {
    let (problem, remedy) = match why {
        NumberError::NotANumber(text) => {
            (format!("`{text}` is not an amount such as {}", notation.example()), notation.remedy())
        }
        NumberError::Negative(_) => (why.to_string(), "write it without a minus, or name another column with --column"),
        NumberError::TooFine { .. } => (why.to_string(), "round it as the shop does, and import the file again"),
        NumberError::TooLarge { .. } => (why.to_string(), "correct it, and import the file again"),
    };
    Rejected::BadNumber { column: row.column(field), problem, remedy }
}

/// The rejection of an exchange rate, which is written in one way whatever the notation of amounts is.
pub fn bad_rate(row: Row<'_>, why: &NumberError) -> Rejected {
    let remedy = "write digits with a point: the program's currency for one unit of the row's";
    Rejected::BadNumber { column: row.column(Field::ExchangeRate), problem: why.to_string(), remedy }
}

/// Reads a flag; an empty cell means no.
pub fn flag(row: Row<'_>, field: Field) -> Result<bool, Rejected> {
    let text = row.cell(field)?.unwrap_or_default();
    match text.to_lowercase().as_str() {
        "" | "false" | "no" | "0" | "live" => Ok(false),
        "true" | "yes" | "1" | "test" => Ok(true),
        _ => Err(Rejected::BadFlag { column: row.column(field), value: text.to_owned() }),
    }
}
