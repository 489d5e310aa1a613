//! The boundaries of a shop that have passed. The versions and the clock alone decide them.

use rules::calendar::Instant;
use rules::version::Versions;
use store::records::{JobId, Kind};

/// The boundaries up to which all members of a shop should have been brought by now, at most one of each kind: the
/// latest local midnight, if the program in force is active, and the newest version in force. A member past these is
/// past all earlier ones.
pub fn due(versions: &Versions, now: Instant) -> Vec<JobId> {
    let in_force = versions.in_force(now);
    let zone = &in_force.program.timezone;
    let midnight = in_force.program.active.then(|| zone.midnight(zone.day(now)));
    // There were no members before the first version.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rules::calendar::{Day, Zones};
    use rules::program::Program;
    use serde_json::json;

    use super::*;

    const QUARTER_MS: i64 = 15 * 60_000;

    fn versions(zone: &str, active: bool) -> Versions {
        let program = json!({ "start_date": "2020-01-01", "timezone": zone, "active": active,
                              "milestone": { "metric": "amount_spent" }, "tiers": [{ "id": "gold", "threshold": 1 }] });
        Versions::first(Program::read(&program, &Zones::built_in()).unwrap().program, None).unwrap()
    }

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    /// Ticks come every quarter of an hour, and every existing offset is a multiple of it.
    #[test]
    fn every_local_midnight_has_one_job_that_opens_within_a_quarter_of_an_hour() {
        let zones = [
            "Etc/GMT+12",
            "Pacific/Niue",
            "America/St_Johns",
            "America/New_York",
            "America/Santiago",
            "UTC",
            "Africa/Cairo",
            "Asia/Kolkata",
            "Asia/Kathmandu",
            "Australia/Eucla",
            "Australia/Lord_Howe",
            "Pacific/Chatham",
            "Pacific/Apia",
            "Pacific/Kiritimati",
            "Asia/Beirut",
            "America/Havana",
        ];
        // New Year, a leap day, and the days on which clocks change in one or another of these zones.
        let days = [
            "2023-12-31",
            "2024-02-28",
            "2024-03-09",
            "2024-03-30",
            "2024-04-06",
            "2024-04-25",
            "2024-09-07",
            "2024-10-05",
            "2024-10-31",
            "2024-11-02",
            "2025-12-31",
        ];
        for zone in zones {
            let versions = versions(zone, true);
            let local = &versions.first_of_all().program.timezone;
            for day in days {
                let begin = at(&format!("{day}T00:00:00Z")).plus_millis(-24 * 4 * QUARTER_MS);
                let ticks = (0..4 * 24 * 4).map(|tick| begin.plus_millis(tick * QUARTER_MS));
                let mut opened = BTreeSet::new();
                for now in ticks.clone() {
                    let [JobId { until, kind: Kind::Rollover }] = due(&versions, now)[..] else {
                        panic!("{zone} {now}")
                    };
                    assert!(until <= now && local.midnight(local.day(until)) == until, "{zone} {until}");
                    let is_late = opened.insert(until) && now != begin && now.millis() - until.millis() >= QUARTER_MS;
                    assert!(!is_late, "{zone}: the midnight {until} waits until {now}");
                }
                let first = local.day(begin);
                let days = std::iter::successors(Some(first), |day: &Day| Some(day.next())).take(opened.len());
                let midnights: BTreeSet<Instant> = days.map(|day| local.midnight(day)).collect();
                assert_eq!(opened, midnights, "{zone}: a midnight is left out around {day}");
            }
        }
    }

    #[test]
    fn the_newest_version_in_force_is_due_and_an_inactive_program_has_no_midnights() {
        let mut versions = versions("UTC", true);
        let off = versions_off();
        versions.publish(off, at("2024-05-01T10:00:00Z"), rules::version::Options::default(), false).unwrap();
        let named = |now: &str| due(&versions, at(now)).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(named("2024-05-01T09:59:59.999Z"), ["2024-05-01T00:00:00.000Z-rollover"]);
        assert_eq!(named("2024-05-01T10:00:00Z"), ["2024-05-01T10:00:00.000Z-recalculation-2"]);
        assert_eq!(named("2024-06-01T00:00:00Z"), ["2024-05-01T10:00:00.000Z-recalculation-2"]);
    }

    fn versions_off() -> Program {
        versions("UTC", false).first_of_all().program.clone()
    }
}
