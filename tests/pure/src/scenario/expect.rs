//! Expectations: the sentences after `then`, each judged by the object of section 9.

use chrono::{DateTime, NaiveDate, Utc};
use reference::tz::Tz;
use rust_decimal::Decimal;
use serde_json::Value;

use super::form::{Form, Said};
use super::moment::{self, Moment};
use super::program;

/// A sentence about something that must hold, and the check for it.
pub struct Sentence {
    /// The written form, after `then`.
    pub form: Form,
    judge: fn(&View) -> Vec<String>,
}

/// Every sentence about something that must hold.
pub const SENTENCES: &[Sentence] = &[
    sentence("MEMBER is TIER [since SINCE] [until DAY] [without end] [and LATER after] [and no tier after]", holds),
    sentence("MEMBER has no tier [since SINCE]", has_no_tier),
    sentence("MEMBER has no tier while the program is inactive", is_inactive),
    sentence("MEMBER has AMOUNT counted", |view| view.amount("counted", view.said.slot("AMOUNT"))),
    sentence("MEMBER needs AMOUNT more for TIER", needs_more),
    sentence("MEMBER needs AMOUNT more to keep TIER after DAY", needs_more_to_keep),
    sentence("MEMBER has reached the highest tier", |view| view.same("next_tier", &Value::Null)),
    sentence("MEMBER entered TIER [on WHEN] [because of CAUSE]", |view| announced(view, "entered")),
    sentence("MEMBER was upgraded from FROM to TIER [on WHEN] [because of CAUSE]", |view| announced(view, "upgraded")),
    sentence("MEMBER was downgraded from FROM to TIER [on WHEN] [because of CAUSE]", |view| {
        announced(view, "downgraded")
    }),
    sentence("MEMBER renewed TIER [on WHEN] [because of CAUSE]", |view| announced(view, "renewed")),
    sentence("MEMBER left FROM [on WHEN] [because of CAUSE]", |view| announced(view, "left")),
    sentence("MEMBER has had NUMBER announcement(s)", |view| count(view, "transitions")),
    sentence("MEMBER got the rewards of TIERS", rewards),
    sentence("MEMBER got no reward", rewards),
    sentence("MEMBER got NUMBER birthday points on DAY", birthday_points),
    sentence("MEMBER has had NUMBER birthday(s)", |view| count(view, "birthdays")),
    sentence("nothing is known of MEMBER", nothing_known),
];

const fn sentence(pattern: &'static str, judge: fn(&View) -> Vec<String>) -> Sentence {
    Sentence { form: Form { pattern, details: &[] }, judge }
}

/// An expectation at an instant.
pub struct Expectation {
    /// The line of the sentence.
    pub line: usize,
    /// The sentence as written.
    pub text: String,
    /// The instant at which it must hold, in UTC.
    pub as_of: String,
    /// The number of events above it.
    pub events: usize,
    /// The slots of the sentence.
    pub said: Said,
    /// The known sentence that matched.
    pub sentence: &'static Sentence,
    /// The program version in force in the scenario.
    pub program: Value,
    /// The time zone of its days.
    pub zone: Tz,
}

impl std::fmt::Debug for Expectation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} (as of {})", self.line, self.text, self.as_of)
    }
}

impl Expectation {
    /// The differences between the expectation and a replay's answer, the object of section 9.
    pub fn judge(&self, answer: &Value) -> Vec<String> {
        let (said, program, zone) = (&self.said, &self.program, self.zone);
        let standing = &answer["standings"][said.slot("MEMBER")];
        (self.sentence.judge)(&View { said, answer, standing, program, zone })
    }
}

/// An answer from the point of view of one expectation.
struct View<'a> {
    said: &'a Said,
    answer: &'a Value,
    standing: &'a Value,
    program: &'a Value,
    zone: Tz,
}

impl View<'_> {
    fn same(&self, key: &str, expected: &Value) -> Vec<String> {
        match self.standing.get(key) {
            Some(found) if found == expected => Vec::new(),
            Some(found) => vec![format!("`{key}` is {found}, not {expected}")],
            None => vec![format!("`{key}` of {} is missing", self.said.slot("MEMBER"))],
        }
    }

    fn amount(&self, key: &str, expected: &str) -> Vec<String> {
        miss_amount(key, &self.standing[key], expected)
    }

    /// The rows of a list that belong to this member.
    fn rows(&self, list: &str) -> Vec<&Value> {
        let rows = self.answer[list].as_array();
        rows.into_iter().flatten().filter(|row| row["member_id"] == self.said.slot("MEMBER")).collect()
    }

    fn since(&self) -> Vec<String> {
        match self.said.maybe("SINCE") {
            Some(moment) => miss_moment("since", &self.standing["since"], moment, self.zone),
            None => Vec::new(),
        }
    }

    fn last_day(&self) -> Option<NaiveDate> {
        self.said.maybe("DAY").and_then(moment::day)
    }
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|instant| instant.to_utc())
}

fn miss_amount(key: &str, found: &Value, expected: &str) -> Vec<String> {
    let number = match found {
        Value::String(text) => text.parse::<Decimal>().ok(),
        // Points are whole, so they may come as a number or as text with the same meaning.
        Value::Number(number) => number.as_i64().map(Decimal::from),
        _ => None,
    };
    match number {
        Some(number) if Some(number) == expected.parse().ok() => Vec::new(),
        _ => vec![format!("`{key}` is {found}, not {expected}")],
    }
}

fn miss_moment(key: &str, found: &Value, expected: &str, zone: Tz) -> Vec<String> {
    let is_at = |found| {
        moment::utc(expected)
            .map_or_else(|| Moment::read(expected).is_some_and(|moment| moment.covers(found, zone)), |at| at == found)
    };
    let met = instant(found).is_some_and(is_at);
    if met { Vec::new() } else { vec![format!("`{key}` is {found}, not {expected}")] }
}

/// `until` names the last full day, so the expected end is the midnight after it.
fn miss_end(key: &str, found: &Value, last: NaiveDate, zone: Tz) -> Vec<String> {
    let end = moment::end_of(last, zone);
    if instant(found) == Some(end) {
        Vec::new()
    } else {
        vec![format!("`{key}` is {found}, not {} (the end of {last})", moment::written(end))]
    }
}

fn holds(view: &View) -> Vec<String> {
    let mut misses = view.same("tier", &Value::from(view.said.slot("TIER")));
    misses.extend(view.since());
    if let Some(last) = view.last_day() {
        misses.extend(miss_end("valid_until", &view.standing["valid_until"], last, view.zone));
    }
    if view.said.says("without end") {
        misses.extend(view.same("valid_until", &Value::Null));
    }
    if let Some(later) = view.said.maybe("LATER") {
        misses.extend(view.same("upcoming", &Value::from(later)));
    }
    if view.said.says("and no tier after") {
        misses.extend(view.same("upcoming", &Value::Null));
    }
    misses
}

fn has_no_tier(view: &View) -> Vec<String> {
    let mut misses = view.same("tier", &Value::Null);
    misses.extend(view.same("active", &Value::from(true)));
    misses.extend(view.since());
    misses
}

fn is_inactive(view: &View) -> Vec<String> {
    let mut misses = view.same("tier", &Value::Null);
    misses.extend(view.same("active", &Value::from(false)));
    misses
}

fn needs_more(view: &View) -> Vec<String> {
    let mut misses = view.same("next_tier", &Value::from(view.said.slot("TIER")));
    misses.extend(view.amount("remaining", view.said.slot("AMOUNT")));
    misses
}

fn needs_more_to_keep(view: &View) -> Vec<String> {
    let requalify = &view.standing["requalify"];
    let mut misses = miss_amount("requalify.remaining", &requalify["remaining"], view.said.slot("AMOUNT"));
    if let Some(last) = view.last_day() {
        misses.extend(miss_end("requalify.by", &requalify["by"], last, view.zone));
    }
    // The required threshold must be that of the tier named in the sentence.
    let tiers = view.program["tiers"].as_array();
    let tier = tiers.into_iter().flatten().find(|tier| tier["id"] == view.said.slot("TIER"));
    match tier.and_then(program::threshold) {
        Some(threshold) => {
            misses.extend(miss_amount("requalify.threshold", &requalify["threshold"], &threshold.to_string()));
        }
        None => misses.push(format!("`{}` has no threshold to be met again", view.said.slot("TIER"))),
    }
    misses
}

/// Judges the latest transition of the member.
fn announced(view: &View, kind: &str) -> Vec<String> {
    let rows = view.rows("transitions");
    let Some(row) = rows.last() else {
        return vec![format!("nothing was announced to {}", view.said.slot("MEMBER"))];
    };
    let mut misses = Vec::new();
    let to = view.said.maybe("TIER");
    let from = if kind == "renewed" { to } else { view.said.maybe("FROM") };
    for (key, expected) in [("kind", Some(kind)), ("from", from), ("to", to)] {
        if row[key] != Value::from(expected) {
            misses.push(format!("`{key}` of the latest announcement is {}, not {}", row[key], Value::from(expected)));
        }
    }
    if let Some(moment) = view.said.maybe("WHEN") {
        misses.extend(miss_moment("at", &row["at"], moment, view.zone));
    }
    if let Some(cause) = view.said.maybe("CAUSE").map(|cause| cause.replace(' ', "_"))
        && row["cause"] != cause
    {
        misses.push(format!("`cause` is {}, not \"{cause}\"", row["cause"]));
    }
    misses
}

fn count(view: &View, list: &str) -> Vec<String> {
    let found = view.rows(list);
    if found.len().to_string() == view.said.slot("NUMBER") {
        return Vec::new();
    }
    let found: Vec<_> = found.into_iter().map(Value::to_string).collect();
    vec![format!("there are {}: {}", found.len(), found.join(", "))]
}

fn rewards(view: &View) -> Vec<String> {
    let found: Vec<_> = view.rows("rewards").iter().map(|row| row["tier"].as_str().unwrap_or("?")).collect();
    let expected = view.said.list("TIERS");
    if found == expected { Vec::new() } else { vec![format!("the rewards were those of {found:?}, not {expected:?}")] }
}

/// Judges the latest birthday of the member.
fn birthday_points(view: &View) -> Vec<String> {
    let rows = view.rows("birthdays");
    let Some(row) = rows.last() else {
        return vec![format!("{} got no birthday points", view.said.slot("MEMBER"))];
    };
    let mut misses = miss_amount("points", &row["points"], view.said.slot("NUMBER"));
    if row["on"] != view.said.slot("DAY") {
        misses.push(format!("the birthday points are due on {}, not on {}", row["on"], view.said.slot("DAY")));
    }
    misses
}

fn nothing_known(view: &View) -> Vec<String> {
    let mut misses = Vec::new();
    for list in ["transitions", "rewards", "birthdays"] {
        misses.extend(view.rows(list).iter().map(|row| format!("`{list}` still has {row}")));
    }
    // `active` describes the program; any other field would be knowledge about the member.
    for (key, found) in view.standing.as_object().into_iter().flatten() {
        if key != "active" && !found.is_null() {
            misses.push(format!("`{key}` is {found}, not null"));
        }
    }
    misses
}

#[cfg(test)]
mod tests;
