//! Reading JSON such that every problem is found at once, each with its path.

#![expect(clippy::wildcard_enum_match_arm, reason = "`serde_json::Value` is not ours, and JSON gets no new kinds")]

mod repeated;

pub use repeated::repeated;

use std::cell::RefCell;
use std::fmt;

use chrono::{Datelike, NaiveDate};
use serde_json::{Map, Value};

use crate::calendar::Instant;
use crate::id::IdError;
use crate::quantity::{Amount, NumberError};

/// A problem in a document, and its place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The JSON path, such as `$.tiers[1].threshold`.
    pub path: String,
    /// The problem, and what to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// All problems of a document; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems, in the order of the document's fields.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// A document with one problem.
    pub(crate) fn one(path: &str, message: impl Into<String>) -> Self {
        Self(vec![Problem { path: path.to_owned(), message: message.into() }])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The longest text in a program, in characters.
const TEXT_MAX: usize = 1_000;

/// Whether a text has characters that affect how it is shown: control characters steer a terminal, and others change
/// the direction of the text beside them.
pub fn steers(text: &str) -> bool {
    text.chars().any(|it| it.is_control() || matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

/// Refuses texts that are not fit to be shown, in a document that is about to be published. Documents published before
/// are read as they are.
///
/// # Errors
/// Names each place.
pub fn check_texts(document: &Value, path: &str) -> Result<(), Problems> {
    let mut found = Vec::new();
    collect_texts(document, path, &mut found);
    if found.is_empty() { Ok(()) } else { Err(Problems(found)) }
}

fn collect_texts(value: &Value, path: &str, found: &mut Vec<Problem>) {
    match value {
        Value::String(text) => {
            let message = if steers(text) {
                "has characters that steer what it is shown on: leave control characters and line breaks out"
            } else if text.chars().count() > TEXT_MAX {
                "has more than 1,000 characters"
            } else {
                return;
            };
            found.push(Problem { path: path.to_owned(), message: message.to_owned() });
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(place, item)| collect_texts(item, &format!("{path}[{place}]"), found));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, field)| collect_texts(field, &format!("{path}.{name}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The problems collected while a document is read.
#[derive(Debug, Default)]
pub(crate) struct Notes(RefCell<Vec<Problem>>);

impl Notes {
    pub(crate) fn add(&self, path: &str, message: impl Into<String>) {
        self.0.borrow_mut().push(Problem { path: path.to_owned(), message: message.into() });
    }

    /// The document, if it was read without problems.
    pub(crate) fn settle<T>(self, read: Option<T>) -> Result<T, Problems> {
        let problems = self.0.into_inner();
        match read {
            Some(read) if problems.is_empty() => Ok(read),
            _ if problems.is_empty() => Err(Problems::one("$", "could not be read")),
            _ => Err(Problems(problems)),
        }
    }
}

/// A value with its path.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    pub(crate) value: &'a Value,
    pub(crate) path: String,
    notes: &'a Notes,
}

impl<'a> Node<'a> {
    pub(crate) fn root(value: &'a Value, notes: &'a Notes) -> Self {
        Self { value, path: "$".to_owned(), notes }
    }

    /// This node with a field's path, for a problem with a field that is missing or misplaced.
    pub(crate) fn at(&self, key: &str) -> Self {
        Self { path: format!("{}.{key}", self.path), ..self.clone() }
    }

    /// Notes a problem here.
    pub(crate) fn problem<T>(&self, message: impl Into<String>) -> Option<T> {
        self.notes.add(&self.path, message);
        None
    }

    /// Reads a document within the document, and notes its problems with their paths in this one.
    pub(crate) fn nested<T>(&self, read: impl FnOnce(&Value) -> Result<T, Problems>) -> Option<T> {
        read(self.value)
            .map_err(|problems| {
                for problem in problems.0 {
                    let path = problem.path.strip_prefix('$').unwrap_or(&problem.path);
                    self.notes.add(&format!("{}{path}", self.path), problem.message);
                }
            })
            .ok()
    }

    fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        }
    }

    pub(crate) fn object(&self) -> Option<Object<'a>> {
        match self.value {
            Value::Object(fields) => Some(Object { fields, node: self.clone(), known: RefCell::default() }),
            _ => self.problem(format!("must be an object, not {}", self.kind())),
        }
    }

    pub(crate) fn list(&self) -> Option<Vec<Node<'a>>> {
        match self.value {
            Value::Array(items) => {
                let node = |(index, value)| Node { value, path: format!("{}[{index}]", self.path), notes: self.notes };
                Some(items.iter().enumerate().map(node).collect())
            }
            _ => self.problem(format!("must be a list, not {}", self.kind())),
        }
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        match self.value {
            Value::String(text) => Some(text),
            _ => self.problem(format!("must be a text, not {}", self.kind())),
        }
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(*value),
            _ => self.problem(format!("must be true or false, not {}", self.kind())),
        }
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Some(*value),
            None => {
                let known: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
                self.problem(format!("`{text}` is not known; write one of {}", known.join(", ")))
            }
        }
    }

    pub(crate) fn id<T>(&self, new: impl FnOnce(&str) -> Result<T, IdError>) -> Option<T> {
        let number;
        let text = match self.value {
            Value::Number(n) if n.is_u64() => {
                number = n.to_string();
                &number
            }
            _ => self.text()?,
        };
        new(text).map_or_else(|error| self.problem(error.to_string()), Some)
    }

    pub(crate) fn instant(&self) -> Option<Instant> {
        Instant::parse(self.text()?).map_or_else(|error| self.problem(error.to_string()), Some)
    }

    /// A date in the format of section 3, in the years 0001 to 9999: in every zone its midnight is an instant that can
    /// be written.
    pub(crate) fn date(&self) -> Option<NaiveDate> {
        let text = self.text()?;
        match text.parse::<NaiveDate>() {
            Ok(date) if date.to_string() == text && (1..=9999).contains(&date.year()) => Some(date),
            _ => self.problem(format!("`{text}` is not a date such as \"2024-05-01\"")),
        }
    }

    /// A number written as text or as an integer, never as a float (section 3).
    pub(crate) fn decimal<T>(&self, parse: impl FnOnce(&str) -> Result<T, NumberError>) -> Option<T> {
        let number;
        let text = match self.value {
            Value::Number(n) if n.is_u64() || n.is_i64() => {
                number = n.to_string();
                &number
            }
            Value::Number(n) if n.to_string().contains('e') => {
                return self.problem(format!("{n} is out of range; write plain digits, as a text"));
            }
            Value::Number(n) => {
                return self.problem(format!("{n} must be written as a text, \"{n}\", so that no digit is lost"));
            }
            _ => self.text()?,
        };
        parse(text).map_or_else(|error| self.problem(error.to_string()), Some)
    }

    pub(crate) fn amount(&self) -> Option<Amount> {
        self.decimal(Amount::parse)
    }

    /// A whole number in a range, written as an integer or as text.
    pub(crate) fn integer(&self, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let parsed = match self.value {
            Value::Number(n) => n.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        match parsed {
            Some(number) if range.contains(&number) => Some(number),
            _ => self.problem(format!("must be a whole number from {} to {}", range.start(), range.end())),
        }
    }
}

/// An object whose fields are taken one by one; a field that the reader never took is a problem.
pub(crate) struct Object<'a> {
    fields: &'a Map<String, Value>,
    pub(crate) node: Node<'a>,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Object<'a> {
    /// The field, unless it is absent or null.
    pub(crate) fn get(&self, key: &'static str) -> Option<Node<'a>> {
        self.known.borrow_mut().push(key);
        let value = self.fields.get(key).filter(|value| !value.is_null())?;
        Some(Node { value, path: format!("{}.{key}", self.node.path), notes: self.node.notes })
    }

    /// The field, which must be there.
    pub(crate) fn need(&self, key: &'static str) -> Option<Node<'a>> {
        let found = self.get(key);
        if found.is_none() {
            self.node.notes.add(&format!("{}.{key}", self.node.path), "is missing");
        }
        found
    }

    /// A required field that may be null, where null has a meaning. The outer option is none if the field is wrong or missing.
    pub(crate) fn nullable<T>(
        &self,
        key: &'static str,
        null: &str,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        if !self.fields.contains_key(key) {
            return self.node.at(key).problem(format!("is missing; write null for {null}"));
        }
        self.maybe(key, read)
    }

    /// The field, or a default if it is absent; none if it is wrong.
    pub(crate) fn or<T>(&self, key: &'static str, default: T, read: impl FnOnce(&Node<'a>) -> Option<T>) -> Option<T> {
        self.get(key).map_or(Some(default), |node| read(&node))
    }

    /// The field, if it is there. The outer option is none if the field is wrong.
    pub(crate) fn maybe<T>(&self, key: &'static str, read: impl FnOnce(&Node<'a>) -> Option<T>) -> Option<Option<T>> {
        self.get(key).map_or(Some(None), |node| read(&node).map(Some))
    }

    /// Notes every field that the reader never took.
    pub(crate) fn finish(self) {
        let known = self.known.into_inner();
        for key in self.fields.keys().filter(|key| !known.contains(&key.as_str())) {
            let path = format!("{}.{key}", self.node.path);
            self.node.notes.add(&path, format!("is not known here; the fields are {}", known.join(", ")));
        }
    }
}
