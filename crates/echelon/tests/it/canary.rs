//! The canary: it crosses its shop's New Year, and says what is not as it should be.

use crate::common::{Served, command, eventually};
use serde_json::{Value, json};

/// Runs the canary at this time; returns its findings and its exit code.
fn canary(served: &Served, now: &str) -> (Value, i32) {
    let url = served.url();
    let done = command(&["canary", "--url", &url, "--within", "1", "--format", "json", "--now", now]);
    let said = String::from_utf8(done.stdout).unwrap();
    let said = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)));
    (said, done.status.code().unwrap())
}

fn tier(served: &Served, member: &str) -> Value {
    served.get(&format!("/v1/members/{member}?shop=canary")).1["tier"]["id"].clone()
}

#[test]
fn it_crosses_the_new_year_of_a_small_shop_and_says_when_that_does_not_happen() {
    let folder = tempfile::tempdir().unwrap();
    // On Kiritimati, a day begins at 10:00 UTC.
    let served = Served::on(folder.path(), &["--clock", "2026-12-31T09:40:00Z"]);
    let (found, code) = canary(&served, "2026-12-31T09:45:00Z");
    assert_eq!((&found["wrong"], &found["members"], code), (&json!([]), &json!(8), 0), "{found}");
    let members = ["canary-keeps", "canary-falls-2025", "canary-slips-2025", "canary-falls-2026"];
    assert_eq!(members.map(|member| tier(&served, member)), ["gold", "gold", "gold", "gold"]);

    // It is New Year there, and no sweep has run.
    let (found, code) = canary(&served, "2026-12-31T10:05:00Z");
    let wrong = found["wrong"].to_string();
    assert!(code == 1 && wrong.contains("the sweep of 2026-12-31T10:00:00"), "{found}");
    assert!(wrong.contains("canary-falls-2025: on record is gold and should be none"), "{found}");

    let moved = json!({ "now": "2026-12-31T10:04:00Z" }).to_string();
    assert_eq!(served.post("/clock", &moved, &[("Content-Type", "application/json")]).0, 200);
    let mut last = Value::Null;
    let well = eventually(|| {
        let (found, code) = canary(&served, "2026-12-31T10:05:00Z");
        last = found;
        code == 0
    });
    assert!(well, "{last}");
    assert_eq!(
        members.map(|member| tier(&served, member)),
        [json!("gold"), Value::Null, json!("silver"), json!("gold")]
    );

    // Another sender sends an order of one of its members.
    let order = json!({ "type": "order.paid", "order_id": "another", "member_id": "canary-keeps", "total": "1",
                        "occurred_at": "2026-12-31T10:01:00Z" });
    let told = served.post("/v1/facts?shop=canary", &order.to_string(), &[("Content-Type", "application/json")]);
    assert_eq!(told.0, 200, "{told:?}");
    let (found, code) = canary(&served, "2026-12-31T10:06:00Z");
    assert!(code == 1 && found["wrong"].to_string().contains("canary-keeps: `progress`"), "{found}");
    let of_theirs = |line: &Value| line.as_str().unwrap().starts_with("canary-keeps: ");
    assert!(found["wrong"].as_array().unwrap().iter().all(of_theirs), "{found}");

    // The orders of a new year are sent when they are due, so the last midnight's sweep cannot have counted them.
    let year = Served::on(folder.path(), &["--data", "year.db", "--clock", "2027-01-02T09:40:00Z"]);
    let moved = |served: &Served, to: &str| {
        let moved = json!({ "now": to }).to_string();
        assert_eq!(served.post("/clock", &moved, &[("Content-Type", "application/json")]).0, 200);
    };
    let well = |now: &str| {
        let mut last = Value::Null;
        let well = eventually(|| {
            let (found, code) = canary(&year, now);
            last = found;
            code == 0
        });
        assert!(well, "{now}: {last}");
        last["members"].clone()
    };
    assert_eq!(well("2027-01-02T09:45:00Z"), 8);
    moved(&year, "2027-01-02T10:03:00Z");
    assert_eq!(well("2027-01-02T10:05:00Z"), 8);
    moved(&year, "2027-01-02T12:04:00Z");
    assert_eq!(well("2027-01-02T12:05:00Z"), 10);
    assert_eq!(well("2027-01-02T12:06:00Z"), 10);
    moved(&year, "2027-01-03T10:03:00Z");
    assert_eq!(well("2027-01-03T10:05:00Z"), 10);
}

#[test]
fn it_does_nothing_in_a_shop_that_has_a_program_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start_as(folder.path(), "canary", &[]);
    let done = command(&["canary", "--url", &served.url()]);
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("has a program of its own"), "{done:?}");
    let versions = served.get("/v1/program/versions?shop=canary").1;
    assert_eq!(versions["programs"].as_array().unwrap().len(), 1, "{versions}");
}
