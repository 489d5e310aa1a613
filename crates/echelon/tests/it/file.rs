//! The file of a served system: copies of it and their restoration, its remains after an erasure, access by other
//! processes, and the messages if it is damaged or missing.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::common::{Served, command, eventually, order, program};
use rusqlite::Connection;
use serde_json::{Value, json};

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The output of a command, which must end with this exit code.
#[track_caller]
fn says(code: i32, args: &[&str]) -> String {
    let output = command(args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", words(&output));
    words(&output)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A file of a stopped system with some members.
fn stopped(folder: &Path, members: usize) -> PathBuf {
    let served = Served::start(folder, &[]);
    for chunk in (0..members).collect::<Vec<_>>().chunks(100) {
        let orders: Vec<Value> =
            chunk.iter().map(|n| order(&format!("member{n}"), &format!("order{n}"), "60.00")).collect();
        assert_eq!(served.post("/events", &Value::from(orders).to_string(), &[]).0, 202);
    }
    served.health_once(|health| health["taken_in"]["events"] == members);
    served.end();
    folder.join("echelon.db")
}

#[test]
fn a_backup_under_load_has_every_order_that_was_acknowledged_before_it_began() {
    const SENDERS: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let served = Arc::new(Served::start(folder.path(), &[]));
    let over = Arc::new(AtomicBool::new(false));
    let acknowledged: Vec<Arc<AtomicUsize>> = (0..SENDERS).map(|_| Arc::default()).collect();
    let senders: Vec<_> = acknowledged
        .iter()
        .enumerate()
        .map(|(sender, acknowledged)| {
            let (served, over, acknowledged) = (Arc::clone(&served), Arc::clone(&over), Arc::clone(acknowledged));
            thread::spawn(move || {
                for n in 0.. {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    let order = order(&format!("s{sender}m{n}"), &format!("s{sender}o{n}"), "1.00");
                    assert_eq!(served.post("/events", &order.to_string(), &[]).0, 202);
                    acknowledged.store(n + 1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    assert!(eventually(|| acknowledged.iter().all(|count| count.load(Ordering::SeqCst) > 40)));
    let before: Vec<usize> = acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).collect();
    let copy = folder.path().join("copy.db");
    let (copy, url) = (copy.to_str().unwrap(), served.url());
    let said = says(0, &["backup", copy, "--url", &url]);
    assert!(said.contains("is whole"), "{said}");
    let during: Vec<usize> = acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).collect();
    over.store(true, Ordering::SeqCst);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    assert_ne!(before, during, "no order was sent during the backup");
    assert_eq!(fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o600);
    let left = names(folder.path());
    assert!(!left.iter().any(|name| name.ends_with(".part") || name.ends_with(".snapshot")), "{left:?}");
    Arc::into_inner(served).unwrap().end();

    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("echelon.db");
    says(0, &["restore", copy, "--data", data.to_str().unwrap()]);
    // Events that were accepted and waited in the queue are ingested now.
    let served = Served::start(place.path(), &[]);
    served.health_once(|health| health["waiting"] == 0);
    for (sender, count) in before.iter().enumerate() {
        for n in 0..*count {
            let (status, member) = served.get(&format!("/v1/members/s{sender}m{n}"));
            assert_eq!(status, 200, "sender {sender}, order {n} of {count}: {member}");
        }
    }
    served.end();
    let verified = says(0, &["verify", "--data", data.to_str().unwrap()]);
    assert!(verified.contains(" 0 different from the ledger"), "{verified}");
}

#[test]
fn a_backup_and_a_restore_write_over_nothing_and_keep_nothing_that_is_not_whole() {
    let folder = tempfile::tempdir().unwrap();
    let data = stopped(folder.path(), 20);
    let (data, copy) = (data.to_str().unwrap(), folder.path().join("copy.db"));
    let copy = copy.to_str().unwrap();
    says(0, &["backup", copy, "--data", data]);
    let said = says(2, &["backup", copy, "--data", data]);
    assert!(said.contains("exists, and nothing is written over"), "{said}");
    says(0, &["backup", copy, "--data", data, "--force"]);
    let said = says(2, &["restore", copy, "--data", data]);
    assert!(said.contains("exists, and nothing is written over"), "{said}");
    // A log that another file left behind would be read as that of the new file.
    let stray = folder.path().join("new.db-wal");
    fs::write(&stray, "of another file").unwrap();
    let new = folder.path().join("new.db");
    let said = says(2, &["restore", copy, "--data", new.to_str().unwrap()]);
    assert!(said.contains("new.db-wal` belongs to another file"), "{said}");
    fs::remove_file(stray).unwrap();

    let whole = fs::read(copy).unwrap();
    for (what, bytes) in [("damaged or cut off", &whole[..whole.len() / 2]), ("not a SQLite database", b"not at all")] {
        let cut = folder.path().join("cut.db");
        fs::write(&cut, bytes).unwrap();
        let said = says(2, &["restore", cut.to_str().unwrap(), "--data", new.to_str().unwrap()]);
        assert!(said.contains(what) && said.contains("cut.db"), "{said}");
    }
    let said = says(2, &["backup", new.to_str().unwrap(), "--data", "nowhere.db"]);
    assert!(said.contains("there is no file") && said.contains("nowhere.db"), "{said}");
    let said = says(2, &["backup", new.to_str().unwrap(), "--url", "http://127.0.0.1:9"]);
    assert!(said.contains("http://127.0.0.1:9"), "{said}");
    assert!(!names(folder.path()).iter().any(|name| name.starts_with("new.db")), "{:?}", names(folder.path()));
}

#[test]
fn a_backup_is_for_administrators() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[]);
    let (url, copy) = (served.url(), folder.path().join("copy.db"));
    let said = says(2, &["backup", copy.to_str().unwrap(), "--url", &url, "--token", "not-a-token"]);
    assert!(said.contains("401"), "{said}");
    assert!(!copy.exists());
}

#[test]
fn a_second_process_is_refused_without_the_lock_file_and_under_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[]);
    let (data, link) = (folder.path().join("echelon.db"), folder.path().join("link.db"));
    fs::remove_file(folder.path().join("echelon.db.lock")).unwrap();
    fs::hard_link(&data, &link).unwrap();
    for name in [&data, &link] {
        let said = says(2, &["verify", "--data", name.to_str().unwrap()]);
        assert!(said.contains("in use by another process"), "{said}");
    }
    assert_eq!(served.post("/events", &order("anna", "1", "60.00").to_string(), &[]).0, 202);
    served.member_once("anna", |anna| anna["standing"]["tier"]["id"] == "bronze");
    served.end();
    assert!(says(0, &["verify", "--data", data.to_str().unwrap()]).contains("1 member recomputed"));
}

#[test]
fn no_word_about_an_erased_member_is_left_in_the_file_after_a_clean_stop() {
    const REASON: &str = "because her employer called us about it";
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[]);
    for member in ["anna", "bert"] {
        let given = json!({ "type": "tier.assigned", "member_id": member, "assignment_id": member, "tier": "gold",
                            "mode": "floor", "by": "Kim", "reason": REASON, "occurred_at": "2024-05-01T10:00:00Z" });
        let (status, told) = served.post("/v1/facts", &given.to_string(), &[]);
        assert!((200..300).contains(&status), "{told}");
    }
    let is_there = |name: &String| {
        let bytes = fs::read(folder.path().join(name)).unwrap();
        bytes.windows(REASON.len()).any(|window| window == REASON.as_bytes())
    };
    assert!(names(folder.path()).iter().any(is_there), "the search does not find the reason before the erasure");
    for member in ["anna", "bert"] {
        let (status, erased) = served.delete(&format!("/v1/members/{member}"));
        assert!((200..300).contains(&status), "{erased}");
    }
    served.end();
    for name in names(folder.path()) {
        assert!(!is_there(&name), "{name}");
    }
}

#[test]
fn commands_that_read_make_nothing_and_say_what_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let typo = folder.path().join("typo.db");
    let typo = typo.to_str().unwrap();
    let events = folder.path().join("e.jsonl");
    fs::write(&events, order("anna", "1", "1.00").to_string()).unwrap();
    let program = folder.path().join("program.json");
    fs::write(&program, crate::common::program().to_string()).unwrap();
    let before = names(folder.path());
    for args in [
        &["verify", "--data", typo][..],
        &["rebuild", "--data", typo],
        &["jobs", "--data", typo],
        &["rollover", "--data", typo],
        &["quarantine", "list", "--data", typo],
        &["quarantine", "replay", "--all", "--data", typo],
        &["preview", "--program", program.to_str().unwrap(), "--data", typo],
        &["publish", "--list", "--data", typo],
        &["load", events.to_str().unwrap(), "--data", typo, "--shop", "acme"],
    ] {
        let said = says(2, args);
        assert!(said.contains("there is no file") && said.contains("typo.db"), "{args:?}: {said}");
        assert_eq!(names(folder.path()), before, "{args:?}");
    }
    let data = stopped(folder.path(), 1);
    let said = says(2, &["verify", "--data", data.to_str().unwrap(), "--prefix", "typo"]);
    assert!(said.contains("there is no table `typo-members`"), "{said}");
    assert!(says(0, &["verify", "--data", data.to_str().unwrap()]).contains("1 member recomputed"));
}

/// No command writes over a store's file, whether it is served or stopped, named directly or by a link.
#[test]
fn no_list_report_or_copy_takes_the_place_of_a_store_or_of_what_lies_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[]);
    let orders: Vec<Value> = (0..20).map(|n| order(&format!("m{n}"), &format!("o{n}"), "60.00")).collect();
    assert_eq!(served.post("/events", &Value::from(orders).to_string(), &[]).0, 202);
    served.health_once(|health| health["taken_in"]["events"] == 20);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut cheaper = program();
    cheaper["tiers"][1]["threshold"] = "60".into();
    fs::write(path("cheaper.json"), cheaper.to_string()).unwrap();
    fs::write(path("orders.csv"), "number,customer\n1,anna\n").unwrap();
    symlink(path("echelon.db"), path("link.csv")).unwrap();
    symlink(path("echelon.db-wal"), path("link-of-the-log.csv")).unwrap();
    let (program, orders, url) = (path("cheaper.json"), path("orders.csv"), served.url());
    let before = |name: &str| fs::metadata(path(name)).unwrap().ino();
    let inodes = ["echelon.db", "echelon.db-wal", "echelon.db.lock"].map(before);
    let refused = |args: &[&str]| {
        let said = says(2, args);
        assert!(said.to_lowercase().contains("name another file"), "{args:?}: {said}");
    };
    let of_the_store = ["echelon.db", "echelon.db-wal", "echelon.db-shm", "echelon.db-journal", "echelon.db.lock"];
    for name in of_the_store.into_iter().chain(["link.csv", "link-of-the-log.csv"]) {
        let at = path(name);
        refused(&["preview", "--program", &program, "--list", &at, "--url", &url]);
        refused(&["import", &orders, "--output", &at]);
        refused(&["import", &orders, "--report", &at]);
        refused(&["import", &orders, "--left-out", &at]);
    }
    // A copy replaces a link, but not the file that it points to.
    for name in of_the_store {
        refused(&["backup", &path(name), "--force", "--url", &url]);
    }
    assert_eq!(["echelon.db", "echelon.db-wal", "echelon.db.lock"].map(before), inodes);
    assert_eq!(served.get("/health").0, 200);
    // An existing list is replaced.
    let list = path("list.csv");
    for _ in 0..2 {
        says(0, &["preview", "--program", &program, "--list", &list, "--url", &url]);
    }
    let listed = fs::read_to_string(&list).unwrap();
    assert_eq!((listed.lines().next(), listed.lines().count()), (Some("member_id,from,to,movement"), 21));
    served.end();
    let data = path("echelon.db");
    let said = says(2, &["preview", "--program", &program, "--list", &data, "--data", &data]);
    assert!(said.contains("is a store"), "{said}");
    assert!(says(0, &["verify", "--data", &data]).contains("20 members recomputed, 0 different"));
    // An earlier copy is replaced, also after it was checked.
    let copy = path("copy.db");
    says(0, &["backup", &copy, "--data", &data]);
    says(0, &["verify", "--data", &copy]);
    says(0, &["backup", &copy, "--force", "--data", &data]);
}

/// The offsets and the sizes of a table's pages with rows.
fn pages(data: &Path, table: &str) -> Vec<(u64, usize)> {
    let connection = Connection::open(data).unwrap();
    let asked = "SELECT pageno, pgsize FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' ORDER BY pageno";
    let mut asked = connection.prepare(asked).unwrap();
    let place = |row: &rusqlite::Row| -> rusqlite::Result<(u64, u64)> { Ok((row.get(0)?, row.get(1)?)) };
    let found = asked.query_map([table], place).unwrap().map(Result::unwrap);
    found.map(|(page, size)| ((page - 1) * size, usize::try_from(size).unwrap())).collect()
}

#[test]
fn what_is_damaged_while_it_is_served_is_told_and_what_was_accepted_waits() {
    const MEMBERS: usize = 3_000;
    let folder = tempfile::tempdir().unwrap();
    let data = stopped(folder.path(), MEMBERS);
    let pages = pages(&data, "echelon-members");
    let served = Served::start(folder.path(), &[]);
    let file = fs::File::options().read(true).write(true).open(&data).unwrap();
    // Some pages in the middle, because the pages that were read last are in memory and are not read again.
    let damaged: Vec<(u64, Vec<u8>)> = pages[pages.len() / 3..][..8]
        .iter()
        .map(|(at, size)| {
            let mut whole = vec![0; *size];
            file.read_exact_at(&mut whole, *at).unwrap();
            file.write_all_at(&vec![0x5a; *size], *at).unwrap();
            (*at, whole)
        })
        .collect();
    for some in (0..MEMBERS).collect::<Vec<_>>().chunks(100) {
        let orders = some.iter().map(|n| order(&format!("member{n}"), &format!("more{n}"), "1.00"));
        assert_eq!(served.post("/events", &Value::from_iter(orders).to_string(), &[]).0, 202);
    }
    let is_told = || served.get("/health").1["problems"].to_string().contains("events: ");
    assert!(eventually(is_told), "{}", served.get("/health").1);
    assert_eq!(served.get("/health").0, 503);
    served.end();
    // With the original pages, everything is ingested.
    for (at, whole) in damaged {
        let mut found = vec![0; whole.len()];
        file.read_exact_at(&mut found, at).unwrap();
        if found.iter().all(|byte| *byte == 0x5a) {
            file.write_all_at(&whole, at).unwrap();
        }
    }
    let served = Served::start(folder.path(), &[]);
    served.health_once(|health| health["waiting"] == 0 && health["status"] == "ok" && health["dead"] == 0);
    served.end();
    let said = says(0, &["verify", "--data", data.to_str().unwrap()]);
    assert!(said.contains("3000 members recomputed, 0 different"), "{said}");
}

/// Changes a page at the end of a table.
fn damage(data: &Path, table: &str, how: impl Fn(&mut [u8])) {
    let connection = Connection::open(data).unwrap();
    let asked = "SELECT pageno, pgsize FROM dbstat WHERE name = ?1 AND pagetype = 'leaf' ORDER BY pageno DESC LIMIT 1";
    let (page, size): (u64, u64) = connection.query_row(asked, [table], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    drop(connection);
    let file = fs::File::options().read(true).write(true).open(data).unwrap();
    let mut bytes = vec![0; usize::try_from(size).unwrap()];
    file.read_exact_at(&mut bytes, (page - 1) * size).unwrap();
    how(&mut bytes);
    file.write_all_at(&bytes, (page - 1) * size).unwrap();
}

#[test]
fn verify_and_rebuild_go_on_past_what_does_not_read_and_serve_does_not_begin() {
    let folder = tempfile::tempdir().unwrap();
    let data = stopped(folder.path(), 300);
    damage(&data, "echelon-ledger", |page| page.fill(0x5a));
    let data = data.to_str().unwrap();
    for what in ["verify", "rebuild"] {
        let output = command(&[what, "--data", data, "--format", "json"]);
        assert_eq!(output.status.code(), Some(1), "{}", words(&output));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let (members, unread) = (found["members"].as_u64().unwrap(), found["unread"].as_array().unwrap());
        assert!(!found["damage"].as_array().unwrap().is_empty(), "{found}");
        assert!(!unread.is_empty() && members > 200, "{members} read, {} not", unread.len());
        assert!(unread.iter().any(|gap| gap["member_id"].is_string()), "{found}");
    }
    let said = says(1, &["verify", "--data", data]);
    assert!(said.contains("the file is damaged") && said.contains("cannot be decoded"), "{said}");
    let said = says(2, &["serve", "--data", data, "--listen", "127.0.0.1:0"]);
    assert!(said.contains("the file is damaged") && said.contains("echelon restore"), "{said}");
    let copy = folder.path().join("copy.db");
    let said = says(2, &["backup", copy.to_str().unwrap(), "--data", data]);
    assert!(said.contains("damaged") && !copy.exists(), "{said}");
}
