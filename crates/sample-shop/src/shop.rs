//! The shop: its rules and their change, its calendar, its currencies.

use std::ops::RangeInclusive;

use chrono::{Datelike, Days, NaiveDate};
use rules::calendar::{Day, Instant, Zone, Zones};
use rules::fact::Currency;
use serde_json::{Value, json};

use super::dice::Dice;

/// The calendar years in which the shop sells.
pub(super) const YEARS: RangeInclusive<i32> = 2023..=2025;

const ZONE: &str = "America/New_York";
const MS_PER_DAY: i64 = 86_400_000;
/// Facts about the last year still arrive for a month: returns and late orders.
const AFTERMATH_DAYS: u64 = 31;
/// A Monday morning in New York, in the middle of the second year.
const CHANGED_AT_MS: i64 = 1_718_632_800_000; // 2024-06-17T14:00:00Z

/// Relative sales in each month: quiet from January to October, then the weeks before Christmas.
const SEASON: [(u64, u32); 12] =
    [(60, 1), (60, 2), (72, 3), (75, 4), (82, 5), (78, 6), (70, 7), (74, 8), (80, 9), (92, 10), (185, 11), (200, 12)];

/// The rules that the shop starts with: money spent in a calendar year, for that year and the next.
pub fn program() -> Value {
    rules(&[bronze(), silver(), gold("750")])
}

/// The rules from the change on: gold takes more, and there is a tier above it.
pub(super) fn changed_program() -> Value {
    let diamond = json!({
        "id": "diamond", "name": "Diamond", "threshold": "2000",
        "entry_rewards": [{ "type": "free_product", "product": "The lookout jacket" }],
        "perks": [{ "type": "birthday_points", "points": 500 }, { "type": "points_multiplier", "factor": "2" },
                  { "type": "free_shipping" }, { "type": "early_access" }]
    });
    rules(&[bronze(), silver(), gold("1000"), diamond])
}

/// The options of the change. No member loses gold at once, and a tier is added while the program is active: both must
/// be requested.
pub(super) fn change_options() -> Value {
    json!({ "demotions": "hold", "while_active": true })
}

/// The instant at which the rules change.
pub(super) fn changed_at() -> Instant {
    Instant::from_millis(CHANGED_AT_MS)
}

fn rules(tiers: &[Value]) -> Value {
    json!({
        "program_id": "harbor-and-pine", "name": "Harbor & Pine Circle", "active": true,
        "timezone": ZONE, "currency": "USD", "start_date": "2023-01-01",
        "milestone": { "metric": "amount_spent", "period": "calendar_year", "on_refund": "revoke" },
        "spend": { "include_tax": true, "include_shipping": true, "before_discounts": false },
        "skipped_tier_rewards": "highest_only", "repeat_tier_rewards": false,
        "tiers": tiers
    })
}

fn bronze() -> Value {
    json!({ "id": "bronze", "name": "Bronze", "threshold": "100",
            "entry_rewards": [{ "type": "points", "points": 100 }],
            "perks": [{ "type": "birthday_points", "points": 50 }] })
}

fn silver() -> Value {
    json!({ "id": "silver", "name": "Silver", "threshold": "300",
            "entry_rewards": [{ "type": "discount_percent", "percent": "10", "valid_days": 60 }],
            "perks": [{ "type": "birthday_points", "points": 100 },
                      { "type": "points_multiplier", "factor": "1.25" }] })
}

fn gold(threshold: &str) -> Value {
    json!({ "id": "gold", "name": "Gold", "threshold": threshold,
            "entry_rewards": [{ "type": "discount_amount", "amount": "25", "valid_days": 90 }],
            "perks": [{ "type": "birthday_points", "points": 250 },
                      { "type": "points_multiplier", "factor": "1.5" }, { "type": "free_shipping" }] })
}

/// A day of the shop, counted from the first day.
pub(super) type DayNumber = u16;

/// A currency that customers pay in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Money {
    pub code: &'static str,
    /// The ten-thousandths in one minor unit.
    pub minor: u64,
    /// Dollars per unit, in millionths, before it drifts.
    dollars: u64,
}

/// The shop's own currency.
pub(super) const DOLLAR: Money = Money { code: "USD", minor: 100, dollars: 1_000_000 };

/// The currencies of customers abroad, weighted by their number.
pub(super) const ABROAD: [(u64, Money); 4] = [
    (5, Money { code: "CAD", minor: 100, dollars: 735_000 }),
    (3, Money { code: "EUR", minor: 100, dollars: 1_084_000 }),
    (2, Money { code: "GBP", minor: 100, dollars: 1_262_000 }),
    (1, Money { code: "JPY", minor: 10_000, dollars: 6_810 }),
];

impl Money {
    /// The currency as the rules know it.
    pub(super) fn currency(self) -> Option<Currency> {
        Currency::from_code(self.code)
    }

    /// Whether it is the shop's own currency.
    pub(super) fn is_own(self) -> bool {
        self == DOLLAR
    }
}

/// The properties that all customers share.
#[derive(Debug)]
pub(super) struct Shop {
    pub seed: u64,
    zone: Zone,
    first: NaiveDate,
}

impl Shop {
    pub(super) fn new(seed: u64) -> Self {
        let zone = Zones::built_in().named(ZONE).unwrap_or_else(|_| Zone::utc());
        Self { seed, zone, first: Day::new_year(*YEARS.start()).date() }
    }

    /// The dice for one decision about a customer.
    pub(super) fn dice(&self, customer: u32, question: u32) -> Dice {
        Dice::of(self.seed, customer, question)
    }

    /// A day in a year on which a customer buys, distributed by the season.
    pub(super) fn season_day(&self, dice: &mut Dice, year: i32) -> DayNumber {
        let month = dice.weighted(&SEASON).copied().unwrap_or(1);
        let first = NaiveDate::from_ymd_opt(year, month, 1).unwrap_or(self.first);
        let length = u64::from(first.num_days_in_month());
        self.number(first) + DayNumber::try_from(dice.below(length)).unwrap_or_default()
    }

    fn number(&self, date: NaiveDate) -> DayNumber {
        DayNumber::try_from(date.signed_duration_since(self.first).num_days()).unwrap_or_default()
    }

    /// The date of a day.
    pub(super) fn date(&self, day: DayNumber) -> NaiveDate {
        self.first.checked_add_days(Days::new(u64::from(day))).unwrap_or(self.first)
    }

    /// The instant that lies `ms` milliseconds after a day's midnight.
    pub(super) fn at(&self, day: DayNumber, ms: u64) -> Instant {
        let ms = i64::try_from(ms).unwrap_or_default();
        self.zone.midnight(Day::of(self.date(day))).plus_millis(ms)
    }

    /// The first instant at which nothing arrives anymore.
    pub(super) fn end(&self) -> Instant {
        let after = Day::new_year(*YEARS.end() + 1).date();
        self.zone.midnight(Day::of(after.checked_add_days(Days::new(AFTERMATH_DAYS)).unwrap_or(after)))
    }

    /// Millionths of a dollar per unit of a currency on a day: it drifts by up to three percent from month to month.
    pub(super) fn rate(&self, money: Money, day: DayNumber) -> u64 {
        let letters = money.code.bytes().fold(0, |sum, letter| sum * 32 + u32::from(letter & 31));
        let drift = self.dice(u32::MAX, letters << 8 | u32::from(day / 30)).below(61);
        money.dollars * (970 + drift) / 1_000
    }
}

/// The instant that lies whole days of 24 hours later.
pub(super) fn days_later(at: Instant, days: u64) -> Instant {
    at.plus_millis(i64::try_from(days).unwrap_or_default() * MS_PER_DAY)
}

/// The instant that lies some milliseconds later.
pub(super) fn ms_later(at: Instant, ms: u64) -> Instant {
    at.plus_millis(i64::try_from(ms).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_the_rules_are_valid_and_without_warnings() {
        for value in [program(), changed_program()] {
            let draft = rules::program::Program::read(&value, &Zones::built_in()).unwrap();
            assert!(draft.warnings.is_empty(), "{:?}", draft.warnings);
        }
        assert_eq!(changed_at().to_string(), "2024-06-17T14:00:00Z");
        assert_eq!(Shop::new(0).end().to_string(), "2026-02-01T05:00:00Z");
    }
}
