//! The `echelon` command.

mod failure;

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
enum Command {}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {}
}
