//! Signals at any time: the process ends in order, and what was acknowledged is there when it is started again.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use libtest_mimic::Trial;
use rusqlite::Connection;
use serde_json::{Value, json};
use tests::built::built;
use tests::served::Served;

use super::case::{case, cases};
use super::luck::{post, spent};
use super::{ADMIN, TOKEN_KEY, admin, order, served, until};

pub fn cases() -> Vec<Trial> {
    let mut all = cases![
        "signals",
        stopped_for_a_while_it_goes_on,
        started_to_outlive_its_terminal_it_does,
        killed_while_it_starts_it_starts_again,
        a_table_that_is_noted_and_was_not_made_is_made_at_the_next_start,
        an_index_that_is_noted_and_was_not_made_is_made_at_the_next_start,
    ];
    for signal in ["TERM", "INT", "HUP"] {
        // A system that is started where hang-ups are ignored ignores them as well: then there is nothing to test.
        let tried = |of: fn(&str)| {
            move || {
                if signal != "HUP" || !ignores_hang_ups() {
                    of(signal)
                }
            }
        };
        let named = |when: &str| format!("{}_{when}", signal.to_ascii_lowercase());
        all.push(case("signals", &named("the_moment_it_listens_ends_it_in_order"), tried(at_once)));
        all.push(case("signals", &named("while_it_is_idle_ends_it_in_order"), tried(idle)));
        all.push(case("signals", &named("under_senders_loses_nothing"), tried(under_senders)));
        all.push(case("signals", &named("in_a_sweep_ends_it_in_order_and_the_sweep_goes_on"), tried(in_a_sweep)));
        all.push(case("signals", &named("twice_ends_it_at_once_and_loses_nothing"), tried(twice)));
        all.push(case("signals", &named("while_it_starts_leaves_a_file_that_opens"), tried(while_it_starts)));
    }
    all
}

/// Whether this process was started to ignore hang-ups, as by `nohup`.
fn ignores_hang_ups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0");
    u64::from_str_radix(ignored.trim(), 16).unwrap() & 1 == 1
}

fn started_to_outlive_its_terminal_it_does() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut serve = Command::new("nohup");
    serve.arg(built("echelon")).current_dir(folder.path());
    serve.args(["serve", "--listen", "127.0.0.1:0", "--token-key", TOKEN_KEY, "--shop", "acme"]);
    let served = Served::begin(serve, Some(&ADMIN)).unwrap();
    served.signal("HUP");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(served.ask("GET", "/health", &Value::Null)["status"], "ok");
    assert!(served.end());
}

fn at_once(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let served = served(folder.path(), &[]);
        served.signal(signal);
        assert!(served.ended(), "the signal ended it in the middle of its start");
    }
}

fn idle(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    let first = served(folder.path(), &[]);
    first.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
    first.signal(signal);
    assert!(first.ended());
    let again = served(folder.path(), &[]);
    assert_eq!(again.ask("GET", "/v1/members/anna", &Value::Null)["tier"]["id"], "gold");
}

fn under_senders(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    let first = served(folder.path(), &[]);
    let (acknowledged, address) = (AtomicU64::new(0), first.address.clone());
    let ended = thread::scope(|scope| {
        for sender in 0..4 {
            let (acknowledged, address) = (&acknowledged, &address);
            scope.spawn(move || {
                for number in 0_u64.. {
                    let event = order("anna", &format!("{sender}-{number}"), "1").to_string();
                    if post(address, &admin(), &event) != Some(202) {
                        return;
                    }
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        until("some are acknowledged", || acknowledged.load(Ordering::SeqCst) > 20);
        first.signal(signal);
        first.ended()
    });
    assert!(ended);
    let again = served(folder.path(), &[]);
    let (found, acknowledged) = (spent(&again, &["anna".to_owned()])["anna"], acknowledged.load(Ordering::SeqCst));
    // The last event of each sender may be in without its answer.
    assert!(acknowledged <= found && found <= acknowledged + 4, "{found}, acknowledged {acknowledged}");
}

fn in_a_sweep(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    let first = served(folder.path(), &[]);
    let events: Vec<String> = (0..300).map(|it| order(&format!("m{it}"), &it.to_string(), "600").to_string()).collect();
    assert_eq!(post(&first.address, &admin(), &events.join("\n")), Some(202));
    until("all are taken in", || first.ask("GET", "/health", &Value::Null)["waiting"] == 0);
    first.ask("POST", "/clock", &json!({ "now": "2027-01-02T10:00:00Z" }));
    first.signal(signal);
    assert!(first.ended());
    let args = ["--clock", "2027-01-02T11:00:00Z", "--shop", "acme", "--token-key", TOKEN_KEY];
    let again = Served::run(folder.path(), &args, &[], Some(&ADMIN)).unwrap();
    until("the sweep ends", || {
        let insight = again.ask("GET", "/v1/insight", &Value::Null);
        insight["as_of"].as_str().is_some_and(|at| at.starts_with("2027-01"))
    });
    assert_eq!(again.ask("GET", "/v1/members/m7", &Value::Null)["tier"], Value::Null);
}

fn twice(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    let first = served(folder.path(), &[]);
    assert_eq!(post(&first.address, &admin(), &order("anna", "1", "600").to_string()), Some(202));
    first.signal(signal);
    // It may have ended by now; whether it ends in order is not checked.
    let _ = Command::new("kill").args([&format!("-{signal}"), &first.id().to_string()]).stderr(Stdio::null()).status();
    first.ended();
    let again = served(folder.path(), &[]);
    until("it is taken in", || again.ask("GET", "/v1/members/anna", &Value::Null)["tier"]["id"] == "gold");
}

/// Ends a start with a signal after a while.
fn start_ended_by(signal: &str, folder: &Path, later: Duration) {
    let mut serve = Command::new(built("echelon"));
    serve.args(["serve", "--listen", "127.0.0.1:0", "--clock", "2025-06-01T10:00:00Z"]).current_dir(folder);
    let mut process = serve.env_clear().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    thread::sleep(later);
    let _ = Command::new("kill").args([&format!("-{signal}"), &process.id().to_string()]).status();
    until("it ends", || process.try_wait().unwrap().is_some());
}

fn while_it_starts(signal: &str) {
    let folder = tempfile::tempdir().unwrap();
    (0..6).for_each(|later| start_ended_by(signal, folder.path(), Duration::from_millis(later * 10)));
    goes_on_at_the_next_start(folder.path());
}

/// Each run has a folder of its own: only the first start makes the file and its tables. Whether a kill fell into that is left to
/// chance; the cases below make on purpose what such a kill leaves.
fn killed_while_it_starts_it_starts_again() {
    for later in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        start_ended_by("KILL", folder.path(), Duration::from_millis(later * 4));
        goes_on_at_the_next_start(folder.path());
    }
}

fn a_table_that_is_noted_and_was_not_made_is_made_at_the_next_start() {
    ["echelon-members", "echelon-ledger", "echelon-control", "echelon-queues"].into_iter().for_each(made_without);
}

fn an_index_that_is_noted_and_was_not_made_is_made_at_the_next_start() {
    ["echelon-ledger::gsi::by-member", "echelon-ledger::gsi::unpublished"].into_iter().for_each(made_without);
}

/// Makes the file of a process that was killed while it made its tables. A table is noted first, and then it and its indexes are
/// made, each in a transaction of its own.
fn made_without(lost: &str) {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--clock", "2025-06-01T10:00:00Z", "--token-key", TOKEN_KEY];
    assert!(Served::run(folder.path(), &args, &[], Some(&ADMIN)).unwrap().end());
    let file = Connection::open(folder.path().join("echelon.db")).unwrap();
    let count = |of: &str, name: &str| {
        let asked = format!("SELECT count(*) FROM {of} = ?1");
        file.query_row(&asked, [name], |row| row.get::<_, u32>(0)).unwrap()
    };
    let table = lost.split("::").next().unwrap();
    assert_eq!(count("_tables WHERE table_name", table), 1, "{table} is not noted");
    assert_eq!(count("sqlite_schema WHERE type = 'table' AND name", lost), 1, "there is no {lost}");
    // A table whose indexes are not all there yet is empty.
    let left = if table == lost { String::new() } else { format!("DELETE FROM \"{table}\";") };
    file.execute_batch(&format!("{left} DROP TABLE \"{lost}\";")).unwrap();
    drop(file);
    goes_on_at_the_next_start(folder.path());
    let file = Connection::open(folder.path().join("echelon.db")).unwrap();
    let asked = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    assert_eq!(file.query_row(asked, [lost], |row| row.get::<_, u32>(0)).unwrap(), 1, "{lost} is still missing");
}

fn goes_on_at_the_next_start(folder: &Path) {
    let served = served(folder, &[]);
    served.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
    let history = served.ask("GET", "/v1/members/anna/history", &Value::Null);
    assert!(history["entries"].to_string().contains("\"entered\""), "{history}");
    assert!(served.end());
    let mut verify = Command::new(built("echelon"));
    let verified = verify.args(["verify", "--data", "echelon.db"]).current_dir(folder).output().unwrap();
    assert!(verified.status.success(), "{verified:?}");
}

fn stopped_for_a_while_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    served.signal("STOP");
    thread::sleep(Duration::from_millis(300));
    served.signal("CONT");
    served.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
    assert_eq!(served.ask("GET", "/health", &Value::Null)["status"], "ok");
    assert!(served.end());
}
