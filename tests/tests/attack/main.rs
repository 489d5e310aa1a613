//! The effects of attackers and of bad luck on a served system: cases by name, each with its outcome, on the built command.

mod bodies;
mod case;
mod clock;
mod disk;
mod doors;
mod health;
mod limits;
mod log;
mod luck;
mod receivers;
mod requests;
mod shopify;
mod signals;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ExitCode};
use std::sync::LazyLock;

use libtest_mimic::Arguments;
use serde_json::{Value, json};
use tests::served::Served;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let kinds = [
        bodies::cases(),
        clock::cases(),
        disk::cases(),
        doors::cases(),
        health::cases(),
        limits::cases(),
        log::cases(),
        luck::cases(),
        receivers::cases(),
        requests::cases(),
        shopify::cases(),
        signals::cases(),
        tokens::cases(),
    ];
    let mut trials: Vec<_> = kinds.into_iter().flatten().collect();
    let names: Vec<String> = trials.iter().map(|trial| trial.name().to_owned()).collect();
    trials.push(case::case("suite", "every_kind_is_counted_in_the_document", move || are_counted(&names)));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Checks that no name is there twice, and that RELIABILITY.md has a row with the number of each kind.
fn are_counted(names: &[String]) {
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "a name is there twice");
    if !cfg!(target_os = "linux") {
        return; // Where disks cannot be filled there are fewer.
    }
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name.split("::").next().unwrap()).or_insert(0) += 1;
    }
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../RELIABILITY.md")).unwrap();
    let missing: Vec<String> = counts.iter().map(|(kind, count)| format!("| `{kind}` | {count} |")).collect();
    let missing: Vec<&String> = missing.iter().filter(|row| !document.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "RELIABILITY.md has no row that begins so: {missing:#?}");
    let all = format!("{} cases by name", names.len());
    assert!(document.contains(&all), "RELIABILITY.md does not speak of {all}");
}

/// The key that signs tokens here.
const TOKEN_KEY: &str = "a key of thirty-two bytes or more";

/// Writes a program into a folder, by which 500 of money is gold.
fn program(folder: &std::path::Path) -> PathBuf {
    let program = json!({ "program_id": "vip", "name": "VIP", "active": true, "timezone": "UTC", "currency": "USD",
                          "start_date": "2020-01-01", "milestone": { "metric": "amount_spent", "period": "calendar_year" },
                          "tiers": [{ "id": "gold", "name": "Gold", "threshold": "500" }] });
    let file = folder.join("program.json");
    std::fs::write(&file, program.to_string()).unwrap();
    file
}

/// A system that takes tokens, on June 1, 2025.
fn served(folder: &std::path::Path, more: &[&str]) -> Served {
    Served::start(folder, &program(folder), &[&["--token-key", TOKEN_KEY], more].concat(), Some(&ADMIN))
}

/// A token for anything in any shop.
static ADMIN: LazyLock<String> = LazyLock::new(|| token("admin", None));

/// The `Authorization` header of an administrator of the shop `acme`.
fn admin() -> String {
    static BEARER: LazyLock<String> = LazyLock::new(|| bearer(&token("admin", Some("acme"))));
    BEARER.clone()
}

/// A token, as `echelon token` makes them.
fn token(scope: &str, shop: Option<&str>) -> String {
    token_by(TOKEN_KEY, scope, shop)
}

/// A token that is signed with another key.
fn token_by(key: &str, scope: &str, shop: Option<&str>) -> String {
    token_for("3650", key, scope, shop)
}

/// A token that is valid for a number of days.
fn token_for(days: &str, key: &str, scope: &str, shop: Option<&str>) -> String {
    let mut make = std::process::Command::new(tests::built::built("echelon"));
    make.args(["token", "--token-key", key, "--days", days, "--scope", scope]);
    let made = make.args(shop.into_iter().flat_map(|shop| ["--shop", shop])).output().unwrap();
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// An order paid in May 2025.
fn order(member: &str, id: &str, total: &str) -> Value {
    json!({ "type": "order.paid", "member_id": member, "order_id": id, "occurred_at": "2025-05-01T10:00:00Z",
            "total": total })
}

/// Waits until a condition holds.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + tests::served::PATIENCE;
    while !is_so() {
        assert!(std::time::Instant::now() < end, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// The address on which a process listens, and its standard error after the line that names it.
fn listening(process: &mut Child) -> (String, BufReader<ChildStderr>) {
    let mut said = BufReader::new(process.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening on") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended without listening");
    }
    (line.split_once("http://").unwrap().1.split_once(',').unwrap().0.to_owned(), said)
}
