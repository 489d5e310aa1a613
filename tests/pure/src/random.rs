//! Random shops: programs, facts and changes of rules, dense enough for boundaries, corrections and duplicates to coincide.

use proptest::prelude::*;
use rules::calendar::{Instant, Zones};
use rules::replay::Replay;
use serde_json::{Value, json};

/// Milliseconds in an hour.
pub const HOUR: i64 = 60 * 60 * 1000;
/// The beginning of all random shops: 2023-11-20T00:00:00Z.
pub const BEGIN: i64 = 1_700_438_400_000;

/// The instant `hours` hours after the beginning.
pub fn at(hours: i64) -> String {
    let days = hours.div_euclid(24);
    let date = chrono::NaiveDate::from_ymd_opt(2023, 11, 20).unwrap() + chrono::Duration::days(days);
    format!("{date}T{:02}:00:00Z", hours.rem_euclid(24))
}

/// Programs of every metric and period, with tiers that random facts reach.
pub fn programs() -> impl Strategy<Value = Value> {
    let metric = prop_oneof![
        3 => Just("points_earned"),
        3 => Just("amount_spent"),
        1 => Just("orders_placed"),
        1 => Just("customer_tags"),
    ];
    let unit = prop_oneof![
        (1..40_u64).prop_map(|days| json!({"days": days})),
        (1..3_u64).prop_map(|months| json!({"months": months})),
    ];
    let period = prop_oneof![
        1 => Just(json!("lifetime")),
        2 => Just(json!("calendar_year")),
        2 => unit.clone().prop_map(|unit| json!({"rolling": unit})),
        4 => unit.prop_map(|unit| json!({"since_last_upgrade": unit})),
    ];
    let zone = prop_oneof![
        Just("UTC"),
        Just("America/New_York"),
        Just("Australia/Lord_Howe"),
        Just("Africa/Cairo"),
        Just("Pacific/Kiritimati"),
    ];
    let start = prop_oneof![3 => Just("2023-11-25"), 1 => Just("2024-01-10"), 1 => Just("2023-01-01")];
    let shape = (start, 0..4_u8, any::<bool>(), any::<bool>());
    (metric, period, any::<bool>(), any::<bool>(), zone, any::<bool>(), 0..10_u8, shape).prop_map(
        |(metric, period, keep, from_zero, zone, all, active, (start, list, net, gross))| {
            let orders = metric == "orders_placed";
            let threshold = |n: u32| if orders { (n / 100).to_string() } else { n.to_string() };
            let tier = |id: &str, n: u32| {
                if metric == "customer_tags" {
                    json!({"id": id, "name": id, "tags": [id], "entry_rewards": [{"type": "free_shipping"}]})
                } else {
                    json!({"id": id, "name": id, "threshold": threshold(n), "entry_rewards": [{"type": "free_shipping"}],
                           "perks": [{"type": "birthday_points", "points": n + 10}]})
                }
            };
            let lowest = if from_zero { 0 } else { 100 };
            let tiers = match list {
                0 => json!([tier("silver", 200), tier("gold", 400)]),
                1 => json!([tier("bronze", lowest), tier("gold", 200), tier("silver", 300)]),
                _ => json!([tier("bronze", lowest), tier("silver", 200), tier("gold", 400)]),
            };
            json!({
                "active": active > 0, "timezone": zone, "currency": "USD", "start_date": start,
                "spend": {"include_tax": !net, "include_shipping": true, "before_discounts": gross},
                "milestone": {"metric": metric, "period": period, "on_refund": if keep { "keep" } else { "revoke" }},
                "skipped_tier_rewards": if all { "all_skipped" } else { "highest_only" },
                "repeat_tier_rewards": keep != all,
                "tiers": tiers,
            })
        },
    )
}

/// Facts of every kind about two members: some late, some repeated, many at midnight.
pub fn fact() -> impl Strategy<Value = Value> {
    let member = prop_oneof![5 => Just("anna"), 1 => Just("ben")];
    let tier = prop_oneof![Just("bronze"), Just("silver"), Just("gold"), Just("ruby")];
    (0..18_u8, member, tier, 0..2000_i64, 1..6_i64, 0..6_u8, 0..600_i64).prop_map(
        |(kind, member, tier, hours, size, id, later)| {
            // Half of all facts occur at midnight.
            let hours = if later % 2 == 0 { hours / 24 * 24 } else { hours };
            let (when, id) = (at(hours), id.to_string());
            let mut fact = match kind {
                0..=2 => json!({"type": "order.paid", "order_id": id, "total": (size * 60).to_string()}),
                3 => json!({"type": "order.paid", "order_id": id, "total": format!("{size}0.55"), "tax": "3.21",
                            "shipping": "4.5", "discounts": size * 7, "test": size == 5,
                            "currency": if size > 2 { "EUR" } else { "USD" },
                            "exchange_rate": if size == 3 { Value::Null } else { json!("1.0875") }}),
                4 => json!({"type": "order.refunded", "order_id": id, "refund_id": size.to_string(), "amount": size * 25}),
                5 => json!({"type": "order.cancelled", "order_id": id}),
                6..=9 => json!({"type": "points.earned", "entry_id": id, "points": size * 50}),
                10 => json!({"type": "points.adjusted", "entry_id": id, "points": size * -60}),
                11 => json!({"type": "points.canceled", "cancel_id": size.to_string(), "entry_id": id, "points": size * 40}),
                12 => json!({"type": "customer.tags_set", "tags": [tier]}),
                13 => json!({"type": "customer.tags_changed", "added": [tier], "removed": ["gold"]}),
                14 => json!({"type": "customer.enrolled", "birthday": "12-31"}),
                15 => json!({"type": "tier.assigned", "assignment_id": id, "tier": tier,
                             "mode": if size > 2 { "floor" } else { "lock" }, "until": at(hours + later)}),
                16 => json!({"type": "tier.assigned", "assignment_id": id, "tier": tier, "mode": "floor"}),
                _ => json!({"type": "tier.unassigned", "assignment_id": id}),
            };
            if later % 11 != 0 || kind > 5 {
                fact["member_id"] = json!(member);
            }
            if later % 13 == 0 {
                fact["imported"] = json!(true);
            }
            fact["occurred_at"] = json!(when);
            if later % 5 == 0 {
                fact["received_at"] = json!(at(hours + later));
            } else if later % 17 == 0 {
                // The sender's clock is four minutes ahead.
                fact["occurred_at"] = json!(when.replace(":00:00Z", ":04:00Z"));
                fact["received_at"] = json!(when);
            }
            if later % 7 == 0 {
                fact["revision"] = json!(at(hours + 100));
            }
            fact
        },
    )
}

/// Changes of the program.
pub fn published() -> impl Strategy<Value = Value> {
    (programs(), 0..2000_i64, 0..3_usize, any::<bool>()).prop_map(|(program, hours, demotions, rewards)| {
        let mut line = json!({"type": "program.published", "occurred_at": at(hours), "program": program,
                              "options": {"rewards": rewards}});
        if demotions > 0 {
            line["options"]["demotions"] = json!(["", "hold", "apply"][demotions]);
        }
        line
    })
}

/// The arrival of a line.
pub fn arrival(line: &Value) -> &str {
    line["received_at"].as_str().or(line["occurred_at"].as_str()).unwrap()
}

/// An erasure of a member, in a fifth of the cases.
pub fn erasure() -> impl Strategy<Value = Option<Value>> {
    let erased = |(member, hours)| json!({"type": "customer.erased", "member_id": member, "occurred_at": at(hours)});
    prop::option::weighted(0.2, (prop_oneof![Just("anna"), Just("ben")], 0..2000_i64).prop_map(erased))
}

/// A shop after these lines, with everything due recorded; refused lines are skipped.
pub fn replayed(program: &Value, lines: &[Value], as_of: Instant) -> Replay {
    let mut replay = Replay::start(program, &Zones::built_in()).unwrap();
    for line in lines {
        let _ = replay.line(line, as_of); // a refused line is skipped
    }
    replay.finish(as_of);
    replay
}
