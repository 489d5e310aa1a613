//! What a shop says at once arrives at once, also through `load` and `/events`, with the built command (section 4).

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::common::{Served, command, order, program};

/// An order that a document first tells of when it is refunded in full: that it was paid is no reason for a tier.
fn refunded(member: &str, id: &str) -> [Value; 2] {
    let mut paid = order(member, id, "900.00");
    let refund = json!({ "type": "order.refunded", "order_id": id, "refund_id": id, "amount": "900.00", "member_id": member,
                         "occurred_at": paid["occurred_at"], "document": id });
    paid["document"] = json!(id);
    [paid, refund]
}

/// A file in which the document of `anna` stands across the end of the first 500 events, and that of `ben` across that of the
/// first 1,000.
fn file(folder: &Path) -> String {
    let few = |from: usize, to: usize| (from..to).map(|nth| order("carl", &format!("c{nth}"), "0.01"));
    let documents = [refunded("anna", "a"), refunded("ben", "b")].map(|lines| lines.into_iter());
    let [anna, ben] = documents;
    let lines: Vec<String> =
        few(0, 499).chain(anna).chain(few(499, 997)).chain(ben).map(|line| line.to_string()).collect();
    let path = folder.join("events.jsonl");
    fs::write(&path, lines.join("\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

fn load(args: &[&str]) -> Value {
    let done = command(&[&["load", "--live", "--format", "json"], args].concat());
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(0), "{said}");
    serde_json::from_slice(&done.stdout).unwrap()
}

#[test]
fn a_document_of_a_loaded_file_arrives_at_once_wherever_a_batch_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path());
    let served = Served::start(folder.path(), &[]);
    let report = load(&[&path, "--url", &served.url()]);
    let told =
        |report: &Value| json!([report["lines"], report["taken_in"]["applied"], report["taken_in"]["transitions"]]);
    assert_eq!(told(&report), json!([1001, 1001, 0]), "{report}");
    for member in ["anna", "ben"] {
        let (_, history) = served.get(&format!("/v1/members/{member}/history"));
        assert_eq!(history["entries"], json!([]), "{history}");
    }
    served.end();

    let data = folder.path().join("echelon.db");
    let report = load(&[&path, "--data", data.to_str().unwrap(), "--shop", "acme", "--resume-from", "1"]);
    assert_eq!(told(&report)[2], json!(0), "{report}");
    assert_eq!(report["taken_in"]["duplicates"], json!(1001), "{report}");

    let new = folder.path().join("new");
    fs::create_dir(&new).unwrap();
    fs::write(new.join("program.json"), program().to_string()).unwrap();
    let data = new.join("new.db");
    let data = data.to_str().unwrap();
    let made = command(&[
        "publish",
        "--program",
        new.join("program.json").to_str().unwrap(),
        "--data",
        data,
        "--shop",
        "acme",
    ]);
    assert_eq!(made.status.code(), Some(0), "{}", String::from_utf8_lossy(&made.stderr));
    let report = load(&[&path, "--data", data, "--shop", "acme"]);
    assert_eq!(told(&report), json!([1001, 1001, 0]), "{report}");
    // One event a second is still no half of a document.
    let few = new.join("few.jsonl");
    let lines: Vec<String> = refunded("dora", "d").iter().map(ToString::to_string).collect();
    fs::write(&few, lines.join("\n")).unwrap();
    let report = load(&[few.to_str().unwrap(), "--data", data, "--shop", "acme", "--per-second", "1"]);
    assert_eq!(told(&report), json!([2, 2, 0]), "{report}");
}

#[test]
fn events_of_one_document_in_a_request_arrive_at_once_and_others_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[]);
    let [paid, refund] = refunded("anna", "a");
    let (status, answer) = served.post("/events", &json!([paid, refund]).to_string(), &[]);
    assert_eq!((status, &answer["accepted"]), (202, &json!(2)), "{answer}");
    let [mut paid, mut refund] = refunded("ben", "b");
    refund["document"] = json!("another");
    paid["document"] = json!("one");
    assert_eq!(served.post("/events", &json!([paid, refund]).to_string(), &[]).0, 202);
    let history = |member: &str, length: usize| {
        let path = format!("/v1/members/{member}/history");
        let answer = served.once_is(&path, |answer| answer["entries"].as_array().map(Vec::len) == Some(length));
        assert_eq!(answer["entries"].as_array().map(Vec::len), Some(length), "{answer}");
    };
    history("ben", 2);
    history("anna", 0);

    // An erasure takes the scope `admin`, and is not hidden in a document.
    let erasure = json!({ "type": "customer.erased", "member_id": "ben", "occurred_at": paid["occurred_at"] });
    let hidden = json!({ "type": "document", "facts": [order("dora", "d", "1.00"), erasure] });
    assert_eq!(served.post("/events", &hidden.to_string(), &[]).0, 202);
    let listed = served.once_is("/v1/quarantine", |answer| answer["rows"].as_array().map(Vec::len) == Some(1));
    let row = &listed["rows"][0];
    assert_eq!((&row["reason"], &row["paths"]), (&json!("invalid"), &json!(["$.facts[1]"])), "{listed}");
    history("ben", 2);
    served.end();
}

/// Report 03: a shop whose system does not know `order.restored` learns what it takes.
#[test]
fn a_newer_revision_of_a_cancelled_order_is_answered_with_what_restores_it() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[]);
    let paid = order("anna", "a", "900.00");
    let at = &paid["occurred_at"];
    let cancelled = json!({ "type": "order.cancelled", "order_id": "a", "member_id": "anna", "occurred_at": at });
    let again = |revision: &str| {
        let mut again = paid.clone();
        again["revision"] = json!(revision);
        again
    };
    let code = |answer: &Value, place: usize| answer["results"][place]["not_counted"]["code"].clone();
    // A document that says so itself is not answered with it.
    let (_, answer) = served.post("/v1/facts", &json!([paid, cancelled]).to_string(), &[]);
    assert_eq!((code(&answer, 0), code(&answer, 1)), (Value::Null, Value::Null), "{answer}");
    let (_, answer) = served.post("/v1/facts", &again("2026-01-02T00:00:00Z").to_string(), &[]);
    assert_eq!(
        (&answer["results"][0]["status"], code(&answer, 0)),
        (&json!("applied"), json!("cancelled")),
        "{answer}"
    );
    let message = answer["results"][0]["not_counted"]["message"].as_str().unwrap();
    assert!(message.contains("`order.restored`") && message.contains("`order_id`"), "{message}");

    let file = folder.path().join("events.jsonl");
    fs::write(&file, again("2026-01-03T00:00:00Z").to_string()).unwrap();
    let report = load(&[file.to_str().unwrap(), "--url", &served.url()]);
    assert_eq!(report["taken_in"]["still_cancelled"], json!(1), "{report}");

    // The same where the cancellation arrived before the order did.
    let early = json!({ "type": "order.cancelled", "order_id": "b", "occurred_at": at });
    assert_eq!(served.post("/v1/facts", &early.to_string(), &[]).0, 200);
    let (_, answer) = served.post("/v1/facts", &order("anna", "b", "900.00").to_string(), &[]);
    assert_eq!(code(&answer, 0), json!("cancelled"), "{answer}");

    let restored = json!({ "type": "order.restored", "order_id": "a", "occurred_at": "2026-01-04T00:00:00Z" });
    let (_, answer) = served.post("/v1/facts", &json!([restored, again("2026-01-05T00:00:00Z")]).to_string(), &[]);
    assert_eq!((code(&answer, 0), code(&answer, 1)), (Value::Null, Value::Null), "{answer}");
    served.end();
}
