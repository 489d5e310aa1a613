//! What goes to the standard output.

use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal, Write, stderr, stdout};

use anstream::AutoStream;
use anstyle::AnsiColor;
use clap::ValueEnum;
use serde_json::Value;

use crate::failure::Failure;
use crate::lines;

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
/// If it cannot be written, for example because the disk is full. That a reader went away, as `head` does, is no error.
pub fn print(text: &str) -> Result<(), Failure> {
    print_to(stdout().lock(), &shown(text))
}

/// Prints a text with styles, which are left out where they cannot be seen or are not wanted.
///
/// # Errors
/// As [`print()`].
pub fn print_styled(text: &str) -> Result<(), Failure> {
    print_to(AutoStream::auto(stdout().lock()), text)
}

fn print_to(mut out: impl Write, text: &str) -> Result<(), Failure> {
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::input(format!("standard output: {error}; nothing more can be written there")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Says something on the standard error. Whether anybody hears it changes nothing.
pub fn say(text: &str) {
    let text = shown(text);
    match lines::aside() {
        Some(lines) => lines.line(&text),
        None => drop(writeln!(stderr(), "{text}")),
    }
}

/// A text as a terminal may show it: what would steer it, in a file or a name, is written out. Lines and tabs stay.
fn shown(text: &str) -> Cow<'_, str> {
    let steers = |it: char| {
        (it.is_control() && !matches!(it, '\n' | '\t'))
            || matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let written = |it: char| if steers(it) { it.escape_default().to_string() } else { it.to_string() };
    Cow::Owned(text.chars().map(written).collect())
}

/// Warns on the standard error; loud is what takes something from people.
pub fn warn(loud: bool, what: &str) {
    let (color, word) = if loud { (AnsiColor::Red, "WARNING") } else { (AnsiColor::Yellow, "warning") };
    let style = color.on_default().bold();
    match lines::aside() {
        Some(lines) if !std::io::stderr().is_terminal() => lines.line(&format!("{word}: {what}")),
        Some(lines) => lines.line(&format!("{style}{word}{style:#}: {what}")),
        None => drop(writeln!(anstream::stderr(), "{style}{word}{style:#}: {what}")),
    }
}

/// Prints one JSON object.
///
/// # Errors
/// As [`print()`].
pub fn print_json(value: &Value) -> Result<(), Failure> {
    print(&format!("{value:#}"))
}

/// A table with the first columns to the left, wide enough for what is in it.
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

/// `1 warning`, `3 members`.
pub fn counted(count: usize, what: &str) -> String {
    let ending = match (count, what.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{count} {what}{ending}")
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

    #[test]
    fn one_of_a_thing_is_not_several() {
        let words = [counted(0, "fact"), counted(1, "fact"), counted(1, "bonus"), counted(2, "bonus")];
        assert_eq!(words, ["0 facts", "1 fact", "1 bonus", "2 bonuses"]);
    }

    #[test]
    fn what_would_steer_a_terminal_is_written_out() {
        assert_eq!(shown("a\tb\nc"), "a\tb\nc");
        assert_eq!(shown("\u{1b}[31mred\u{7}\u{202e}"), "\\u{1b}[31mred\\u{7}\\u{202e}");
    }
}
