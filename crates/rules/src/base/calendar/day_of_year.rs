//! Days of the year: birthdays, and the days on which years begin.

use std::fmt;

use chrono::{Datelike, NaiveDate};

use super::Day;

/// A day of the year, `MM-DD`; February 29 exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DayOfYear {
    month: u8,
    day: u8,
}

impl DayOfYear {
    /// January 1.
    pub const NEW_YEAR: Self = Self { month: 1, day: 1 };

    /// The day of a month, if some year has it.
    pub fn new(month: u8, day: u8) -> Option<Self> {
        NaiveDate::from_ymd_opt(2024, u32::from(month), u32::from(day)).map(|_| Self { month, day })
    }

    /// Reads `MM-DD`.
    pub fn parse(text: &str) -> Option<Self> {
        let (month, day) = text.split_once('-')?;
        let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(month) || !digits(day) {
            return None;
        }
        Self::new(month.parse().ok()?, day.parse().ok()?)
    }

    /// The month, 1 to 12.
    pub fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, 1 to 31.
    pub fn day(self) -> u8 {
        self.day
    }

    /// The date of this day in a year: February 29 is February 28 in common years (sections 5 and 7).
    pub fn in_year(self, year: i32) -> Option<NaiveDate> {
        let on = |day| NaiveDate::from_ymd_opt(year, u32::from(self.month), day);
        on(u32::from(self.day)).or_else(|| on(28))
    }
}

impl DayOfYear {
    /// The day of the year that a day is.
    pub(crate) fn of(day: Day) -> Self {
        let date = day.date();
        let part = |part: u32| u8::try_from(part).unwrap_or(1); // months and days of the month are below 32
        Self { month: part(date.month()), day: part(date.day()) }
    }

    /// This day in a year; February 29 is February 28 in common years.
    pub(crate) fn day_in(self, year: i32) -> Day {
        match self {
            Self::NEW_YEAR => Day::new_year(year),
            Self { .. } => self.in_year(year).map_or(Day::new_year(year), Day::of),
        }
    }

    /// The year that a day lies in, where years begin on this day and are named after the calendar year of that.
    pub(crate) fn year_of(self, day: Day) -> i32 {
        let year = day.year();
        if self != Self::NEW_YEAR && day < self.day_in(year) { year.saturating_sub(1) } else { year }
    }
}

impl fmt::Display for DayOfYear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}-{:02}", self.month, self.day)
    }
}
