//! The report of an import, which accounts for every row.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use super::columns::Header;
use super::exports::{Exported, FileExported};
use super::outcome::Why;
use super::warnings::{Warning, export_time_assumed, more_pages};

/// The maximum number of rejected rows that are shown in full; `--left-out` writes all of them.
const EXAMPLES_MAX: usize = 10;

/// The place of a row or document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceLocation {
    /// The line in its file, counted from 1.
    Line(u64),
    /// The position of the document in its file, counted from 1.
    Document(u64),
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Document(number) => write!(f, "document {number}"),
        }
    }
}

/// The rows read, by outcome. Each is counted once.
#[must_use]
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// What an operator must know before anything else.
    warnings: Vec<Warning>,
    read: u64,
    with_facts: u64,
    /// Orders that a later file replaced.
    #[serde(skip_serializing_if = "is_none")]
    replaced: u64,
    ignored: Reasons,
    rejected: Reasons,
    /// The facts written, by type. A row may give several.
    facts: BTreeMap<String, u64>,
    columns: Vec<Columns>,
    exports: Vec<FileExported>,
    examples: Vec<Value>,
    #[serde(skip)]
    pages: Pages,
}

/// The pages of orders that say whether more orders follow.
#[derive(Debug, Default)]
struct Pages {
    /// The files of those after which more orders follow.
    not_last: Vec<String>,
    is_last_read: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// The number of rows by the code of their reason.
#[derive(Debug, Default, Serialize)]
pub struct Reasons {
    total: u64,
    reasons: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct Columns {
    file: String,
    read: BTreeMap<&'static str, String>,
    not_read: Vec<String>,
}

impl Reasons {
    fn count(&mut self, why: &Why) {
        self.total += 1;
        match self.reasons.get_mut(&why.code) {
            Some(count) => *count += 1,
            None => drop(self.reasons.insert(why.code.clone(), 1)),
        }
    }
}

impl Pages {
    fn is_incomplete(&self) -> bool {
        !self.not_last.is_empty() && !self.is_last_read
    }
}

impl Report {
    /// Notes that a file with columns was opened.
    pub fn opened(&mut self, file: &str, header: &Header) {
        self.columns.push(Columns {
            file: file.to_owned(),
            read: header.used().map(|(field, column)| (field.name(), column.to_owned())).collect(),
            not_read: header.unused().map(str::to_owned).collect(),
        });
    }

    /// Notes when a table was exported, as far as it is known.
    pub fn exported(&mut self, file: &str, exported: Option<Exported>) {
        self.exports.extend(exported.map(|exported| FileExported::new(file, exported)));
    }

    /// Notes a page of orders, and whether more orders follow on another.
    pub fn page(&mut self, file: &str, has_next: bool) {
        let Pages { not_last, is_last_read } = &mut self.pages;
        *is_last_read |= !has_next;
        if has_next && not_last.last().is_none_or(|last| last != file) {
            not_last.push(file.to_owned());
        }
    }

    /// Warns of what is known once all files are read: the last page of the orders is missing, or the time of an export was
    /// not stated.
    pub fn all_read(&mut self) {
        if self.pages.is_incomplete() {
            self.warn([more_pages(self.pages.not_last.clone())]);
        }
        let assumed: Vec<_> = self.exports.iter().filter_map(FileExported::assumed).map(export_time_assumed).collect();
        self.warn(assumed);
    }

    /// Puts warnings before all others.
    pub fn warn_first(&mut self, warnings: Vec<Warning>) {
        self.warnings.splice(..0, warnings);
    }

    /// Adds warnings, which lead the report. Files about which the same is to be said share one.
    pub fn warn(&mut self, warnings: impl IntoIterator<Item = Warning>) {
        for warning in warnings {
            let left = self.warnings.iter_mut().try_fold(warning, |warning, known| known.merge(warning));
            self.warnings.extend(left);
        }
    }

    /// Notes the number of orders that a later file replaced.
    pub fn replaced(&mut self, orders: u64) {
        self.replaced = orders;
    }

    /// Notes that a row gave facts.
    pub fn gave(&mut self, facts: &[Value]) {
        self.read += 1;
        self.with_facts += 1;
        for fact in facts {
            let kind = fact.get("type").and_then(Value::as_str).unwrap_or_default();
            match self.facts.get_mut(kind) {
                Some(count) => *count += 1,
                None => drop(self.facts.insert(kind.to_owned(), 1)),
            }
        }
    }

    /// Notes that a row was ignored; returns the line about it.
    pub fn ignored(&mut self, file: &str, place: SourceLocation, why: &Why) -> Value {
        self.read += 1;
        self.ignored.count(why);
        left_out("ignored", file, place, why)
    }

    /// Notes that a row was rejected; returns the line about it.
    pub fn rejected(&mut self, file: &str, place: SourceLocation, why: &Why) -> Value {
        self.read += 1;
        self.rejected.count(why);
        let line = left_out("rejected", file, place, why);
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(line.clone());
        }
        line
    }

    /// Whether an operator should look at the report.
    pub fn has_findings(&self) -> bool {
        self.rejected.total > 0 || self.pages.is_incomplete()
    }

    /// The report as one JSON object.
    pub fn to_json(&self) -> String {
        format!("{:#}\n", json!(self))
    }
}

fn left_out(outcome: &str, file: &str, place: SourceLocation, why: &Why) -> Value {
    let (counted, number) = match place {
        SourceLocation::Line(number) => ("line", number),
        SourceLocation::Document(number) => ("document", number),
    };
    json!({"outcome": outcome, "file": file, (counted): number, "reason": why.code, "message": why.text})
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            warnings,
            read,
            with_facts,
            replaced,
            ignored,
            rejected,
            facts,
            columns,
            exports,
            examples,
            pages: _,
        } = self;
        for warning in warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for Columns { file, read, not_read } in columns {
            let read: Vec<_> = read.iter().map(|(field, column)| format!("{field} from `{column}`")).collect();
            write!(f, "{file}: {}", read.join(", "))?;
            let not_read: Vec<_> = not_read.iter().map(|column| format!("`{column}`")).collect();
            if not_read.is_empty() { writeln!(f)? } else { writeln!(f, "; not read: {}", not_read.join(", "))? }
        }
        for exported in exports {
            writeln!(f, "{exported}")?;
        }
        for example in examples {
            let text = |key: &str| example.get(key).and_then(Value::as_str).unwrap_or_default();
            let number = |key: &str| example.get(key).and_then(Value::as_u64);
            let place = number("line").map(SourceLocation::Line).or(number("document").map(SourceLocation::Document));
            let place = place.map_or(String::new(), |place| format!(" {place}"));
            writeln!(f, "{}{place}: {}: {}", text("file"), text("reason"), text("message"))?;
        }
        let more = rejected.total.saturating_sub(examples.len() as u64);
        if more > 0 {
            writeln!(f, "and {more} more rejected; --left-out FILE lists every one")?;
        }
        writeln!(f, "{read:>10} rows read")?;
        writeln!(f, "{with_facts:>10} gave facts{}", list(facts))?;
        if *replaced > 0 {
            writeln!(f, "{replaced:>10} orders replaced by a later file")?;
        }
        writeln!(f, "{:>10} ignored{}", ignored.total, list(&ignored.reasons))?;
        writeln!(f, "{:>10} rejected{}", rejected.total, list(&rejected.reasons))
    }
}

fn list(counts: &BTreeMap<String, u64>) -> String {
    let each: Vec<_> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if each.is_empty() { String::new() } else { format!(": {}", each.join(", ")) }
}
