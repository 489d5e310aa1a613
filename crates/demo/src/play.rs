//! Plays the shop through the engine and stops at the instants that the report covers.

use std::collections::BTreeMap;

use rules::calendar::{Day, Instant, Zones};
use rules::id::{MemberId, TierId};
use rules::record::{Row, Transition};
use rules::replay::{Line, Replay};
use sample_shop::{Event, Sample, Setup};
use serde_json::Value;

use crate::DemoError;
use crate::counts::Counts;
use crate::files::Files;

const MS_PER_DAY: i64 = 86_400_000;

/// The finished play, with what was recorded on the way.
pub(crate) struct Played {
    pub setup: Setup,
    pub replay: Replay,
    /// The end of the play, which the report takes as now.
    pub as_of: Instant,
    pub counts: Counts,
    /// Each New Year after a year of the shop.
    pub new_years: Vec<Boundary>,
    /// The changes of rules.
    pub changes: Vec<Boundary>,
}

/// The tiers held just before an instant and at it, and what was recorded in between.
pub(crate) struct Boundary {
    pub at: Instant,
    pub before: Holders,
    pub after: Holders,
    pub recorded: Vec<(MemberId, Transition)>,
    /// The number of members for whom the change of rules recorded a hold.
    pub held: u64,
}

/// Every known member with the tier they hold, or none.
pub(crate) type Holders = BTreeMap<MemberId, Option<TierId>>;

/// The days that pass in the play.
pub fn days() -> u64 {
    day(Setup::end())
}

/// The day of an instant, counted from the first day of the play.
fn day(at: Instant) -> u64 {
    let days = at.millis() / MS_PER_DAY - i64::from(Day::new_year(*Setup::YEARS.start()).date().to_epoch_days());
    u64::try_from(days).unwrap_or_default()
}

/// Plays a shop. Every event goes in as a line of a file would; `files` receives the same lines.
pub(crate) fn play(
    setup: Setup,
    zones: &Zones,
    mut files: Option<&mut Files>,
    mut on_day: impl FnMut(u64),
) -> Result<Played, DemoError> {
    let as_of = Setup::end();
    let mut replay =
        Replay::start(&sample_shop::program(), zones).map_err(|error| DemoError::Shop(error.to_string()))?;
    let (mut counts, mut new_years, mut changes) = (Counts::default(), Vec::new(), Vec::new());
    let zone = replay.versions().last().program.timezone.clone();
    let mut midnights = Setup::YEARS.map(|year| zone.midnight(Day::new_year(year + 1))).peekable();
    let mut today = 0;
    for event in Sample::of(setup) {
        let arrives_at = event.arrives_at();
        if day(arrives_at) > today {
            today = day(arrives_at);
            on_day(today);
        }
        while let Some(at) = midnights.next_if(|at| *at < arrives_at) {
            new_years.push(pass(&mut replay, at, |replay| {
                replay.finish(at);
                Ok(())
            })?);
        }
        let line = event.to_json();
        if let Some(files) = files.as_deref_mut() {
            files.event(&line)?;
        }
        match &event {
            Event::Published { at, .. } => {
                changes.push(pass(&mut replay, *at, |replay| take(replay, &line, as_of).map(|_| ()))?);
            }
            Event::Fact(told) => {
                if let Line::Fact(taken) = take(&mut replay, &line, as_of)? {
                    counts.add(told, taken, &zone);
                }
            }
        }
    }
    replay.finish(as_of);
    Ok(Played { setup, replay, as_of, counts, new_years, changes })
}

fn take(replay: &mut Replay, line: &Value, as_of: Instant) -> Result<Line, DemoError> {
    replay.line(line, as_of).map_err(|error| DemoError::Shop(format!("{error} in {line}")))
}

/// Lets an instant pass, and returns what it changed.
fn pass(
    replay: &mut Replay,
    at: Instant,
    through: impl FnOnce(&mut Replay) -> Result<(), DemoError>,
) -> Result<Boundary, DemoError> {
    let just_before = at.plus_millis(-1);
    replay.finish(just_before);
    let before = holders(replay, just_before);
    let so_far: BTreeMap<MemberId, usize> =
        before.keys().map(|member| (member.clone(), replay.rows(member).len())).collect();
    through(replay)?;
    let mut boundary = Boundary { at, before, after: holders(replay, at), recorded: Vec::new(), held: 0 };
    for (member, rows) in so_far {
        for row in replay.rows(&member).iter().skip(rows) {
            match row {
                Row::Transition(made) => boundary.recorded.push((member.clone(), Transition::clone(made))),
                Row::Held(_) => boundary.held += 1,
                Row::Reward(_) | Row::Birthday(_) | Row::Correction(_) => {}
            }
        }
    }
    Ok(boundary)
}

/// The tiers held at an instant.
pub(crate) fn holders(replay: &Replay, at: Instant) -> Holders {
    let program = &replay.version_at(at).program;
    let held = |member: &MemberId| replay.standing(member, at).and_then(|now| program.tier_id(now.tier).cloned());
    replay.members().into_iter().map(|member| (member.clone(), held(member))).collect()
}
