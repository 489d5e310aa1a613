//! What has been recorded about a member, and the rows that announce it (section 7).

use std::collections::BTreeSet;

use crate::calendar::{Day, Instant, Zone};
use crate::cause::Cause;
use crate::explain::Explanation;
use crate::id::TierId;
use crate::ledger::{Act, Assignment};
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
    /// The last local day on which the member was looked at, as days were then. None before the first fact, and where it is
    /// not known (format 1 of the compact form, a record put together from history): then that of `evaluated_at`.
    pub(crate) day: Option<Day>,
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

    /// The local day up to which the member was looked at, as days were then. By a newer release of the time zone database
    /// that may be another day than `evaluated_at` lies on: a midnight was moved over that instant.
    pub(crate) fn day_in(&self, zone: &Zone) -> Option<Day> {
        self.day.or_else(|| self.evaluated_at.map(|done| zone.day(done)))
    }

    /// Notes that all that is due up to an instant has been recorded. A day that was reached stays reached.
    pub(crate) fn looked_at(&mut self, at: Instant, zone: &Zone) {
        self.evaluated_at = Some(at);
        self.day = self.day.max(Some(zone.day(at)));
    }

    /// The number of the version last applied; 0 before the first fact.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Puts a record together again from what history remembers, in the order in which it was recorded. History does not
    /// say up to when the member was looked at (`evaluated_at`) and under which version: pass what is known, at the
    /// latest now, under the version in force. What was due in between is then recorded at the next look.
    ///
    /// Renewals that were settled without a word since the last transition (while an assignment gave another tier) are
    /// in no history: such a one may be announced again within its year.
    pub fn from_history(past: impl IntoIterator<Item = Past>, evaluated_at: Instant, version: u32) -> Self {
        let mut record = Self { evaluated_at: Some(evaluated_at), version, ..Self::default() };
        for row in past {
            match row {
                Past::Transition { seq, to, at, renewed } => {
                    (record.seq, record.tier, record.last_at, record.renewed) = (seq, to, Some(at), renewed);
                }
                Past::Reward { tier, since } => record.rewarded.push((tier, since)),
                Past::Birthday { year } => record.birthday_year = record.birthday_year.max(Some(year)),
            }
        }
        // By a clock that was ahead it may have been told of an instant that has not come.
        record.last_at = record.last_at.map(|at| at.min(evaluated_at));
        record
    }

    /// Whether a record that was put together from history tells the same as one that was kept: tier, sequence, last
    /// transition, rewards given (in whatever order), birthdays. How far the member was looked at, and under which version,
    /// is not history. A member who was brought back after a clock that was ahead goes by an earlier last transition than the
    /// history has ([`crate::advance::bring_back`]).
    pub fn tells_the_same_as(&self, kept: &Self) -> bool {
        let told = |record: &Self| (record.tier.clone(), record.seq, record.birthday_year);
        let rewarded = |record: &Self| record.rewarded.iter().cloned().collect::<BTreeSet<_>>();
        let in_order = kept.last_at == self.last_at || (kept.last_at.is_some() && kept.last_at < self.last_at);
        told(self) == told(kept) && in_order && rewarded(self) == rewarded(kept)
    }
}

/// What history remembers of a row, as far as [`Record::from_history`] needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    /// The tier changed, or was renewed.
    Transition {
        /// Its sequence number.
        seq: u32,
        /// The tier after.
        to: Option<TierId>,
        /// When it took effect.
        at: Instant,
        /// [`Transition::renewed`].
        renewed: Vec<(TierId, i32)>,
    },
    /// An entry reward was given.
    Reward {
        /// The tier whose it is.
        tier: TierId,
        /// [`RewardDue::since`].
        since: Instant,
    },
    /// Birthday points were given.
    Birthday {
        /// In which year.
        year: i32,
    },
}

/// How a tier changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
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
    /// Until when the tier after holds if nothing more happens; none if without end.
    pub valid_until: Option<Instant>,
    /// The renewals settled by then, of the latest year: history remembers them for [`Record::from_history`].
    pub renewed: Vec<(TierId, i32)>,
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
    /// When that took effect.
    pub at: Instant,
    /// Since when the tier reached is held: with repeats, a reward is given once per such stretch.
    pub since: Instant,
    /// The number of the program version that decided.
    pub version: u32,
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
    /// The number of the program version that decided.
    pub version: u32,
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
    Held(Held),
}

/// A tier held over a change of rules (section 7).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Held {
    /// The version that would have taken it.
    pub version: u32,
    /// The tier held.
    pub tier: TierId,
    /// From when it is held: the change of rules.
    pub at: Instant,
    /// Until when: its end under the old version; none if without end.
    pub until: Option<Instant>,
    /// Since when the member has it: the stretch goes on.
    pub since: Instant,
}

impl Held {
    /// The floor that it is in the member's ledger, beside what facts tell.
    pub fn assignment(&self) -> Assignment {
        let Self { version, tier, at, until, since } = self;
        let act = Act::Hold { version: *version, tier: tier.clone(), until: *until, since: *since };
        Assignment { at: *at, act, imported: false }
    }
}
