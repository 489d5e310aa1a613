//! Random shops: programs, facts and changes of rules, dense enough for boundaries, corrections and duplicates to coincide.

mod merged;

pub use merged::{IDS, story};

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
    let starts_on = prop_oneof![Just("01-01"), Just("12-01"), Just("02-01"), Just("02-28")];
    let holds = prop_oneof![3 => Just("rest_and_next_year"), 1 => Just("rest_of_year")];
    let period = prop_oneof![
        1 => Just(json!("lifetime")),
        2 => Just(json!("calendar_year")),
        2 => (starts_on, holds.clone())
            .prop_map(|(day, holds)| json!({"calendar_year": {"starts_on": day, "holds": holds}})),
        2 => holds.prop_map(|holds| json!({"membership_year": {"holds": holds}})),
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
    let gift_cards = prop_oneof![3 => Just("when_spent"), 2 => Just("when_bought"), 1 => Just("both")];
    let spend = (prop::array::uniform4(any::<bool>()), any::<bool>(), gift_cards).prop_map(
        |([tax, shipping, tips, duties], gross, gift_cards)| {
            json!({"include_tax": tax, "include_shipping": shipping, "include_tips": tips, "include_duties": duties,
                   "before_discounts": gross, "gift_cards": gift_cards})
        },
    );
    let shape = (start, 0..4_u8, spend, reviews(), participation());
    (metric, period, any::<bool>(), any::<bool>(), zone, any::<bool>(), 0..10_u8, shape).prop_map(
        |(metric, period, keep, from_zero, zone, all, active, (start, list, spend, reviews, participation))| {
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
            let mut program = json!({
                "active": active > 0, "timezone": zone, "currency": "USD", "start_date": start,
                "spend": spend,
                "milestone": {"metric": metric, "period": period, "on_refund": if keep { "keep" } else { "revoke" }},
                "skipped_tier_rewards": if all { "all_skipped" } else { "highest_only" },
                "repeat_tier_rewards": keep != all,
                "tiers": tiers,
            });
            reviews.add_to(&mut program);
            participation.add_to(&mut program);
            program
        },
    )
}

/// What a review does: the retain thresholds in percent of the thresholds, steps, and a grace.
#[derive(Debug, Clone)]
struct Reviews {
    retain: Option<u64>,
    one_step: bool,
    grace: Option<Value>,
}

fn reviews() -> impl Strategy<Value = Reviews> {
    let grace = prop_oneof![
        (1..40_u64).prop_map(|days| json!({"days": days})),
        (1..2_u64).prop_map(|months| json!({"months": months})),
    ];
    let retain = prop::option::of(prop_oneof![Just(50_u64), Just(25), Just(100)]);
    (retain, any::<bool>(), prop::option::of(grace)).prop_map(|(retain, one_step, grace)| Reviews {
        retain,
        one_step,
        grace,
    })
}

impl Reviews {
    /// Adds what goes together with the metric and the period of a program.
    fn add_to(&self, program: &mut Value) {
        let (metric, period) = (program["milestone"]["metric"].clone(), program["milestone"]["period"].clone());
        let rest_of_year =
            period.as_object().is_some_and(|period| period.values().any(|year| year["holds"] == "rest_of_year"));
        if metric == "customer_tags" || rest_of_year || period == "lifetime" {
            return;
        }
        if self.one_step {
            program["milestone"]["on_miss"] = json!("one_step");
        }
        let tiers = program["tiers"].as_array_mut().into_iter().flatten();
        for (tier, percent) in
            tiers.zip(std::iter::repeat(self.retain)).filter_map(|(tier, retain)| Some((tier, retain?)))
        {
            let threshold: u64 = tier["threshold"].as_str().unwrap().parse().unwrap();
            tier["retain_threshold"] = json!((threshold * percent).div_ceil(100).to_string());
        }
        let longest = match (&period["since_last_upgrade"], &period["rolling"]) {
            (Value::Null, Value::Null) => 300,
            (term, Value::Null) => term["days"].as_u64().unwrap_or_else(|| term["months"].as_u64().unwrap() * 28),
            _ => 0, // a trailing window has no grace
        };
        let is_short = |grace: &&Value| grace["days"].as_u64().unwrap_or(31) < longest;
        if let Some(grace) = self.grace.as_ref().filter(is_short) {
            program["milestone"]["grace"] = grace.clone();
        }
    }
}

/// Who takes part, and what orders are worth besides their spend.
#[derive(Debug, Clone)]
struct Participation {
    enrolled_only: bool,
    excluded: bool,
    earning: Option<u64>,
    minimum: Option<u64>,
}

fn participation() -> impl Strategy<Value = Participation> {
    let rare = || prop::bool::weighted(0.2);
    let earning = prop::option::weighted(0.4, prop_oneof![Just(10_u64), Just(1), Just(70)]);
    (rare(), rare(), earning, prop::option::weighted(0.3, 50..200_u64)).prop_map(
        |(enrolled_only, excluded, earning, minimum)| Participation { enrolled_only, excluded, earning, minimum },
    )
}

impl Participation {
    fn add_to(&self, program: &mut Value) {
        if self.enrolled_only {
            program["eligibility"]["enrolled_only"] = json!(true);
        }
        if self.excluded {
            program["eligibility"]["excluded_tags"] = json!(["Silver"]);
        }
        if let Some(amount) = self.earning.filter(|_| program["milestone"]["metric"] == "points_earned") {
            program["earning"] = json!({"amount": amount.to_string(), "points": 2});
        }
        if let Some(minimum) = self.minimum.filter(|_| program["milestone"]["metric"] == "orders_placed") {
            program["orders"]["min_total"] = json!(minimum.to_string());
        }
    }
}

/// The hours between the arrivals of documents, so that the facts of one come together once lines are sorted by arrival.
const DOCUMENTS_EVERY: i64 = 720;

/// A fact that comes as a message of its own, not in a document with others.
pub fn message() -> impl Strategy<Value = Value> {
    fact().prop_map(alone)
}

/// The same line as a message of its own.
pub fn alone(mut line: Value) -> Value {
    line.as_object_mut().map(|fields| fields.remove("document"));
    line
}

/// Facts of every kind about two members: some late, some repeated, some told in documents, many at midnight.
pub fn fact() -> impl Strategy<Value = Value> {
    let member = prop_oneof![5 => Just("anna"), 1 => Just("ben")];
    let tier = prop_oneof![Just("bronze"), Just("silver"), Just("gold"), Just("ruby")];
    let document =
        prop_oneof![15 => Just(None), 3 => Just(Some("d")), 1 => Just(Some("e")), 1 => Just(Some("imported"))];
    let more = (0..24_u8, 0..8_u8, document);
    (0..20_u8, member, tier, 0..2000_i64, 1..6_i64, 0..6_u8, 0..600_i64, more).prop_map(
        |(kind, member, tier, hours, size, id, later, (parts, paid, document))| {
            let of_an_order = matches!(kind, 0..=5 | 18..);
            // Half of all facts occur at midnight.
            let mut hours = if later % 2 == 0 { hours / 24 * 24 } else { hours };
            let arrives = (hours / DOCUMENTS_EVERY + 1) * DOCUMENTS_EVERY;
            // Most facts of a document occur shortly before it arrives.
            if document.is_some() && later % 3 != 0 {
                hours = arrives - hours % 4 * 12;
            }
            // A document is about few orders, and corrections meet theirs.
            let id = match (of_an_order, document) {
                (true, Some(_)) => id % 2,
                (true, None) => id % 4,
                (false, _) => id,
            };
            // Some cancellations and restorations of an order occur at one instant.
            if matches!(kind, 5 | 18) && later % 3 == 0 {
                hours = 240 + 480 * i64::from(id);
            }
            let (when, id) = (at(hours), id.to_string());
            let mut fact = match kind {
                0..=2 => order(size, parts),
                3 => json!({"type": "order.paid", "total": format!("{size}0.55"), "tax": "3.21",
                            "shipping": "4.5", "discounts": size * 7, "test": size == 5,
                            "tips": if parts < 6 { "0.5" } else { "0" }, "gift_cards": if parts % 6 == 0 { "5" } else { "0" },
                            "currency": if size > 2 { "EUR" } else { "USD" },
                            "exchange_rate": if size == 3 { Value::Null } else { json!("1.0875") }}),
                4 => refund(size, parts),
                5 => json!({"type": "order.cancelled"}),
                6..=9 => json!({"type": "points.earned", "entry_id": id, "points": size * 50}),
                10 => json!({"type": "points.adjusted", "entry_id": id, "points": size * -60}),
                11 => json!({"type": "points.canceled", "cancel_id": size.to_string(), "entry_id": id, "points": size * 40}),
                12 => json!({"type": "customer.tags_set", "tags": [tier]}),
                13 => json!({"type": "customer.tags_changed", "added": [tier], "removed": ["gold"]}),
                14 => json!({"type": "customer.enrolled", "birthday": "12-31"}),
                15 => json!({"type": "tier.assigned", "assignment_id": id, "tier": tier,
                             "mode": if size > 2 { "floor" } else { "lock" }, "until": at(hours + later)}),
                16 => json!({"type": "tier.assigned", "assignment_id": id, "tier": tier, "mode": "floor"}),
                17 => json!({"type": "tier.unassigned", "assignment_id": id}),
                18 => json!({"type": "order.restored"}),
                _ => refund(size, parts % 10),
            };
            if of_an_order {
                fact["order_id"] = json!(id);
            }
            if later % 11 != 0 || !of_an_order {
                fact["member_id"] = json!(member);
            }
            if later % 13 == 0 || document == Some("imported") {
                fact["imported"] = json!(true);
            }
            fact["occurred_at"] = json!(when);
            if kind <= 3 && paid < 3 {
                // Paid up to two days before or four days after it was ordered, or at that very instant.
                let paid_hours = if paid < 2 { hours + (later % 7 - 2) * 24 } else { hours };
                let paid_hours = if document.is_some() { paid_hours.min(arrives) } else { paid_hours };
                fact["paid_at"] = json!(at(paid_hours));
            }
            if later % 7 == 0 {
                fact["revision"] = json!(at(hours + 100));
            } else if later % 14 == 1 {
                // Revisions of one instant, of which the one that compares greater wins.
                fact["revision"] = json!(at(2400));
            }
            if later % 5 == 0 && document.is_none() {
                let received = at(hours + later);
                fact["received_at"] = json!(received.as_str().max(arrival(&fact)));
            } else if later % 17 == 0 {
                // The sender's clock is four minutes ahead.
                let received = document.map_or_else(|| arrival(&fact).to_owned(), |_| at(arrives));
                let ahead = if fact["paid_at"].is_null() { "occurred_at" } else { "paid_at" };
                fact[ahead] = json!(received.replace(":00:00Z", ":04:00Z"));
                fact["received_at"] = json!(received);
            } else if document.is_some() && (arrival(&fact) != at(arrives) || later % 2 == 0) {
                fact["received_at"] = json!(at(arrives));
            }
            if let Some(name) = document {
                fact["document"] = json!(name);
            }
            fact
        },
    )
}

/// An order. Its parts are such that a refund of some quarters of a hundred is often worth a half of the minor unit.
fn order(size: i64, parts: u8) -> Value {
    let total = size * 60;
    let small = cents(size * 6);
    let mut order = match parts {
        0 => json!({"tips": small}),
        1 => json!({"duties": small, "shipping": "4.5"}),
        2 => json!({"tax": small, "shipping": "4.5", "tips": "2", "duties": "3"}),
        3 => json!({"gift_cards": size * 20}),
        4 => json!({"gift_cards": total}),
        5 => json!({"gift_cards": total, "shipping": "4.5"}),
        6 => json!({"paid_with_credit": size * 30}),
        7 => json!({"gift_cards": size * 20, "paid_with_credit": size * 50, "tips": small}),
        8 => json!({"total": format!("{total}.005"), "duties": "0.01"}),
        9 => json!({"total": format!("{total}.015"), "shipping": "4.5", "discounts": size * 7}),
        _ => json!({}),
    };
    order["type"] = json!("order.paid");
    if order["total"].is_null() {
        order["total"] = json!(total.to_string());
    }
    order
}

/// A refund, with or without its parts.
fn refund(size: i64, parts: u8) -> Value {
    let amount = size * 25;
    let mut refund = match parts {
        0 => json!({"shipping": "4.5"}),
        1 => json!({"amount": "4.5", "shipping": "4.5"}),
        2 => json!({"gift_cards": size * 20}),
        3 => json!({"tax": cents(size * 6), "shipping": "4.5", "tips": "2", "duties": "3", "gift_cards": size * 10}),
        4 => json!({"tips": 0}),
        5 => json!({"amount": format!("{amount}.005"), "duties": cents(size * 6)}),
        6 => json!({"amount": format!("{amount}.005")}),
        7 => json!({"amount": size * 60, "gift_cards": size * 20}),
        8 => json!({"tax": "3.21"}),
        9 => json!({"amount": size * 30, "tips": cents(size * 6)}),
        _ => json!({}),
    };
    refund["type"] = json!("order.refunded");
    refund["refund_id"] = json!(size.to_string());
    if refund["amount"].is_null() {
        refund["amount"] = json!(amount);
    }
    refund
}

fn cents(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Changes of the program.
pub fn published() -> impl Strategy<Value = Value> {
    let choices = (0..3_usize, any::<bool>(), 0..8_u8);
    (programs(), 0..2000_i64, choices).prop_map(|(program, hours, (demotions, rewards, clamp))| {
        let mut line = json!({"type": "program.published", "occurred_at": at(hours), "program": program,
                              "options": {"rewards": rewards}});
        if demotions > 0 {
            line["options"]["demotions"] = json!(["", "hold", "apply"][demotions]);
        }
        match clamp {
            0 | 1 => line["options"]["clamp"] = json!(false),
            2 => line["options"]["clamp"] = json!(true),
            3 => line["program"]["clamp"] = json!(false),
            _ => {}
        }
        line
    })
}

/// The arrival of a line; without `received_at` the later of its instants, which are written alike here.
pub fn arrival(line: &Value) -> &str {
    line["received_at"].as_str().or(line["occurred_at"].as_str().max(line["paid_at"].as_str())).unwrap()
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
