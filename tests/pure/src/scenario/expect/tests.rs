use serde_json::json;

use super::*;

/// Judges a sentence by an answer in which Anna was upgraded to gold and had a birthday, and Ben was erased.
#[track_caller]
fn check(text: &str, holds: bool) {
    let answer = json!({
        "standings": {
            "anna": { "active": true, "tier": "gold", "since": "2023-11-05T10:00:00Z",
                      "valid_until": "2025-01-01T00:00:00Z", "upcoming": "silver", "counted": "120.00",
                      "next_tier": null, "remaining": null,
                      "requalify": { "threshold": "500", "counted": "120", "remaining": "380.00",
                                     "by": "2025-01-01T00:00:00Z" } },
            "ben": { "active": null, "tier": null, "since": null, "counted": null },
            "cleo": { "active": true, "tier": null, "since": "2024-01-01T00:00:00Z", "next_tier": "silver",
                      "remaining": "100" },
            "dora": { "active": false, "tier": null },
        },
        "transitions": [
            { "member_id": "anna", "kind": "entered", "from": null, "to": "silver", "at": "2023-10-05T10:00:00Z",
              "cause": "activity" },
            { "member_id": "anna", "kind": "upgraded", "from": "silver", "to": "gold",
              "at": "2023-11-05T10:00:00Z", "cause": "tags_changed" },
            { "member_id": "cleo", "kind": "left", "from": "gold", "to": null, "at": "2024-01-01T00:00:00Z",
              "cause": "period_end" },
            { "member_id": "dora", "kind": "renewed", "from": "gold", "to": "gold", "at": "2024-01-01T00:00:00Z",
              "cause": "activity" },
        ],
        "rewards": [{ "member_id": "anna", "tier": "silver" }, { "member_id": "anna", "tier": "gold" }],
        "birthdays": [{ "member_id": "anna", "tier": "gold", "on": "2024-02-29", "points": 200 }],
    });
    let program = json!({ "tiers": [{ "id": "silver", "threshold": "100" }, { "id": "gold", "threshold": "500" }] });
    let (sentence, said) =
        SENTENCES.iter().find_map(|known| Some((known, known.form.read(text)?))).expect("a sentence that is known");
    let (text, as_of) = (text.to_owned(), String::new());
    let expectation = Expectation { line: 1, text, as_of, events: 0, said, sentence, program, zone: Tz::utc() };
    let misses = expectation.judge(&answer);
    assert_eq!(misses.is_empty(), holds, "{}: {misses:?}", expectation.text);
}

#[test]
fn a_true_expectation_holds() {
    for text in [
        "anna is gold since 2023-11-05 until 2024-12-31 and silver after",
        "anna has 120 counted",
        "anna needs 380 more to keep gold after 2024-12-31",
        "anna has reached the highest tier",
        "anna was upgraded from silver to gold on 2023-11-05 10:00 because of tags changed",
        "anna has had 2 announcements",
        "anna got the rewards of silver, gold",
        "anna got 200 birthday points on 2024-02-29",
        "anna has had 1 birthday",
        "cleo has no tier since 2024-01-01",
        "cleo needs 100 more for silver",
        "cleo left gold on 2024-01-01",
        "cleo got no reward",
        "dora has no tier while the program is inactive",
        "dora renewed gold",
        "nothing is known of ben",
    ] {
        check(text, true);
    }
}

#[test]
fn a_false_expectation_is_a_miss() {
    for text in [
        "anna is silver",
        "anna is gold since 2023-11-06",
        "anna is gold until 2025-01-01",
        "anna is gold without end",
        "anna is gold and no tier after",
        "anna has no tier",
        "anna has 120.01 counted",
        "anna needs 0 more for silver",
        "anna needs 380 more to keep silver after 2024-12-31",
        "anna needs 380 more to keep gold after 2025-12-31",
        "anna entered gold",
        "anna was upgraded from silver to gold on 2023-11-05 10:01",
        "anna was upgraded from silver to gold because of activity",
        "anna has had 1 announcement",
        "anna got the rewards of gold, silver",
        "anna got no reward",
        "anna got 100 birthday points on 2024-02-29",
        "anna got 200 birthday points on 2024-02-28",
        "cleo has reached the highest tier",
        "cleo has no tier while the program is inactive",
        "cleo was downgraded from gold to silver",
        "dora has no tier",
        "dora left gold",
        "eve has no tier",
        "ben got 1 birthday points on 2024-02-29",
        "nothing is known of anna",
    ] {
        check(text, false);
    }
}
