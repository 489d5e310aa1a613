//! The outgoing events, made from the rows that were recorded.
//!
//! There is one event for each change of tier, correction of its end, entry reward, birthday and notice. A hold is not announced, because
//! nothing changed for the member. There is also one event for each published version of a program, which names no
//! person.
//!
//! An event follows from its row alone, including its id. If it is sent twice, both have the same id, and the receiver
//! can tell. Amounts are decimal texts, points are whole numbers as in facts, instants are RFC 3339 in UTC.

mod event;
mod gift;
mod notice_event;

pub use event::{
    BIRTHDAY_POINTS_DUE, BirthdayPointsDue, Demotions, Options, PROGRAM_PUBLISHED, ProgramPublished, REWARD_ISSUED,
    RewardIssued, TIER_CHANGED, TIER_VALIDITY_CHANGED, Tier, TierChanged, TierValidityChanged,
};
pub use gift::{Gift, Reward};
pub use notice_event::{EXPIRING, Expiring, Requalify, WITHIN_REACH, WithinReach, notice_event};

use rules::calendar::Instant;
use rules::id::{MemberId, TierId};
use rules::prose::{correction_summary, summary};
use rules::record::{BirthdayDue, Correction, RewardDue, Transition};
use rules::version::{Version, Versions};
use serde_json::json;
use uuid::Uuid;

use crate::shop::ShopId;

/// The namespace from which all ids of announcements are derived. Never change it.
const ANNOUNCEMENTS: Uuid = Uuid::from_u128(0x6a3f_6c1e_52d5_4c39_9f0e_7d1c_84b6_20a7);

/// The shop and member that a row is about, and when it was recorded.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The shop.
    pub shop: &'a ShopId,
    /// Its member.
    pub member: &'a MemberId,
    /// All versions of the shop's program: those that decided, and those whose tiers were removed since.
    pub versions: &'a Versions,
    /// When it was recorded: now.
    pub recorded_at: Instant,
}

/// An event to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Its id: always the same for the same row.
    pub id: Uuid,
    /// Its name and version, such as `tier.changed.v1`.
    pub kind: &'static str,
    /// When the change that it announces took effect.
    pub at: Instant,
    /// The body, as JSON.
    pub detail: String,
}

/// Announces a change of tier.
pub fn tier_changed(about: About<'_>, made: &Transition) -> Announcement {
    let version = decided(about, made.version);
    let id = id(about, TIER_CHANGED, &[&made.seq.to_string()]);
    let event = TierChanged {
        id,
        shop: about.shop.clone(),
        member_id: about.member.clone(),
        sequence: made.seq,
        change: made.kind,
        cause: made.cause,
        before: made.from.as_ref().map(|id| tier(about, version, id)),
        after: made.to.as_ref().map(|id| tier(about, version, id)),
        effective_at: made.at,
        valid_until: made.valid_until,
        program_version: made.version,
        notify: made.notify,
        recorded_at: about.recorded_at,
        summary: summary(version, made),
    };
    Announcement { id, kind: TIER_CHANGED, at: made.at, detail: json!(event).to_string() }
}

/// Announces that the end of a tier moved.
pub fn validity_changed(about: About<'_>, made: &Correction) -> Announcement {
    let version = decided(about, made.version);
    let id = id(about, TIER_VALIDITY_CHANGED, &[&made.number.to_string()]);
    let (valid_until_before, valid_until) = made.valid_until;
    let event = TierValidityChanged {
        id,
        shop: about.shop.clone(),
        member_id: about.member.clone(),
        correction: made.number,
        cause: made.cause,
        tier: tier(about, version, &made.tier),
        valid_until_before,
        valid_until,
        effective_at: made.at,
        program_version: made.version,
        notify: made.notify,
        recorded_at: about.recorded_at,
        summary: correction_summary(version, made),
    };
    Announcement { id, kind: TIER_VALIDITY_CHANGED, at: made.at, detail: json!(event).to_string() }
}

/// Announces the entry rewards of a tier.
pub fn reward_issued(about: About<'_>, due: &RewardDue) -> Announcement {
    let program = &decided(about, due.version).program;
    let id = id(about, REWARD_ISSUED, &[&due.transition.to_string(), due.tier.as_str()]);
    let rewards = program.rank(&due.tier).and_then(|rank| program.tier(rank)).map(|tier| &*tier.entry_rewards);
    let event = RewardIssued {
        id,
        shop: about.shop.clone(),
        member_id: about.member.clone(),
        sequence: due.transition,
        tier: tier(about, decided(about, due.version), &due.tier),
        rewards: rewards.unwrap_or_default().iter().map(Reward::from).collect(),
        effective_at: due.at,
        program_version: due.version,
        recorded_at: about.recorded_at,
    };
    Announcement { id, kind: REWARD_ISSUED, at: due.at, detail: json!(event).to_string() }
}

/// Announces birthday points.
pub fn birthday_points_due(about: About<'_>, due: &BirthdayDue) -> Announcement {
    let version = decided(about, due.version);
    let id = id(about, BIRTHDAY_POINTS_DUE, &[&due.on.year().to_string()]);
    let event = BirthdayPointsDue {
        id,
        shop: about.shop.clone(),
        member_id: about.member.clone(),
        tier: tier(about, version, &due.tier),
        on: due.on,
        points: due.points.get(),
        program_version: due.version,
        recorded_at: about.recorded_at,
    };
    let at = version.program.timezone.midnight(due.on);
    Announcement { id, kind: BIRTHDAY_POINTS_DUE, at, detail: json!(event).to_string() }
}

/// Announces a version of a program. `replaces` is the number of the version that it was published in place of, which
/// never takes effect.
pub fn program_published(
    shop: &ShopId,
    version: &Version,
    replaces: Option<u32>,
    recorded_at: Instant,
) -> Announcement {
    let number = version.number.to_string();
    publication(shop, version, replaces, recorded_at, &[shop.as_str(), PROGRAM_PUBLISHED, &number])
}

/// Announces a version that a clock that was ahead had published and that is now brought forward. Its event has another
/// id, because the first event named another instant.
pub fn program_brought_forward(shop: &ShopId, version: &Version, recorded_at: Instant) -> Announcement {
    let (number, from) = (version.number.to_string(), version.effective_at.to_string());
    publication(shop, version, None, recorded_at, &[shop.as_str(), PROGRAM_PUBLISHED, &number, &from])
}

fn publication(
    shop: &ShopId,
    version: &Version,
    replaces: Option<u32>,
    recorded_at: Instant,
    of: &[&str],
) -> Announcement {
    let id = named(of);
    let event = ProgramPublished {
        id,
        shop: shop.clone(),
        program_version: version.number,
        effective_at: version.effective_at,
        options: version.options.into(),
        replaces,
        recorded_at,
    };
    Announcement { id, kind: PROGRAM_PUBLISHED, at: version.effective_at, detail: json!(event).to_string() }
}

/// The version that decided. Rows come from these versions, so it is found.
fn decided(about: About<'_>, number: u32) -> &Version {
    about.versions.numbered(number).unwrap_or(about.versions.last())
}

/// A tier with its name. A tier that the version removed has its last name.
fn tier(about: About<'_>, version: &Version, id: &TierId) -> Tier {
    let until_then = about.versions.iter().rev().filter(|other| other.number <= version.number);
    let named = until_then.filter_map(|version| version.program.tier(version.program.rank(id)?)).next();
    Tier { id: id.clone(), name: named.map_or(id.as_str(), |tier| &tier.name).to_owned() }
}

/// An id that is always the same for the same row. No part contains a control character.
fn id(about: About<'_>, kind: &str, parts: &[&str]) -> Uuid {
    named(&[&[about.shop.as_str(), kind, about.member.as_str()], parts].concat())
}

fn named(parts: &[&str]) -> Uuid {
    Uuid::new_v5(&ANNOUNCEMENTS, parts.join("\n").as_bytes())
}
