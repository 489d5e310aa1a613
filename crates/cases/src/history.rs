//! Standings and history as JSON, as section 9 of the semantics gives them: amounts as decimal strings, instants in UTC.

use rules::calendar::Instant;
use rules::id::{MemberId, TierId};
use rules::quantity::Quantity;
use rules::record::{BirthdayDue, Correction, RewardDue, Row, Transition};
use rules::replay::Replay;
use rules::standing::Standing;
use rules::version::Version;
use serde_json::{Map, Value, json};

/// The document that `replay` prints: all standings at an instant, and everything recorded up to it.
pub fn replayed(replay: &Replay, as_of: Instant) -> Value {
    let mut standings = Map::new();
    let mut recorded = Recorded::default();
    for member in replay.members() {
        standings.insert(member.to_string(), member_standing(replay, member, as_of));
        recorded.add(replay, member);
    }
    let Recorded { transitions, rewards, birthdays, corrections } = recorded;
    json!({ "standings": standings, "transitions": transitions, "rewards": rewards, "birthdays": birthdays,
            "corrections": corrections })
}

/// The recorded rows, as lists of JSON objects.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recorded {
    /// The changes of tiers.
    pub transitions: Vec<Value>,
    /// The entry rewards due.
    pub rewards: Vec<Value>,
    /// The birthday points due.
    pub birthdays: Vec<Value>,
    /// The corrections of the ends of tiers.
    pub corrections: Vec<Value>,
}

impl Recorded {
    /// The rows recorded about one member.
    pub fn about(replay: &Replay, member: &MemberId) -> Self {
        let mut recorded = Self::default();
        recorded.add(replay, member);
        recorded
    }

    fn add(&mut self, replay: &Replay, member: &MemberId) {
        for row in replay.rows(member) {
            match row {
                Row::Transition(made) => self.transitions.push(transition(member, made)),
                Row::Reward(due) => self.rewards.push(reward(member, due)),
                Row::Birthday(due) => self.birthdays.push(birthday(member, due)),
                Row::Correction(made) => self.corrections.push(correction(member, made)),
                Row::Held(_) => {}
            }
        }
    }
}

/// A member's standing; all nulls for a member who was erased. That of a merged id names the member it stands for.
pub fn member_standing(replay: &Replay, member: &MemberId, as_of: Instant) -> Value {
    match replay.standing(member, as_of) {
        Some(found) => {
            let mut told = standing(replay.version_at(as_of), &found);
            if let (Some(into), Some(fields)) = (replay.merged_into(member), told.as_object_mut()) {
                fields.insert("merged_into".to_owned(), json!(into));
            }
            told
        }
        None => json!({ "active": null, "tier": null, "since": null, "valid_until": null, "upcoming": null,
                        "counted": null, "window": null, "next_tier": null, "remaining": null, "requalify": null }),
    }
}

/// A standing under the version that gave it.
pub fn standing(version: &Version, standing: &Standing) -> Value {
    let program = &version.program;
    let tier = |rank| program.tier_id(rank).map(TierId::as_str);
    let amount = |quantity: Quantity| quantity.with_decimals(program.decimals());
    let progress = standing.progress.as_ref();
    let next = progress.and_then(|progress| progress.next);
    let requalify = standing.requalify.map(|requalify| {
        json!({ "threshold": amount(requalify.threshold), "counted": amount(requalify.counted),
                "remaining": amount(requalify.remaining), "by": requalify.by })
    });
    json!({
        "active": standing.active,
        "tier": tier(standing.tier),
        "since": standing.since,
        "valid_until": standing.valid_until,
        "upcoming": tier(standing.upcoming),
        "counted": progress.map(|progress| amount(progress.counted)),
        "window": progress.map(|progress| progress.window),
        "next_tier": tier(next.map(|(rank, _)| rank)),
        "remaining": next.map(|(_, remaining)| amount(remaining)),
        "requalify": requalify,
    })
}

fn transition(member: &MemberId, made: &Transition) -> Value {
    json!({ "member_id": member, "seq": made.seq, "kind": made.kind, "from": made.from, "to": made.to, "at": made.at,
            "cause": made.cause, "version": made.version, "notify": made.notify })
}

fn reward(member: &MemberId, due: &RewardDue) -> Value {
    json!({ "member_id": member, "tier": due.tier, "transition": due.transition })
}

fn correction(member: &MemberId, made: &Correction) -> Value {
    let (from, to) = made.valid_until;
    json!({ "member_id": member, "tier": made.tier, "at": made.at, "cause": made.cause,
            "valid_until": { "from": from, "to": to } })
}

fn birthday(member: &MemberId, due: &BirthdayDue) -> Value {
    json!({ "member_id": member, "tier": due.tier, "on": due.on, "points": due.points.get().to_string() })
}
