//! One calendar year: the tier earned in a year lasts the rest of it and all of the next (seeds 001, 004).

use std::ops::Range;

use super::sum::Sum;
use super::{Count, Counting, Course, Known, Renewal, Requalify, Steps, Total, window};
use crate::calendar::{Day, Instant, TWO_DAYS, Zone};
use crate::credit::{Credits, Movement, MovementSink, SumWindow};
use crate::program::{Counted, Rank};
use crate::quantity::Quantity;
use crate::version::Version;

/// The credits of one calendar year.
struct Year<'c> {
    year: i32,
    /// The instants that certainly lie in the year; those around New Year are looked up.
    surely: Range<Instant>,
    /// `C_y` and `E_y`.
    sum: Sum<'c>,
}

/// The years with credits, in order, and the milestone by which they earn tiers.
struct Years<'c> {
    counted: &'c Counted,
    /// The tier that a year without credits earns.
    nothing: Option<Rank>,
    seen: Vec<Year<'c>>,
}

impl<'c> Years<'c> {
    fn new(counted: &'c Counted) -> Self {
        Self { counted, nothing: counted.reached(Quantity::ZERO), seen: Vec::with_capacity(4) }
    }

    /// The year that a movement counts for.
    #[inline]
    fn of(&mut self, movement: &Movement, walk: &Walk<'_>) -> Option<&mut Year<'c>> {
        // Credits come mostly in order, so the last year is tried first.
        if self.seen.last().is_some_and(|year| year.surely.contains(&movement.dated)) {
            self.seen.last_mut()
        } else {
            self.look_for(movement, walk)
        }
    }

    #[inline(never)] // out of the loop over movements
    fn look_for(&mut self, movement: &Movement, walk: &Walk<'_>) -> Option<&mut Year<'c>> {
        let year = walk.year_of(movement.dated);
        let place = self.seen.partition_point(|other| other.year < year);
        if self.seen.get(place).is_none_or(|other| other.year != year) {
            let surely = if year == walk.year { walk.surely.clone() } else { movement.dated..movement.dated };
            self.seen.insert(place, Year { year, surely, sum: Sum::new(self.counted) });
        }
        self.seen.get_mut(place)
    }

    fn find(&self, year: i32) -> Option<&Year<'c>> {
        self.seen.iter().rev().find(|other| other.year == year)
    }

    /// `C_y`: the sum of the year.
    fn counted(&self, year: i32) -> Quantity {
        self.find(year).map_or(Quantity::ZERO, |year| year.sum.counted)
    }

    /// `E_y`: the tier the year has earned.
    fn earned(&self, year: i32) -> Option<Rank> {
        self.find(year).map_or(self.nothing, |year| year.sum.earned)
    }

    /// The tier during a year: the higher of those that it and the year before have earned.
    fn tier(&self, year: i32) -> Option<Rank> {
        self.earned(year).max(self.earned(year - 1))
    }
}

pub(super) fn course(version: &Version, counted: &Counted, known: &Known<'_, impl Credits>) -> Course {
    let zone = &version.program.timezone;
    let this_year = zone.day(known.at).year();
    let walk = Walk::starting(zone, known.first_at.unwrap_or(known.at));
    let mut so_far = SoFar { years: Years::new(counted), walk, steps: Steps::new() };
    if let Some(first_at) = known.first_at {
        so_far.steps.push(first_at, so_far.years.nothing);
    }
    known.each_movement(version, counted, &mut so_far);
    let SoFar { years, mut walk, mut steps } = so_far;
    walk.to(known.at, &years, &mut steps);
    let count = count(version, &years, this_year, zone.midnight(Day::new_year(this_year + 1)));
    // If nothing more happens, the tier can change at the next two New Years, and not later.
    if known.first_at.is_some() {
        walk.step(&years, &mut steps);
        walk.step(&years, &mut steps);
    }
    Course { steps, count: Some(count) }
}

/// The years and steps up to an instant.
struct SoFar<'c, 'z> {
    years: Years<'c>,
    walk: Walk<'z>,
    steps: Steps,
}

impl MovementSink for SoFar<'_, '_> {
    #[inline]
    fn accept(&mut self, movement: Movement) {
        self.walk.to(movement.at, &self.years, &mut self.steps);
        if let Some(year) = self.years.of(&movement, &self.walk)
            && year.sum.crosses_threshold(movement.amount)
        {
            year.sum.turn(movement.at);
            self.steps.push(movement.at, self.years.tier(self.walk.year));
        }
    }

    #[inline]
    fn sum_only(&self) -> Option<SumWindow> {
        let last = self.years.seen.last()?;
        Some(last.sum.sum_only(last.surely.start..last.surely.end.min(self.walk.next)))
    }

    #[inline]
    fn add(&mut self, sum: Quantity) {
        if let Some(last) = self.years.seen.last_mut() {
            last.sum.counted += sum;
        }
    }
}

/// Steps through the New Years between movements.
struct Walk<'z> {
    zone: &'z Zone,
    year: i32,
    next: Instant,
    /// The instants that certainly lie in the year.
    surely: Range<Instant>,
}

impl<'z> Walk<'z> {
    fn starting(zone: &'z Zone, at: Instant) -> Self {
        let year = zone.day(at).year();
        let next = zone.midnight(Day::new_year(year + 1));
        // No movement is dated before the first fact.
        Self { zone, year, next, surely: at.plus_millis(TWO_DAYS)..next.plus_millis(-TWO_DAYS) }
    }

    fn year_of(&self, at: Instant) -> i32 {
        if self.surely.contains(&at) { self.year } else { self.zone.day(at).year() }
    }

    #[inline]
    fn to(&mut self, at: Instant, years: &Years<'_>, steps: &mut Steps) {
        while self.next <= at {
            self.step(years, steps);
        }
    }

    #[inline(never)] // out of the loop over movements
    fn step(&mut self, years: &Years<'_>, steps: &mut Steps) {
        self.year += 1;
        steps.push(self.next, years.tier(self.year));
        let from = self.next.plus_millis(TWO_DAYS);
        self.next = self.zone.midnight(Day::new_year(self.year + 1));
        self.surely = from..self.next.plus_millis(-TWO_DAYS);
    }
}

fn count(version: &Version, years: &Years<'_>, year: i32, by: Instant) -> Count {
    let total = |year: i32| Total {
        window: window(version, Day::new_year(year), Some(Day::new_year(year + 1))),
        counted: years.counted(year),
        earns: years.earned(year),
        counts: Counting::Days(Day::new_year(year), Day::new_year(year + 1).previous()),
    };
    let (this, last) = (total(year), total(year - 1));
    let is_earned = |rank: &Rank| years.counted.is_earned(*rank);
    let requalify = this.earns.max(last.earns).filter(is_earned).map(|held| {
        let open = Requalify::new(years.counted, held, this.counted, by);
        if this.earns >= Some(held) { Requalify { remaining: Quantity::ZERO, ..open } } else { open }
    });
    let renewal = match (this.earns, last.earns.filter(is_earned)) {
        (Some(now), Some(before)) if now >= before => Renewal::ForYear(now, year),
        _ => Renewal::None,
    };
    Count { current: this, previous: Some(last), requalify, renewal }
}
