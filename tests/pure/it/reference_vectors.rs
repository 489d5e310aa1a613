//! Every worked vector holds for the reference model.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::fs;

#[test]
fn every_vector_holds_for_the_reference_model() {
    check(reference::replay);
}

#[test]
fn every_vector_holds_for_the_reference_model_when_it_tries_every_midnight() {
    check(reference::replay_trying_every_midnight);
}

#[track_caller]
fn check(replay: fn(&Value, &[Value], reference::Instant) -> Value) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors");
    let mut wrong = Vec::new();
    let mut compared = 0;
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let vectors: Vec<Value> = serde_json::from_str(&text).unwrap();
        for vector in &vectors {
            for expected in vector["expect"].as_array().unwrap() {
                let as_of = reference::instant(expected["as_of"].as_str().unwrap()).unwrap();
                let got = replay(&vector["program"], vector["events"].as_array().unwrap(), as_of);
                compared += 1;
                for (key, want) in expected.as_object().unwrap() {
                    if key == "as_of" || key == "member_id" {
                        continue;
                    }
                    let have = view(&got, expected["member_id"].as_str().unwrap(), key);
                    if !same(want, &have) {
                        let id = &vector["id"];
                        wrong.push(format!("{id} at {}: {key} should be {want}, is {have}", expected["as_of"]));
                    }
                }
            }
        }
    }
    assert!(compared > 100, "only {compared} expectations found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The value for an expectation's key: a key of the standing, or the member's transitions or rewards in short form.
fn view(got: &Value, member: &str, key: &str) -> Value {
    let rows = |list: &Value, short: &dyn Fn(&Value) -> Value| -> Value {
        let rows = list.as_array().unwrap().iter();
        rows.filter(|row| row["member_id"] == member).map(short).collect()
    };
    match key {
        "transitions" => {
            rows(&got["transitions"], &|row| json!([row["kind"], row["from"], row["to"], row["at"], row["cause"]]))
        }
        "rewards" => rows(&got["rewards"], &|row| row["tier"].clone()),
        "corrections" => rows(&got["corrections"], &|row| {
            let end = &row["valid_until"];
            json!([row["tier"], row["at"], row["cause"], end["from"], end["to"]])
        }),
        _ => got["standings"][member][key].clone(),
    }
}

/// Whether two values are the same, with "amounts as decimals, instants as instants" (section 9).
fn same(want: &Value, have: &Value) -> bool {
    match (want, have) {
        (Value::String(want), Value::String(have)) => {
            want == have
                || matches!((want.parse::<Decimal>(), have.parse::<Decimal>()), (Ok(a), Ok(b)) if a == b)
                || matches!((reference::instant(want), reference::instant(have)), (Some(a), Some(b)) if a == b)
        }
        (Value::Array(want), Value::Array(have)) => {
            want.len() == have.len() && want.iter().zip(have).all(|(want, have)| same(want, have))
        }
        (Value::Object(want), Value::Object(have)) => {
            want.iter().all(|(key, want)| have.get(key).is_some_and(|have| same(want, have)))
        }
        _ => want == have,
    }
}
