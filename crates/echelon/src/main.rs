//! The `echelon` command.

mod command;
mod deployed;
mod error;
mod events;
mod input;
mod location;
mod output;
mod shop;
mod sink;
mod sorting;

use std::process::ExitCode;
use std::sync::{LazyLock, OnceLock};

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use engine::zones;
use local::now;
use rules::calendar::Zones;

use error::CommandError;
use output::say;

/// Tiers for shops: which tier each customer holds, why, until when, and what they need next.
#[derive(Debug, Parser)]
#[command(version = VERSION.as_str(), after_help = FIRST_STEPS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(command::demo::Args),
    Replay(command::replay::Args),
    Explain(command::explain::Args),
    Check(command::check::Args),
    Validate(command::validate::Args),
    Import(command::import::Args),
    Programs(command::programs::Args),
    Serve(command::serve::Args),
    Token(command::token::Args),
    Preview(command::preview::Args),
    Publish(command::publish::Args),
    Jobs(command::jobs::Args),
    Rollover(command::rollover::Args),
    Load(command::load::Args),
    Quarantine(command::quarantine::Args),
    Backup(command::backup::Args),
    Restore(command::backup::RestoreArgs),
    Verify(command::verify::Args),
    Canary(command::canary::Args),
    Rebuild(command::verify::RebuildArgs),
}

const FIRST_STEPS: &str = "\
Five nouns:
  program    the rules of a shop's tiers: what counts, over which time, and
             the tiers with their thresholds
  fact       something that happened: an order paid or refunded, points
             earned, tags set, a tier given by hand
  member     a customer, as the shop knows them
  tier       what a member can hold, such as Gold: what it takes and brings
  standing   what a member holds at an instant: the tier, since when, until
             when, and what is needed next

A first session:
  echelon demo
  echelon programs
  echelon programs smile-revenue-calendar-year > vip.json
  echelon validate vip.json
  echelon replay --program vip.json --events events.jsonl --as-of 2024-06-01
  echelon explain --program vip.json --events events.jsonl \\
                  --as-of 2024-06-01 --member anna

When rules change:
  echelon serve --demo
  echelon preview --program next.json
  echelon publish --program next.json --why 'gold at 750'
  echelon jobs

Which day it is follows from a release of the IANA time zone database, which
echelon --version names. ECHELON_TZDIR names a folder with a newer one.

Exit codes: 0 done; 1 findings (a case failed, a program has problems, lines
were skipped); 2 usage or input.";

/// The release of the time zone database in use, chosen once at the start.
static ZONES: OnceLock<Zones> = OnceLock::new();

/// The text of `--version`. It names the release of the time zone database, because standings depend on it.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let (own, zones) = (env!("CARGO_PKG_VERSION"), crate::zones().release());
    let from = environment(zones::TZDIR).map_or_else(|| "built in".to_owned(), |folder| format!("from {folder}"));
    format!("{own} (IANA time zones {zones}, {from})")
});

/// The release of the time zone database in use.
fn zones() -> &'static Zones {
    ZONES.get_or_init(Zones::built_in)
}

fn main() -> ExitCode {
    let found = zones::in_use(environment).map(|zones| ZONES.get_or_init(|| zones));
    let done = match (Cli::try_parse(), found) {
        // Help needs no zones. A version without them would be a different one.
        (Err(error), Err(_)) if error.kind() != ErrorKind::DisplayVersion => error.exit(),
        (_, Err(error)) => Err(CommandError::input(error.in_full())),
        (cli, Ok(_)) => run(cli.unwrap_or_else(|error| error.exit()).command),
    };
    let code = match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let CommandError::Input(_) = failure {
                say(&format!("error: {failure}"));
            }
            failure.exit_code()
        }
    };
    // The output of a running system goes through a thread, whose last lines are written here.
    if let Some(said) = local::lines::aside() {
        said.end();
    }
    code
}

fn run(command: Command) -> Result<(), CommandError> {
    match command {
        Command::Demo(args) => command::demo::run(&args),
        Command::Replay(args) => command::replay::run(&args),
        Command::Explain(args) => command::explain::run(&args),
        Command::Check(args) => command::check::run(&args),
        Command::Validate(args) => command::validate::run(&args, now()),
        Command::Import(args) => command::import::run(&args),
        Command::Programs(args) => command::programs::run(&args),
        Command::Serve(args) => command::serve::run(&args),
        Command::Token(args) => command::token::run(&args, now()),
        Command::Canary(args) => command::canary::run(&args, now()),
        Command::Preview(args) => command::preview::run(&args, now()),
        Command::Publish(args) => command::publish::run(&args, now()),
        Command::Jobs(args) => command::jobs::run(&args, now()),
        Command::Rollover(args) => command::rollover::run(&args, now()),
        Command::Load(args) => command::load::run(&args),
        Command::Quarantine(args) => command::quarantine::run(&args),
        Command::Backup(args) => command::backup::run(&args),
        Command::Restore(args) => command::backup::restore(&args),
        Command::Verify(args) => command::verify::run(&args),
        Command::Rebuild(args) => command::verify::rebuild(&args),
    }
}

/// Reads a variable of the environment. Only this function does so, apart from the variables that a command's help
/// names.
fn environment(name: &str) -> Option<String> {
    // A value that is not text is not ignored: as a path it leads nowhere, and the error names it.
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}
