use serde_json::{Value, json};

use super::*;
use crate::calendar::Zones;

fn program(changes: Value) -> Value {
    let mut value = json!({ "start_date": "2023-01-01", "milestone": { "period": "calendar_year" },
                            "tiers": [{ "id": "silver", "threshold": 100 }, { "id": "gold", "threshold": 500 }] });
    for (key, change) in changes.as_object().unwrap() {
        value[key] = change.clone();
    }
    value
}

fn read(changes: Value) -> Program {
    Program::read(&program(changes), &Zones::built_in()).unwrap().program
}

fn tiers(silver: Value, gold: Value) -> Value {
    let mut tiers = json!([{ "id": "silver", "threshold": 100 }, { "id": "gold", "threshold": 500 }]);
    for (tier, changes) in [(0, silver), (1, gold)] {
        for (key, change) in changes.as_object().unwrap() {
            tiers[tier][key] = change.clone();
        }
    }
    json!({ "tiers": tiers })
}

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

/// Asserts that the program is valid and that exactly these places are warned of, each with these words.
#[track_caller]
fn warned(changes: Value, expected: &[(&str, &str)]) {
    found(&Program::read(&program(changes), &Zones::built_in()).unwrap().warnings, expected);
}

#[track_caller]
fn found(warnings: &[Problem], expected: &[(&str, &str)]) {
    let paths: Vec<_> = warnings.iter().map(|warning| warning.path.as_str()).collect();
    assert_eq!(paths, expected.iter().map(|(path, _)| *path).collect::<Vec<_>>(), "{warnings:?}");
    for (warning, (_, words)) in warnings.iter().zip(expected) {
        assert!(warning.message.contains(words), "{warning}");
    }
}

#[test]
fn a_plain_program_raises_no_warning() {
    warned(json!({}), &[]);
    warned(
        json!({ "milestone": { "metric": "amount_spent", "period": "lifetime" }, "spend": { "include_tax": false } }),
        &[],
    );
}

#[test]
fn a_legacy_name_of_a_time_zone_is_accepted_and_names_what_to_use() {
    for (legacy, use_this) in
        [("EST", "America/Panama"), ("US/Pacific", "America/Los_Angeles"), ("Asia/Calcutta", "Asia/Kolkata")]
    {
        warned(json!({ "timezone": legacy }), &[("$.timezone", &format!("write `{use_this}`"))]);
        warned(json!({ "timezone": use_this }), &[]);
    }
    warned(json!({ "timezone": "Etc/GMT-5" }), &[("$.timezone", "5 hours ahead of UTC")]);
    warned(json!({ "timezone": "Etc/GMT+5" }), &[("$.timezone", "5 hours behind UTC")]);
    warned(json!({ "timezone": "Etc/GMT" }), &[]);
}

#[test]
fn settings_that_do_nothing_are_named() {
    warned(json!({ "spend": { "include_tax": false } }), &[("$.spend", "only the metric amount_spent")]);
    warned(tiers(json!({ "tags": ["vip"] }), json!({})), &[("$.tiers[0].tags", "only the metric customer_tags")]);
    // A rolling window does not use the setting either, but Smile's own programs carry it, so there is no warning.
    warned(json!({ "milestone": { "period": "rolling", "on_refund": "keep" } }), &[]);
    warned(
        json!({ "milestone": { "period": "since_last_upgrade", "on_refund": "keep" } }),
        &[("$.milestone.on_refund", "only refunds of later")],
    );
    warned(
        json!({ "milestone": { "period": "lifetime" }, "notices": { "expiring_days": [7] } }),
        &[("$.notices.expiring_days", "do not end")],
    );
    warned(
        json!({ "skipped_tier_rewards": "all_skipped", "repeat_tier_rewards": true }),
        &[
            ("$.skipped_tier_rewards", "no tier has an entry reward"),
            ("$.repeat_tier_rewards", "no tier has an entry reward"),
        ],
    );
    warned(json!({ "active": false }), &[("$.active", "no member has a tier")]);
}

#[test]
fn tiers_that_no_member_reaches_and_thresholds_between_steps_are_named() {
    let close = tiers(json!({ "threshold": "499.5" }), json!({}));
    warned(close, &[("$.tiers[0].threshold", "works like 500"), ("$.tiers[0].threshold", "unreachable")]);
    let shadowed = json!({ "milestone": { "metric": "customer_tags" },
                           "tiers": [{ "id": "silver", "tags": ["vip"] }, { "id": "gold", "tags": ["VIP ", "b2b"] }] });
    warned(shadowed, &[("$.tiers[0].tags", "unreachable")]);
}

#[test]
fn an_entry_reward_that_everyone_gets_or_that_lifts_is_named() {
    let gift = json!([{ "type": "points", "points": 400 }]);
    warned(
        tiers(json!({ "threshold": 0, "entry_rewards": [{ "type": "free_shipping" }] }), json!({})),
        &[("$.tiers[0].entry_rewards", "everyone gets")],
    );
    warned(
        tiers(json!({ "entry_rewards": gift }), json!({})),
        &[("$.tiers[0].entry_rewards", "lift a member who enters")],
    );
    let mut spend = tiers(json!({ "entry_rewards": gift }), json!({}));
    spend["milestone"] = json!({ "metric": "amount_spent" });
    warned(spend, &[]);
}

#[test]
fn rewarding_a_tier_again_is_named() {
    let mut repeat = tiers(json!({}), json!({ "entry_rewards": [{ "type": "free_shipping" }] }));
    repeat["repeat_tier_rewards"] = json!(true);
    warned(repeat, &[("$.repeat_tier_rewards", "again")]);
}

#[test]
fn perks_that_repeat_shrink_or_get_lost_by_rising_are_named() {
    let birthday = |points: u32| json!({ "type": "birthday_points", "points": points });
    let times = |factor: &str| json!({ "type": "points_multiplier", "factor": factor });
    warned(tiers(json!({ "perks": [birthday(50)] }), json!({})), &[("$.tiers[1].perks", "lose that")]);
    warned(
        tiers(json!({ "perks": [birthday(50)] }), json!({ "perks": [birthday(20)] })),
        &[("$.tiers[1].perks", "get less")],
    );
    warned(tiers(json!({}), json!({ "perks": [birthday(50), birthday(20)] })), &[("$.tiers[1].perks[1]", "already")]);
    warned(tiers(json!({}), json!({ "perks": [times("0.5")] })), &[("$.tiers[1].perks[0].factor", "below 1")]);
    warned(tiers(json!({}), json!({ "perks": [times("1.0")] })), &[("$.tiers[1].perks[0].factor", "does nothing")]);
    warned(tiers(json!({ "perks": [times("1.5")] }), json!({ "perks": [times("2")] })), &[]);
}

#[test]
fn two_tiers_of_one_name_are_named() {
    warned(tiers(json!({ "name": "VIP" }), json!({ "name": "VIP" })), &[("$.tiers[1].name", "tell them apart")]);
}

#[test]
fn a_first_start_in_the_future_or_before_the_calendar_year_is_named() {
    let program = read(json!({}));
    found(&starting(&program, at("2022-12-31T12:00:00Z"), false), &[("$.start_date", "in the future")]);
    found(&starting(&program, at("2023-05-01T12:00:00Z"), false), &[]);
    found(&starting(&program, at("2024-05-01T12:00:00Z"), false), &[("$.start_date", "really starts on 2024-01-01")]);
    found(&starting(&program, at("2024-05-01T12:00:00Z"), true), &[]);
}

#[test]
fn a_start_moved_in_january_wipes_last_year_and_says_so() {
    let (old, moved) = (read(json!({})), read(json!({ "start_date": "2023-06-01" })));
    found(&replacing(&moved, &old, at("2024-01-10T12:00:00Z"), false), &[("$.start_date", "wiped")]);
    found(&replacing(&old, &old, at("2024-01-10T12:00:00Z"), false), &[]);
    let later = read(json!({ "start_date": "2024-06-01" }));
    found(&replacing(&later, &old, at("2024-01-10T12:00:00Z"), false), &[("$.start_date", "in the future")]);
}

#[test]
fn what_a_replacement_takes_away_is_named() {
    let old = read(json!({}));
    let fewer = read(json!({ "currency": "EUR", "tiers": [{ "id": "gold", "threshold": 500 }],
                             "milestone": { "metric": "amount_spent", "period": "calendar_year" } }));
    found(
        &replacing(&fewer, &old, at("2023-05-01T12:00:00Z"), false),
        &[
            ("$.milestone.metric", "counted again"),
            ("$.currency", "currency_fixed"),
            ("$.tiers", "`silver` is removed"),
            ("$.tiers", "while_active"),
        ],
    );
}

#[test]
fn what_the_rules_of_edition_2_probably_do_not_mean_is_warned_of() {
    let year = json!({ "metric": "amount_spent", "period": "calendar_year" });
    let mut retained = tiers(json!({ "retain_threshold": "50" }), json!({ "retain_threshold": "90" }));
    retained["milestone"] = year.clone();
    warned(retained, &[("$.tiers[1].retain_threshold", "90 keeps `gold`, while reaching `silver` below it takes 100")]);
    let mut meant = tiers(json!({}), json!({ "retain_threshold": "100" }));
    meant["milestone"] = year.clone();
    warned(meant, &[]);
    let earning = json!({ "amount": "10", "points": 1 });
    warned(json!({ "milestone": year, "earning": earning }), &[("$.earning", "only the metric points_earned")]);
    warned(json!({ "earning": earning, "spend": { "include_tax": false } }), &[]);
    warned(json!({ "orders": { "min_total": "20" } }), &[("$.orders.min_total", "only the metric orders_placed")]);
    warned(json!({ "milestone": { "on_miss": "one_step" } }), &[("$.milestone.on_miss", "has no reviews")]);
}
