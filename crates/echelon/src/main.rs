//! The `echelon` command.

mod failure;
mod import;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tiers for shops: which tier each customer holds, why, until when, and what they need next.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Turns orders of elsewhere into events: CSV of shops and invoicing, and Shopify's webhooks.
    ///
    /// Reads files and writes events for `echelon replay`, one JSON object per line. Every row is accounted for: it
    /// gave facts, was ignored, or was rejected with its line and the reason.
    Import(import::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Import(args) => import::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let failure::Failure::Input(_) = failure {
                eprintln!("error: {failure}");
            }
            failure.exit_code()
        }
    }
}
