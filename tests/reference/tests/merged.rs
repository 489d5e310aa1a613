//! Cases of members under several ids that the vectors leave out, worked by hand from the semantics.

use serde_json::{Value, json};

fn program(milestone: Value) -> Value {
    json!({"start_date": "2023-01-01", "milestone": milestone, "tiers": [
        {"id": "silver", "name": "Silver", "threshold": "100", "entry_rewards": [{"type": "free_shipping"}]},
        {"id": "gold", "name": "Gold", "threshold": "500", "entry_rewards": [{"type": "free_shipping"}],
         "perks": [{"type": "birthday_points", "points": 70}]},
    ]})
}

fn points() -> Value {
    program(json!({"metric": "points_earned", "period": "lifetime", "on_refund": "revoke"}))
}

fn at(day: &str) -> String {
    format!("2024-{day}T10:00:00Z")
}

fn fact(kind: &str, id: &str, day: &str, more: Value) -> Value {
    let mut fact = json!({"type": kind, "member_id": id, "occurred_at": at(day)});
    fact.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fact
}

/// Points under an id; the entry has the name of their day.
fn earned(id: &str, day: &str, points: i64) -> Value {
    fact("points.earned", id, day, json!({"entry_id": day, "points": points}))
}

fn merged(id: &str, day: &str, into: Value) -> Value {
    fact("customer.merged", id, day, json!({"into": into}))
}

fn published(day: &str, program: Value, options: Value) -> Value {
    json!({"type": "program.published", "occurred_at": at(day), "program": program, "options": options})
}

fn replay(program: &Value, events: &[Value], day: &str) -> Value {
    reference::replay(program, events, reference::instant(&at(day)).unwrap())
}

/// What is on record of an id: kind, to, day and cause.
fn changes(got: &Value, id: &str) -> Value {
    let rows = got["transitions"].as_array().unwrap().iter().filter(|row| row["member_id"] == id);
    rows.map(|row| json!([row["kind"], row["to"], row["at"].as_str().unwrap()[5..10], row["cause"]])).collect()
}

fn rewards(got: &Value) -> Value {
    got["rewards"].as_array().unwrap().iter().map(|row| json!([row["member_id"], row["tier"]])).collect()
}

#[test]
fn a_member_has_left_at_the_arrival_of_a_late_merge_and_nothing_about_it_is_announced() {
    let mut late = merged("ben", "03-01", json!("anna"));
    late["received_at"] = json!(at("05-01"));
    let events = [earned("ben", "02-01", 150), earned("anna", "04-01", 400), late];
    let got = replay(&points(), &events, "05-01");
    assert_eq!(
        changes(&got, "ben"),
        json!([["entered", "silver", "02-01", "activity"], ["left", null, "05-01", "merged"]])
    );
    assert_eq!(
        changes(&got, "anna"),
        json!([["entered", "silver", "04-01", "activity"], ["upgraded", "gold", "04-01", "merged"]])
    );
    let silent = got["transitions"].as_array().unwrap().iter().filter(|row| row["cause"] == "merged");
    assert_eq!(silent.map(|row| &row["notify"]).collect::<Vec<_>>(), [false, false]);
    assert_eq!(rewards(&got), json!([["anna", "silver"], ["ben", "silver"]]));
    let [anna, ben] = ["anna", "ben"].map(|id| got["standings"][id].clone());
    assert_eq!((&anna["since"], &anna["merged_into"]), (&json!("2024-04-01T10:00:00.000Z"), &Value::Null));
    assert!(anna.as_object().unwrap().get("merged_into").is_none());
    assert_eq!((&ben["tier"], &ben["merged_into"]), (&json!("gold"), &json!("anna")));
}

#[test]
fn a_merge_into_oneself_is_no_fact_and_the_id_that_a_merge_is_into_has_a_standing() {
    let events =
        [earned("ben", "02-01", 150), merged("ben", "03-01", json!("ben")), merged("ben", "03-02", json!("zoe"))];
    let got = replay(&points(), &events, "03-01");
    assert_eq!(got["standings"].as_object().unwrap().keys().collect::<Vec<_>>(), ["ben"]);
    let got = replay(&points(), &events, "03-02");
    assert_eq!(got["standings"]["zoe"]["tier"], "silver");
    assert_eq!(changes(&got, "zoe"), json!([["entered", "silver", "02-01", "merged"]]));
}

#[test]
fn a_merge_starts_no_timeline() {
    let mut from_zero = points();
    from_zero["tiers"][0]["threshold"] = json!("0");
    let got = replay(&from_zero, &[merged("ben", "03-01", json!("anna"))], "04-01");
    assert_eq!((changes(&got, "anna"), changes(&got, "ben")), (json!([]), json!([])));
    assert_eq!(got["standings"]["ben"]["tier"], Value::Null);
}

#[test]
fn a_member_who_returns_passes_the_versions_since_then_at_once_and_nothing_was_held_for_them() {
    let mut dearer = points();
    dearer["tiers"][0]["threshold"] = json!("200");
    let hold = published("04-01", dearer, json!({"demotions": "hold"}));
    let events = [
        earned("anna", "02-01", 20),
        earned("ben", "02-02", 150),
        earned("ben", "02-03", 100),
        merged("ben", "03-01", json!("anna")),
        hold,
        fact("points.canceled", "ben", "04-10", json!({"cancel_id": "c", "entry_id": "02-03"})),
        merged("ben", "05-01", Value::Null),
    ];
    let got = replay(&points(), &events, "05-01");
    assert_eq!(got["standings"]["ben"]["tier"], Value::Null);
    assert_eq!(
        changes(&got, "ben"),
        json!([["entered", "silver", "02-02", "activity"], ["left", null, "03-01", "merged"]])
    );
    assert_eq!(
        changes(&got, "anna"),
        json!([["entered", "silver", "02-02", "merged"], ["left", null, "04-10", "refund"]])
    );
    let events = [&events[..5], &[earned("anna", "04-20", 1), merged("ben", "05-01", Value::Null)]].concat();
    let got = replay(&points(), &events, "05-01");
    // Never dated before the previous transition.
    let returned = json!(["entered", "silver", "03-01", "merged"]);
    assert_eq!(changes(&got, "ben")[2], returned);
}

#[test]
fn a_hold_made_while_merged_stays_with_the_member_and_one_of_their_own_goes_before_that_of_a_merged_id() {
    let mut dearer = points();
    dearer["tiers"][0]["threshold"] = json!("400");
    let hold = published("04-01", dearer.clone(), json!({"demotions": "hold"}));
    let events = [
        earned("anna", "02-01", 60),
        earned("ben", "02-02", 60),
        merged("ben", "03-01", json!("anna")),
        hold.clone(),
        merged("ben", "05-01", Value::Null),
    ];
    let got = replay(&points(), &events, "05-01");
    let tiers = |got: &Value| ["anna", "ben"].map(|id| got["standings"][id]["tier"].clone());
    assert_eq!(tiers(&got), [json!("silver"), Value::Null]);
    assert_eq!(got["standings"]["anna"]["counted"], "60");
    // Held each for themselves, since different days; merged, the member's own hold says since when.
    let since = |into: &str, merged_id: &str| {
        let events = [
            earned("ben", "02-01", 150),
            earned("anna", "02-05", 150),
            hold.clone(),
            merged(merged_id, "05-01", json!(into)),
        ];
        replay(&points(), &events, "05-01")["standings"][into]["since"].clone()
    };
    assert_eq!(since("anna", "ben"), "2024-02-05T10:00:00.000Z");
    assert_eq!(since("ben", "anna"), "2024-02-01T10:00:00.000Z");
    // The hold of a merged id alone counts like other assignments.
    let events = [earned("ben", "02-01", 150), hold, merged("ben", "05-01", json!("anna"))];
    let got = replay(&points(), &events, "05-01");
    assert_eq!(changes(&got, "anna"), json!([["entered", "silver", "02-01", "merged"]]));
}

#[test]
fn a_reward_counts_as_given_while_it_is_on_the_record_of_an_id_that_stands_for_the_member() {
    let mut cancel = fact("points.canceled", "ben", "04-10", json!({"cancel_id": "c", "entry_id": "02-01"}));
    let events = |undone: bool| {
        let mut events = vec![
            earned("ben", "02-01", 150),
            earned("anna", "02-02", 20),
            merged("ben", "03-01", json!("anna")),
            cancel.clone(),
        ];
        events.extend(undone.then(|| merged("ben", "04-15", Value::Null)));
        events.extend([earned("anna", "05-01", 100), earned("ben", "05-02", 100)]);
        events
    };
    assert_eq!(rewards(&replay(&points(), &events(false), "06-01")), json!([["ben", "silver"]]));
    // Anna has never had one, and Ben has had his.
    let got = replay(&points(), &events(true), "06-01");
    assert_eq!(rewards(&got), json!([["anna", "silver"], ["ben", "silver"]]));
    assert_eq!(changes(&got, "ben")[2], json!(["entered", "silver", "05-02", "activity"]));
    // Given while merged, it is on the member's own record.
    cancel["entry_id"] = json!("none");
    let events = [
        earned("ben", "02-02", 60),
        merged("ben", "03-01", json!("anna")),
        earned("anna", "04-01", 60),
        merged("ben", "05-01", Value::Null),
        earned("ben", "06-01", 60),
        earned("anna", "06-02", 60),
    ];
    assert_eq!(rewards(&replay(&points(), &events, "07-01")), json!([["anna", "silver"], ["ben", "silver"]]));
}

#[test]
fn a_birthday_is_the_members_own_else_that_which_another_of_their_ids_has_said_latest() {
    let days = |said: &[Value]| {
        let start = [
            earned("anna", "02-01", 500),
            merged("ben", "02-02", json!("anna")),
            merged("carl", "02-02", json!("anna")),
        ];
        let got = replay(&points(), &[&start[..], said].concat(), "12-01");
        got["birthdays"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["on"].as_str().unwrap()[5..].to_owned())
            .collect::<Vec<_>>()
    };
    let set =
        |id: &str, day: &str, birthday: Value| fact("customer.birthday_set", id, day, json!({"birthday": birthday}));
    let enrolled =
        |id: &str, day: &str, birthday: &str| fact("customer.enrolled", id, day, json!({"birthday": birthday}));
    assert_eq!(days(&[set("ben", "03-01", json!("05-01"))]), ["05-01"]);
    assert_eq!(days(&[set("ben", "03-01", json!("05-01")), set("carl", "03-02", json!("06-01"))]), ["06-01"]);
    assert_eq!(days(&[set("ben", "03-01", json!("05-01")), set("carl", "03-01", json!("06-01"))]), ["05-01"]);
    assert_eq!(days(&[set("ben", "03-01", json!("05-01")), set("anna", "02-15", json!("07-01"))]), ["07-01"]);
    assert_eq!(days(&[set("ben", "03-01", json!("05-01")), set("anna", "02-15", Value::Null)]), [""; 0]);
    assert_eq!(days(&[enrolled("carl", "03-01", "06-01"), enrolled("ben", "03-02", "05-01")]), ["06-01"]);
    assert_eq!(days(&[enrolled("carl", "03-01", "06-01"), set("ben", "03-02", json!("05-01"))]), ["05-01"]);
    assert_eq!(days(&[enrolled("ben", "03-01", "06-01"), enrolled("anna", "03-02", "05-01")]), ["05-01"]);
    // Known from the earliest enrollment on, though it is told with a later one.
    let no_birthday = fact("customer.enrolled", "ben", "03-01", json!({}));
    let mut later = enrolled("anna", "08-01", "05-01");
    later["received_at"] = json!(at("08-01"));
    assert_eq!(days(&[no_birthday, later]), [""; 0]);
}

#[test]
fn birthday_points_given_to_either_were_given_to_both_while_they_are_merged() {
    let born = |id: &str, day: &str| fact("customer.birthday_set", id, "01-02", json!({"birthday": day}));
    let events = [
        earned("anna", "02-01", 500),
        earned("ben", "02-02", 500),
        born("ben", "03-01"),
        born("anna", "06-01"),
        merged("ben", "04-01", json!("anna")),
    ];
    let got = replay(&points(), &events, "12-01");
    assert_eq!(got["birthdays"], json!([{"member_id": "ben", "tier": "gold", "on": "2024-03-01", "points": "70"}]));
}

#[test]
fn the_earliest_enrollment_counts_and_tags_only_as_told_under_the_members_own_id() {
    let mut tags = program(json!({"metric": "customer_tags"}));
    tags["tiers"] = json!([{"id": "vip", "name": "VIP", "tags": ["vip"]}]);
    let set = |id: &str, day: &str| fact("customer.tags_set", id, day, json!({"tags": ["vip"]}));
    let events = [
        set("ben", "02-01"),
        fact("customer.enrolled", "anna", "02-02", json!({})),
        merged("ben", "03-01", json!("anna")),
    ];
    let got = replay(&tags, &events, "03-01");
    assert_eq!(got["standings"]["ben"]["tier"], Value::Null);
    assert_eq!(
        changes(&got, "ben"),
        json!([["entered", "vip", "02-01", "tags_changed"], ["left", null, "03-01", "merged"]])
    );
    let mut from_zero = points();
    from_zero["tiers"][0]["threshold"] = json!("0");
    let enrolled = |id: &str, day: &str| fact("customer.enrolled", id, day, json!({}));
    let events = [enrolled("ben", "02-01"), enrolled("anna", "02-05"), merged("ben", "03-01", json!("anna"))];
    assert_eq!(replay(&from_zero, &events, "03-01")["standings"]["anna"]["since"], "2024-02-01T10:00:00.000Z");
}

#[test]
fn the_newest_assignment_of_all_ids_rules_and_an_unassignment_ends_the_older_ones_of_all() {
    let assigned = |id: &str, day: &str, tier: &str| {
        fact("tier.assigned", id, day, json!({"assignment_id": day, "tier": tier, "mode": "lock"}))
    };
    let unassigned = |id: &str, day: &str| fact("tier.unassigned", id, day, json!({"assignment_id": day}));
    let events = [
        assigned("ben", "02-01", "gold"),
        assigned("anna", "02-02", "silver"),
        merged("ben", "03-01", json!("anna")),
        assigned("ben", "03-02", "gold"),
        unassigned("anna", "03-03"),
    ];
    let tier = |day: &str| replay(&points(), &events, day)["standings"]["anna"]["tier"].clone();
    assert_eq!(["03-01", "03-02", "03-03"].map(tier), [json!("silver"), json!("gold"), Value::Null]);
    // What is assigned under an id that stands for the member is rewarded as if under their own.
    assert_eq!(rewards(&replay(&points(), &events, "03-02")), json!([["anna", "silver"], ["ben", "gold"]]));
    let events = [merged("ben", "03-01", json!("anna")), assigned("ben", "03-02", "gold")];
    assert_eq!(rewards(&replay(&points(), &events, "03-02")), json!([["anna", "gold"]]));
}

#[test]
fn an_erasure_of_a_merged_id_takes_what_was_told_under_it_and_its_merge_stays() {
    let erased = |id: &str, day: &str| fact("customer.erased", id, day, json!({}));
    let events = [
        earned("anna", "02-01", 60),
        earned("ben", "02-02", 120),
        earned("carl", "02-03", 400),
        merged("carl", "03-01", json!("ben")),
        merged("ben", "03-02", json!("anna")),
        erased("ben", "04-01"),
        merged("ben", "04-02", Value::Null),
        earned("ben", "04-03", 1000),
        erased("anna", "05-01"),
    ];
    let got = replay(&points(), &events, "04-03");
    let anna = json!([["entered", "gold", "02-03", "merged"], ["downgraded", "silver", "02-03", "activity"],]);
    assert_eq!((changes(&got, "anna"), changes(&got, "ben")), (anna, json!([])));
    assert_eq!(got["standings"]["anna"]["counted"], "460");
    assert_eq!(got["standings"]["carl"]["merged_into"], "anna");
    let ben = &got["standings"]["ben"];
    assert_eq!((&ben["active"], ben.get("merged_into")), (&Value::Null, None));
    // Carl stands for Anna by way of Ben's tombstone, so her erasure takes him.
    let got = replay(&points(), &events, "05-01");
    assert_eq!(got["transitions"], json!([]));
    assert!(got["standings"].as_object().unwrap().values().all(|standing| standing["counted"].is_null()));
}

#[test]
fn a_merge_into_an_erased_member_is_void() {
    let erased = fact("customer.erased", "anna", "02-01", json!({}));
    let events = [earned("ben", "01-01", 150), erased, merged("ben", "03-01", json!("anna"))];
    let got = replay(&points(), &events, "03-01");
    assert_eq!(
        (&got["standings"]["ben"]["tier"], got["standings"]["ben"].get("merged_into")),
        (&json!("silver"), None)
    );
    assert_eq!(changes(&got, "ben").as_array().unwrap().len(), 1);
}

#[test]
fn the_cause_of_a_document_with_a_merge_is_that_of_the_first_fact_without_which_the_tier_would_be_lower() {
    let told = |more: i64| {
        let here = |mut line: Value| {
            line["document"] = json!("d");
            line["received_at"] = json!(at("04-01"));
            line
        };
        let events = [
            earned("anna", "02-01", 60),
            earned("ben", "02-02", 60),
            here(merged("ben", "03-01", json!("anna"))),
            here(earned("ben", "03-02", more)),
        ];
        let got = replay(&points(), &events, "04-01");
        (changes(&got, "anna"), rewards(&got))
    };
    assert_eq!(told(20), (json!([["entered", "silver", "02-02", "merged"]]), json!([])));
    assert_eq!(told(400), (json!([["entered", "gold", "03-02", "activity"]]), json!([["anna", "gold"]])));
}

#[test]
fn a_fact_that_arrived_ahead_of_its_instant_goes_with_its_id() {
    let mut ahead = earned("ben", "03-01", 150);
    ahead["occurred_at"] = json!("2024-03-01T10:04:00Z");
    ahead["received_at"] = json!(at("03-01"));
    let there = merged("ben", "03-01", json!("anna"));
    let mut back = merged("ben", "03-01", Value::Null);
    back["occurred_at"] = json!("2024-03-01T10:02:00Z");
    let events = [ahead, there, back];
    for (told, member) in [(1, "ben"), (2, "anna"), (3, "ben")] {
        let got = replay(&points(), &events[..told], "03-02");
        assert_eq!(changes(&got, member), json!([["entered", "silver", "03-01", "activity"]]));
        assert_eq!(rewards(&got), json!([[member, "silver"]]));
    }
}

#[test]
fn a_merged_id_is_not_reviewed_and_its_renewals_are_its_own() {
    let year = program(json!({"metric": "points_earned", "period": "calendar_year"}));
    let mut events = vec![earned("ben", "02-01", 150), merged("ben", "03-01", json!("anna"))];
    let late = |line: Value, year: &str| {
        let text = line.to_string().replace("\"2024-", &format!("\"{year}-"));
        serde_json::from_str::<Value>(&text).unwrap()
    };
    events.push(late(earned("anna", "02-10", 150), "2025"));
    events.push(late(merged("ben", "06-01", Value::Null), "2026"));
    let got = reference::replay(&year, &events, reference::instant("2026-07-01T00:00:00Z").unwrap());
    assert_eq!(
        changes(&got, "anna"),
        json!([["entered", "silver", "02-01", "merged"], ["renewed", "silver", "02-10", "activity"]])
    );
    assert_eq!(
        changes(&got, "ben"),
        json!([["entered", "silver", "02-01", "activity"], ["left", null, "03-01", "merged"]])
    );
    assert_eq!(got["standings"]["ben"]["tier"], Value::Null);
}
