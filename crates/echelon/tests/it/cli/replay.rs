use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use super::desk::{ApiHarness, EVENTS, EXPLAIN, REPLAY, has, ran};

const BROKEN: &str = r#"{"type":"order.paid","member_id":"anna","order_id":"1","occurred_at":"2023-11-10T15:30:00Z","total":"520.00"}
{"type":"order.paid","member_id":"anna","order_id":"2",
{"type":"order.paid","member_id":"anna","order_id":"3","occurred_at":"2023-11-11T15:30:00Z","total":"1","amount":"1"}
{"type":"points.earned","member_id":"anna","entry_id":"p","occurred_at":"2023-11-12T12:06:00Z","received_at":"2023-11-12T12:00:00Z","points":5}
{"type":"order.paid","member_id":"bob","order_id":"4","occurred_at":"2023-11-13T15:30:00Z","total":"120.00"}
"#;

#[test]
fn replay_prints_the_object_of_section_9() {
    let found: Value = serde_json::from_str(&ApiHarness::new().run(&format!("{REPLAY} --format json"), 0).out).unwrap();
    let anna = &found["standings"]["anna"];
    assert_eq!(
        [&anna["tier"], &anna["valid_until"], &anna["upcoming"]],
        ["gold", "2025-01-01T05:00:00Z", ""]
            .map(|text| { if text.is_empty() { Value::Null } else { Value::from(text) } })
            .each_ref()
    );
    assert_eq!(anna["requalify"]["remaining"], "500.00");
    assert_eq!(found["transitions"][1]["member_id"], "bob");
    assert_eq!(found["rewards"], serde_json::json!([{ "member_id": "anna", "tier": "gold", "transition": 1 }]));
    let keys: Vec<_> = found.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["standings", "transitions", "rewards", "birthdays", "corrections"]);
}

#[test]
fn replay_shows_a_table_to_people_and_limits_it() {
    let desk = ApiHarness::new();
    has(
        &desk.run(REPLAY, 0).out,
        &[
            "Acme VIP (version 1) at 2024-06-01T04:00:00Z: 2 facts, 2 members",
            "Gold       1\n",
            "anna    Gold    2023-11-10  2024-12-31  0.00     -     -\n",
            "bob     Silver  2024-03-01  2025-12-31  120.00   Gold  380.00\n",
            "recorded on the way: 2 entered; 1 entry reward and 0 birthday bonuses due",
        ],
    );
    let short = desk.run(&format!("{REPLAY} --members 1"), 0).out;
    has(&short, &["… and 1 more"]);
    assert!(!short.contains("bob"));
}

#[test]
fn replay_reads_the_standard_input_and_packed_files() {
    let desk = ApiHarness::new();
    let plain = desk.run(REPLAY, 0).out;
    let piped = desk.command(&REPLAY.replace("events.jsonl", "-")).write_stdin(EVENTS).output().unwrap();
    assert_eq!(ran(piped, 0).out, plain);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(EVENTS.as_bytes()).unwrap();
    desk.put("events.jsonl.gz", packed.finish().unwrap());
    assert_eq!(desk.run(&REPLAY.replace("events.jsonl", "events.jsonl.gz"), 0).out, plain);
    desk.put("events.jsonl.gz", "not packed");
    has(
        &desk.run(&REPLAY.replace("events.jsonl", "events.jsonl.gz"), 2).err,
        &["events.jsonl.gz:1: cannot be read on"],
    );
    desk.put("events.jsonl", format!("\u{feff}{}", EVENTS.replace('\n', "\r\n")));
    assert_eq!(desk.run(REPLAY, 0).out, plain);
}

#[test]
fn replay_stops_at_the_first_event_after_the_instant() {
    let desk = ApiHarness::new();
    desk.put("events.jsonl", format!("{EVENTS}not json"));
    has(&desk.run(&REPLAY.replace("2024-06-01", "2024-01-01"), 0).out, &["1 fact, 1 member"]);
    desk.run(REPLAY, 2);
}

/// A history that is newest first, or sorted by customer, replayed to nothing without a word.
#[test]
fn a_file_that_is_not_in_order_of_time_is_said_to_be_so_and_read_in_order_on_request() {
    let desk = ApiHarness::new();
    let newest_first: Vec<_> = EVENTS.lines().filter(|line| !line.is_empty()).rev().collect();
    desk.put("events.jsonl", newest_first.join("\n"));
    let early = REPLAY.replace("2024-06-01", "2024-01-01");
    let found = desk.run(&early, 1);
    has(&found.out, &["0 facts, 0 members"]);
    has(
        &found.err,
        &[
            "note: events.jsonl has 1 line after --as-of 2024-01-01T05:00:00Z, from line 1 on: not seen",
            "warning: events.jsonl is not in order of time: 1 line below the first one after --as-of, from line 2 on,",
            "read them with --sort",
        ],
    );
    let sorted = desk.run(&format!("{early} --sort"), 0);
    has(&sorted.out, &["1 fact, 1 member", "anna    Gold"]);
    has(&sorted.err, &["note: events.jsonl has 1 line after --as-of", "from line 1 on"]);
    let explain = EXPLAIN.replace("2024-06-01", "2024-01-01");
    has(&desk.run(&format!("{explain} anna --sort"), 0).out, &["Holds Gold since November 10, 2023"]);

    // Beyond all lines the standings are right in any order, and the history is that of late arrivals.
    has(
        &desk.run(REPLAY, 0).err,
        &["1 line dated before a line above, from line 2 on, counted as arriving late; --sort"],
    );
    assert_eq!(desk.run(&format!("{REPLAY} --sort"), 0).err, "");
    desk.put("events.jsonl", EVENTS);
    assert_eq!(desk.run(REPLAY, 0).err, "", "nothing is said about a file in order");
    assert_eq!(desk.run(&format!("{REPLAY} --sort"), 0).out, desk.run(REPLAY, 0).out);

    // A line that cannot be read is reported under its own number.
    desk.put("events.jsonl", format!("{EVENTS}not json"));
    has(&desk.run(&format!("{REPLAY} --sort"), 2).err, &["events.jsonl:4: column 2: is not JSON"]);
}

#[test]
fn a_line_that_is_no_valid_fact_is_named_with_file_line_and_field() {
    let desk = ApiHarness::new();
    let lines: Vec<_> = BROKEN.lines().collect();
    for (line, expected) in [
        (lines[1], "events.jsonl:1: column 55: is not JSON: EOF while parsing a value"),
        (lines[2], "events.jsonl:1: $.amount: is not known here"),
        (lines[3], "events.jsonl:1: $.occurred_at: 2023-11-12T12:06:00Z is more than five minutes after its arrival"),
        (
            r#"{"type":"order.payed"}"#,
            "events.jsonl:1: $.type: `order.payed` is not an event; write one of `order.paid`",
        ),
        ("[]", "events.jsonl:1: $: must be an object, not a list"),
        (
            r#"{"type":"customer.merged","member_id":"a","into":"a","occurred_at":"2023-11-12T12:00:00Z"}"#,
            "events.jsonl:1: $.into: is the member's own id: name the member that this id stands for",
        ),
    ] {
        desk.put("events.jsonl", line);
        let found = desk.run(REPLAY, 2);
        has(&found.err, &[expected, "--skip-invalid"]);
        assert_eq!(found.out, "");
    }
}

#[test]
fn skipped_lines_are_reported_counted_and_a_finding() {
    let desk = ApiHarness::new();
    desk.put("events.jsonl", BROKEN);
    let found = desk.run(&format!("{REPLAY} --skip-invalid --format json"), 1);
    has(
        &found.err,
        &[
            "skipped events.jsonl:2: column 55: is not JSON",
            "skipped events.jsonl:3: $.amount: is not known here",
            "skipped events.jsonl:4: $.occurred_at",
            "3 lines were skipped",
        ],
    );
    let found: Value = serde_json::from_str(&found.out).unwrap();
    assert_eq!(found["standings"]["bob"]["tier"], "silver");
    assert!(desk.run(&format!("{EXPLAIN} bob --skip-invalid"), 1).out.starts_with("bob on"));
}

#[test]
fn what_cannot_be_used_is_named_and_ends_with_2() {
    let desk = ApiHarness::new();
    has(&desk.run(&REPLAY.replace("vip.json", "nowhere.json"), 2).err, &["error: nowhere.json: cannot be read: "]);
    has(
        &desk.run(&REPLAY.replace("events.jsonl", "nowhere.jsonl"), 2).err,
        &["error: nowhere.jsonl: cannot be read: "],
    );
    has(&desk.run(&REPLAY.replace("2024-06-01", "June"), 2).err, &["--as-of: `June` is neither an instant"]);
    has(&desk.run("replay --program vip.json", 2).err, &["--events", "--as-of"]);
    has(&desk.run("promote anna", 2).err, &["promote"]);
    desk.put("vip.json", "{ \"tiers\": [\n  {]");
    has(&desk.run(REPLAY, 2).err, &["vip.json:2:4: is not JSON: "]);
    desk.put("vip.json", r#"{ "tier": [], "start_date": "x" }"#);
    has(
        &desk.run(REPLAY, 2).err,
        &["vip.json: $.tier: is not known", "vip.json: $.start_date: ", "vip.json: $.tiers: is missing"],
    );
    desk.put("vip.json", r#"{ "tiers": [{ "id": "gold", "threshold": 5 }] }"#);
    has(&desk.run(REPLAY, 2).err, &["vip.json: ", "`start_date` is missing, and without `effective_at`"]);
    desk.put("vip.json", b"\xff\xfe{}");
    has(&desk.run(REPLAY, 2).err, &["vip.json: is not UTF-8"]);
}
