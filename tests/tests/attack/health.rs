//! What is told when something is wrong, and what goes on all the same.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tests::built::built;

use super::{bearer, order, program, served, token, until};

#[test]
fn strangers_are_told_how_it_does_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    let (status, told) = served.send("GET", "/health", &[], "");
    let names: BTreeSet<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((status, names), (200, BTreeSet::from(["now", "status", "zones"])), "{told}");
    let told = served.ask("GET", "/health", &Value::Null);
    for count in ["waiting", "oldest_waiting_ms", "dead", "quarantined", "unannounced", "restarts"] {
        assert!(told[count].is_u64(), "{count}: {told}");
    }
    assert_eq!(served.send("GET", "/metrics", &[], "").0, 401);
}

#[test]
fn metrics_are_as_prometheus_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    let broken = json!({ "type": "order.paid", "member_id": "anna", "order_id": "2", "total": "a lot" });
    served.ask("POST", "/events", &broken);
    let health = || served.ask("GET", "/health", &Value::Null);
    until("it is set aside and all is swept", || health()["quarantined"] == 1 && health()["last_sweep"].is_string());
    until("nothing waits", || health()["waiting"] == 0);
    let (status, head, text) =
        served.send_raw("GET", "/metrics", &[("Authorization", &bearer(&token("read", None)))], "");
    assert!(status == 200 && head.contains("text/plain; version=0.0.4"), "{head}");
    for line in [
        "echelon_up 1",
        "echelon_quarantined 1",
        "echelon_waiting 0",
        "echelon_zones_info{release=",
        "echelon_last_sweep_timestamp_seconds ",
    ] {
        assert!(text.lines().any(|it| it.starts_with(line)), "{line}: {text}");
    }
    // Every value is said what it is.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
        assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn a_log_that_nobody_reads_any_more_stops_no_sweep() {
    let folder = tempfile::tempdir().unwrap();
    let file = program(folder.path());
    let mut serve = Command::new(built("echelon", &["rules", "service", "embedded", "web", "echelon"]));
    serve.current_dir(folder.path()).env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    serve.args(["serve", "--listen", "127.0.0.1:0", "--clock", "2025-06-01T10:00:00Z", "--shop", "acme", "--open"]);
    let mut process = serve.arg("--program").arg(&file).spawn().unwrap();
    let (address, said) = super::listening(&mut process);
    // From here on, whatever it says cannot be written.
    drop(said);
    let ask = |method: &str, path: &str, body: &Value| -> Value {
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!("{method} {path} HTTP/1.0\r\nhost: {address}\r\ncontent-type: application/json\r\n");
        std::io::Write::write_all(
            &mut stream,
            format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes(),
        )
        .unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap_or_else(|_| panic!("{answer}"))
    };
    assert_eq!(ask("POST", "/v1/facts", &order("anna", "1", "600"))["results"][0]["status"], "applied");
    let done = |count: usize| {
        let jobs = ask("GET", "/v1/jobs", &Value::Null);
        jobs["jobs"].as_array().is_some_and(|jobs| jobs.iter().filter(|job| job["state"] == "done").count() >= count)
    };
    for (round, now) in ["2025-06-03T10:00:00Z", "2025-06-20T10:00:00Z", "2026-01-02T10:00:00Z"].iter().enumerate() {
        ask("POST", "/clock", &json!({ "now": now }));
        until(&format!("the sweep of {now} ends"), || done(round + 1));
    }
    assert_eq!(ask("GET", "/health", &Value::Null)["status"], "ok");
    Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap();
    assert!(process.wait().unwrap().success(), "it ends in order");
}

#[test]
fn names_of_shops_do_not_steer_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    let program: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("program.json")).unwrap()).unwrap();
    for name in ["\u{1b}[31mGold", "Gold\n2026-01-01 ERROR forged", "\u{202e}dloG", "Gold\u{7}", ""] {
        let mut program = program.clone();
        program["tiers"][0]["name"] = json!(name);
        let told = served.ask("POST", "/v1/program/versions?shop=other", &json!({ "program": program }));
        assert_eq!(told["status"], 422, "{name:?}: {told}");
    }
    let assign = json!({ "tier": "gold", "mode": "floor", "reason": "a\u{1b}[2Jb" });
    assert!(served.ask("POST", "/v1/members/anna/assignments", &assign)["status"].as_u64() >= Some(400));
}
