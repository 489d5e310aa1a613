//! Instants, local days and the midnights between them (section 2 of the semantics).

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Datelike, Months, NaiveDate, Offset, SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;
use thiserror::Error;

const MS_PER_DAY: i64 = 86_400_000;

/// Why a text is no instant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not an RFC 3339 instant such as \"2024-05-01T10:00:00Z\" ({reason})")]
pub struct InstantError {
    text: String,
    reason: String,
}

/// An instant in UTC with millisecond precision; of finer digits the rest is cut off (section 2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

impl Instant {
    /// Reads RFC 3339 with any offset.
    pub fn parse(text: &str) -> Result<Self, InstantError> {
        DateTime::parse_from_rfc3339(text)
            .map(|at| Self(at.timestamp_millis()))
            .map_err(|error| InstantError { text: text.to_owned(), reason: error.to_string() })
    }

    /// Milliseconds since 1970 in UTC.
    pub fn millis(self) -> i64 {
        self.0
    }

    /// The instant so many milliseconds after 1970 in UTC.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The instant that comes so many milliseconds later.
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
        // Days come from dates and from instants of years that chrono covers many times over.
        NaiveDate::from_epoch_days(self.0).unwrap_or(if self.0 < 0 { NaiveDate::MIN } else { NaiveDate::MAX })
    }

    /// January 1 of a year.
    pub fn new_year(year: i32) -> Self {
        NaiveDate::from_ymd_opt(year, 1, 1).map_or(Self(i32::MAX), Self::of)
    }

    /// The calendar year the day lies in.
    pub fn year(self) -> i32 {
        self.date().year()
    }

    /// The last day there is.
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

/// A length of time in local days or months; 12 months and 365 days are different things (section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// So many days.
    Days(u16),
    /// So many months; a day that the target month does not have becomes its last.
    Months(u16),
}

impl Span {
    /// What a period without a unit means (AiTrillion's and Smile's 365 days).
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

    /// The first day on which a credit of `day` no longer lies in the trailing window `(today − span, today]`.
    pub fn ages_out(self, day: Day) -> Day {
        let mut out = self.after(day);
        // Clamping can make `out − span` fall short of `day` at a month's end, by up to three days.
        while self.before(out) < day {
            out = out.next();
        }
        out
    }
}

/// A stretch of time during which a zone's clocks keep one offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Regime {
    from: i64,
    offset: i64,
}

/// An IANA time zone, with its changes of offset laid out so that a day or a midnight costs a few nanoseconds.
///
/// The changes are read from chrono-tz, once per program version.
#[derive(Clone)]
pub struct Zone {
    tz: Tz,
    regimes: Arc<[Regime]>,
}

impl Zone {
    /// The zone of a name such as `America/New_York`.
    pub fn named(name: &str) -> Option<Self> {
        name.parse().ok().map(Self::new)
    }

    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self::new(Tz::UTC)
    }

    fn new(tz: Tz) -> Self {
        Self { tz, regimes: regimes(tz) }
    }

    /// The IANA name.
    pub fn name(&self) -> &'static str {
        self.tz.name()
    }

    /// The local day of an instant.
    pub fn day(&self, at: Instant) -> Day {
        let index = self.regimes.partition_point(|regime| regime.from <= at.0).saturating_sub(1);
        let offset = self.regimes.get(index).map_or(0, |regime| regime.offset);
        let day = at.0.saturating_add(offset).div_euclid(MS_PER_DAY);
        Day(i32::try_from(day).unwrap_or(i32::MAX))
    }

    /// The first instant of a local day: where the clock skips midnight the end of the gap, where it comes twice
    /// the first (section 2).
    pub fn midnight(&self, day: Day) -> Instant {
        let local = i64::from(day.0).saturating_mul(MS_PER_DAY);
        // Offsets stay within 26 hours: no regime that ended before that can hold the midnight.
        let first = self.regimes.partition_point(|regime| regime.from <= local - 26 * 3_600_000).saturating_sub(1);
        let mut regimes = self.regimes.iter().skip(first).peekable();
        while let Some(regime) = regimes.next() {
            let start = regime.from.max(local.saturating_sub(regime.offset));
            if regimes.peek().is_none_or(|next| start < next.from) {
                return Instant(start);
            }
        }
        Instant(local)
    }

    /// The last full day before an exclusive end, which people are shown as `valid_through` (section 2); none where the
    /// end is not at a midnight, so that part of its own day still belongs.
    pub fn last_day_before(&self, until: Instant) -> Option<Day> {
        let day = self.day(until);
        (self.midnight(day) == until).then(|| day.previous())
    }

    /// The local date and time of an instant, for people.
    pub fn local(&self, at: Instant) -> DateTime<Tz> {
        DateTime::<Utc>::from_timestamp_millis(at.0).unwrap_or_default().with_timezone(&self.tz)
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.tz == other.tz
    }
}

impl Eq for Zone {}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Finds the changes of offset by looking every few days and halving in on each difference. No zone has ever
/// changed twice within the step and back again; after 2100 chrono-tz knows no further changes.
fn regimes(tz: Tz) -> Arc<[Regime]> {
    const FIRST: i64 = -5_364_662_400_000; // 1800-01-01
    const LAST: i64 = 4_133_980_800_000; // 2101-01-01
    const STEP: i64 = 6 * MS_PER_DAY;
    let offset = |ms: i64| {
        let at = DateTime::<Utc>::from_timestamp_millis(ms).unwrap_or_default();
        i64::from(tz.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()) * 1_000
    };
    let mut found = vec![Regime { from: i64::MIN, offset: offset(FIRST) }];
    let (mut seen, mut current) = (FIRST, offset(FIRST));
    while seen < LAST {
        let ahead = seen + STEP;
        let then = offset(ahead);
        if then == current {
            seen = ahead;
            continue;
        }
        let (mut before, mut after) = (seen, ahead);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if offset(middle) == current { before = middle } else { after = middle }
        }
        current = offset(after);
        found.push(Regime { from: after, offset: current });
        seen = after;
    }
    found.into()
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
        assert!(Instant::parse("2024-02-30T00:00:00Z").is_err());
    }

    #[test]
    fn midnight_is_the_first_instant_of_the_local_day() {
        for (zone, date, expected) in [
            ("UTC", "2024-01-01", "2024-01-01T00:00:00Z"),
            ("America/New_York", "2024-01-01", "2024-01-01T05:00:00Z"),
            ("America/New_York", "2024-07-14", "2024-07-14T04:00:00Z"),
            ("Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00Z"), // skipped: the end of the gap
            ("America/Havana", "2024-11-03", "2024-11-03T04:00:00Z"), // comes twice: the first
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"), // the whole day was skipped
            ("Asia/Kathmandu", "2024-01-01", "2023-12-31T18:15:00Z"),
            ("Pacific/Kiritimati", "2024-01-01", "2023-12-31T10:00:00Z"),
        ] {
            assert_eq!(Zone::named(zone).unwrap().midnight(day(date)).to_string(), expected, "{zone} {date}");
        }
    }

    #[test]
    fn days_agree_with_chrono_tz_in_every_zone() {
        for tz in chrono_tz::TZ_VARIANTS {
            let zone = Zone::new(tz);
            for step in 0..4_000_i64 {
                let ms = -3_000_000_000_000 + step * 1_812_345_678;
                let local = DateTime::<Utc>::from_timestamp_millis(ms).unwrap().with_timezone(&tz).date_naive();
                assert_eq!(zone.day(Instant(ms)).date(), local, "{tz} {ms}");
            }
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
