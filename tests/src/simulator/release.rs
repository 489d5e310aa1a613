//! The release of the time zone database in use. In some seeds it changes: processes started from then on use the newer one, and
//! processes that run already end with the older one.

use rules::calendar::{Day, Zones};

use super::dice::Dice;
use super::network::Network;
use pure_tests::releases::{ZONES, old};

const HOUR: i64 = 3_600_000;
/// The seeds in a thousand in which the release changes.
const CHANGING: u64 = 125;

/// The older and the newer release.
#[derive(Debug, Clone)]
pub struct Releases {
    old: Zones,
    new: Zones,
    /// When the newer one comes, in milliseconds since 1970.
    change_at: i64,
}

impl Network {
    /// The release that a process started now uses.
    pub fn zones(&self) -> &Zones {
        self.releases.at(self.now())
    }
}

/// A zone whose days the newer release has moved, around a day on which that shows.
#[derive(Debug, Clone)]
pub struct Moved {
    /// The zone.
    pub zone: &'static str,
    /// Four hours into the day, in milliseconds since 1970.
    pub edge: i64,
    /// The releases.
    pub releases: Releases,
}

impl Releases {
    /// A release that does not change.
    pub fn one() -> Self {
        Self { old: Zones::built_in(), new: Zones::built_in(), change_at: i64::MIN }
    }

    /// The release in use at an instant in milliseconds since 1970.
    pub fn at(&self, now: i64) -> &Zones {
        if now < self.change_at { &self.old } else { &self.new }
    }

    /// The release in use at first.
    pub fn first(&self) -> &Zones {
        &self.old
    }

    /// When the newer one comes, in milliseconds since 1970.
    pub fn change_at(&self) -> i64 {
        self.change_at
    }
}

impl Moved {
    /// The zone and the instant of a seed's change of release, if it has one. They are drawn separately from the seed's story:
    /// seeds without a change are as they would be without this.
    pub fn of(seed: u64) -> Option<Self> {
        let mut dice = Dice::of(!seed);
        if !dice.chance(CHANGING) {
            return None;
        }
        // The last zone is one that was not moved.
        let zone = ZONES[dice.place(ZONES.len() - 1)];
        let day = dice.one(&["2026-11-01", "2026-12-05", "2027-01-01", "2027-01-01"]);
        let new = Zones::built_in();
        let edge = new.named(zone).unwrap().midnight(Day::of(day.parse().unwrap())).millis() + 4 * HOUR;
        let change_at = edge + dice.between(-36, 24) * HOUR + dice.between(0, 59) * HOUR / 60;
        Some(Self { zone, edge, releases: Releases { old: old(), new, change_at } })
    }
}
