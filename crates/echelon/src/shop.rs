//! A shop evaluated at an instant, from a program file and an events file. `replay` and `explain` share it.

use std::path::PathBuf;

use chrono::NaiveDate;
use rules::calendar::{Day, Instant, Zone};
use rules::replay::{Line, Replay};

use crate::error::CommandError;
use crate::events::{Events, arrival};
use crate::input;
use crate::output::{counted, say};

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

    /// Reads the events in order of time, wherever they lie in the file
    ///
    /// For a file that is ordered by customer, or newest first. Otherwise lines are taken in the order of the file: one
    /// that is dated before a line above it counts as arriving late, and reading ends at the first line after --as-of.
    /// The time of a line is its received_at, or else its occurred_at (or paid_at, if that is later). Beyond some 64 MB
    /// the lines are sorted in temporary files.
    #[arg(long)]
    sort: bool,

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
    /// The number of lines that were not read although they are dated at or before the instant.
    unread: usize,
}

/// The lines that do not lie in order of time.
#[derive(Default)]
struct Disorder {
    /// The latest arrival so far.
    latest: Option<Instant>,
    /// The lines taken that are dated before a line above them.
    late: Places,
    /// The lines from the first one after the instant on that are dated after it.
    beyond: Places,
    /// The lines below that one that are dated at or before the instant, so that they were left out.
    unread: Places,
}

/// Lines, by their number and the first of them.
#[derive(Default)]
struct Places {
    count: usize,
    first: Option<usize>,
}

impl Places {
    fn add(&mut self, line: usize) {
        self.count += 1;
        self.first = self.first.or(Some(line));
    }
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
        let mut shop = Self { replay, as_of, facts: 0, skipped: 0, unread: 0 };
        shop.take(&mut Events::open(&given.events, given.sort)?, given.skip_invalid)?;
        shop.replay.finish(as_of);
        Ok(shop)
    }

    fn take(&mut self, events: &mut Events, skip_invalid: bool) -> Result<(), CommandError> {
        let mut disorder = Disorder::default();
        while let Some(line) = events.next_line()? {
            let arrival = line.content.as_ref().ok().and_then(arrival);
            if disorder.beyond.count > 0 {
                match arrival {
                    Some(at) if at <= self.as_of => disorder.unread.add(line.number),
                    Some(_) => disorder.beyond.add(line.number),
                    None => {}
                }
                continue;
            }
            let taken =
                line.content.and_then(|event| self.replay.line(&event, self.as_of).map_err(|error| error.to_string()));
            let place = format!("{}:{}", events.name(), line.number);
            match taken {
                Ok(Line::Beyond) => {
                    disorder.beyond.add(line.number);
                    continue;
                }
                Ok(Line::Fact(_)) => self.facts += 1,
                Ok(Line::Published) => {}
                Err(what) if skip_invalid => {
                    self.skipped += 1;
                    events.note(&format!("skipped {place}: {what}"));
                    continue;
                }
                Err(what) => {
                    let remedy = "correct the line, or leave such lines out with --skip-invalid";
                    return Err(CommandError::input(format!("{place}: {what}\n       {remedy}")));
                }
            }
            if arrival < disorder.latest {
                disorder.late.add(line.number);
            }
            disorder.latest = disorder.latest.max(arrival);
        }
        self.unread = disorder.unread.count;
        disorder.notes(events.name(), self.as_of).iter().for_each(|note| events.note(note));
        Ok(())
    }

    /// Reports the number of skipped lines, which is a finding, as are lines that were left out because the file is not
    /// in order of time.
    ///
    /// # Errors
    /// [`CommandError::Findings`] if there were any.
    pub fn settled(&self) -> Result<(), CommandError> {
        if self.skipped > 0 {
            let lines = if self.skipped == 1 { "line was" } else { "lines were" };
            say(&format!("{} {lines} skipped", self.skipped));
        }
        if self.skipped + self.unread == 0 { Ok(()) } else { Err(CommandError::Findings) }
    }
}

impl Disorder {
    /// Sentences for people about lines that were not read, or not as they are dated.
    fn notes(&self, name: &str, as_of: Instant) -> Vec<String> {
        let Self { latest: _, late, beyond, unread } = self;
        let mut notes = Vec::new();
        if let Some(first) = beyond.first {
            notes.push(format!(
                "note: {name} has {} after --as-of {as_of}, from line {first} on: not seen",
                counted(beyond.count, "line")
            ));
        }
        if let Some(first) = unread.first {
            notes.push(format!(
                "warning: {name} is not in order of time: {} below the first one after --as-of, from line {first} on, \
                 are dated before it and were not read; read them with --sort",
                counted(unread.count, "line")
            ));
        } else if let Some(first) = late.first {
            notes.push(format!(
                "note: {name} is not in order of time: {} dated before a line above, from line {first} on, counted as \
                 arriving late; --sort reads the file in order of time",
                counted(late.count, "line")
            ));
        }
        notes
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
