//! The rules agree with the reference model, which was written from the semantics alone, on random shops: every
//! standing, transition, reward and birthday, at every instant tested.

use cases::history;
use cases::vector::same;
use proptest::prelude::*;
use pure_tests::random::{BEGIN, HOUR, arrival, erasure, programs, published, story};
use rules::calendar::{Instant, Zones};
use rules::replay::{Line, Replay};
use serde_json::{Value, json};

fn replayed(program: &Value, lines: &[Value], as_of: Instant) -> Value {
    let mut replay = Replay::start(program, &Zones::built_in()).unwrap();
    for line in lines {
        match replay.line(line, as_of) {
            Ok(Line::Beyond) => break,
            Ok(_) => {}
            Err(error) => assert!(error.to_string().contains("five minutes"), "{error}: {line}"),
        }
    }
    replay.finish(as_of);
    let mut found = history::replayed(&replay, as_of);
    for transition in found["transitions"].as_array_mut().unwrap() {
        transition.as_object_mut().unwrap().remove("version");
    }
    found
}

/// The first difference between two documents.
fn parting(ours: &Value, theirs: &Value, path: &str) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                parting(
                    a.get(key).unwrap_or(&Value::Null),
                    b.get(key).unwrap_or(&Value::Null),
                    &format!("{path}.{key}"),
                )
            })
        }
        (Value::Array(a), Value::Array(b)) => (0..a.len().max(b.len())).find_map(|index| {
            let at = |list: &[Value]| list.get(index).cloned().unwrap_or(json!("nothing"));
            parting(&at(a), &at(b), &format!("{path}[{index}]"))
        }),
        (a, b) => (!same(a, b)).then(|| format!("{path}: ours {a}, the reference model's {b}")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: std::env::var("CASES").map_or(400, |n| n.parse().unwrap()), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_and_the_reference_model_tell_the_same_story(
        program in programs(),
        facts in story(),
        versions in prop::collection::vec(published(), 0..3),
        erased in erasure(),
        end in 0..3000_i64,
    ) {
        let mut lines: Vec<Value> = facts.into_iter().chain(versions).chain(erased).collect();
        lines.sort_by(|a, b| arrival(a).cmp(arrival(b)));
        let end = BEGIN + end * HOUR;
        let ours = replayed(&program, &lines, Instant::from_millis(end));
        let theirs = reference::replay(&program, &lines, end);
        if let Some(part) = parting(&ours, &theirs, "") {
            let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
            prop_assert!(false, "{part}\nprogram {program}\n{}\nas of {}", lines.join("\n"), Instant::from_millis(end));
        }
    }
}

/// Differences that random shops found, as named tests.
mod found {
    use super::*;

    fn program() -> Value {
        let tier = |id: &str, threshold: u32| json!({ "id": id, "threshold": threshold, "entry_rewards": [{ "type": "free_shipping" }] });
        json!({ "start_date": "2023-11-25", "milestone": { "metric": "points_earned", "period": "lifetime" },
                "repeat_tier_rewards": true, "tiers": [tier("bronze", 100), tier("silver", 200)] })
    }

    fn agreed(program: &Value, lines: &[Value], as_of: &str) -> Value {
        let as_of = Instant::parse(as_of).unwrap();
        let ours = replayed(program, lines, as_of);
        assert_eq!(parting(&ours, &reference::replay(program, lines, as_of.millis()), ""), None);
        ours
    }

    #[test]
    fn an_assignment_that_moves_to_another_member_rewards_only_the_member_it_names() {
        let lock = |member: &str, at: &str| {
            json!({ "type": "tier.assigned", "assignment_id": "0", "tier": "bronze", "mode": "lock", "member_id": member,
                    "occurred_at": at })
        };
        let points = json!({ "type": "points.earned", "entry_id": "0", "points": 200, "member_id": "anna",
                             "occurred_at": "2023-12-28T00:00:00Z" });
        let lines = [lock("anna", "2023-12-28T00:00:00Z"), points, lock("ben", "2024-01-02T11:00:00Z")];
        let story = agreed(&program(), &lines, "2024-01-02T11:00:00Z");
        let rewards: Vec<_> = story["rewards"].as_array().unwrap().iter().map(|reward| &reward["member_id"]).collect();
        assert_eq!(rewards, ["anna", "ben"]);
    }

    #[test]
    fn an_id_without_facts_leaves_the_tier_on_its_record_when_it_is_merged() {
        let points = |member: &str, at: &str| json!({ "type": "points.earned", "entry_id": "4", "points": 150, "member_id": member, "occurred_at": at });
        let mut inactive = program();
        inactive["active"] = json!(false);
        let lines = [
            points("ben", "2023-11-26T00:00:00Z"),
            json!({ "type": "program.published", "occurred_at": "2023-11-28T00:00:00Z", "program": inactive }),
            points("anna", "2023-12-01T00:00:00Z"),
            json!({ "type": "customer.merged", "member_id": "ben", "into": "anna", "occurred_at": "2023-12-02T00:00:00Z" }),
        ];
        let story = agreed(&program(), &lines, "2023-12-03T00:00:00Z");
        let left = &story["transitions"][1];
        assert_eq!(
            (&left["kind"], &left["cause"], &left["member_id"]),
            (&json!("left"), &json!("merged"), &json!("ben"))
        );
    }

    #[test]
    fn a_merged_id_has_left_because_of_the_merge_whatever_else_its_document_says() {
        let told = |line: &Value| {
            let mut line = line.clone();
            line["document"] = json!("d");
            line["received_at"] = json!("2023-12-02T00:00:00Z");
            line
        };
        let points = |revision: &str| {
            json!({ "type": "points.earned", "entry_id": "4", "points": 150, "member_id": "ben",
                    "occurred_at": "2023-11-26T00:00:00Z", "revision": revision })
        };
        let merge = json!({ "type": "customer.merged", "member_id": "ben", "into": "anna", "occurred_at": "2023-12-01T00:00:00Z" });
        for active in [true, false] {
            let mut changed = program();
            changed["active"] = json!(active);
            let lines = [
                points("2023-11-27T00:00:00Z"),
                json!({ "type": "program.published", "occurred_at": "2023-11-28T00:00:00Z", "program": changed }),
                told(&points("2023-11-26T00:00:00Z")),
                told(&merge),
            ];
            let story = agreed(&program(), &lines, "2023-12-03T00:00:00Z");
            let left = story["transitions"].as_array().unwrap().iter().find(|made| made["kind"] == "left").unwrap();
            assert_eq!((&left["cause"], &left["member_id"]), (&json!("merged"), &json!("ben")), "{active}");
        }
    }

    #[test]
    fn what_an_assignment_of_a_document_takes_is_its_own_though_another_fact_names_an_erased_member() {
        let assigned = |member: &str, at: &str| json!({ "type": "tier.assigned", "assignment_id": "5", "tier": "bronze", "mode": "floor", "member_id": member, "occurred_at": at });
        let mut moved = assigned("anna", "2024-01-19T00:00:00Z");
        moved["document"] = json!("d");
        let lines = [
            assigned("anna", "2023-12-01T00:00:00Z"),
            json!({ "type": "customer.erased", "member_id": "anna", "occurred_at": "2023-12-10T10:00:00Z" }),
            assigned("ben", "2023-12-20T14:00:00Z"),
            moved,
            json!({ "type": "customer.merged", "member_id": "ben", "into": "anna", "occurred_at": "2024-01-19T00:00:00Z", "document": "d" }),
        ];
        let story = agreed(&program(), &lines, "2024-01-20T00:00:00Z");
        assert_eq!(story["transitions"][1]["cause"], "assigned");
    }

    #[test]
    fn an_order_takes_effect_as_the_fact_that_says_when_it_was_paid() {
        let mut program = program();
        program["milestone"]["metric"] = json!("orders_placed");
        program["tiers"][0]["threshold"] = json!(1);
        let order = json!({ "type": "order.paid", "total": "60", "order_id": "0", "member_id": "anna" });
        let (mut known, mut paid) = (order.clone(), order);
        known["occurred_at"] = json!("2023-12-20T00:00:00Z");
        known["revision"] = json!("2024-02-28T00:00:00Z");
        known["imported"] = json!(true);
        paid["occurred_at"] = json!("2024-02-04T00:00:00Z");
        paid["paid_at"] = json!("2024-02-05T00:04:00Z");
        paid["received_at"] = json!("2024-02-05T00:00:00Z");
        let story = agreed(&program, &[known, paid], "2024-02-05T01:00:00Z");
        assert_eq!(story["transitions"].as_array().unwrap().last().unwrap()["cause"], "activity");
        assert_eq!(story["rewards"][0]["tier"], "bronze");
    }

    #[test]
    fn a_version_holds_a_tier_though_assignments_end_at_its_very_instant() {
        let mut stricter = program();
        stricter["tiers"][0]["threshold"] = json!(150);
        let lines = [
            json!({ "type": "points.earned", "entry_id": "0", "points": 100, "member_id": "anna", "occurred_at": "2023-12-20T00:00:00Z" }),
            json!({ "type": "tier.unassigned", "assignment_id": "0", "member_id": "anna", "occurred_at": "2024-01-16T00:00:00Z" }),
            json!({ "type": "program.published", "occurred_at": "2024-01-16T00:00:00Z", "program": stricter, "options": { "demotions": "hold" } }),
        ];
        let story = agreed(&program(), &lines, "2024-01-16T00:00:00Z");
        assert_eq!(story["standings"]["anna"]["tier"], "bronze");
    }

    #[test]
    fn a_correction_at_the_first_instant_of_a_timeline_leaves_its_beginning() {
        let mut program = program();
        program["milestone"]["period"] = json!({ "since_last_upgrade": { "days": 1 } });
        let lines = [
            json!({ "type": "points.canceled", "cancel_id": "1", "entry_id": "2", "points": 40, "member_id": "anna",
                    "occurred_at": "2023-11-26T00:00:00Z" }),
            json!({ "type": "points.adjusted", "entry_id": "2", "points": -60, "member_id": "anna",
                    "occurred_at": "2023-11-26T00:00:00Z" }),
        ];
        let story = agreed(&program, &lines, "2023-11-26T00:00:00Z");
        assert_eq!(story["standings"]["anna"]["since"], "2023-11-26T00:00:00Z");
    }

    #[test]
    fn a_birthday_that_becomes_known_at_its_very_midnight_still_brings_its_points() {
        let mut program = program();
        program["tiers"][0]["perks"] = json!([{ "type": "birthday_points", "points": 7 }]);
        let lines = [
            json!({ "type": "points.earned", "entry_id": "0", "points": 100, "member_id": "anna", "occurred_at": "2023-12-31T00:00:00Z" }),
            json!({ "type": "customer.enrolled", "member_id": "anna", "occurred_at": "2023-12-31T00:00:00Z", "birthday": "12-31" }),
        ];
        let story = agreed(&program, &lines, "2023-12-31T00:00:00Z");
        assert_eq!(story["birthdays"][0]["points"], "7");
    }

    #[test]
    fn a_refund_that_waits_is_no_cause_of_what_an_entry_of_the_same_instant_brings() {
        let ahead = |line: Value| {
            let mut line = line;
            line["member_id"] = json!("anna");
            line["occurred_at"] = json!("2023-12-31T00:04:00Z");
            line["received_at"] = json!("2023-12-31T00:00:00Z");
            line
        };
        let lines = [
            ahead(json!({ "type": "points.earned", "entry_id": "0", "points": 100 })),
            ahead(json!({ "type": "order.refunded", "order_id": "0", "refund_id": "1", "amount": 25 })),
        ];
        let story = agreed(&program(), &lines, "2023-12-31T01:00:00Z");
        assert_eq!(story["transitions"][0]["cause"], "activity");
        assert_eq!(story["rewards"][0]["tier"], "bronze");
    }
}
