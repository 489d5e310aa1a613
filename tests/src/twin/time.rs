//! Section 2: instants, local days, midnights, and terms counted in days or months.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, SecondsFormat, TimeZone};
use chrono_tz::Tz;

/// "Instants are RFC 3339, kept in UTC with millisecond precision": milliseconds since 1970.
pub type Instant = i64;

/// Reads an RFC 3339 instant. "Digits beyond milliseconds are cut off."
pub fn instant(text: &str) -> Option<Instant> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis())
}

/// Prints an instant in UTC.
pub fn print(at: Instant) -> String {
    chrono::Utc
        .timestamp_millis_opt(at)
        .unwrap()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// "*day*, *midnight*, *year* mean local days in it."
pub fn day(tz: Tz, at: Instant) -> NaiveDate {
    tz.timestamp_millis_opt(at).unwrap().date_naive()
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
        if let Some(first) = tz.from_local_datetime(&local).earliest() {
            return first.timestamp_millis();
        }
        local += chrono::Duration::seconds(1);
    }
}

/// The midnight of January 1.
pub fn new_year(tz: Tz, year: i32) -> Instant {
    midnight(tz, NaiveDate::from_ymd_opt(year, 1, 1).unwrap())
}

/// A length: "12 months and 365 days are different things".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// So many local days.
    Days(u64),
    /// So many months, "clamped to the month's end".
    Months(u32),
}

impl Span {
    /// The day so much later.
    pub fn after(self, date: NaiveDate) -> NaiveDate {
        match self {
            Span::Days(n) => date + Days::new(n),
            Span::Months(n) => date + Months::new(n),
        }
    }

    /// "`(day(t) − 365 days, day(t)]` (or `− 12 months`)": whether the window that ends with `last` holds `date`.
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

    /// The first day whose trailing window has lost `date`, found by trying.
    pub fn ages_out_on(self, date: NaiveDate) -> NaiveDate {
        let mut last = date;
        while self.window_start(last) <= date {
            last = last.succ_opt().unwrap();
        }
        last
    }
}
