//! An event as a line for people.

use std::fmt::Write;

use serde_json::Value;

use crate::console::counted;

/// The maximum number of characters of a line: a tier's name may have thousands.
const CHARS_MAX: usize = 1_000;

/// An event as a line: the time, the member, and what happened.
pub fn line(kind: &str, event: &Value) -> String {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or("-");
    let named = |name: &str| event.get(name).and_then(|it| it.get("name")).and_then(Value::as_str).unwrap_or("no tier");
    let what = match kind {
        "tier.changed.v1" => {
            let quiet = if event.get("notify") == Some(&Value::Bool(false)) { " (quietly)" } else { "" };
            format!("{} -> {}{quiet}: {}", named("before"), named("after"), text("summary"))
        }
        "tier.reward_issued.v1" => {
            let count = event.get("rewards").and_then(Value::as_array).map_or(0, Vec::len);
            format!("{} due for reaching {}", counted(count, "reward"), named("tier"))
        }
        "tier.validity_changed.v1" => {
            let quiet = if event.get("notify") == Some(&Value::Bool(false)) { " (quietly)" } else { "" };
            format!("{} stays{quiet}: {}", named("tier"), text("summary"))
        }
        "tier.birthday_points_due.v1" => {
            let points = event.get("points").and_then(Value::as_i64).unwrap_or_default();
            format!("{points} birthday points due on {}, as a member of {}", text("on"), named("tier"))
        }
        "tier.expiring.v1" => format!("{} is expiring: {}", named("tier"), text("summary")),
        "tier.within_reach.v1" => format!("{} is within reach: {}", named("next"), text("summary")),
        "program.published.v1" => {
            let number = |name: &str| event.get(name).and_then(Value::as_u64);
            let replaces = number("replaces").map(|number| format!(", instead of version {number}"));
            let (number, replaces) = (number("program_version").unwrap_or_default(), replaces.unwrap_or_default());
            format!("version {number} of the program is published{replaces}")
        }
        other => other.to_owned(),
    };
    let at = event.get("effective_at").and_then(Value::as_str).unwrap_or_else(|| text("recorded_at"));
    seen(&format!("{at}  {}  {}  {what}", text("shop"), text("member_id")))
}

/// A text on one line that a terminal shows as it is. Shops choose names, so characters that control a terminal are
/// escaped.
fn seen(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for (place, char) in text.chars().enumerate() {
        match char {
            _ if place == CHARS_MAX => {
                seen.push('…');
                break;
            }
            // Unicode line breaks, and characters that change the writing direction.
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(seen, "{}", char.escape_unicode());
            }
            char if char.is_control() => {
                let _ = write!(seen, "{}", char.escape_default());
            }
            char => seen.push(char),
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let event = json!({ "shop": "acme", "member_id": "anna", "before": null, "after": { "id": "gold", "name": "Gold" },
                            "effective_at": "2026-05-01T10:00:00Z", "notify": true, "summary": "Spent enough." });
        let said = line("tier.changed.v1", &event);
        assert_eq!(said, "2026-05-01T10:00:00Z  acme  anna  no tier -> Gold: Spent enough.");
        let quiet = json!({ "shop": "acme", "member_id": "anna", "notify": false });
        assert!(line("tier.changed.v1", &quiet).contains("(quietly)"));
        let expiring = json!({ "shop": "acme", "member_id": "anna", "tier": { "id": "gold", "name": "Gold" },
                               "recorded_at": "2026-12-01T00:00:01Z", "summary": "Gold ends soon." });
        let said = line("tier.expiring.v1", &expiring);
        assert_eq!(said, "2026-12-01T00:00:01Z  acme  anna  Gold is expiring: Gold ends soon.");
        let published = json!({ "shop": "acme", "program_version": 3, "replaces": 2,
                                "effective_at": "2027-01-01T00:00:00Z" });
        let said = line("program.published.v1", &published);
        assert_eq!(said, "2027-01-01T00:00:00Z  acme  -  version 3 of the program is published, instead of version 2");
    }

    #[test]
    fn what_steers_a_terminal_is_written_out_and_a_line_ends() {
        let name = "Göld\u{1b}[31m\nforged\u{202e}\u{9b}";
        let event = json!({ "shop": "acme", "member_id": "anna", "next": { "id": "gold", "name": name } });
        let said = line("tier.within_reach.v1", &event);
        assert_eq!(said, r"-  acme  anna  Göld\u{1b}[31m\nforged\u{202e}\u{9b} is within reach: -");
        let long = json!({ "summary": "é".repeat(5_000) });
        let said = line("tier.expiring.v1", &long);
        assert_eq!((said.chars().count(), said.ends_with('…')), (CHARS_MAX + 1, true));
    }
}
