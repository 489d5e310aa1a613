//! `echelon serve`, `load` and `quarantine`, with the built command.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::common::{self, Served, TOKEN_KEY, Webhook, command, eventually, order, signed};
use serde_json::{Value, json};

#[test]
fn an_event_becomes_a_tier_and_an_announcement() {
    let folder = tempfile::tempdir().unwrap();
    let webhook = Webhook::listening();
    let served = Served::start(folder.path(), &["--webhook", &webhook.url()]);
    let (status, answer) = served.post("/events", &order("anna", "1001", "520.00").to_string(), &[]);
    assert_eq!((status, answer), (202, json!({ "accepted": 1 })));
    let anna = served.member_once("anna", |anna| anna["standing"]["tier"]["id"] == "gold");
    assert_eq!(anna["standing"]["progress"]["counted"], "520.00");
    assert!(anna["prose"][0].as_str().unwrap().starts_with("Holds Gold since"), "{anna}");
    let told = webhook.once(|told| told.len() >= 3);
    let kinds: BTreeSet<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, BTreeSet::from(["program.published.v1", "tier.changed.v1", "tier.reward_issued.v1"]));
    let (_, changed) = told.iter().find(|(kind, _)| kind == "tier.changed.v1").unwrap();
    assert_eq!((&changed["member_id"], &changed["after"]["id"]), (&json!("anna"), &json!("gold")));
    assert!(eventually(|| served.output().contains("acme  anna  no tier -> Gold")), "{}", served.output());
    // Sending the same event again changes nothing, alone, in an array or line by line.
    let again = order("anna", "1001", "520.00");
    for body in [json!([again, again]).to_string(), format!("{again}\n{again}")] {
        assert_eq!(served.post("/events", &body, &[]), (202, json!({ "accepted": 2 })));
    }
    let health = served.health_once(|health| health["taken_in"]["duplicates"] == 4);
    assert_eq!((&health["taken_in"]["applied"], &health["taken_in"]["transitions"]), (&json!(1), &json!(1)));
}

#[test]
fn a_webhook_of_shopify_is_taken_if_it_is_signed() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start_as(folder.path(), "acme.myshopify.com", &["--shopify-secret", "hush, hush, hush"]);
    let body = r#"{"id": 9007199254740993, "admin_graphql_api_id": "gid://shopify/Order/9007199254740993",
        "financial_status": "paid", "currency": "USD", "created_at": "2026-01-02T10:00:00Z",
        "processed_at": "2026-01-02T10:00:00Z", "updated_at": "2026-01-02T10:00:01Z", "cancelled_at": null,
        "total_price": "600.00", "current_total_price": "600.00", "total_tax": "0.00", "total_discounts": "0.00",
        "total_price_set": {"shop_money": {"amount": "600.00", "currency_code": "USD"}},
        "total_tax_set": {"shop_money": {"amount": "0.00", "currency_code": "USD"}},
        "total_discounts_set": {"shop_money": {"amount": "0.00", "currency_code": "USD"}},
        "total_shipping_price_set": {"shop_money": {"amount": "0.00", "currency_code": "USD"}},
        "shipping_lines": [], "refunds": [], "test": false,
        "customer": {"id": 115310627314723954, "admin_graphql_api_id": "gid://shopify/Customer/115310627314723954"}}"#;
    fn headers(signature: &str) -> [(&str, &str); 4] {
        [
            ("X-Shopify-Topic", "orders/paid"),
            ("X-Shopify-Shop-Domain", "acme.myshopify.com"),
            ("X-Shopify-Triggered-At", "2026-01-02T10:00:02Z"),
            ("X-Shopify-Hmac-Sha256", signature),
        ]
    }
    for wrong in [String::new(), signed("loud, loud, loud", body), signed("hush, hush, hush", "{}")] {
        let (status, answer) = served.post("/events", body, &headers(&wrong));
        assert_eq!(status, 401, "{answer}");
    }
    let (status, answer) = served.post("/events", body, &headers(&signed("hush, hush, hush", body)));
    assert_eq!((status, answer), (202, json!({ "accepted": 1 })));
    let member = served.member_once("115310627314723954", |member| member["standing"]["tier"]["id"] == "gold");
    assert_eq!(member["standing"]["progress"]["counted"], "600.00");
}

#[test]
fn an_order_that_was_too_large_for_its_webhook_is_quarantined_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start_as(folder.path(), "acme.myshopify.com", &["--shopify-secret", "hush, hush, hush"]);
    let stub = r#"{"id": 7001, "admin_graphql_api_id": "gid://shopify/Order/7001"}"#;
    let signature = signed("hush, hush, hush", stub);
    let headers = [
        ("X-Shopify-Topic", "orders/paid"),
        ("X-Shopify-Shop-Domain", "acme.myshopify.com"),
        ("X-Shopify-Hmac-Sha256", &*signature),
    ];
    assert_eq!(served.post("/events", stub, &headers), (202, json!({ "accepted": 1 })));
    served.health_once(|health| health["taken_in"]["quarantined"] == 1);
    let listed = command(&["quarantine", "list", "--url", &served.url(), "--format", "json"]);
    let rows: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(rows["rows"][0]["reason"], "oversize_stub");
    assert!(rows["rows"][0].to_string().contains("`echelon import`"), "{rows}");

    // The body is the same when the order changes again, and the change is not lost.
    let headers = [("X-Shopify-Topic", "orders/updated"), headers[1], headers[2]];
    assert_eq!(served.post("/events", stub, &headers), (202, json!({ "accepted": 1 })));
    served.health_once(|health| health["taken_in"]["quarantined"] == 2);
    let delete = [("X-Shopify-Topic", "orders/delete"), headers[1], headers[2]];
    assert_eq!(served.post("/events", stub, &delete).0, 409);
}

#[test]
fn what_cannot_be_taken_is_refused_by_name_and_what_cannot_succeed_is_quarantined_and_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[]);
    let good = order("anna", "1", "10.00");
    let (status, answer) = served.post("/events", &format!("[{good}, 7]"), &[]);
    assert_eq!((status, &answer["problems"][0]["path"]), (400, &json!("item 2")), "{answer}");
    assert_eq!(served.post("/events", "{", &[]).0, 400);
    assert_eq!(served.get("/v1/members/unknown/explain").0, 404);
    assert_eq!(served.get("/elsewhere").0, 404);
    let broken = json!({ "type": "order.paid", "member_id": "anna", "order_id": "2", "total": "a lot" });
    assert_eq!(served.post("/events", &json!([broken, good]).to_string(), &[]).0, 202);
    assert_eq!(served.post("/events", &order("bert", "3", "500.00").to_string(), &[("X-Echelon-Shop", "late")]).0, 202);
    served.health_once(|health| health["taken_in"]["quarantined"] == 2);
    served.member_once("anna", |anna| anna["standing"]["progress"]["counted"] == "10.00");
    let url = served.url();
    let listed = command(&["quarantine", "list", "--url", &url, "--format", "json"]);
    let rows: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let reasons: BTreeSet<&str> =
        rows["rows"].as_array().unwrap().iter().map(|row| row["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, BTreeSet::from(["invalid", "unknown_shop"]));
    let table = command(&["quarantine", "list", "--url", &url]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("$.total") && table.contains("order.paid") && !table.contains("a lot"), "{table}");
    // After the cause is fixed, one event succeeds, and the one that is still wrong is quarantined again.
    served.end();
    let served = Served::start_as(folder.path(), "late", &[]);
    let url = served.url();
    let replayed = command(&["quarantine", "replay", "--all", "--url", &url]);
    assert!(replayed.status.success(), "{replayed:?}");
    assert_eq!(String::from_utf8(replayed.stdout).unwrap(), "2 events in the ingest queue again\n");
    served.health_once(|health| health["taken_in"]["events"] == 2);
    let (_, bert) = served.get("/v1/members/bert/explain?shop=late");
    assert_eq!(bert["standing"]["tier"]["id"], "gold", "{bert}");
    served.end();
    let data = folder.path().join("echelon.db");
    let listed = command(&["quarantine", "list", "--data", data.to_str().unwrap(), "--format", "json"]);
    let rows: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(rows["rows"].as_array().unwrap().len(), 1);
    assert_eq!(rows["rows"][0]["reason"], "invalid");
    let unknown = command(&["quarantine", "replay", "00", "--data", data.to_str().unwrap()]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[test]
fn a_file_has_one_process_and_an_address_one_listener() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[]);
    let data = folder.path().join("echelon.db");
    let second = command(&["serve", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(2));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("in use by another process") && said.contains("echelon.db"), "{said}");
    let other = folder.path().join("other.db");
    let taken = command(&["serve", "--data", other.to_str().unwrap(), "--listen", &served.address]);
    assert_eq!(taken.status.code(), Some(2));
    assert!(String::from_utf8(taken.stderr).unwrap().contains("--listen"));
}

#[test]
fn time_can_be_moved_and_the_same_program_is_no_new_version() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &["--clock", "2030-12-31T23:59:00Z"]);
    assert!(served.said().contains("is version 1 of shop `acme`"), "{}", served.said());
    let (_, health) = served.get("/health");
    assert!(
        health["now"].as_str().unwrap().starts_with("2030-12-31T23:5")
            || health["now"].as_str().unwrap().starts_with("2031")
    );
    let (status, moved) = served.post("/clock", r#"{"now": "+30d"}"#, &[]);
    assert_eq!(status, 200);
    assert!(moved["now"].as_str().unwrap().starts_with("2031-01-30T"), "{moved}");
    assert_eq!(served.post("/clock", r#"{"now": "2030-01-01T00:00:00Z"}"#, &[]).0, 400);
    served.end();
    // Records on file have happened, so a clock behind them is wrong, or was moved.
    let data = folder.path().join("echelon.db");
    let refused = command(&["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("was in use until 2031-01-30T") && said.contains("go on with --clock 2031-01-30T"), "{said}");
    let served = Served::start(folder.path(), &["--trust-clock"]);
    assert!(served.said().contains("is in force already, version 1"), "{}", served.said());
}

/// No acknowledged event is lost and none counts twice, whenever the process dies.
#[test]
fn killed_at_any_moment_nothing_is_lost_and_nothing_counts_twice() {
    const ROUNDS: u32 = 12;
    const MEMBERS: u32 = 20;
    let folder = tempfile::tempdir().unwrap();
    let webhook = Webhook::listening();
    let mut acknowledged: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    for round in 0..ROUNDS {
        let served = Served::start(folder.path(), &["--webhook", &webhook.url()]);
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let lives = Duration::from_millis(20 + (seed >> 33) % 400);
        let died = served.dies_in(lives);
        for burst in 0.. {
            let orders: Vec<(String, String, Value)> = (0..MEMBERS)
                .map(|member| {
                    let (member, id) = (format!("m{member}"), format!("{round}-{burst}-{member}"));
                    let event = order(&member, &id, "10.00");
                    (member, id, event)
                })
                .collect();
            let body: Vec<String> = orders.iter().map(|(_, _, event)| event.to_string()).collect();
            let Some((status, _)) = served.try_post("/events", &body.join("\n")) else { break };
            assert_eq!(status, 202);
            for (member, id, _) in orders {
                acknowledged.entry(member).or_default().insert(id);
            }
        }
        died.join().unwrap();
    }
    let served = Served::start(folder.path(), &["--webhook", &webhook.url()]);
    let enough = |member: &str, orders: usize| served.member_once(member, |it| counted(it) >= orders as i64 * 10);
    served.health_once(|health| health["waiting"] == 0);
    let told: usize = acknowledged.values().map(BTreeSet::len).sum();
    eprintln!("{told} orders were acknowledged in {ROUNDS} lives");
    assert!(told > 0, "no life acknowledged anything");
    for (member, orders) in &acknowledged {
        let found = enough(member, orders.len());
        // An order whose answer was cut off may also be stored, once. There is at most one more per round.
        let (counted, most) = (counted(&found), (orders.len() + ROUNDS as usize) as i64 * 10);
        assert!(counted <= most && counted % 10 == 0, "{member}: {counted}, acknowledged {}", orders.len());
    }
    let mut changes: BTreeMap<(String, u64), BTreeSet<String>> = BTreeMap::new();
    let complete = |told: &[(String, Value)]| {
        let reached = |member: &str, tier: &str| {
            told.iter().any(|(_, event)| event["member_id"] == member && event["after"]["id"] == tier)
        };
        let announced = |member: &str, orders: usize| {
            (orders < 5 || reached(member, "bronze")) && (orders < 50 || reached(member, "gold"))
        };
        acknowledged.iter().all(|(member, orders)| announced(member, orders.len()))
    };
    for (kind, event) in webhook.once(complete) {
        if kind == "tier.changed.v1" {
            let key = (event["member_id"].as_str().unwrap().to_owned(), event["sequence"].as_u64().unwrap());
            changes.entry(key).or_default().insert(event["id"].as_str().unwrap().to_owned());
        }
    }
    for ((member, sequence), ids) in &changes {
        assert_eq!(ids.len(), 1, "{member} {sequence} was announced under several ids");
        assert!(
            *sequence == 1 || changes.contains_key(&(member.clone(), sequence - 1)),
            "{member} lacks {}",
            sequence - 1
        );
    }
    served.end();
    let data = folder.path().join("echelon.db");
    let verified = command(&["verify", "--data", data.to_str().unwrap()]);
    assert!(verified.status.success(), "{verified:?}");
}

fn counted(member: &Value) -> i64 {
    let counted = member["standing"]["progress"]["counted"].as_str().unwrap();
    counted.split('.').next().unwrap().parse().unwrap()
}

#[test]
fn a_history_is_loaded_quietly_and_goes_on_where_it_was_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let webhook = Webhook::listening();
    let events = folder.path().join("events.jsonl");
    let line = |number: u32| order(&format!("m{}", number % 100), &number.to_string(), "100.00").to_string();
    let lines: Vec<String> = (0..3_000).map(line).collect();
    let mut broken = lines.clone();
    broken[2_200] = "{".to_owned();
    fs::write(&events, broken.join("\n\n")).unwrap();
    let served = Served::start(folder.path(), &["--webhook", &webhook.url()]);
    let load = |more: &[&str]| command(&[&["load", events.to_str().unwrap(), "--url", &served.url()], more].concat());
    // A blank line follows each event, so the 2,201st event is on line 4,401.
    let stopped = load(&[]);
    assert_eq!(stopped.status.code(), Some(2));
    let said = String::from_utf8(stopped.stderr).unwrap();
    assert!(said.contains("events.jsonl:4401: column 1: is not JSON") && said.contains("--skip-invalid"), "{said}");
    assert!(folder.path().join("events.jsonl.load").exists());
    fs::write(&events, lines.join("\n\n")).unwrap();
    let resumed = load(&["--format", "json"]);
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    let report: Value = serde_json::from_slice(&resumed.stdout).unwrap();
    assert_eq!((&report["from_line"], &report["lines"]), (&json!(4000), &json!(1_000)));
    let health = served.health_once(|health| health["waiting"] == 0);
    assert_eq!((&health["taken_in"]["applied"], &health["taken_in"]["duplicates"]), (&json!(3_000), &json!(0)));
    assert!(!folder.path().join("events.jsonl.load").exists());
    let (_, member) = served.get("/v1/members/m7/explain");
    assert_eq!(
        (&member["standing"]["progress"]["counted"], &member["standing"]["tier"]["id"]),
        (&json!("3000.00"), &json!("gold"))
    );
    let told = webhook.once(|told| told.len() >= 101);
    let is_quiet = |(kind, event): &(String, Value)| kind == "tier.changed.v1" && event["notify"] == false;
    assert!(told.iter().all(|told| is_quiet(told) || told.0 == "program.published.v1"), "{:?}", told[0]);
    served.end();
    again_into_the_file(folder.path(), &events);
}

/// Found by an attack: with another shop's token, a load continued behind the lines that the first shop had loaded.
#[test]
fn a_load_goes_on_only_into_the_shop_that_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[]);
    let events = folder.path().join("events.jsonl");
    let line = |number: u32| order("anna", &number.to_string(), "1.00").to_string();
    let mut lines: Vec<String> = (0..1_500).map(line).collect();
    lines.push("{".to_owned());
    fs::write(&events, lines.join("\n")).unwrap();
    let load = |shop: &str| {
        let made = ["token", "--token-key", TOKEN_KEY, "--scope", "write", "--shop", shop];
        let made = Command::new(common::echelon()).args(made).output().unwrap();
        let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let args = ["load", events.to_str().unwrap(), "--url", &served.url()];
        Command::new(common::echelon()).env("ECHELON_TOKEN", token).args(args).output().unwrap()
    };
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let first = load("acme");
    assert!(!said(&first).contains("goes on behind"), "{}", said(&first));
    let again = load("acme");
    assert!(said(&again).contains("goes on behind line 1500"), "{}", said(&again));
    let other = load("beta");
    assert!(!said(&other).contains("goes on behind"), "{}", said(&other));
}

/// Loaded directly into the store, all events are known already; and the loaded lines must be those in the file.
fn again_into_the_file(folder: &Path, events: &Path) {
    let data = folder.join("echelon.db");
    let load = |more: &[&str]| {
        command(&[&["load", events.to_str().unwrap(), "--data", data.to_str().unwrap()], more].concat())
    };
    let again = load(&["--format", "json"]);
    let report: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((&report["taken_in"]["duplicates"], &report["taken_in"]["applied"]), (&json!(3_000), &json!(0)));
    fs::write(
        folder.join("events.jsonl.load"),
        json!({ "into": format!("{} echelon acme", data.display()), "line": 10,
        "fingerprint": "of other lines" })
        .to_string(),
    )
    .unwrap();
    let changed = load(&[]);
    assert_eq!(changed.status.code(), Some(2));
    assert!(String::from_utf8(changed.stderr).unwrap().contains("are not those that were loaded"));
    fs::write(events, format!("{}\n{}\n", order("new", "n1", "5.00"), json!({ "type": "order.paid" }))).unwrap();
    let some = load(&["--resume-from", "1"]);
    assert_eq!(some.status.code(), Some(1), "{}", String::from_utf8_lossy(&some.stderr));
    let said = String::from_utf8(some.stdout).unwrap();
    assert!(said.contains("quarantined") && said.contains("invalid"), "{said}");
}

#[test]
fn the_demonstration_fills_a_shop_and_says_what_to_try() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::demo(folder.path());
    assert!(eventually(|| served.said().contains("Now it is yours")), "{}", served.said());
    let said = served.said();
    assert!(said.contains("Gold") && said.contains("version 2 of the program"), "{said}");
    // With a given key, no token that outlives the process is printed. A moved clock does not count as a wrong one.
    assert!(!said.contains("ECHELON_TOKEN=ey") && said.contains("ECHELON_TOKEN=$(echelon token"), "{said}");
    served.health_once(|health| health["status"] == "ok" && health["last_sweep"].is_string());
    let jobs = served.once_is("/v1/jobs?shop=harbor-and-pine", |jobs| {
        jobs["jobs"].as_array().is_some_and(|jobs| {
            jobs.iter().any(|job| job["id"].as_str().is_some_and(|id| id.contains("recalculation-2")))
        })
    });
    assert!(jobs["jobs"].is_array());
    let order = said.lines().find(|line| line.contains("mine-1")).unwrap();
    assert!(said.contains("echelon preview --roll-back 1") && said.contains("/clock"), "{said}");
    let event = order.split('\'').nth(1).unwrap();
    let member = serde_json::from_str::<Value>(event).unwrap()["member_id"].as_str().unwrap().to_owned();
    assert_eq!(served.post("/events", event, &[]).0, 202);
    let changed =
        || served.output().lines().any(|line| line.contains(&format!("  {member}  ")) && line.starts_with("2026"));
    assert!(eventually(changed), "{member} reached nothing");
}

#[test]
fn the_help_teaches() {
    for (command_, teaches) in [
        ("serve", ["POST /events", "--demo", "Ctrl-C"]),
        ("load", ["imported", "effective_at", "Exit codes"]),
        ("quarantine", ["replay", "14 days", "Exit codes"]),
    ] {
        let help = String::from_utf8(command(&[command_, "--help"]).stdout).unwrap();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(teaches.iter().all(|words| help.contains(words)), "{help}");
    }
}
