//! What a draft version would do to a shop: the outcomes of all members, added up.
//!
//! Made in parts, of any members in any order, which [`Preview::merge`] puts together to the same whole; as JSON in
//! between. [`picture()`] shows it to people.

mod picture;

use std::collections::{BTreeMap, BTreeSet};

use rules::id::{MemberId, TierId};
use rules::preview::{Holding, Movement, Outcome, RewardCost};
use rules::quantity::Quantity;
use rules::record::Row;
use serde::{Deserialize, Serialize};

pub use picture::picture;

/// So many members are named of each way from one tier to another: the first by id.
pub const SAMPLES_MAX: usize = 20;

/// The outcomes of members, added up. Of none, it is the default.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Preview {
    /// How many members were looked at.
    pub members: u64,
    /// How their tiers move.
    pub moves: Moves,
    /// How many would drop, and are held. They stay, and are counted there too.
    pub held: u64,
    /// The ways from one tier to another.
    #[serde(with = "ways")]
    pub ways: BTreeMap<Way, Passage>,
    /// Entry rewards that would be due, by tier.
    pub rewards: BTreeMap<TierId, Rewards>,
    /// Birthday points that fall on the very instant of the change.
    pub birthdays: Birthdays,
    /// When the tier ends, of those who have the same tier before and after.
    pub validity: Validity,
    /// How many had progress just before, and have none just after.
    pub wiped: u64,
}

/// How many move how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Moves {
    /// From no tier to one.
    #[serde(alias = "enter")]
    pub entered: u64,
    /// To a higher tier.
    #[serde(alias = "rise")]
    pub upgraded: u64,
    /// They keep their tier.
    #[serde(alias = "stay")]
    pub retained: u64,
    /// To a lower tier.
    #[serde(alias = "fall")]
    pub downgraded: u64,
    /// To no tier.
    #[serde(alias = "leave")]
    pub left: u64,
    /// They have no tier, before or after.
    pub without_tier: u64,
}

/// From one tier to another. No tier is none; who stays goes from a tier to itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Way {
    /// The tier before.
    pub from: Option<TierId>,
    /// The tier after.
    pub to: Option<TierId>,
    /// Up or down: a tier that is removed has no place of its own among the new ones.
    pub movement: Movement,
}

/// Who goes a way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Passage {
    /// How many.
    pub members: u64,
    /// The first [`SAMPLES_MAX`] of them by id.
    pub samples: BTreeSet<MemberId>,
}

/// Entry rewards of a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Rewards {
    /// To how many members they are due.
    pub due: u64,
    /// What they cost in all, in program currency, as far as they say.
    pub unit_cost: Quantity,
    /// How many single rewards name no `unit_cost`.
    pub unpriced: u64,
}

/// Birthday points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Birthdays {
    /// To how many members they are due.
    pub due: u64,
    /// How many points in all.
    pub points: Quantity,
}

/// How the ends of tiers change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Validity {
    /// They end later.
    pub longer: u64,
    /// They end sooner.
    pub shorter: u64,
    /// They had an end, and have none now.
    pub now_without_end: u64,
    /// They had no end, and have one now.
    pub now_with_end: u64,
}

impl Preview {
    /// Adds a member's outcome. Nobody may be added twice.
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
                Row::Transition(_) | Row::Reward(_) | Row::Held(_) => {}
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

/// JSON has only texts as keys: the ways are a list, in their order.
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
