//! The rules agree with their twin, which was written from the text alone, on random shops: every standing, every
//! transition, reward and birthday, at every instant asked.

use proptest::prelude::*;
use rules::calendar::Instant;
use rules::replay::{Line, Replay};
use serde_json::{Value, json};
use service::wire::history;
use service::wire::vector::same;
use tests::random::{BEGIN, HOUR, arrival, fact, programs, published};
use tests::twin;

fn replayed(program: &Value, lines: &[Value], as_of: Instant) -> Value {
    let mut replay = Replay::start(program).unwrap();
    for line in lines {
        match replay.line(line, as_of) {
            Ok(Line::Beyond) => break,
            Ok(_) => {}
            Err(error) => assert!(error.to_string().contains("five minutes"), "{error}: {line}"),
        }
    }
    replay.finish(as_of);
    let mut found = history::replayed(&replay, as_of);
    for transition in found["transitions"].as_array_mut().unwrap() {
        transition.as_object_mut().unwrap().remove("version");
    }
    found
}

/// The first place where two documents part.
fn parting(ours: &Value, twins: &Value, path: &str) -> Option<String> {
    match (ours, twins) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                parting(
                    a.get(key).unwrap_or(&Value::Null),
                    b.get(key).unwrap_or(&Value::Null),
                    &format!("{path}.{key}"),
                )
            })
        }
        (Value::Array(a), Value::Array(b)) => (0..a.len().max(b.len())).find_map(|index| {
            let at = |list: &[Value]| list.get(index).cloned().unwrap_or(json!("nothing"));
            parting(&at(a), &at(b), &format!("{path}[{index}]"))
        }),
        (a, b) => (!same(a, b)).then(|| format!("{path}: ours {a}, the twin's {b}")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: std::env::var("CASES").map_or(400, |n| n.parse().unwrap()), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_and_their_twin_tell_the_same_story(
        program in programs(),
        facts in prop::collection::vec(fact(), 1..25),
        versions in prop::collection::vec(published(), 0..3),
        end in 0..3000_i64,
    ) {
        let mut lines: Vec<Value> = facts.into_iter().chain(versions).collect();
        lines.sort_by(|a, b| arrival(a).cmp(arrival(b)));
        let end = BEGIN + end * HOUR;
        let ours = replayed(&program, &lines, Instant::from_millis(end));
        let twins = twin::replay(&program, &lines, end);
        if let Some(part) = parting(&ours, &twins, "") {
            let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
            prop_assert!(false, "{part}\nprogram {program}\n{}\nas of {}", lines.join("\n"), Instant::from_millis(end));
        }
    }
}
