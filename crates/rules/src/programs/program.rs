//! A program: the rules of one shop's tiers (section 3 of the semantics). A value of these types is always valid,
//! because it comes from [`Program::read`], which reports every problem at once.

mod advice;
mod read;

use std::collections::BTreeSet;

use chrono::NaiveDate;

pub use advice::{about_zone, replacing, starting, unnamed_currency};
pub use read::Draft;

use crate::calendar::{Day, DayOfYear, Instant, Span, Zone};
use crate::fact::{Currency, Tag};
use crate::id::{ProgramId, TierId};
use crate::json::Problems;
use crate::quantity::{Amount, MinorUnit, Points, Quantity};

/// The rules of a shop's tiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program's id, if the file has one.
    pub id: Option<ProgramId>,
    /// The name that the shop gives it.
    pub name: Option<String>,
    /// Whether tiers are given. An inactive program only records facts (seeds 001, 003).
    pub active: bool,
    /// The time zone of local days.
    pub timezone: Zone,
    /// The currency of amounts.
    pub currency: Currency,
    /// The smallest step of the currency.
    pub minor_unit: MinorUnit,
    /// The day before which facts do not count; if absent, the day of the first active version (seeds 001, 003).
    pub start_date: Option<NaiveDate>,
    /// The metric and the period.
    pub milestone: Milestone,
    /// The parts of an order that are spend.
    pub spend: Spend,
    /// The points that orders earn, beside the entries that are told.
    pub earning: Option<Earning>,
    /// The converted grand total below which an order is no order.
    pub order_minimum: Amount,
    /// Who earns tiers.
    pub eligibility: Eligibility,
    /// The entry rewards due after a jump over several tiers (seed 003).
    pub skipped_tier_rewards: SkippedTierRewards,
    /// Whether reaching a tier again brings its entry reward again (seed 003 advises against it).
    pub repeat_tier_rewards: bool,
    /// The settings for when "expiring" and "within reach" are announced.
    pub notices: Notices,
    tiers: Vec<Tier>,
}

/// The way into a tier: exactly one at a time (seeds 000, 003).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Milestone {
    /// A metric is counted against thresholds.
    Counted(Counted),
    /// Customer tags decide; there is no period and no progress.
    Tags(Tagged),
}

/// A milestone by tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// The period as written. It affects only the effective start, which is kept as long as the period stays the same.
    pub period: Period,
    wanted: Vec<BTreeSet<Tag>>,
}

impl Tagged {
    /// The tags of each tier, lowest tier first.
    pub fn wanted(&self) -> &[BTreeSet<Tag>] {
        &self.wanted
    }
}

/// A milestone by a counted metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The metric.
    pub metric: Metric,
    /// The period.
    pub period: Period,
    /// The effect of a refund on a tier already achieved.
    pub on_refund: OnRefund,
    /// The effect of a review on members who have not kept their tier.
    pub on_miss: OnMiss,
    /// How long after a review that was missed the tier is still held.
    pub grace: Option<Span>,
    thresholds: Vec<Quantity>,
    /// What keeps each tier at a review, where that differs from the threshold for any of them.
    retain_thresholds: Option<Vec<Quantity>>,
}

/// The metric that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Points earned, adjusted and imported, minus those cancelled (seed 003).
    PointsEarned,
    /// Money spent, minus refunds (seeds 003, 004).
    AmountSpent,
    /// Orders paid, minus those cancelled or refunded in full (seed 003).
    OrdersPlaced,
}

/// The period over which a metric is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Period {
    /// The time since the program's start.
    Lifetime,
    /// One year, the same for all members (seeds 001, 004).
    CalendarYear {
        /// The day on which the year begins.
        starts_on: DayOfYear,
        /// How long a tier earned in a year is held.
        holds: Holds,
    },
    /// One year that begins on the member's own day: that of the enrolment, or of the first fact.
    MembershipYear {
        /// How long a tier earned in a year is held.
        holds: Holds,
    },
    /// The time since the last tier upgrade, which restarts the counter (seed 000).
    SinceLastUpgrade(Span),
    /// The trailing window (Smile's legacy period, seed 002).
    Rolling(Span),
}

/// How long a tier earned in a year is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Holds {
    /// The rest of the year, and all of the next.
    #[default]
    RestAndNextYear,
    /// The rest of the year.
    RestOfYear,
}

impl Period {
    /// The calendar year from January 1, whose tiers hold through the next.
    pub const CALENDAR_YEAR: Self =
        Self::CalendarYear { starts_on: DayOfYear::NEW_YEAR, holds: Holds::RestAndNextYear };

    /// How long a tier earned in a year is held; none where no year is counted.
    pub fn holds(self) -> Option<Holds> {
        match self {
            Self::CalendarYear { holds, .. } | Self::MembershipYear { holds } => Some(holds),
            Self::Lifetime | Self::SinceLastUpgrade(_) | Self::Rolling(_) => None,
        }
    }

    /// The first day of the year in which a day lies, where years are the same for all members.
    pub(crate) fn calendar_year_of(self, day: Day) -> Option<Day> {
        match self {
            Self::CalendarYear { starts_on, .. } => Some(starts_on.day_in(starts_on.year_of(day))),
            Self::Lifetime | Self::MembershipYear { .. } | Self::SinceLastUpgrade(_) | Self::Rolling(_) => None,
        }
    }

    /// Whether the effective start stays when one period follows the other (section 3): how long a year's tiers are held makes
    /// no difference.
    pub(crate) fn starts_like(self, other: Self) -> bool {
        let counted_from = |period| match period {
            Self::CalendarYear { starts_on, .. } => Self::CalendarYear { starts_on, holds: Holds::default() },
            Self::MembershipYear { .. } => Self::MembershipYear { holds: Holds::default() },
            Self::Lifetime | Self::SinceLastUpgrade(_) | Self::Rolling(_) => period,
        };
        counted_from(self) == counted_from(other)
    }
}

/// The effect of a review on members who have not kept their tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnMiss {
    /// They get the tier that was earned.
    #[default]
    Recompute,
    /// They fall one tier at most.
    OneStep,
}

/// The points that orders earn: some points for each full amount of an order's credit (section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Earning {
    /// The amount, in the program's currency; above 0.
    pub amount: Amount,
    /// The points for each full amount.
    pub points: Points,
}

/// Who earns tiers (section 5).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Eligibility {
    /// Whether only enrolled members do. Then nothing before the enrolment counts.
    pub enrolled_only: bool,
    /// The tags with which a member earns none.
    pub excluded_tags: BTreeSet<Tag>,
}

impl Eligibility {
    /// Whether every member earns tiers.
    pub fn is_everybody(&self) -> bool {
        !self.enrolled_only && self.excluded_tags.is_empty()
    }
}

/// The effect of a refund on a tier already achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnRefund {
    /// The tier stays until its end.
    Keep,
    /// The tier is lost with the money.
    Revoke,
}

/// The parts of an order that are spend (seeds 003, 004).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spend {
    /// Whether tax counts (default yes).
    pub include_tax: bool,
    /// Whether shipping counts (default yes).
    pub include_shipping: bool,
    /// Whether tips count (default yes).
    pub include_tips: bool,
    /// Whether duties count (default yes).
    pub include_duties: bool,
    /// Whether discounts are added back (default no).
    pub before_discounts: bool,
    /// When money that goes through a gift card counts.
    pub gift_cards: GiftCards,
}

/// When money that goes through a gift card or store credit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GiftCards {
    /// When it is spent: the purchase of a gift card does not count (default).
    #[default]
    WhenSpent,
    /// When the gift card is bought: what is paid with it does not count.
    WhenBought,
    /// Both times.
    Both,
}

/// The entry rewards due after a jump over several tiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkippedTierRewards {
    /// Only the rewards of the tier reached.
    HighestOnly,
    /// Also the rewards of every tier passed.
    AllSkipped,
}

/// The settings for announcements ahead of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notices {
    /// The numbers of days before the end of a tier.
    pub expiring_days: Vec<u16>,
    /// The missing part of a threshold, in percent, at or below which a tier is within reach.
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

    /// The tier one below.
    fn below(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

/// A tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// The id, which survives renaming and reordering.
    pub id: TierId,
    /// The name shown to people.
    pub name: String,
    /// The rewards due once for reaching it.
    pub entry_rewards: Vec<Reward>,
    /// The perks while it is held.
    pub perks: Vec<Perk>,
}

/// An entry reward. Echelon announces it; other systems book it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reward {
    /// The gift.
    pub gift: Gift,
    /// The number of days for which it can be used.
    pub valid_days: Option<u16>,
    /// The cost to the shop, in program currency, for previews.
    pub unit_cost: Option<Amount>,
}

/// The content of a reward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gift {
    /// Bonus points.
    Points(Points),
    /// A discount in percent.
    DiscountPercent(Amount),
    /// A discount in program currency.
    DiscountAmount(Amount),
    /// Free shipping.
    FreeShipping,
    /// A free product, by name.
    FreeProduct(String),
    /// Any other gift, in words.
    Custom(String),
}

/// A benefit of holding a tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Perk {
    /// Points on the birthday, once a year (seed 001).
    BirthdayPoints(Points),
    /// A factor on points earned, shown with the standing for the shop to apply.
    PointsMultiplier(Amount),
    /// Free shipping.
    FreeShipping,
    /// Early access to products.
    EarlyAccess,
    /// Any other perk, in words.
    Custom(String),
}

/// The most tiers with entry rewards of which all may be due at once: they are recorded in one transaction, beside the facts
/// that brought them.
const REWARDED_AT_ONCE_MAX: usize = 40;

impl Program {
    /// Refuses a program that is about to be published if one rise could bring more entry rewards than are recorded at once.
    /// Programs published before are read as they are.
    ///
    /// # Errors
    /// Names the place, and says what to write.
    pub fn check_rises(&self, path: &str) -> Result<(), Problems> {
        let rewarded = self.tiers.iter().filter(|tier| !tier.entry_rewards.is_empty()).count();
        if self.skipped_tier_rewards == SkippedTierRewards::HighestOnly || rewarded <= REWARDED_AT_ONCE_MAX {
            return Ok(());
        }
        let path = format!("{path}.skipped_tier_rewards");
        let message = format!(
            "is `all_skipped`, and {rewarded} tiers have entry rewards: a rise through all of them would bring more than \
             {REWARDED_AT_ONCE_MAX} at once; write `highest_only`, or give rewards to fewer tiers"
        );
        Err(Problems::one(&path, message))
    }

    /// The tiers, lowest first, each with its rank.
    pub fn tiers(&self) -> impl DoubleEndedIterator<Item = (Rank, &Tier)> {
        self.tiers.iter().enumerate().map(|(index, tier)| (Rank::new(index), tier))
    }

    /// The tier of a rank of this program; a rank of another program may have none.
    pub fn tier(&self, rank: Rank) -> Option<&Tier> {
        self.tiers.get(rank.index())
    }

    /// The id of the tier of a rank.
    pub fn tier_id(&self, rank: Option<Rank>) -> Option<&TierId> {
        rank.and_then(|rank| self.tier(rank)).map(|tier| &tier.id)
    }

    /// The rank of a tier in this version, if it has the tier.
    pub fn rank(&self, id: &TierId) -> Option<Rank> {
        self.tiers().find(|(_, tier)| tier.id == *id).map(|(rank, _)| rank)
    }

    /// The period that decides the effective start; for tags it decides nothing else.
    pub fn period(&self) -> Period {
        match &self.milestone {
            Milestone::Counted(counted) => counted.period,
            Milestone::Tags(tagged) => tagged.period,
        }
    }

    /// The counted milestone, unless tags decide.
    pub(crate) fn counted(&self) -> Option<&Counted> {
        match &self.milestone {
            Milestone::Counted(counted) => Some(counted),
            Milestone::Tags(_) => None,
        }
    }

    /// Whether it counts money, so that its currency decides what facts are worth.
    pub fn counts_money(&self) -> bool {
        match self.counted().map(|counted| counted.metric) {
            Some(Metric::AmountSpent) => true,
            Some(Metric::PointsEarned) => self.earning.is_some(),
            Some(Metric::OrdersPlaced) => self.order_minimum != Amount::ZERO,
            None => false,
        }
    }

    /// The decimals that counted amounts are shown with.
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

    /// `q(x)`: the highest tier whose threshold is at most max(`x`, 0) (section 4).
    pub fn reached(&self, counted: Quantity) -> Option<Rank> {
        let counted = counted.max(Quantity::ZERO);
        self.thresholds.iter().rposition(|threshold| *threshold <= counted).map(Rank::new)
    }

    /// The amounts that reach exactly a rank, or no rank at all: the inclusive start and the exclusive end.
    pub(crate) fn reach(&self, rank: Option<Rank>) -> (Quantity, Quantity) {
        let from = rank.map(|rank| self.threshold(rank)).filter(|threshold| !threshold.is_zero());
        let next = self.thresholds.get(rank.map_or(0, |rank| rank.index() + 1));
        (from.unwrap_or(Quantity::MIN), next.copied().unwrap_or(Quantity::MAX))
    }

    /// Whether a tier must be earned; a tier with threshold 0 need not be.
    pub fn is_earned(&self, rank: Rank) -> bool {
        !self.threshold(rank).is_zero()
    }

    /// What keeps a tier at a review: its retain threshold, by default the threshold.
    pub fn retain_threshold(&self, rank: Rank) -> Quantity {
        let retain = self.retain_thresholds.as_ref().and_then(|all| all.get(rank.index()));
        retain.copied().unwrap_or_else(|| self.threshold(rank))
    }

    /// Whether a tier may be kept by less than it takes to reach it.
    pub fn retains_by_less(&self) -> bool {
        self.retain_thresholds.is_some()
    }

    /// The highest tier, not above the one held, that an amount keeps. Only where a tier [`Self::retains_by_less`] it may be
    /// above the tier that the amount reaches.
    pub(crate) fn retained(&self, held: Option<Rank>, counted: Quantity) -> Option<Rank> {
        let retain_thresholds = self.retain_thresholds.as_ref()?;
        let up_to_held = retain_thresholds.get(..=held?.index())?;
        up_to_held.iter().rposition(|retain| *retain <= counted.max(Quantity::ZERO)).map(Rank::new)
    }

    /// The end of the grace after a review at the beginning of a day. It is counted from the last full day, as a term is
    /// (section 5).
    pub fn grace_ends(&self, zone: &Zone, reviewed_on: Day) -> Option<Instant> {
        self.grace.map(|grace| zone.midnight(grace.after(reviewed_on.previous()).next()))
    }

    /// `review(h, c)`: the tier that a review makes of the one held, given the tier that the period has earned and what it
    /// counted (section 5).
    pub(crate) fn review(&self, held: Option<Rank>, earned: Option<Rank>, counted: Quantity) -> Option<Rank> {
        let one_below = match self.on_miss {
            OnMiss::Recompute => None,
            OnMiss::OneStep => held.and_then(Rank::below),
        };
        earned.max(self.retained(held, counted)).max(one_below)
    }
}
