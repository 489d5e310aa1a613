use serde_json::{Value, json};

use super::*;
use crate::calendar::{Instant, Zones};
use crate::version::{Options, Versions};

fn program(changes: &Value) -> Program {
    let mut value = json!({ "start_date": "2023-02-01", "milestone": { "metric": "amount_spent", "period": "calendar_year" },
                            "tiers": [{ "id": "silver", "name": "Silver", "threshold": 100 },
                                      { "id": "gold", "name": "Gold", "threshold": 500 }] });
    for (key, change) in changes.as_object().unwrap() {
        value[key] = change.clone();
    }
    Program::read(&value, &Zones::built_in()).unwrap().program
}

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

/// The advice about a change from the first program to the second, published at `on`.
fn advice(old: &Value, new: &Value, on: &str, demotions: Option<Demotions>) -> Vec<Warning> {
    let mut versions = Versions::first(program(old), Some(at("2023-02-01T12:00:00Z"))).unwrap();
    let before = versions.last().clone();
    let options = Options { while_active: true, demotions, ..Options::default() };
    change_advice(&before, versions.publish(program(new), at(on), options, false).unwrap())
}

/// Asserts exactly these warnings, each with these words; `!` marks the loud ones. The last warning is always about
/// members who drop.
#[track_caller]
fn warned(old: Value, new: Value, on: &str, expected: &[&str]) {
    let mut found = advice(&old, &new, on, None);
    if program(&new).active {
        let last = found.pop();
        assert_eq!(matches!(last, Some(Warning::WhoDrops { .. })), !expected.is_empty(), "{last:?}");
    }
    let told = |warning: &Warning| format!("{}{} {warning}", if warning.is_loud() { "!" } else { "" }, warning.path());
    let found: Vec<_> = found.iter().map(told).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        let (path, words) = expected.split_once(' ').unwrap();
        assert!(found.split_once(' ').is_some_and(|(at, told)| at == path && told.contains(words)), "{found}");
    }
}

#[test]
fn names_perks_and_rewards_are_free() {
    let renamed = json!({ "name": "VIP", "tiers": [{ "id": "silver", "name": "Ag", "threshold": 100 },
                          { "id": "gold", "threshold": "500.00", "perks": [{ "type": "early_access" }] }] });
    warned(json!({}), renamed, "2023-05-01T12:00:00Z", &[]);
}

#[test]
fn a_start_moved_forward_wipes_and_says_what() {
    let moved = |start: &str| json!({ "start_date": start });
    for (start, on, expected) in [
        (
            "2023-03-01",
            "2023-05-01T12:00:00Z",
            &["!$.start_date from 2023-02-01 through 2023-02-28 no longer counts"][..],
        ),
        ("2023-01-15", "2023-05-01T12:00:00Z", &["$.start_date from 2023-01-15 through 2023-01-31 counts as well"]),
        // Seed 001: set in January, even to an earlier day, the program starts no earlier than January 1, and last year is lost.
        ("2023-01-15", "2024-01-10T12:00:00Z", &["!$.start_date 2023-01-15 was asked for"]),
        ("2023-03-01", "2024-01-10T12:00:00Z", &["!$.start_date last year's tiers are wiped"]),
        ("2023-06-01", "2023-05-01T12:00:00Z", &["!$.start_date no longer counts", "!$.start_date is ahead"]),
    ] {
        warned(json!({}), moved(start), on, expected);
    }
    // If the start is set to the same date again, it is not resolved again.
    warned(json!({}), json!({}), "2024-01-10T12:00:00Z", &[]);
}

#[test]
fn another_metric_or_period_wipes_progress() {
    let by = |milestone: Value| json!({ "milestone": milestone });
    let on = "2023-05-01T12:00:00Z";
    let points = by(json!({ "metric": "points_earned", "period": "calendar_year" }));
    warned(json!({}), points, on, &["!$.milestone.metric from the amount spent to points earned"]);
    let tags = json!({ "milestone": { "metric": "customer_tags" },
                       "tiers": [{ "id": "silver", "tags": ["s"] }, { "id": "gold", "tags": ["g"] }] });
    warned(json!({}), tags, on, &["!$.milestone.metric to customer tags: all progress so far is wiped"]);
    let rolling = by(json!({ "metric": "amount_spent", "period": { "rolling": { "months": 6 } } }));
    warned(json!({}), rolling, on, &["!$.milestone.period from the calendar year to the last 6 months"]);
    // A calendar year set in January, with a start of last year, has nothing to count yet.
    let lifetime = by(json!({ "metric": "amount_spent", "period": "lifetime" }));
    warned(
        lifetime,
        json!({}),
        "2024-01-10T12:00:00Z",
        &[
            "!$.milestone.period lifetime",
            "$.milestone.on_refund refunds take",
            "!$.start_date last year's tiers are wiped",
        ],
    );
}

#[test]
fn tiers_that_go_change_places_or_take_more_are_named() {
    let (silver, gold) = (
        json!({ "id": "silver", "name": "Silver", "threshold": 600 }),
        json!({ "id": "gold", "name": "Gold", "threshold": 500 }),
    );
    let on = "2023-05-01T12:00:00Z";
    warned(json!({}), json!({ "tiers": [gold] }), on, &["!$.tiers Silver is removed"]);
    warned(
        json!({}),
        json!({ "tiers": [gold, silver] }),
        on,
        &["$.tiers Silver now takes 600 instead of 100", "$.tiers are reordered"],
    );
    let cheaper = json!({ "tiers": [{ "id": "silver", "threshold": 50 }, gold] });
    warned(json!({}), cheaper, on, &[]);
}

#[test]
fn switching_off_and_on_other_days_and_other_spend_are_named() {
    let (on, off) = ("2023-05-01T12:00:00Z", json!({ "active": false }));
    warned(json!({}), off.clone(), on, &["!$.active no member has a tier"]);
    warned(off, json!({}), on, &["$.active switched on"]);
    // Another name of the same zone changes no day.
    warned(json!({ "timezone": "US/Pacific" }), json!({ "timezone": "America/Los_Angeles" }), on, &[]);
    warned(json!({}), json!({ "timezone": "Asia/Tokyo" }), on, &["$.timezone by Asia/Tokyo instead of UTC"]);
    warned(json!({}), json!({ "spend": { "include_tax": false } }), on, &["$.spend old orders, too"]);
}

#[test]
fn advice_about_members_who_drop_follows_the_publisher_or_the_default() {
    let dearer = json!({ "tiers": [{ "id": "silver", "threshold": 100 }, { "id": "gold", "threshold": 900 }] });
    let lifetime = json!({ "milestone": { "metric": "amount_spent", "period": "lifetime" } });
    let mut both = lifetime.clone();
    both["tiers"] = dearer["tiers"].clone();
    for (old, new, said, expected) in [
        (&json!({}), &dearer, None, "drop at once (`demotions: apply`, the default here)"),
        (&json!({}), &dearer, Some(Demotions::Hold), "would have ended (`demotions: hold`)"),
        // A lifetime program that keeps tiers never took one away (section 7).
        (&lifetime, &both, None, "would have ended (`demotions: hold`, the default here)"),
        (&lifetime, &both, Some(Demotions::Apply), "drop at once (`demotions: apply`)"),
    ] {
        let last = advice(old, new, "2023-05-01T12:00:00Z", said).pop().unwrap().to_string();
        assert!(last.ends_with(expected), "{last}");
    }
}
