//! `echelon demo`: the main job in one command, on a generated shop.

use std::path::PathBuf;

use demo::DemoError;
use indicatif::{ProgressBar, ProgressStyle};
use sample_shop::Setup;
use serde_json::json;

use crate::error::CommandError;
use crate::output::{Format, print_json, print_styled};

/// Plays three years of a made-up shop through the engine: its tiers, two January 1 requalifications, the effects of a
/// change of rules, and the reasons for one member's standing. Nothing to prepare.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Another seed makes another shop; the same seed the same shop, everywhere
    #[arg(long, value_name = "NUMBER", default_value_t = demo::FIRST.seed)]
    seed: u64,

    /// The number of customers that come to the shop over the three years
    #[arg(long, value_name = "COUNT", default_value_t = demo::FIRST.customers, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    customers: u32,

    /// A page for people, or one JSON object with the same numbers
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// Also writes the shop into a directory, as `program.json` and `events.jsonl`, for `replay` and `explain`
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

const AFTER: &str = "\
Examples:
  echelon demo
  echelon demo --seed 8 --customers 500
  echelon demo --write shop
  echelon demo --format json

Colours only on a terminal; NO_COLOR=1 turns them off.";

/// Runs the command.
///
/// # Errors
/// If the directory of `--write` cannot be written, or holds these files already; or if the output cannot be written.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let setup = Setup { seed: args.seed, customers: args.customers };
    let bar = progress();
    let report = demo::demonstrate(setup, crate::zones(), args.write.as_deref(), |day| bar.set_position(day));
    let report = report.map_err(|error| match error {
        DemoError::IsThere(_) | DemoError::Unwritten { .. } => CommandError::input(format!("--write: {error}")),
        DemoError::Shop(_) => CommandError::input(error),
    })?;
    bar.finish_and_clear();
    match args.format {
        Format::Text => print_styled(&demo::page(&report, args.write.as_deref())),
        Format::Json => print_json(&json!(report)),
    }
}

/// A progress bar on the standard error, shown only on a terminal.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new(demo::days());
    match ProgressStyle::with_template("  three years of a shop {bar:40} {percent:>3}%") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
