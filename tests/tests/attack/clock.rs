//! Clocks that are wrong for a while.

use serde_json::{Value, json};
use tests::served::Served;

use super::{program, served, token, until};

fn insight(served: &Served) -> Value {
    served.ask("GET", "/v1/insight", &Value::Null)["as_of"].clone()
}

#[test]
fn a_clock_behind_what_is_on_record_is_refused_at_the_start_and_what_was_ahead_hides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ahead = served(folder.path(), &[]);
    ahead.spent("anna", "1", "2025-05-01T10:00:00Z", "600");
    ahead.ask("POST", "/clock", &json!({ "now": "+730d" }));
    until("the sweep of 2027 ends", || insight(&ahead).as_str().is_some_and(|at| at.starts_with("2027-")));
    assert!(ahead.end());
    let file = program(folder.path());
    let again = |more: &[&str]| {
        let args = ["--token-key", super::TOKEN_KEY, "--shop", "acme", "--program", file.to_str().unwrap()];
        Served::run(folder.path(), &[&args, more].concat(), &[], Some(&token("admin", None)))
    };
    let refused = again(&["--clock", "2025-06-05T10:00:00Z"]).map(|_| ()).unwrap_err();
    assert!(refused.contains("was in use until 2027-") && refused.contains("--trust-clock"), "{refused}");
    let on = again(&["--clock", "2027-06-01T10:00:00Z"]).unwrap();
    assert_eq!(on.ask("GET", "/health", &Value::Null)["status"], "ok");
    assert!(on.end());
    // The real time is before all that: what was found ahead of it is not the latest.
    let right = again(&["--trust-clock"]).unwrap();
    until("the sweep of today ends", || {
        insight(&right).as_str().is_some_and(|at| at.starts_with("202") && at < "2027-05")
    });
    assert_eq!(right.ask("GET", "/health", &Value::Null)["problems"], json!([]));
}

#[test]
fn time_is_not_moved_unless_that_was_asked_for_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--token-key", super::TOKEN_KEY];
    let real = Served::run(folder.path(), &args, &[], Some(&token("admin", None))).unwrap();
    assert_eq!(real.ask("POST", "/clock", &json!({ "now": "+730d" }))["status"], 404);
    assert!(real.end());
    let movable =
        Served::run(folder.path(), &[&args[..], &["--movable-clock"]].concat(), &[], Some(&token("admin", None)));
    assert!(movable.unwrap().ask("POST", "/clock", &json!({ "now": "+1d" }))["now"].is_string());
}
