//! The numbers of the report, all read from the finished play.

use std::collections::BTreeMap;

use rules::calendar::{Day, Instant};
use rules::cause::Cause;
use rules::id::TierId;
use rules::program::{Milestone, Program, Tier};
use rules::record::{Change, Row};
use serde::Serialize;

use crate::counts::Counts;
use crate::member::{self, Story};
use crate::play::{Boundary, Holders, Played, holders};
use crate::text::money;

/// Everything that the page shows.
#[derive(Debug, Serialize)]
pub struct Report {
    pub(crate) seed: u64,
    /// The number of customers in the setup.
    pub(crate) customers_asked: u32,
    pub(crate) program: String,
    pub(crate) from: Day,
    pub(crate) as_of: Instant,
    /// The last day of the play.
    pub(crate) through: Day,
    /// The number of members who were ever named.
    pub(crate) customers: u64,
    pub(crate) events: Counts,
    /// The tiers of the last version, lowest first.
    pub(crate) tiers: Vec<TierShown>,
    pub(crate) year_ends: Vec<YearEnd>,
    pub(crate) requalifications: Vec<Requalification>,
    pub(crate) changes: Vec<RulesChanged>,
    pub(crate) rewards: Vec<Held>,
    pub(crate) birthdays: Birthdays,
    /// Members per tier at the end of the play.
    pub(crate) today: Vec<Held>,
    pub(crate) member: Option<Story>,
}

/// A tier as text.
#[derive(Debug, Serialize)]
pub(crate) struct TierShown {
    pub id: TierId,
    pub name: String,
    pub threshold: String,
    #[serde(skip)]
    pub tier: Tier,
}

/// The number of members with a tier, or with none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Held {
    pub tier: Option<TierId>,
    pub members: u64,
}

/// Members per tier on the last evening of a year.
#[derive(Debug, Serialize)]
pub(crate) struct YearEnd {
    pub year: i32,
    pub members: Vec<Held>,
}

/// The moves of the members who held a tier.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Moves {
    pub tier: Option<TierId>,
    pub held: u64,
    pub kept: u64,
    /// The members who did not keep it, by the tier they hold instead.
    pub went_to: Vec<Held>,
}

/// A January 1.
#[derive(Debug, Serialize)]
pub(crate) struct Requalification {
    pub at: Instant,
    /// The year whose spending decides.
    pub year: i32,
    /// The moves, by tier held before, highest first.
    pub tiers: Vec<Moves>,
    /// The number of downgrades and departures on record for this midnight.
    pub recorded: u64,
    /// The number of these that a late arrival reversed.
    pub restored: u64,
}

/// A change of rules.
#[derive(Debug, Serialize)]
pub(crate) struct RulesChanged {
    pub at: Instant,
    pub on: Day,
    /// The changes, in words.
    pub what: Vec<String>,
    /// The moves, by tier held before, highest first.
    pub tiers: Vec<Moves>,
    /// The number of transitions on record for the change.
    pub recorded: u64,
    /// The number of members who would have dropped, and keep their tier for now.
    pub held: u64,
}

/// Birthday points due.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Birthdays {
    pub due: u64,
    pub points: i64,
}

impl Report {
    pub(crate) fn of(played: &Played) -> Self {
        let replay = &played.replay;
        let program = &replay.versions().last().program;
        let zone = &program.timezone;
        let year = |boundary: &Boundary| zone.day(boundary.at).year() - 1;
        let (rewards, birthdays) = due(played);
        let first_at = replay.versions().iter().next().map_or(played.as_of, |first| first.effective_at);
        Self {
            seed: played.setup.seed,
            customers_asked: played.setup.customers,
            program: program.name.clone().unwrap_or_default(),
            from: zone.day(first_at),
            as_of: played.as_of,
            through: zone.day(played.as_of).previous(),
            customers: count(replay.members().len()),
            events: played.counts.clone(),
            tiers: tiers(program),
            year_ends: played
                .new_years
                .iter()
                .map(|boundary| YearEnd { year: year(boundary), members: per_tier(program, &boundary.before) })
                .collect(),
            // Nothing can be lost at the end of the first year: what it earned holds through the second.
            requalifications: played.new_years.iter().skip(1).map(|at| requalification(played, at)).collect(),
            changes: played.changes.iter().map(|at| rules_changed(played, at)).collect(),
            rewards,
            birthdays,
            today: per_tier(program, &holders(replay, played.as_of)),
            member: member::story(played),
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn tiers(program: &Program) -> Vec<TierShown> {
    let shown = |(rank, tier): (_, &Tier)| {
        let threshold = match &program.milestone {
            Milestone::Counted(counted) => counted.threshold(rank).with_decimals(0),
            Milestone::Tags(_) => String::new(),
        };
        TierShown { id: tier.id.clone(), name: tier.name.clone(), threshold, tier: tier.clone() }
    };
    program.tiers().map(shown).collect()
}

/// All tiers of a program, highest first, then none.
fn ladder(program: &Program) -> Vec<Option<TierId>> {
    program.tiers().rev().map(|(_, tier)| Some(tier.id.clone())).chain([None]).collect()
}

fn per_tier(program: &Program, holders: &Holders) -> Vec<Held> {
    let members = |tier: &Option<TierId>| count(holders.values().filter(|held| *held == tier).count());
    ladder(program).into_iter().map(|tier| Held { members: members(&tier), tier }).collect()
}

/// The moves of all members, by the tier they held before.
fn moves(program: &Program, boundary: &Boundary) -> Vec<Moves> {
    let mut counts: BTreeMap<(&Option<TierId>, &Option<TierId>), u64> = BTreeMap::new();
    for (member, from) in &boundary.before {
        if let Some(to) = boundary.after.get(member) {
            *counts.entry((from, to)).or_default() += 1;
        }
    }
    let ladder = ladder(program);
    let of = |from: &Option<TierId>, to: &Option<TierId>| counts.get(&(from, to)).copied().unwrap_or_default();
    let all = |from: &Option<TierId>| ladder.iter().map(|to| of(from, to)).sum();
    let row = |from: &Option<TierId>| {
        let others = ladder.iter().filter(|to| *to != from).map(|to| Held { tier: to.clone(), members: of(from, to) });
        let went_to = others.filter(|held| held.members > 0).collect();
        Moves { tier: from.clone(), held: all(from), kept: of(from, from), went_to }
    };
    ladder.iter().map(row).collect()
}

fn requalification(played: &Played, boundary: &Boundary) -> Requalification {
    let program = &played.replay.version_at(boundary.at).program;
    let mut tiers = moves(program, boundary);
    tiers.retain(|moves| moves.tier.is_some());
    let restored = |(member, fall): &(&_, &_)| member::is_restored(&played.replay, member, fall);
    Requalification {
        at: boundary.at,
        year: program.timezone.day(boundary.at).year() - 1,
        tiers,
        recorded: count(member::fallen(boundary).count()),
        restored: count(member::fallen(boundary).filter(restored).count()),
    }
}

fn rules_changed(played: &Played, boundary: &Boundary) -> RulesChanged {
    let versions = played.replay.versions();
    let new = versions.in_force(boundary.at);
    let old = versions.in_force(boundary.at.plus_millis(-1));
    let by_change = |made: &Change| !matches!(made, Change::Renewed);
    let recorded =
        boundary.recorded.iter().filter(|(_, made)| by_change(&made.kind) && made.cause == Cause::ProgramChanged);
    RulesChanged {
        at: boundary.at,
        on: new.program.timezone.day(boundary.at),
        what: what_changed(&old.program, &new.program),
        tiers: moves(&new.program, boundary),
        recorded: count(recorded.count()),
        held: boundary.held,
    }
}

/// The new tiers, and the thresholds that changed.
fn what_changed(old: &Program, new: &Program) -> Vec<String> {
    let before = tiers(old);
    let told = |tier: TierShown| match before.iter().find(|before| before.id == tier.id) {
        None => Some(format!("a new tier, {}, from ${}", tier.name, money(&tier.threshold))),
        Some(before) if before.threshold != tier.threshold => {
            Some(format!("{} asks for ${} instead of ${}", tier.name, money(&tier.threshold), money(&before.threshold)))
        }
        Some(_) => None,
    };
    tiers(new).into_iter().filter_map(told).collect()
}

/// Entry rewards due by tier, lowest first, and birthday points due.
fn due(played: &Played) -> (Vec<Held>, Birthdays) {
    let replay = &played.replay;
    let (mut rewards, mut birthdays) = (BTreeMap::new(), Birthdays::default());
    for row in replay.members().into_iter().flat_map(|member| replay.rows(member)) {
        match row {
            Row::Reward(due) => *rewards.entry(&due.tier).or_default() += 1,
            Row::Birthday(due) => {
                birthdays.due += 1;
                birthdays.points += due.points.get();
            }
            Row::Transition(_) | Row::Correction(_) | Row::Held(_) => {}
        }
    }
    let program = &replay.versions().last().program;
    let given = |(_, tier): (_, &Tier)| Held {
        tier: Some(tier.id.clone()),
        members: rewards.get(&tier.id).copied().unwrap_or_default(),
    };
    (program.tiers().map(given).collect(), birthdays)
}
