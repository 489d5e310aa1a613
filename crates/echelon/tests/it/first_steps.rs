//! First steps that cannot be undone later: a currency that is not named, a start after the history, an instant that would
//! be ignored, and a shop whose name is wrong, with the built command.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::common::{Served, command, program};
use serde_json::{Value, json};

/// A folder with a store, and commands run on it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.folder().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn program(&self, name: &str, changes: &Value) -> String {
        let mut program = program();
        for (key, change) in changes.as_object().unwrap() {
            program[key] = change.clone();
        }
        self.write(name, &program.to_string())
    }

    /// The output of a command on the store. The command must end with this exit code.
    #[track_caller]
    fn says(&self, args: &[&str], code: i32) -> String {
        let data = self.folder().join("echelon.db");
        let Output { status, stdout, stderr } = command(&[args, &["--data", data.to_str().unwrap()]].concat());
        let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(code), "{args:?}: {said}");
        said
    }

    /// What the store holds of a member, as it is served.
    fn member(&self, id: &str) -> Value {
        let data = self.folder().join("echelon.db");
        let served = Served::on(self.folder(), &["--data", data.to_str().unwrap(), "--shop", "acme"]);
        let (status, answer) = served.get(&format!("/v1/members/{id}"));
        assert_eq!(status, 200, "{answer}");
        served.end();
        answer
    }
}

fn order(id: &str, member: &str, at: &str, total: &str, currency: &str) -> String {
    json!({ "type": "order.paid", "member_id": member, "order_id": id, "occurred_at": at, "total": total,
            "currency": currency })
    .to_string()
}

#[track_caller]
fn has(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "expected `{part}` in: {said}");
    }
}

#[test]
fn a_program_that_counts_money_is_not_published_without_its_currency_and_the_one_of_the_orders_is_offered() {
    let desk = Desk::new();
    let (unnamed, dollars) =
        (desk.program("unnamed.json", &json!({ "currency": null })), desk.program("usd.json", &json!({})));
    let publish = |file: &str| desk.says(&["publish", "--shop", "acme", "--program", file], 2);
    has(&publish(&unnamed), &["currency_missing", "unnamed.json", r#""currency": "EUR""#]);
    let validated = String::from_utf8(command(&["validate", &unnamed]).stdout).unwrap();
    has(&validated, &["1 warning", "$.currency", "currency_missing"]);
    desk.says(&["publish", "--shop", "acme", "--program", &dollars], 0);
    let euros: Vec<String> =
        (1..=3).map(|n| order(&n.to_string(), "anna", "2024-05-01T10:00:00Z", "300.00", "SEK")).collect();
    desk.says(&["load", &desk.write("e.jsonl", &euros.join("\n"))], 0);
    let other = desk.program("other.json", &json!({ "currency": null, "name": "Another name" }));
    has(&publish(&other), &["currency_missing", r#"write "currency": "SEK", in which most orders are kept here"#]);
    has(&desk.says(&["preview", "--program", &other], 2), &["currency_missing"]);

    // In a file for `replay` it is US dollars; and a program that counts no money needs no currency.
    let dollars = desk.write("usd.jsonl", &order("1", "anna", "2024-05-01T10:00:00Z", "600.00", "USD"));
    let replayed =
        command(&["explain", "--program", &unnamed, "--events", &dollars, "--member", "anna", "--as-of", "2024-06-01"]);
    has(&String::from_utf8(replayed.stdout).unwrap(), &["600.00 USD", "Gold"]);
    let orders = json!({ "currency": null, "milestone": { "metric": "orders_placed" } });
    let desk = Desk::new();
    desk.says(&["publish", "--shop", "acme", "--program", &desk.program("orders.json", &orders)], 0);
}

#[test]
fn an_api_refuses_a_program_without_its_currency_and_names_the_place() {
    let desk = Desk::new();
    let served = Served::start(desk.folder(), &[]);
    let mut unnamed = program();
    unnamed["name"] = json!("Another name");
    unnamed.as_object_mut().unwrap().remove("currency");
    let (status, problem) = served.post("/v1/program/versions", &json!({ "program": unnamed }).to_string(), &[]);
    assert_eq!((status, &problem["problems"][0]["path"]), (422, &json!("$.currency")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().starts_with("currency_missing"), "{problem}");
    let (_, checked) = served.post("/v1/program/validate", &json!({ "program": unnamed }).to_string(), &[]);
    assert_eq!(
        (&checked["valid"], &checked["problems"][0]["path"]),
        (&json!(false), &json!("$.currency")),
        "{checked}"
    );
    served.end();
}

#[test]
fn the_currency_changes_until_money_is_kept_in_it() {
    let desk = Desk::new();
    let dollars = desk.program("usd.json", &json!({}));
    let euros = desk.program("eur.json", &json!({ "currency": "EUR" }));
    desk.says(&["publish", "--shop", "acme", "--program", &dollars], 0);
    let history = desk.write("e.jsonl", &order("1", "anna", "2024-05-01T10:00:00Z", "600.00", "EUR"));
    desk.says(&["load", &history], 0);
    assert_eq!(desk.member("anna")["progress"]["counted"], "0.00");
    // Nothing is kept in dollars: the order in euros waited for its currency.
    has(&desk.says(&["publish", "--program", &euros], 0), &["version 2"]);
    let member = desk.member("anna");
    assert_eq!((&member["progress"]["counted"], &member["tier"]["id"]), (&json!("600.00"), &json!("gold")), "{member}");
    has(&desk.says(&["publish", "--program", &dollars], 2), &["currency_fixed", "EUR"]);
    let unnamed = desk.program("unnamed.json", &json!({ "currency": null }));
    has(&desk.says(&["publish", "--program", &unnamed], 2), &["currency_missing", r#""currency": "EUR""#]);
}

#[test]
fn facts_before_the_start_are_told_at_once_with_the_remedy_which_works() {
    let desk = Desk::new();
    let yearly = json!({ "currency": "EUR", "start_date": "2024-01-01",
                         "milestone": { "metric": "amount_spent", "period": "calendar_year" } });
    let program = desk.program("vip.json", &yearly);
    let year = chrono::Datelike::year(&chrono::Utc::now());
    let first = desk.says(&["publish", "--shop", "acme", "--program", &program], 0);
    has(&first, &["`start_date` 2024-01-01 is before this calendar year", "`clamp: false`"]);
    let before = format!("{}-11-05T10:00:00Z", year - 1);
    let lines = [
        order("1", "anna", &before, "900.00", "EUR"),
        order("2", "ben", &before, "12.50", "USD"),
        order("3", "ben", &format!("{year}-01-01T00:00:00Z"), "100.00", "EUR"),
    ];
    let history = desk.write("e.jsonl", &lines.join("\n"));
    let loaded = desk.says(&["load", &history], 0);
    let start = format!("before {year}-01-01, where the program starts");
    has(&loaded, &["e.jsonl:1: is dated", &start, "2 facts (900.00 EUR, 12.50 USD)", "`clamp: false`"]);
    assert_eq!(loaded.matches("is dated").count(), 1, "{loaded}");

    // The same when it is published, or served, once more.
    let told = format!("2 facts (900.00 EUR, 12.50 USD) dated {start}, count for nothing");
    has(&desk.says(&["publish", "--program", &program], 0), &["the same already", &told, "`clamp: false`"]);
    let data = desk.folder().join("echelon.db");
    let arguments = ["--data", data.to_str().unwrap(), "--program", &program, "--shop", "acme"];
    let served = Served::on(desk.folder(), &arguments);
    has(&served.said(), &["is in force already", &told]);
    served.end();

    let unclamped = ["publish", "--program", &program, "--options", r#"{"clamp": false}"#];
    let said = desk.says(&unclamped, 0);
    assert!(said.contains("version 2") && !said.contains("for nothing"), "{said}");
    assert_eq!(desk.member("anna")["tier"]["id"], "gold");
}

#[test]
fn load_says_which_orders_are_in_another_currency_or_name_no_member_and_looks_into_documents() {
    let desk = Desk::new();
    let program = desk.program(
        "vip.json",
        &json!({ "currency": "USD", "start_date": "2024-01-01",
                                                    "milestone": { "metric": "amount_spent", "period": "lifetime" } }),
    );
    desk.says(&["publish", "--shop", "acme", "--program", &program], 0);
    let guest =
        r#"{"type":"order.paid","order_id":"3","occurred_at":"2024-05-01T10:00:00Z","total":"7.50","currency":"USD"}"#;
    let converted =
        order("4", "cara", "2024-05-01T10:00:00Z", "10.00", "EUR").replace('}', r#","exchange_rate":"1.1"}"#);
    let facts = [
        order("5", "dora", "2023-05-01T10:00:00Z", "20.00", "USD"),
        order("6", "dora", "2024-05-01T10:00:00Z", "30.00", "EUR"),
    ];
    let document = format!(r#"{{"type":"document","facts":[{}]}}"#, facts.join(","));
    let lines = [
        order("1", "anna", "2024-05-01T10:00:00Z", "600.00", "EUR"),
        order("2", "ben", "2024-05-01T10:00:00Z", "12.50", "USD"),
        guest.to_owned(),
        converted,
        document,
    ];
    let history = desk.write("e.jsonl", &lines.join("\n"));
    let said = desk.says(&["load", &history, "--format", "json"], 0);
    has(&said, &["e.jsonl:5: is dated 2023-05-01"]);
    let report: Value = serde_json::from_str(said.get(..=said.rfind("\n}").unwrap() + 1).unwrap()).unwrap();
    assert_eq!(report["no_exchange_rate"], json!({ "facts": 2, "money": { "EUR": "630" } }), "{report}");
    assert_eq!(report["no_member"], json!({ "facts": 1, "money": { "USD": "7.5" } }), "{report}");
    assert_eq!((&report["before_the_start"], &report["money_before_the_start"]), (&json!(1), &json!({ "USD": "20" })));

    // The day is that of the payment, whichever revision says it.
    let mut placed: Value = serde_json::from_str(&order("7", "emil", "2023-12-29T10:00:00Z", "40.00", "USD")).unwrap();
    let mut paid = placed.clone();
    paid["paid_at"] = json!("2024-01-03T10:00:00Z");
    placed["revision"] = json!("2024-02-01T00:00:00Z");
    let later = desk.write("later.jsonl", &format!("{paid}\n{placed}"));
    let said = desk.says(&["load", &later], 0);
    assert!(!said.contains("before the start"), "{said}");
    let again = desk.says(&["load", &history], 0);
    has(&again, &["no exchange rate", "2 facts (630.00 EUR)", "the program counts USD", "`exchange_rate`"]);
    has(&again, &["no member", "1 fact (7.50 USD)", "names a member"]);
}

#[test]
fn a_program_whose_rise_brings_more_rewards_than_are_recorded_at_once_is_not_published() {
    let desk = Desk::new();
    let tiers = |count: u32| -> Value {
        let reward = json!([{ "type": "points", "points": 50 }]);
        (1..=count)
            .map(|n| json!({ "id": format!("t{n}"), "threshold": n.to_string(), "entry_rewards": reward }))
            .collect()
    };
    let program = |name: &str, count: u32, skipped: &str| {
        desk.program(name, &json!({ "currency": "EUR", "skipped_tier_rewards": skipped, "tiers": tiers(count) }))
    };
    let many = program("many.json", 41, "all_skipped");
    let told = ["$", "skipped_tier_rewards", "41 tiers", "`highest_only`"];
    let validated = |file: &str| {
        let Output { status, stdout, stderr } = command(&["validate", file]);
        (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
    };
    let (code, said) = validated(&many);
    assert_eq!(code, Some(1), "{said}");
    has(&said, &told);
    has(&desk.says(&["publish", "--shop", "acme", "--program", &many], 2), &told);
    assert_eq!(validated(&program("highest.json", 41, "highest_only")).0, Some(0));

    let most = program("most.json", 40, "all_skipped");
    desk.says(&["publish", "--shop", "acme", "--program", &most], 0);
    let history = desk.write("e.jsonl", &order("1", "anna", &chrono::Utc::now().to_rfc3339(), "600.00", "EUR"));
    let report = desk.says(&["load", &history, "--live"], 0);
    has(&report, &["applied", "transitions"]);
    assert_eq!(desk.member("anna")["tier"]["id"], "t40");
}

#[test]
fn a_clock_from_which_nothing_could_be_dated_is_refused_at_the_start() {
    let desk = Desk::new();
    let said = desk.says(&["serve", "--clock", "9999-12-31T23:59:55Z", "--listen", "127.0.0.1:0"], 2);
    has(&said, &["9999-12-31", "year 9000", "set it right"]);
}

#[test]
fn an_instant_in_a_program_that_would_be_ignored_is_an_error_that_names_the_remedy() {
    let desk = Desk::new();
    let first = desk.program("vip.json", &json!({ "effective_at": "2023-01-01T00:00:00Z" }));
    let ahead = desk.program("ahead.json", &json!({ "effective_at": "2126-01-01T00:00:00Z" }));
    let publish = |file: &str, code| desk.says(&["publish", "--shop", "acme", "--program", file], code);
    has(&publish(&ahead, 2), &["`effective_at` is 2126-01-01T00:00:00Z", "--at"]);
    has(&publish(&first, 0), &["version 1", "in force from 2023-01-01T00:00:00Z"]);
    has(&publish(&first, 0), &["the same already"]);
    // Be it the only change.
    let moved = desk.program("moved.json", &json!({ "effective_at": "2022-01-01T00:00:00Z" }));
    has(&publish(&moved, 2), &["would be ignored", "`effective_at` is 2022-01-01T00:00:00Z"]);
    let other = desk.program("other.json", &json!({ "name": "Other", "effective_at": "2024-01-01T00:00:00Z" }));
    has(&publish(&other, 2), &["other.json", "would be ignored", "--at", "`start_date`", "`clamp: false`"]);
    // The first version's own instant, in the file that is edited, says what is the case.
    let edited = desk.program("edited.json", &json!({ "name": "Other", "effective_at": "2023-01-01T00:00:00Z" }));
    has(&publish(&edited, 0), &["version 2"]);
}

#[test]
fn a_load_into_an_unknown_shop_is_refused_before_the_first_event_and_the_known_shops_are_named() {
    let desk = Desk::new();
    let program = desk.program("vip.json", &json!({}));
    desk.says(&["publish", "--shop", "acme", "--program", &program], 0);
    let history = desk.write("e.jsonl", &order("1", "anna", "2024-05-01T10:00:00Z", "600.00", "USD"));
    let told = ["shop `acne` has published no program", "the shop with a program is `acme`", "--shop"];
    has(&desk.says(&["load", &history, "--shop", "acne"], 2), &told);

    // A shop's own document is no file of events.
    let document = desk.write("orders.json", "{\n  \"orders\": []\n}");
    has(&desk.says(&["load", &document], 2), &["orders.json:1", "is not JSON", "`echelon import`"]);

    let served = Served::on(desk.folder(), &["--data", desk.folder().join("echelon.db").to_str().unwrap()]);
    let Output { status, stderr, .. } = command(&["load", &history, "--shop", "acne", "--url", &served.url()]);
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{said}");
    has(&said, &told[..2]);
    assert!(!desk.folder().join("e.jsonl.load").exists(), "nothing was begun");
    assert_eq!(served.get("/v1/quarantine?shop=acne").1["rows"], json!([]));
    assert_eq!(served.get("/health").1["taken_in"]["events"], 0);
    served.end();
}

#[test]
fn a_fact_that_counts_for_nothing_yet_says_so_in_its_result() {
    let desk = Desk::new();
    let served = Served::start(desk.folder(), &[]);
    let at = "2024-05-01T10:00:00Z";
    let paid = |id: &str, more: Value| {
        let mut order =
            json!({ "type": "order.paid", "member_id": "anna", "order_id": id, "occurred_at": at, "total": "600.00" });
        for (key, value) in more.as_object().unwrap() {
            order[key] = value.clone();
        }
        order
    };
    let refund = |order: &str| {
        json!({ "type": "order.refunded", "order_id": order, "refund_id": "r", "amount": "1.00", "member_id": "anna",
                "occurred_at": at })
    };
    let facts = json!([
        paid("1", json!({})),
        paid("2", json!({ "currency": "EUR" })),
        paid("3", json!({ "test": true })),
        paid("4", json!({ "occurred_at": "2019-12-31T23:59:59Z" })),
        paid("5", json!({ "member_id": null })),
        refund("1"),
        refund("unknown"),
        { "type": "points.canceled", "cancel_id": "c", "entry_id": "unknown", "member_id": "anna", "occurred_at": at },
        { "type": "customer.enrolled", "member_id": "anna", "occurred_at": at },
    ]);
    let expected = [
        "",
        "no_exchange_rate",
        "test_order",
        "before_start",
        "no_member",
        "",
        "waiting_for_order",
        "waiting_for_order",
        "",
    ];
    for status in ["applied", "duplicate"] {
        let (_, answer) = served.post("/v1/facts", &facts.to_string(), &[]);
        for (place, code) in expected.into_iter().enumerate() {
            let result = &answer["results"][place];
            assert_eq!(result["status"], status, "{place}: {answer}");
            assert_eq!(result["not_counted"]["code"].as_str().unwrap_or_default(), code, "{place}: {answer}");
        }
        let said = |place: usize| answer["results"][place]["not_counted"]["message"].as_str().unwrap().to_owned();
        has(&said(1), &["EUR", "USD", "`exchange_rate`"]);
        has(&said(3), &["before 2020-01-01", "`start_date`"]);
        has(&said(6), &["the order", "not known"]);
        has(&said(7), &["entry of points"]);
    }
    let mut inactive = program();
    inactive["active"] = json!(false);
    assert_eq!(served.post("/v1/program/versions", &json!({ "program": inactive }).to_string(), &[]).0, 201);
    let (status, answer) = served.post("/v1/facts", &paid("6", json!({})).to_string(), &[]);
    assert_eq!((status, &answer["results"][0]["not_counted"]["code"]), (200, &json!("inactive_program")), "{answer}");
    served.end();
}

#[test]
fn redeemed_and_expired_points_are_answered_with_the_sentence_that_helps() {
    let desk = Desk::new();
    let served = Served::start(desk.folder(), &[]);
    for kind in ["points.redeemed", "points.expired"] {
        let event = json!({ "type": kind, "member_id": "anna", "points": 5, "occurred_at": "2024-05-01T10:00:00Z" });
        let (status, problem) = served.post("/v1/facts", &event.to_string(), &[]);
        let place = &problem["problems"][0];
        assert_eq!((status, &place["path"]), (422, &json!("$.type")), "{problem}");
        has(place["message"].as_str().unwrap(), &["nothing_to_send", kind, "never lowers what was earned"]);
        assert_eq!(served.post("/events", &event.to_string(), &[]).0, 202);
    }
    let rows = served.once_is("/v1/quarantine", |answer| answer["rows"].as_array().is_some_and(|rows| rows.len() == 2));
    assert_eq!(rows["rows"][0]["reason"], "nothing_to_send", "{rows}");
    has(rows["rows"][0]["remedy"].as_str().unwrap(), &["stop sending it", "never lowers"]);
    served.end();
}

#[test]
fn a_shop_has_several_names_and_an_unknown_one_is_quarantined_beside_the_known_ones() {
    let desk = Desk::new();
    let served = Served::start(desk.folder(), &["--alias", "acme.myshopify.com=acme"]);
    let event = order("1", "anna", "2024-05-01T10:00:00Z", "600.00", "USD");
    assert_eq!(served.post("/events", &event, &[("X-Echelon-Shop", "acme.myshopify.com")]).0, 202);
    let member = served.once_is("/v1/members/anna?shop=acme.myshopify.com", |member| member["tier"]["id"] == "gold");
    assert_eq!(member["shop"], "acme", "{member}");

    assert_eq!(served.post("/events", &event, &[("X-Echelon-Shop", "acne")]).0, 202);
    let is_there = |answer: &Value| answer["rows"].as_array().is_some_and(|rows| rows.len() == 1);
    let rows = served.once_is("/v1/quarantine", is_there);
    let row = &rows["rows"][0];
    assert_eq!((&row["shop"], &row["reason"]), (&json!("acne"), &json!("unknown_shop")), "{rows}");
    has(row["remedy"].as_str().unwrap(), &["the shop with a program is `acme`", "make `acne` an alias"]);
    served.end();

    // A name that is no alias is refused with the place, and so is one that would hide a shop.
    let data = desk.folder().join("echelon.db");
    let serve = |alias: &str| {
        let args = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap(), "--alias", alias];
        let Output { status, stderr, .. } = command(&args);
        assert_eq!(status.code(), Some(2));
        String::from_utf8(stderr).unwrap()
    };
    has(&serve("acme.myshopify.com"), &["--alias", "NAME=SHOP"]);
    has(&serve("acme=other"), &["--alias", "`acme` is a shop with a program of its own"]);
}
