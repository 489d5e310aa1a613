use std::fs;

use super::desk::{ApiHarness, EVENTS, PROGRAM, has};

fn vectors(tier: &str) -> String {
    let events: Vec<_> = EVENTS.lines().filter(|line| !line.is_empty()).collect();
    format!(
        r#"[{{ "id": "OURS-1", "title": "Gold takes\n500", "program": {PROGRAM}, "events": [{}],
               "expect": [{{ "as_of": "2024-01-01T00:00:00Z", "member_id": "anna", "tier": "{tier}" }}] }}]"#,
        events.join(",")
    )
}

#[test]
fn check_passes_files_and_folders_of_vectors() {
    let desk = ApiHarness::new();
    fs::create_dir(desk.folder.path().join("cases")).unwrap();
    desk.put("cases/a.json", vectors("gold"));
    desk.put("cases/b.json", vectors("gold"));
    desk.put("cases/notes.txt", "not looked at");
    assert_eq!(desk.run("check cases cases/a.json", 0).out, "3 passed, 0 failed\n");
}

#[test]
fn check_shows_each_difference_on_one_line_and_ends_with_1() {
    let desk = ApiHarness::new();
    desk.put("a.json", vectors("silver"));
    desk.put("b.json", vectors("gold"));
    let expected = "FAIL OURS-1 2024-01-01T00:00:00Z anna tier: expected \"silver\", found \"gold\" (Gold takes 500)\n\
                    1 passed, 1 failed\n";
    assert_eq!(desk.run("check a.json b.json", 1).out, expected);
}

#[test]
fn check_that_runs_nothing_is_a_finding() {
    let desk = ApiHarness::new();
    fs::create_dir(desk.folder.path().join("empty")).unwrap();
    let found = desk.run("check empty", 1);
    assert_eq!(found.out, "0 passed, 0 failed\n");
    has(&found.err, &["nothing was run"]);
}

#[test]
fn check_runs_the_others_when_a_file_cannot_be_read() {
    let desk = ApiHarness::new();
    desk.put("a.json", vectors("gold"));
    desk.put("b.json", "{}");
    desk.put("c.json", "[{ \"id\": \"X\" }]");
    let found = desk.run("check nowhere.json b.json c.json a.json", 2);
    assert_eq!(found.out, "1 passed, 0 failed\n");
    has(
        &found.err,
        &["error: nowhere.json: cannot be read", "error: b.json: must be a list", "error: c.json: $[0].program"],
    );
}
