//! `echelon programs`: the ready-made programs, which are part of the command itself.

use rules::calendar::Span;
use rules::program::{Counted, Holds, Metric, Milestone, OnRefund, Period, Program};
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::output::{Format, print, print_json, table};

/// Lists the ready-made programs to start from, or prints one
///
/// Each works like a well-known loyalty system. Print the one that works like the shop's present system, adapt names,
/// thresholds and dates, and validate it.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The program to print
    #[arg(value_name = "NAME")]
    name: Option<String>,

    /// The list as a table, or as JSON; a program is always JSON
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

const AFTER: &str = "\
Examples:
  echelon programs
  echelon programs aitrillion-points-calendar-year > vip.json

Exit codes: 0 done; 2 there is no such program.";

macro_rules! ready {
    ($($name:literal),* $(,)?) => {
        /// The ready-made programs by name, as files.
        const READY: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../../infra/programs/", $name, ".json")))),*];
    };
}

ready![
    "aitrillion-points-365-days-from-last-upgrade",
    "aitrillion-points-calendar-year",
    "aitrillion-points-lifetime",
    "aitrillion-spend-365-days-from-last-upgrade",
    "aitrillion-spend-calendar-year",
    "aitrillion-spend-lifetime",
    "aitrillion-tags",
    "genstore-orders-since-start-date",
    "genstore-points-since-start-date",
    "genstore-spend-since-start-date",
    "smile-points-calendar-year",
    "smile-points-rolling-365-days",
    "smile-points-since-program-start",
    "smile-revenue-calendar-year",
    "smile-revenue-rolling-365-days",
    "smile-revenue-since-program-start",
];

/// Runs the command.
///
/// # Errors
/// If there is no program of this name.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let Some(name) = &args.name else { return list(args.format) };
    let wanted = name.strip_suffix(".json").unwrap_or(name);
    match READY.iter().find(|(name, _)| *name == wanted) {
        Some((_, file)) => print(file.trim_end()),
        None => Err(unknown(wanted)),
    }
}

fn unknown(wanted: &str) -> CommandError {
    let closest = READY.iter().map(|(name, _)| *name).min_by_key(|name| strsim::levenshtein(wanted, name));
    let hint = closest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
    CommandError::input(format!("`{wanted}` is not a ready program{hint} `echelon programs` lists them all"))
}

fn list(format: Format) -> Result<(), CommandError> {
    let described = READY.iter().map(|(name, file)| (*name, description(file)));
    match format {
        Format::Json => {
            let all: Vec<Value> =
                described.map(|(name, description)| json!({ "name": name, "description": description })).collect();
            print_json(&json!({ "programs": all }))
        }
        Format::Text => {
            let rows: Vec<_> = described.map(|(name, description)| vec![name.to_owned(), description]).collect();
            print(&table(&rows).join("\n"))
        }
    }
}

/// The description of a program, derived from the program itself so that it stays up to date.
fn description(file: &str) -> String {
    let value: Value = serde_json::from_str(file).unwrap_or_default();
    Program::read(&value, crate::zones()).map(|draft| words(&draft.program.milestone)).unwrap_or_default()
}

fn words(milestone: &Milestone) -> String {
    let Milestone::Counted(Counted { metric, period, on_refund, .. }) = milestone else {
        return "tiers by the customer's tags".to_owned();
    };
    let metric = match metric {
        Metric::PointsEarned => "points earned",
        Metric::AmountSpent => "money spent",
        Metric::OrdersPlaced => "orders placed",
    };
    let time = match period {
        Period::Lifetime => "since the start date".to_owned(),
        Period::CalendarYear { holds: Holds::RestAndNextYear, .. } => {
            "in a calendar year, for it and the next".to_owned()
        }
        Period::CalendarYear { holds: Holds::RestOfYear, .. } => "in a calendar year, for the rest of it".to_owned(),
        Period::MembershipYear { holds: Holds::RestAndNextYear } => {
            "in a membership year, for it and the next".to_owned()
        }
        Period::MembershipYear { holds: Holds::RestOfYear } => "in a membership year, for the rest of it".to_owned(),
        Period::SinceLastUpgrade(span) => format!("since the last upgrade, for {}", span_words(*span)),
        Period::Rolling(span) => format!("in the last {}, day by day", span_words(*span)),
    };
    // What a rolling window counts is always net of refunds (section 5 of the semantics).
    let refund = match (period, on_refund) {
        (Period::Rolling(_), _) | (_, OnRefund::Revoke) => "following refunds",
        (_, OnRefund::Keep) => "kept on a refund",
    };
    format!("{metric} {time}, {refund}")
}

fn span_words(span: Span) -> String {
    match span {
        Span::Days(days) => format!("{days} days"),
        Span::Months(months) => format!("{months} months"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_ready_program_is_in_the_command_and_has_a_description() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/programs");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let json = files.filter(|path| path.extension().is_some_and(|end| end == "json"));
        let found: BTreeSet<_> = json.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        assert_eq!(READY.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>(), found);
        for (name, file) in READY {
            assert!(!description(file).is_empty(), "{name}");
        }
    }

    #[test]
    fn of_the_ready_programs_of_smile_only_those_since_the_start_are_kept_on_a_refund() {
        for (name, file) in READY.iter().filter(|(name, _)| name.starts_with("smile-")) {
            let kept = name.ends_with("since-program-start");
            let says = if kept { ", kept on a refund" } else { ", following refunds" };
            assert!(description(file).ends_with(says), "{name}: {}", description(file));
        }
    }
}
