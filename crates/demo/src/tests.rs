//! The page reports what the engine did.

use cases::history;
use rules::calendar::{Instant, Zones};
use rules::cause::Cause;
use rules::record::{Change, Row};
use rules::replay::Replay;
use sample_shop::Setup;
use serde_json::Value;

use crate::files::{EVENTS, Files, PROGRAM};
use crate::play::{Played, play};
use crate::report::{Moves, Report};
use crate::text;

fn played(seed: u64) -> Played {
    play(Setup { seed, customers: 400 }, &Zones::built_in(), None, |_| {}).unwrap()
}

/// The number of transitions on record for an instant at the end of the play.
fn on_record(played: &Played, at: Instant, cause: Cause, kinds: &[Change]) -> u64 {
    let members = played.replay.members();
    let rows = members.into_iter().flat_map(|member| played.replay.rows(member));
    let counts = |row: &&Row| {
        let Row::Transition(made) = row else { return false };
        made.at == at && made.cause == cause && kinds.contains(&made.kind)
    };
    rows.filter(counts).count() as u64
}

fn moved(tiers: &[Moves]) -> u64 {
    tiers.iter().map(|moves| moves.held - moves.kept).sum()
}

#[test]
fn members_who_fell_or_left_at_new_year_are_on_record_for_it() {
    for seed in [1, 2, 3] {
        let played = played(seed);
        let report = Report::of(&played);
        assert_eq!(report.requalifications.len(), 2);
        for requalification in &report.requalifications {
            let down = [Change::Downgraded, Change::Left];
            let recorded = on_record(&played, requalification.at, Cause::PeriodEnd, &down);
            assert!(recorded > 0);
            assert_eq!((moved(&requalification.tiers), requalification.recorded), (recorded, recorded), "seed {seed}");
        }
    }
}

#[test]
fn every_member_with_a_tier_at_the_end_of_a_year_kept_it_or_moved() {
    let report = Report::of(&played(1));
    for (requalification, year) in report.requalifications.iter().zip(report.year_ends.iter().skip(1)) {
        assert_eq!(requalification.year, year.year);
        for moves in &requalification.tiers {
            let held = year.members.iter().find(|held| held.tier == moves.tier).unwrap();
            let elsewhere: u64 = moves.went_to.iter().map(|held| held.members).sum();
            assert_eq!((moves.held, moves.kept + elsewhere), (held.members, held.members));
        }
    }
}

#[test]
fn a_change_of_rules_that_holds_moves_only_up_and_as_recorded() {
    let played = played(1);
    let report = Report::of(&played);
    let change = &report.changes[0];
    let recorded = on_record(&played, change.at, Cause::ProgramChanged, &[Change::Upgraded, Change::Entered]);
    assert!(change.held > 0 && recorded > 0);
    assert_eq!((moved(&change.tiers), change.recorded), (recorded, recorded));
    assert_eq!(on_record(&played, change.at, Cause::ProgramChanged, &[Change::Downgraded, Change::Left]), 0);
}

#[test]
fn a_member_held_over_a_change_of_rules_is_held_until_the_new_year_that_ends_the_tier_anyway() {
    let played = played(1);
    let boundary = &played.changes[0];
    let floors = played.replay.members().into_iter().filter_map(|member| played.replay.index().ledger(member));
    let held = floors.flat_map(|ledger| ledger.assignments()).filter(|assignment| assignment.at == boundary.at);
    let until: Vec<_> = held.map(|assignment| assignment.act.until().unwrap().to_string()).collect();
    assert_eq!(until.len() as u64, boundary.held);
    // Gold earned in 2023 ends with 2024, gold earned in the first half of 2024 with 2025.
    assert!(until.iter().all(|until| ["2025-01-01T05:00:00Z", "2026-01-01T05:00:00Z"].contains(&until.as_str())));
}

#[test]
fn stopping_to_look_changes_nothing_and_the_files_replay_to_the_same_standings() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = Files::create(directory.path()).unwrap();
    let played = play(Setup { seed: 5, customers: 200 }, &Zones::built_in(), Some(&mut files), |_| {}).unwrap();
    files.finish().unwrap();
    let read = |file| std::fs::read_to_string(directory.path().join(file)).unwrap();
    let mut replay =
        Replay::start(&serde_json::from_str::<Value>(&read(PROGRAM)).unwrap(), &Zones::built_in()).unwrap();
    for line in read(EVENTS).lines() {
        replay.line(&serde_json::from_str(line).unwrap(), played.as_of).unwrap();
    }
    replay.finish(played.as_of);
    let (found, expected) = (history::replayed(&replay, played.as_of), history::replayed(&played.replay, played.as_of));
    assert_eq!(found["standings"], expected["standings"]);
    assert_eq!(found, expected);
}

#[test]
fn the_story_is_of_a_member_restored_by_a_late_order() {
    let report = Report::of(&play(crate::FIRST, &Zones::built_in(), None, |_| {}).unwrap());
    let story = report.member.unwrap();
    let late = story.restored_by.unwrap();
    assert!(late.paid_at < story.fell_at.unwrap() && story.fell_at.unwrap() < late.arrived_at);
    assert!(story.standing["tier"].is_string(), "{}", story.standing);
}

#[test]
fn even_the_smallest_shop_has_a_page() {
    for customers in 1..4 {
        let report = Report::of(&play(Setup { seed: 3, customers }, &Zones::built_in(), None, |_| {}).unwrap());
        assert!(text::page(&report, None).contains("Try next"));
    }
}

#[test]
fn the_program_of_the_shop_is_the_one_in_the_files() {
    let directory = tempfile::tempdir().unwrap();
    Files::create(directory.path()).unwrap().finish().unwrap();
    let program = std::fs::read_to_string(directory.path().join(PROGRAM)).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&program).unwrap(), sample_shop::program());
    let again = Files::create(directory.path()).err().unwrap().to_string();
    assert!(again.contains("already there; name another directory"), "{again}");
}
