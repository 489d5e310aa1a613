//! `echelon jobs`: the jobs that advance all members past a midnight or a change of rules, their progress and their
//! results.

use clap::Subcommand;
use engine::sweep::{Listed, Order, Progress, latest};
use rules::calendar::Instant;
use serde::Deserialize;
use serde_json::json;
use store::key::Spread;
use store::records::{Job, JobId, State, Tally};
use store::shop::ShopId;
use store::{Store, StoreError};

use super::publish::shop;
use crate::command::serve::runtime;
use crate::command::sweeping::moves;
use crate::command::system::{System, of_shop, shop_of};
use crate::error::CommandError;
use crate::output::{Format, print, print_json, table};

/// Shows the jobs that advance all members past a midnight or a change of rules; pauses, resumes or cancels one
///
/// Jobs open themselves in a system that is served or deployed. The program stays available meanwhile: every answer is
/// right at any time. A job records and announces what has changed.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER, args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    act: Option<Act>,

    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Lists the latest jobs
    List(List),
    /// Shows everything about a job, and how many members moved from which tier to which
    Show(One),
    /// Pauses a job after the pages that are under way
    Pause(One),
    /// Resumes a paused job
    Resume(One),
    /// Cancels a job: members pass the boundary with their next event, or with the next job
    Cancel(One),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    system: System,

    /// Only this shop
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,

    /// A table, or one JSON object
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, clap::Args)]
struct One {
    /// The job, as `list` names it
    #[arg(value_name = "JOB")]
    job: JobId,

    #[command(flatten)]
    list: List,
}

const AFTER: &str = "\
Examples:
  echelon jobs                                               of `echelon serve`
  echelon jobs list --data echelon.db --format json
  echelon jobs show  2027-01-01T00:00:00.000Z-rollover
  echelon jobs pause 2027-01-01T00:00:00.000Z-rollover

A file is open in one process at a time: while it is served, ask the server.
What is resumed in a file goes on with `echelon rollover` or when it is served,
in a deployed system within a quarter of an hour.

Exit codes: 0 done; 2 usage, there is no such job, or the system cannot be
asked.";

/// Runs the command.
///
/// # Errors
/// If there is no such job, or the system cannot be asked.
pub fn run(args: &Args, now: Instant) -> Result<(), CommandError> {
    let runtime = runtime()?;
    match &args.act {
        None => runtime.block_on(list(&args.list, now)),
        Some(Act::List(args)) => runtime.block_on(list(args, now)),
        Some(Act::Show(one)) => runtime.block_on(show(one, None, now)),
        Some(Act::Pause(one)) => runtime.block_on(show(one, Some(Order::Pause), now)),
        Some(Act::Resume(one)) => runtime.block_on(show(one, Some(Order::Resume), now)),
        Some(Act::Cancel(one)) => runtime.block_on(show(one, Some(Order::Cancel), now)),
    }
}

#[derive(Deserialize)]
struct All {
    jobs: Vec<Listed>,
}

async fn list(args: &List, now: Instant) -> Result<(), CommandError> {
    let shop = shop(args.shop.as_deref())?;
    let jobs = if args.system.is_served() {
        let All { jobs } = args.system.get(&of_shop("/v1/jobs", shop.as_ref())).await?;
        jobs
    } else {
        let store = args.system.place.store().await?;
        stored(&store, shop, now).await.map_err(CommandError::input)?
    };
    match args.format {
        Format::Json => print_json(&json!({ "jobs": jobs })),
        Format::Text if jobs.is_empty() => print("There is no job yet."),
        Format::Text => print(&overview(&jobs)),
    }
}

async fn stored(store: &Store, shop: Option<ShopId>, now: Instant) -> Result<Vec<Listed>, StoreError> {
    let shops = match shop {
        Some(shop) => vec![shop],
        None => store.shops().await?,
    };
    let mut jobs = Vec::new();
    for shop in shops {
        jobs.extend(latest(store, &shop, now).await?);
    }
    Ok(jobs)
}

/// The list of jobs, one line for each.
fn overview(jobs: &[Listed]) -> String {
    let head =
        ["SHOP", "JOB", "STATE", "DONE", "MEMBERS", "ENTERED", "UPGRADED", "RETAINED", "DOWNGRADED", "LEFT", "WHEN"];
    let row = |Listed { shop, progress }: &Listed| {
        let Progress { job, so_far, parts_done, ends_at: _ } = progress;
        let Tally { members, entered, upgraded, retained, downgraded, left, .. } = so_far;
        let mut row = vec![shop.to_string(), job.id.to_string(), job.state.word().to_owned(), share(*parts_done)];
        row.extend([members, entered, upgraded, retained, downgraded, left].map(u64::to_string));
        row.push(when(progress));
        row
    };
    table(&std::iter::once(head.map(str::to_owned).to_vec()).chain(jobs.iter().map(row)).collect::<Vec<_>>()).join("\n")
}

fn share(parts_done: u16) -> String {
    format!("{} %", u32::from(parts_done) * 100 / u32::from(Spread::DEPLOYED.buckets()))
}

fn when(progress: &Progress) -> String {
    let Job { starts_at, ended_at, state, .. } = &progress.job;
    match (ended_at, progress.ends_at, state) {
        (Some(ended), _, _) => format!("ended {ended}"),
        (None, Some(ends), _) => format!("ends about {ends}"),
        (None, None, State::Running) => format!("starts {starts_at}"),
        (None, None, State::Paused | State::Cancelled | State::Superseded | State::Done) => "-".to_owned(),
    }
}

/// Carries out an order to a job, if one is given, and shows the job.
async fn show(One { job, list: args }: &One, order: Option<Order>, now: Instant) -> Result<(), CommandError> {
    let named = shop(args.shop.as_deref())?;
    let listed = if args.system.is_served() {
        match order.map(word) {
            None => args.system.get(&of_shop(&format!("/v1/jobs/{job}"), named.as_ref())).await?,
            Some(word) => {
                args.system.post(&of_shop(&format!("/v1/jobs/{job}/{word}"), named.as_ref()), &json!({})).await?
            }
        }
    } else {
        let store = args.system.place.store().await?;
        let shop = shop_of(&store, named.as_ref()).await?;
        let unknown = || CommandError::input(format!("shop `{shop}` has no job `{job}`; `echelon jobs` lists them"));
        if let Some(order) = order {
            let sweep = args.system.place.sweep(&store);
            sweep.order(&shop, job, order).await.map_err(CommandError::input)?.ok_or_else(unknown)?;
        }
        let progress = engine::sweep::progress(&store, &shop, job, now).await.map_err(CommandError::input)?;
        let progress = progress.ok_or_else(unknown)?;
        Listed { shop, progress }
    };
    match args.format {
        Format::Json => print_json(&json!(listed)),
        Format::Text => print(&whole(&listed)),
    }
}

fn word(order: Order) -> &'static str {
    match order {
        Order::Pause => "pause",
        Order::Resume => "resume",
        Order::Cancel => "cancel",
    }
}

/// The full report about a job.
fn whole(Listed { shop, progress }: &Listed) -> String {
    let Progress { job: Job { id, state, opened_at, segments, zones, day, .. }, so_far, parts_done, ends_at: _ } =
        progress;
    let Tally { members, retained, without, entered, upgraded, downgraded, left, renewed, held, moves: _, .. } = so_far;
    let Tally { rewards, birthdays, notices, written, unreadable, .. } = so_far;
    let mut rows = vec![
        vec!["state".to_owned(), format!("{}, {}", state.word(), when(progress))],
        vec!["opened".to_owned(), format!("{opened_at}, in {segments} segments")],
        vec!["done".to_owned(), share(*parts_done)],
    ];
    rows.extend(day.map(|day| vec!["begins".to_owned(), day.to_string()]));
    if !zones.is_empty() {
        let releases: Vec<String> = zones.iter().map(ToString::to_string).collect();
        rows.push(vec!["time zones".to_owned(), format!("IANA {}", releases.join(" and "))]);
    }
    for (what, count) in [
        ("members", members),
        ("entered", entered),
        ("upgraded", upgraded),
        ("retained", retained),
        ("downgraded", downgraded),
        ("left", left),
        ("without a tier", without),
        ("renewed", renewed),
        ("held", held),
        ("rewards due", rewards),
        ("birthdays", birthdays),
        ("notices", notices),
        ("written", written),
        ("undecodable", unreadable),
    ] {
        rows.push(vec![what.to_owned(), count.to_string()]);
    }
    let mut lines = vec![format!("{id} of shop {shop}")];
    lines.extend(table(&rows));
    lines.extend(moves(so_far));
    lines.join("\n")
}
