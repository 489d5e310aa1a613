//! The release of the time zone database in use, which in some seeds changes under way: whoever is started from then on goes
//! by the newer one, and whoever is under way ends by the older.

use rules::calendar::{Day, Zones};

use super::dice::Dice;
use super::network::Network;
use pure_tests::releases::{ZONES, old};

const HOUR: i64 = 3_600_000;
/// Of so many seeds in a thousand the release changes.
const CHANGING: u64 = 125;

/// What was and what is in use.
#[derive(Debug, Clone)]
pub struct Releases {
    old: Zones,
    new: Zones,
    /// When the newer one comes.
    change_at: i64,
}

impl Network {
    /// The release that whoever is started now goes by.
    pub fn zones(&self) -> &Zones {
        self.releases.at(self.now())
    }
}

/// A zone whose days the newer release has moved, around a day on which it shows.
#[derive(Debug, Clone)]
pub struct Moved {
    /// Where.
    pub zone: &'static str,
    /// Four hours into the day, in milliseconds since 1970.
    pub edge: i64,
    /// The releases.
    pub releases: Releases,
}

impl Releases {
    /// One that does not change.
    pub fn one() -> Self {
        Self { old: Zones::built_in(), new: Zones::built_in(), change_at: i64::MIN }
    }

    /// Which is in use at an instant in milliseconds since 1970.
    pub fn at(&self, now: i64) -> &Zones {
        if now < self.change_at { &self.old } else { &self.new }
    }

    /// The one that was in use at first.
    pub fn first(&self) -> &Zones {
        &self.old
    }

    /// When the newer one comes.
    pub fn change_at(&self) -> i64 {
        self.change_at
    }
}

impl Moved {
    /// Where and when the release of a seed changes, if it does. Drawn apart from the seed's story, which in all others is as
    /// it would be without.
    pub fn of(seed: u64) -> Option<Self> {
        let mut dice = Dice::of(!seed);
        if !dice.chance(CHANGING) {
            return None;
        }
        // The last of the zones is one that was not moved.
        let zone = ZONES[dice.place(ZONES.len() - 1)];
        let day = dice.one(&["2026-11-01", "2026-12-05", "2027-01-01", "2027-01-01"]);
        let new = Zones::built_in();
        let edge = new.named(zone).unwrap().midnight(Day::of(day.parse().unwrap())).millis() + 4 * HOUR;
        let change_at = edge + dice.between(-36, 24) * HOUR + dice.between(0, 59) * HOUR / 60;
        Some(Self { zone, edge, releases: Releases { old: old(), new, change_at } })
    }
}
