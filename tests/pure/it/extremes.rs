//! Evaluation answers for every valid program and every valid fact: the ends of the calendar, the largest amounts and
//! rates, the longest and shortest windows, every time zone.

use rules::calendar::{Instant, Zones};
use rules::replay::Replay;
use serde_json::{Value, json};

fn program(zone: &str, metric: &str, period: &Value, start: &str, on_refund: &str) -> Value {
    json!({ "timezone": zone, "start_date": start, "spend": { "include_tax": false, "before_discounts": true },
            "milestone": { "metric": metric, "period": period, "on_refund": on_refund },
            "tiers": [{ "id": "low", "threshold": "0.0001", "perks": [{ "type": "birthday_points", "points": 999_999_999_999_i64 }] },
                      { "id": "high", "threshold": "999999999999.9999" }] })
}

fn facts() -> Vec<Value> {
    let mut facts = Vec::new();
    let instants = [
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T23:59:59.999Z",
        "2024-02-29T12:00:00Z",
        "2100-12-31T23:59:60Z",
        "9999-01-31T00:00:00Z",
        "9999-12-31T23:59:59.999Z",
    ];
    for (index, at) in instants.iter().enumerate() {
        let largest = "999999999999.9999";
        facts.push(json!({ "type": "order.paid", "member_id": "anna", "order_id": index.to_string(), "occurred_at": at,
                           "total": largest, "tax": if index == 1 { largest } else { "0" }, "discounts": largest,
                           "currency": if index % 2 == 0 { "USD" } else { "EUR" }, "exchange_rate": "999999999.9999999999" }));
        facts.push(
            json!({ "type": "order.refunded", "order_id": index.to_string(), "refund_id": "r", "occurred_at": at,
                           "amount": if index == 2 { largest } else { "333333333333.3333" } }),
        );
        facts.push(
            json!({ "type": "points.adjusted", "member_id": "anna", "entry_id": index.to_string(), "occurred_at": at,
                           "points": if index % 3 == 0 { -999_999_999_999_i64 } else { 999_999_999_999 } }),
        );
        facts.push(json!({ "type": "points.canceled", "cancel_id": index.to_string(), "entry_id": index.to_string(),
                           "occurred_at": at, "points": 7 }));
        facts.push(
            json!({ "type": "tier.assigned", "member_id": "anna", "assignment_id": index.to_string(), "occurred_at": at,
                           "tier": "high", "mode": "floor", "until": "9999-12-31T23:59:59.999Z" }),
        );
        facts.push(json!({ "type": "tier.unassigned", "member_id": "anna", "assignment_id": index.to_string(), "occurred_at": at }));
    }
    facts.push(json!({ "type": "customer.enrolled", "member_id": "anna", "occurred_at": "0000-01-01T00:00:00Z", "birthday": "02-29" }));
    facts
}

#[test]
fn the_ends_of_everything_are_answered() {
    let periods = [
        json!("lifetime"),
        json!("calendar_year"),
        json!({ "since_last_upgrade": { "days": 1 } }),
        json!({ "since_last_upgrade": { "days": 36_500 } }),
        json!({ "since_last_upgrade": { "months": 1_200 } }),
        json!({ "rolling": { "days": 1 } }),
        json!({ "rolling": { "months": 1_200 } }),
    ];
    for zone in ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Africa/Monrovia"] {
        for metric in ["points_earned", "amount_spent", "orders_placed"] {
            for period in &periods {
                for (start, on_refund) in [("0001-01-01", "keep"), ("9999-12-31", "revoke"), ("2024-02-29", "revoke")] {
                    answer(&program(zone, metric, period, start, on_refund));
                }
            }
        }
    }
}

/// Applies all facts at once, at the last instant of the calendar, and evaluates at instants all over it.
fn answer(program: &Value) {
    let end = Instant::parse("9999-12-31T23:59:59.999Z").unwrap();
    let mut replay = Replay::start(program, &Zones::built_in()).unwrap();
    for mut fact in facts() {
        fact["received_at"] = json!("9999-12-31T23:59:59.999Z");
        if let Err(error) = replay.line(&fact, end) {
            assert!(error.to_string().contains("five minutes"), "{error}");
        }
    }
    replay.finish(end);
    let anna = rules::id::MemberId::new("anna").unwrap();
    for asked in [
        "0000-01-01T00:00:00Z",
        "0000-06-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "2024-03-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ] {
        let standing = replay.standing(&anna, Instant::parse(asked).unwrap()).unwrap();
        let explanation = replay.explain(&anna, Instant::parse(asked).unwrap()).unwrap();
        assert_eq!(explanation.windows[0].total, standing.progress.unwrap().counted);
    }
}
