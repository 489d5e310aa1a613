//! The outgoing events, field by field. A published version never changes: what is different gets a new one, with a
//! schema and a golden file of its own.

use rules::calendar::{Day, Instant};
use rules::cause::Cause;
use rules::id::{MemberId, TierId};
use rules::record::Change;
use rules::version;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::gift::Reward;
use crate::shop::ShopId;

/// A member's tier changed, or was renewed.
pub const TIER_CHANGED: &str = "tier.changed.v1";
/// Entry rewards of a tier are due.
pub const REWARD_ISSUED: &str = "tier.reward_issued.v1";
/// Birthday points are due.
pub const BIRTHDAY_POINTS_DUE: &str = "tier.birthday_points_due.v1";
/// A version of a program was published.
pub const PROGRAM_PUBLISHED: &str = "program.published.v1";

/// A tier, for machines and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// Its id, which outlives renaming.
    pub id: TierId,
    /// Its name then.
    pub name: String,
}

/// `tier.changed.v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierChanged {
    /// The same however often it is sent.
    pub id: Uuid,
    /// The shop.
    pub shop: ShopId,
    /// Whose tier.
    pub member_id: MemberId,
    /// Counts a member's changes from 1, without gaps; events may come out of order.
    pub sequence: u32,
    /// How it changed.
    pub change: Change,
    /// By what.
    pub cause: Cause,
    /// The tier before, or none.
    pub before: Option<Tier>,
    /// The tier after, or none.
    pub after: Option<Tier>,
    /// When it took effect.
    pub effective_at: Instant,
    /// When the tier after ends if nothing more happens, exclusive; none if without end.
    pub valid_until: Option<Instant>,
    /// The program version that decided.
    pub program_version: u32,
    /// Whether the member should hear of it.
    pub notify: bool,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// Why, in a sentence or two.
    pub summary: String,
}

/// `tier.reward_issued.v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewardIssued {
    /// The same however often it is sent.
    pub id: Uuid,
    /// The shop.
    pub shop: ShopId,
    /// Whose rewards.
    pub member_id: MemberId,
    /// The change of tier that brought them.
    pub sequence: u32,
    /// The tier whose entry rewards they are.
    pub tier: Tier,
    /// What is due, as the program said then.
    pub rewards: Vec<Reward>,
    /// When the change took effect.
    pub effective_at: Instant,
    /// The program version that decided.
    pub program_version: u32,
    /// When it was recorded.
    pub recorded_at: Instant,
}

/// `tier.birthday_points_due.v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BirthdayPointsDue {
    /// The same however often it is sent.
    pub id: Uuid,
    /// The shop.
    pub shop: ShopId,
    /// Whose birthday.
    pub member_id: MemberId,
    /// The tier whose perk they are.
    pub tier: Tier,
    /// The day, where the program is.
    pub on: Day,
    /// How many points.
    pub points: i64,
    /// The program version that decided.
    pub program_version: u32,
    /// When it was recorded.
    pub recorded_at: Instant,
}

/// `program.published.v1`. Who published it is kept with the version, and not sent about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramPublished {
    /// The same however often it is sent.
    pub id: Uuid,
    /// The shop.
    pub shop: ShopId,
    /// The version's number.
    pub program_version: u32,
    /// From when it is in force. It may still be replaced or withdrawn until shortly before.
    pub effective_at: Instant,
    /// What the publisher said besides.
    pub options: Options,
    /// The version in place of which it was published, and which never takes effect; none as a rule.
    pub replaces: Option<u32>,
    /// When it was recorded.
    pub recorded_at: Instant,
}

/// What a publisher says about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Members who rise because of it get the entry rewards.
    pub rewards: bool,
    /// The change is announced to members.
    pub notify: bool,
    /// What happens to members who would drop; none means the default.
    pub demotions: Option<Demotions>,
    /// The tier list may change while the program is active.
    pub while_active: bool,
}

/// What happens to members whom a change would drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demotions {
    /// They drop at once.
    Apply,
    /// They keep their tier until it would have ended.
    Hold,
}

impl From<version::Options> for Options {
    fn from(options: version::Options) -> Self {
        let version::Options { rewards, notify, demotions, while_active } = options;
        let demotions = demotions.map(|demotions| match demotions {
            version::Demotions::Apply => Demotions::Apply,
            version::Demotions::Hold => Demotions::Hold,
        });
        Self { rewards, notify, demotions, while_active }
    }
}
