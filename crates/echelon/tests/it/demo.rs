//! `echelon demo`, run by a user at a terminal.

use std::fs;
use std::path::Path;
use std::process::Output;

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
    assert!(!page.contains('\u{1b}'), "colors only on a terminal");
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
    assert!(page.contains("Fell on January 1, 2026; restored when order"));
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
    assert!(change.contains(&format!("{moved} moved. {held} would have dropped")), "{change}");
    assert!(page.contains(json["member"]["member_id"].as_str().unwrap()));
}

/// Standings of all members at an instant, as `echelon replay` gives them.
fn replayed(directory: &Path, as_of: &str) -> Value {
    let (program, events) = (directory.join("program.json"), directory.join("events.jsonl"));
    let mut replay = assert_cmd::Command::cargo_bin("echelon").unwrap();
    replay.arg("replay").arg("--program").arg(program).arg("--events").arg(events);
    let output = replay.args(["--as-of", as_of, "--format", "json"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_files_that_it_writes_replay_to_the_standings_that_it_showed() {
    let directory = tempfile::tempdir().unwrap();
    let shop = directory.path().join("a/shop");
    let json = json(&["--customers", "200", "--write", shop.to_str().unwrap()]);
    let replay = replayed(&shop, json["as_of"].as_str().unwrap());
    let standings = replay["standings"].as_object().unwrap();
    assert_eq!(standings.len() as u64, json["customers"].as_u64().unwrap());
    for held in json["today"].as_array().unwrap() {
        let found = standings.values().filter(|standing| standing["tier"] == held["tier"]).count();
        assert_eq!(found as u64, held["members"].as_u64().unwrap(), "{held}");
    }
    let member = json["member"]["member_id"].as_str().unwrap();
    assert_eq!(standings[member], json["member"]["standing"]);
    assert_eq!(replay, replayed(&shop, "2026-02-01"), "the page names the day instead of the instant");
}

#[test]
fn once_the_files_are_written_the_page_says_what_to_try_on_them() {
    let directory = tempfile::tempdir().unwrap();
    let page = page(&["--customers", "50", "--write", directory.path().to_str().unwrap()]);
    let events = directory.path().join("events.jsonl");
    assert!(page.contains(events.to_str().unwrap()) && !page.contains("echelon demo"));
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
