//! `echelon quarantine`: shows and replays messages that can never succeed as they are.

mod replaying;

use aws::Urls;
use clap::Subcommand;
use engine::quarantine::{Of, QuarantineId, Row, list_all, sort};
use local::opened::Opened;
use local::quarantine;
use local::time::Time;
use serde::Deserialize;
use serde_json::json;
use store::records::Reason;
use store::shop::ShopId;

use crate::command::serve::runtime;
use crate::command::system::System;
use crate::deployed::bodies;
use crate::error::CommandError;
use crate::output::{Format, counted, print, print_json, say, table};
use replaying::{Asked, Done};

/// Shows events that were quarantined because they can never succeed as they are, and replays them
///
/// A broken or unknown event does not block others: it is quarantined with a reason, and its body is kept for 14 days.
/// Only the names of the body's fields are shown.
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

/// Lists quarantined events: when, why, where in the event, and what to do
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

/// Puts quarantined events into the ingest queue again, after their cause is fixed
#[derive(Debug, clap::Args)]
struct Replay {
    #[command(flatten)]
    system: System,

    #[command(flatten)]
    which: Which,

    /// Only these ids, as `list` names them
    #[arg(value_name = "ID", value_parser = |text: &str| QuarantineId::new(text), conflicts_with = "reason")]
    ids: Vec<QuarantineId>,

    /// Everything that matches --shop and --reason
    #[arg(long, conflicts_with_all = ["ids", "dead"])]
    all: bool,

    /// The dead letters of `echelon serve` instead of the quarantine: events that failed too often but might succeed
    #[arg(long, conflicts_with_all = ["ids", "shop", "reason", "tables"])]
    dead: bool,

    /// The queue in which a deployed system keeps the quarantined bodies: its output `QuarantineQueueUrl`
    #[arg(long, value_name = "URL", requires_all = ["tables", "ingest_queue"])]
    quarantine_queue: Option<String>,

    /// The queue from which it receives events: its output `IngestQueueUrl`
    #[arg(long, value_name = "URL", requires = "quarantine_queue")]
    ingest_queue: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Only this shop
    #[arg(long, value_name = "NAME", value_parser = |text: &str| ShopId::new(text))]
    shop: Option<ShopId>,

    /// Only this reason, such as `unknown_shop`
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: Option<Reason>,
}

const AFTER: &str = "\
Examples:
  echelon quarantine list                                 of `echelon serve`
  echelon quarantine list --data echelon.db --format json
  echelon quarantine replay 4b227777d4dd1fc61c6f884f48641d02
  echelon quarantine replay --all --reason unknown_shop
  echelon quarantine replay --dead
  echelon quarantine list --url https://ID.execute-api.REGION.amazonaws.com
  echelon quarantine replay --reason unknown_shop --all \\
      --dynamodb https://dynamodb.REGION.amazonaws.com \\
      --tables $MEMBERS_TABLE,$LEDGER_TABLE,$CONTROL_TABLE \\
      --quarantine-queue $QUARANTINE_QUEUE_URL --ingest-queue $INGEST_QUEUE_URL

A shop's own token covers that shop only. For a deployed system, ask its API, or
its tables and queues if the API knows only callers of one shop.

A file is open in one process at a time: while it is served, ask the server.
What is replayed into a file is taken in when it is served the next time.

Exit codes: 0 done; 1 something that was to be replayed is not kept any more;
2 usage, or the system cannot be asked.";

fn reason(text: &str) -> Result<Reason, String> {
    Reason::named(text).ok_or_else(|| format!("is one of {}", Reason::ALL.map(Reason::code).join(", ")))
}

/// Runs the command.
///
/// # Errors
/// If the system cannot be asked, or a body is not kept any more.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let runtime = runtime()?;
    match &args.act {
        Act::List(args) => runtime.block_on(list(args)),
        Act::Replay(args) => runtime.block_on(replay(args)),
    }
}

#[derive(Deserialize)]
struct Rows {
    rows: Vec<Row>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Dead {
    replayed: usize,
}

async fn list(args: &List) -> Result<(), CommandError> {
    let rows = if args.system.is_served() {
        rows(&args.system, &args.which).await?
    } else {
        let store = args.system.place.store().await?;
        let of = Of { shop: args.which.shop.as_ref(), reason: args.which.reason };
        list_all(&store, of).await.map_err(CommandError::input)?
    };
    match args.format {
        Format::Json => print_json(&json!({ "rows": rows })),
        Format::Text if rows.is_empty() => print("Nothing is quarantined."),
        Format::Text => print(&text(&rows)),
    }
}

/// All rows that an API returns, page by page; the latest last.
async fn rows(system: &System, which: &Which) -> Result<Vec<Row>, CommandError> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let reason = which.reason.map(|reason| format!("&reason={}", reason.code())).unwrap_or_default();
        let shop = which.shop.as_ref().map(|shop| format!("&shop={shop}")).unwrap_or_default();
        let from = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let Rows { rows, next } = system.get(&format!("/v1/quarantine?limit=200{reason}{shop}{from}")).await?;
        all.extend(rows);
        cursor = next;
        if cursor.is_none() {
            sort(&mut all);
            return Ok(all);
        }
    }
}

fn text(rows: &[Row]) -> String {
    let head = ["ID", "QUARANTINED", "SHOP", "REASON", "TOPIC", "WHERE"].map(str::to_owned).to_vec();
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let cells = |row: &Row| {
        let Row { id, shop, recorded_at, reason, topic, paths, .. } = row;
        vec![id.to_string(), recorded_at.clone(), or_none(shop), reason.clone(), or_none(topic), paths.join(" ")]
    };
    let mut lines = table(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>());
    lines.push(String::new());
    let mut reasons: Vec<_> = rows.iter().map(|row| (&row.reason, &row.remedy)).collect();
    reasons.sort_unstable();
    reasons.dedup();
    lines.extend(reasons.into_iter().map(|(reason, remedy)| format!("{reason}: {remedy}")));
    lines.join("\n")
}

async fn replay(args: &Replay) -> Result<(), CommandError> {
    if args.dead {
        return replay_dead(&args.system).await;
    }
    if args.ids.is_empty() && !args.all {
        return Err(CommandError::input("name the ids to replay, or say --all; `echelon quarantine list` shows them"));
    }
    let (shop, asked) = (args.which.shop.as_ref(), Asked::of(&args.ids, args.which.reason));
    let done = if args.system.is_served() {
        replaying::over(&args.system, shop, &asked).await?
    } else if args.system.place.tables.is_some() {
        let (Some(quarantine), Some(ingest)) = (&args.quarantine_queue, &args.ingest_queue) else {
            return Err(CommandError::input(
                "--tables: name the system's queues with --quarantine-queue and --ingest-queue",
            ));
        };
        let urls = Urls { quarantine: quarantine.clone(), ingest: ingest.clone() };
        let store = args.system.place.store().await?;
        let bodies = bodies(store.clone(), Time::default().clock(), urls)?;
        replaying::within(&store, &bodies, shop, &asked).await?
    } else {
        let Opened { store, queues, .. } = args.system.place.open().await?;
        replaying::within(&store, &queues, shop, &asked).await?
    };
    tell(&done)
}

fn tell(Done { replayed, gone, unknown }: &Done) -> Result<(), CommandError> {
    print(&format!("{} in the ingest queue again", counted(replayed.len(), "event")))?;
    gone.iter().for_each(|id| say(&format!("{id}: its body is not kept any more: send the event again")));
    unknown.iter().for_each(|id| say(&format!("{id}: nothing is quarantined under this id")));
    if gone.is_empty() && unknown.is_empty() { Ok(()) } else { Err(CommandError::Findings) }
}

async fn replay_dead(system: &System) -> Result<(), CommandError> {
    let count = if system.is_served() {
        let Dead { replayed } = system.post("/dead-letters/replay", &json!({})).await?;
        replayed
    } else {
        let Opened { queues, .. } = system.place.open().await?;
        quarantine::replay_dead(&queues).await.map_err(CommandError::input)?
    };
    print(&format!("{} in the ingest queue again", counted(count, "dead letter")))
}
