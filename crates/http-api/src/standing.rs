//! A standing as it is told: with tiers' names, amounts as decimal strings, and days in the program's time zone.

use rules::calendar::{Instant, Span, Zone};
use rules::id::MemberId;
use rules::ledger::Ledger;
use rules::program::{Counted, Metric, Milestone, Period, Perk as RulesPerk, Program, Rank};
use rules::quantity::Quantity;
use rules::standing::evaluate;
use rules::version::Version;
use serde::Serialize;
use store::shop::ShopId;
use utoipa::ToSchema;

/// Where a member stands at an instant, until when, and what comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// The shop.
    #[schema(value_type = String)]
    pub shop: ShopId,
    /// The member.
    #[schema(value_type = String)]
    pub member_id: MemberId,
    /// The instant that was asked for. Facts later than it are not seen.
    #[schema(value_type = String, format = DateTime)]
    pub as_of: Instant,
    /// The program version that decides: the one in force then, unless another was named.
    pub version: u32,
    /// Whether the program is active; if not, nobody has a tier.
    pub active: bool,
    /// The program's time zone, in which days begin.
    #[schema(examples("America/New_York"))]
    pub timezone: String,
    /// The program's currency.
    #[schema(examples("USD"))]
    pub currency: &'static str,
    /// The tier held, or null.
    pub tier: Option<Tier>,
    /// Since when, without a break.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Instant>,
    /// The instant from which the tier would be lower if nothing more happened; null if never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub valid_until: Option<Instant>,
    /// The last full day of the tier in the program's time zone: what people are shown.
    #[schema(value_type = Option<String>, format = Date)]
    pub valid_through: Option<String>,
    /// The tier that `valid_until` would bring, or null.
    pub upcoming: Option<Tier>,
    /// How far the member is; null where tags decide.
    pub progress: Option<Progress>,
    /// What keeps the earned tier beyond its present end.
    pub requalify: Option<Requalify>,
    /// What holding the tier brings.
    pub perks: Vec<Perk>,
}

/// A tier, for machines and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its id, which outlives renaming.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// How far a member is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// What is counted: `points_earned`, `amount_spent` or `orders_placed`.
    #[schema(examples("amount_spent"))]
    pub metric: &'static str,
    /// How long it counts: `lifetime`, `calendar_year`, `since_last_upgrade` or `rolling`.
    pub period: &'static str,
    /// How much counts.
    #[schema(pattern = r"^-?\d+(\.\d+)?$", examples("520.00"))]
    pub counted: String,
    /// From when on it counts; null if from the beginning.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Instant>,
    /// Until when, exclusive; null if without end.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Instant>,
    /// The next tier above the one held, or null at the top.
    pub next: Option<Next>,
}

/// The next tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Next {
    /// Which.
    pub tier: Tier,
    /// What it takes.
    pub threshold: String,
    /// What is missing.
    pub remaining: String,
}

/// What keeps the earned tier beyond its present end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Requalify {
    /// The tier earned, which an assignment may lie over.
    pub tier: Option<Tier>,
    /// What the tier asks for.
    pub threshold: String,
    /// What counts towards it so far.
    pub counted: String,
    /// What is missing, at least 0.
    pub remaining: String,
    /// By when, exclusive.
    #[schema(value_type = String, format = DateTime)]
    pub by: Instant,
    /// The last day for it in the program's time zone.
    #[schema(value_type = Option<String>, format = Date)]
    pub through: Option<String>,
}

/// What holding a tier brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Perk {
    /// Points on the birthday, once a year.
    BirthdayPoints {
        /// How many.
        points: i64,
    },
    /// Points earned are worth more: for the shop to apply.
    PointsMultiplier {
        /// By how much.
        #[schema(examples("1.5"))]
        factor: String,
    },
    /// No shipping to pay.
    FreeShipping {},
    /// First to buy.
    EarlyAccess {},
    /// Anything else.
    Custom {
        /// In words.
        text: String,
    },
}

/// Standings of many members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Standings {
    /// Of each member asked for, in order of their ids.
    pub standings: Vec<OneOfMany>,
}

/// A member among several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OneOfMany {
    /// The member.
    #[schema(value_type = String)]
    pub member_id: MemberId,
    /// Where they stand; null if nothing is known of them.
    pub standing: Option<Standing>,
}

impl Standing {
    /// Of a member's facts, under a version at an instant.
    pub fn of(shop: &ShopId, member: &MemberId, version: &Version, ledger: &Ledger, as_of: Instant) -> Self {
        Self::told(shop, member, version, &evaluate(version, ledger, as_of), as_of)
    }

    /// Of a standing of that version and instant.
    pub fn told(
        shop: &ShopId,
        member: &MemberId,
        version: &Version,
        standing: &rules::standing::Standing,
        as_of: Instant,
    ) -> Self {
        let program = &version.program;
        let zone = &program.timezone;
        let amount = |quantity: Quantity| quantity.with_decimals(program.decimals());
        let requalify = standing.requalify.map(|requalify| Requalify {
            tier: tier(program, Some(requalify.tier)),
            threshold: amount(requalify.threshold),
            counted: amount(requalify.counted),
            remaining: amount(requalify.remaining),
            by: requalify.by,
            through: last_day(zone, requalify.by),
        });
        let perks = standing.tier.and_then(|rank| program.tier(rank)).map_or(&[][..], |tier| &tier.perks);
        Self {
            shop: shop.clone(),
            member_id: member.clone(),
            as_of,
            version: version.number,
            active: standing.active,
            timezone: zone.name().to_owned(),
            currency: program.currency.code(),
            tier: tier(program, standing.tier),
            since: standing.since,
            valid_until: standing.valid_until,
            valid_through: standing.valid_until.and_then(|until| last_day(zone, until)),
            upcoming: tier(program, standing.upcoming),
            progress: progress(program, standing),
            requalify,
            perks: perks.iter().map(Perk::from).collect(),
        }
    }
}

fn last_day(zone: &Zone, until: Instant) -> Option<String> {
    zone.last_day_before(until).map(|day| day.date().to_string())
}

fn tier(program: &Program, rank: Option<Rank>) -> Option<Tier> {
    let found = rank.and_then(|rank| program.tier(rank));
    found.map(|tier| Tier { id: tier.id.to_string(), name: tier.name.clone() })
}

fn progress(program: &Program, standing: &rules::standing::Standing) -> Option<Progress> {
    let Milestone::Counted(milestone) = &program.milestone else { return None };
    let Counted { metric, period, .. } = milestone;
    let rules::standing::Progress { counted, window, next } = standing.progress?;
    let amount = |quantity: Quantity| quantity.with_decimals(program.decimals());
    let next = next.and_then(|(rank, remaining)| {
        let (threshold, remaining) = (amount(milestone.threshold(rank)), amount(remaining));
        Some(Next { tier: tier(program, Some(rank))?, threshold, remaining })
    });
    let (metric, period) = (metric_word(*metric), period_word(*period));
    Some(Progress { metric, period, counted: amount(counted), from: window.from, until: window.until, next })
}

fn metric_word(metric: Metric) -> &'static str {
    match metric {
        Metric::PointsEarned => "points_earned",
        Metric::AmountSpent => "amount_spent",
        Metric::OrdersPlaced => "orders_placed",
    }
}

fn period_word(period: Period) -> &'static str {
    match period {
        Period::Lifetime => "lifetime",
        Period::CalendarYear => "calendar_year",
        Period::SinceLastUpgrade(Span::Days(_) | Span::Months(_)) => "since_last_upgrade",
        Period::Rolling(Span::Days(_) | Span::Months(_)) => "rolling",
    }
}

impl From<&RulesPerk> for Perk {
    fn from(perk: &RulesPerk) -> Self {
        match perk {
            RulesPerk::BirthdayPoints(points) => Self::BirthdayPoints { points: points.get() },
            RulesPerk::PointsMultiplier(factor) => Self::PointsMultiplier { factor: factor.to_string() },
            RulesPerk::FreeShipping => Self::FreeShipping {},
            RulesPerk::EarlyAccess => Self::EarlyAccess {},
            RulesPerk::Custom(text) => Self::Custom { text: text.clone() },
        }
    }
}
