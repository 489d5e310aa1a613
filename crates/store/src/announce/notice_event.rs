//! Notices as events: a tier is expiring, or a tier is within reach.

use rules::calendar::{Day, Instant};
use rules::id::MemberId;
use rules::notice::{self, Notice};
use rules::program::{Metric, Milestone, Program};
use rules::prose;
use rules::quantity::Quantity;
use rules::version::Version;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{About, Announcement, Tier, id, tier};
use crate::shop::ShopId;

/// A tier ends if nothing more happens.
pub const EXPIRING: &str = "tier.expiring.v1";
/// The member is close to the next tier.
pub const WITHIN_REACH: &str = "tier.within_reach.v1";

/// `tier.expiring.v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiring {
    /// The event's id, the same however often it is sent.
    pub id: Uuid,
    /// The shop.
    pub shop: ShopId,
    /// The member whose tier it is.
    pub member_id: MemberId,
    /// The tier held.
    pub tier: Tier,
    /// The tier that its end would bring, or none.
    pub upcoming: Option<Tier>,
    /// The end, exclusive, for machines.
    pub valid_until: Instant,
    /// The last full day in the program's time zone, for people. None if the end is within a day.
    pub valid_through: Option<Day>,
    /// The number of days within which it ends, at most.
    pub days: u16,
    /// The requirement for keeping it; none if nothing that the member does can keep it.
    pub requalify: Option<Requalify>,
    /// The program version that decided.
    pub program_version: u32,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// The notice in a sentence or two.
    pub summary: String,
}

/// The requirement for keeping a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requalify {
    /// The unit of the numbers: a currency, `points` or `orders`.
    pub unit: String,
    /// The tier's threshold.
    pub threshold: String,
    /// The quantity that counts towards it so far.
    pub counted: String,
    /// The quantity that is missing.
    pub remaining: String,
    /// The deadline, exclusive.
    pub by: Instant,
}

/// `tier.within_reach.v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithinReach {
    /// The event's id, the same however often it is sent.
    pub id: Uuid,
    /// The shop.
    pub shop: ShopId,
    /// The member who is near the next tier.
    pub member_id: MemberId,
    /// The tier held, or none.
    pub tier: Option<Tier>,
    /// The next tier.
    pub next: Tier,
    /// The unit of the numbers: a currency, `points` or `orders`.
    pub unit: String,
    /// The next tier's threshold.
    pub threshold: String,
    /// The quantity that counts so far.
    pub counted: String,
    /// The quantity that is missing.
    pub remaining: String,
    /// The deadline, exclusive; none if the counter does not start again.
    pub by: Option<Instant>,
    /// The program version that decided.
    pub program_version: u32,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// The notice in a sentence or two.
    pub summary: String,
}

/// Announces a notice that `version` yields at `at`.
pub fn notice_event(about: About<'_>, version: &Version, notice: &Notice, at: Instant) -> Announcement {
    let (kind, summary) = (kind(notice), prose::notice(version, notice));
    let id = id(about, kind, &[&notice.key()]);
    let named = |id| tier(about, version, id);
    let program = &version.program;
    let (shop, member_id) = (about.shop.clone(), about.member.clone());
    let (program_version, recorded_at) = (version.number, about.recorded_at);
    let event = match notice {
        Notice::Expiring(notice::Expiring { tier, upcoming, valid_until, days, requalify }) => json!(Expiring {
            id,
            shop,
            member_id,
            tier: named(tier),
            upcoming: upcoming.as_ref().map(named),
            valid_until: *valid_until,
            valid_through: program.timezone.last_day_before(*valid_until),
            days: *days,
            requalify: requalify.map(|what| requalify_of(program, &what)),
            program_version,
            recorded_at,
            summary,
        }),
        Notice::WithinReach(notice::WithinReach { tier, next, threshold, counted, remaining, by, period: _ }) => {
            json!(WithinReach {
                id,
                shop,
                member_id,
                tier: tier.as_ref().map(named),
                next: named(next),
                unit: unit(program),
                threshold: number(program, *threshold),
                counted: number(program, *counted),
                remaining: number(program, *remaining),
                by: *by,
                program_version,
                recorded_at,
                summary,
            })
        }
    };
    Announcement { id, kind, at, detail: event.to_string() }
}

fn kind(notice: &Notice) -> &'static str {
    match notice {
        Notice::Expiring(_) => EXPIRING,
        Notice::WithinReach(_) => WITHIN_REACH,
    }
}

fn requalify_of(program: &Program, what: &rules::Requalify) -> Requalify {
    let rules::Requalify { tier: _, threshold, counted, remaining, by } = *what;
    Requalify {
        unit: unit(program),
        threshold: number(program, threshold),
        counted: number(program, counted),
        remaining: number(program, remaining),
        by,
    }
}

fn number(program: &Program, quantity: Quantity) -> String {
    quantity.with_decimals(program.decimals())
}

/// The unit of a program's numbers. Tags count nothing, and yield no notice that would name a unit.
fn unit(program: &Program) -> String {
    match &program.milestone {
        Milestone::Tags(_) => "tags",
        Milestone::Counted(counted) => match counted.metric {
            Metric::PointsEarned => "points",
            Metric::OrdersPlaced => "orders",
            Metric::AmountSpent => program.currency.code(),
        },
    }
    .to_owned()
}
