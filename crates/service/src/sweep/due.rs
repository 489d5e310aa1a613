//! Which boundaries of a shop lie behind us: decided by the versions and the clock alone.

use rules::calendar::Instant;
use rules::version::Versions;

use super::job::{JobId, Kind};

/// The boundaries up to which everybody of a shop should have been brought by now, at most one of each kind: the latest
/// local midnight, if the program in force is active, and the newest version in force. Whoever is brought past these is
/// past all earlier ones.
pub fn due(versions: &Versions, now: Instant) -> Vec<JobId> {
    let in_force = versions.in_force(now);
    let zone = &in_force.program.timezone;
    let midnight = in_force.program.active.then(|| zone.midnight(zone.day(now)));
    // Nobody was there before the first version.
    let changed = Some(in_force).filter(|version| version.number > versions.first_of_all().number);
    let rollover = midnight.map(|until| JobId { until, kind: Kind::Rollover });
    let recalculation = changed.map(|version| recalculation(versions, version.number)).unwrap_or_default();
    rollover.into_iter().chain(recalculation).collect()
}

/// The job of a version.
pub(super) fn recalculation(versions: &Versions, number: u32) -> Option<JobId> {
    let version = versions.numbered(number)?;
    Some(JobId { until: version.effective_at, kind: Kind::Recalculation { version: number } })
}
