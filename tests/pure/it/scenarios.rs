//! The scenarios of `tests/scenarios`, read and played.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cases::history;
use pure_tests::scenario::{self, Scenario, event, expect, form, program};
use rules::calendar::{Instant, Zones};
use rules::program::Program;
use rules::replay::{Line, Replay};
use serde_json::Value;

fn scenarios() -> Vec<Scenario> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "scenario"));
    paths.sort();
    let read = |path: &Path| {
        let file = format!("tests/scenarios/{}", path.file_name().unwrap().to_string_lossy());
        scenario::read(&file, &fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{error}"))
    };
    paths.iter().flat_map(|path| read(path)).collect()
}

/// Replays a scenario with the rules.
fn replay(program: &Value, events: &[Value], as_of: &str) -> Result<Value, String> {
    let as_of = Instant::parse(as_of).map_err(|error| error.to_string())?;
    let mut replay = Replay::start(program, &Zones::built_in()).map_err(|error| error.to_string())?;
    for event in events {
        if replay.line(event, as_of).map_err(|error| format!("{error}: {event}"))? == Line::Beyond {
            break;
        }
    }
    replay.finish(as_of);
    let found = history::replayed(&replay, as_of);
    replay.finish(as_of);
    // Evaluating again must change nothing.
    if history::replayed(&replay, as_of) == found { Ok(found) } else { Err("evaluated again, it changes".to_owned()) }
}

#[test]
fn every_scenario_comes_true() {
    let misses: Vec<_> = scenarios().iter().flat_map(|scenario| scenario.run(replay)).collect();
    assert!(misses.is_empty(), "{} expectations did not come true:\n{}", misses.len(), misses.join("\n"));
}

#[test]
fn every_ready_program_is_shown_at_work_by_a_scenario() {
    let used: BTreeSet<_> = scenarios().into_iter().flat_map(|scenario| scenario.programs).collect();
    let idle: Vec<_> = program::ready().unwrap().into_iter().filter(|name| !used.contains(name)).collect();
    assert!(idle.is_empty(), "no scenario uses {idle:?}");
}

#[test]
fn every_sentence_is_used_by_a_scenario_and_told_in_the_readme() {
    let scenarios = scenarios();
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/README.md")).unwrap();
    let forms =
        event::SENTENCES.iter().map(|known| &known.form).chain(expect::SENTENCES.iter().map(|known| &known.form));
    for known in forms {
        let shown = form::shown_form(known);
        assert!(readme.contains(&format!("    {shown}\n")), "the README does not list `{shown}`");
    }
    let used: BTreeSet<_> = scenarios
        .iter()
        .flat_map(|scenario| &scenario.expectations)
        .map(|expectation| expectation.sentence.form.pattern)
        .collect();
    for known in expect::SENTENCES {
        assert!(used.contains(known.form.pattern), "no scenario expects `{}`", known.form.pattern);
    }
    let told: BTreeSet<_> =
        scenarios.iter().flat_map(|scenario| &scenario.events).map(|event| event["type"].as_str().unwrap()).collect();
    for kind in [
        "order.paid",
        "order.refunded",
        "order.cancelled",
        "points.earned",
        "points.adjusted",
        "points.imported",
        "points.canceled",
        "customer.tags_set",
        "customer.tags_changed",
        "customer.enrolled",
        "customer.birthday_set",
        "customer.erased",
        "tier.assigned",
        "tier.unassigned",
        "program.published",
    ] {
        assert!(told.contains(kind), "no scenario tells of `{kind}`");
    }
}

#[test]
fn every_seed_page_has_its_own_scenarios() {
    let scenarios = scenarios();
    for page in ["000", "001", "002", "003", "004"] {
        let own = scenarios.iter().any(|scenario| scenario.source.contains(&format!("seed {page}")));
        assert!(own, "no scenario shows what page {page} says");
    }
}

#[test]
fn a_ready_program_is_named_like_its_file_and_told_in_the_readme() {
    let readme = fs::read_to_string(program::directory().join("README.md")).unwrap();
    for name in program::ready().unwrap() {
        assert!(readme.contains(&format!("| `{name}` |")), "the README does not list `{name}`");
        let ready = program::load(&name).unwrap();
        assert_eq!(ready["program_id"], name.as_str());
        assert_eq!(program::tiers(&ready), ["bronze", "silver", "gold", "platinum"], "{name}");
    }
}

#[test]
fn every_ready_program_is_valid_and_means_what_it_says() {
    for name in program::ready().unwrap() {
        let draft = Program::read(&program::load(&name).unwrap(), &Zones::built_in())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(draft.warnings.is_empty(), "{name}: {:?}", draft.warnings);
    }
}
