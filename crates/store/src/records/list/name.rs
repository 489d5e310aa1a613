//! The lists as they are written: one for each tier and each month. A query then reads little more than its answer.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike};
use rules::calendar::{Instant, Zone};
use rules::id::TierId;
use rules::version::Versions;
use serde::{Deserialize, Serialize};

/// The number of months ahead that have lists of their own. Tiers that end later share one list. Such tiers are mostly
/// assigned by hand, and the number of lists stays bounded.
const AHEAD: i32 = 24;
const DAY_MS: i64 = 86_400_000;

/// A list that is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Name {
    /// The members who hold a tier.
    Tier(TierId),
    /// The members who are near an upgrade.
    NearUpgrade,
    /// The members who are at risk.
    AtRisk,
    /// The members whose tier ends in a month.
    Expiring(Month),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tier(tier) => write!(f, "tier:{tier}"),
            Self::NearUpgrade => f.write_str("near_upgrade"),
            Self::AtRisk => f.write_str("at_risk"),
            Self::Expiring(month) => write!(f, "expiring:{month}"),
        }
    }
}

impl Name {
    /// Every list that a sweep as of an instant can have written.
    pub fn all(versions: &Versions, as_of: Instant) -> impl Iterator<Item = Self> {
        let program = &versions.in_force(as_of).program;
        let now = Month::number(&program.timezone, as_of);
        let months = (now..=now + AHEAD).map(Month::of_number).chain([Month::Later]);
        let tiers: Vec<Self> = program.tiers().map(|(_, tier)| Self::Tier(tier.id.clone())).collect();
        tiers.into_iter().chain([Self::NearUpgrade, Self::AtRisk]).chain(months.map(Self::Expiring))
    }
}

/// A month in which tiers end, in the program's time zone: written `2027-01`, or `later` if it is more than two years
/// ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Month {
    /// A year and a month, counted from 1.
    Of(i32, u32),
    /// More than 24 months after the sweep.
    Later,
}

impl Month {
    /// The month of an instant, as seen from another.
    pub fn seen_from(zone: &Zone, as_of: Instant, at: Instant) -> Self {
        let (now, number) = (Self::number(zone, as_of), Self::number(zone, at));
        if number > now + AHEAD { Self::Later } else { Self::of_number(number) }
    }

    /// The last month that can begin before an instant, in whatever time zone.
    pub fn at_the_latest(before: Instant) -> Self {
        let day_later = DateTime::from_timestamp_millis(before.millis().saturating_add(DAY_MS));
        day_later.map_or(Self::Later, |at| Self::Of(at.year(), at.month()))
    }

    fn number(zone: &Zone, at: Instant) -> i32 {
        let date = zone.day(at).date();
        date.year() * 12 + i32::try_from(date.month0()).unwrap_or(0)
    }

    fn of_number(number: i32) -> Self {
        Self::Of(number.div_euclid(12), u32::try_from(number.rem_euclid(12)).unwrap_or(0) + 1)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(year, month) => write!(f, "{year:04}-{month:02}"),
            Self::Later => f.write_str("later"),
        }
    }
}

/// A text that is not a month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a month such as `2027-01`")]
pub struct MonthError(String);

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Self, MonthError> {
        if text == "later" {
            return Ok(Self::Later);
        }
        let month =
            text.rsplit_once('-').and_then(|(year, month)| Some(Self::Of(year.parse().ok()?, month.parse().ok()?)));
        month.filter(|month| month.to_string() == text).ok_or_else(|| MonthError(text.to_owned()))
    }
}

impl Serialize for Month {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use rules::calendar::Zones;

    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    #[test]
    fn a_month_is_that_of_the_program_and_two_years_ahead_they_are_one() {
        let zone = Zones::built_in().named("America/New_York").unwrap();
        let seen = |text| Month::seen_from(&zone, at("2026-12-31T12:00:00Z"), at(text)).to_string();
        for (ends, month) in [
            ("2027-01-01T04:59:59Z", "2026-12"),
            ("2027-01-01T05:00:00Z", "2027-01"),
            ("2028-12-31T12:00:00Z", "2028-12"),
            ("2029-01-01T05:00:00Z", "later"),
        ] {
            assert_eq!(seen(ends), month, "{ends}");
        }
    }

    #[test]
    fn months_sort_as_time_does_and_read_as_they_are_written() {
        let months = [Month::Of(2026, 9), Month::Of(2026, 12), Month::Of(2027, 1), Month::Later];
        assert!(months.is_sorted());
        for month in months {
            assert_eq!(month.to_string().parse(), Ok(month));
        }
        assert!(["", "2027", "2027-1", "27-01-01"].iter().all(|text| text.parse::<Month>().is_err()));
    }

    #[test]
    fn no_month_that_begins_before_an_instant_anywhere_is_left_out() {
        assert_eq!(Month::at_the_latest(at("2026-12-31T12:00:00Z")), Month::Of(2027, 1));
        assert_eq!(Month::at_the_latest(at("2026-12-30T12:00:00Z")), Month::Of(2026, 12));
    }
}
