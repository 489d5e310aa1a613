//! What is asked of everybody at once: where a member stands, where they stood and will stand, and what stands out.
//!
//! One course answers all of it, so the answers cannot disagree with each other or with [`crate::standing::evaluate`].

use crate::calendar::{Day, Instant, Span};
use crate::ledger::Ledger;
use crate::notice::{self, WithinReach};
use crate::program::{Milestone, Period, Rank};
use crate::standing::{Facts, Standing, assess, told_as};
use crate::version::Version;

/// Under a trailing window every tier ends some day, by itself: who is at risk are those whose tier ends within the
/// largest of `expiring_days`, and where there are none, within so many days.
const ROLLING_DAYS: u16 = 30;

/// A member at an instant, with what lies around it. Ranks are those of the version that was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// The standing at the instant, as [`crate::standing::evaluate`] tells it.
    pub standing: Standing,
    /// The tier at the earlier instant that was asked about, as things are known at this one.
    pub before: Option<Rank>,
    /// The tier at the coming January 1 ([`new_year`]) if nothing more happens.
    pub on_new_year: Option<Rank>,
    /// Whether little is missing to the next tier: what a notice of it would say ([`crate::notice`]), told before or not.
    pub within_reach: Option<WithinReach>,
    /// Whether the tier held is lost at the next review unless something more happens.
    ///
    /// A tier is held that is earned (an assignment ends, whatever the member does), something is missing to keep it, and
    /// its end is the review at which that is looked at. `calendar_year`: it would be lower at the coming January 1.
    /// `since_last_upgrade`: at the deadline. `rolling`: when credits age out, if that is within the largest of
    /// `expiring_days` (30 days where there are none). Never for lifetime, tags, and tiers with threshold 0.
    pub at_risk: bool,
}

/// The coming January 1 after an instant, where the program is.
pub fn new_year(version: &Version, as_of: Instant) -> Instant {
    let zone = &version.program.timezone;
    zone.midnight(Day::new_year(zone.day(as_of).year().saturating_add(1)))
}

/// Where a member stands at an instant under a version, where they stood at an earlier one, and where they are going.
/// Facts later than the instant are not seen. While the program is inactive nobody has a tier, at no time.
pub fn forecast(version: &Version, ledger: &Ledger, as_of: Instant, earlier: Instant) -> Forecast {
    let assessed = assess(version, &Facts::of(ledger), as_of, as_of);
    let is_active = version.program.active;
    let at = |at: Instant| assessed.steps.at(at).filter(|_| is_active);
    let (before, on_new_year) = (at(earlier), at(new_year(version, as_of)));
    let standing = told_as(version, assessed.standing);
    let within_reach = notice::within_reach(version, &standing);
    let at_risk = is_at_risk(version, &standing, as_of);
    Forecast { standing, before, on_new_year, within_reach, at_risk }
}

/// The tier at an instant, and at an earlier one, as things are known at the later: how a stretch of time under one version
/// moved a member.
pub fn passage(version: &Version, ledger: &Ledger, as_of: Instant, earlier: Instant) -> (Option<Rank>, Option<Rank>) {
    let steps = assess(version, &Facts::of(ledger), as_of, as_of).steps;
    let at = |at: Instant| steps.at(at).filter(|_| version.program.active);
    (at(earlier), at(as_of))
}

fn is_at_risk(version: &Version, standing: &Standing, as_of: Instant) -> bool {
    let Milestone::Counted(counted) = &version.program.milestone else { return false };
    let (Some(rank), Some(ends), Some(requalify)) = (standing.tier, standing.valid_until, standing.requalify) else {
        return false;
    };
    let is_earned = requalify.tier == rank;
    let is_missed = !requalify.remaining.is_zero() && requalify.by == ends;
    let is_near = match counted.period {
        Period::CalendarYear | Period::SinceLastUpgrade(_) => true,
        Period::Lifetime => false,
        Period::Rolling(_) => {
            let zone = &version.program.timezone;
            let days = version.program.notices.expiring_days.iter().copied().max().filter(|days| *days > 0);
            as_of >= zone.midnight(Span::Days(days.unwrap_or(ROLLING_DAYS)).before(zone.day(ends)))
        }
    };
    is_earned && is_missed && is_near
}

#[cfg(test)]
mod tests;
