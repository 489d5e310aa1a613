//! Cases that the vectors leave out, worked by hand from the semantics.

use serde_json::{Value, json};

fn program(milestone: Value) -> Value {
    json!({"start_date": "2023-01-01", "milestone": milestone, "tiers": [
        {"id": "silver", "name": "Silver", "threshold": "100", "entry_rewards": [{"type": "free_shipping"}]},
        {"id": "gold", "name": "Gold", "threshold": "500", "entry_rewards": [{"type": "free_shipping"}],
         "perks": [{"type": "birthday_points", "points": 100}]},
    ]})
}

fn points(id: &str, at: &str, points: i64) -> Value {
    json!({"type": "points.earned", "member_id": "anna", "entry_id": id, "occurred_at": at, "points": points})
}

fn replay(program: &Value, events: &[Value], as_of: &str) -> Value {
    reference::replay(program, events, reference::instant(as_of).unwrap())
}

fn transitions(got: &Value) -> Value {
    let rows = got["transitions"].as_array().unwrap().iter();
    rows.map(|row| json!([row["kind"], row["to"], row["at"], row["cause"]])).collect()
}

#[test]
fn birthday_points_come_at_the_midnight_of_the_birthday_to_a_member_who_holds_the_tier_then() {
    let enrolled = json!({"type": "customer.enrolled", "member_id": "anna", "occurred_at": "2023-01-05T10:00:00Z",
                          "birthday": "02-29"});
    let events = [enrolled, points("p1", "2023-01-10T10:00:00Z", 500)];
    let got = replay(&program(json!({})), &events, "2024-06-01T00:00:00Z");
    assert_eq!(
        got["birthdays"],
        json!([
            {"member_id": "anna", "tier": "gold", "on": "2023-02-28", "points": "100"},
            {"member_id": "anna", "tier": "gold", "on": "2024-02-29", "points": "100"},
        ])
    );
}

#[test]
fn a_fact_dated_a_little_ahead_takes_effect_at_its_own_instant_with_its_own_cause() {
    let mut ahead = points("p1", "2023-03-01T10:03:00Z", 500);
    ahead["received_at"] = json!("2023-03-01T10:00:00Z");
    let mut too_far = points("p2", "2023-03-02T10:06:00Z", 500);
    too_far["received_at"] = json!("2023-03-02T10:00:00Z");
    let events = [ahead, too_far];
    let got = replay(&program(json!({})), &events, "2023-03-01T10:02:00Z");
    assert_eq!(transitions(&got), json!([]));
    let got = replay(&program(json!({})), &events, "2023-04-01T00:00:00Z");
    assert_eq!(transitions(&got), json!([["entered", "gold", "2023-03-01T10:03:00.000Z", "activity"]]));
    assert_eq!(got["rewards"].as_array().unwrap().len(), 1);
    assert_eq!(got["standings"]["anna"]["counted"], "500");
}

#[test]
fn an_order_that_comes_later_in_the_same_instant_counts_towards_the_next_term_and_so_does_its_refund() {
    let milestone =
        json!({"metric": "amount_spent", "period": {"since_last_upgrade": {"days": 30}}, "on_refund": "keep"});
    let order = |id: &str, total: &str| {
        json!({"type": "order.paid", "member_id": "anna", "order_id": id, "occurred_at": "2023-03-01T10:00:00Z",
               "total": total})
    };
    let refund = |id: &str| {
        json!({"type": "order.refunded", "refund_id": "r", "order_id": id, "occurred_at": "2023-03-05T10:00:00Z",
               "amount": "30"})
    };
    let events = [order("a", "100"), order("b", "90"), refund("a"), refund("b")];
    let got = replay(&program(milestone), &events, "2023-03-06T00:00:00Z");
    let anna = &got["standings"]["anna"];
    assert_eq!((&anna["tier"], &anna["counted"]), (&json!("silver"), &json!("60")));
}

/// A line that is refused ends no document: the order and its refund still arrive at once.
#[test]
fn a_publication_that_is_refused_ends_no_document() {
    let program = json!({ "start_date": "2023-01-01", "currency": "USD", "milestone": { "metric": "amount_spent", "period": "lifetime", "on_refund": "revoke" },
                          "tiers": [{ "id": "silver", "threshold": "100" }] });
    let told = |kind: &str, more: Value| {
        let mut line = json!({ "type": kind, "member_id": "anna", "order_id": "1", "occurred_at": "2024-03-01T10:00:00Z", "document": "d",
                               "received_at": "2024-03-01T10:00:00Z" });
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line
    };
    let mut other = program.clone();
    other["currency"] = json!("EUR");
    let lines = [
        told("order.paid", json!({ "total": "100" })),
        json!({ "type": "program.published", "occurred_at": "2024-03-01T10:00:00Z", "program": other }),
        told("order.refunded", json!({ "refund_id": "r", "amount": "100" })),
    ];
    let mut replay = rules::replay::Replay::start(&program, &rules::calendar::Zones::built_in()).unwrap();
    let as_of = rules::calendar::Instant::parse("2024-03-02T00:00:00Z").unwrap();
    let outcomes = lines.map(|line| replay.line(&line, as_of).is_ok());
    assert_eq!(outcomes, [true, false, true]);
    replay.finish(as_of);
    assert_eq!(replay.rows(&rules::id::MemberId::new("anna").unwrap()), []);
}

#[test]
fn a_tier_that_was_removed_ranks_just_above_those_that_were_below_it() {
    let old = program(json!({}));
    let mut new = old.clone();
    new["tiers"] = json!([{"id": "silver", "name": "Silver", "threshold": "100"},
                          {"id": "ruby", "name": "Ruby", "threshold": "450"}]);
    let publish = json!({"type": "program.published", "occurred_at": "2023-04-01T00:00:00Z", "program": new});
    for (earned, kind, to) in [(500, "upgraded", "ruby"), (100, "none", "")] {
        let got =
            replay(&old, &[points("p1", "2023-02-01T00:00:00Z", earned), publish.clone()], "2023-05-01T00:00:00Z");
        let rows = got["transitions"].as_array().unwrap();
        match rows.get(1) {
            Some(row) => assert_eq!((&row["kind"], &row["to"]), (&json!(kind), &json!(to))),
            None => assert_eq!(kind, "none"),
        }
    }
}
