//! Lines and files that `load` cannot take, with the built command: each is named, and the others are loaded.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::{Served, command, order, program};

/// The maximum length of an event.
const EVENT_BYTES_MAX: usize = 256 * 1024;

/// An order with a field that makes its line longer than an event may be by so many bytes.
fn long(id: &str, over: usize) -> String {
    let mut event = order("anna", id, "10.00");
    event["note"] = json!("x".repeat(EVENT_BYTES_MAX + over));
    event.to_string()
}

fn load(more: &[&str], code: i32) -> (Value, String) {
    let done = command(&[&["load", "--format", "json"], more].concat());
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(code), "{said}");
    (serde_json::from_slice(&done.stdout).unwrap_or_default(), said)
}

#[test]
fn a_line_that_is_too_long_for_an_event_is_left_out_by_its_number_and_the_others_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    let path = file.to_str().unwrap();
    let of = |id: &str| order("anna", id, "10.00").to_string();
    // The third is longer than what is kept of a line in memory.
    let lines = [of("1"), long("2", 1), long("3", 4 * 1024 * 1024), of("4")];
    fs::write(&file, lines.join("\n")).unwrap();
    let served = Served::start(folder.path(), &[]);
    let (report, said) = load(&[path, "--url", &served.url()], 1);
    assert_eq!((&report["lines"], &report["left_out"]), (&json!(4), &json!(2)), "{report}");
    for line in [2, 3] {
        let named = format!("left out {path}:{line}: is longer than the 262144 bytes of an event; shorten it");
        assert!(said.contains(&named), "{said}");
    }
    let anna = served.member_once("anna", |anna| anna["standing"]["progress"]["counted"] == "20.00");
    assert_eq!(anna["findings"]["counted"].as_array().map(Vec::len), Some(2), "{anna}");
    served.end();

    // The same into a file. A line that is not JSON still ends the load.
    fs::write(&file, [&long("5", 1), "{", &of("6")].join("\n")).unwrap();
    let data = folder.path().join("echelon.db");
    let into = [path, "--data", data.to_str().unwrap(), "--shop", "acme"];
    let (_, said) = load(&into, 2);
    assert!(said.contains(&format!("{path}:2: column 1: is not JSON")), "{said}");
    fs::write(&file, [&long("5", 1), "", &of("6")].join("\n")).unwrap();
    let (report, said) = load(&into, 1);
    assert_eq!((&report["left_out"], &report["taken_in"]["applied"]), (&json!(1), &json!(1)), "{said}");
}

#[test]
fn a_line_without_end_is_named_by_its_number_and_never_held_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("program.json"), program().to_string()).unwrap();
    let endless = format!(
        "{}\n{{\"note\":\"{}\"}}\n{}\n",
        order("anna", "1", "60.00"),
        "x".repeat(40 << 20),
        order("ben", "2", "60.00")
    );
    fs::write(path("events.jsonl"), &endless).unwrap();
    let replay = ["replay", "--program", &path("program.json"), "--as-of", "2026-01-01T00:00:00Z", "--events"];
    for more in [&[][..], &["--sort"]] {
        let done = command(&[&replay[..], &[&path("events.jsonl")], more].concat());
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{said}");
        let named = format!("{}:2: is longer than 16777216 bytes: look for", path("events.jsonl"));
        assert!(said.contains(&named) && said.len() < 1_000, "{said}");
    }
    let done = command(&["import", &path("events.jsonl"), "-o", &path("facts.jsonl"), "--format", "json"]);
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("too_long") && said.contains("16777216"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_dangling_link_is_named_as_one_and_nothing_is_made_through_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let link = |name: &str| {
        std::os::unix::fs::symlink(path("gone"), path(name)).unwrap();
        path(name)
    };
    fs::write(path("program.json"), program().to_string()).unwrap();
    fs::write(path("events.jsonl"), "").unwrap();
    let (lines, rules, table, copy, data) =
        (link("lines.jsonl"), link("rules.json"), link("table.csv"), link("copy.db"), link("data.db"));
    let dangling = format!("is a dangling link: its target `{}` does not exist", path("gone"));
    for args in [
        &["replay", "--program", &path("program.json"), "--as-of", "2026-01-01T00:00:00Z", "--events", &lines][..],
        &["validate", &rules],
        &["import", "--preset", "shopify-orders", &table],
        &["restore", &copy, "--data", &path("restored.db")],
    ] {
        let done = command(args);
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(&dangling), "{args:?}: {said}");
    }
    let done = command(&["serve", "--listen", "127.0.0.1:0", "--data", &data]);
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("is a link to `{}`, which does not exist", path("gone"))), "{said}");
    assert!(!Path::new(&path("gone")).exists() && !Path::new(&path("data.db.lock")).exists());
}
