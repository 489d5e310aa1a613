//! Section 2: instants, local days, midnights, and terms counted in days or months.

use crate::tz::Tz;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, SecondsFormat, TimeZone};

/// "Instants are RFC 3339, kept in UTC with millisecond precision": milliseconds since 1970.
pub type Instant = i64;

/// Reads an RFC 3339 instant. "Digits beyond milliseconds are cut off."
pub fn instant(text: &str) -> Option<Instant> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis())
}

/// Prints an instant in UTC.
pub fn print(at: Instant) -> String {
    chrono::Utc.timestamp_millis_opt(at).unwrap().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// "*day*, *midnight*, *year* mean local days in it."
pub fn day(tz: Tz, at: Instant) -> NaiveDate {
    tz.local(at).date()
}

/// The local year of an instant.
pub fn year(tz: Tz, at: Instant) -> i32 {
    day(tz, at).year()
}

/// "Midnight is the first instant of the local day: where the clock skips it, the end of the gap; where it
/// comes twice, the first."
pub fn midnight(tz: Tz, date: NaiveDate) -> Instant {
    let mut local = date.and_time(NaiveTime::MIN);
    loop {
        if let Some(first) = tz.earliest(local) {
            return first;
        }
        local += chrono::Duration::seconds(1);
    }
}

/// A length of time: "12 months and 365 days are different things".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// A number of local days.
    Days(u64),
    /// A number of months, "clamped to the month's end".
    Months(u32),
}

impl Span {
    /// The day that lies the span later.
    pub fn after(self, date: NaiveDate) -> NaiveDate {
        match self {
            Span::Days(n) => date + Days::new(n),
            Span::Months(n) => date + Months::new(n),
        }
    }

    /// Whether the window that ends with `last` contains `date`: "`(day(t) − 365 days, day(t)]` (or `− 12 months`)".
    pub fn window_holds(self, last: NaiveDate, date: NaiveDate) -> bool {
        self.window_start(last) <= date && date <= last
    }

    /// The first day of the trailing window that ends with `last`.
    pub fn window_start(self, last: NaiveDate) -> NaiveDate {
        let excluded = match self {
            Span::Days(n) => last - Days::new(n),
            Span::Months(n) => last - Months::new(n),
        };
        excluded.succ_opt().unwrap()
    }

    /// The first day whose trailing window no longer contains `date`, found by trying.
    pub fn ages_out_on(self, date: NaiveDate) -> NaiveDate {
        let mut last = date;
        while self.window_start(last) <= date {
            last = last.succ_opt().unwrap();
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_is_the_first_instant_of_its_day_in_every_zone() {
        for name in Tz::names() {
            let tz = Tz::named(name).unwrap();
            let first = NaiveDate::from_ymd_opt(2012, 1, 1).unwrap();
            for date in first.iter_days().take(5000) {
                let at = midnight(tz, date);
                assert_eq!(day(tz, at), date, "{tz:?} {date}");
                assert!(day(tz, at - 1) < date, "{tz:?} {date}");
            }
        }
    }

    #[test]
    fn a_midnight_that_comes_twice_is_the_first_and_one_that_is_skipped_the_end_of_the_gap() {
        let check = |name: &str, date: &str, at: &str| {
            let tz = Tz::named(name).unwrap();
            assert_eq!(print(midnight(tz, date.parse().unwrap())), at, "{tz:?} {date}");
        };
        check("America/Havana", "2023-11-05", "2023-11-05T04:00:00.000Z");
        check("Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00.000Z");
        check("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00.000Z");
    }
}
