//! Times in the forms of foreign files.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use rules::calendar::{Instant, Zone};

/// The way in which a file's times are read.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// The time zone of the shop's clock, for times without an offset.
    pub timezone: Option<Zone>,
    /// The form of the times in strftime's letters, if it is not one of the usual ones.
    pub format: Option<String>,
}

/// Why a text is not an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeError {
    /// The text has no known form.
    Unreadable,
    /// The text is a local time, and no time zone is given.
    NoTimezone,
}

const WITH_OFFSET: [&str; 3] = ["%Y-%m-%d %H:%M:%S%.f %z", "%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%.f%z"];
/// The last ones, with the month's name, are those of Magento's admin: which number is the day is clear.
const LOCAL: [&str; 6] = [
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%b %d, %Y %I:%M:%S %p",
    "%b %d, %Y, %I:%M:%S %p",
];

impl Clock {
    /// Reads RFC 3339, or the same with a space or without an offset, or a bare date (its midnight), or the given form.
    /// A date that could be day and month or month and day is not guessed.
    pub fn read(&self, text: &str) -> Result<Instant, TimeError> {
        if let Some(format) = &self.format {
            let one = [format.as_str()];
            return with_offset(text, &one).map_or_else(|| self.local(text, &one, &one), Ok);
        }
        if let Ok(at) = Instant::parse(text) {
            return Ok(at);
        }
        // Each form matches the whole text, so a text that matches a local form has no offset. Most files use local
        // times, so that is tried first.
        let local = self.local(text, &LOCAL, &["%Y-%m-%d"]);
        let utc = || text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')).map(str::trim_end);
        let in_utc = || Instant::written(local_time(utc()?, &LOCAL, &[])?.and_utc().timestamp_millis());
        match local {
            Err(TimeError::Unreadable) => with_offset(text, &WITH_OFFSET).or_else(in_utc).ok_or(TimeError::Unreadable),
            read => read,
        }
    }

    fn local(&self, text: &str, times: &[&str], dates: &[&str]) -> Result<Instant, TimeError> {
        let local = local_time(text, times, dates).ok_or(TimeError::Unreadable)?;
        let timezone = self.timezone.as_ref().ok_or(TimeError::NoTimezone)?;
        Instant::written(timezone.instant(local).millis()).ok_or(TimeError::Unreadable)
    }
}

fn with_offset(text: &str, formats: &[&str]) -> Option<Instant> {
    let read = |format: &&str| DateTime::parse_from_str(text, format).ok();
    formats.iter().find_map(read).and_then(|at| Instant::written(at.timestamp_millis()))
}

fn local_time(text: &str, times: &[&str], dates: &[&str]) -> Option<NaiveDateTime> {
    let time = times.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let date = || dates.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok());
    time.or_else(|| date().map(|date| date.and_time(chrono::NaiveTime::MIN)))
}

#[cfg(test)]
mod tests {
    use rules::calendar::Zones;

    use super::*;

    #[track_caller]
    fn check(clock: &Clock, text: &str, expected: &str) {
        assert_eq!(clock.read(text).map(|at| at.to_string()), Ok(expected.to_owned()), "{text}");
    }

    fn clock(timezone: &str, format: Option<&str>) -> Clock {
        Clock { timezone: Some(Zones::built_in().named(timezone).unwrap()), format: format.map(str::to_owned) }
    }

    #[test]
    fn a_time_with_an_offset_needs_no_timezone() {
        let nowhere = Clock::default();
        check(&nowhere, "2024-01-05 10:11:12 -0500", "2024-01-05T15:11:12Z");
        check(&nowhere, "2024-01-05T10:11:12-05:00", "2024-01-05T15:11:12Z");
        check(&nowhere, "2024-01-05 10:11:12+00:00", "2024-01-05T10:11:12Z");
        check(&nowhere, "2024-01-05 10:11:12.1239 +0000", "2024-01-05T10:11:12.123Z");
        check(&nowhere, "2024-01-05 10:11:12 UTC", "2024-01-05T10:11:12Z");
        check(&nowhere, "2024-01-05 10:11Z", "2024-01-05T10:11:00Z");
    }

    #[test]
    fn a_time_without_an_offset_is_local() {
        let london = clock("Europe/London", None);
        check(&london, "2010-12-01T08:26:00", "2010-12-01T08:26:00Z");
        check(&london, "2011-07-01 08:26", "2011-07-01T07:26:00Z");
        check(&london, "2011-07-01", "2011-06-30T23:00:00Z");
        check(&london, "Jul 1, 2011 8:26:00 PM", "2011-07-01T19:26:00Z");
        assert_eq!(Clock::default().read("2011-07-01 08:26"), Err(TimeError::NoTimezone));
    }

    #[test]
    fn of_a_local_time_that_comes_twice_the_earlier_is_meant() {
        check(&clock("Europe/London", None), "2011-10-30 01:30:00", "2011-10-30T00:30:00Z");
    }

    #[test]
    fn a_local_time_that_the_clock_skips_is_the_end_of_the_gap() {
        check(&clock("Europe/London", None), "2011-03-27 01:30:15", "2011-03-27T01:00:00Z");
        check(&clock("Pacific/Apia", None), "2011-12-30 12:00:00", "2011-12-30T10:00:00Z");
        check(&clock("Africa/Cairo", None), "2024-04-26", "2024-04-25T22:00:00Z");
    }

    #[test]
    fn other_forms_are_named_not_guessed() {
        assert_eq!(clock("UTC", None).read("12/1/2010 8:26"), Err(TimeError::Unreadable));
        check(&clock("UTC", Some("%m/%d/%Y %H:%M")), "12/1/2010 8:26", "2010-12-01T08:26:00Z");
        check(&clock("UTC", Some("%d.%m.%Y")), "01.12.2010", "2010-12-01T00:00:00Z");
        assert_eq!(clock("UTC", None).read("2024-02-30 10:00"), Err(TimeError::Unreadable));
    }

    #[test]
    fn a_year_that_no_event_could_name_is_unreadable() {
        for text in ["-0024-05-01 10:00", "+10000-01-01", "9999-12-31 23:59:60", "+10000-01-01 10:00:00 +0000"] {
            assert_eq!(clock("UTC", None).read(text), Err(TimeError::Unreadable), "{text}");
        }
        assert_eq!(clock("UTC", Some("%d.%m.%Y")).read("01.05.-024"), Err(TimeError::Unreadable));
        assert_eq!(clock("America/New_York", None).read("9999-12-31 20:00"), Err(TimeError::Unreadable));
    }
}
