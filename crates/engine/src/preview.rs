//! The preview of a draft version: the outcomes of all members, added up.
//!
//! It is made in parts, of any members in any order, and passed as JSON. [`Preview::merge`] adds the parts up to the
//! same whole. [`picture()`] shows it to people.

mod picture;

use std::collections::{BTreeMap, BTreeSet};

use rules::id::{MemberId, TierId};
use rules::preview::{Holding, Movement, Outcome, RewardCost};
use rules::quantity::Quantity;
use rules::record::Row;
use serde::{Deserialize, Serialize};

pub use picture::picture;

/// The maximum number of members named for each way from one tier to another: the first by id.
pub const SAMPLES_MAX: usize = 20;

/// The outcomes of members, added up. The default has no members.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Preview {
    /// The number of members evaluated.
    pub members: u64,
    /// The moves between tiers.
    pub moves: Moves,
    /// The number of members who would be downgraded and get a hold. They also count as retained.
    pub held: u64,
    /// The ways from one tier to another, with their members.
    #[serde(with = "ways")]
    pub ways: BTreeMap<Way, Passage>,
    /// Entry rewards that would be due, by tier.
    pub rewards: BTreeMap<TierId, Rewards>,
    /// Birthday points that fall on the very instant of the change.
    pub birthdays: Birthdays,
    /// The changed ends of tiers, of members whose tier stays the same.
    pub validity: Validity,
    /// The number of members who have progress just before the change, and none just after.
    pub wiped: u64,
}

/// The numbers of moves, by direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Moves {
    /// Members who enter a tier from none.
    #[serde(alias = "enter")]
    pub entered: u64,
    /// Members who move to a higher tier.
    #[serde(alias = "rise")]
    pub upgraded: u64,
    /// Members who keep their tier.
    #[serde(alias = "stay")]
    pub retained: u64,
    /// Members who move to a lower tier.
    #[serde(alias = "fall")]
    pub downgraded: u64,
    /// Members who leave the tiers.
    #[serde(alias = "leave")]
    pub left: u64,
    /// Members without a tier before and after.
    pub without_tier: u64,
}

/// A way from one tier to another; none stands for no tier. A member who stays goes from a tier to itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Way {
    /// The tier before.
    pub from: Option<TierId>,
    /// The tier after.
    pub to: Option<TierId>,
    /// The direction: a removed tier has no rank among the new ones.
    pub movement: Movement,
}

/// The members who go a way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Passage {
    /// Their number.
    pub members: u64,
    /// The first [`SAMPLES_MAX`] of them by id.
    pub samples: BTreeSet<MemberId>,
}

/// Entry rewards of a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rewards {
    /// The number of members to whom they are due.
    pub due: u64,
    /// Their total cost in program currency, of rewards with a `unit_cost`.
    pub unit_cost: Quantity,
    /// The number of single rewards without a `unit_cost`.
    pub unpriced: u64,
}

/// Birthday points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Birthdays {
    /// The number of members to whom they are due.
    pub due: u64,
    /// The total number of points.
    pub points: Quantity,
}

/// The changes of tiers' ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Validity {
    /// Members whose tier ends later.
    pub longer: u64,
    /// Members whose tier ends sooner.
    pub shorter: u64,
    /// Members whose tier had an end, and has none now.
    pub now_without_end: u64,
    /// Members whose tier had no end, and has one now.
    pub now_with_end: u64,
}

impl Preview {
    /// Adds a member's outcome. Each member may be added only once.
    pub fn add(&mut self, member: &MemberId, outcome: &Outcome) {
        let Outcome { before, after, movement, rows, rewards, wiped } = outcome;
        count(&mut self.members);
        self.moves.add(*movement, before);
        if outcome.is_held() {
            count(&mut self.held);
        }
        let way = Way { from: before.tier.clone(), to: after.tier.clone(), movement: *movement };
        self.ways.entry(way).or_default().merge(&Passage { members: 1, samples: BTreeSet::from([member.clone()]) });
        for RewardCost { tier, unit_cost, unpriced } in rewards {
            let one = Rewards { due: 1, unit_cost: *unit_cost, unpriced: u64::from(*unpriced) };
            self.rewards.entry(tier.clone()).or_default().merge(one);
        }
        for row in rows {
            match row {
                Row::Birthday(due) => {
                    self.birthdays.merge(Birthdays { due: 1, points: Quantity::whole(due.points.get()) });
                }
                Row::Transition(_) | Row::Reward(_) | Row::Correction(_) | Row::Held(_) => {}
            }
        }
        self.validity.add(before, after);
        if *wiped {
            count(&mut self.wiped);
        }
    }

    /// Adds another part, of other members.
    pub fn merge(&mut self, part: &Self) {
        let Self { members, moves, held, ways, rewards, birthdays, validity, wiped } = part;
        more(&mut self.members, *members);
        self.moves.merge(*moves);
        more(&mut self.held, *held);
        for (way, passage) in ways {
            self.ways.entry(way.clone()).or_default().merge(passage);
        }
        for (tier, due) in rewards {
            self.rewards.entry(tier.clone()).or_default().merge(*due);
        }
        self.birthdays.merge(*birthdays);
        self.validity.merge(*validity);
        more(&mut self.wiped, *wiped);
    }
}

fn count(sum: &mut u64) {
    more(sum, 1);
}

fn more(sum: &mut u64, by: u64) {
    *sum = sum.saturating_add(by);
}

impl Moves {
    fn add(&mut self, movement: Movement, before: &Holding) {
        count(match movement {
            Movement::Entered => &mut self.entered,
            Movement::Upgraded => &mut self.upgraded,
            Movement::Retained if before.tier.is_none() => &mut self.without_tier,
            Movement::Retained => &mut self.retained,
            Movement::Downgraded => &mut self.downgraded,
            Movement::Left => &mut self.left,
        });
    }

    fn merge(&mut self, part: Self) {
        let Self { entered, upgraded, retained, downgraded, left, without_tier } = part;
        more(&mut self.entered, entered);
        more(&mut self.upgraded, upgraded);
        more(&mut self.retained, retained);
        more(&mut self.downgraded, downgraded);
        more(&mut self.left, left);
        more(&mut self.without_tier, without_tier);
    }
}

impl Passage {
    fn merge(&mut self, part: &Self) {
        more(&mut self.members, part.members);
        self.samples.extend(part.samples.iter().cloned());
        while self.samples.len() > SAMPLES_MAX {
            self.samples.pop_last();
        }
    }
}

impl Rewards {
    fn merge(&mut self, part: Self) {
        let Self { due, unit_cost, unpriced } = part;
        more(&mut self.due, due);
        self.unit_cost += unit_cost;
        more(&mut self.unpriced, unpriced);
    }
}

impl Birthdays {
    fn merge(&mut self, part: Self) {
        more(&mut self.due, part.due);
        self.points += part.points;
    }
}

impl Validity {
    fn add(&mut self, before: &Holding, after: &Holding) {
        if before.tier.is_none() || before.tier != after.tier {
            return;
        }
        match (before.valid_until, after.valid_until) {
            (Some(was), Some(is)) if is > was => count(&mut self.longer),
            (Some(was), Some(is)) if is < was => count(&mut self.shorter),
            (Some(_), None) => count(&mut self.now_without_end),
            (None, Some(_)) => count(&mut self.now_with_end),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    fn merge(&mut self, part: Self) {
        let Self { longer, shorter, now_without_end, now_with_end } = part;
        more(&mut self.longer, longer);
        more(&mut self.shorter, shorter);
        more(&mut self.now_without_end, now_without_end);
        more(&mut self.now_with_end, now_with_end);
    }
}

/// Serializes the ways as an ordered list: JSON allows only texts as keys.
mod ways {
    use super::{BTreeMap, Deserialize, Passage, Serialize, Way};
    use serde::{Deserializer, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Entry<W, P> {
        #[serde(flatten)]
        way: W,
        #[serde(flatten)]
        passage: P,
    }

    pub(super) fn serialize<S: Serializer>(ways: &BTreeMap<Way, Passage>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(ways.iter().map(|(way, passage)| Entry { way, passage }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Way, Passage>, D::Error> {
        let entries = Vec::<Entry<Way, Passage>>::deserialize(deserializer)?;
        Ok(entries.into_iter().map(|Entry { way, passage }| (way, passage)).collect())
    }
}
