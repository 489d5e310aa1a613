//! `echelon quarantine`: what can never succeed as it is, and trying it again.

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;
use service::ingest::Reason;

use crate::command::serve::runtime;
use crate::command::system::System;
use crate::failure::Failure;
use crate::output::{Format, counted, print, print_json, say, table};
use crate::serve::aside::{self, Replayed, Row, Selection};
use crate::serve::deployed::Sqs;
use crate::serve::place::Opened;

/// Shows what was set aside because it can never succeed as it is, and tries it again
///
/// A broken or unknown event blocks nobody: it is set aside with a reason, and its body is kept for 14 days. Of the
/// body nothing is shown but the names of its fields.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    List(List),
    Replay(Replay),
}

/// Lists what was set aside: when, why, where in the event, and what to do
#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    system: System,

    #[command(flatten)]
    which: Which,

    /// A table, or one JSON object
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Puts what was set aside into the ingest queue again, after what was in its way is put right
#[derive(Debug, clap::Args)]
struct Replay {
    #[command(flatten)]
    system: System,

    #[command(flatten)]
    which: Which,

    /// These, as `list` names them
    #[arg(value_name = "ID")]
    ids: Vec<String>,

    /// Everything that --shop and --reason leave
    #[arg(long, conflicts_with_all = ["ids", "dead"])]
    all: bool,

    /// The dead letters in place of the quarantine: what failed too often, though it might succeed
    #[arg(long, conflicts_with_all = ["ids", "shop", "reason", "tables"])]
    dead: bool,

    /// Where a deployed system keeps the bodies of what was set aside: its output `QuarantineQueueUrl`
    #[arg(long, value_name = "URL", requires_all = ["tables", "ingest_queue"])]
    quarantine_queue: Option<String>,

    /// Where it takes events from: its output `IngestQueueUrl`
    #[arg(long, value_name = "URL", requires = "quarantine_queue")]
    ingest_queue: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Of this shop alone
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,

    /// For this reason alone, such as `unknown_shop`
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: Option<String>,
}

const AFTER: &str = "\
Examples:
  echelon quarantine list                                 of `echelon serve`
  echelon quarantine list --data echelon.db --format json
  echelon quarantine replay 4b227777d4dd1fc61c6f884f48641d02
  echelon quarantine replay --all --reason unknown_shop
  echelon quarantine replay --dead
  echelon quarantine replay --reason unknown_shop --all \\
      --dynamodb https://dynamodb.REGION.amazonaws.com \\
      --tables $MEMBERS_TABLE,$LEDGER_TABLE,$CONTROL_TABLE \\
      --quarantine-queue $QUARANTINE_QUEUE_URL --ingest-queue $INGEST_QUEUE_URL

A file is open in one process at a time: while it is served, ask the server.
What is replayed into a file is taken in when it is served the next time.

Exit codes: 0 done; 1 something that was to be replayed is not kept any more;
2 usage, or the system cannot be asked.";

fn reason(text: &str) -> Result<String, String> {
    match Reason::named(text) {
        Some(reason) => Ok(reason.code().to_owned()),
        None => Err(format!("is one of {}", Reason::ALL.map(Reason::code).join(", "))),
    }
}

/// Runs the command.
///
/// # Errors
/// If the system cannot be asked, or something is not kept any more.
pub fn run(args: &Args) -> Result<(), Failure> {
    let runtime = runtime()?;
    match &args.act {
        Act::List(args) => runtime.block_on(list(args)),
        Act::Replay(args) => runtime.block_on(replay(args)),
    }
}

#[derive(Deserialize)]
struct Rows {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Dead {
    dead: usize,
}

async fn list(args: &List) -> Result<(), Failure> {
    let selection = selection(&args.which, &[]);
    let rows: Vec<Row> = if args.system.is_served() {
        let Rows { rows } = args.system.get("/quarantine").await?;
        rows.into_iter().filter(|row| selection.fits(row)).collect()
    } else {
        let store = args.system.place.store().await?;
        aside::list(&store, &selection).await.map_err(Failure::input)?
    };
    match args.format {
        Format::Json => print_json(&json!({ "rows": rows })),
        Format::Text if rows.is_empty() => print("Nothing is set aside."),
        Format::Text => print(&text(&rows)),
    }
}

fn text(rows: &[Row]) -> String {
    let head = ["ID", "SET ASIDE", "SHOP", "REASON", "TOPIC", "WHERE"].map(str::to_owned).to_vec();
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let cells = |row: &Row| {
        let Row { id, shop, recorded_at, reason, topic, paths, .. } = row;
        vec![id.clone(), recorded_at.clone(), or_none(shop), reason.clone(), or_none(topic), paths.join(" ")]
    };
    let mut lines = table(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>());
    lines.push(String::new());
    let mut reasons: Vec<_> = rows.iter().map(|row| (&row.reason, &row.remedy)).collect();
    reasons.sort_unstable();
    reasons.dedup();
    lines.extend(reasons.into_iter().map(|(reason, remedy)| format!("{reason}: {remedy}")));
    lines.join("\n")
}

async fn replay(args: &Replay) -> Result<(), Failure> {
    if args.dead {
        return replay_dead(&args.system).await;
    }
    if args.ids.is_empty() && !args.all {
        return Err(Failure::input("name the ids to replay, or say --all; `echelon quarantine list` shows them"));
    }
    let selection = selection(&args.which, &args.ids);
    let done: Replayed = if args.system.is_served() {
        args.system.post("/quarantine/replay", &json!({ "quarantined": selection })).await?
    } else if args.system.place.tables.is_some() {
        let (Some(quarantine), Some(ingest)) = (&args.quarantine_queue, &args.ingest_queue) else {
            return Err(Failure::input(
                "--tables: name the system's queues with --quarantine-queue and --ingest-queue",
            ));
        };
        let (store, queues) = (args.system.place.store().await?, Sqs::new(quarantine, ingest)?);
        aside::replay(&store, &queues, &selection).await.map_err(Failure::input)?
    } else {
        let Opened { store, queues, .. } = args.system.place.open().await?;
        aside::replay(&store, &queues, &selection).await.map_err(Failure::input)?
    };
    let known = |id: &&String| done.replayed.contains(id) || done.gone.contains(id);
    let unknown: Vec<&String> = args.ids.iter().filter(|id| !known(id)).collect();
    print(&format!("{} in the ingest queue again", counted(done.replayed.len(), "event")))?;
    done.gone.iter().for_each(|id| say(&format!("{id}: its body is not kept any more: send the event again")));
    unknown.iter().for_each(|id| say(&format!("{id}: nothing is set aside under this id")));
    if done.gone.is_empty() && unknown.is_empty() { Ok(()) } else { Err(Failure::Findings) }
}

async fn replay_dead(system: &System) -> Result<(), Failure> {
    let count = if system.is_served() {
        let Dead { dead } = system.post("/quarantine/replay", &json!("dead")).await?;
        dead
    } else {
        let Opened { queues, .. } = system.place.open().await?;
        aside::replay_dead(&queues).await.map_err(Failure::input)?
    };
    print(&format!("{} in the ingest queue again", counted(count, "dead letter")))
}

fn selection(which: &Which, ids: &[String]) -> Selection {
    Selection { shop: which.shop.clone(), ids: ids.to_vec(), reason: which.reason.clone() }
}
