//! A shop evaluated at an instant, from a program file and an events file. `replay` and `explain` share it.

use std::path::PathBuf;

use chrono::NaiveDate;
use rules::calendar::{Day, Instant, Zone};
use rules::replay::{Line, Replay};

use crate::error::CommandError;
use crate::input::{self, Lines};
use crate::output::say;

/// The shop and the instant.
#[derive(Debug, clap::Args)]
pub struct Given {
    /// The program, as JSON; the first version where the events publish more
    #[arg(long, value_name = "FILE")]
    program: PathBuf,

    /// The events, one JSON object per line; `-` for the standard input, `.gz` is unpacked
    #[arg(long, value_name = "FILE")]
    events: PathBuf,

    /// The instant of the question: `2024-06-01T12:00:00Z`, or a day for the midnight it begins with, in the
    /// time zone of the first program
    #[arg(long, value_name = "INSTANT")]
    as_of: String,

    /// Leaves out lines that are no valid fact, reports each on the standard error, and ends with exit code 1
    #[arg(long)]
    skip_invalid: bool,
}

/// A shop evaluated at an instant.
pub struct Shop {
    /// The shop.
    pub replay: Replay,
    /// The instant.
    pub as_of: Instant,
    /// The number of facts that were applied.
    pub facts: usize,
    /// The number of lines that were skipped.
    pub skipped: usize,
}

impl Shop {
    /// Applies the events up to the instant.
    ///
    /// # Errors
    /// Names the file, the line and the field that cannot be used.
    pub fn replayed(given: &Given) -> Result<Self, CommandError> {
        let (value, draft) = input::program(&given.program)?;
        let as_of = instant(&given.as_of, &draft.program.timezone)
            .map_err(|what| CommandError::input(format!("--as-of: {what}")))?;
        let replay = Replay::start(&value, crate::zones())
            .map_err(|error| CommandError::input(format!("{}: {error}", given.program.display())))?;
        let mut shop = Self { replay, as_of, facts: 0, skipped: 0 };
        shop.take(&mut Lines::open(&given.events)?, given.skip_invalid)?;
        shop.replay.finish(as_of);
        Ok(shop)
    }

    fn take(&mut self, lines: &mut Lines, skip_invalid: bool) -> Result<(), CommandError> {
        while let Some(line) = lines.next_line()? {
            let taken =
                line.content.and_then(|event| self.replay.line(&event, self.as_of).map_err(|error| error.to_string()));
            let place = format!("{}:{}", lines.name(), line.number);
            match taken {
                Ok(Line::Beyond) => break,
                Ok(Line::Fact(_)) => self.facts += 1,
                Ok(Line::Published) => {}
                Err(what) if skip_invalid => {
                    self.skipped += 1;
                    lines.note(&format!("skipped {place}: {what}"));
                }
                Err(what) => {
                    let remedy = "correct the line, or leave such lines out with --skip-invalid";
                    return Err(CommandError::input(format!("{place}: {what}\n       {remedy}")));
                }
            }
        }
        Ok(())
    }

    /// Reports the number of skipped lines, which is a finding.
    ///
    /// # Errors
    /// [`CommandError::Findings`] if there were any.
    pub fn settled(&self) -> Result<(), CommandError> {
        if self.skipped == 0 {
            return Ok(());
        }
        let lines = if self.skipped == 1 { "line was" } else { "lines were" };
        say(&format!("{} {lines} skipped", self.skipped));
        Err(CommandError::Findings)
    }
}

/// Decodes an instant, or a day as its midnight in a zone.
///
/// # Errors
/// A text that says what to write instead.
pub fn instant(text: &str, zone: &Zone) -> Result<Instant, String> {
    if let (10, Ok(date)) = (text.len(), text.parse::<NaiveDate>()) {
        return Ok(zone.midnight(Day::of(date)));
    }
    Instant::parse(text).map_err(|_| {
        format!("`{text}` is neither an instant such as 2024-06-01T12:00:00Z nor a day such as 2024-06-01")
    })
}

#[cfg(test)]
mod tests {
    use rules::calendar::Zones;

    use super::*;

    #[test]
    fn a_day_means_its_midnight_in_the_programs_time_zone() {
        let zone = Zones::built_in().named("America/New_York").unwrap();
        for (text, found) in [
            ("2024-06-01", "2024-06-01T04:00:00Z"),
            ("2024-06-01T12:00:00Z", "2024-06-01T12:00:00Z"),
            ("2024-06-01T12:00:00+02:00", "2024-06-01T10:00:00Z"),
        ] {
            assert_eq!(instant(text, &zone).unwrap().to_string(), found);
        }
        for text in ["yesterday", "2024-13-01", "2024-06-01 12:00", ""] {
            assert!(instant(text, &zone).unwrap_err().contains("neither"), "{text}");
        }
    }
}
