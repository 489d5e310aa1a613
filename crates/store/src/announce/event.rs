//! The outgoing events, field by field. A published version of an event never changes: a different event gets a new
//! version, with a schema and a golden file of its own.

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
/// The end of the tier held moved, although the tier stays.
pub const TIER_VALIDITY_CHANGED: &str = "tier.validity_changed.v1";
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
    /// The event's id, the same however often it is sent.
    pub id: Uuid,
    /// The shop.
    pub shop: ShopId,
    /// The member whose tier changed.
    pub member_id: MemberId,
    /// Counts a member's changes from 1, without gaps; events may come out of order.
    pub sequence: u32,
    /// The kind of change.
    pub change: Change,
    /// The cause of the change.
    pub cause: Cause,
    /// The tier before, or none.
    pub before: Option<Tier>,
    /// The tier after, or none.
    pub after: Option<Tier>,
    /// When it took effect.
    pub effective_at: Instant,
    /// When the tier after ends if nothing more happens, exclusive; none if it has no end.
    pub valid_until: Option<Instant>,
    /// The program version that decided.
    pub program_version: u32,
    /// Whether the member should be notified.
    pub notify: bool,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// The reason, in a sentence or two.
    pub summary: String,
}

/// `tier.validity_changed.v1`: a correction of what an earlier event said, where years count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierValidityChanged {
    /// The event's id, the same however often it is sent.
    pub id: Uuid,
    /// The shop.
    pub shop: ShopId,
    /// The member who holds the tier.
    pub member_id: MemberId,
    /// Counts a member's corrections from 1, without gaps; events may come out of order.
    pub correction: u32,
    /// The cause of the fact that moved the end.
    pub cause: Cause,
    /// The tier held, before and after.
    pub tier: Tier,
    /// When the tier ended before, exclusive; none if it had no end.
    pub valid_until_before: Option<Instant>,
    /// When the tier ends now if nothing more happens, exclusive; none if it has no end.
    pub valid_until: Option<Instant>,
    /// When the fact arrived.
    pub effective_at: Instant,
    /// The program version that decided.
    pub program_version: u32,
    /// Whether the member should be notified.
    pub notify: bool,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// The reason, in a sentence.
    pub summary: String,
}

/// `tier.reward_issued.v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewardIssued {
    /// The event's id, the same however often it is sent.
    pub id: Uuid,
    /// The shop.
    pub shop: ShopId,
    /// The member who gets the rewards.
    pub member_id: MemberId,
    /// The change of tier that brought them.
    pub sequence: u32,
    /// The tier whose entry rewards they are.
    pub tier: Tier,
    /// The rewards due, as the program had them then.
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
    /// The event's id, the same however often it is sent.
    pub id: Uuid,
    /// The shop.
    pub shop: ShopId,
    /// The member whose birthday it is.
    pub member_id: MemberId,
    /// The tier whose perk the points are.
    pub tier: Tier,
    /// The day, in the program's time zone.
    pub on: Day,
    /// The number of points.
    pub points: i64,
    /// The program version that decided.
    pub program_version: u32,
    /// When it was recorded.
    pub recorded_at: Instant,
}

/// `program.published.v1`. The publisher is kept with the version, and not in the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramPublished {
    /// The event's id, the same however often it is sent.
    pub id: Uuid,
    /// The shop.
    pub shop: ShopId,
    /// The version's number.
    pub program_version: u32,
    /// The instant from which it is in force. It may still be replaced or withdrawn until shortly before.
    pub effective_at: Instant,
    /// The options that the publisher gave.
    pub options: Options,
    /// The version that it was published in place of, and which never takes effect; usually none.
    pub replaces: Option<u32>,
    /// When it was recorded.
    pub recorded_at: Instant,
}

/// The options that a publisher gives with a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Members who are upgraded because of it get the entry rewards.
    pub rewards: bool,
    /// The change is announced to members.
    pub notify: bool,
    /// The treatment of members who would be downgraded; none means the default.
    pub demotions: Option<Demotions>,
    /// The tier list may change while the program is active.
    pub while_active: bool,
    /// A year program starts no earlier than the current year; false if it starts where its start date says. Left out if true.
    #[serde(default = "clamped", skip_serializing_if = "is_clamped")]
    pub clamp: bool,
}

fn clamped() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_clamped(clamp: &bool) -> bool {
    *clamp
}

/// The treatment of members whom a new version would downgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demotions {
    /// They are downgraded at once.
    Apply,
    /// They keep their tier until it would have ended.
    Hold,
}

impl From<version::Options> for Options {
    fn from(options: version::Options) -> Self {
        let version::Options { rewards, notify, demotions, while_active, unclamped } = options;
        let demotions = demotions.map(|demotions| match demotions {
            version::Demotions::Apply => Demotions::Apply,
            version::Demotions::Hold => Demotions::Hold,
        });
        Self { rewards, notify, demotions, while_active, clamp: !unclamped }
    }
}
