//! What putting a draft version in force would do to one member, writing nothing (section 7).
//!
//! It is what publishing does, by construction: a copy of the member is brought to just before the change and then over
//! it, by the same [`advance`] that records.

use crate::advance::advance;
use crate::calendar::Instant;
use crate::id::TierId;
use crate::ledger::Ledger;
use crate::program::Program;
use crate::quantity::Quantity;
use crate::record::{Change, Record, RewardDue, Row};
use crate::standing::{Standing, evaluate};
use crate::version::Versions;

/// What a change of rules does to one member.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What the member has just before.
    pub before: Holding,
    /// What the member has from the change on.
    pub after: Holding,
    /// How the tier moves.
    pub movement: Movement,
    /// What is recorded at the change, in order: the tier held, the transition, rewards, and birthday points that happen
    /// to be due then.
    pub rows: Vec<Row>,
    /// What the entry rewards among the rows come to, tier by tier.
    pub rewards: Vec<RewardCost>,
    /// Something counted before, at the same instant nothing does after: progress is lost, be it to another metric.
    pub wiped: bool,
}

/// A tier on record, and until when. While a program is inactive nobody has a tier; what is on record stays (section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The tier on record, or none.
    pub tier: Option<TierId>,
    /// When it ends if nothing more happens, exclusive; none if without end, or without a tier.
    pub valid_until: Option<Instant>,
}

/// How a tier moves over a change of rules, judged as transitions are: against a tier that was removed, as if it ranked
/// just above the remaining ones that were below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// From no tier.
    #[serde(alias = "enters")]
    Entered,
    /// To a higher tier.
    #[serde(alias = "rises")]
    Upgraded,
    /// The same tier, or none as before.
    #[serde(alias = "stays")]
    Retained,
    /// To a lower tier.
    #[serde(alias = "falls")]
    Downgraded,
    /// To no tier.
    #[serde(alias = "leaves")]
    Left,
}

/// The entry rewards of a tier, as they would be issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewardCost {
    /// The tier.
    pub tier: TierId,
    /// The sum of their `unit_cost`, in program currency.
    pub unit_cost: Quantity,
    /// How many of them name no cost.
    pub unpriced: u32,
}

impl Outcome {
    /// Whether the member would drop, and the tier is held over the change.
    pub fn is_held(&self) -> bool {
        self.rows.iter().any(|row| matches!(row, Row::Held(_)))
    }
}

/// The outcome of the newest of the versions, the draft, for a member as stored.
///
/// A draft that is dated before the member was last looked at takes effect at that look, as it would for [`advance`].
pub fn preview(ledger: &Ledger, record: &Record, versions: &Versions) -> Outcome {
    let draft = versions.last();
    let (mut ledger, mut record) = (ledger.clone(), record.clone());
    let _due_anyway = advance(&mut ledger, &mut record, versions, draft.effective_at.plus_millis(-1));
    let eve = record.evaluated_at().unwrap_or(draft.effective_at);
    let at = eve.max(draft.effective_at);
    let old = versions.numbered(record.version()).unwrap_or(versions.in_force(eve));
    let before = Holding::of(&record, &evaluate(old, &ledger, eve));
    let counted_before = evaluate(old, &ledger, at).progress.map(|progress| progress.counted);

    let rows = advance(&mut ledger, &mut record, versions, at);
    let standing = evaluate(draft, &ledger, at);
    let counts = |counted: Option<Quantity>| counted.is_some_and(|counted| counted > Quantity::ZERO);
    let wiped = counts(counted_before) && !counts(standing.progress.map(|progress| progress.counted));
    let after = Holding::of(&record, &standing);
    let movement = movement(&before, &after, &rows);
    let rewards = rows.iter().filter_map(|row| cost(&draft.program, row)).collect();
    Outcome { before, after, movement, rows, rewards, wiped }
}

impl Holding {
    fn of(record: &Record, standing: &Standing) -> Self {
        Self { tier: record.tier().cloned(), valid_until: standing.valid_until }
    }
}

/// Several versions of one instant are passed one after the other: then the first and the last tier count.
fn movement(before: &Holding, after: &Holding, rows: &[Row]) -> Movement {
    match (&before.tier, &after.tier) {
        (from, to) if from == to => Movement::Retained,
        (None, _) => Movement::Entered,
        (_, None) => Movement::Left,
        (Some(_), Some(_)) => rows.iter().rev().find_map(direction).unwrap_or(Movement::Retained),
    }
}

fn direction(row: &Row) -> Option<Movement> {
    match row {
        Row::Transition(made) => match made.kind {
            Change::Entered | Change::Upgraded => Some(Movement::Upgraded),
            Change::Downgraded | Change::Left => Some(Movement::Downgraded),
            Change::Renewed => None,
        },
        Row::Reward(_) | Row::Birthday(_) | Row::Held(_) => None,
    }
}

fn cost(program: &Program, row: &Row) -> Option<RewardCost> {
    let Row::Reward(RewardDue { tier, .. }) = row else { return None };
    let issued = program.rank(tier).and_then(|rank| program.tier(rank)).map(|tier| &*tier.entry_rewards);
    let mut cost = RewardCost { tier: tier.clone(), unit_cost: Quantity::ZERO, unpriced: 0 };
    for reward in issued.unwrap_or_default() {
        match reward.unit_cost {
            Some(each) => cost.unit_cost += each.into(),
            None => cost.unpriced = cost.unpriced.saturating_add(1),
        }
    }
    Some(cost)
}
