//! Days and times as written in a scenario: in the program's own time zone.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, SecondsFormat, TimeDelta, Utc};
use reference::tz::Tz;

/// A day, or a time on a day. Where an instant is needed, a day alone is its midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    day: NaiveDate,
    time: Option<NaiveTime>,
}

/// Reads a day such as `2024-02-29`.
pub fn day(text: &str) -> Option<NaiveDate> {
    // chrono would accept `2024-2-9` too; a single form keeps the columns of a scenario aligned.
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == "2024-02-29".len())
}

fn time(text: &str) -> Option<NaiveTime> {
    ["%H:%M", "%H:%M:%S", "%H:%M:%S%.3f"].iter().find_map(|form| NaiveTime::parse_from_str(text, form).ok())
}

/// Reads an instant in UTC, such as `2027-01-01T07:30:00Z`, for scenarios about a zone's clock.
pub fn utc(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().filter(|_| text.ends_with('Z')).map(|at| at.to_utc())
}

/// The instant of a text in either form.
pub fn dated(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    utc(text).or_else(|| Some(Moment::read(text)?.instant(zone)))
}

impl Moment {
    /// Reads `2024-02-29` or `2024-02-29 10:00`, with seconds and milliseconds if they matter.
    pub fn read(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            None => Some(Self { day: day(text)?, time: None }),
            Some((date, clock)) => Some(Self { day: day(date)?, time: Some(time(clock)?) }),
        }
    }

    /// The instant in a zone, as UTC. For a time that comes twice, it is the first.
    pub fn instant(self, zone: Tz) -> DateTime<Utc> {
        let mut local = self.day.and_time(self.time.unwrap_or_default());
        loop {
            // Where the clock skips this time, the end of the gap counts: a few steps of a minute away.
            match zone.earliest_utc(local) {
                Some(instant) => return instant,
                None => local += TimeDelta::minutes(1),
            }
        }
    }

    /// Whether an instant is this moment; a day alone covers all its times.
    pub fn covers(self, instant: DateTime<Utc>, zone: Tz) -> bool {
        match self.time {
            Some(_) => self.instant(zone) == instant,
            None => zone.local(instant.timestamp_millis()).date() == self.day,
        }
    }
}

/// The midnight that ends a day, which is the end of a term with this last full day.
pub fn end_of(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    Moment { day: day.checked_add_days(Days::new(1)).unwrap_or(day), time: None }.instant(zone)
}

/// An instant in the form of events.
pub fn written(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tz(name: &str) -> Tz {
        Tz::named(name).unwrap()
    }

    fn written_in(text: &str, zone: Tz) -> String {
        written(Moment::read(text).unwrap().instant(zone))
    }

    #[test]
    fn a_time_is_the_programs_local_time() {
        assert_eq!(written_in("2024-01-01 10:00", tz("America/New_York")), "2024-01-01T15:00:00.000Z");
        assert_eq!(written_in("2024-07-01 23:59:59.999", Tz::utc()), "2024-07-01T23:59:59.999Z");
        assert_eq!(written_in("2024-07-01", tz("America/New_York")), "2024-07-01T04:00:00.000Z");
    }

    #[test]
    fn a_midnight_that_the_clock_skips_is_the_end_of_the_gap() {
        assert_eq!(written_in("2024-04-26", tz("Africa/Cairo")), "2024-04-25T22:00:00.000Z");
        assert_eq!(written(end_of(day("2024-04-25").unwrap(), tz("Africa/Cairo"))), "2024-04-25T22:00:00.000Z");
    }

    #[test]
    fn a_day_alone_covers_all_its_times() {
        let instant = Moment::read("2024-01-01 23:30").unwrap().instant(tz("America/New_York"));
        assert!(Moment::read("2024-01-01").unwrap().covers(instant, tz("America/New_York")));
        assert!(!Moment::read("2024-01-01").unwrap().covers(instant, Tz::utc()));
        assert!(!Moment::read("2024-01-01 23:00").unwrap().covers(instant, tz("America/New_York")));
    }

    #[test]
    fn an_instant_in_utc_is_the_same_in_every_zone() {
        for zone in [Tz::utc(), tz("America/Vancouver")] {
            assert_eq!(written(dated("2027-01-01T07:30:00Z", zone).unwrap()), "2027-01-01T07:30:00.000Z");
        }
        assert_eq!(written(dated("2027-01-01 00:30", tz("America/Vancouver")).unwrap()), "2027-01-01T07:30:00.000Z");
        assert_eq!(utc("2027-01-01T07:30:00-07:00"), None, "one way of writing");
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in ["2024-2-9", "2023-02-29", "10:00", "2024-01-01 25:00", "2024-01-01 10:00 sharp"] {
            assert!(Moment::read(text).is_none(), "{text}");
        }
    }
}
