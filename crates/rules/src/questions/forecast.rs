//! The forecast of a member: the standing, the tier before it and the tier to come, and whether the tier is at risk.
//!
//! One course answers all of it, so the answers cannot disagree with each other or with [`crate::standing::evaluate`].

use crate::calendar::{Day, Instant, Span};
use crate::ledger::Ledger;
use crate::notice::{self, WithinReach};
use crate::program::{Milestone, Period, Rank};
use crate::standing::{Facts, Standing, assess, told_as};
use crate::version::Version;

/// Days before the end of a tier, for a program without `expiring_days`. Under a trailing window every tier ends by
/// itself some day, so a member is at risk only within the largest of `expiring_days`, or within this many days.
const ROLLING_DAYS: u16 = 30;

/// A forecast for a member at an instant. Ranks are those of the version that the caller passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// The standing at the instant, as [`crate::standing::evaluate`] returns it.
    pub standing: Standing,
    /// The tier at the earlier instant, from the facts known at this one.
    pub before: Option<Rank>,
    /// The tier at the coming January 1 ([`new_year`]) if nothing more happens.
    pub on_new_year: Option<Rank>,
    /// The content of a notice that the next tier is within reach, whether or not it was already announced
    /// ([`crate::notice`]).
    pub within_reach: Option<WithinReach>,
    /// Whether the tier held is lost at the next review unless something more happens.
    ///
    /// The tier must be earned (an assignment ends whatever the member does), something must be missing to keep it, and
    /// its end must be the review that decides. `calendar_year`: it would be lower at the coming January 1.
    /// `since_last_upgrade`: at the deadline. `rolling`: when credits age out, if that is within the largest of
    /// `expiring_days` (30 days if there are none). After a review with a grace, when the grace ends. Never for lifetime, tags,
    /// and tiers with threshold 0.
    pub at_risk: bool,
}

/// The next January 1 after an instant, in the program's time zone.
pub fn new_year(version: &Version, as_of: Instant) -> Instant {
    let zone = &version.program.timezone;
    zone.midnight(Day::new_year(zone.day(as_of).year().saturating_add(1)))
}

/// The forecast for a member at an instant under a version, with the tier at an earlier instant. Facts later than
/// `as_of` are not seen. While the program is inactive, no member has a tier at any time.
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

/// The tiers at `earlier` and at `as_of`, both from the facts known at `as_of`: the member's move within a stretch of
/// time under one version.
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
    // With a grace, what the review takes is held until the grace ends.
    let zone = &version.program.timezone;
    let is_decisive = requalify.by == ends || counted.grace_ends(zone, zone.day(requalify.by)) == Some(ends);
    let is_missed = !requalify.remaining.is_zero() && is_decisive;
    let is_near = match counted.period {
        Period::CalendarYear { .. } | Period::MembershipYear { .. } | Period::SinceLastUpgrade(_) => true,
        Period::Lifetime => false,
        Period::Rolling(_) => {
            let days = version.program.notices.expiring_days.iter().copied().max().filter(|days| *days > 0);
            as_of >= zone.midnight(Span::Days(days.unwrap_or(ROLLING_DAYS)).before(zone.day(ends)))
        }
    };
    is_earned && is_missed && is_near
}

#[cfg(test)]
mod tests;
