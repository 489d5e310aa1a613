//! Columns, bars and lines of at most 80 characters.

use anstyle::Style;

/// The longest line, which fits every terminal.
pub(crate) const COLUMNS: usize = 80;

const EIGHTHS: [&str; 7] = ["▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// The alignment of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Lines of a table. Each column is as wide as its widest cell, with two spaces in between; the last one is not padded.
/// The first row is the head.
pub(crate) fn table(aligns: &[Align], head: Style, rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| length(cell)).max();
    let widths: Vec<usize> = (0..aligns.len()).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(aligns).zip(&widths).map(|((cell, align), width)| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    let styled = |(index, row)| if index == 0 { format!("{head}{}{head:#}", line(row)) } else { line(row) };
    rows.iter().enumerate().map(styled).collect()
}

/// A bar of at most `cells` cells, in eighths of a cell. A value above zero shows at least one eighth.
pub(crate) fn bar(value: u64, most: u64, cells: usize) -> String {
    if value == 0 {
        return String::new();
    }
    let eighths = (value * u64::try_from(cells).unwrap_or_default() * 8 / most.max(1)).max(1);
    let full = "█".repeat(usize::try_from(eighths / 8).unwrap_or_default());
    let rest = usize::try_from(eighths % 8).unwrap_or_default();
    let part = rest.checked_sub(1).and_then(|index| EIGHTHS.get(index)).copied().unwrap_or_default();
    format!("{full}{part}")
}

/// Breaks a text between words into lines of at most [`COLUMNS`], and indents the later ones by `later`.
pub(crate) fn wrap(text: &str, first: usize, later: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = " ".repeat(first);
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && length(&line) + 1 + length(word) > COLUMNS {
            lines.push(std::mem::replace(&mut line, " ".repeat(later)));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line);
    lines
}

/// A number with separators: `12,345`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The number of characters in a text, each of which is one cell wide here.
pub(crate) fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_bars_scale_and_lines_are_wrapped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1, 50, 100].map(|value| bar(value, 100, 4)), ["", "▏", "██", "████"]);
        let lines = wrap(&"word ".repeat(40), 2, 4);
        assert!(lines.iter().all(|line| length(line) <= COLUMNS));
        assert_eq!(lines.join(" ").split_whitespace().count(), 40);
        assert!(lines[0].starts_with("  w") && lines[1].starts_with("    w"));
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["tier".into(), "n".into(), "to".into()], vec!["gold".into(), "12".into(), "all".into()]];
        let lines = table(&[Align::Left, Align::Right, Align::Left], Style::new(), &rows);
        assert_eq!(lines, ["  tier   n  to", "  gold  12  all"]);
    }
}
