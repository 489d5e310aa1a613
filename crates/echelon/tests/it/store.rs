//! `echelon publish`, `load`, `verify` and `rebuild` on a file, with the built command.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn echelon(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_echelon")).current_dir(folder).args(arguments).output().unwrap()
}

/// Asserts a command's exit code, and a part of its output.
#[track_caller]
fn says(folder: &Path, arguments: &[&str], code: i32, expected: &str) {
    let Output { status, stdout, stderr } = echelon(folder, arguments);
    let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(code), "{said}");
    assert!(said.contains(expected), "expected `{expected}` in: {said}");
}

fn program(folder: &Path, name: &str, tiers: &str) {
    let program = format!(
        r#"{{ "start_date": "2024-01-01", "currency": "USD", "milestone": {{ "metric": "amount_spent" }},
               "tiers": [{tiers}] }}"#
    );
    fs::write(folder.join(name), program).unwrap();
}

#[test]
fn a_program_is_published_a_history_loaded_and_members_verified_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (gold, ruby) = (r#"{ "id": "gold", "threshold": 100 }"#, r#"{ "id": "ruby", "threshold": 900 }"#);
    program(folder, "vip.json", gold);
    program(folder, "two.json", &format!("{gold}, {ruby}"));
    let publish = |file| ["publish", "--data", "e.db", "--shop", "acme", "--program", file];
    says(folder, &publish("vip.json"), 0, "version 1 of shop `acme`");
    says(folder, &publish("vip.json"), 0, "nothing was published");
    says(folder, &publish("two.json"), 2, "program_active");
    let meant = [&publish("two.json")[..], &["--options", r#"{"while_active": true}"#, "--by", "eve"]].concat();
    says(folder, &meant, 0, "version 2 of shop `acme`");
    let order = |n: u32| {
        format!(
            r#"{{"type": "order.paid", "order_id": "{n}", "member_id": "m{}", "total": "60", "occurred_at": "2024-05-0{}T00:00:00Z"}}"#,
            n % 7,
            1 + n % 9
        )
    };
    fs::write(folder.join("e.jsonl"), (0..40).map(order).collect::<Vec<_>>().join("\n")).unwrap();
    says(folder, &["load", "e.jsonl", "--shop", "acme", "--data", "e.db"], 0, "40");
    says(folder, &["verify", "--data", "e.db"], 0, "7 members recomputed, 0 different from the ledger");
    says(
        folder,
        &["verify", "--data", "e.db", "--shop", "acme", "--member", "m1", "--format", "json"],
        0,
        "\"members\": 1",
    );
    says(folder, &["rebuild", "--data", "e.db"], 0, "7 members recomputed, 0 rebuilt");
    for command in ["verify", "rebuild"] {
        let unknown = [command, "--data", "e.db", "--shop", "acme", "--member", "unknown"];
        says(folder, &unknown, 2, "nothing is stored of a member `unknown` of the shop `acme`");
    }
}

#[test]
fn what_is_missing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    says(folder, &["verify"], 2, "--data FILE, or --dynamodb URL");
    says(folder, &["verify", "--data", "e.db", "--shop", "acme"], 2, "there is no file");
    says(folder, &["verify", "--dynamodb", "http://127.0.0.1:9", "--tables", "a,b"], 2, "name three tables");
    says(folder, &["publish", "--data", "e.db", "--shop", "A shop", "--program", "x.json"], 2, "names no shop");
    says(folder, &["load", "x.jsonl", "--dynamodb", "http://127.0.0.1:9", "--tables", "a,b,c"], 2, "x.jsonl");
}
