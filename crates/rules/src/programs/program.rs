//! A program: the rules of one shop's tiers (section 3 of the semantics). A value of these types cannot be wrong:
//! it comes out of [`Program::read`], which reports every problem at once.

mod advice;
mod read;

use std::collections::BTreeSet;

use chrono::NaiveDate;

pub use advice::{about_zone, replacing, starting};
pub use read::Draft;

use crate::calendar::{Span, Zone};
use crate::fact::{Currency, Tag};
use crate::id::{ProgramId, TierId};
use crate::quantity::{Amount, MinorUnit, Points, Quantity};

/// The rules of a shop's tiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program's id, if the file has one.
    pub id: Option<ProgramId>,
    /// What the shop calls it.
    pub name: Option<String>,
    /// An inactive program records facts, and gives nobody a tier (seeds 001, 003).
    pub active: bool,
    /// Where days begin.
    pub timezone: Zone,
    /// What amounts are in.
    pub currency: Currency,
    /// How finely the currency is counted.
    pub minor_unit: MinorUnit,
    /// Facts dated before it do not count; the day of the first active version if absent (seeds 001, 003).
    pub start_date: Option<NaiveDate>,
    /// What counts, and for how long.
    pub milestone: Milestone,
    /// What of an order is spend.
    pub spend: Spend,
    /// Which entry rewards a jump over several tiers brings (seed 003).
    pub skipped_tier_rewards: SkippedTierRewards,
    /// Whether reaching a tier again brings its entry reward again (seed 003: better not).
    pub repeat_tier_rewards: bool,
    /// When "expiring" and "within reach" are announced.
    pub notices: Notices,
    tiers: Vec<Tier>,
}

/// What brings a member into a tier; exactly one thing at a time (seeds 000, 003).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Milestone {
    /// Something is counted against thresholds.
    Counted(Counted),
    /// Customer tags decide; there is no period and no progress.
    Tags(Tagged),
}

/// A milestone that looks at tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// The period as written. It decides nothing but the effective start, which is kept while it stays the same.
    pub period: Period,
    wanted: Vec<BTreeSet<Tag>>,
}

impl Tagged {
    /// The tags of each tier, lowest tier first.
    pub fn wanted(&self) -> &[BTreeSet<Tag>] {
        &self.wanted
    }
}

/// A milestone that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// What is counted.
    pub metric: Metric,
    /// Over which time.
    pub period: Period,
    /// What a refund does to a tier already achieved.
    pub on_refund: OnRefund,
    thresholds: Vec<Quantity>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Points earned, adjusted and imported, less those cancelled (seed 003).
    PointsEarned,
    /// Money spent, less refunds (seeds 003, 004).
    AmountSpent,
    /// Orders paid, less those cancelled or refunded in full (seed 003).
    OrdersPlaced,
}

/// Over which time something is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// Since the program's start.
    Lifetime,
    /// One calendar year; the tier lasts the rest of it and all of the next (seeds 001, 004).
    CalendarYear,
    /// From the last tier upgrade, which restarts the counter (seed 000).
    SinceLastUpgrade(Span),
    /// The trailing window (Smile's legacy period, seed 002).
    Rolling(Span),
}

/// What a refund does to a tier already achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnRefund {
    /// The tier stays until its end.
    Keep,
    /// The tier goes with the money.
    Revoke,
}

/// What of an order is spend (seeds 003, 004).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spend {
    /// Tax counts (default yes).
    pub include_tax: bool,
    /// Shipping counts (default yes).
    pub include_shipping: bool,
    /// Discounts are added back (default no).
    pub before_discounts: bool,
}

/// Which entry rewards a jump over several tiers brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkippedTierRewards {
    /// Only those of the tier reached.
    HighestOnly,
    /// Those of every tier passed, too.
    AllSkipped,
}

/// When members are told ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notices {
    /// So many days before a tier ends.
    pub expiring_days: Vec<u16>,
    /// When at most so much of a threshold is missing, in percent.
    pub within_reach_percent: u8,
}

/// A tier's place in its version: 0 is the lowest. Ids are stable; ranks belong to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rank(u16);

impl Rank {
    pub(crate) fn new(index: usize) -> Self {
        Self(u16::try_from(index).unwrap_or(u16::MAX))
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// Its id, which outlives renaming and reordering.
    pub id: TierId,
    /// Its name for people.
    pub name: String,
    /// What entering it brings, once.
    pub entry_rewards: Vec<Reward>,
    /// What holding it brings.
    pub perks: Vec<Perk>,
}

/// What entering a tier brings. Echelon announces it; others book it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reward {
    /// What it is.
    pub gift: Gift,
    /// For how many days it can be used.
    pub valid_days: Option<u16>,
    /// What it costs the shop, in program currency, for previews.
    pub unit_cost: Option<Amount>,
}

/// What a reward is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gift {
    /// Bonus points.
    Points(Points),
    /// So many percent off.
    DiscountPercent(Amount),
    /// So much off, in program currency.
    DiscountAmount(Amount),
    /// No shipping to pay.
    FreeShipping,
    /// A product for nothing.
    FreeProduct(String),
    /// Anything else, in words.
    Custom(String),
}

/// What holding a tier brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Perk {
    /// Points on the birthday, once a year (seed 001).
    BirthdayPoints(Points),
    /// Points earned are worth more; shown with the standing, for the shop to apply.
    PointsMultiplier(Amount),
    /// No shipping to pay.
    FreeShipping,
    /// First to buy.
    EarlyAccess,
    /// Anything else, in words.
    Custom(String),
}

impl Program {
    /// The tiers, lowest first, each with its rank.
    pub fn tiers(&self) -> impl DoubleEndedIterator<Item = (Rank, &Tier)> {
        self.tiers.iter().enumerate().map(|(index, tier)| (Rank::new(index), tier))
    }

    /// The tier of a rank. Ranks come from this program; of another's, nothing.
    pub fn tier(&self, rank: Rank) -> Option<&Tier> {
        self.tiers.get(rank.index())
    }

    /// The id of the tier of a rank.
    pub fn tier_id(&self, rank: Option<Rank>) -> Option<&TierId> {
        rank.and_then(|rank| self.tier(rank)).map(|tier| &tier.id)
    }

    /// The rank of a tier in this version, unless it has no such tier.
    pub fn rank(&self, id: &TierId) -> Option<Rank> {
        self.tiers().find(|(_, tier)| tier.id == *id).map(|(rank, _)| rank)
    }

    /// The period, as it settles the effective start; tags have none otherwise.
    pub fn period(&self) -> Period {
        match &self.milestone {
            Milestone::Counted(counted) => counted.period,
            Milestone::Tags(tagged) => tagged.period,
        }
    }

    /// What is counted, unless tags decide.
    pub(crate) fn counted(&self) -> Option<&Counted> {
        match &self.milestone {
            Milestone::Counted(counted) => Some(counted),
            Milestone::Tags(_) => None,
        }
    }

    /// The decimals that amounts of what is counted are shown with.
    pub fn decimals(&self) -> u8 {
        match &self.milestone {
            Milestone::Counted(Counted { metric: Metric::AmountSpent, .. }) => self.minor_unit.decimals(),
            Milestone::Counted(_) | Milestone::Tags(_) => 0,
        }
    }
}

impl Counted {
    /// The threshold of a rank.
    pub fn threshold(&self, rank: Rank) -> Quantity {
        self.thresholds.get(rank.index()).copied().unwrap_or_default()
    }

    /// `q(x)`: the highest tier whose threshold is at most `x`, and at most 0 for anything below (section 4).
    pub fn reached(&self, counted: Quantity) -> Option<Rank> {
        let counted = counted.max(Quantity::ZERO);
        self.thresholds.iter().rposition(|threshold| *threshold <= counted).map(Rank::new)
    }

    /// What reaches a rank and no higher one, or none at all: from the first, and below the second.
    pub(crate) fn reach(&self, rank: Option<Rank>) -> (Quantity, Quantity) {
        let from = rank.map(|rank| self.threshold(rank)).filter(|threshold| !threshold.is_zero());
        let next = self.thresholds.get(rank.map_or(0, |rank| rank.index() + 1));
        (from.unwrap_or(Quantity::MIN), next.copied().unwrap_or(Quantity::MAX))
    }

    /// Whether a tier must be earned: one with threshold 0 is everyone's.
    pub fn is_earned(&self, rank: Rank) -> bool {
        !self.threshold(rank).is_zero()
    }
}
