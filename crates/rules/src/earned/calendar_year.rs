//! One calendar year: the tier earned in a year lasts the rest of it and all of the next (seeds 001, 004).

use super::{Count, Counting, Course, Known, Renewal, Requalify, Steps, Total, by_instant, window};
use crate::calendar::{Day, Instant, Zone};
use crate::credit::Movement;
use crate::program::{Counted, OnRefund, Rank};
use crate::quantity::Quantity;
use crate::version::Version;

/// What one calendar year has seen.
#[derive(Debug, Clone, Copy)]
struct Year {
    year: i32,
    first: Day,
    last: Day,
    counted: Quantity,
    best: Option<Rank>,
}

/// The years with credits, in order, and how they earn tiers.
struct Years<'c> {
    counted: &'c Counted,
    seen: Vec<Year>,
}

impl Years<'_> {
    /// Changes the year that a day lies in. Credits come mostly in order, so the last year is tried first.
    fn change(&mut self, day: Day, change: impl FnOnce(&mut Year)) {
        let lies_in = |year: &&mut Year| year.first <= day && day <= year.last;
        if let Some(year) = self.seen.iter_mut().rev().find(lies_in) {
            return change(year);
        }
        let year = day.year();
        let (first, last) = (Day::new_year(year), Day::new_year(year + 1).previous());
        let best = self.counted.reached(Quantity::ZERO);
        let mut new = Year { year, first, last, counted: Quantity::ZERO, best };
        change(&mut new);
        let place = self.seen.partition_point(|other| other.year < year);
        self.seen.insert(place, new);
    }

    fn find(&self, year: i32) -> Option<&Year> {
        self.seen.iter().rev().find(|other| other.year == year)
    }

    /// `C_y`: what the year adds up to.
    fn counted(&self, year: i32) -> Quantity {
        self.find(year).map_or(Quantity::ZERO, |year| year.counted)
    }

    /// `E_y`: the tier the year has earned.
    fn earned(&self, year: i32) -> Option<Rank> {
        let Some(seen) = self.find(year) else { return self.counted.reached(Quantity::ZERO) };
        match self.counted.on_refund {
            OnRefund::Keep => seen.best,
            OnRefund::Revoke => self.counted.reached(seen.counted),
        }
    }

    /// The tier during a year: the better of what it and the year before have earned.
    fn tier(&self, year: i32) -> Option<Rank> {
        self.earned(year).max(self.earned(year - 1))
    }

    /// Takes in what moves at one instant.
    fn take(&mut self, group: &[Movement]) {
        for movement in group {
            self.change(movement.dated, |year| year.counted += movement.amount);
        }
        if self.counted.on_refund == OnRefund::Keep {
            let counted = self.counted;
            for movement in group {
                self.change(movement.dated, |year| year.best = year.best.max(counted.reached(year.counted)));
            }
        }
    }
}

pub(super) fn course(version: &Version, counted: &Counted, known: &Known<'_>) -> Course {
    let zone = &version.program.timezone;
    let mut years = Years { counted, seen: Vec::new() };
    let mut steps = Steps::new();
    let mut walk = Walk::starting(zone, known.first_at.unwrap_or(known.at));
    if let Some(first_at) = known.first_at {
        steps.push(first_at, counted.reached(Quantity::ZERO));
    }
    for (at, group) in by_instant(&known.movements) {
        walk.to(at, &years, &mut steps);
        years.take(group);
        steps.push(at, years.tier(walk.year));
    }
    walk.to(known.at, &years, &mut steps);
    let count = count(version, &years, zone.day(known.at).year());
    // Nothing more happens: the tier can change at the coming two New Years, not later.
    if known.first_at.is_some() {
        for year in [walk.year + 1, walk.year + 2] {
            steps.push(new_year(zone, year), years.tier(year));
        }
    }
    Course { steps, count: Some(count) }
}

/// The first instant of a year.
fn new_year(zone: &Zone, year: i32) -> Instant {
    zone.midnight(Day::new_year(year))
}

/// Goes through the New Years between movements.
struct Walk<'z> {
    zone: &'z Zone,
    year: i32,
    next: Instant,
}

impl<'z> Walk<'z> {
    fn starting(zone: &'z Zone, at: Instant) -> Self {
        let year = zone.day(at).year();
        Self { zone, year, next: new_year(zone, year + 1) }
    }

    fn to(&mut self, at: Instant, years: &Years<'_>, steps: &mut Steps) {
        while self.next <= at {
            self.year += 1;
            steps.push(self.next, years.tier(self.year));
            self.next = new_year(self.zone, self.year + 1);
        }
    }
}

fn count(version: &Version, years: &Years<'_>, year: i32) -> Count {
    let total = |year: i32| Total {
        window: window(version, Day::new_year(year), Some(Day::new_year(year + 1))),
        counted: years.counted(year),
        earns: years.earned(year),
        counts: Counting::Days(Day::new_year(year), Day::new_year(year + 1).previous()),
    };
    let (this, last) = (total(year), total(year - 1));
    let is_earned = |rank: &Rank| years.counted.is_earned(*rank);
    let requalify = this.earns.max(last.earns).filter(is_earned).map(|held| {
        let open =
            Requalify::new(years.counted.threshold(held), this.counted, new_year(&version.program.timezone, year + 1));
        if this.earns >= Some(held) { Requalify { remaining: Quantity::ZERO, ..open } } else { open }
    });
    let renewal = match (this.earns, last.earns.filter(is_earned)) {
        (Some(now), Some(before)) if now >= before => Renewal::ForYear(now, year),
        _ => Renewal::None,
    };
    Count { current: this, previous: Some(last), requalify, renewal }
}
