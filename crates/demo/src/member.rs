//! One member's story: a New Year took a tier from them, and a late order restored it.

use rules::calendar::{Day, Instant};
use rules::cause::Cause;
use rules::id::MemberId;
use rules::prose::{Lists, history, prose};
use rules::record::{Change, Row, Transition};
use rules::replay::Replay;
use serde::Serialize;
use serde_json::Value;

use crate::counts::LateOrder;
use crate::play::{Boundary, Played};

/// A story with about this many facts can be read at a glance.
const FACTS_WANTED: usize = 9;

/// The explanation of one member's standing.
#[derive(Debug, Serialize)]
pub(crate) struct Story {
    pub member_id: MemberId,
    /// The instant at which the member lost the tier.
    pub fell_at: Option<Instant>,
    pub fell_on: Option<Day>,
    /// The late order that restored the tier.
    pub restored_by: Option<LateOrder>,
    pub standing: Value,
    /// The explanation, a sentence per line; items of lists are indented.
    pub explanation: Vec<String>,
    /// The recorded rows, a sentence per row.
    pub history: Vec<String>,
}

/// Chooses a member and explains their standing. The first choice is a member who fell at the last New Year and was
/// restored by a late order, the second a member who fell, the last any member. The same shop always has the same story.
pub(crate) fn story(played: &Played) -> Option<Story> {
    let restored = played.new_years.iter().rev().flat_map(|boundary| restored(played, boundary));
    let fell = played.new_years.iter().rev().flat_map(fell).map(|(member, at)| (member, at, None));
    let any_member = played.replay.members().into_iter().next().cloned();
    let (member_id, fell_at, restored_by) =
        best(played, restored).or_else(|| best(played, fell)).or_else(|| Some((any_member?, None, None)))?;
    let (explanation, history) = told(&played.replay, &member_id, played.as_of);
    let standing = cases::history::member_standing(&played.replay, &member_id, played.as_of);
    let zone = &played.replay.version_at(played.as_of).program.timezone;
    let fell_on = fell_at.map(|at| zone.day(at));
    Some(Story { member_id, fell_at, fell_on, restored_by, standing, explanation, history })
}

type Candidate = (MemberId, Option<Instant>, Option<LateOrder>);

/// The candidate of the latest New Year that has any, with the number of facts closest to [`FACTS_WANTED`].
fn best(played: &Played, candidates: impl Iterator<Item = Candidate>) -> Option<Candidate> {
    let facts = |member: &MemberId| played.replay.index().ledger(member).map_or(0, rules::ledger::Ledger::len);
    candidates.min_by_key(|(member, at, _)| {
        let later = at.map_or(0, |at| -at.millis());
        (later, facts(member).abs_diff(FACTS_WANTED), member.clone())
    })
}

/// The members who lost a tier at a midnight.
fn fell(boundary: &Boundary) -> impl Iterator<Item = (MemberId, Option<Instant>)> {
    fallen(boundary).map(|(member, _)| (member.clone(), Some(boundary.at)))
}

/// The members who fell at a midnight and had the tier back once an order of the old year had arrived.
fn restored<'a>(played: &'a Played, boundary: &'a Boundary) -> impl Iterator<Item = Candidate> + 'a {
    let late = |member: &MemberId| {
        let of =
            |late: &&LateOrder| late.member == *member && late.paid_at < boundary.at && boundary.at < late.arrived_at;
        played.counts.late_orders.iter().find(of).cloned()
    };
    fallen(boundary)
        .filter(|(member, fall)| is_restored(&played.replay, member, fall))
        .filter_map(move |(member, _)| late(member).map(|late| (member.clone(), Some(boundary.at), Some(late))))
}

/// The downward transitions at a midnight.
pub(crate) fn fallen(boundary: &Boundary) -> impl Iterator<Item = (&MemberId, &Transition)> {
    let down = |made: &Transition| matches!(made.kind, Change::Downgraded | Change::Left);
    let recorded = boundary.recorded.iter().map(|(member, made)| (member, made));
    recorded.filter(move |(_, made)| down(made) && made.cause == Cause::PeriodEnd)
}

/// Whether an activity that arrived later gave the member back the lost tier, from the same instant on.
pub(crate) fn is_restored(replay: &Replay, member: &MemberId, fall: &Transition) -> bool {
    replay.rows(member).iter().any(|row| match row {
        Row::Transition(made) => {
            let later = made.seq > fall.seq && made.at == fall.at;
            later && made.to == fall.from && made.cause == Cause::Activity
        }
        Row::Reward(_) | Row::Birthday(_) | Row::Correction(_) | Row::Held(_) => false,
    })
}

/// The standing in sentences, and the recorded history.
fn told(replay: &Replay, member: &MemberId, as_of: Instant) -> (Vec<String>, Vec<String>) {
    let version = replay.version_at(as_of);
    let found = replay.standing(member, as_of).zip(replay.explain(member, as_of));
    let explanation = found.map(|(standing, found)| prose(version, &standing, &found, Lists::Short));
    (explanation.unwrap_or_default(), history(version, replay.rows(member)))
}
