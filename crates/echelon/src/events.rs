//! Events in order of time: those of a file for `replay` and `explain`, which may also be taken as they lie in it.

use std::path::Path;

use rules::calendar::Instant;
use serde_json::Value;

use crate::error::CommandError;
use crate::input::{Line, Lines, Raw, content};
use crate::output::say;
use crate::sorting::{Placed, Sorted, Sorter};

/// The lines of a file of events.
pub struct Events {
    name: String,
    order: Order,
}

enum Order {
    /// As they lie in the file.
    Given(Lines),
    /// By the instant of their arrival.
    Time(Sorted),
}

impl Events {
    /// Opens a file. In order of time, it is read to its end first; a line whose time cannot be read comes before all
    /// others, so that it is reported as it would be in its place.
    ///
    /// # Errors
    /// If the file cannot be read, or the lines do not fit into memory and no temporary file can be written.
    pub fn open(path: &Path, by_time: bool) -> Result<Self, CommandError> {
        let mut lines = Lines::open(path)?;
        let name = lines.name().to_owned();
        if !by_time {
            return Ok(Self { name, order: Order::Given(lines) });
        }
        let mut sorter = Sorter::new();
        while let Some(Raw { number, bytes, passed_over: _ }) = lines.next_raw()? {
            let arrival = content(&bytes).ok().as_ref().and_then(arrival);
            let key = arrival.map_or(i64::MIN, Instant::millis);
            sorter.push(Placed { key, place: number as u64, line: bytes })?;
        }
        Ok(Self { name, order: Order::Time(sorter.sorted()?) })
    }

    /// The name to show before a line's number.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next line that is not blank, under its number in the file.
    ///
    /// # Errors
    /// If reading fails in the middle.
    pub fn next_line(&mut self) -> Result<Option<Line>, CommandError> {
        match &mut self.order {
            Order::Given(lines) => lines.next_line(),
            Order::Time(sorted) => {
                let line = sorted.next_line()?;
                let number = |place| usize::try_from(place).unwrap_or(usize::MAX);
                Ok(line.map(|Placed { place, line, .. }| Line { number: number(place), content: content(&line) }))
            }
        }
    }

    /// Prints a text beside the progress shown.
    pub fn note(&self, text: &str) {
        match &self.order {
            Order::Given(lines) => lines.note(text),
            Order::Time(_) => say(text),
        }
    }
}

/// The instant at which an event says that it arrived: `received_at`, or else the latest instant that it names
/// (section 9 of the semantics). None if it names none that can be read.
pub fn arrival(event: &Value) -> Option<Instant> {
    let named = |field| event.get(field).and_then(Value::as_str).and_then(|text| Instant::parse(text).ok());
    let latest = || named("occurred_at").map(|at| named("paid_at").map_or(at, |paid_at| paid_at.max(at)));
    named("received_at").or_else(latest)
}
