//! Output on the standard error, and counts in words.

use std::borrow::Cow;
use std::io::{IsTerminal, Write, stderr};

use anstyle::AnsiColor;

use crate::lines;

/// Writes a text to the standard error. Failures are ignored.
pub fn say(text: &str) {
    let text = shown(text);
    match lines::aside() {
        Some(lines) => lines.line(&text),
        None => drop(writeln!(stderr(), "{text}")),
    }
}

/// A text as a terminal may show it. Characters from a file or a name that would control the terminal are escaped; line
/// breaks and tabs stay.
pub fn shown(text: &str) -> Cow<'_, str> {
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

/// Warns on the standard error. A loud warning is about something that is taken away from people.
pub fn warn(loud: bool, what: &str) {
    let (color, word) = if loud { (AnsiColor::Red, "WARNING") } else { (AnsiColor::Yellow, "warning") };
    let style = color.on_default().bold();
    match lines::aside() {
        Some(lines) if !std::io::stderr().is_terminal() => lines.line(&format!("{word}: {what}")),
        Some(lines) => lines.line(&format!("{style}{word}{style:#}: {what}")),
        None => drop(writeln!(anstream::stderr(), "{style}{word}{style:#}: {what}")),
    }
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
