use serde_json::Value;

use super::desk::{ApiHarness, EVENTS, EXPLAIN, REPLAY, has};

#[test]
fn explain_tells_why_in_sentences_with_the_history() {
    has(
        &ApiHarness::new().run(&format!("{EXPLAIN} anna"), 0).out,
        &[
            "anna on June 1, 2024 at 00:00 (America/New_York)\n",
            "Holds Gold since November 10, 2023 at 10:30, through December 31, 2024.\n",
            "To keep Gold beyond December 31, 2024: 500.00 USD by then;",
            "  520.00 USD, November 10, 2023, order `1`\n",
            "History:\n  1. November 10, 2023 at 10:30: entered Gold, by a purchase or points\n",
        ],
    );
}

#[test]
fn explain_as_json_holds_standing_findings_sentences_and_history() {
    let found = ApiHarness::new().run(&format!("{EXPLAIN} anna --format json"), 0).out;
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["standing"]["tier"], "gold");
    assert_eq!(found["explanation"]["counted"][0]["fact"]["order"], "1");
    assert!(found["prose"][0].as_str().unwrap().starts_with("Holds Gold"));
    assert_eq!(found["transitions"][0]["kind"], "entered");
    assert_eq!(found["rewards"][0]["tier"], "gold");
}

#[test]
fn explain_shows_long_lists_in_full_when_asked() {
    let desk = ApiHarness::new();
    let order = |n: u32| {
        format!(
            r#"{{"type":"order.paid","member_id":"anna","order_id":"{n}","occurred_at":"2024-02-01T00:00:00Z","total":"1"}}"#
        )
    };
    desk.put("events.jsonl", (0..50).map(order).collect::<Vec<_>>().join("\n"));
    has(&desk.run(&format!("{EXPLAIN} anna"), 0).out, &["… 42 more facts, together 42.00 USD …"]);
    assert_eq!(desk.run(&format!("{EXPLAIN} anna --all"), 0).out.matches("  1.00 USD").count(), 50);
}

#[test]
fn an_unknown_member_is_an_error_that_offers_similar_ids() {
    let desk = ApiHarness::new();
    has(&desk.run(&format!("{EXPLAIN} Ana"), 2).err, &["names `Ana`; did you mean `anna`?"]);
    has(&desk.run(&format!("{EXPLAIN} zacharias"), 2).err, &["2 members are known"]);
}

#[test]
fn an_erased_member_is_said_to_be_erased() {
    let desk = ApiHarness::new();
    let erased = r#"{"type":"customer.erased","member_id":"anna","occurred_at":"2024-04-01T00:00:00Z"}"#;
    desk.put("events.jsonl", format!("{EVENTS}{erased}"));
    has(&desk.run(&format!("{EXPLAIN} anna"), 0).out, &["Was erased"]);
    has(&desk.run(REPLAY, 0).out, &["(erased)   1", "anna    (erased)"]);
    let found = desk.run(&format!("{EXPLAIN} anna --format json"), 0).out;
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!([&found["standing"]["tier"], &found["explanation"]], [&Value::Null, &Value::Null]);
}
