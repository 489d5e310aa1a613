//! `echelon rollover`: works on everything that is due, in this process.

use engine::sweep::Listed;
use local::sweeper::told;
use rules::calendar::Instant;
use serde_json::json;
use store::StoreError;
use store::records::State;

use super::publish::shop;
use crate::command::serve::runtime;
use crate::command::sweeping;
use crate::error::CommandError;
use crate::location::StoreLocation;
use crate::output::{Format, print, print_json, say};

/// Advances all members past everything that is due by now: January 1, every other midnight, a change of rules
///
/// A system that is served or deployed does this by itself. This command does it for a file at rest, continues
/// interrupted work, and is an additional worker for a deployed system.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    place: StoreLocation,

    /// Only this shop
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,

    /// A line for each job, or one JSON object
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

const AFTER: &str = "\
Examples:
  echelon rollover --data echelon.db
  echelon rollover --shop acme.myshopify.com \\
      --dynamodb https://dynamodb.eu-central-1.amazonaws.com \\
      --tables $MEMBERS_TABLE,$LEDGER_TABLE,$CONTROL_TABLE

Late, repeated or interrupted, it records the same: done again, it goes on where
it was, or has nothing to do. Behind an endpoint a job starts a minute and a
half after its instant, for others may still write what they began before it.

Exit codes: 0 everything due is done; 1 something is left, and it says why;
2 usage, or the store cannot be read or written.";

/// Runs the command.
///
/// # Errors
/// Findings if something is left; otherwise the error of the store.
pub fn run(args: &Args, now: Instant) -> Result<(), CommandError> {
    if args.place.is_nowhere() {
        return Err(CommandError::input("say which store: --data FILE, or --dynamodb URL"));
    }
    runtime()?.block_on(roll_over(args, now))
}

async fn roll_over(args: &Args, now: Instant) -> Result<(), CommandError> {
    let store = args.place.store().await?;
    let wrong = |error: StoreError| CommandError::input(format!("{}: {}", args.place.name(), error.detail()));
    let shops = match shop(args.shop.as_deref())? {
        Some(shop) => vec![shop],
        None => store.shops().await.map_err(wrong)?,
    };
    let sweep = args.place.sweep(&store);
    for shop in &shops {
        sweep.tick_shop(shop).await.map_err(wrong)?;
    }
    let jobs = sweeping::work(&store, &sweep, &shops).await.map_err(|error| {
        CommandError::input(format!(
            "{}: {}\n       the same again goes on where this was",
            args.place.name(),
            error.detail()
        ))
    })?;
    let done: Vec<Listed> = jobs
        .iter()
        .filter(|listed| listed.progress.job.ended_at >= Some(now) && listed.progress.job.state == State::Done)
        .cloned()
        .collect();
    let left: Vec<&Listed> = jobs.iter().filter(|listed| listed.progress.job.state.is_open()).collect();
    match args.format {
        Format::Json => print_json(&json!({ "done": done, "left": left }))?,
        Format::Text if done.is_empty() && left.is_empty() => print("Nothing is due.")?,
        Format::Text => {
            for Listed { shop, progress } in &done {
                print(&format!("{shop}  {}", told(progress)))?;
                for line in sweeping::moves(&progress.so_far) {
                    print(&line)?;
                }
            }
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    left.iter().for_each(|listed| say(&format!("{}  {}", listed.shop, why_left(listed))));
    Err(CommandError::Findings)
}

fn why_left(Listed { progress, .. }: &Listed) -> String {
    let (id, starts_at) = (progress.job.id, progress.job.starts_at);
    match progress.job.state {
        State::Paused => format!("{id} is paused: `echelon jobs resume {id}` lets it go on"),
        State::Running if starts_at > local::now() => {
            format!("{id} starts at {starts_at}, when all earlier writes have ended: try again then")
        }
        State::Running | State::Cancelled | State::Superseded | State::Done => {
            format!("{id} is not done: others work on it, or the database was busy; try again in a minute")
        }
    }
}
