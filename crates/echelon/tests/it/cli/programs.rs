use serde_json::Value;

use super::desk::{ApiHarness, PROGRAM, has};

#[test]
fn validate_reports_every_problem_at_once() {
    let desk = ApiHarness::new();
    desk.put(
        "bad.json",
        r#"{ "active": "yes", "tiers": [ { "id": "a", "threshold": 5 }, { "id": "a", "threshold": 5, "id": "a" } ] }"#,
    );
    let found = desk.run("validate bad.json", 1);
    has(
        &found.out,
        &[
            "bad.json: 4 problems\n",
            "  problem  $.tiers[1].id: is written twice",
            "  problem  $.active: must be true or false",
            "  problem  $.tiers[1].id: `a` is already the id",
            "  problem  $.tiers[1].threshold: 5 must be above",
        ],
    );
    let found: Value = serde_json::from_str(&desk.run("validate bad.json --format json", 1).out).unwrap();
    assert_eq!((&found["valid"], found["problems"].as_array().unwrap().len()), (&Value::Bool(false), 4));
}

#[test]
fn validate_warns_and_is_content() {
    let desk = ApiHarness::new();
    assert_eq!(desk.run("validate vip.json --at 2023-05-01", 0).out, "vip.json: valid\n");
    let found = desk.run("validate vip.json --at 2022-05-01", 0).out;
    has(&found, &["vip.json: valid, 1 warning\n", "  warning  $.start_date: 2023-01-01 is in the future"]);
    desk.put("next.json", PROGRAM.replace("2023-01-01", "2023-02-01"));
    let found = desk.run("validate next.json --replaces vip.json --at 2024-01-10 --format json", 0).out;
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["valid"], true);
    assert!(found["warnings"][0]["message"].as_str().unwrap().contains("last year's tiers included, is wiped"));
}

#[test]
fn validate_cannot_judge_what_is_no_json_or_missing() {
    let desk = ApiHarness::new();
    desk.put("bad.json", "{ \"active\": true,, }");
    has(&desk.run("validate bad.json", 2).err, &["bad.json:1:18: is not JSON"]);
    desk.run("validate nowhere.json", 2);
    desk.run("validate vip.json --replaces bad.json", 2);
    has(&desk.run("validate vip.json --at soon", 2).err, &["--at: `soon` is neither"]);
}

#[test]
fn every_ready_program_is_listed_printed_and_valid() {
    let desk = ApiHarness::new();
    let listed = desk.run("programs", 0).out;
    has(&listed, &["smile-revenue-rolling-365-days                money spent in the last 365 days, day by day"]);
    for name in listed.lines().filter_map(|line| line.split_whitespace().next()) {
        desk.put("ready.json", desk.run(&format!("programs {name}"), 0).out);
        desk.run("validate ready.json", 0);
        assert_eq!(desk.run("validate ready.json --at 2023-01-01", 0).out, "ready.json: valid\n", "{name}");
        desk.run("replay --program ready.json --events events.jsonl --as-of 2024-06-01", 0);
    }
    let json: Value = serde_json::from_str(&desk.run("programs --format json", 0).out).unwrap();
    assert_eq!(json["programs"].as_array().unwrap().len(), listed.lines().count());
    has(&desk.run("programs aitrillion-tag", 2).err, &["did you mean `aitrillion-tags`?"]);
}

#[test]
fn help_teaches_the_nouns_a_first_session_and_the_exit_codes() {
    let desk = ApiHarness::new();
    has(
        &desk.run("--help", 0).out,
        &["Tiers for shops", "Five nouns:", "standing ", "A first session:", "Exit codes: 0"],
    );
    for command in ["replay", "explain", "check", "validate", "programs"] {
        has(&desk.run(&format!("{command} --help"), 0).out, &["Examples:", "Exit codes: 0"]);
    }
}
