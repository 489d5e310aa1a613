//! Random ledgers under the periods of edition 2: trying the midnights that could matter gives the same as trying all of
//! them, and what is on record is what the standing says.

use reference::Instant;
use serde_json::{Value, json};

/// 2023-11-20T00:00:00Z
const BEGIN: Instant = 1_700_438_400_000;
const HOUR: Instant = 60 * 60 * 1000;

/// A generator of random numbers, always the same ones.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        // The constants of Knuth's MMIX generator; its high bits are the random ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize].clone()
    }
}

fn at(hours: u64) -> String {
    let day = chrono::NaiveDate::from_ymd_opt(2023, 11, 20).unwrap() + chrono::Days::new(hours / 24);
    format!("{day}T{:02}:00:00Z", hours % 24)
}

/// A program with a period, and without what `validate` refuses for it.
fn program(dice: &mut Dice) -> Value {
    let days = json!({"days": 5 + dice.below(30)});
    let year = json!({"starts_on": dice.one(&["01-01", "01-15", "12-05"])});
    let period = dice.one(&[
        json!("calendar_year"),
        json!({"calendar_year": year}),
        json!({"calendar_year": {"starts_on": "01-15", "holds": "rest_of_year"}}),
        json!({"membership_year": {}}),
        json!({"membership_year": {"holds": "rest_of_year"}}),
        json!({"since_last_upgrade": days}),
        json!({"since_last_upgrade": {"months": 1}}),
        json!({"rolling": days}),
        json!({"rolling": {"months": 1}}),
    ]);
    let mut milestone = json!({"metric": dice.one(&["points_earned", "amount_spent"]), "period": period});
    milestone["on_refund"] = json!(dice.one(&["keep", "revoke"]));
    let holds = period.to_string().contains("rest_of_year");
    if !holds && dice.below(2) == 0 {
        milestone["on_miss"] = json!("one_step");
    }
    if !holds && period["rolling"].is_null() && dice.below(2) == 0 {
        milestone["grace"] = json!({"days": 1 + dice.below(4)});
    }
    let lowest = dice.one(&[0, 50]);
    let mut tiers = json!([{"id": "bronze", "threshold": lowest}, {"id": "silver", "threshold": 100},
                           {"id": "gold", "threshold": 300}]);
    if !holds && dice.below(2) == 0 {
        tiers[1]["retain_threshold"] = json!(dice.one(&[60, 100]));
        tiers[2]["retain_threshold"] = json!(150);
    }
    json!({"start_date": "2023-11-20", "timezone": dice.one(&["UTC", "America/New_York"]), "milestone": milestone,
           "tiers": tiers, "earning": {"amount": 10, "points": 10}, "effective_at": at(0),
           "eligibility": {"enrolled_only": dice.below(4) == 0, "excluded_tags": ["staff"]}})
}

/// Facts in the order of their arrival.
fn facts(dice: &mut Dice) -> Vec<Value> {
    let mut facts: Vec<(u64, Value)> = Vec::new();
    for key in 0..4 + dice.below(10) {
        // Some at midnight, and some very late.
        let hours = dice.below(100 * 24) + 1;
        let hours = if dice.below(2) == 0 { hours / 24 * 24 + 1 } else { hours };
        let arrival = if dice.below(4) == 0 { hours + dice.below(60 * 24) } else { hours };
        let amount = dice.one(&[30, 60, 100, 160, 300]);
        let mut fact = match dice.below(14) {
            0..=5 => json!({"type": "order.paid", "order_id": dice.below(6).to_string(), "total": amount}),
            6 => json!({"type": "order.refunded", "order_id": dice.below(6).to_string(), "refund_id": key.to_string(),
                        "amount": amount}),
            7 => json!({"type": "order.cancelled", "order_id": dice.below(6).to_string()}),
            8..=10 => json!({"type": "points.earned", "entry_id": key.to_string(), "points": amount}),
            11 => json!({"type": "points.adjusted", "entry_id": key.to_string(), "points": -amount}),
            12 => json!({"type": "customer.enrolled"}),
            _ => json!({"type": "customer.tags_set", "tags": dice.one(&[json!([]), json!(["staff"])])}),
        };
        fact["member_id"] = json!("anna");
        fact["occurred_at"] = json!(at(hours));
        fact["received_at"] = json!(at(arrival));
        facts.push((arrival, fact));
    }
    facts.sort_by_key(|(arrival, _)| *arrival);
    facts.into_iter().map(|(_, fact)| fact).collect()
}

#[test]
fn the_midnights_that_could_matter_are_all_that_matter_and_the_record_is_the_standing() {
    let cases = std::env::var("CASES").map_or(60, |n| n.parse().unwrap());
    let seed = std::env::var("SEED").map_or(1, |n| n.parse().unwrap());
    let mut dice = Dice(seed);
    let (mut graces, mut renewals, mut corrections) = (0, 0, 0);
    for case in 0..cases {
        let program = program(&mut dice);
        let mut facts = facts(&mut dice);
        if dice.below(3) == 0 {
            let published = at(dice.below(120) * 24);
            facts.push(json!({"type": "program.published", "occurred_at": published, "received_at": published,
                              "program": self::program(&mut dice), "options": {"demotions": dice.one(&["hold", "apply"])}}));
            facts.sort_by_key(|fact| fact["received_at"].as_str().unwrap().to_owned());
        }
        let as_of = BEGIN + (dice.below(500) * 24) as Instant * HOUR;
        let quick = reference::replay(&program, &facts, as_of);
        let place = || {
            let lines: Vec<String> = facts.iter().map(ToString::to_string).collect();
            format!("case {case}, as of {as_of}, {program}\n{}", lines.join("\n"))
        };
        let slow = reference::replay_trying_every_midnight(&program, &facts, as_of);
        assert_eq!(quick, slow, "{}", place());
        let rows = quick["transitions"].as_array().unwrap();
        let on_record = rows.last().map_or(&Value::Null, |row| &row["to"]);
        let standing = &quick["standings"]["anna"];
        assert_eq!(on_record, &standing["tier"], "{}", place());
        let (by, until) = (&standing["requalify"]["by"], &standing["valid_until"]);
        graces += usize::from(!program["milestone"]["grace"].is_null() && !by.is_null() && by == until);
        renewals += rows.iter().filter(|row| row["kind"] == "renewed").count();
        corrections += quick["corrections"].as_array().unwrap().len();
    }
    assert!(graces > 0 && renewals > 0 && corrections > 0, "{graces} {renewals} {corrections}");
}
