//! Sentence forms such as `MEMBER earns NUMBER points`, and matching a line with one.
//!
//! A word in capitals is a slot, `[…]` and `(s)` are optional, everything else is literal. Details follow a sentence in
//! brackets, as in `(order o1, tax 8.00)`; each has a small form of its own.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::moment;

/// The causes of section 7, in the words of a scenario.
const CAUSES: [&str; 7] =
    ["activity", "refund", "period end", "program changed", "assigned", "imported", "tags changed"];

/// A known form of a sentence.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// The sentence with its slots in capitals.
    pub pattern: &'static str,
    /// The details that may follow in brackets, besides those that every event may have.
    pub details: &'static [&'static str],
}

/// The content of a line: the text of each slot and of each detail.
#[derive(Debug, Clone, Default)]
pub struct Said {
    text: String,
    slots: BTreeMap<&'static str, String>,
    details: BTreeMap<&'static str, String>,
}

impl Said {
    /// The text of a slot; empty if the form has no such slot.
    pub fn slot(&self, name: &str) -> &str {
        self.maybe(name).unwrap_or_default()
    }

    /// The text of an optional slot.
    pub fn maybe(&self, name: &str) -> Option<&str> {
        self.slots.get(name).map(String::as_str)
    }

    /// The text after the first word of a detail, or the word itself if the detail has only one.
    pub fn detail(&self, word: &str) -> Option<&str> {
        self.details.get(word).map(String::as_str)
    }

    /// Whether the sentence contains these words.
    pub fn says(&self, words: &str) -> bool {
        self.text.contains(words)
    }

    /// The items of a slot with a list.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.slot(name).split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
    }

    /// The tiers that the sentence names, for checking that the program has them.
    pub fn tiers(&self) -> Vec<&str> {
        let names = ["TIER", "FROM", "LATER", "TIERS"];
        names.iter().flat_map(|name| self.list(name)).collect()
    }
}

impl Form {
    /// The content of `text` in this form; none if it does not match.
    pub fn read(&self, text: &str) -> Option<Said> {
        let slots = matched(self.pattern, text)?;
        Some(Said { text: text.to_owned(), slots, details: BTreeMap::new() })
    }

    /// Adds the details in the brackets.
    ///
    /// # Errors
    /// A detail is not known here, with the known ones, or comes twice.
    pub fn read_details(&self, said: &mut Said, details: &str, common: &[&'static str]) -> Result<(), String> {
        for detail in details.split(',').map(str::trim) {
            let known = || self.details.iter().chain(common);
            let found = known().find_map(|pattern| Some((*pattern, matched(pattern, detail)?)));
            let Some((pattern, slots)) = found else {
                let known: Vec<_> = known().map(|form| format!("`{form}`")).collect();
                let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
                return Err(format!("`{detail}` is no detail of `{}`; in brackets may stand {known}", self.pattern));
            };
            let word = pattern.split(' ').next().unwrap_or_default();
            let text = slots.into_values().next().unwrap_or_else(|| word.to_owned());
            if said.details.insert(word, text).is_some() {
                return Err(format!("`{word}` stands twice in the brackets"));
            }
        }
        Ok(())
    }
}

/// Splits a sentence from its details in brackets.
///
/// # Errors
/// A bracket is not closed at the end.
pub fn split_details(text: &str) -> Result<(&str, Option<&str>), String> {
    match text.split_once('(') {
        None => Ok((text.trim(), None)),
        Some((sentence, rest)) => match rest.trim().strip_suffix(')') {
            Some(details) if !details.contains(['(', ')']) => Ok((sentence.trim(), Some(details))),
            _ => Err("the bracket must close at the end of the sentence".to_owned()),
        },
    }
}

type Slots = BTreeMap<&'static str, String>;

fn matched(pattern: &'static str, text: &str) -> Option<Slots> {
    let parts: Vec<_> = pattern.split(' ').collect();
    let words: Vec<_> = text.split_whitespace().collect();
    step(&parts, &words, Slots::new())
}

/// Matches the rest of a pattern with the rest of a sentence. An optional part is tried first, then left out.
fn step(parts: &[&'static str], words: &[&str], slots: Slots) -> Option<Slots> {
    let Some((part, later)) = parts.split_first() else {
        return words.is_empty().then_some(slots);
    };
    if let Some(first) = part.strip_prefix('[') {
        let end = parts.iter().position(|part| part.ends_with(']'))?;
        let (optional, later) = (&parts[..=end], &parts[end + 1..]);
        let with: Vec<_> = std::iter::once(first).chain(optional[1..].iter().copied()).collect();
        let with: Vec<_> = with.iter().map(|part| part.trim_end_matches(']')).chain(later.iter().copied()).collect();
        return step(&with, words, slots.clone()).or_else(|| step(later, words, slots));
    }
    if !part.chars().all(|letter| letter.is_ascii_uppercase()) {
        let (word, rest) = words.split_first()?;
        // Singular and plural are both accepted: one announcement, two announcements.
        let same = match part.strip_suffix("(s)") {
            Some(one) => word.strip_suffix('s').unwrap_or(word) == one,
            None => word == part,
        };
        return if same { step(later, rest, slots) } else { None };
    }
    for length in (1..=words.len()).rev() {
        let (taken, rest) = words.split_at(length);
        let text = taken.join(" ");
        if fits(part, &text) {
            let mut slots = slots.clone();
            slots.insert(part, text);
            if let Some(slots) = step(later, rest, slots) {
                return Some(slots);
            }
        }
    }
    None
}

fn fits(slot: &str, text: &str) -> bool {
    match slot {
        "NUMBER" => text.parse::<i64>().is_ok(),
        "AMOUNT" => text.parse::<Decimal>().is_ok(),
        "DAY" => moment::day(text).is_some(),
        "WHEN" | "SINCE" => moment::utc(text).is_some() || moment::Moment::read(text).is_some(),
        "BIRTHDAY" => moment::day(&format!("2024-{text}")).is_some(),
        "CURRENCY" => text.len() == 3 && text.chars().all(|letter| letter.is_ascii_uppercase()),
        "CAUSE" => CAUSES.contains(&text),
        "TAGS" | "TIERS" => !text.is_empty(),
        _ => text.chars().all(|letter| letter.is_alphanumeric() || "-_.#".contains(letter)),
    }
}

/// Forms as lines of text, as in the README.
pub fn shown<'a>(forms: impl IntoIterator<Item = &'a Form>) -> String {
    forms.into_iter().map(|form| format!("  {}\n", shown_form(form))).collect()
}

/// One form, as in the README.
pub fn shown_form(form: &Form) -> String {
    match form.details {
        [] => form.pattern.to_owned(),
        details => format!("{} ({})", form.pattern, details.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: Form = Form { pattern: "MEMBER is TIER [since SINCE] [until DAY] [and LATER after]", details: &[] };

    #[test]
    fn an_optional_part_may_be_written_or_left_out() {
        let said = HELD.read("anna is gold").unwrap();
        assert_eq!((said.slot("MEMBER"), said.slot("TIER"), said.maybe("DAY")), ("anna", "gold", None));
        let said = HELD.read("anna is gold since 2023-11-05 10:00 until 2024-12-31 and silver after").unwrap();
        assert_eq!(
            (said.slot("SINCE"), said.slot("DAY"), said.slot("LATER")),
            ("2023-11-05 10:00", "2024-12-31", "silver")
        );
        assert!(HELD.read("anna is gold until christmas").is_none());
        assert!(HELD.read("anna is").is_none());
    }

    #[test]
    fn the_error_of_an_unknown_detail_names_the_known_ones() {
        let form = Form { pattern: "MEMBER spends AMOUNT", details: &["order ORDER", "test"] };
        let mut said = form.read("anna spends 12.50").unwrap();
        form.read_details(&mut said, "order o1, test", &[]).unwrap();
        assert_eq!((said.detail("order"), said.detail("test"), said.detail("tax")), (Some("o1"), Some("test"), None));
        let error = form.read_details(&mut said, "colour red", &["imported"]).unwrap_err();
        assert!(error.ends_with("in brackets may stand `order ORDER`, `test`, `imported`"), "{error}");
        assert!(form.read_details(&mut said, "test", &[]).unwrap_err().contains("twice"));
    }

    #[test]
    fn a_bracket_closes_at_the_end() {
        assert_eq!(split_details("anna enrols (birthday 02-29)").unwrap(), ("anna enrols", Some("birthday 02-29")));
        assert!(split_details("anna enrols (birthday 02-29").is_err());
        assert!(split_details("anna (or ben) enrols").is_err());
    }
}
