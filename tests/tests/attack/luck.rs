//! Bad luck: a process that dies, a disk that is full, a file that somebody else has.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tests::built::built;
use tests::served::Served;

use super::{TOKEN_KEY, bearer, order, program, served, token, until};

/// Posts events, unless nobody is there; the status, if there was an answer.
fn post(address: &str, token: &str, body: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let head = format!("POST /events HTTP/1.0\r\nhost: {address}\r\nauthorization: {token}\r\n");
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// What each member has spent, once nothing waits any more.
fn spent(served: &Served, members: &[String]) -> BTreeMap<String, u64> {
    until("nothing waits any more", || served.ask("GET", "/health", &Value::Null)["waiting"] == 0);
    let found = served.ask("POST", "/v1/standings", &json!({ "member_ids": members }));
    let of = |found: &Value| {
        let counted = found["standing"]["progress"]["counted"].as_str().unwrap_or("0");
        (found["member_id"].as_str().unwrap().to_owned(), counted.split('.').next().unwrap().parse().unwrap())
    };
    found["standings"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn twenty_kills_under_eight_senders_lose_nothing_and_count_nothing_twice() {
    const KILLS: u64 = 20;
    const SENDERS: u64 = 8;
    let folder = tempfile::tempdir().unwrap();
    let admin = bearer(&token("admin", Some("acme")));
    let members: Vec<String> = (0..SENDERS).map(|sender| format!("m{sender}")).collect();
    // Of each sender's orders those that were acknowledged, and those of which it is not known.
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

/// A limit on the size of files stands for a full disk: what is written beyond it fails.
#[test]
fn a_full_disk_is_told_and_what_was_acknowledged_before_is_there_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let file = program(folder.path());
    let echelon = built("echelon", &["rules", "service", "embedded", "web", "echelon"]);
    let script = format!(
        "trap '' XFSZ; ulimit -f 6000; exec '{}' serve --listen 127.0.0.1:0 --clock 2025-06-01T10:00:00Z --shop acme --program '{}'",
        echelon.display(),
        file.display()
    );
    let mut sh = Command::new("sh");
    sh.current_dir(folder.path()).env_clear().env("ECHELON_TOKEN_KEY", TOKEN_KEY).env("PATH", "/usr/bin:/bin");
    sh.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = sh.spawn().unwrap();
    let said = Arc::new(Mutex::new(String::new()));
    let (mut from, into) = (process.stderr.take().unwrap(), Arc::clone(&said));
    thread::spawn(move || {
        let mut some = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut some) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&some[..read]));
        }
    });
    let address = || Some(said.lock().unwrap().split_once("listening on http://")?.1.split_once(',')?.0.to_owned());
    until("it listens", || address().is_some());
    let (address, admin) = (address().unwrap(), bearer(&token("admin", Some("acme"))));
    let mut acknowledged = 0_u64;
    let mut refused = 0;
    for batch in 0..2_000 {
        let events: Vec<String> =
            (0..50).map(|it| order(&format!("m{}", it % 5), &format!("{batch}-{it}"), "1").to_string()).collect();
        match post(&address, &admin, &events.join("\n")) {
            Some(202) => acknowledged += 50,
            Some(503) => refused += 1,
            other => panic!("{other:?} after {acknowledged}"),
        }
        if refused >= 3 {
            break;
        }
    }
    assert!(refused >= 3, "the disk was never full");
    let health = || {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET /health HTTP/1.0\r\nhost: {address}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(health(), "503");
    let _ = process.kill();
    process.wait().unwrap();
    // With room again, all is there that was acknowledged; of a batch that was refused something may be, once.
    let again = served(folder.path(), &[]);
    let members: Vec<String> = (0..5).map(|member| format!("m{member}")).collect();
    let found: u64 = spent(&again, &members).values().sum();
    assert!(acknowledged <= found && found <= acknowledged + refused * 50, "{found}, acknowledged {acknowledged}");
    assert_eq!(again.ask("GET", "/health", &Value::Null)["status"], "ok");
}

#[test]
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

#[cfg(unix)]
#[test]
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

#[test]
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

#[test]
fn what_reads_makes_nothing_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        ["verify", "--data", "typo.db"],
        ["rebuild", "--data", "typo.db"],
        ["jobs", "--data", "typo.db"],
        ["rollover", "--data", "typo.db"],
    ] {
        let mut command = Command::new(built("echelon", &["web", "echelon"]));
        let done = command.args(args).current_dir(folder.path()).env_clear().output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains("typo.db"), "{args:?}: {said}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{args:?}");
    }
}

#[test]
fn a_file_that_is_removed_is_noticed_and_nothing_more_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    served.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
    let (there, away) = (folder.path().join("echelon.db"), folder.path().join("away.db"));
    std::fs::rename(&there, &away).unwrap();
    let status = || served.send("GET", "/health", &[], "").0;
    until("it is noticed", || status() == 503);
    let admin = bearer(&token("admin", Some("acme")));
    for path in ["/events", "/v1/facts"] {
        let headers = [("Authorization", admin.as_str()), ("Content-Type", "application/json")];
        assert_eq!(served.send("POST", path, &headers, &order("bert", "2", "5").to_string()).0, 503, "{path}");
    }
    std::fs::rename(&away, &there).unwrap();
    until("it is back", || status() == 200);
    assert_eq!(served.ask("GET", "/v1/members/anna", &Value::Null)["tier"]["id"], "gold");
}

/// A pipe that somebody holds and does not read is full at some time.
#[test]
fn streams_that_nobody_reads_hold_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = program(folder.path());
    let mut serve = Command::new(built("echelon", &["rules", "service", "embedded", "web", "echelon"]));
    serve.current_dir(folder.path()).env_clear().env("ECHELON_TOKEN_KEY", TOKEN_KEY);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--clock", "2025-06-01T10:00:00Z", "--shop", "acme", "--program"]);
    serve.arg(&file).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = serve.spawn().unwrap();
    let (address, said) = super::listening(&mut process);
    // Both pipes stay open, and nobody reads them: each unknown event is a line, and so is each new tier.
    let admin = bearer(&token("admin", Some("acme")));
    for batch in 0..6 {
        let events: Vec<String> = (0..500)
            .flat_map(|it| {
                let order = order(&format!("m{batch}-{it}"), &format!("{batch}-{it}"), "600").to_string();
                [r#"{"type":"unheard.of","note":"of no use to anybody"}"#.to_owned(), order]
            })
            .collect();
        assert_eq!(post(&address, &admin, &events.join("\n")), Some(202));
    }
    let health = || {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET /health HTTP/1.0\r\nhost: {address}\r\nauthorization: {admin}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str::<Value>(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    until("all is taken in", || health()["waiting"] == 0);
    until("all is announced", || health()["unannounced"] == 0);
    assert_eq!(health()["status"], "ok");
    Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap();
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while process.try_wait().unwrap().is_none() {
        assert!(std::time::Instant::now() < end, "it does not end");
        thread::sleep(Duration::from_millis(50));
    }
    drop(said);
}

#[test]
fn asked_to_end_the_moment_it_listens_it_ends_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..10 {
        assert!(served(folder.path(), &[]).end(), "the signal ended it in the middle of its start");
    }
}
