//! `echelon demo`, as somebody at a terminal meets it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;
use std::process::Output;

use rules::calendar::Instant;
use rules::replay::Replay;
use serde_json::Value;

fn demo(args: &[&str]) -> Output {
    assert_cmd::Command::cargo_bin("echelon").unwrap().arg("demo").args(args).output().unwrap()
}

fn page(args: &[&str]) -> String {
    let output = demo(args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&page(&[args, &["--format", "json"]].concat())).unwrap()
}

/// The lines of a part of the page, from its title to the next empty line.
fn part<'a>(page: &'a str, title: &str) -> Vec<&'a str> {
    let from = page.lines().skip_while(|line| !line.starts_with(title));
    from.take_while(|line| !line.is_empty()).collect()
}

fn digits(text: &str) -> u64 {
    text.replace(',', "").parse().unwrap()
}

#[test]
fn without_any_argument_the_main_job_fits_on_two_screens() {
    let output = demo(&[]);
    assert!(output.status.success() && output.stderr.is_empty());
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.lines().count() <= 100, "{} lines", page.lines().count());
    for line in page.lines() {
        assert!(line.chars().count() <= 80 && line.trim_end() == line, "`{line}`");
    }
    assert!(!page.contains('\u{1b}'), "colours only on a terminal");
    for title in [
        "Harbor & Pine Circle, a shop of our own making",
        "The rules: ",
        "Members per tier on the last evening of each year",
        "June 17, 2024: a change of rules",
        "January 1, 2025: what was spent in 2024 alone decides",
        "January 1, 2026: what was spent in 2025 alone decides",
        "Due to members over the three years",
        "Why ",
        "Try next",
    ] {
        assert!(part(&page, title).len() > 2, "{title}");
    }
    assert!(page.contains("Fell at New Year, and was restored by order"));
}

#[test]
fn the_same_shop_is_the_same_page_and_another_seed_another() {
    let page = |seed| page(&["--customers", "200", "--seed", seed]);
    assert_eq!(page("1"), page("1"));
    assert_ne!(page("1"), page("2"));
}

#[test]
fn the_json_has_the_numbers_of_the_page() {
    let args = ["--customers", "600"];
    let (page, json) = (page(&args), json(&args));
    let orders = json["events"]["orders"].as_u64().unwrap();
    let line = page.lines().find(|line| line.contains(" orders: ")).unwrap();
    assert_eq!(digits(line.split_whitespace().next().unwrap()), orders);
    for requalification in json["requalifications"].as_array().unwrap() {
        let year = requalification["year"].as_i64().unwrap();
        let lines = part(&page, &format!("January 1, {}", year + 1));
        for tier in requalification["tiers"].as_array().unwrap() {
            let name = tier["tier"].as_str().unwrap();
            let row = lines.iter().find(|line| line.trim_start().to_lowercase().starts_with(name)).unwrap();
            let cells: Vec<_> = row.split_whitespace().skip(1).take(2).map(digits).collect();
            assert_eq!(cells, [tier["held"].as_u64().unwrap(), tier["kept"].as_u64().unwrap()], "{row}");
        }
    }
    let change = part(&page, "June 17, 2024").join(" ");
    let moved = json["changes"][0]["recorded"].as_u64().unwrap();
    let held = json["changes"][0]["held"].as_u64().unwrap();
    assert!(change.contains(&format!("{moved} members moved. {held} more would have dropped")), "{change}");
    assert!(page.contains(json["member"]["member_id"].as_str().unwrap()));
}

/// What `echelon replay` does with the files.
fn replayed(directory: &Path, as_of: Instant) -> Replay {
    let read = |file| fs::read_to_string(directory.join(file)).unwrap();
    let mut replay = Replay::start(&serde_json::from_str(&read("program.json")).unwrap()).unwrap();
    for line in read("events.jsonl").lines() {
        replay.line(&serde_json::from_str(line).unwrap(), as_of).unwrap();
    }
    replay.finish(as_of);
    replay
}

#[test]
fn the_files_that_it_writes_replay_to_the_standings_that_it_showed() {
    let directory = tempfile::tempdir().unwrap();
    let shop = directory.path().join("a/shop");
    let json = json(&["--customers", "200", "--write", shop.to_str().unwrap()]);
    let as_of = Instant::parse(json["as_of"].as_str().unwrap()).unwrap();
    let replay = replayed(&shop, as_of);
    let program = &replay.version_at(as_of).program;
    for held in json["today"].as_array().unwrap() {
        let holds = |member| replay.standing(member, as_of).and_then(|now| program.tier_id(now.tier).cloned());
        let members = replay.members();
        let found =
            members.iter().filter(|member| holds(member).as_ref().map(|id| id.as_str()) == held["tier"].as_str());
        assert_eq!(found.count() as u64, held["members"].as_u64().unwrap(), "{held}");
    }
    let page = page(&["--customers", "200", "--write", directory.path().join("b").to_str().unwrap()]);
    assert!(page.contains("b/events.jsonl") && !page.contains("echelon demo --"), "the files are there already");
}

#[test]
fn files_that_are_there_are_never_written_over() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("program.json"), "mine").unwrap();
    let output = demo(&["--customers", "10", "--write", directory.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("program.json is already there; name another directory"), "{said}");
    assert_eq!(fs::read_to_string(directory.path().join("program.json")).unwrap(), "mine");
}

#[test]
fn a_shop_without_customers_is_refused() {
    let output = demo(&["--customers", "0"]);
    assert_eq!(output.status.code(), Some(2));
}
