//! The record of a member, and the rows that announce it (section 7).

use std::collections::{BTreeMap, BTreeSet};

use crate::calendar::{Day, Instant, Zone};
use crate::cause::Cause;
use crate::explain::Explanation;
use crate::fact_index::FactIndex;
use crate::id::{MemberId, TierId};
use crate::ledger::{Act, Assignment};
use crate::quantity::Points;

/// The record of a member besides the facts: what was announced, and how far the member was advanced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// The tier on record.
    pub(crate) tier: Option<TierId>,
    /// The sequence number of the last transition; 0 if there was none.
    pub(crate) seq: u32,
    /// The instant at which the last transition took effect.
    pub(crate) last_at: Option<Instant>,
    /// The instant up to which everything due has been recorded; none before the first fact.
    pub(crate) evaluated_at: Option<Instant>,
    /// The last local day on which the member was evaluated, under the release of the time zone database in use then.
    /// None before the first fact, and where it is unknown (format 1 of the compact form, a record rebuilt from
    /// history). The day of `evaluated_at` then takes its place.
    pub(crate) day: Option<Day>,
    /// The number of the version last applied; 0 before the first fact.
    pub(crate) version: u32,
    /// The tiers whose entry rewards were given, each with the start of the stretch that brought them.
    pub(crate) rewarded: Vec<(TierId, Instant)>,
    /// The tiers whose renewal for a calendar year is settled, with the year; only the latest year is kept.
    pub(crate) renewed: Vec<(TierId, i32)>,
    /// The last year in which birthday points were given.
    pub(crate) birthday_year: Option<i32>,
    /// The number of the last correction of the end of a tier; 0 if there was none.
    pub(crate) corrections: u32,
    /// What was given to the ids that stand for the member, while the member is evaluated.
    pub(crate) shared: Given,
}

/// The rewards and birthday points given to the ids that stand for a member. As long as they do, these count as given to the
/// member (section 4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Given {
    rewarded: Vec<(TierId, Instant)>,
    birthday_year: Option<i32>,
}

impl Given {
    /// What was given to those who stand for a member.
    pub(crate) fn to(index: &FactIndex, records: &BTreeMap<MemberId, Record>, member: &MemberId) -> Self {
        let others = index.merges().standing_for(member);
        Self::of(others.iter().filter_map(|id| records.get(id)))
    }

    fn of<'a>(others: impl Iterator<Item = &'a Record>) -> Self {
        let mut given = Self::default();
        for record in others {
            given.rewarded.extend(record.rewarded.iter().cloned());
            given.birthday_year = given.birthday_year.max(record.birthday_year);
        }
        given
    }
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

    /// The instant up to which everything due has been recorded; none before the first fact.
    pub fn evaluated_at(&self) -> Option<Instant> {
        self.evaluated_at
    }

    /// The local day up to which the member was evaluated, under the release of the time zone database in use then. A
    /// newer release may put `evaluated_at` on another day, if it moved a midnight past that instant.
    pub(crate) fn day_in(&self, zone: &Zone) -> Option<Day> {
        self.day.or_else(|| self.evaluated_at.map(|done| zone.day(done)))
    }

    /// Notes that everything due up to an instant has been recorded. A day once reached stays reached.
    pub(crate) fn looked_at(&mut self, at: Instant, zone: &Zone) {
        self.evaluated_at = Some(at);
        self.day = self.day.max(Some(zone.day(at)));
    }

    /// Evaluates with what was given to the ids that stand for the member.
    pub(crate) fn sharing<T>(&mut self, given: Given, evaluate: impl FnOnce(&mut Self) -> T) -> T {
        self.shared = given;
        let found = evaluate(self);
        self.shared = Given::default();
        found
    }

    /// The same, with the records of the ids that stand for the member.
    pub fn sharing_with<'a, T>(
        &mut self,
        others: impl IntoIterator<Item = &'a Self>,
        evaluate: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.sharing(Given::of(others.into_iter()), evaluate)
    }

    /// The tiers whose entry rewards were given to the member or to an id that stands for the member, each with the start
    /// of the stretch that brought them.
    pub(crate) fn all_rewarded(&self) -> impl Iterator<Item = &(TierId, Instant)> {
        self.rewarded.iter().chain(&self.shared.rewarded)
    }

    /// The last year in which birthday points were given to any of them.
    pub(crate) fn last_birthday_year(&self) -> Option<i32> {
        self.birthday_year.max(self.shared.birthday_year)
    }

    /// The number of the version last applied; 0 before the first fact.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Rebuilds a record from history, in the order in which it was recorded. History does not contain the instant up
    /// to which the member was advanced (`evaluated_at`), nor the version. The caller passes what it knows, at the
    /// latest now and the version in force. Anything due in between is recorded at the next evaluation.
    ///
    /// A renewal that was settled without an announcement since the last transition (while an assignment gave another
    /// tier) is in no history. It may be announced again within its year.
    pub fn from_history(past: impl IntoIterator<Item = Past>, evaluated_at: Instant, version: u32) -> Self {
        let mut record = Self { evaluated_at: Some(evaluated_at), version, ..Self::default() };
        for row in past {
            match row {
                Past::Transition { seq, to, at, renewed } => {
                    (record.seq, record.tier, record.last_at, record.renewed) = (seq, to, Some(at), renewed);
                }
                Past::Reward { tier, since } => record.rewarded.push((tier, since)),
                Past::Birthday { year } => record.birthday_year = record.birthday_year.max(Some(year)),
                Past::Correction { number } => record.corrections = record.corrections.max(number),
            }
        }
        // A clock that was ahead may have recorded an instant that has not come yet.
        record.last_at = record.last_at.map(|at| at.min(evaluated_at));
        record
    }

    /// Whether a record rebuilt from history agrees with one that was kept: tier, sequence, last transition, rewards
    /// given (in any order), birthdays, corrections. History does not contain how far the member was advanced, nor the version. A
    /// member who was brought back after a clock was ahead keeps an earlier last transition than the history has
    /// ([`crate::advance::bring_back`]).
    pub fn tells_the_same_as(&self, kept: &Self) -> bool {
        let told = |record: &Self| (record.tier.clone(), record.seq, record.birthday_year, record.corrections);
        let rewarded = |record: &Self| record.rewarded.iter().cloned().collect::<BTreeSet<_>>();
        let in_order = kept.last_at == self.last_at || (kept.last_at.is_some() && kept.last_at < self.last_at);
        told(self) == told(kept) && in_order && rewarded(self) == rewarded(kept)
    }
}

/// A recorded row, as far as [`Record::from_history`] needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    /// The tier changed, or was renewed.
    Transition {
        /// The transition's sequence number.
        seq: u32,
        /// The tier after.
        to: Option<TierId>,
        /// The instant at which it took effect.
        at: Instant,
        /// [`Transition::renewed`].
        renewed: Vec<(TierId, i32)>,
    },
    /// An entry reward was given.
    Reward {
        /// The tier that has the reward.
        tier: TierId,
        /// [`RewardDue::since`].
        since: Instant,
    },
    /// Birthday points were given.
    Birthday {
        /// The local year.
        year: i32,
    },
    /// The end of a tier was corrected.
    Correction {
        /// [`Correction::number`].
        number: u32,
    },
}

/// The direction of a change of tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A move from no tier into one.
    Entered,
    /// A move to a higher tier.
    Upgraded,
    /// A move to a lower tier.
    Downgraded,
    /// A move to no tier.
    Left,
    /// The tier held was earned again.
    Renewed,
}

/// A recorded change of the tier held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The position among the member's transitions, counted from 1 without gaps.
    pub seq: u32,
    /// The direction.
    pub kind: Change,
    /// The tier before.
    pub from: Option<TierId>,
    /// The tier after.
    pub to: Option<TierId>,
    /// The instant at which it took effect.
    pub at: Instant,
    /// The cause.
    pub cause: Cause,
    /// The number of the program version that decided.
    pub version: u32,
    /// Whether the change is announced to the member.
    pub notify: bool,
    /// The end of the tier after it, if nothing more happens; none if without end.
    pub valid_until: Option<Instant>,
    /// The renewals of the latest year that were settled by then. History keeps them for [`Record::from_history`].
    pub renewed: Vec<(TierId, i32)>,
    /// The findings behind it.
    pub because: Explanation,
}

/// A recorded correction of the end of the tier held: an arrival moved it otherwise than a transition says (section 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// The position among the member's corrections, counted from 1 without gaps.
    pub number: u32,
    /// The tier held.
    pub tier: TierId,
    /// The instant of the arrival.
    pub at: Instant,
    /// The cause of the fact that moved the end.
    pub cause: Cause,
    /// The number of the program version that decided.
    pub version: u32,
    /// Whether it is announced to the member.
    pub notify: bool,
    /// The end before the arrival and after it; none if without end.
    pub valid_until: (Option<Instant>, Option<Instant>),
}

/// An entry reward that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewardDue {
    /// The tier whose entry rewards they are.
    pub tier: TierId,
    /// The transition that brought them.
    pub transition: u32,
    /// The instant at which the transition took effect.
    pub at: Instant,
    /// The start of the stretch of the tier reached. With repeats, a reward is given once per stretch.
    pub since: Instant,
    /// The number of the program version that decided.
    pub version: u32,
}

/// Birthday points that are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BirthdayDue {
    /// The tier that has the perk.
    pub tier: TierId,
    /// The local day of the birthday.
    pub on: Day,
    /// The number of points.
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
    /// The end of the tier held was corrected.
    Correction(Correction),
    /// A change of rules would have taken the tier, and the publisher holds it; the hold is already in the ledger.
    Held(Held),
}

/// A hold: a tier kept over a change of rules (section 7).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Held {
    /// The version that would have taken it.
    pub version: u32,
    /// The tier held.
    pub tier: TierId,
    /// The instant from which it is held: the change of rules.
    pub at: Instant,
    /// The end: that of the tier under the old version; none if without end.
    pub until: Option<Instant>,
    /// The start of the stretch that the hold continues.
    pub since: Instant,
}

/// The floors that the holds among rows add to the member's ledger.
pub fn holds(rows: &[Row]) -> impl Iterator<Item = Assignment> {
    rows.iter().filter_map(|row| if let Row::Held(held) = row { Some(held.assignment()) } else { None })
}

impl Held {
    /// The floor that the hold adds to the member's ledger.
    pub fn assignment(&self) -> Assignment {
        let Self { version, tier, at, until, since } = self;
        let act = Act::Hold { version: *version, tier: tier.clone(), until: *until, since: *since };
        Assignment { at: *at, act, imported: false }
    }
}
