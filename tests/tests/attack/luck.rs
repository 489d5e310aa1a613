//! Bad luck: a process that dies, a disk that is full, a file that another process has.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::{Value, json};
use tests::built::built;
use tests::served::Served;

use super::case::{case, cases};
use super::{admin, order, served, until};

pub fn cases() -> Vec<Trial> {
    let alone = cases![
        "luck",
        twenty_kills_under_eight_senders_lose_nothing_and_count_nothing_twice,
        a_second_process_is_refused_whatever_became_of_the_lock_file,
        files_are_their_owners_alone,
        what_was_erased_is_not_in_the_file_any_more,
        a_file_that_is_removed_is_noticed_and_nothing_more_is_acknowledged,
        a_file_that_is_cut_off_is_noticed_and_nothing_more_is_acknowledged,
    ];
    alone.into_iter().chain(reads()).collect()
}

/// Posts events; returns the status, or none if no server answers.
pub fn post(address: &str, token: &str, body: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let head = format!("POST /events HTTP/1.0\r\nhost: {address}\r\nauthorization: {token}\r\n");
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// The amount that each member has spent, once nothing waits.
pub fn spent(served: &Served, members: &[String]) -> BTreeMap<String, u64> {
    until("nothing waits any more", || served.ask("GET", "/health", &Value::Null)["waiting"] == 0);
    let found = served.ask("POST", "/v1/standings", &json!({ "member_ids": members }));
    let of = |found: &Value| {
        let counted = found["standing"]["progress"]["counted"].as_str().unwrap_or("0");
        (found["member_id"].as_str().unwrap().to_owned(), counted.split('.').next().unwrap().parse().unwrap())
    };
    found["standings"].as_array().unwrap().iter().map(of).collect()
}

fn twenty_kills_under_eight_senders_lose_nothing_and_count_nothing_twice() {
    const KILLS: u64 = 20;
    const SENDERS: u64 = 8;
    let folder = tempfile::tempdir().unwrap();
    let admin = admin();
    let members: Vec<String> = (0..SENDERS).map(|sender| format!("m{sender}")).collect();
    // The numbers of each sender's orders that were acknowledged, and of those whose outcome is not known.
    let acknowledged: Arc<Vec<(AtomicU64, AtomicU64)>> = Arc::new(members.iter().map(|_| Default::default()).collect());
    for kill in 0..KILLS {
        let served = served(folder.path(), &[]);
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (address, admin, counts) = (served.address.clone(), admin.clone(), Arc::clone(&acknowledged));
                thread::spawn(move || {
                    for number in 0_u64.. {
                        let event = order(&format!("m{sender}"), &format!("{kill}-{sender}-{number}"), "1");
                        let (known, unknown) = &counts[usize::try_from(sender).unwrap()];
                        match post(&address, &admin, &event.to_string()) {
                            Some(202) => known.fetch_add(1, Ordering::SeqCst),
                            _ => {
                                unknown.fetch_add(1, Ordering::SeqCst);
                                break;
                            }
                        };
                    }
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(30 + kill * 37 % 300));
        assert!(Command::new("kill").args(["-KILL", &served.id().to_string()]).status().unwrap().success());
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    }
    let last = served(folder.path(), &[]);
    let found = spent(&last, &members);
    let mut all = 0;
    for (member, (known, unknown)) in members.iter().zip(acknowledged.iter()) {
        let (known, unknown) = (known.load(Ordering::SeqCst), unknown.load(Ordering::SeqCst));
        let counted = found[member];
        assert!(
            known <= counted && counted <= known + unknown,
            "{member}: {counted}, acknowledged {known}, open {unknown}"
        );
        all += known;
    }
    println!("{all} events were acknowledged under {KILLS} kills: lost 0, twice 0");
    assert!(all > KILLS, "hardly anything was acknowledged: {all}");
}

fn a_second_process_is_refused_whatever_became_of_the_lock_file() {
    let folder = tempfile::tempdir().unwrap();
    let _first = served(folder.path(), &[]);
    let second = |data: &str| {
        let args = ["--data", data, "--clock", "2025-06-01T10:00:00Z"];
        Served::run(folder.path(), &args, &[], None).map(|_| ()).unwrap_err()
    };
    assert!(second("echelon.db").contains("in use by another process"));
    let _ = std::fs::remove_file(folder.path().join("echelon.db.lock"));
    assert!(second("echelon.db").contains("in use by another process"));
    std::fs::hard_link(folder.path().join("echelon.db"), folder.path().join("other.db")).unwrap();
    assert!(second("other.db").contains("in use by another process"));
}

fn files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    served.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("echelon.db") {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 2, "{seen}");
}

fn what_was_erased_is_not_in_the_file_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    served.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
    let secret = "because she is the sister of the owner";
    let made = served.ask(
        "POST",
        "/v1/members/anna/assignments",
        &json!({ "tier": "gold", "mode": "floor", "reason": secret }),
    );
    assert!(made["problems"].is_null(), "{made}");
    assert_eq!(served.ask("DELETE", "/v1/members/anna", &Value::Null)["verified"], false);
    served.ask("POST", "/clock", &json!({ "now": "+20m" }));
    until("it is verified", || served.ask("GET", "/v1/members/anna/erasure", &Value::Null)["verified"] == true);
    assert!(served.end());
    for entry in std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "{:?} still has it", entry.file_name());
    }
}

/// Commands that read a file, whose name is wrong.
fn reads() -> Vec<Trial> {
    let commands: [&[&str]; 7] = [
        &["verify", "--data", "typo.db"],
        &["rebuild", "--data", "typo.db"],
        &["jobs", "--data", "typo.db"],
        &["rollover", "--data", "typo.db"],
        &["quarantine", "list", "--data", "typo.db"],
        &["backup", "copy.db", "--data", "typo.db"],
        &["restore", "typo.db", "--data", "new.db"],
    ];
    let tried = commands.map(|args| {
        case("luck", &format!("{}_of_no_file_makes_none_and_says_so", args[0]), move || {
            let folder = tempfile::tempdir().unwrap();
            let mut command = Command::new(built("echelon"));
            let done = command.args(args).current_dir(folder.path()).env_clear().output().unwrap();
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(done.status.code() == Some(2) && said.contains("typo.db"), "{said}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        })
    });
    tried.into()
}

fn a_file_that_is_removed_is_noticed_and_nothing_more_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    served.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
    let (there, away) = (folder.path().join("echelon.db"), folder.path().join("away.db"));
    std::fs::rename(&there, &away).unwrap();
    let status = || served.send("GET", "/health", &[], "").0;
    until("it is noticed", || status() == 503);
    let admin = admin();
    for path in ["/events", "/v1/facts"] {
        let headers = [("Authorization", admin.as_str()), ("Content-Type", "application/json")];
        assert_eq!(served.send("POST", path, &headers, &order("bert", "2", "5").to_string()).0, 503, "{path}");
    }
    std::fs::rename(&away, &there).unwrap();
    until("it is back", || status() == 200);
    assert_eq!(served.ask("GET", "/v1/members/anna", &Value::Null)["tier"]["id"], "gold");
}

fn a_file_that_is_cut_off_is_noticed_and_nothing_more_is_acknowledged() {
    for half in [0, 1] {
        let folder = tempfile::tempdir().unwrap();
        let first = served(folder.path(), &[]);
        first.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
        assert!(first.end());
        let (file, served) = (folder.path().join("echelon.db"), served(folder.path(), &[]));
        let status = || served.send("GET", "/health", &[], "").0;
        until("it is well", || status() == 200);
        let file = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length / 2 * half).unwrap();
        until("it is noticed", || status() == 503);
        // The file has its former length, but not its former content.
        file.set_len(length).unwrap();
        let admin = admin();
        for path in ["/events", "/v1/facts"] {
            let headers = [("Authorization", admin.as_str()), ("Content-Type", "application/json")];
            assert_eq!(served.send("POST", path, &headers, &order("bert", "2", "5").to_string()).0, 503, "{path}");
        }
        assert_eq!(status(), 503);
    }
}
