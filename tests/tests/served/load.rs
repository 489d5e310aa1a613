//! A history loaded over HTTP into a system at a URL: `echelon serve`, or a system that shows only its API. Whatever happens to
//! answers on the way, nothing counts twice and nothing is reported as something else.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tests::built::built;
use tests::proxy::Proxy;
use tests::served::Served;

const TOKEN_KEY: &str = "a key of thirty-two bytes or more";

fn program(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("program.json");
    let program = json!({ "start_date": "2023-01-01", "effective_at": "2023-01-01T00:00:00Z", "currency": "USD",
        "milestone": { "metric": "amount_spent", "period": "lifetime", "on_refund": "revoke" },
        "tiers": [{ "id": "silver", "threshold": 100 }, { "id": "gold", "threshold": 500 }] });
    fs::write(&path, program.to_string()).unwrap();
    path
}

fn order(member: &str, id: usize, total: &str) -> Value {
    json!({ "type": "order.paid", "member_id": member, "order_id": id.to_string(), "total": total,
            "occurred_at": "2025-05-01T10:00:00Z" })
}

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(built("echelon"));
    command.env_clear().stdin(Stdio::null()).args(args).output().unwrap()
}

fn token(scope: &str) -> String {
    let made = run(&["token", "--token-key", TOKEN_KEY, "--scope", scope, "--shop", "acme"]);
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// A served system, a proxy in front of it, and a file of events.
struct Loading {
    folder: tempfile::TempDir,
    served: Served,
    proxy: Proxy,
}

impl Loading {
    fn of(events: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        fs::write(folder.path().join("events.jsonl"), lines).unwrap();
        let admin = token("admin");
        let served = Served::start(folder.path(), &program(folder.path()), &["--token-key", TOKEN_KEY], Some(&admin));
        let proxy = Proxy::before(&served.address);
        Self { folder, served, proxy }
    }

    /// A system behind a proxy that passes only the API.
    fn deployed(events: &[Value]) -> Self {
        let loading = Self::of(events);
        loading.proxy.hides("/health");
        loading.proxy.hides("/events");
        loading
    }

    fn load(&self, scope: &str, more: &[&str]) -> Output {
        let (file, token) = (self.folder.path().join("events.jsonl"), token(scope));
        let load = ["load", file.to_str().unwrap(), "--url", &self.proxy.url, "--token", &token];
        run(&[&load, more].concat())
    }

    #[track_caller]
    fn report(&self, code: i32) -> (Value, String) {
        let loaded = self.load("admin", &["--format", "json"]);
        let said = String::from_utf8_lossy(&loaded.stderr).into_owned();
        assert_eq!(loaded.status.code(), Some(code), "{said}");
        (serde_json::from_slice(&loaded.stdout).unwrap(), said)
    }

    fn counted(&self, member: &str) -> Value {
        self.served.ask("GET", &format!("/v1/members/{member}"), &Value::Null)["progress"]["counted"].clone()
    }
}

#[test]
fn over_an_api_each_line_has_its_answer_and_a_member_to_be_forgotten_is() {
    let mut events: Vec<Value> = (0..230).map(|id| order("anna", id, "1.00")).collect();
    events[7] = json!({ "type": "order.paid", "member_id": "anna", "order_id": "7", "total": "a lot" });
    events[150] = json!({ "type": "customer.erased", "member_id": "ben/x", "occurred_at": "2025-05-02T10:00:00Z" });
    events[149] = order("ben/x", 149, "600");
    events[151] = order("ben/x", 151, "600");
    events[200]["occurred_at"] = json!("2035-05-01T10:00:00Z");
    events[210] = events[209].clone();
    let loading = Loading::deployed(&events);
    let (report, said) = loading.report(1);
    let expected = json!({ "applied": 225, "duplicates": 1, "superseded": 0, "member_erased": 1, "still_cancelled": 0, "unanswered": 0, "refused": 2, "erased": 1 });
    assert_eq!(report["taken_in"], expected, "{said}");
    assert_eq!((&report["reasons"], &report["lines"]), (&json!({ "invalid": 1, "from_the_future": 1 }), &json!(230)));
    assert!(said.contains("events.jsonl:8: this is not a valid fact") && said.contains("$.total"), "{said}");
    assert!(said.contains("events.jsonl:201: from_the_future"), "{said}");
    assert_eq!(loading.counted("anna"), "224.00");
    // Nothing is left of the member whom the file asks to be forgotten.
    let gone = loading.served.ask("GET", "/v1/members/~YmVuL3g/erasure", &Value::Null);
    assert_eq!(gone["member_id"], "ben/x", "{gone}");
    // In batches of a hundred, and none of the imports is announced.
    let posts = loading.proxy.passed().into_iter().filter(|passed| passed.starts_with("POST /v1/facts")).count();
    assert_eq!(posts, 4, "{:?}", loading.proxy.passed());
    let history = loading.served.ask("GET", "/v1/members/anna/history", &Value::Null);
    assert_eq!(history["entries"][0]["detail"]["notify"], false, "{history}");
}

#[test]
fn over_an_api_an_answer_that_is_lost_is_no_duplicate_and_nothing_counts_twice() {
    let events: Vec<Value> = (0..250).map(|id| order("anna", id, "1.00")).collect();
    let loading = Loading::deployed(&events);
    loading.proxy.loses("/v1/facts", 2);
    let (report, said) = loading.report(0);
    // The first hundred are in, by one of the tries whose answers were lost.
    let expected = json!({ "applied": 150, "duplicates": 0, "superseded": 0, "member_erased": 0, "still_cancelled": 0, "unanswered": 100, "refused": 0, "erased": 0 });
    assert_eq!(report["taken_in"], expected, "{said}");
    assert_eq!(loading.counted("anna"), "250.00");
    // The same, reported in words; now all are known.
    let again = loading.load("write", &[]);
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && said.contains("duplicates  250"), "{said}");
}

#[test]
fn where_an_answer_of_echelon_serve_is_lost_events_are_accepted_once() {
    let events: Vec<Value> = (0..700).map(|id| order("anna", id, "1.00")).collect();
    let loading = Loading::of(&events);
    loading.proxy.loses("/events", 3);
    let (report, said) = loading.report(0);
    assert_eq!((&report["taken_in"]["applied"], &report["taken_in"]["duplicates"]), (&json!(700), &json!(0)), "{said}");
    assert_eq!(report["taken_in"]["events"], 700);
    assert_eq!(loading.counted("anna"), "700.00");
    // A key stands for one body.
    let (one, other) = (order("anna", 1_000, "1").to_string(), order("anna", 1_001, "1").to_string());
    let bearer = format!("Bearer {}", token("write"));
    for (body, status) in [(&one, 202), (&one, 202), (&other, 422)] {
        let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", "k")];
        let (said, answer) = loading.served.send("POST", "/events", &headers, body);
        assert_eq!(said, status, "{answer}");
    }
}

#[test]
fn an_answer_about_how_far_it_is_may_be_lost() {
    let loading = Loading::of(&[order("anna", 1, "1.00"), order("anna", 2, "1.00")]);
    loading.proxy.loses_after("/health", 1, 3);
    let (report, said) = loading.report(0);
    assert_eq!(report["taken_in"]["applied"], 2, "{said}");
}

#[test]
fn what_is_dated_before_the_program_starts_is_in_and_it_is_told_that_it_does_not_count() {
    let mut events: Vec<Value> = (0..3).map(|id| order("anna", id, "1.00")).collect();
    events[0]["occurred_at"] = json!("2022-12-31T23:59:59Z");
    events[1]["occurred_at"] = json!("2023-01-01T00:00:00Z");
    for loading in [Loading::deployed(&events), Loading::of(&events)] {
        let (report, said) = loading.report(0);
        assert_eq!((&report["before_the_start"], &report["taken_in"]["applied"]), (&json!(1), &json!(3)), "{said}");
        assert_eq!(report["counts_from"], "2023-01-01T00:00:00Z");
        assert_eq!(loading.counted("anna"), "2.00");
        let words = loading.load("admin", &[]);
        let words = String::from_utf8_lossy(&words.stdout);
        assert!(
            words.contains("before the start") && words.contains("before 2023-01-01, where the program starts"),
            "{words}"
        );
    }
}

/// Lets the command break off after 1,200 lines, one of which cannot be taken in.
fn broken_off(loading: &Loading, broken: &str) {
    let file = loading.folder.path().join("events.jsonl");
    let whole = fs::read_to_string(&file).unwrap();
    let cut: String = whole
        .lines()
        .enumerate()
        .map(|(at, line)| match at {
            1_200 => format!("{broken}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    fs::write(&file, cut).unwrap();
    let loaded = loading.load("admin", &[]);
    assert_eq!(loaded.status.code(), Some(2), "{loaded:?}");
    fs::write(&file, whole).unwrap();
}

#[test]
fn what_was_not_taken_in_before_it_was_broken_off_is_told_when_it_goes_on() {
    let mut events: Vec<Value> = (0..1_500).map(|id| order("anna", id, "1.00")).collect();
    events[7]["total"] = json!("a lot");
    let by_an_api = Loading::deployed(&events);
    broken_off(&by_an_api, "no JSON");
    let (report, said) = by_an_api.report(1);
    assert_eq!(report["earlier"], json!({ "left_out": 0, "quarantined": 0, "refused": 1 }), "{said}");
    assert_eq!((&report["from_line"], &report["taken_in"]["refused"]), (&json!(1_201), &json!(0)), "{report}");
    assert_eq!(by_an_api.counted("anna"), "1499.00");
    // Lines that are loaded once more are counted once more.
    broken_off(&by_an_api, "no JSON");
    let again = by_an_api.load("admin", &["--resume-from", "5", "--format", "json"]);
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((&again["earlier"]["refused"], &again["taken_in"]["refused"]), (&json!(0), &json!(1)), "{again}");
    // When all is in, nothing is remembered.
    let (report, _) = by_an_api.report(1);
    assert_eq!((&report["earlier"]["refused"], &report["taken_in"]["refused"]), (&json!(0), &json!(1)), "{report}");

    // A served system counts what it quarantines from the first line on.
    let served = Loading::of(&events);
    broken_off(&served, "no JSON");
    let (report, said) = served.report(1);
    assert_eq!((&report["from_line"], &report["taken_in"]["quarantined"]), (&json!(1_001), &json!(1)), "{said}");
    assert_eq!(report["taken_in"]["events"], 1_500);
    assert_eq!(served.counted("anna"), "1499.00");
}

#[test]
fn a_caller_without_the_scope_or_at_the_wrong_place_is_told_so_before_anything_is_sent() {
    let loading = Loading::deployed(&[order("anna", 1, "1.00")]);
    let said = |output: Output| (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned());
    let (code, words) = said(loading.load("read", &[]));
    assert!(code == Some(2) && words.contains("events.jsonl:1:") && words.contains("echelon/write"), "{words}");
    let (code, words) = said(loading.load("write", &["--shop", "other"]));
    assert!(code == Some(2) && words.contains("one shop only"), "{words}");
    let file = loading.folder.path().join("events.jsonl");
    let stranger = |url: &str| said(run(&["load", file.to_str().unwrap(), "--url", url]));
    let (code, words) = stranger(&loading.proxy.url);
    assert!(code == Some(2) && words.contains("--token"), "{words}");
    let (code, words) = stranger(&format!("http://{}", loading.served.address));
    assert!(code == Some(2) && words.contains("name one of its tokens"), "{words}");
    for no_token in ["", "Bearer abc", "abc\n"] {
        let (code, words) =
            said(run(&["load", file.to_str().unwrap(), "--url", &loading.proxy.url, "--token", no_token]));
        assert!(code == Some(2) && words.contains("this is not a token"), "{no_token:?}: {words}");
    }
    loading.proxy.hides("/v1");
    let (code, words) = stranger(&loading.proxy.url);
    assert!(code == Some(2) && words.contains("neither"), "{words}");
}
