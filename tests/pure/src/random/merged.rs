//! Stories in which members have several ids: merges in chains and circles, undone, told twice, late, or before the facts.

use super::{DOCUMENTS_EVERY, arrival, at, fact};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The ids of the members in a story with merges.
pub const IDS: [&str; 4] = ["anna", "ben", "carl", "dora"];

/// The facts of a story. Two stories in five have merges, and members under four ids.
pub fn story() -> impl Strategy<Value = Vec<Value>> {
    prop_oneof![3 => prop::collection::vec(fact(), 1..25), 2 => merged()]
}

fn merged() -> impl Strategy<Value = Vec<Value>> {
    let facts = prop::collection::vec((fact(), an_id()), 3..30).prop_map(|facts| {
        let of = |(mut fact, id): (Value, &str)| {
            // Corrections that name no member stay so.
            if !fact["member_id"].is_null() {
                fact["member_id"] = json!(id);
            }
            fact
        };
        facts.into_iter().map(of).collect::<Vec<_>>()
    });
    let erased = (an_id(), 0..2000_i64)
        .prop_map(|(id, hours)| json!({"type": "customer.erased", "member_id": id, "occurred_at": at(hours)}));
    let erasures = prop_oneof![
        6 => Just(0..1_usize), 3 => Just(1..2_usize), 1 => Just(2..3_usize),
    ];
    let erasures = erasures.prop_flat_map(move |several| prop::collection::vec(erased.clone(), several));
    (facts, merges(), prop::collection::vec(birthday(), 0..5), erasures)
        .prop_map(|(facts, merges, birthdays, erasures)| [facts, merges, birthdays, erasures].concat())
}

fn an_id() -> impl Strategy<Value = &'static str> + Clone {
    prop_oneof![3 => Just("anna"), 3 => Just("ben"), 2 => Just("carl"), 1 => Just("dora")]
}

/// A birthday, set or told with an enrollment; some of one instant, some taken back.
fn birthday() -> impl Strategy<Value = Value> {
    let day = prop_oneof![
        2 => Just(json!("12-31")), 2 => Just(json!("01-15")), 1 => Just(json!("12-05")), 1 => Just(Value::Null),
    ];
    (an_id(), day, 0..10_i64, any::<bool>()).prop_map(|(id, day, step, set)| {
        let kind = if set { "customer.birthday_set" } else { "customer.enrolled" };
        json!({"type": kind, "member_id": id, "occurred_at": at(step * 200), "birthday": day})
    })
}

/// The merges of a story, up to eight lines.
fn merges() -> impl Strategy<Value = Vec<Value>> {
    type Merge = (&'static str, Option<&'static str>);
    let free = prop::collection::vec((an_id(), prop::option::weighted(0.8, an_id())), 1..5);
    let fixed = |merges: &[Merge]| Just(merges.to_vec());
    let shape = prop_oneof![
        5 => free,
        2 => fixed(&[("ben", Some("anna"))]),
        1 => fixed(&[("carl", Some("ben")), ("ben", Some("anna"))]),
        1 => fixed(&[("dora", Some("carl")), ("carl", Some("ben")), ("ben", Some("anna"))]),
        1 => fixed(&[("anna", Some("ben")), ("ben", Some("anna"))]),
        1 => fixed(&[("anna", Some("ben")), ("ben", Some("carl")), ("carl", Some("anna"))]),
        2 => fixed(&[("ben", Some("anna")), ("ben", None)]),
        1 => fixed(&[("carl", Some("ben")), ("ben", Some("anna")), ("ben", None)]),
    ];
    let how = prop::array::uniform4((0..2000_i64, 0..600_i64, 0..16_u8));
    (shape, how, 0..7_u8).prop_map(|(merges, how, alike)| {
        let lines = merges.into_iter().filter(|(id, into)| *into != Some(*id)).zip(how);
        let mut lines: Vec<Value> = lines.flat_map(|((id, into), how)| merge(id, into, how)).collect();
        match alike {
            // Revisions of one instant, of which the one that compares greater wins.
            0 => lines.iter_mut().for_each(|line| line["revision"] = json!(at(2400))),
            1 => lines.iter_mut().for_each(|line| {
                line["received_at"] = json!(arrival(line));
                line["occurred_at"] = json!(at(-24));
            }),
            _ => {}
        }
        lines
    })
}

/// A merge as it is told, once or twice.
fn merge(id: &str, into: Option<&str>, (hours, later, how): (i64, i64, u8)) -> Vec<Value> {
    // Half of all merges occur at midnight.
    let hours = if later % 2 == 0 { hours / 24 * 24 } else { hours };
    let told = |hours: i64| json!({"type": "customer.merged", "member_id": id, "into": into, "occurred_at": at(hours)});
    let mut line = told(hours);
    match how {
        0..=2 => line["revision"] = json!(at(hours + 100)),
        3 | 4 => line["received_at"] = json!(at(hours + later)),
        // Before most facts.
        5 | 6 => line = told(hours % 100),
        7 => line["imported"] = json!(true),
        8 => {
            // The sender's clock is four minutes ahead.
            line["occurred_at"] = json!(at(hours).replace(":00:00Z", ":04:00Z"));
            line["received_at"] = json!(at(hours));
        }
        9 | 10 => {
            // In a document with facts.
            line["document"] = json!("d");
            line["received_at"] = json!(at((hours / DOCUMENTS_EVERY + 1) * DOCUMENTS_EVERY));
        }
        11 | 12 => {
            let mut again = line.clone();
            again["received_at"] = json!(at(hours + later));
            return vec![line, again];
        }
        _ => {}
    }
    vec![line]
}
