//! The worked cases of edition 2 hold for the reference model, by itself and without a build of the rules. They lie beside
//! the checkout; the copies in `tests/vectors` are checked in `tests/pure`, also by trying every midnight.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

#[test]
fn every_vector_of_edition_2_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors-edition-2");
    if !folder.exists() {
        assert!(std::env::var_os("ECHELON_SHARED").is_none(), "{} is missing", folder.display());
        eprintln!("skipped: there is no shared folder beside the checkout");
        return;
    }
    let mut wrong = Vec::new();
    let mut compared = 0;
    let names = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name());
    for name in names {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let vectors: Vec<Value> = serde_json::from_str(&text).unwrap();
        for vector in &vectors {
            for expected in vector["expect"].as_array().unwrap() {
                let as_of = reference::instant(expected["as_of"].as_str().unwrap()).unwrap();
                let got = reference::replay(&vector["program"], vector["events"].as_array().unwrap(), as_of);
                let of_standing = |(key, _): &(&String, &Value)| *key != "as_of" && *key != "member_id";
                for (key, want) in expected.as_object().unwrap().iter().filter(of_standing) {
                    compared += 1;
                    let have = view(&got, expected["member_id"].as_str().unwrap(), key);
                    if !same(want, &have) {
                        let id = &vector["id"];
                        wrong.push(format!("{id} at {}: {key} should be {want}, is {have}", expected["as_of"]));
                    }
                }
            }
        }
    }
    assert!(compared > 200, "only {compared} expected values found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The value for an expectation's key: a key of the standing, or one of the member's lists in short form.
fn view(got: &Value, member: &str, key: &str) -> Value {
    let rows = |short: &dyn Fn(&Value) -> Value| -> Value {
        let rows = got[key].as_array().unwrap().iter();
        rows.filter(|row| row["member_id"] == member).map(short).collect()
    };
    match key {
        "transitions" => rows(&|row| json!([row["kind"], row["from"], row["to"], row["at"], row["cause"]])),
        "rewards" => rows(&|row| row["tier"].clone()),
        "corrections" => rows(&|row| {
            let valid_until = &row["valid_until"];
            json!([row["tier"], row["at"], row["cause"], valid_until["from"], valid_until["to"]])
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
