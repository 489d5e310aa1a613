//! Events are read whole, or every problem is named.

use super::*;

fn read(event: Value) -> Result<ReceivedFact, Vec<String>> {
    Fact::read(&event, Currency::from_code("USD").unwrap())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn every_problem_of_an_event_is_reported_with_its_path() {
    let event = json!({ "type": "order.paid", "total": 12.5, "tax": "-1", "currency": "DOLLAR", "test": "no",
                        "occurred_at": "yesterday", "colour": "red" });
    let problems = read(event).unwrap_err();
    let paths: Vec<_> = problems.iter().map(|problem| problem.split(':').next().unwrap()).collect();
    assert_eq!(paths, ["$.order_id", "$.occurred_at", "$.total", "$.tax", "$.currency", "$.test", "$.colour"]);
    assert!(problems[2].contains("12.5 must be written as a text"), "{}", problems[2]);
}

#[test]
fn the_error_of_an_unknown_event_names_the_known_ones() {
    assert!(read(json!({ "type": "order.payed" })).unwrap_err()[0].contains("`order.paid`"));
    for kind in ["points.redeemed", "points.expired"] {
        let spent = json!({ "type": kind, "member_id": "a", "points": 5, "occurred_at": "2024-01-01T00:00:00Z" });
        let problems = read(spent).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with("$.type: nothing_to_send") && problems[0].contains("never lowers"),
            "{problems:?}"
        );
    }
}

#[test]
fn a_merge_names_another_member_or_null() {
    let merged = |into: Value| {
        read(
            json!({ "type": "customer.merged", "member_id": "a", "into": into, "occurred_at": "2024-01-01T00:00:00Z" }),
        )
    };
    for into in [json!("b"), Value::Null] {
        assert_eq!(merged(into.clone()).unwrap().to_json()["into"], into);
    }
    assert!(merged(json!("a")).unwrap_err()[0].starts_with("$.into: is the member's own id"));
    let without = json!({ "type": "customer.merged", "member_id": "a", "occurred_at": "2024-01-01T00:00:00Z" });
    assert!(read(without).unwrap_err()[0].starts_with("$.into"));
}

#[test]
fn defaults_are_filled_in_and_left_out_again() {
    let event = json!({ "type": "order.paid", "order_id": "o1", "occurred_at": "2024-01-01T00:00:00Z", "total": 12 });
    let told = read(event).unwrap();
    assert_eq!((told.fact.revision, told.fact.member()), (told.fact.occurred_at, None));
    let expected = json!({ "type": "order.paid", "order_id": "o1", "occurred_at": "2024-01-01T00:00:00Z",
                           "total": "12", "currency": "USD" });
    assert_eq!(told.to_json(), expected);
}

#[test]
fn points_are_whole_and_only_adjustments_go_below_zero() {
    let entry = |kind: &str, points: Value| {
        read(
            json!({ "type": kind, "member_id": "a", "entry_id": "p", "occurred_at": "2024-01-01T00:00:00Z", "points": points }),
        )
    };
    assert!(entry("points.adjusted", json!(-5)).is_ok());
    for (kind, points) in [
        ("points.earned", json!(-5)),
        ("points.earned", json!(0)),
        ("points.adjusted", json!(0)),
        ("points.earned", json!(1.5)),
        ("points.imported", json!("1000000000000")),
    ] {
        assert!(entry(kind, points.clone()).is_err(), "{kind} {points}");
    }
}

#[test]
fn null_means_something_only_where_it_is_written() {
    let lock = json!({ "type": "tier.assigned", "member_id": "a", "assignment_id": "x", "mode": "lock",
                       "occurred_at": "2024-01-01T00:00:00Z" });
    assert!(read(lock.clone()).unwrap_err()[0].contains("$.tier: is missing; write null for no tier"));
    let mut none = lock;
    none["tier"] = Value::Null;
    assert!(read(none).is_ok());
    let birthday = json!({ "type": "customer.birthday_set", "member_id": "a", "occurred_at": "2024-01-01T00:00:00Z" });
    assert!(read(birthday).unwrap_err()[0].contains("$.birthday: is missing"));
}
