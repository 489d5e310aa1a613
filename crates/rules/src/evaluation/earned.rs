//! The tier that a member's facts earn, over all time (section 5): one course per period.
//!
//! A course is computed from what is known at an instant, reaches back to the member's first fact, each instant of it
//! seeing only the facts up to itself, and goes on into the future as if nothing more happened: `since`, `valid_until`,
//! `upcoming` and the next review are all read off it.

mod calendar_year;
mod lifetime;
mod rolling;
mod since_last_upgrade;
mod sum;
mod tags;
mod trailing;

use crate::calendar::{Day, Instant};
use crate::credit::{self, Credits, Movement, MovementSink};
use crate::ledger::TagFact;
use crate::program::{Counted, Milestone, Period, Rank};
use crate::quantity::Quantity;
use crate::version::Version;

pub(crate) use tags::current as current_tags;

/// From this instant on, this tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub at: Instant,
    pub rank: Option<Rank>,
}

/// A tier over time: steps in order, each to another tier than the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Steps(Vec<Step>);

impl Steps {
    /// No steps yet, with room for those of most members.
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(32))
    }

    /// Notes the tier from an instant on; of several notes for one instant the last counts.
    #[inline]
    pub(crate) fn push(&mut self, at: Instant, rank: Option<Rank>) {
        if self.0.last().is_none_or(|last| last.rank != rank) {
            self.turn(at, rank);
        }
    }

    fn turn(&mut self, at: Instant, rank: Option<Rank>) {
        if self.0.pop_if(|last| last.at == at).is_some() {
            self.push(at, rank);
        } else {
            self.0.push(Step { at, rank });
        }
    }

    /// All steps, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Step> {
        self.0.iter()
    }

    /// The tier at an instant; none before the first step.
    pub(crate) fn at(&self, at: Instant) -> Option<Rank> {
        self.up_to(at).last().and_then(|step| step.rank)
    }

    /// The steps up to an instant, that one included.
    pub(crate) fn up_to(&self, at: Instant) -> &[Step] {
        let end = self.0.partition_point(|step| step.at <= at);
        self.0.get(..end).unwrap_or_default()
    }

    /// The steps after an instant.
    pub(crate) fn after(&self, at: Instant) -> &[Step] {
        let start = self.0.partition_point(|step| step.at <= at);
        self.0.get(start..).unwrap_or_default()
    }
}

/// The time in which facts count, `[from, until)`; open where there is no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Window {
    /// From when.
    pub from: Option<Instant>,
    /// Until when, exclusive.
    pub until: Option<Instant>,
}

/// What a window adds up to, and the tier that this earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Total {
    pub window: Window,
    pub counted: Quantity,
    pub earns: Option<Rank>,
    /// Which movements it counts.
    pub counts: Counting,
}

/// What has to be done to keep the earned tier beyond its present end (section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requalify {
    /// The tier earned, over which an assignment may lie.
    pub tier: Rank,
    /// What the tier asks for.
    pub threshold: Quantity,
    /// What counts towards it so far.
    pub counted: Quantity,
    /// What is missing, at least 0.
    pub remaining: Quantity,
    /// By when.
    pub by: Instant,
}

/// How things are being counted at the instant of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Count {
    /// The window that progress is measured in.
    pub current: Total,
    /// The window before it, where that decides too: last calendar year.
    pub previous: Option<Total>,
    /// What keeping the earned tier takes.
    pub requalify: Option<Requalify>,
    /// Renewals as far as the instant shows them.
    pub renewal: Renewal,
}

/// Whether the tier is being renewed (section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// Nothing of the kind.
    None,
    /// This calendar year has earned at least last year's tier.
    ForYear(Rank, i32),
    /// A deadline at this instant kept the tier; the next one comes at the other.
    Deadlines { kept_at: Option<Instant>, next: Instant },
}

/// Which movements count towards a window: those of these days, or those from a position on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// Days from the first to the second, both included.
    Days(Day, Day),
    /// Orders and entries from this source on, with their corrections.
    From(u32),
}

/// A tier over all time, with how it is counted at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Course {
    pub steps: Steps,
    pub count: Option<Count>,
}

/// What is known of a member: when it began, what brings credit, and which tags there were.
pub(crate) struct Known<'a, C> {
    pub first_at: Option<Instant>,
    pub credits: &'a C,
    pub tags: &'a [TagFact],
    /// Until when facts are seen, that instant included.
    pub seen: Instant,
    /// The instant of the question, at or after it.
    pub at: Instant,
}

impl<C: Credits> Known<'_, C> {
    /// Hands over what moves, in the order of section 5.
    #[inline]
    fn each_movement(&self, version: &Version, counted: &Counted, sink: &mut impl MovementSink) {
        credit::each_movement(self.credits, version, counted, self.seen, sink);
    }

    /// What moves, all of it.
    fn movements(&self, version: &Version, counted: &Counted) -> Vec<Movement> {
        credit::movements(self.credits, version, counted, self.seen)
    }
}

/// The course of a member's earned tier under a version.
pub(crate) fn course(version: &Version, known: &Known<'_, impl Credits>) -> Course {
    match &version.program.milestone {
        Milestone::Tags(_) => Course { steps: tags::steps(version, known), count: None },
        Milestone::Counted(counted) => match counted.period {
            Period::Lifetime => lifetime::course(version, counted, known),
            Period::CalendarYear => calendar_year::course(version, counted, known),
            Period::SinceLastUpgrade(span) => since_last_upgrade::course(version, counted, span, known),
            Period::Rolling(span) => rolling::course(version, counted, span, known),
        },
    }
}

/// `q(x)` for one `x` after the other, which mostly reach the same tier: two comparisons say so.
struct Ladder<'c> {
    counted: &'c Counted,
    rank: Option<Rank>,
    /// What reaches the rank and no higher one: from this, and below the other.
    from: Quantity,
    below: Quantity,
}

impl<'c> Ladder<'c> {
    fn new(counted: &'c Counted) -> Self {
        Self { counted, rank: None, from: Quantity::ZERO, below: Quantity::ZERO }
    }

    /// Whether the tier last reached is still the one.
    #[inline]
    fn holds(&self, counted: Quantity) -> bool {
        self.from <= counted && counted < self.below
    }

    /// What may be added to a sum that reaches the tier: if it is less than so much, the sum still does.
    #[inline]
    fn room_above(&self, counted: Quantity) -> Quantity {
        self.below - counted
    }

    #[inline]
    fn reached(&mut self, counted: Quantity) -> Option<Rank> {
        if self.holds(counted) { self.rank } else { self.climb(counted) }
    }

    fn climb(&mut self, counted: Quantity) -> Option<Rank> {
        self.rank = self.counted.reached(counted);
        (self.from, self.below) = self.counted.reach(self.rank);
        self.rank
    }
}

impl Requalify {
    /// What keeps a tier of a milestone of which so much counts.
    fn new(milestone: &Counted, tier: Rank, counted: Quantity, by: Instant) -> Self {
        let threshold = milestone.threshold(tier);
        Self { tier, threshold, counted, remaining: threshold.remaining_from(counted), by }
    }
}

/// A window that opens no earlier than the program.
fn window(version: &Version, from: Day, until: Option<Day>) -> Window {
    let zone = &version.program.timezone;
    let from = if from > version.effective_start { zone.midnight(from) } else { version.starts_at };
    Window { from: Some(from), until: until.map(|day| zone.midnight(day)) }
}
