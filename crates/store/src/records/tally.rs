//! The counted result of a job.
//!
//! The tally counts rows that belong to the job's boundary, whichever writer recorded them, and not writes of the
//! sweep. A member whom an event brought past the boundary first counts as changed by the boundary. A page that is
//! swept twice gives the same counts both times.

use std::collections::{BTreeMap, BTreeSet};

use rules::cause::Cause;
use rules::id::TierId;
use rules::record::{Change, Row};
use serde::{Deserialize, Serialize};

use super::job::{JobId, Kind};

/// The counts of a job, or of a part of it. Members are retained, without a tier, or moved in one of four ways.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Members visited.
    pub members: u64,
    /// Members who hold a tier that the boundary left as it was.
    #[serde(alias = "kept")]
    pub retained: u64,
    /// Members without a tier before and after.
    pub without: u64,
    /// Members who entered a tier from none.
    pub entered: u64,
    /// Members who were upgraded.
    #[serde(alias = "rose")]
    pub upgraded: u64,
    /// Members who were downgraded.
    #[serde(alias = "fell")]
    pub downgraded: u64,
    /// Members who left the tiers.
    pub left: u64,
    /// Retained members whose tier was renewed at the boundary.
    pub renewed: u64,
    /// Retained members who have a hold, because the new rules would take their tier.
    pub held: u64,
    /// Members moved, by the tier before and the tier after.
    pub moves: Moves,
    /// Entry rewards that became due.
    pub rewards: u64,
    /// Birthday points that became due.
    pub birthdays: u64,
    /// Notices: tiers that expire soon, tiers within reach.
    pub notices: u64,
    /// Members written by the sweep.
    pub written: u64,
    /// Items that the sweep skipped: they cannot be decoded, or would be larger than the database takes.
    pub unreadable: u64,
}

/// The numbers of members who moved from one tier to another; none stands for no tier.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moves(pub BTreeMap<(Option<TierId>, Option<TierId>), u64>);

impl Moves {
    /// Counts a member, who moves unless the two tiers are the same.
    pub fn count(&mut self, from: &Option<TierId>, to: &Option<TierId>) {
        if from != to {
            *self.0.entry((from.clone(), to.clone())).or_default() += 1;
        }
    }

    /// Adds moves of another part.
    pub fn add(&mut self, other: &Self) {
        for (pair, members) in &other.0 {
            *self.0.entry(pair.clone()).or_default() += members;
        }
    }
}

/// A move, in its JSON form.
#[derive(Serialize, Deserialize)]
struct Move {
    from: Option<TierId>,
    to: Option<TierId>,
    members: u64,
}

impl Serialize for Moves {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let moves = self.0.iter();
        serializer.collect_seq(moves.map(|((from, to), members)| Move {
            from: from.clone(),
            to: to.clone(),
            members: *members,
        }))
    }
}

impl<'de> Deserialize<'de> for Moves {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let moves = Vec::<Move>::deserialize(deserializer)?;
        Ok(Self(moves.into_iter().map(|Move { from, to, members }| ((from, to), members)).collect()))
    }
}

/// A row as far as it is counted: just decided, or read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CountedRow {
    /// A tier changed, or was renewed.
    Transition {
        /// Its number among the member's.
        seq: u32,
        /// The change.
        change: Change,
        /// The cause.
        cause: Cause,
        /// The version that decided.
        version: u32,
        /// The tier before.
        from: Option<TierId>,
        /// The tier after.
        to: Option<TierId>,
    },
    /// An entry reward became due.
    Reward {
        /// The number of the transition that brought it.
        transition: u32,
    },
    /// Birthday points became due.
    Birthday,
    /// The end of a tier was corrected, by an arrival: no job counts it.
    Correction,
    /// A tier is held although the rules changed.
    Held {
        /// The version that would take the tier.
        version: u32,
    },
    /// A notice was sent.
    Notice,
}

impl From<&Row> for CountedRow {
    fn from(row: &Row) -> Self {
        match row {
            Row::Transition(made) => Self::Transition {
                seq: made.seq,
                change: made.kind,
                cause: made.cause,
                version: made.version,
                from: made.from.clone(),
                to: made.to.clone(),
            },
            Row::Reward(due) => Self::Reward { transition: due.transition },
            Row::Birthday(_) => Self::Birthday,
            Row::Correction(_) => Self::Correction,
            Row::Held(held) => Self::Held { version: held.version },
        }
    }
}

impl Tally {
    /// Counts a member who held `tier` before the boundary, with rows that may belong to it.
    pub fn member(&mut self, job: &JobId, tier: Option<&TierId>, rows: &[CountedRow]) {
        self.members += 1;
        let (mut brought, mut moved, mut renewed): (BTreeSet<u32>, Option<(_, _, Change)>, bool) = Default::default();
        for row in rows {
            match (row, job.kind) {
                (CountedRow::Transition { seq, change, cause, version, from, to }, kind) => {
                    let belongs = match kind {
                        Kind::Rollover => *cause == Cause::PeriodEnd,
                        Kind::Recalculation { version: changed } => {
                            *cause == Cause::ProgramChanged && *version == changed
                        }
                    };
                    if !belongs {
                        continue;
                    }
                    brought.insert(*seq);
                    match change {
                        Change::Renewed => renewed = true,
                        Change::Entered | Change::Upgraded | Change::Downgraded | Change::Left => {
                            let first = moved.map_or_else(|| from.clone(), |(first, _, _)| first);
                            moved = Some((first, to.clone(), *change));
                        }
                    }
                }
                (CountedRow::Reward { transition }, _) => self.rewards += u64::from(brought.contains(transition)),
                (CountedRow::Birthday, Kind::Rollover) => self.birthdays += 1,
                (CountedRow::Notice, Kind::Rollover) => self.notices += 1,
                (CountedRow::Held { version }, Kind::Recalculation { version: changed }) => {
                    self.held += u64::from(*version == changed);
                }
                (CountedRow::Birthday | CountedRow::Notice, Kind::Recalculation { .. })
                | (CountedRow::Held { .. }, Kind::Rollover)
                | (CountedRow::Correction, _) => {}
            }
        }
        self.renewed += u64::from(renewed);
        match moved {
            None if tier.is_some() => self.retained += 1,
            None => self.without += 1,
            Some((from, to, last)) => {
                *match (&from, &to, last) {
                    (None, _, _) => &mut self.entered,
                    (_, None, _) => &mut self.left,
                    (_, _, Change::Downgraded) => &mut self.downgraded,
                    (_, _, Change::Entered | Change::Upgraded | Change::Renewed | Change::Left) => &mut self.upgraded,
                } += 1;
                *self.moves.0.entry((from, to)).or_default() += 1;
            }
        }
    }

    /// Members whose tier the boundary changed.
    pub fn changed(&self) -> u64 {
        self.entered + self.upgraded + self.downgraded + self.left
    }

    /// Adds counts of another part.
    pub fn add(&mut self, other: &Self) {
        // All fields are named: a new field does not compile until it is added here.
        let Self {
            members,
            retained,
            without,
            entered,
            upgraded,
            downgraded,
            left,
            renewed,
            held,
            rewards,
            birthdays,
            notices,
            written,
            unreadable,
            moves,
        } = other;
        self.members += members;
        self.retained += retained;
        self.without += without;
        self.entered += entered;
        self.upgraded += upgraded;
        self.downgraded += downgraded;
        self.left += left;
        self.renewed += renewed;
        self.held += held;
        self.rewards += rewards;
        self.birthdays += birthdays;
        self.notices += notices;
        self.written += written;
        self.unreadable += unreadable;
        self.moves.add(moves);
    }
}
