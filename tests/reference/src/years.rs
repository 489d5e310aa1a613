//! Section 5: `calendar_year` and `membership_year`, gone through year by year.

use super::earned::sum;
use super::ledger::Ledger;
use super::program::{Period, Program};
use super::time::{Instant, day, midnight};
use super::worth::Movement;
use chrono::{Datelike, NaiveDate};
use rust_decimal::Decimal;

/// The years of a shop or of a member. "Y names the year in which it begins."
#[derive(Debug, Clone, Copy)]
pub struct Years {
    month: u32,
    day: u32,
    /// The name of a member's year 0.
    first: Option<i32>,
}

impl Years {
    /// "A year begins at the local midnight of `starts_on`".
    pub fn of_shop(month: u32, day: u32) -> Years {
        Years { month, day, first: None }
    }

    /// "years that begin on the member's own day", of which one is given
    fn of_member(own: NaiveDate) -> Years {
        Years { month: own.month(), day: own.day(), first: Some(own.year()) }
    }

    /// The years as the facts of a ledger tell them. Without any fact, a member has no years of their own.
    pub fn known(program: &Program, ledger: &Ledger) -> Option<Years> {
        match program.period {
            Period::CalendarYear(month, day) => Some(Years::of_shop(month, day)),
            // "that of their enrolment, or of their first fact where they never enrolled"
            Period::MembershipYear => {
                let at = ledger.enrolled_at().or(ledger.first())?;
                Some(Years::of_member(day(program.timezone, at)))
            }
            Period::Lifetime | Period::SinceLastUpgrade(_) | Period::Rolling(_) => None,
        }
    }

    /// All years that the facts of a ledger tell at any instant: until a member enrolls, those from their first fact on.
    pub fn ever_known(program: &Program, ledger: &Ledger) -> Vec<Years> {
        let mut all: Vec<Years> = Years::known(program, ledger).into_iter().collect();
        if program.period == Period::MembershipYear {
            all.extend(ledger.first().map(|first| Years::of_member(day(program.timezone, first))));
        }
        all
    }

    /// The first day of a year. "February 29 counts as February 28 in common years"
    pub fn begin(&self, name: i32) -> NaiveDate {
        let own = NaiveDate::from_ymd_opt(name, self.month, self.day);
        own.or_else(|| NaiveDate::from_ymd_opt(name, 2, 28)).unwrap()
    }

    /// The year that a day belongs to. "Year 0 begins with that day; what is dated earlier counts for year 0."
    pub fn of_day(&self, date: NaiveDate) -> i32 {
        let name = date.year();
        let name = if date < self.begin(name) { name - 1 } else { name };
        self.first.map_or(name, |first| name.max(first))
    }
}

/// The year Y of an instant `t`, for one member, as known at `t`.
#[derive(Debug, Clone)]
pub struct Year {
    /// Y
    pub name: i32,
    /// The first day.
    pub begins: NaiveDate,
    /// The first day of the next year.
    pub ends: NaiveDate,
    /// `h`, "the tier held when year Y begins"
    pub held_before: Option<usize>,
    /// "the tier that year Y begins with"
    pub began_with: Option<usize>,
    /// `C_Y(t)`
    pub counted: Decimal,
    /// What the review at its end would look at: "`C_(Y−1)` (under `keep` its highest value so far)".
    pub c: Decimal,
}

impl Year {
    /// The year of `t`: "all years, from the member's first on, are gone through as they are known at `t`".
    pub fn at(program: &Program, ledger: &Ledger, t: Instant) -> Option<Year> {
        let tz = program.timezone;
        let ledger = ledger.before(t + 1);
        let years = Years::known(program, &ledger)?;
        let movements = ledger.movements(program);
        let now = years.of_day(day(tz, t));
        let first = ledger.first().map_or(now, |first| years.of_day(day(tz, first)));
        // Before the member's first year there is no tier, and nothing counts.
        let (mut held_before, mut before) = (None, Decimal::ZERO);
        let mut name = first;
        loop {
            let began_with = program.review(held_before, before);
            let of_year = |date: NaiveDate| years.of_day(date) == name;
            let counted = sum(&movements, t, of_year);
            let c = if program.keep { highest_value(&movements, t, of_year) } else { counted };
            let (begins, ends) = (years.begin(name), years.begin(name + 1));
            let year = Year { name, begins, ends, held_before, began_with, counted, c };
            if name == now {
                return Some(year);
            }
            (held_before, before) = (year.tier(program), c);
            name += 1;
        }
    }

    /// "During year Y the tier is the higher of that and `E_Y`.", "With `rest_of_year` the tier is `E_Y` alone"
    pub fn tier(&self, program: &Program) -> Option<usize> {
        // "`E_y(t) = q(C_y(t))` under `revoke`, the highest `q(C_y(s))`, `s ≤ t`, under `keep`"
        let earned = program.q(self.c);
        if program.rest_of_year { earned } else { earned.max(self.began_with) }
    }

    /// "the tier earned is through that day + `grace` the higher of the one before the review and of what the rules above
    /// give": the tier before the review with the instant at which the grace ends, if it is not over at `t`.
    pub fn grace(&self, program: &Program, t: Instant) -> Option<(Option<usize>, Instant)> {
        // "counted from the tier's last full day", "after a review (New Year, …) that lowers the tier"
        let last_full_day = self.begins.pred_opt().unwrap();
        let until = midnight(program.timezone, program.grace?.after(last_full_day).succ_opt().unwrap());
        (self.began_with < self.held_before && t < until).then_some((self.held_before, until))
    }
}

/// The highest value of `C_y(s)` for any `s ≤ t`; before the first movement it is 0.
fn highest_value(movements: &[Movement], t: Instant, window: impl Fn(NaiveDate) -> bool) -> Decimal {
    let instants = movements.iter().map(Movement::at).filter(|&s| s <= t);
    instants.map(|s| sum(movements, s, &window)).max().unwrap_or_default().max(Decimal::ZERO)
}
