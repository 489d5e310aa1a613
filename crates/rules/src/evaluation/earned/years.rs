//! Years: the tier earned in a year lasts the rest of it and, by a review, all of the next (seeds 001, 004). Years are the
//! same for all members, or begin on the member's own day.

use std::ops::Range;

use super::sum::Sum;
use super::{Count, Counting, Course, Known, Renewal, Requalify, Steps, Total, window};
use crate::calendar::{Day, DayOfYear, Instant, TWO_DAYS, Zone};
use crate::credit::{Credits, Movement, MovementSink, SumWindow};
use crate::program::{Counted, Holds, OnRefund, Rank};
use crate::quantity::Quantity;
use crate::version::Version;

/// The years of a member: the day on which each begins, and the first of them, if there is one.
#[derive(Debug, Clone, Copy)]
struct Division {
    starts_on: DayOfYear,
    first: Option<i32>,
    holds: Holds,
}

impl Division {
    /// The year that a day counts for. What is dated before the first year counts for it.
    fn year_of(self, day: Day) -> i32 {
        let year = self.starts_on.year_of(day);
        self.first.map_or(year, |first| year.max(first))
    }

    fn first_day(self, year: i32) -> Day {
        self.starts_on.day_in(year)
    }
}

/// The course by years that are the same for all members.
pub(super) fn of_the_calendar(
    version: &Version,
    counted: &Counted,
    starts_on: DayOfYear,
    holds: Holds,
    known: &Known<'_, impl Credits>,
) -> Course {
    course(version, counted, Division { starts_on, first: None, holds }, known)
}

/// The course by years that begin on the member's own day: that of the enrolment, or of the first fact before one is known.
pub(super) fn of_the_member(
    version: &Version,
    counted: &Counted,
    holds: Holds,
    known: &Known<'_, impl Credits>,
) -> Course {
    let zone = &version.program.timezone;
    let from = |day: Day| {
        let starts_on = DayOfYear::of(day);
        Division { starts_on, first: Some(starts_on.year_of(day)), holds }
    };
    let Some(first_at) = known.first_at else { return without_a_year(version, counted) };
    let first_day = zone.day(first_at);
    let Some((enrolled_at, own_day)) =
        known.enrolled_at.map(|at| (at, zone.day(at))).filter(|(_, day)| *day != first_day)
    else {
        return course(version, counted, from(first_day), known);
    };
    // Before the enrolment, each instant sees years that begin with the first fact.
    let before = course(version, counted, from(first_day), &known.before(enrolled_at));
    let Course { steps, count } = course(version, counted, from(own_day), known);
    let mut spliced = Steps::new();
    for step in before.steps.up_to(enrolled_at.plus_millis(-1)) {
        spliced.push(step.at, step.rank);
    }
    spliced.push(enrolled_at, steps.at(enrolled_at));
    for step in steps.after(enrolled_at) {
        spliced.push(step.at, step.rank);
    }
    Course { steps: spliced, count }
}

/// The course of a member whose first fact has not come: there is no year yet.
fn without_a_year(version: &Version, counted: &Counted) -> Course {
    let current = Total {
        window: window(version, version.effective_start, None),
        counted: Quantity::ZERO,
        earns: counted.reached(Quantity::ZERO),
        counts: Counting::Days(version.effective_start, Day::LAST),
    };
    let count = Count { current, previous: None, requalify: None, grace_until: None, renewal: Renewal::None };
    Course { steps: Steps::new(), count: Some(count) }
}

/// What one year counted, and the tier that it began with.
struct Year<'c> {
    /// `C_y` and `E_y`.
    sum: Sum<'c>,
    /// The tier that the review at its beginning made.
    start: Option<Rank>,
    /// The highest sum at the end of an instant, where that decides.
    best: Best,
}

/// The highest sum at the end of any instant so far.
#[derive(Debug, Clone, Copy)]
struct Best {
    sum: Quantity,
    at: Instant,
    before: Quantity,
}

impl Best {
    const NONE: Self = Self { sum: Quantity::ZERO, at: Instant::FIRST, before: Quantity::ZERO };

    fn note(&mut self, at: Instant, sum: Quantity) {
        if self.at != at {
            (self.at, self.before) = (at, self.sum);
        }
        self.sum = self.before.max(sum);
    }
}

impl Year<'_> {
    /// The tier during the year, as the rules give it without a grace.
    fn tier(&self) -> Option<Rank> {
        self.start.max(self.sum.earned)
    }
}

/// The years from the member's first on, and the milestone by which they earn tiers.
struct Years<'c> {
    counted: &'c Counted,
    holds: Holds,
    /// The first year.
    first: i32,
    /// All years until now, without gaps.
    all: Vec<Year<'c>>,
    /// Whether the amounts of a year decide at a review besides the tier that they reached.
    by_amount: bool,
    /// Whether the highest amount of a year decides.
    by_best: bool,
}

impl<'c> Years<'c> {
    fn new(counted: &'c Counted, holds: Holds, first: i32) -> Self {
        let by_amount = counted.retains_by_less();
        let by_best = by_amount && counted.on_refund == OnRefund::Keep;
        let mut all = Vec::with_capacity(4);
        all.push(Year { sum: Sum::new(counted), start: None, best: Best::NONE });
        Self { counted, holds, first, all, by_amount, by_best }
    }

    /// The place of a year; of one before the first, the first.
    fn place(&self, year: i32) -> usize {
        usize::try_from(i64::from(year) - i64::from(self.first)).unwrap_or(0).min(self.last_place())
    }

    fn last_place(&self) -> usize {
        self.all.len().saturating_sub(1)
    }

    fn get(&self, year: i32) -> Option<&Year<'c>> {
        self.all.get(usize::try_from(i64::from(year) - i64::from(self.first)).ok()?)
    }

    /// The tier that the review after a year makes (section 5).
    fn review(&self, year: &Year<'_>) -> Option<Rank> {
        match self.holds {
            Holds::RestOfYear => None,
            Holds::RestAndNextYear => self.counted.review(year.tier(), year.sum.earned, self.amount(year)),
        }
    }

    /// The amount of a year that a review looks at.
    fn amount(&self, year: &Year<'_>) -> Quantity {
        if self.by_best { year.best.sum } else { year.sum.counted }
    }

    /// Begins the next year.
    fn begin(&mut self) {
        let start = self.all.last().and_then(|last| self.review(last));
        self.all.push(Year { sum: Sum::new(self.counted), start, best: Best::NONE });
    }

    /// Reviews the years after one that has changed, as far as that makes a difference.
    #[inline(never)] // out of the loop over movements
    fn review_after(&mut self, place: usize) {
        for later in place.saturating_add(1)..self.all.len() {
            let start =
                later.checked_sub(1).and_then(|before| self.all.get(before)).and_then(|before| self.review(before));
            match self.all.get_mut(later) {
                Some(year) if year.start != start => year.start = start,
                _ => break,
            }
        }
    }

    /// The tier during the last year until now.
    fn tier(&self) -> Option<Rank> {
        self.all.last().and_then(Year::tier)
    }

    /// The tier before the last review.
    fn tier_before(&self) -> Option<Rank> {
        self.all.iter().rev().nth(1).and_then(Year::tier)
    }
}

fn course(version: &Version, counted: &Counted, division: Division, known: &Known<'_, impl Credits>) -> Course {
    let walk = Walk::starting(&version.program.timezone, division, known.first_at.unwrap_or(known.at));
    let mut so_far = SoFar { years: Years::new(counted, division.holds, walk.year), walk, steps: Steps::new() };
    if let Some(first_at) = known.first_at {
        so_far.steps.push(first_at, so_far.years.tier());
    }
    known.each_movement(version, counted, &mut so_far);
    let SoFar { mut years, mut walk, mut steps } = so_far;
    walk.to(known.at, &mut years, &mut steps);
    let count = count(version, division, &years, &walk);
    if known.first_at.is_some() {
        // If nothing more happens, the tier can change at the next two reviews, and then as long as each review changes it.
        let two_reviews = walk.year.saturating_add(2);
        while walk.year < two_reviews || walk.grace_until.is_some() || years.tier() != years.tier_before() {
            walk.step(&mut years, &mut steps);
        }
    }
    Course { steps, count: Some(count) }
}

/// The years and steps up to an instant.
struct SoFar<'c, 'z> {
    years: Years<'c>,
    walk: Walk<'z>,
    steps: Steps,
}

impl SoFar<'_, '_> {
    /// Notes the tier after a movement in the year at a place.
    #[inline(never)] // out of the loop over movements
    fn turn(&mut self, place: usize, at: Instant) {
        self.years.review_after(place);
        self.steps.push(at, self.walk.tier(&self.years));
    }
}

impl MovementSink for SoFar<'_, '_> {
    #[inline]
    fn accept(&mut self, movement: Movement) {
        self.walk.to(movement.at, &mut self.years, &mut self.steps);
        let last = self.years.last_place();
        // Credits come mostly in order, so the last year is tried first.
        let place = if self.walk.surely.contains(&movement.dated) {
            last
        } else {
            self.years.place(self.walk.year_of(movement.dated))
        };
        let by_best = self.years.by_best;
        let Some(year) = self.years.all.get_mut(place) else { return };
        let crosses = year.sum.crosses_threshold(movement.amount);
        if crosses {
            year.sum.turn(movement.at);
        }
        if by_best {
            year.best.note(movement.at, year.sum.counted);
        }
        if crosses || (place < last && self.years.by_amount) {
            self.turn(place, movement.at);
        }
    }

    #[inline]
    fn sum_only(&self) -> Option<SumWindow> {
        let last = self.years.all.last().filter(|_| !self.years.by_best)?;
        let Range { start, end } = self.walk.surely;
        Some(last.sum.sum_only(start..end.min(self.walk.next)))
    }

    #[inline]
    fn add(&mut self, sum: Quantity) {
        if let Some(last) = self.years.all.last_mut() {
            last.sum.counted += sum;
        }
    }
}

/// Steps through the reviews and the ends of graces between movements.
struct Walk<'z> {
    zone: &'z Zone,
    division: Division,
    year: i32,
    /// The next end of a grace or beginning of a year.
    next: Instant,
    /// The beginning of the next year.
    next_year: Instant,
    /// The end of the grace that follows the last review, while it runs.
    grace_until: Option<Instant>,
    /// The instants that certainly lie in the year.
    surely: Range<Instant>,
}

impl<'z> Walk<'z> {
    fn starting(zone: &'z Zone, division: Division, at: Instant) -> Self {
        let year = division.year_of(zone.day(at));
        let next_year = zone.midnight(division.first_day(year.saturating_add(1)));
        // No movement is dated before the first fact.
        let surely = at.plus_millis(TWO_DAYS)..next_year.plus_millis(-TWO_DAYS);
        Self { zone, division, year, next: next_year, next_year, grace_until: None, surely }
    }

    fn year_of(&self, at: Instant) -> i32 {
        self.division.year_of(self.zone.day(at))
    }

    /// The tier now: under a grace at least the one before the last review.
    fn tier(&self, years: &Years<'_>) -> Option<Rank> {
        let held_on = self.grace_until.and_then(|_| years.tier_before());
        years.tier().max(held_on)
    }

    #[inline]
    fn to(&mut self, at: Instant, years: &mut Years<'_>, steps: &mut Steps) {
        while self.next <= at {
            self.step(years, steps);
        }
    }

    #[inline(never)] // out of the loop over movements
    fn step(&mut self, years: &mut Years<'_>, steps: &mut Steps) {
        let at = self.next;
        if at == self.next_year {
            self.year = self.year.saturating_add(1);
            years.begin();
            let first_day = self.division.first_day(self.year);
            self.next_year = self.zone.midnight(self.division.first_day(self.year.saturating_add(1)));
            self.surely = at.plus_millis(TWO_DAYS)..self.next_year.plus_millis(-TWO_DAYS);
            self.grace_until = years.counted.grace_ends(self.zone, first_day);
        } else {
            self.grace_until = None;
        }
        self.next = self.grace_until.unwrap_or(self.next_year);
        steps.push(at, self.tier(years));
    }
}

fn count(version: &Version, division: Division, years: &Years<'_>, walk: &Walk<'_>) -> Count {
    let year = walk.year;
    let total = |year: i32| {
        let (first, next) = (division.first_day(year), division.first_day(year.saturating_add(1)));
        let found = years.get(year);
        // What is dated before the first year counts for it.
        let counts_from = if division.first == Some(year) { Day::FIRST } else { first };
        Total {
            window: window(version, first, Some(next)),
            counted: found.map_or(Quantity::ZERO, |year| year.sum.counted),
            earns: found.map_or_else(|| years.counted.reached(Quantity::ZERO), |year| year.sum.earned),
            counts: Counting::Days(counts_from, next.previous()),
        }
    };
    let current = total(year);
    let has_previous = division.holds == Holds::RestAndNextYear && division.first.is_none_or(|first| first < year);
    let previous = has_previous.then(|| total(year.saturating_sub(1)));
    let grace_until = walk.grace_until.filter(|_| walk.tier(years) > years.tier());
    let (requalify, renewal) = match (division.holds, years.get(year)) {
        (Holds::RestAndNextYear, Some(found)) => {
            (requalify(years, walk, found), renewal(years, found, year, division.first_day(year.saturating_add(1))))
        }
        (Holds::RestOfYear, _) | (_, None) => (None, Renewal::None),
    };
    Count { current, previous, requalify, grace_until, renewal }
}

/// What keeps the tier held: beyond the grace its threshold, beyond the next review what retains it.
fn requalify(years: &Years<'_>, walk: &Walk<'_>, year: &Year<'_>) -> Option<Requalify> {
    let (counted, sum) = (years.counted, year.sum.counted);
    let by_the_rules = year.tier();
    let held = walk.tier(years).filter(|rank| counted.is_earned(*rank))?;
    if let Some(until) = walk.grace_until.filter(|_| Some(held) > by_the_rules) {
        return Some(Requalify::after_grace(counted, held, sum, until));
    }
    let open = Requalify::new(counted, held, sum, walk.next_year);
    let is_safe = year.sum.earned >= Some(held) || counted.retained(Some(held), years.amount(year)) >= Some(held);
    Some(if is_safe { Requalify { remaining: Quantity::ZERO, ..open } } else { open })
}

/// The renewal: the year would keep the tier that it began with (section 7).
fn renewal(years: &Years<'_>, found: &Year<'_>, year: i32, until: Day) -> Renewal {
    let Some(start) = found.start.filter(|rank| years.counted.is_earned(*rank)) else { return Renewal::None };
    let kept = found.sum.earned.max(years.counted.retained(found.tier(), years.amount(found)));
    match kept {
        Some(rank) if rank >= start => Renewal::ForYear { rank, year, until },
        _ => Renewal::None,
    }
}
