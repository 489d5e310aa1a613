//! Vectors: worked cases of the semantics, in the format of its section 9, and running them.

use rules::calendar::{Instant, Zones};
use rules::id::MemberId;
use rules::quantity::Quantity;
use rules::record::Row;
use rules::replay::{Line, Replay};
use serde_json::{Map, Value, json};

use crate::history;

/// A worked case.
#[derive(Debug, Clone)]
pub struct Vector {
    /// The id, such as `CY-1`.
    pub id: String,
    /// A sentence that says what the case shows.
    pub title: String,
    program: Value,
    events: Vec<Value>,
    expect: Vec<Value>,
}

/// An expectation that was not met, or a case that could not be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// The place in the case: the instant, the member and the key.
    pub place: String,
    /// The difference, or the reason why the case could not be run.
    pub what: String,
}

impl Vector {
    /// Reads a file of vectors.
    ///
    /// # Errors
    /// Names the vector and what it lacks.
    pub fn read_all(file: &Value) -> Result<Vec<Self>, String> {
        let cases = file.as_array().ok_or("must be a list of vectors")?;
        cases
            .iter()
            .enumerate()
            .map(|(index, case)| Self::read(case).map_err(|what| format!("$[{index}]{what}")))
            .collect()
    }

    fn read(case: &Value) -> Result<Self, String> {
        let fields = case.as_object().ok_or(": must be an object")?;
        let known = ["id", "title", "source", "program", "events", "expect"];
        if let Some(key) = fields.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!(".{key}: is not known here; the fields are {}", known.join(", ")));
        }
        let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
        let list = |key: &str| fields.get(key).and_then(Value::as_array).cloned();
        let vector = Self {
            id: text("id").ok_or(".id: must be a text")?,
            title: text("title").unwrap_or_default(),
            program: fields.get("program").cloned().ok_or(".program: is missing")?,
            events: list("events").ok_or(".events: must be a list")?,
            expect: list("expect").ok_or(".expect: must be a list")?,
        };
        Ok(vector)
    }

    /// Runs the case under a release of the time zone database. Each expectation gets a replay of its own, up to its instant.
    pub fn run(&self, zones: &Zones) -> Vec<Miss> {
        if self.expect.is_empty() {
            return vec![Miss { place: "expect".to_owned(), what: "expects nothing".to_owned() }];
        }
        self.expect.iter().flat_map(|expected| self.check(expected, zones).unwrap_or_else(|miss| vec![miss])).collect()
    }

    fn check(&self, expected: &Value, zones: &Zones) -> Result<Vec<Miss>, Miss> {
        let miss = |place: &str, what: String| Miss { place: place.to_owned(), what };
        let fields = expected.as_object().ok_or_else(|| miss("expect", "must be an object".to_owned()))?;
        let text = |key: &str| fields.get(key).and_then(Value::as_str).unwrap_or_default();
        let as_of = Instant::parse(text("as_of")).map_err(|error| miss("expect.as_of", error.to_string()))?;
        let member = MemberId::new(text("member_id")).map_err(|error| miss("expect.member_id", error.to_string()))?;
        if !self.events.iter().any(|event| event.get("member_id").and_then(Value::as_str) == Some(member.as_str())) {
            return Err(miss("expect.member_id", format!("`{member}` is named by no event")));
        }
        if fields.len() == 2 {
            return Err(miss("expect", format!("expects nothing of `{member}` at {as_of}")));
        }
        let replay = self.replay(as_of, zones)?;
        let found = found(&replay, &member, as_of);
        let mut misses = Vec::new();
        for (key, wanted) in fields.iter().filter(|(key, _)| !["as_of", "member_id"].contains(&key.as_str())) {
            let place = format!("{as_of} {member} {key}");
            match found.get(key) {
                None => misses.push(Miss { place, what: "is not a key of a standing".to_owned() }),
                Some(found) if same(wanted, found) => {}
                Some(found) => misses.push(Miss { place, what: difference(wanted, found) }),
            }
        }
        Ok(misses)
    }

    fn replay(&self, as_of: Instant, zones: &Zones) -> Result<Replay, Miss> {
        let refused = |place: String, what: String| Miss { place, what };
        let mut replay =
            Replay::start(&self.program, zones).map_err(|error| refused("program".to_owned(), error.to_string()))?;
        for (index, event) in self.events.iter().enumerate() {
            match replay.line(event, as_of) {
                Ok(Line::Beyond) => break,
                Ok(Line::Fact(_) | Line::Published) => {}
                Err(error) => return Err(refused(format!("events[{index}]"), error.to_string())),
            }
        }
        replay.finish(as_of);
        Ok(replay)
    }
}

/// Everything that an expectation can name.
fn found(replay: &Replay, member: &MemberId, as_of: Instant) -> Map<String, Value> {
    let mut found = Map::new();
    if let Value::Object(standing) = history::member_standing(replay, member, as_of) {
        found = standing;
    }
    let (mut transitions, mut rewards, mut corrections) = (Vec::new(), Vec::new(), Vec::new());
    for row in replay.rows(member) {
        match row {
            Row::Transition(made) => transitions.push(json!([made.kind, made.from, made.to, made.at, made.cause])),
            Row::Reward(due) => rewards.push(json!(due.tier)),
            Row::Correction(made) => {
                let (from, to) = made.valid_until;
                corrections.push(json!([made.tier, made.at, made.cause, from, to]));
            }
            Row::Birthday(_) | Row::Held(_) => {}
        }
    }
    found.insert("transitions".to_owned(), Value::Array(transitions));
    found.insert("rewards".to_owned(), Value::Array(rewards));
    found.insert("corrections".to_owned(), Value::Array(corrections));
    found
}

/// Whether two values mean the same: amounts as decimals, instants as instants.
pub fn same(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.len() == found.len()
                && wanted.iter().all(|(key, value)| found.get(key).is_some_and(|other| same(value, other)))
        }
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(value, other)| same(value, other))
        }
        (Value::String(_) | Value::Number(_), Value::String(_) | Value::Number(_)) => {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let (wanted, found) = (text(wanted), text(found));
            let instants = Instant::parse(&wanted).ok().zip(Instant::parse(&found).ok());
            let amounts = Quantity::parse(&wanted).zip(Quantity::parse(&found));
            wanted == found
                || instants.is_some_and(|(wanted, found)| wanted == found)
                || amounts.is_some_and(|(wanted, found)| wanted == found)
        }
        (wanted, found) => wanted == found,
    }
}

/// Describes what differs. Of two lists, only the first item that differs is shown.
fn difference(wanted: &Value, found: &Value) -> String {
    match (wanted, found) {
        (Value::Array(wanted), Value::Array(found)) => {
            let parts = wanted.iter().zip(found).position(|(value, other)| !same(value, other));
            let place = parts.unwrap_or_else(|| wanted.len().min(found.len()));
            let at = |list: &[Value]| list.get(place).map_or_else(|| "nothing".to_owned(), Value::to_string);
            format!("item {}: expected {}, found {}", place + 1, at(wanted), at(found))
        }
        (Value::Object(wanted), Value::Object(found)) => {
            let differs = |(key, value): &(&String, &Value)| !found.get(*key).is_some_and(|other| same(value, other));
            match wanted.iter().find(differs) {
                Some((key, value)) => {
                    let other = found.get(key).map_or_else(|| "nothing".to_owned(), Value::to_string);
                    format!("{key}: expected {value}, found {other}")
                }
                None => format!("expected {}, found {}", json!(wanted), json!(found)),
            }
        }
        (wanted, found) => format!("expected {wanted}, found {found}"),
    }
}
