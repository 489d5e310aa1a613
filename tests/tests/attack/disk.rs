//! A full disk, at every kind of write: it is reported, nothing is done by half, and with room again everything is as it should
//! be.
//!
//! A limit on the size of files stands for it: every write to a file fails, and the limit can be lifted again.

use std::path::Path;
use std::process::{Command, Output};

use libtest_mimic::Trial;
use rules::calendar::Instant;
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::built::built;
use tests::served::Served;

use super::case::{case, cases};
use super::luck::{post, spent};
use super::shopify::signature;
use super::{ADMIN, TOKEN_KEY, admin, bearer, order, program, served, until};

const SECRET: &str = "hush, hush, hush";

pub fn cases() -> Vec<Trial> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    let alone = cases![
        "disk",
        what_was_accepted_and_waits_is_taken_in_once_there_is_room,
        what_cannot_succeed_is_quarantined_once_there_is_room,
        a_sweep_goes_on_once_there_is_room,
        a_changed_tier_is_announced_once_there_is_room,
        a_webhook_of_shopify_is_refused_and_is_not_known_afterwards,
        a_backup_is_refused_and_leaves_nothing_behind,
        several_facts_are_refused_and_it_is_told_at_once,
        it_ends_in_order,
        killed_on_a_full_disk_it_starts_again_with_all_that_was_acknowledged,
        it_does_not_start_and_says_why,
        what_ends_sound_is_verified_and_rebuilt_without_room,
        filled_up_under_load_it_has_what_was_acknowledged,
    ];
    alone.into_iter().chain(writes()).chain(commands()).collect()
}

/// A system whose disk can be filled.
struct Disk {
    served: Served,
    folder: TempDir,
}

/// The command, in a shell in which a write beyond the limit fails, as on a full disk, and does not end the process.
fn on_a_small_disk(limit: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("trap '' XFSZ; {limit} exec \"$0\" \"$@\"")]);
    shell.arg(built("echelon"));
    shell.env_clear().env("PATH", "/usr/bin:/bin").env("ECHELON_TOKEN_KEY", TOKEN_KEY);
    shell
}

impl Disk {
    /// Starts a system with room, and a gold member.
    fn with_room(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut serve = on_a_small_disk("");
        let usual = ["serve", "--listen", "127.0.0.1:0", "--clock", "2025-06-01T10:00:00Z", "--shop", "acme"];
        serve.current_dir(folder.path()).args(usual).args(more).arg("--program").arg(program(folder.path()));
        let served = Served::begin(serve, Some(&ADMIN)).unwrap();
        served.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
        until("she is announced", || served.ask("GET", "/health", &Value::Null)["unannounced"] == 0);
        Self { served, folder }
    }

    fn fill(&self) {
        self.limit("0:");
    }

    fn make_room(&self) {
        self.limit("unlimited:");
    }

    fn limit(&self, bytes: &str) {
        let (id, size) = (self.served.id().to_string(), format!("--fsize={bytes}"));
        assert!(Command::new("prlimit").args(["--pid", &id, &size]).status().unwrap().success());
    }

    /// The time of the system.
    fn now(&self) -> Instant {
        Instant::parse(self.health().1["now"].as_str().unwrap()).unwrap()
    }

    fn health(&self) -> (u16, Value) {
        self.served.send("GET", "/health", &[("Authorization", &admin())], "")
    }

    /// Sends a request of an administrator of all shops.
    fn send(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let bearer = bearer(&ADMIN);
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        self.served.send(method, path, &headers, &if body.is_null() { String::new() } else { body.to_string() })
    }

    /// Ends it, and checks that the file has what its ledger says.
    fn ends_sound(self) {
        assert!(self.served.end());
        verified(self.folder.path());
    }
}

fn verified(folder: &Path) {
    let done = echelon(on_a_small_disk(""), folder, &["verify", "--data", "echelon.db"]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && said.contains(" 0 different from the ledger"), "{done:?}");
}

fn echelon(mut command: Command, folder: &Path, args: &[&str]) -> Output {
    command.current_dir(folder).args(args).output().unwrap()
}

/// Operations that write: on a full disk each is refused with 503 and not done, and afterwards it is done.
fn writes() -> Vec<Trial> {
    let gold = json!({ "tier": "gold", "mode": "floor", "reason": "so" });
    let other = json!({ "program": { "program_id": "vip", "name": "Other", "active": true, "timezone": "UTC",
        "currency": "USD", "start_date": "2020-01-01", "tiers": [{ "id": "gold", "name": "Gold", "threshold": "300" }],
        "milestone": { "metric": "amount_spent", "period": "calendar_year" } } });
    let writes: Vec<(&str, &str, &str, Value, u16, &str)> = vec![
        ("a_fact", "POST", "/v1/facts", order("bert", "2", "600"), 200, "/v1/members/bert"),
        ("an_event", "POST", "/events", order("bert", "2", "600"), 202, "/v1/members/bert"),
        ("an_assignment", "POST", "/v1/members/bert/assignments", gold, 201, "/v1/members/bert"),
        (
            "a_program_of_another_shop",
            "POST",
            "/v1/program/versions?shop=other",
            other,
            201,
            "/v1/program/versions/1?shop=other",
        ),
        ("an_erasure", "DELETE", "/v1/members/anna", Value::Null, 202, "/v1/members/anna/erasure"),
        ("a_moved_clock", "POST", "/clock", json!({ "now": "+1h" }), 200, "/health"),
    ];
    let tried = writes.into_iter().map(|(name, method, path, body, status, there)| {
        case("disk", &format!("{name}_is_refused_and_taken_once_there_is_room"), move || {
            let disk = Disk::with_room(&[]);
            let hour_to_come = disk.now().plus_millis(60 * 60 * 1_000);
            // The clock is known to be moved once it is past an hour that was not waited for.
            let is_there = || match there {
                "/health" if disk.now() < hour_to_come => 404,
                "/health" => 200,
                _ => disk.send("GET", there, &Value::Null).0,
            };
            let before = is_there();
            disk.fill();
            let (found, answer) = disk.send(method, path, &body);
            assert_eq!((found, &answer["type"]), (503, &json!("urn:echelon:problem:unavailable")), "{answer}");
            assert_eq!(is_there(), before, "it is there all the same");
            disk.make_room();
            let (found, answer) = disk.send(method, path, &body);
            assert_eq!(found, status, "{answer}");
            until("it is there", || is_there() == 200);
            until("it does well", || disk.health().0 == 200);
            disk.ends_sound();
        })
    });
    tried.collect()
}

/// Commands on the file of a stopped system.
fn commands() -> Vec<Trial> {
    let commands: [(&str, &[&str]); 4] = [
        ("backup", &["backup", "copy.db", "--data", "echelon.db"]),
        ("restore", &["restore", "echelon.db", "--data", "new.db"]),
        ("publish", &["publish", "--shop", "other", "--program", "program.json", "--data", "echelon.db"]),
        ("load", &["load", "events.jsonl", "--shop", "acme", "--data", "echelon.db"]),
    ];
    let tried = commands.map(|(name, args)| {
        case("disk", &format!("{name}_says_so_and_leaves_the_file_as_it_is"), move || {
            let folder = tempfile::tempdir().unwrap();
            let served = served(folder.path(), &[]);
            served.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
            assert!(served.end());
            std::fs::write(folder.path().join("events.jsonl"), order("bert", "2", "600").to_string()).unwrap();
            let before = names(folder.path());
            let done = echelon(on_a_small_disk("ulimit -f 0;"), folder.path(), args);
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(!said.contains("panicked"), "{said}");
            assert!(done.status.code() == Some(2) && said.contains("error: "), "{done:?}");
            assert_eq!(names(folder.path()), before, "{said}");
            verified(folder.path());
            let done = echelon(on_a_small_disk(""), folder.path(), args);
            assert!(done.status.success(), "{done:?}");
        })
    });
    tried.into()
}

/// The files of a folder, except those that SQLite keeps beside its own.
fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm")).collect();
    names.sort();
    names
}

fn what_was_accepted_and_waits_is_taken_in_once_there_is_room() {
    let disk = Disk::with_room(&[]);
    let events: Vec<String> = (0..1_000).map(|it| order("bert", &format!("b{it}"), "1").to_string()).collect();
    assert_eq!(post(&disk.served.address, &admin(), &events.join("\n")), Some(202));
    disk.fill();
    until("it is told", || disk.health().0 == 503);
    disk.make_room();
    assert_eq!(spent(&disk.served, &["bert".to_owned()])["bert"], 1_000);
    until("it does well", || disk.health().0 == 200);
    disk.ends_sound();
}

fn what_cannot_succeed_is_quarantined_once_there_is_room() {
    let disk = Disk::with_room(&[]);
    let broken = |it: usize| json!({ "type": "order.paid", "member_id": "anna", "order_id": it, "total": "a lot" });
    let events: Vec<String> = (0..200).map(|it| broken(it).to_string()).collect();
    assert_eq!(post(&disk.served.address, &admin(), &events.join("\n")), Some(202));
    disk.fill();
    until("it is told", || disk.health().0 == 503);
    disk.make_room();
    until("all are quarantined", || disk.health().1["quarantined"] == 200);
    disk.fill();
    assert_eq!(disk.send("POST", "/v1/quarantine/replay", &json!({ "all": true })).0, 503);
    disk.make_room();
    until("all are quarantined", || disk.health().1["quarantined"] == 200 && disk.health().1["waiting"] == 0);
    disk.ends_sound();
}

fn a_sweep_goes_on_once_there_is_room() {
    let disk = Disk::with_room(&[]);
    let at = |text: &str| Instant::parse(text).unwrap();
    let has_fallen = || {
        let history = disk.served.ask("GET", "/v1/members/anna/history", &Value::Null);
        history["entries"].to_string().contains("\"left\"")
    };
    // Time cannot be moved on a full disk, because the move could not be noted. It is moved to shortly before the boundary at
    // which she falls, and what is due until then is swept.
    let (shortly_before, midnight) = (at("2026-12-31T23:59:45Z"), at("2027-01-01T00:00:00Z"));
    assert_eq!(disk.send("POST", "/clock", &json!({ "now": shortly_before.to_string() })).0, 200);
    until("what is due is swept", || {
        let swept = disk.health().1["last_sweep"].as_str().map(at);
        swept.is_some_and(|swept| swept >= shortly_before)
    });
    disk.fill();
    assert!(disk.now() < midnight && !has_fallen(), "this machine is too busy: the disk was full too late");
    until("it is midnight", || disk.now() >= midnight);
    until("it is told", || disk.health().1["problems"].to_string().contains("sweeps: "));
    assert_eq!(disk.health().0, 503);
    assert!(!has_fallen(), "it was written all the same");
    disk.make_room();
    until("she has fallen", has_fallen);
    until("it does well", || disk.health().0 == 200);
    disk.ends_sound();
}

fn a_changed_tier_is_announced_once_there_is_room() {
    let disk = Disk::with_room(&[]);
    let events: Vec<String> =
        (0..300).map(|it| order(&format!("m{it}"), &format!("m{it}"), "600").to_string()).collect();
    assert_eq!(post(&disk.served.address, &admin(), &events.join("\n")), Some(202));
    until("some are taken in", || disk.health().1["taken_in"]["applied"].as_u64() > Some(10));
    disk.fill();
    std::thread::sleep(std::time::Duration::from_millis(200));
    disk.make_room();
    until("all are taken in", || disk.health().1["waiting"] == 0);
    until("all are announced", || disk.health().1["unannounced"] == 0);
    assert_eq!(disk.health().1["taken_in"]["applied"], 300);
    disk.ends_sound();
}

fn a_webhook_of_shopify_is_refused_and_is_not_known_afterwards() {
    let disk = Disk::with_room(&["--shopify-secret", SECRET]);
    let body = super::shopify::order(1, "600.00");
    let signature = signature(SECRET, &body);
    let headers = [
        ("X-Shopify-Topic", "orders/paid"),
        ("X-Shopify-Shop-Domain", "acme"),
        ("X-Shopify-Hmac-Sha256", signature.as_str()),
    ];
    disk.fill();
    assert_eq!(disk.served.send("POST", "/events", &headers, &body).0, 503);
    disk.make_room();
    assert_eq!(disk.served.send("POST", "/events", &headers, &body), (202, json!({ "accepted": 1 })));
    until("it is taken in", || disk.send("GET", "/v1/members/7", &Value::Null).1["tier"]["id"] == "gold");
    disk.ends_sound();
}

fn a_backup_is_refused_and_leaves_nothing_behind() {
    let disk = Disk::with_room(&[]);
    let before = names(disk.folder.path());
    disk.fill();
    let (status, answer) = disk.send("POST", "/backup", &Value::Null);
    assert_eq!((status, &answer["type"]), (500, &json!("urn:echelon:problem:backup-failed")), "{answer}");
    assert_eq!(names(disk.folder.path()), before);
    disk.make_room();
    let done = echelon(
        on_a_small_disk(""),
        disk.folder.path(),
        &["backup", "copy.db", "--url", &format!("http://{}", disk.served.address), "--token", &ADMIN],
    );
    assert!(done.status.success(), "{done:?}");
    disk.ends_sound();
}

fn several_facts_are_refused_and_it_is_told_at_once() {
    let disk = Disk::with_room(&[]);
    // The note that is written every ten seconds has just been written.
    until("it was looked what is due", || disk.health().1["last_sweep"].is_string());
    let facts = json!([order("bert", "2", "600"), order("carl", "3", "600")]);
    disk.fill();
    let (status, answer) = disk.send("POST", "/v1/facts", &facts);
    assert_eq!((status, &answer["type"]), (503, &json!("urn:echelon:problem:unavailable")), "{answer}");
    let (status, health) = disk.health();
    assert!(status == 503 && health["problems"].to_string().contains("writing: "), "{health}");
    disk.make_room();
    let (status, answer) = disk.send("POST", "/v1/facts", &facts);
    assert_eq!((status, &answer["results"][1]["status"]), (200, &json!("applied")), "{answer}");
    until("it does well", || disk.health().0 == 200);
    disk.ends_sound();
}

fn it_ends_in_order() {
    let disk = Disk::with_room(&[]);
    disk.fill();
    assert_eq!(disk.send("POST", "/events", &order("bert", "2", "600")).0, 503);
    assert!(disk.served.end());
    verified(disk.folder.path());
}

fn killed_on_a_full_disk_it_starts_again_with_all_that_was_acknowledged() {
    let disk = Disk::with_room(&[]);
    let events: Vec<String> = (0..500).map(|it| order("bert", &format!("b{it}"), "1").to_string()).collect();
    assert_eq!(post(&disk.served.address, &admin(), &events.join("\n")), Some(202));
    disk.fill();
    assert_eq!(disk.send("POST", "/events", &order("bert", "2", "600")).0, 503);
    disk.served.signal("KILL");
    assert!(!disk.served.ended());
    let again = served(disk.folder.path(), &[]);
    assert_eq!(spent(&again, &["bert".to_owned()])["bert"], 500);
    assert!(again.end());
    verified(disk.folder.path());
}

fn what_ends_sound_is_verified_and_rebuilt_without_room() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    served.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
    assert!(served.end());
    for (command, says) in
        [("verify", "1 member recomputed, 0 different"), ("rebuild", "1 member recomputed, 0 rebuilt")]
    {
        let done = echelon(on_a_small_disk("ulimit -f 0;"), folder.path(), &[command, "--data", "echelon.db"]);
        assert!(done.status.success() && String::from_utf8_lossy(&done.stdout).contains(says), "{done:?}");
    }
}

fn it_does_not_start_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let done = echelon(on_a_small_disk("ulimit -f 0;"), folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.code() == Some(2) && said.contains("error: ") && !said.contains("panicked"), "{done:?}");
    // Files that it may have left are no hindrance.
    served(folder.path(), &[]).spent("anna", "1", "2025-05-01T10:00:00Z", "600");
}

fn filled_up_under_load_it_has_what_was_acknowledged() {
    let disk = Disk::with_room(&[]);
    disk.limit("6000000:");
    let (mut acknowledged, mut refused) = (0, 0);
    for batch in 0..2_000 {
        let one = |it: u64| order(&format!("m{}", it % 5), &format!("{batch}-{it}"), "1").to_string();
        let events: Vec<String> = (0..50).map(one).collect();
        match post(&disk.served.address, &admin(), &events.join("\n")) {
            Some(202) => acknowledged += 50,
            Some(503) => refused += 1,
            other => panic!("{other:?} after {acknowledged}"),
        }
        if refused >= 3 {
            break;
        }
    }
    assert!(refused >= 3, "the disk was never full");
    disk.make_room();
    let members: Vec<String> = (0..5).map(|member| format!("m{member}")).collect();
    let found: u64 = spent(&disk.served, &members).values().sum();
    // Some events of a refused batch may be stored, each of them once.
    assert!(acknowledged <= found && found <= acknowledged + refused * 50, "{found}, acknowledged {acknowledged}");
    until("it does well", || disk.health().0 == 200);
    disk.ends_sound();
}
