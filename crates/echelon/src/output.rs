//! The standard output.

use std::io::{ErrorKind, Write, stdout};

use anstream::AutoStream;
use clap::ValueEnum;
use local::console::shown;
pub use local::console::{counted, say, warn};
use serde_json::Value;

use crate::error::CommandError;

/// The form in which a command answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one JSON object.
    Json,
}

/// Prints a text and ends its line.
///
/// # Errors
/// If it cannot be written, for example because the disk is full. A reader that went away, as `head` does, is not an
/// error.
pub fn print(text: &str) -> Result<(), CommandError> {
    print_to(stdout().lock(), &shown(text))
}

/// Prints a text with styles. They are left out where they are not visible or not wanted.
///
/// # Errors
/// The same as for [`print()`].
pub fn print_styled(text: &str) -> Result<(), CommandError> {
    print_to(AutoStream::auto(stdout().lock()), text)
}

fn print_to(mut out: impl Write, text: &str) -> Result<(), CommandError> {
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(CommandError::input(format!("standard output: {error}; nothing more can be written there")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints one JSON object.
///
/// # Errors
/// The same as for [`print()`].
pub fn print_json(value: &Value) -> Result<(), CommandError> {
    print(&format!("{value:#}"))
}

/// Formats a table whose columns are left-aligned and as wide as their content.
pub fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them_and_lines_end_with_text() {
        let cells = |row: [&str; 2]| row.map(str::to_owned).to_vec();
        let rows = [cells(["tier", "members"]), cells(["Größe", "1"]), vec!["x".to_owned()]];
        assert_eq!(table(&rows), ["tier   members", "Größe  1", "x"]);
    }
}
