//! Reports of what is wrong, and work that goes on all the same.

use std::collections::BTreeSet;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use super::case::{Shared, case, cases};
use super::{bearer, served, token, until};

pub fn cases() -> Vec<Trial> {
    let alone = cases!["health", strangers_are_told_how_it_does_and_nothing_else, metrics_are_as_prometheus_reads_them];
    alone.into_iter().chain(names()).collect()
}

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

fn metrics_are_as_prometheus_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let served = served(folder.path(), &[]);
    let broken = json!({ "type": "order.paid", "member_id": "anna", "order_id": "2", "total": "a lot" });
    served.ask("POST", "/events", &broken);
    let health = || served.ask("GET", "/health", &Value::Null);
    until("it is quarantined and all is swept", || health()["quarantined"] == 1 && health()["last_sweep"].is_string());
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
    // Every value has a type.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
        assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
    }
}

/// Names that would steer a terminal, or forge a line of a log.
fn names() -> Vec<Trial> {
    let shared = Shared::new(|folder| served(folder, &[]));
    let names = [
        ("a_color", "\u{1b}[31mGold"),
        ("a_line_of_the_log", "Gold\n2026-01-01 ERROR forged"),
        ("letters_from_right_to_left", "\u{202e}dloG"),
        ("a_bell", "Gold\u{7}"),
        ("no_name", ""),
    ];
    let tried = names.map(|(what, name)| {
        let shared = shared.clone();
        case("health", &format!("{what}_is_no_name_of_a_tier"), move || {
            let tier = json!({ "id": "gold", "name": name, "threshold": "500" });
            let milestone = json!({ "metric": "amount_spent", "period": "calendar_year" });
            let program = json!({ "program_id": "vip", "name": "VIP", "active": true, "timezone": "UTC",
                "currency": "USD", "start_date": "2020-01-01", "milestone": milestone, "tiers": [tier] });
            let told = shared.ask("POST", "/v1/program/versions?shop=other", &json!({ "program": program }));
            assert_eq!(told["status"], 422, "{told}");
        })
    });
    let (shared, other) = (shared.clone(), shared.clone());
    let reason = case("health", "a_cleared_screen_is_no_reason", move || {
        let assign = json!({ "tier": "gold", "mode": "floor", "reason": "a\u{1b}[2Jb" });
        let told = shared.ask("POST", "/v1/members/anna/assignments", &assign);
        assert_eq!(told["problems"][0]["path"], "$.reason", "{told}");
    });
    let told = case("health", "a_cleared_screen_is_no_reason_of_a_fact_either", move || {
        let assigned = json!({ "type": "tier.assigned", "member_id": "anna", "assignment_id": "1", "tier": "gold",
            "mode": "floor", "reason": "a\u{1b}[2Jb", "by": "kim", "occurred_at": "2025-05-01T10:00:00Z" });
        let told = other.ask("POST", "/v1/facts", &assigned);
        assert_eq!((&told["status"], &told["problems"][0]["path"]), (&json!(422), &json!("$.reason")), "{told}");
    });
    tried.into_iter().chain([reason, told]).collect()
}
