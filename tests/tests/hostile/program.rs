//! Programs that are not valid. Each is reported as wrong at its places where it is checked, is not published, and changes
//! nothing.

use serde_json::{Value, json};
use tests::api_harness::{ApiHarness, program};

use crate::told::with;

/// A program, and what is wrong with it: the path, and words of the message.
pub struct Case {
    /// A sentence that says what is bad.
    pub name: &'static str,
    program: Value,
    wrong: Vec<(&'static str, &'static str)>,
}

fn case(name: &'static str, changes: Value, path: &'static str, says: &'static str) -> Case {
    Case { name, program: with(program(), changes), wrong: vec![(path, says)] }
}

fn tiers(name: &'static str, tiers: Value, path: &'static str, says: &'static str) -> Case {
    case(name, json!({ "tiers": tiers }), path, says)
}

fn reward(name: &'static str, reward: Value, path: &'static str, says: &'static str) -> Case {
    tiers(name, json!([{ "id": "gold", "threshold": "1", "entry_rewards": [reward] }]), path, says)
}

/// All cases of programs.
pub fn cases() -> Vec<Case> {
    let many = (0..10_000).map(|n| json!({ "id": n.to_string(), "threshold": n.to_string() })).collect::<Vec<_>>();
    let two = |a: Value, b: Value| {
        json!([
            with(json!({ "id": "silver", "threshold": "100" }), a),
            with(json!({ "id": "gold", "threshold": "500" }), b)
        ])
    };
    let period = |name, period: Value, path, says| case(name, json!({ "milestone": { "period": period } }), path, says);
    let mut cases = vec![
        tiers("no tiers", json!([]), "$.tiers", "must have at least one tier"),
        tiers("tiers in an object", json!({}), "$.tiers", "must be a list, not an object"),
        tiers("ten thousand tiers", json!(many), "$.tiers", "has 10000 tiers; 100 are the most"),
        tiers(
            "two tiers of one id",
            two(json!({}), json!({ "id": "silver" })),
            "$.tiers[1].id",
            "already the id of a lower tier",
        ),
        tiers(
            "thresholds that fall",
            two(json!({ "threshold": "600" }), json!({})),
            "$.tiers[1].threshold",
            "must be above the 600 of the tier below",
        ),
        tiers(
            "thresholds that do not rise",
            two(json!({ "threshold": "500.00" }), json!({})),
            "$.tiers[1].threshold",
            "must be above",
        ),
        tiers(
            "a threshold below nothing",
            two(json!({ "threshold": "-1" }), json!({})),
            "$.tiers[0].threshold",
            "must not be negative",
        ),
        tiers(
            "a threshold that is a float",
            two(json!({ "threshold": 0.5 }), json!({})),
            "$.tiers[0].threshold",
            "must be written as a text",
        ),
        tiers(
            "a threshold without end",
            two(json!({}), json!({ "threshold": "1e12" })),
            "$.tiers[1].threshold",
            "is not a decimal number",
        ),
        tiers("a tier without an id", json!([{ "threshold": "1" }]), "$.tiers[0].id", "is missing"),
        tiers(
            "a tier of control characters",
            two(json!({ "id": "a\tb" }), json!({})),
            "$.tiers[0].id",
            "control characters",
        ),
        tiers(
            "a tier without a name to show",
            two(json!({ "name": " " }), json!({})),
            "$.tiers[0].name",
            "must not be empty",
        ),
        tiers(
            "a tier that tags decide in a program that counts",
            json!([{ "id": "gold", "tags": ["vip"] }]),
            "$.tiers[0].threshold",
            "is missing",
        ),
        tiers(
            "a misspelt field",
            two(json!({ "treshold": "1" }), json!({})),
            "$.tiers[0].treshold",
            "is not known here",
        ),
        case(
            "a time zone on another planet",
            json!({ "timezone": "Mars/Olympus" }),
            "$.timezone",
            "is not an IANA time zone",
        ),
        case(
            "a time zone one folder up",
            json!({ "timezone": "../../etc/passwd" }),
            "$.timezone",
            "is not an IANA time zone",
        ),
        case(
            "a currency that money is not paid in",
            json!({ "currency": "XTS" }),
            "$.currency",
            "that money is paid in",
        ),
        case("a currency in small letters", json!({ "currency": "usd" }), "$.currency", "ISO 4217"),
        case("a start on February 30", json!({ "start_date": "2023-02-30" }), "$.start_date", "is not a date such as"),
        case("an unknown metric", json!({ "milestone": { "metric": "hugs" } }), "$.milestone.metric", "write one of"),
        case("a program that is active in words", json!({ "active": "yes" }), "$.active", "must be true or false"),
        period(
            "a period of no days",
            json!({ "rolling": { "days": 0 } }),
            "$.milestone.period.rolling.days",
            "from 1 to 36500",
        ),
        period(
            "a period of a thousand years",
            json!({ "rolling": { "months": 12_000 } }),
            "$.milestone.period.rolling.months",
            "from 1 to 1200",
        ),
        period(
            "a period of days and months",
            json!({ "rolling": { "days": 1, "months": 1 } }),
            "$.milestone.period.rolling",
            "either",
        ),
        period(
            "two periods at once",
            json!({ "rolling": { "days": 1 }, "since_last_upgrade": { "days": 1 } }),
            "$.milestone.period",
            "write one of",
        ),
        reward(
            "a reward of no points",
            json!({ "type": "points", "points": 0 }),
            "$.tiers[0].entry_rewards[0].points",
            "from 1 to",
        ),
        reward(
            "a discount of more than everything",
            json!({ "type": "discount_percent", "percent": "100.01" }),
            "$.tiers[0].entry_rewards[0].percent",
            "at most 100",
        ),
        reward(
            "an unknown reward",
            json!({ "type": "a pony" }),
            "$.tiers[0].entry_rewards[0].type",
            "is not a reward; write one of",
        ),
    ];
    cases.push(Case {
        name: "everything wrong at once is told at once",
        program: json!({ "name": "", "timezone": "x", "currency": "y", "tiers": [{ "threshold": "a" }], "colour": "red" }),
        wrong: vec![("$.name", "empty"), ("$.timezone", "IANA"), ("$.currency", "ISO 4217"), ("$.tiers[0].id", "missing"), ("$.tiers[0].threshold", "decimal"), ("$.colour", "not known")],
    });
    cases
}

/// Checks, previews and publishes all programs, and panics with the names of those that were not refused as they have to be.
pub async fn all_are_refused() {
    let desk = ApiHarness::open().await;
    desk.tell(&[tests::api_harness::order("anna", "1", "120.00")]).await;
    let before = desk.everything().await;
    let mut bad = Vec::new();
    for Case { name, program, wrong } in cases() {
        let checked = desk.post("/v1/program/validate", json!({ "program": program })).await.is(200);
        let asked = json!({ "program": program });
        let previewed = desk.post("/v1/program/preview", asked.clone()).await.is(422);
        let published = desk.post("/v1/program/versions", asked).await.is(422);
        // Paths begin within the program, and within the request.
        for (at, said) in [("$", checked), ("$.program", previewed), ("$.program", published)] {
            let problems = &said["problems"];
            let found = problems.as_array().unwrap();
            let fits = |(found, (path, says)): (&Value, &(&str, &str))| {
                found["path"] == path.replacen('$', at, 1) && found["message"].as_str().unwrap().contains(says)
            };
            if found.len() != wrong.len() || !found.iter().zip(&wrong).all(fits) {
                bad.push(format!("{name}: {problems:.600}"));
            }
        }
        if desk.everything().await != before {
            bad.push(format!("{name}: something changed"));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}
