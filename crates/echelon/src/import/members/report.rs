//! The report of an import of members, which accounts for every row.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use super::columns::Header;
use super::{LeftOut, NamedBy, Taken};
use crate::import::exports::{Exported, FileExported};
use crate::import::warnings::{Warning, export_time_assumed};

/// The maximum number of rows with a problem that are shown in full; `--left-out` writes all of them.
const EXAMPLES_MAX: usize = 10;

/// The columns of the list of rows that gave no facts.
const LIST_COLUMNS: [&str; 7] = ["outcome", "file", "line", "column", "reason", "message", "remedy"];

/// The rows read, by outcome. Each is counted once.
#[must_use]
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// What an operator must know before anything else.
    warnings: Vec<Warning>,
    dry_run: bool,
    read: u64,
    with_facts: u64,
    ignored: Reasons,
    rejected: Reasons,
    /// The facts, by type. A row may give several.
    facts: BTreeMap<String, u64>,
    /// The members who are named by their e-mail address.
    by_email: u64,
    columns: Vec<Columns>,
    exports: Vec<FileExported>,
    examples: Vec<RowLeftOut>,
}

/// The number of rows by the code of their reason.
#[derive(Debug, Default, Serialize)]
struct Reasons {
    total: u64,
    reasons: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Columns {
    file: String,
    read: BTreeMap<&'static str, String>,
    not_read: Vec<String>,
}

/// A row that gave no facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowLeftOut {
    outcome: &'static str,
    file: String,
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<String>,
    reason: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl RowLeftOut {
    /// The row as a line of JSON.
    pub fn to_json(&self) -> Value {
        json!(self)
    }

    /// The header of the list as CSV.
    pub fn csv_header() -> String {
        format!("{}\n", LIST_COLUMNS.join(","))
    }

    /// The row as a line of CSV.
    pub fn to_csv(&self) -> String {
        let Self { outcome, file, line, column, reason, message, remedy } = self;
        let line = line.to_string();
        let none = String::new();
        let cells = [
            outcome,
            file.as_str(),
            &line,
            column.as_ref().unwrap_or(&none),
            reason,
            message,
            remedy.as_ref().unwrap_or(&none),
        ];
        let quoted = cells.map(|cell| {
            if cell.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.to_owned()
            }
        });
        format!("{}\n", quoted.join(","))
    }
}

impl Report {
    /// A report of a run that writes the facts, or of a dry run.
    pub fn new(dry_run: bool) -> Self {
        Self { dry_run, ..Self::default() }
    }

    /// Notes that a file was opened.
    pub fn opened(&mut self, file: &str, header: &Header) {
        self.columns.push(Columns {
            file: file.to_owned(),
            read: header.used().map(|(field, column)| (field.name(), column.to_owned())).collect(),
            not_read: header.unused().map(str::to_owned).collect(),
        });
    }

    /// Notes when a file was exported.
    pub fn exported(&mut self, file: &str, exported: Exported) {
        let exported = FileExported::new(file, exported);
        if let Some(warning) = exported.assumed().map(export_time_assumed) {
            let left = self.warnings.iter_mut().try_fold(warning, |warning, known| known.merge(warning));
            self.warnings.extend(left);
        }
        self.exports.push(exported);
    }

    /// Notes that a row gave facts; these are their JSON forms.
    pub fn gave(&mut self, taken: &Taken, facts: &[Value]) {
        self.read += 1;
        self.with_facts += 1;
        self.by_email += u64::from(taken.by == NamedBy::Email);
        for fact in facts {
            let kind = fact.get("type").and_then(Value::as_str).unwrap_or_default();
            *self.facts.entry(kind.to_owned()).or_default() += 1;
        }
    }

    /// Notes that a row gave no facts; returns the entry about it.
    pub fn left_out(&mut self, file: &str, line: u64, why: &LeftOut) -> RowLeftOut {
        self.read += 1;
        let file = file.to_owned();
        let (reasons, row) = match why {
            LeftOut::Ignored(why) => {
                let (reason, message) = (why.code(), why.to_string());
                let row = RowLeftOut { outcome: "ignored", file, line, column: None, reason, message, remedy: None };
                (&mut self.ignored, row)
            }
            LeftOut::Refused(why) => {
                let (reason, message, remedy) = (why.code(), why.to_string(), Some(why.remedy()));
                let column = why.column().map(str::to_owned);
                let row = RowLeftOut { outcome: "rejected", file, line, column, reason, message, remedy };
                if self.examples.len() < EXAMPLES_MAX {
                    self.examples.push(row.clone());
                }
                (&mut self.rejected, row)
            }
        };
        reasons.total += 1;
        *reasons.reasons.entry(row.reason).or_default() += 1;
        row
    }

    /// Whether an operator should look at the report.
    pub fn has_findings(&self) -> bool {
        self.rejected.total > 0
    }

    /// The report as one JSON object.
    pub fn to_json(&self) -> String {
        format!("{:#}\n", json!(self))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            warnings,
            dry_run,
            read,
            with_facts,
            ignored,
            rejected,
            facts,
            by_email,
            columns,
            exports,
            examples,
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
        for RowLeftOut { outcome: _, file, line, column, reason, message, remedy } in examples {
            let column = column.as_ref().map_or(String::new(), |column| format!("column `{column}`: "));
            let remedy = remedy.as_ref().map_or(String::new(), |remedy| format!("; {remedy}"));
            writeln!(f, "{file} line {line}: {reason}: {column}{message}{remedy}")?;
        }
        let more = rejected.total.saturating_sub(examples.len() as u64);
        if more > 0 {
            writeln!(f, "and {more} more rejected; --left-out FILE lists every one")?;
        }
        writeln!(f, "{read:>10} rows read")?;
        writeln!(f, "{with_facts:>10} gave facts{}", list(facts))?;
        writeln!(f, "{:>10} ignored{}", ignored.total, list(&ignored.reasons))?;
        writeln!(f, "{:>10} rejected{}", rejected.total, list(&rejected.reasons))?;
        if *by_email > 0 {
            writeln!(
                f,
                "{by_email:>10} members are named by their e-mail address. Shopify's webhooks name the customer's number: give \
                 the customers export with --customers customers_export.csv, or each of them becomes two members"
            )?;
        }
        if *dry_run { writeln!(f, "dry run: no facts were written") } else { Ok(()) }
    }
}

fn list<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let each: Vec<_> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if each.is_empty() { String::new() } else { format!(": {}", each.join(", ")) }
}
