//! The effect of a draft version on one member, without writing anything (section 7).
//!
//! It cannot differ from publishing: the same [`advance`] that records brings a copy of the member to just before the
//! change, and then over it.

use crate::advance::advance;
use crate::calendar::Instant;
use crate::id::TierId;
use crate::ledger::Ledger;
use crate::program::Program;
use crate::quantity::Quantity;
use crate::record::{Change, Record, RewardDue, Row};
use crate::standing::{Standing, evaluate};
use crate::version::Versions;

/// The effect of a change of rules on one member.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The member's tier just before the change.
    pub before: Holding,
    /// The member's tier from the change on.
    pub after: Holding,
    /// The move of the tier.
    pub movement: Movement,
    /// The rows recorded at the change, in order: the hold, the transition, rewards, and birthday points that happen to
    /// be due then.
    pub rows: Vec<Row>,
    /// The costs of the entry rewards among the rows, tier by tier.
    pub rewards: Vec<RewardCost>,
    /// Whether progress is lost, for example to another metric: something counted before the change, and at the same
    /// instant nothing counts after it.
    pub wiped: bool,
}

/// A tier on record, with its end. While a program is inactive no member has a tier; the record keeps the last one (section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The tier on record, or none.
    pub tier: Option<TierId>,
    /// The exclusive end if nothing more happens; none if without end, or without a tier.
    pub valid_until: Option<Instant>,
}

/// The move of a tier over a change of rules, judged as transitions are. A removed tier is compared as if it ranked
/// just above the remaining tiers that were below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// A move from no tier into one.
    #[serde(alias = "enters")]
    Entered,
    /// A move to a higher tier.
    #[serde(alias = "rises")]
    Upgraded,
    /// The same tier, or still none.
    #[serde(alias = "stays")]
    Retained,
    /// A move to a lower tier.
    #[serde(alias = "falls")]
    Downgraded,
    /// A move to no tier.
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
    /// The number of rewards without a cost.
    pub unpriced: u32,
}

impl Outcome {
    /// Whether the member would drop and is held over the change.
    pub fn is_held(&self) -> bool {
        self.rows.iter().any(|row| matches!(row, Row::Held(_)))
    }
}

/// The outcome of the newest version, the draft, for a member as stored.
///
/// A draft dated before the member's last evaluation takes effect at that evaluation, as it would for [`advance`].
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

/// The movement between two tiers. Several versions of one instant are passed one after the other, and then the first
/// and the last tier count.
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
        Row::Reward(_) | Row::Birthday(_) | Row::Correction(_) | Row::Held(_) => None,
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
