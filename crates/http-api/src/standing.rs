//! The form in which the API shows a standing: with tiers' names, amounts as decimal strings, and days in the program's
//! time zone.

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

/// A member's standing at an instant: the tier, until when, and what comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// The shop.
    #[schema(value_type = String)]
    pub shop: ShopId,
    /// The member, as asked for.
    #[schema(value_type = String)]
    pub member_id: MemberId,
    /// The member that this id stands for, if it was merged: the standing is that member's. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub merged_into: Option<MemberId>,
    /// The instant that was asked for. Later facts are ignored.
    #[schema(value_type = String, format = DateTime)]
    pub as_of: Instant,
    /// The program version that was applied: the one in force at `as_of`, unless another was named.
    pub version: u32,
    /// Whether the program is active; if not, no member has a tier.
    pub active: bool,
    /// The program's time zone, in which days begin.
    #[schema(examples("America/New_York"))]
    pub timezone: String,
    /// The program's currency.
    #[schema(examples("USD"))]
    pub currency: &'static str,
    /// The tier held, or null.
    pub tier: Option<Tier>,
    /// The start of the tier, held since then without a break.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Instant>,
    /// The instant from which the tier would be lower if nothing more happened; null if it would never be.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub valid_until: Option<Instant>,
    /// The last full day of the tier in the program's time zone, for display.
    #[schema(value_type = Option<String>, format = Date)]
    pub valid_through: Option<String>,
    /// The tier that `valid_until` would bring, or null.
    pub upcoming: Option<Tier>,
    /// The member's progress; null where tags decide.
    pub progress: Option<Progress>,
    /// The requirement for keeping the earned tier beyond its present end.
    pub requalify: Option<Requalify>,
    /// The perks of the tier held.
    pub perks: Vec<Perk>,
}

/// A tier, by id and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The id, which stays when the tier is renamed.
    pub id: String,
    /// The name.
    pub name: String,
}

/// A member's progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The metric: `points_earned`, `amount_spent` or `orders_placed`.
    #[schema(examples("amount_spent"))]
    pub metric: &'static str,
    /// The period: `lifetime`, `calendar_year`, `since_last_upgrade` or `rolling`.
    pub period: &'static str,
    /// The amount that counts.
    #[schema(pattern = r"^-?\d+(\.\d+)?$", examples("520.00"))]
    pub counted: String,
    /// The start of the window; null if it has none.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub from: Option<Instant>,
    /// The end of the window, exclusive; null if it has none.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Instant>,
    /// The next tier above the one held, or null at the top.
    pub next: Option<Next>,
}

/// The next tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Next {
    /// The tier.
    pub tier: Tier,
    /// The tier's threshold.
    pub threshold: String,
    /// The amount that is missing.
    pub remaining: String,
}

/// The requirement for keeping the earned tier beyond its present end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Requalify {
    /// The earned tier. An assignment may override it.
    pub tier: Option<Tier>,
    /// The tier's threshold.
    pub threshold: String,
    /// The amount that counts towards it so far.
    pub counted: String,
    /// The amount that is missing, at least 0.
    pub remaining: String,
    /// The deadline, exclusive.
    #[schema(value_type = String, format = DateTime)]
    pub by: Instant,
    /// The last day before the deadline, in the program's time zone.
    #[schema(value_type = Option<String>, format = Date)]
    pub through: Option<String>,
}

/// A perk of holding a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Perk {
    /// Points on the birthday, once a year.
    BirthdayPoints {
        /// The number of points.
        points: i64,
    },
    /// Earned points are multiplied. The shop applies the factor.
    PointsMultiplier {
        /// The factor.
        #[schema(examples("1.5"))]
        factor: String,
    },
    /// Free shipping.
    FreeShipping {},
    /// Early access.
    EarlyAccess {},
    /// Any other perk.
    Custom {
        /// The perk in words.
        text: String,
    },
}

/// Standings of many members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Standings {
    /// The members that were asked for, in the order of their ids.
    pub standings: Vec<OneOfMany>,
}

/// One of several members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OneOfMany {
    /// The member.
    #[schema(value_type = String)]
    pub member_id: MemberId,
    /// The member's standing; null if nothing is known of them.
    pub standing: Option<Standing>,
}

impl Standing {
    /// The standing that a member's ledger gives under a version at an instant.
    pub fn of(shop: &ShopId, member: &MemberId, version: &Version, ledger: &Ledger, as_of: Instant) -> Self {
        Self::told(shop, member, version, &evaluate(version, ledger, as_of), as_of)
    }

    /// The same, of an id that stands for another member.
    #[must_use]
    pub fn merged_into(self, merged_into: Option<MemberId>) -> Self {
        Self { merged_into, ..self }
    }

    /// A standing that was evaluated under that version at that instant.
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
            merged_into: None,
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
        Period::CalendarYear { .. } => "calendar_year",
        Period::MembershipYear { .. } => "membership_year",
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
