//! The earned tier over all time (section 5), with one course per period.
//!
//! A course is computed from the facts known at an instant. It reaches back to the member's first fact, and each past
//! instant sees only the facts up to itself. It goes on into the future as if nothing more happened. `since`,
//! `valid_until`, `upcoming` and the next review are all read from it.

mod lifetime;
mod rolling;
mod since_last_upgrade;
mod sum;
mod tags;
mod trailing;
mod years;

use crate::calendar::{Day, Instant};
use crate::credit::{self, CountsFrom, Credits, Movement, MovementSink};
use crate::ledger::TagFact;
use crate::program::{Counted, Milestone, Period, Rank};
use crate::quantity::Quantity;
use crate::version::Version;

pub(crate) use tags::{current as current_tags, each_set};

/// A tier, and the instant from which it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub at: Instant,
    pub rank: Option<Rank>,
}

/// A tier over time: steps in order, each with another tier than the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Steps(Vec<Step>);

impl Steps {
    /// An empty list, with room for the steps of most members.
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

    /// The steps up to and including an instant.
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

/// The time in which facts count, `[from, until)`; none where it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Window {
    /// The start.
    pub from: Option<Instant>,
    /// The exclusive end.
    pub until: Option<Instant>,
}

/// The sum of a window, and the tier that it earns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Total {
    pub window: Window,
    pub counted: Quantity,
    pub earns: Option<Rank>,
    /// The movements that it counts.
    pub counts: Counting,
}

/// The conditions for keeping the earned tier beyond its present end (section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requalify {
    /// The tier earned; an assignment may override it.
    pub tier: Rank,
    /// What keeps the tier: its retain threshold or, under a grace, its threshold.
    pub threshold: Quantity,
    /// The amount counted towards it so far.
    pub counted: Quantity,
    /// The amount missing, at least 0.
    pub remaining: Quantity,
    /// The instant by which it is needed.
    pub by: Instant,
}

/// The state of counting at the instant of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Count {
    /// The window that progress is measured in.
    pub current: Total,
    /// The window before it, where that decides too: the last year.
    pub previous: Option<Total>,
    /// The conditions for keeping the earned tier.
    pub requalify: Option<Requalify>,
    /// The end of the grace by which the earned tier is held.
    pub grace_until: Option<Instant>,
    /// The renewal, as far as it shows at the instant.
    pub renewal: Renewal,
}

impl Count {
    /// The same for a member who earns no tier: what counts is still told.
    pub(crate) fn without_tiers(self) -> Self {
        Self { requalify: None, grace_until: None, renewal: Renewal::None, ..self }
    }
}

/// Whether the tier is being renewed (section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Renewal {
    /// No renewal.
    None,
    /// The year keeps the tier that it began with, so far. It is named after the calendar year in which it begins, and ends
    /// before the day `until`.
    ForYear { rank: Rank, year: i32, until: Day },
    /// The last deadline kept the tier at `kept_at`; the next one comes at `next`.
    Deadlines { kept_at: Option<Instant>, next: Instant },
}

/// The movements that count towards a window: those of some days, or those from a source on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// Days from the first to the second, both included.
    Days(Day, Day),
    /// Orders and entries from this source on, with their corrections.
    From(u32),
}

/// A tier over all time, with the state of counting at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Course {
    pub steps: Steps,
    pub count: Option<Count>,
}

/// The facts known about a member: the first instant, the credits, and the tags.
pub(crate) struct Known<'a, C> {
    pub first_at: Option<Instant>,
    pub credits: &'a C,
    pub tags: &'a [TagFact],
    /// The enrolment.
    pub enrolled_at: Option<Instant>,
    /// The last instant at which facts are seen.
    pub seen: Instant,
    /// The instant of the question, at or after `seen`.
    pub at: Instant,
}

impl<C: Credits> Known<'_, C> {
    /// What was known just before an instant, after the first fact and not after `seen`.
    fn before(&self, at: Instant) -> Known<'_, C> {
        let seen = at.plus_millis(-1);
        let tags = self.tags.get(..self.tags.partition_point(|fact| fact.at <= seen)).unwrap_or_default();
        Known {
            first_at: self.first_at.filter(|first| *first <= seen),
            credits: self.credits,
            tags,
            enrolled_at: self.enrolled_at.filter(|enrolled| *enrolled <= seen),
            seen,
            at: seen,
        }
    }

    /// The stretch of time from which facts count.
    fn within(&self, version: &Version) -> (CountsFrom, Instant) {
        (CountsFrom::of(&version.program, self.enrolled_at), self.seen)
    }

    /// Passes on the movements, in the order of section 5.
    #[inline]
    fn each_movement(&self, version: &Version, counted: &Counted, sink: &mut impl MovementSink) {
        credit::each_movement(self.credits, version, counted, self.within(version), sink);
    }

    /// All movements.
    fn movements(&self, version: &Version, counted: &Counted) -> Vec<Movement> {
        credit::movements(self.credits, version, counted, self.within(version))
    }
}

/// The course of a member's earned tier under a version.
pub(crate) fn course(version: &Version, known: &Known<'_, impl Credits>) -> Course {
    match &version.program.milestone {
        Milestone::Tags(_) => Course { steps: tags::steps(version, known), count: None },
        Milestone::Counted(counted) => match counted.period {
            Period::Lifetime => lifetime::course(version, counted, known),
            Period::CalendarYear { starts_on, holds } => {
                years::of_the_calendar(version, counted, starts_on, holds, known)
            }
            Period::MembershipYear { holds } => years::of_the_member(version, counted, holds, known),
            Period::SinceLastUpgrade(span) => since_last_upgrade::course(version, counted, span, known),
            Period::Rolling(span) => rolling::course(version, counted, span, known),
        },
    }
}

/// `q(x)` for a series of `x` that mostly reach the same tier, which two comparisons confirm.
struct Ladder<'c> {
    counted: &'c Counted,
    rank: Option<Rank>,
    /// The amounts that reach the rank and no higher one, `[from, below)`.
    from: Quantity,
    below: Quantity,
}

impl<'c> Ladder<'c> {
    fn new(counted: &'c Counted) -> Self {
        Self { counted, rank: None, from: Quantity::ZERO, below: Quantity::ZERO }
    }

    /// Whether an amount reaches the same tier as the last one.
    #[inline]
    fn holds(&self, counted: Quantity) -> bool {
        self.from <= counted && counted < self.below
    }

    /// The room above a sum that reaches the tier: a smaller addition reaches no higher tier.
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
    /// The conditions for keeping a tier at a review, given the amount counted.
    fn new(milestone: &Counted, tier: Rank, counted: Quantity, by: Instant) -> Self {
        let threshold = milestone.retain_threshold(tier);
        Self { tier, threshold, counted, remaining: threshold.remaining_from(counted), by }
    }

    /// The conditions for keeping a tier beyond the grace by which it is held: its threshold, by the end of the grace.
    fn after_grace(milestone: &Counted, tier: Rank, counted: Quantity, until: Instant) -> Self {
        let threshold = milestone.threshold(tier);
        Self { tier, threshold, counted, remaining: threshold.remaining_from(counted), by: until }
    }
}

/// A window that opens no earlier than the program's effective start.
fn window(version: &Version, from: Day, until: Option<Day>) -> Window {
    let zone = &version.program.timezone;
    let from = if from > version.effective_start { zone.midnight(from) } else { version.starts_at };
    Window { from: Some(from), until: until.map(|day| zone.midnight(day)) }
}
