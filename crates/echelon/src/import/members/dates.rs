//! Days in the forms of loyalty apps. A day that could be read in two ways is not guessed.

use chrono::NaiveDate;
use rules::calendar::DayOfYear;
use rules::calendar::{Day, Instant, Zone};

use crate::import::time::Clock;

/// The order of day and month where both are numbers and the year does not come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayOrder {
    /// `24/12/1990`
    DayFirst,
    /// `12/24/1990`
    MonthFirst,
}

/// Why a text is not a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayError {
    /// The text has no known form, or no year has the day.
    Unreadable,
    /// Day and month could be either way round.
    Ambiguous,
    /// The text is a local time, and no time zone is given.
    NoTimezone,
}

/// A day with its year, or an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// A whole day, in the shop's zone.
    Day(Day),
    /// An instant.
    At(Instant),
}

impl When {
    /// The instant from which something that is held until then no longer is: the end of the day, or the instant. None after
    /// the year 9999, which no fact can say.
    pub fn end(self, zone: &Zone) -> Option<Instant> {
        match self {
            Self::Day(day) => zone.end_of(day),
            Self::At(at) => Some(at),
        }
    }

    /// The beginning of the day, or the instant.
    pub fn start(self, zone: &Zone) -> Instant {
        match self {
            Self::Day(day) => zone.midnight(day),
            Self::At(at) => at,
        }
    }
}

/// Reads a birthday: `MM-DD`, a whole date with the year first, or a date with day and month in the stated order. The
/// year is left out, since a birthday has none.
///
/// # Errors
/// If the text is no day of any year, or could be two.
pub fn birthday(text: &str, order: Option<DayOrder>) -> Result<DayOfYear, DayError> {
    let date = date_part(text);
    let parts: Option<Vec<u32>> = date.split(['-', '/', '.', ' ']).map(number).collect();
    let (month, day) = match parts.as_deref().ok_or(DayError::Unreadable)? {
        // As facts write it.
        [month, day] if date.contains('-') && order != Some(DayOrder::DayFirst) => (*month, *day),
        [first, second] => month_and_day(*first, *second, order)?,
        [_, month, day] if is_year_first(date) => (*month, *day),
        [first, second, _year] => month_and_day(*first, *second, order)?,
        _ => return Err(DayError::Unreadable),
    };
    let narrow = |number: u32| u8::try_from(number).map_err(|_| DayError::Unreadable);
    DayOfYear::new(narrow(month)?, narrow(day)?).ok_or(DayError::Unreadable)
}

/// Reads a day with its year, or an instant: RFC 3339, or a local time in the zone.
///
/// # Errors
/// If the text has no known form, is a day that does not exist, or could be two days.
pub fn when(text: &str, order: Option<DayOrder>, zone: Option<&Zone>) -> Result<When, DayError> {
    if date_part(text).len() < text.trim().len() {
        let clock = Clock { timezone: zone.cloned(), format: None };
        return clock.read(text.trim()).map(When::At).map_err(|error| match error {
            crate::import::time::TimeError::Unreadable => DayError::Unreadable,
            crate::import::time::TimeError::NoTimezone => DayError::NoTimezone,
        });
    }
    let date = text.trim();
    let parts: Option<Vec<u32>> = date.split(['-', '/', '.']).map(number).collect();
    let (year, month, day) = match parts.as_deref().ok_or(DayError::Unreadable)? {
        [year, month, day] if is_year_first(date) => (*year, *month, *day),
        [first, second, year] if *year >= 1_000 => {
            let (month, day) = month_and_day(*first, *second, order)?;
            (*year, month, day)
        }
        _ => return Err(DayError::Unreadable),
    };
    let year = i32::try_from(year).map_err(|_| DayError::Unreadable)?;
    let found = NaiveDate::from_ymd_opt(year, month, day).ok_or(DayError::Unreadable)?;
    Ok(When::Day(Day::of(found)))
}

/// The date of a text that may have a time after it.
fn date_part(text: &str) -> &str {
    let text = text.trim();
    match text.find(['T', ' ']) {
        Some(at) if text.get(at..).is_some_and(|rest| rest.contains(':')) => text.get(..at).unwrap_or(text),
        Some(_) | None => text,
    }
}

fn number(part: &str) -> Option<u32> {
    (!part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| part.parse().ok())?
}

fn is_year_first(date: &str) -> bool {
    date.bytes().take_while(u8::is_ascii_digit).count() == 4
}

/// The month and the day of two numbers. A number above 12 can only be a day; two equal ones are the same either way.
fn month_and_day(first: u32, second: u32, order: Option<DayOrder>) -> Result<(u32, u32), DayError> {
    match order {
        Some(DayOrder::DayFirst) => Ok((second, first)),
        Some(DayOrder::MonthFirst) => Ok((first, second)),
        None if first > 12 => Ok((second, first)),
        None if second > 12 || first == second => Ok((first, second)),
        None => Err(DayError::Ambiguous),
    }
}

#[cfg(test)]
mod tests {
    use rules::calendar::Zones;

    use super::*;

    #[test]
    fn a_birthday_is_read_from_every_form_that_leaves_no_doubt() {
        for (text, order, found) in [
            ("12-24", None, Ok("12-24")),
            ("05-06", None, Ok("05-06")),
            ("1990-02-29", None, Ok("02-29")),
            ("1004-05-27", None, Ok("05-27")),
            ("1990/12/24", None, Ok("12-24")),
            ("1990-12-24T00:00:00Z", None, Ok("12-24")),
            ("1990-12-24 00:00:00", None, Ok("12-24")),
            ("24/12/1990", None, Ok("12-24")),
            ("12/24/1990", None, Ok("12-24")),
            ("24.12.", None, Err(DayError::Unreadable)),
            ("24.12", None, Ok("12-24")),
            ("5/5/90", None, Ok("05-05")),
            ("05/06/1990", None, Err(DayError::Ambiguous)),
            ("05/06", None, Err(DayError::Ambiguous)),
            ("05/06/1990", Some(DayOrder::DayFirst), Ok("06-05")),
            ("05/06/1990", Some(DayOrder::MonthFirst), Ok("05-06")),
            ("05-06", Some(DayOrder::DayFirst), Ok("06-05")),
            ("24/12/1990", Some(DayOrder::MonthFirst), Err(DayError::Unreadable)),
            ("1990-02-30", None, Err(DayError::Unreadable)),
            ("31/04", None, Err(DayError::Unreadable)),
            ("yes", None, Err(DayError::Unreadable)),
            ("", None, Err(DayError::Unreadable)),
        ] {
            let read = birthday(text, order).map(|day| day.to_string());
            assert_eq!(read, found.map(str::to_owned), "{text} {order:?}");
        }
    }

    #[test]
    fn a_plain_day_ends_at_the_midnight_after_it_in_the_zone() {
        let zone = Zones::built_in().named("America/New_York").unwrap();
        for (text, end) in [
            ("2026-12-31", "2027-01-01T05:00:00Z"),
            ("31/12/2026", "2027-01-01T05:00:00Z"),
            ("2026-12-31T10:00:00Z", "2026-12-31T10:00:00Z"),
            ("2026-12-31 10:00:00", "2026-12-31T15:00:00Z"),
            ("2026-12-31 10:00:00 +0200", "2026-12-31T08:00:00Z"),
        ] {
            let read = when(text, None, Some(&zone)).map(|found| found.end(&zone).unwrap().to_string());
            assert_eq!(read, Ok(end.to_owned()), "{text}");
        }
        assert_eq!(when("9999-12-31", None, Some(&zone)).map(|found| found.end(&zone)), Ok(None));
        assert_eq!(when("2026-02-29", None, Some(&zone)), Err(DayError::Unreadable));
        assert_eq!(when("01/02/2026", None, Some(&zone)), Err(DayError::Ambiguous));
        assert_eq!(when("2026-12-31 10:00", None, None), Err(DayError::NoTimezone));
        assert_eq!(when("01/13/26", None, Some(&zone)), Err(DayError::Unreadable));
    }
}
