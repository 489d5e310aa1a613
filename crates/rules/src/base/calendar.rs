//! Instants, local days and the midnights between them (section 2 of the semantics).

mod day_of_year;
mod legacy;
mod zone;
mod zones;

use std::fmt;

use chrono::{DateTime, Datelike, Months, NaiveDate, SecondsFormat, Utc};
use thiserror::Error;

pub use day_of_year::DayOfYear;
pub(crate) use zone::Clock;
pub use zone::Zone;
pub use zones::{Release, ReleaseError, ZoneError, ZoneFileError, Zones};

const MS_PER_DAY: i64 = 86_400_000;
/// The years 0000 to 9999 in UTC, without a leap second at their end.
const WRITTEN: std::ops::Range<i64> = -62_167_219_200_000..253_402_300_800_000;
/// An instant more than two days away from a midnight is clearly on one side of it: clocks never went back further.
pub(crate) const TWO_DAYS: i64 = 2 * MS_PER_DAY;

/// The reason why a text is not an instant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not an RFC 3339 instant such as \"2024-05-01T10:00:00Z\" ({reason})")]
pub struct InstantError {
    text: String,
    reason: String,
}

/// An instant in UTC with millisecond precision; finer digits are cut off (section 2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

impl Instant {
    /// The first representable instant.
    pub(crate) const FIRST: Self = Self(i64::MIN);
    /// The last representable instant.
    pub(crate) const LAST: Self = Self(i64::MAX);

    /// Reads RFC 3339 with any offset.
    pub fn parse(text: &str) -> Result<Self, InstantError> {
        let wrong = |reason: String| InstantError { text: text.to_owned(), reason };
        let at = DateTime::parse_from_rfc3339(text).map_err(|error| wrong(error.to_string()))?;
        Self::written(at.timestamp_millis())
            .ok_or_else(|| wrong("in UTC it is before the year 0000 or after 9999".to_owned()))
    }

    /// The instant `millis` milliseconds after 1970 in UTC, if RFC 3339 can write it: in the years 0000 to 9999.
    pub fn written(millis: i64) -> Option<Self> {
        WRITTEN.contains(&millis).then_some(Self(millis))
    }

    /// The instant in the years 0000 to 9999 that is nearest to `millis` milliseconds after 1970 in UTC.
    pub(crate) fn nearest_written(millis: i64) -> Self {
        Self(millis.clamp(WRITTEN.start, WRITTEN.end - 1))
    }

    /// Milliseconds since 1970 in UTC.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// The instant `millis` milliseconds after 1970 in UTC.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The calendar year in UTC, for filing where no program's time zone is at hand.
    pub(crate) fn utc_year(self) -> i32 {
        chrono::DateTime::from_timestamp_millis(self.millis()).map_or(0, |at| chrono::Datelike::year(&at))
    }

    /// The instant `millis` milliseconds later.
    pub fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(at) if self.0 % 1_000 == 0 => f.write_str(&at.to_rfc3339_opts(SecondsFormat::Secs, true)),
            Some(at) => f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{} ms after 1970", self.0),
        }
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Instant {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Instant {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A local calendar day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// The day of a date.
    pub fn of(date: NaiveDate) -> Self {
        Self(date.to_epoch_days())
    }

    /// The date of the day.
    pub fn date(self) -> NaiveDate {
        // Days come from dates and from instants in years that chrono covers many times over.
        NaiveDate::from_epoch_days(self.0).unwrap_or(if self.0 < 0 { NaiveDate::MIN } else { NaiveDate::MAX })
    }

    /// January 1 of a year.
    pub fn new_year(year: i32) -> Self {
        // 365 days a year since 1970, plus one for each leap year. A date would be too slow: this is called often.
        let before = i64::from(year) - 1;
        let leaps = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
        Self(i32::try_from(365 * (before - 1969) + leaps - 477).unwrap_or(i32::MAX))
    }

    /// The calendar year the day lies in.
    pub fn year(self) -> i32 {
        self.date().year()
    }

    /// The number of days after the UTC day of an instant: at most one before or after it, in any zone.
    pub(crate) fn after_utc(self, at: Instant) -> i64 {
        i64::from(self.0) - at.0.div_euclid(MS_PER_DAY)
    }

    /// The day that comes `later` days after the UTC day of an instant.
    pub(crate) fn of_utc(at: Instant, later: i64) -> Option<Self> {
        i32::try_from(at.0.div_euclid(MS_PER_DAY).checked_add(later)?).ok().map(Self)
    }

    /// The first representable day.
    pub(crate) const FIRST: Self = Self(i32::MIN);

    /// The last representable day.
    pub(crate) const LAST: Self = Self(i32::MAX);

    /// The day before.
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The next day.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date())
    }
}

impl serde::Serialize for Day {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Day {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let date: Result<NaiveDate, _> = String::deserialize(deserializer)?.parse();
        date.map(Self::of).map_err(serde::de::Error::custom)
    }
}

/// A length of time in local days or months; 12 months and 365 days are different things (section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// A number of days.
    Days(u16),
    /// A number of months; a day that the target month lacks becomes its last day.
    Months(u16),
}

impl Span {
    /// The length of a period without a unit (AiTrillion's and Smile's 365 days).
    pub const YEAR_OF_DAYS: Self = Self::Days(365);

    /// The day this much later, clamped to the month's end.
    pub fn after(self, day: Day) -> Day {
        match self {
            Self::Days(days) => Day(day.0.saturating_add(i32::from(days))),
            Self::Months(months) => {
                Day::of(day.date().checked_add_months(Months::new(u32::from(months))).unwrap_or(NaiveDate::MAX))
            }
        }
    }

    /// The day this much earlier, clamped to the month's end.
    pub fn before(self, day: Day) -> Day {
        match self {
            Self::Days(days) => Day(day.0.saturating_sub(i32::from(days))),
            Self::Months(months) => {
                Day::of(day.date().checked_sub_months(Months::new(u32::from(months))).unwrap_or(NaiveDate::MIN))
            }
        }
    }

    /// Whether it ends before another span that begins on the same day, whichever that is.
    pub(crate) fn is_always_shorter_than(self, other: Self) -> bool {
        // The lengths of months repeat every four years; where a century has no leap day, a span is at most a day shorter.
        let first_days = (0..48).map(|month| Self::Months(month).after(Day::new_year(2023)));
        let mut days = first_days.flat_map(|first| (0..31).map(move |later| Self::Days(later).after(first)));
        days.all(|day| self.after(day) < other.after(day))
    }

    /// The first day on which a credit of `day` no longer lies in the trailing window `(today − span, today]`.
    #[inline]
    pub fn ages_out(self, day: Day) -> Day {
        match self {
            Self::Days(_) => self.after(day),
            Self::Months(_) => self.ages_out_by_months(day),
        }
    }

    fn ages_out_by_months(self, day: Day) -> Day {
        let mut out = self.after(day);
        // Clamping can make `out − span` fall short of `day` at a month's end, by up to three days.
        while self.before(out) < day {
            out = out.next();
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn day(text: &str) -> Day {
        Day::of(text.parse().unwrap())
    }

    #[test]
    fn instants_are_kept_in_utc_to_the_millisecond() {
        assert_eq!(at("2023-12-31T19:30:00-05:00").to_string(), "2024-01-01T00:30:00Z");
        assert_eq!(at("2024-01-01T00:00:00.123999Z").to_string(), "2024-01-01T00:00:00.123Z");
        assert_eq!(at("1969-12-31T23:59:59.9999Z").to_string(), "1969-12-31T23:59:59.999Z");
        assert!(Instant::parse("2024-01-01").is_err());
        assert_eq!(at("0000-01-01T00:00:00Z").to_string(), "0000-01-01T00:00:00Z");
        assert_eq!(at("9999-12-31T23:59:59.999Z").to_string(), "9999-12-31T23:59:59.999Z");
        for text in ["9999-12-31T23:59:60Z", "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"] {
            assert!(Instant::parse(text).is_err(), "{text} could not be written again");
        }
        assert!(Instant::parse("2024-02-30T00:00:00Z").is_err());
    }

    #[test]
    fn a_year_begins_where_the_calendar_says() {
        for year in -5000..5000 {
            assert_eq!(Day::new_year(year).date(), NaiveDate::from_ymd_opt(year, 1, 1).unwrap());
        }
    }

    #[test]
    fn credits_age_out_of_a_trailing_window() {
        for (span, dated, out) in [
            (Span::Days(365), "2023-01-10", "2024-01-10"),
            (Span::Months(12), "2023-08-01", "2024-08-01"),
            (Span::Months(12), "2024-02-29", "2025-03-01"),
            (Span::Months(1), "2023-01-31", "2023-03-01"),
        ] {
            assert_eq!(span.ages_out(day(dated)), day(out), "{span:?} {dated}");
        }
        assert_eq!(Span::Months(12).after(day("2024-02-29")), day("2025-02-28"));
    }
}
