//! What has been recorded about a member, and the rows that announce it (section 7).

use crate::calendar::{Day, Instant};
use crate::explain::Explanation;
use crate::id::TierId;
use crate::ledger::Assignment;
use crate::quantity::Points;

/// What has been recorded about a member beside the facts: what was announced, and how far the member was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// The tier on record.
    pub(crate) tier: Option<TierId>,
    /// The sequence number of the last transition; 0 if there was none.
    pub(crate) seq: u32,
    /// When the last transition took effect.
    pub(crate) last_at: Option<Instant>,
    /// Up to when everything due has been recorded; none before the first fact.
    pub(crate) evaluated_at: Option<Instant>,
    /// The number of the version last applied; 0 before the first fact.
    pub(crate) version: u32,
    /// The tiers whose entry rewards were given, each with the start of the stretch that brought them.
    pub(crate) rewarded: Vec<(TierId, Instant)>,
    /// The tiers whose renewal for a calendar year is settled, with the year; only the latest year is kept.
    pub(crate) renewed: Vec<(TierId, i32)>,
    /// The last year in which birthday points were given.
    pub(crate) birthday_year: Option<i32>,
}

impl Record {
    /// The tier on record.
    pub fn tier(&self) -> Option<&TierId> {
        self.tier.as_ref()
    }

    /// The sequence number of the last transition; 0 if there was none.
    pub fn seq(&self) -> u32 {
        self.seq
    }

    /// Up to when everything due has been recorded; none before the first fact.
    pub fn evaluated_at(&self) -> Option<Instant> {
        self.evaluated_at
    }

    /// The number of the version last applied; 0 before the first fact.
    pub fn version(&self) -> u32 {
        self.version
    }
}

/// What made a tier change (section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Orders, points earned or adjusted, enrolment, and their corrections.
    Activity,
    /// A refund, a cancellation, points cancelled.
    Refund,
    /// A deadline, New Year, credits ageing out, the end of an assignment.
    PeriodEnd,
    /// A new version of the program.
    ProgramChanged,
    /// A tier given or ended by hand.
    Assigned,
    /// Points or facts brought over from elsewhere: announced quietly.
    Imported,
    /// Customer tags.
    TagsChanged,
}

/// How a tier changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// From no tier.
    Entered,
    /// To a higher tier.
    Upgraded,
    /// To a lower tier.
    Downgraded,
    /// To no tier.
    Left,
    /// The tier held was earned again.
    Renewed,
}

/// A recorded change of the tier held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Counts a member's transitions from 1, without gaps.
    pub seq: u32,
    /// How the tier changed.
    pub kind: Change,
    /// The tier before.
    pub from: Option<TierId>,
    /// The tier after.
    pub to: Option<TierId>,
    /// When it took effect.
    pub at: Instant,
    /// What made it.
    pub cause: Cause,
    /// The number of the program version that decided.
    pub version: u32,
    /// Whether the member should hear of it.
    pub notify: bool,
    /// The findings.
    pub because: Explanation,
}

/// An entry reward that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewardDue {
    /// The tier whose entry rewards they are.
    pub tier: TierId,
    /// The transition that brought them.
    pub transition: u32,
}

/// Birthday points that are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BirthdayDue {
    /// The tier whose perk they are.
    pub tier: TierId,
    /// The day.
    pub on: Day,
    /// How many.
    pub points: Points,
}

/// A row to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// The tier changed, or was renewed.
    Transition(Box<Transition>),
    /// An entry reward is due.
    Reward(RewardDue),
    /// Birthday points are due.
    Birthday(BirthdayDue),
    /// A change of rules would have taken the tier, and the publisher holds it: already in the ledger.
    Held(Assignment),
}
