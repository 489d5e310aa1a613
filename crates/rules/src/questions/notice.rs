//! Announcements to a member ahead of time: a tier is expiring, or a tier is within reach, each once (`notices`, section 3).
//!
//! A notice follows from the standing at an instant. Only its [`Notice::key`] records that it was announced. Keys that
//! cannot recur are forgotten ([`can_recur`]).

use chrono::{DateTime, SecondsFormat};

use crate::calendar::{Instant, Span, Zone};
use crate::earned::Requalify;
use crate::id::TierId;
use crate::program::{Milestone, Period, Program};
use crate::quantity::Quantity;
use crate::standing::Standing;
use crate::version::Version;

/// An announcement ahead of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The tier ends if nothing more happens.
    Expiring(Expiring),
    /// Little is missing to the next tier.
    WithinReach(WithinReach),
}

/// A tier that ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiring {
    /// The tier held.
    pub tier: TierId,
    /// The tier that its end would bring, or none.
    pub upcoming: Option<TierId>,
    /// The exclusive end.
    pub valid_until: Instant,
    /// The matching entry of `expiring_days`: the tier ends in at most this many days.
    pub days: u16,
    /// The conditions for keeping it, if it is earned; nothing that the member does keeps a tier given by hand.
    pub requalify: Option<Requalify>,
}

/// A tier to which little is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithinReach {
    /// The tier held, or none.
    pub tier: Option<TierId>,
    /// The next one.
    pub next: TierId,
    /// The threshold of the next tier.
    pub threshold: Quantity,
    /// The amount counted so far.
    pub counted: Quantity,
    /// The amount missing, above 0.
    pub remaining: Quantity,
    /// The exclusive instant at which the counter restarts. None where nothing restarts it, or where credits age out one by one.
    pub by: Option<Instant>,
    /// The start of the counter's period or, where nothing restarts it, of the stretch of the present tier. The notice
    /// is sent once in it.
    pub period: Option<Instant>,
}

/// The distance below which two instants may be one midnight that a newer release of the time zone database moved; two
/// midnights of one release are further apart. Where a place changes its side of the date line, a midnight moves
/// further, and its notices are sent again.
const MOVED_MS: i64 = 3 * 3_600_000;

const EXPIRING: &str = "expiring";
const WITHIN_REACH: &str = "within_reach";

/// The notices due at an instant, whether or not they were already announced. `standing` must be of the version and the instant.
///
/// There are none while the program is inactive, or before a member's first fact.
pub fn due(version: &Version, standing: &Standing, as_of: Instant) -> Vec<Notice> {
    let expiring = expiring(version, standing, as_of).map(Notice::Expiring);
    let within_reach = within_reach(version, standing).map(Notice::WithinReach);
    expiring.into_iter().chain(within_reach).collect()
}

/// The notice of an expiring tier, due from the local midnight that lies the given days before the end. A member
/// evaluated late gets only the nearest one.
fn expiring(version: &Version, standing: &Standing, as_of: Instant) -> Option<Expiring> {
    let program = &version.program;
    let (rank, valid_until) = standing.tier.zip(standing.valid_until.filter(|until| *until > as_of))?;
    let zone = &program.timezone;
    let has_begun = |days: &u16| as_of >= zone.midnight(Span::Days(*days).before(zone.day(valid_until)));
    let days = program.notices.expiring_days.iter().copied().filter(|days| *days > 0).filter(has_begun).min()?;
    let requalify = standing.requalify.filter(|requalify| requalify.tier == rank);
    let tier = program.tier_id(Some(rank))?.clone();
    Some(Expiring { tier, upcoming: program.tier_id(standing.upcoming).cloned(), valid_until, days, requalify })
}

/// The notice of a tier within reach. `standing` must be of the version.
pub(crate) fn within_reach(version: &Version, standing: &Standing) -> Option<WithinReach> {
    let program = &version.program;
    let Milestone::Counted(milestone) = &program.milestone else { return None };
    let progress = standing.progress.filter(|_| standing.active && standing.since.is_some())?;
    let (rank, remaining) = progress.next.filter(|(_, remaining)| !remaining.is_zero())?;
    let threshold = milestone.threshold(rank);
    remaining.is_within_percent(program.notices.within_reach_percent, threshold).then_some(())?;
    let by = if restarts(program, standing) { progress.window.until } else { None };
    Some(WithinReach {
        tier: program.tier_id(standing.tier).cloned(),
        next: program.tier_id(Some(rank))?.clone(),
        threshold,
        counted: progress.counted,
        remaining,
        by,
        period: period(program, standing),
    })
}

/// Whether the counter starts again at the end of its window.
fn restarts(program: &Program, standing: &Standing) -> bool {
    match program.period() {
        Period::CalendarYear { .. } | Period::MembershipYear { .. } => true,
        // With no tier earned, the counter is a trailing window, which moves every day (section 5).
        Period::SinceLastUpgrade(_) => standing.requalify.is_some(),
        Period::Lifetime | Period::Rolling(_) => false,
    }
}

/// The start of the period in "once per period": the window that restarts, or else the stretch of the tier held, or of no tier.
fn period(program: &Program, standing: &Standing) -> Option<Instant> {
    if restarts(program, standing) { standing.progress?.window.from } else { standing.since }
}

impl Notice {
    /// The key that distinguishes it from every other notice of the member. A notice is not sent again under the same key.
    pub fn key(&self) -> String {
        match self {
            Self::Expiring(Expiring { tier, valid_until, days, .. }) => {
                format!("{EXPIRING}#{tier}#{}#{days}", instant(*valid_until))
            }
            Self::WithinReach(WithinReach { next, period, .. }) => {
                format!("{WITHIN_REACH}#{next}#{}", period.map_or_else(|| "-".to_owned(), instant))
            }
        }
    }

    /// Whether it was announced under one of these keys, even if a newer release of the time zone database has moved
    /// the midnight in the key since.
    pub fn was_told(&self, told: &[String], zone: &Zone) -> bool {
        let (head, at, tail) = match self {
            Self::Expiring(Expiring { tier, valid_until, days, .. }) => {
                (format!("{EXPIRING}#{tier}#"), Some(*valid_until), format!("#{days}"))
            }
            Self::WithinReach(WithinReach { next, period, .. }) => {
                (format!("{WITHIN_REACH}#{next}#"), *period, String::new())
            }
        };
        let is_the_same = |key: &String| {
            let told = key.strip_prefix(&head).and_then(|rest| rest.strip_suffix(&tail));
            let told = told.and_then(|text| Instant::parse(text).ok());
            at.zip(told).is_some_and(|(at, told)| is_one_midnight(zone, at, told))
        };
        told.contains(&self.key()) || told.iter().any(is_the_same)
    }
}

/// Whether a used key has to be remembered: the tier has not ended yet, or the period still runs. `standing` must be of
/// the version and the instant. Keys that this release does not know are kept.
pub fn can_recur(key: &str, version: &Version, standing: &Standing, as_of: Instant) -> bool {
    // An id may contain any character except control characters, so a key is read from both ends.
    match key.split_once('#') {
        Some((EXPIRING, rest)) => {
            let valid_until = rest.rsplit('#').nth(1).and_then(|text| Instant::parse(text).ok());
            valid_until.is_none_or(|until| until.plus_millis(MOVED_MS) > as_of)
        }
        Some((WITHIN_REACH, rest)) if standing.active => {
            let told = rest.rsplit('#').next();
            let present = period(&version.program, standing);
            let moved = || told.and_then(|text| Instant::parse(text).ok()).zip(present);
            told == Some(&*present.map_or_else(|| "-".to_owned(), instant))
                || moved().is_some_and(|(told, at)| is_one_midnight(&version.program.timezone, at, told))
        }
        // Notices of an inactive program stay announced when it is switched on again.
        _ => true,
    }
}

/// Whether `told` is the same midnight under an older release of the time zone database.
fn is_one_midnight(zone: &Zone, midnight: Instant, told: Instant) -> bool {
    zone.midnight(zone.day(midnight)) == midnight && (midnight.millis() - told.millis()).abs() < MOVED_MS
}

/// An instant with milliseconds in every case, so that a key always has the same form.
fn instant(at: Instant) -> String {
    DateTime::from_timestamp_millis(at.millis())
        .map_or_else(|| at.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[cfg(test)]
mod tests;
