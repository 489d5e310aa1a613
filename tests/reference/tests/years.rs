//! Cases of years, reviews, grace, eligibility and corrections that the vectors leave out, worked by hand from the
//! semantics.

use serde_json::{Value, json};

fn program(milestone: Value, more: Value) -> Value {
    let mut program = json!({"start_date": "2023-01-01", "milestone": {"metric": "amount_spent"}, "tiers": [
        {"id": "silver", "threshold": "100"}, {"id": "gold", "threshold": "500"},
    ]});
    program["milestone"].as_object_mut().unwrap().extend(milestone.as_object().unwrap().clone());
    program.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    program
}

fn fact(kind: &str, at: &str, more: Value) -> Value {
    let mut fact = json!({"type": kind, "member_id": "anna", "occurred_at": at});
    fact.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fact
}

/// An order that has its day as id.
fn order(at: &str, total: &str) -> Value {
    fact("order.paid", at, json!({"order_id": at, "total": total}))
}

fn published(at: &str, program: Value, options: Value) -> Value {
    json!({"type": "program.published", "occurred_at": at, "program": program, "options": options})
}

fn replay(program: &Value, events: &[Value], as_of: &str) -> Value {
    reference::replay(program, events, reference::instant(as_of).unwrap())
}

fn day(at: &Value) -> Value {
    at.as_str().map_or(Value::Null, |at| json!(&at[..10]))
}

fn changes(got: &Value) -> Value {
    let rows = got["transitions"].as_array().unwrap().iter();
    rows.map(|row| json!([row["kind"], row["to"], day(&row["at"]), row["cause"]])).collect()
}

fn corrections(got: &Value) -> Value {
    let rows = got["corrections"].as_array().unwrap().iter();
    rows.map(|row| {
        let valid_until = &row["valid_until"];
        json!([row["tier"], day(&row["at"]), row["cause"], day(&valid_until["from"]), day(&valid_until["to"])])
    })
    .collect()
}

fn anna<const N: usize>(got: &Value, keys: [&str; N]) -> [Value; N] {
    keys.map(|key| got["standings"]["anna"][key].clone())
}

#[test]
fn a_tier_earned_again_within_its_grace_is_renewed_where_the_year_began_with_a_tier_and_else_corrected() {
    let program = program(json!({"period": "calendar_year", "grace": {"days": 30}}), json!({}));
    let gold = order("2023-11-05T10:00:00Z", "500");
    let again = order("2025-01-20T10:00:00Z", "500");
    let got = replay(&program, &[gold.clone(), again.clone()], "2025-02-10T00:00:00Z");
    assert_eq!(changes(&got), json!([["entered", "gold", "2023-11-05", "activity"]]));
    assert_eq!(corrections(&got), json!([["gold", "2025-01-20", "activity", "2025-01-31", "2027-01-31"]]));
    let silver = order("2024-05-01T10:00:00Z", "120");
    let got = replay(&program, &[gold, silver, again], "2025-02-10T00:00:00Z");
    assert_eq!(
        changes(&got),
        json!([["entered", "gold", "2023-11-05", "activity"], ["renewed", "gold", "2025-01-20", "activity"]])
    );
    assert_eq!(corrections(&got), json!([]));
}

#[test]
fn an_enrollment_that_moves_the_years_of_a_member_corrects_the_end_of_their_tier() {
    let program = program(json!({"period": "membership_year"}), json!({}));
    let enrolled = fact("customer.enrolled", "2023-06-01T10:00:00Z", json!({}));
    let got = replay(&program, &[order("2023-03-10T10:00:00Z", "500"), enrolled], "2023-07-01T00:00:00Z");
    assert_eq!(corrections(&got), json!([["gold", "2023-06-01", "activity", "2025-03-10", "2025-06-01"]]));
    let [window] = anna(&got, ["window"]);
    assert_eq!((day(&window["from"]), day(&window["until"])), (json!("2023-06-01"), json!("2024-06-01")));
}

#[test]
fn the_cause_of_a_correction_by_a_document_is_that_of_the_fact_that_explains_it_and_an_assignment_of_another_tier_silences_it()
 {
    let program = program(json!({"period": "calendar_year"}), json!({}));
    let told = |mut line: Value| {
        line["document"] = json!("d");
        line["received_at"] = json!("2024-06-10T10:00:00Z");
        line
    };
    let renewing = "2024-05-01T10:00:00Z";
    let refund = json!({"order_id": renewing, "refund_id": "r", "amount": "50"});
    let mut events = vec![
        order("2023-05-01T10:00:00Z", "500"),
        order(renewing, "500"),
        told(order("2024-06-09T10:00:00Z", "10")),
        told(fact("order.refunded", "2024-06-10T10:00:00Z", refund)),
    ];
    let got = replay(&program, &events, "2024-07-01T00:00:00Z");
    assert_eq!(corrections(&got), json!([["gold", "2024-06-10", "refund", "2026-01-01", "2025-01-01"]]));
    let lock = json!({"assignment_id": "a", "tier": "silver", "mode": "lock", "until": "2024-12-01T00:00:00Z"});
    events.insert(2, fact("tier.assigned", "2024-06-01T10:00:00Z", lock));
    assert_eq!(corrections(&replay(&program, &events, "2024-07-01T00:00:00Z")), json!([]));
}

#[test]
fn one_step_of_a_trailing_window_is_taken_at_each_midnight_after_a_refund() {
    let tiers = json!({"tiers": [{"id": "bronze", "threshold": "50"}, {"id": "silver", "threshold": "100"},
                                 {"id": "gold", "threshold": "500", "retain_threshold": "300"}]});
    let program = program(json!({"period": {"rolling": {"days": 30}}, "on_miss": "one_step"}), tiers);
    let paid = "2023-03-01T10:00:00Z";
    let refund = |id: &str, at: &str, amount: &str| {
        fact("order.refunded", at, json!({"order_id": paid, "refund_id": id, "amount": amount}))
    };
    let events =
        [order(paid, "500"), refund("1", "2023-03-05T12:00:00Z", "200"), refund("2", "2023-03-06T12:00:00Z", "300")];
    let got = replay(&program, &events, "2023-03-06T13:00:00Z");
    assert_eq!(
        anna(&got, ["tier", "upcoming", "valid_until"]),
        [json!("gold"), json!("silver"), json!("2023-03-07T00:00:00.000Z")]
    );
    assert_eq!(
        changes(&replay(&program, &events, "2023-04-01T00:00:00Z")),
        json!([
            ["entered", "gold", "2023-03-01", "activity"],
            ["downgraded", "silver", "2023-03-07", "period_end"],
            ["downgraded", "bronze", "2023-03-08", "period_end"],
            ["left", null, "2023-03-09", "period_end"],
        ])
    );
}

#[test]
fn an_excluded_member_keeps_what_is_assigned_and_renews_nothing() {
    let excluded = json!({"eligibility": {"excluded_tags": ["Staff"]}});
    let program = program(json!({"period": "calendar_year"}), excluded);
    let floor = json!({"assignment_id": "a", "tier": "gold", "mode": "floor"});
    let tags = |at: &str, tags: Value| fact("customer.tags_set", at, json!({"tags": tags}));
    let events = [
        order("2023-05-01T10:00:00Z", "500"),
        fact("tier.assigned", "2023-06-01T10:00:00Z", floor),
        tags("2024-01-02T10:00:00Z", json!(["staff "])),
        order("2024-03-01T10:00:00Z", "500"),
        tags("2024-04-01T10:00:00Z", json!([])),
    ];
    let got = replay(&program, &events, "2024-03-02T00:00:00Z");
    let keys = ["tier", "counted", "next_tier", "remaining", "requalify"];
    assert_eq!(anna(&got, keys), [json!("gold"), json!("500"), Value::Null, Value::Null, Value::Null]);
    assert_eq!(
        changes(&replay(&program, &events, "2024-05-01T00:00:00Z")),
        json!([["entered", "gold", "2023-05-01", "activity"], ["renewed", "gold", "2024-04-01", "tags_changed"]])
    );
}

#[test]
fn the_minimum_of_an_order_is_compared_with_its_converted_total_unrounded() {
    let program = |minimum: &str| {
        json!({"start_date": "2023-01-01", "milestone": {"metric": "orders_placed"}, "orders": {"min_total": minimum},
               "tiers": [{"id": "silver", "threshold": 1}]})
    };
    let abroad = |rate: Value| {
        let mut order = order("2023-03-01T10:00:00Z", "18.39");
        order["currency"] = json!("EUR");
        order["exchange_rate"] = rate;
        order
    };
    for (minimum, rate, counted) in [
        ("20", json!("1.0875"), "0"),
        ("19.9991", json!("1.0875"), "1"),
        ("0.01", Value::Null, "0"),
        ("0", Value::Null, "1"),
    ] {
        let got = replay(&program(minimum), &[abroad(rate.clone())], "2023-04-01T00:00:00Z");
        assert_eq!(anna(&got, ["counted"]), [json!(counted)], "{minimum} {rate}");
    }
}

#[test]
fn points_earned_with_an_order_follow_its_credit_through_cancellation_and_restoration() {
    let program = json!({"start_date": "2023-01-01", "earning": {"amount": "10", "points": 3},
                         "milestone": {"metric": "points_earned", "on_refund": "revoke"},
                         "tiers": [{"id": "silver", "threshold": 10}]});
    let of_order = json!({"order_id": "2023-03-01T10:00:00Z"});
    let events = [
        order("2023-03-01T10:00:00Z", "59.99"),
        fact("points.earned", "2023-03-01T11:00:00Z", json!({"entry_id": "e", "points": 1})),
        fact("order.cancelled", "2023-03-02T10:00:00Z", of_order.clone()),
        fact("order.restored", "2023-03-03T10:00:00Z", of_order),
    ];
    for (as_of, counted) in
        [("2023-03-02T00:00:00Z", "16"), ("2023-03-03T00:00:00Z", "1"), ("2023-03-04T00:00:00Z", "16")]
    {
        assert_eq!(anna(&replay(&program, &events, as_of), ["counted"]), [json!(counted)], "{as_of}");
    }
}

#[test]
fn a_version_that_changes_what_a_year_holds_keeps_the_start_and_one_that_begins_years_elsewhere_resolves_it() {
    let year = |form: Value| program(json!({"period": {"calendar_year": form}}), json!({}));
    let events = |second: Value| {
        let late = "2023-04-01T10:00:00Z";
        [order(late, "500"), published("2024-05-01T00:00:00Z", second, json!({"demotions": "apply"}))]
    };
    let counts = |second: Value| {
        let got = replay(&year(json!({})), &events(second), "2024-05-02T00:00:00Z");
        anna(&got, ["tier"])
    };
    // Within a year that began on 1 March 2024, the order of 2023 is before the start.
    assert_eq!(counts(year(json!({"starts_on": "03-01"}))), [Value::Null]);
    // The start of 2023 is carried over, and the year before counts.
    assert_eq!(counts(year(json!({"starts_on": "01-01"}))), [json!("gold")]);
    // It is carried over here too, but the year of the order holds nothing afterwards.
    let held = replay(&year(json!({})), &events(year(json!({"holds": "rest_of_year"}))), "2024-05-02T00:00:00Z");
    assert_eq!(anna(&held, ["tier"]), [Value::Null]);
    let back = published("2024-06-01T00:00:00Z", year(json!({})), json!({}));
    let [first, second] = events(year(json!({"holds": "rest_of_year"})));
    assert_eq!(
        anna(&replay(&year(json!({})), &[first, second, back], "2024-06-02T00:00:00Z"), ["tier"]),
        [json!("gold")]
    );
}

#[test]
fn a_held_tier_stays_until_the_grace_under_the_old_version_ends() {
    let old = program(json!({"period": "calendar_year", "grace": {"months": 1}}), json!({}));
    let mut stricter = old.clone();
    stricter["tiers"][1]["threshold"] = json!("900");
    let hold = published("2024-05-01T00:00:00Z", stricter, json!({"demotions": "hold"}));
    let got = replay(&old, &[order("2023-04-01T10:00:00Z", "500"), hold], "2024-05-02T00:00:00Z");
    assert_eq!(
        anna(&got, ["tier", "valid_until", "upcoming"]),
        [json!("gold"), json!("2025-02-01T00:00:00.000Z"), Value::Null]
    );
    assert_eq!(corrections(&got), json!([]));
}
