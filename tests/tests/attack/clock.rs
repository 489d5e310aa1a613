//! Clocks that are wrong for a while.

use std::time::{SystemTime, UNIX_EPOCH};

use libtest_mimic::Trial;
use rules::calendar::Instant;
use serde_json::{Value, json};
use tests::served::Served;

use super::case::cases;
use super::{ADMIN, TOKEN_KEY, bearer, program, token_for, until};

pub fn cases() -> Vec<Trial> {
    cases![
        "clock",
        a_clock_that_was_ahead_is_refused_afterwards_and_what_it_left_is_set_right,
        what_was_published_by_a_clock_that_was_ahead_is_in_force_by_the_right_one,
        what_was_asked_to_be_deleted_by_a_clock_that_was_ahead_is_due_by_the_right_one,
        time_is_not_moved_unless_that_was_asked_for_at_the_start,
        a_revoked_token_stays_revoked_after_a_clock_by_which_it_had_ended,
    ]
}

const HOUR: i64 = 3_600_000;

fn now() -> Instant {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Instant::from_millis(i64::try_from(since_1970.as_millis()).unwrap())
}

fn insight(served: &Served) -> Option<Instant> {
    let insight = served.ask("GET", "/v1/insight", &Value::Null);
    insight["as_of"].as_str().map(|at| Instant::parse(at).unwrap())
}

fn tier(served: &Served) -> Value {
    served.ask("GET", "/v1/members/anna", &Value::Null)["tier"]["id"].clone()
}

/// The announced changes of the tier, in order.
fn recorded(served: &Served) -> Vec<(Value, Value)> {
    let history = served.ask("GET", "/v1/members/anna/history", &Value::Null);
    let entries = history["entries"].as_array().unwrap_or_else(|| panic!("{history}"));
    let mut changes: Vec<&Value> = entries.iter().filter(|entry| entry["type"] == "tier.changed.v1").collect();
    changes.sort_by_key(|entry| entry["detail"]["sequence"].as_u64());
    changes.iter().map(|entry| (entry["detail"]["change"].clone(), entry["detail"]["after"]["id"].clone())).collect()
}

/// By a clock 1,200 days ahead a member falls; by the right one she never did.
fn a_clock_that_was_ahead_is_refused_afterwards_and_what_it_left_is_set_right() {
    let folder = tempfile::tempdir().unwrap();
    let file = program(folder.path());
    let run = |more: &[&str]| {
        let args = ["--token-key", TOKEN_KEY, "--shop", "acme", "--program", file.to_str().unwrap()];
        Served::run(folder.path(), &[&args, more].concat(), &[], Some(&ADMIN))
    };
    let ahead = run(&["--movable-clock"]).unwrap();
    ahead.spent("anna", "1", &now().plus_millis(-HOUR).to_string(), "600");
    assert_eq!(tier(&ahead), "gold");
    ahead.ask("POST", "/clock", &json!({ "now": "+1200d" }));
    until("the sweep of that time ends", || insight(&ahead) > Some(now().plus_millis(365 * 24 * HOUR)));
    until("she has fallen", || recorded(&ahead).len() == 2);
    assert!(ahead.end());

    let refused = run(&[]).map(|_| ()).unwrap_err();
    assert!(refused.contains("was in use until") && refused.contains("--trust-clock"), "{refused}");
    let there = format!("--clock={}", now().plus_millis(1_201 * 24 * HOUR));
    let on = run(&[&there]).unwrap();
    assert_eq!(on.ask("GET", "/health", &Value::Null)["status"], "ok");
    assert!(on.end());

    // The real time is before all that: findings ahead of it are not the latest, and the record is set right.
    let right = run(&["--trust-clock"]).unwrap();
    until("a sweep of today ends", || insight(&right).is_some_and(|at| at <= now()));
    until("what is on record is set right", || recorded(&right).len() == 3);
    let gold = (json!("entered"), json!("gold"));
    assert_eq!(recorded(&right), [gold.clone(), (json!("left"), Value::Null), gold]);
    assert_eq!(tier(&right), "gold");
    let health = right.ask("GET", "/health", &Value::Null);
    assert_eq!((&health["status"], &health["problems"]), (&json!("ok"), &json!([])));
    // It goes on as if nothing had happened.
    right.spent("anna", "2", &now().plus_millis(-HOUR).to_string(), "10");
    assert_eq!(recorded(&right).len(), 3);
    assert!(right.end());
    // The option was given once, and its effect stays.
    let again = run(&[]).unwrap();
    assert_eq!(tier(&again), "gold");
    assert!(again.end());
    let mut verify = std::process::Command::new(tests::built::built("echelon"));
    let verified = verify.args(["verify", "--data", "echelon.db"]).current_dir(folder.path()).output().unwrap();
    assert!(verified.status.success(), "{verified:?}");
}

/// Published while the clock was ahead, gold for 300 holds from now on, and not in three years.
fn what_was_published_by_a_clock_that_was_ahead_is_in_force_by_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = program(folder.path());
    let run = |more: &[&str]| {
        let args = ["--token-key", TOKEN_KEY, "--shop", "acme"];
        Served::run(folder.path(), &[&args, more].concat(), &[], Some(&ADMIN)).unwrap()
    };
    let first = run(&["--program", file.to_str().unwrap()]);
    first.spent("anna", "1", &now().plus_millis(-HOUR).to_string(), "400");
    assert_eq!(tier(&first), Value::Null);
    assert!(first.end());
    let ahead = run(&[&format!("--clock={}", now().plus_millis(1_200 * 24 * HOUR))]);
    let mut cheaper: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    cheaper["tiers"][0]["threshold"] = json!("300");
    let wanted = json!({ "program": cheaper, "by": "kim", "why": "gold for more" });
    assert_eq!(ahead.ask("POST", "/v1/program/versions", &wanted)["version"], 2);
    assert!(ahead.end());

    let right = run(&["--trust-clock"]);
    let said = right.said();
    assert!(said.contains("version 2 of shop `acme` took effect at") && said.contains("instead"), "{said}");
    until("she is gold by it", || tier(&right) == "gold");
    let in_force = right.ask("GET", "/v1/program", &Value::Null);
    assert_eq!((&in_force["version"], &in_force["why"]), (&json!(2), &json!("gold for more")), "{in_force}");
    // Once by the clock that was ahead, and once by the right one.
    until("she is gold on record", || recorded(&right).last().is_some_and(|(_, tier)| tier == "gold"));
    // The same program again is there already.
    let again = right.ask("POST", "/v1/program/versions", &wanted);
    assert_eq!((&again["version"], &again["published"]), (&json!(2), &json!(false)), "{again}");
    assert!(right.end());
    let mut verify = std::process::Command::new(tests::built::built("echelon"));
    let verified = verify.args(["verify", "--data", "echelon.db"]).current_dir(folder.path()).output().unwrap();
    assert!(verified.status.success(), "{verified:?}");
}

/// A shop's deletion is due 48 hours after it is asked for, whatever the clock said then.
fn what_was_asked_to_be_deleted_by_a_clock_that_was_ahead_is_due_by_the_right_one() {
    const SECRET: &str = "hush, hush, hush";
    let folder = tempfile::tempdir().unwrap();
    let file = program(folder.path());
    let run = |more: &[&str]| {
        let args = ["--token-key", TOKEN_KEY, "--shop", "acme", "--shopify-secret", SECRET, "--program"];
        Served::run(folder.path(), &[&args, &[file.to_str().unwrap()][..], more].concat(), &[], Some(&ADMIN)).unwrap()
    };
    let ahead = run(&[&format!("--clock={}", now().plus_millis(200 * 24 * HOUR))]);
    ahead.spent("anna", "1", &now().plus_millis(-HOUR).to_string(), "600");
    assert_eq!(ahead.ask("DELETE", "/v1/members/anna", &Value::Null)["verified"], false);
    let body = json!({ "shop_id": 1, "shop_domain": "acme" }).to_string();
    let signature = super::shopify::signature(SECRET, &body);
    let headers = [
        ("X-Shopify-Topic", "shop/redact"),
        ("X-Shopify-Shop-Domain", "acme"),
        ("X-Shopify-Hmac-Sha256", signature.as_str()),
        ("Content-Type", "application/json"),
    ];
    let (status, told) = ahead.send("POST", "/webhooks/shopify", &headers, &body);
    assert_eq!(status, 200, "{told}");
    assert!(ahead.end());

    let right = run(&["--trust-clock", "--movable-clock"]);
    let said = right.said();
    assert!(said.contains("--trust-clock: 2 deletions and erasures"), "{said}");
    let due = right.ask("GET", "/v1/privacy/redaction", &Value::Null);
    let due_at = Instant::parse(due["due_at"].as_str().unwrap_or_else(|| panic!("{due}"))).unwrap();
    assert!(due_at > now().plus_millis(47 * HOUR) && due_at < now().plus_millis(49 * HOUR), "{due}");
    right.ask("POST", "/clock", &json!({ "now": "+1h" }));
    until("the erasure is verified", || right.ask("GET", "/v1/members/anna/erasure", &Value::Null)["verified"] == true);
    assert!(right.end());
}

fn time_is_not_moved_unless_that_was_asked_for_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--token-key", TOKEN_KEY];
    let real = Served::run(folder.path(), &args, &[], Some(&ADMIN)).unwrap();
    assert_eq!(real.ask("POST", "/clock", &json!({ "now": "+730d" }))["status"], 404);
    assert!(real.end());
    let movable = Served::run(folder.path(), &[&args[..], &["--movable-clock"]].concat(), &[], Some(&ADMIN));
    assert!(movable.unwrap().ask("POST", "/clock", &json!({ "now": "+1d" }))["now"].is_string());
}

/// By a clock 1,200 days ahead a token of 30 days ended long ago; by the right one it is good again.
fn a_revoked_token_stays_revoked_after_a_clock_by_which_it_had_ended() {
    let folder = tempfile::tempdir().unwrap();
    let file = program(folder.path());
    let run = |more: &[&str]| {
        let args = ["--token-key", TOKEN_KEY, "--shop", "acme", "--program", file.to_str().unwrap()];
        Served::run(folder.path(), &[&args, more].concat(), &[], Some(&ADMIN)).unwrap()
    };
    let of_a_month = |scope: &str| bearer(&token_for("30", TOKEN_KEY, scope, Some("acme")));
    let (stolen, other) = (of_a_month("write"), of_a_month("read"));
    let lets_in = |served: &Served, authorization: &str| {
        served.send("GET", "/v1/program", &[("Authorization", authorization)], "").0 != 401
    };

    let right = run(&[]);
    assert!(lets_in(&right, &stolen) && lets_in(&right, &other));
    let listed = right.ask("GET", "/tokens", &Value::Null);
    let its = listed["tokens"].as_array().unwrap().iter().find(|known| known["scope"] == "echelon/write");
    let id = its.unwrap_or_else(|| panic!("{listed}"))["id"].as_str().unwrap().to_owned();
    assert!(right.ask("DELETE", &format!("/tokens/{id}"), &Value::Null)["revoked_at"].is_string());
    assert!(!lets_in(&right, &stolen));
    assert!(right.end());

    let there = now().plus_millis(1_200 * 24 * HOUR);
    let ahead = run(&[&format!("--clock={there}")]);
    assert!(!lets_in(&ahead, &stolen) && !lets_in(&ahead, &other), "they have ended by this clock");
    // Tokens that have ended are looked for before the sweeps that are due.
    until("it has looked", || ahead.ask("GET", "/health", &Value::Null)["last_sweep"].is_string());
    assert!(ahead.end());

    let again = run(&["--trust-clock"]);
    assert!(lets_in(&again, &other), "by the right clock the other one has not ended");
    assert!(!lets_in(&again, &stolen), "it lets in again");
    assert!(again.end());
}
