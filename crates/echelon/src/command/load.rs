//! `echelon load`: loads a shop's history into a system.

mod api;
mod batch;
mod checkpoint;
mod report;
mod start;
mod target;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use engine::ingest::{DOCUMENT, FACTS};
use local::envelope::EVENT_BYTES_MAX;
use serde_json::Value;
use store::shop::ShopId;

use crate::command::serve::runtime;
use crate::command::system::System;
use crate::error::CommandError;
use crate::input::{Lines, Raw, content};
use crate::output::Format;
use batch::{Batch, Limits};
use checkpoint::{Checkpoint, SoFar};
use report::{NotIn, Report};
use target::{Event, Target};

/// Loads a shop's history from a file of events into a system: a served one, a file, a store behind an endpoint, or a
/// deployed one
///
/// The events go the same way as all events. They are marked as imported: their effects are announced quietly (with
/// `notify` false) and no rewards are due for them, unless you say --live. If it is interrupted, the same command
/// continues where it stopped. Running it twice changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The events, one JSON object per line; `-` for the standard input, `.gz` is unpacked
    #[arg(value_name = "FILE")]
    events: PathBuf,

    #[command(flatten)]
    system: System,

    /// The queue in which a deployed system keeps the bodies of quarantined events: its output `QuarantineQueueUrl`
    #[arg(long, value_name = "URL", requires = "tables")]
    quarantine_queue: Option<String>,

    /// The shop of the history; needed unless there is exactly one shop
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,

    /// Announces everything as if it happened now, rewards included
    #[arg(long)]
    live: bool,

    /// The maximum number of events per second
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    per_second: Option<u32>,

    /// Begins with this line, regardless of what was loaded before
    #[arg(long, value_name = "LINE", value_parser = clap::value_parser!(u64).range(1..))]
    resume_from: Option<u64>,

    /// Skips lines that are not JSON, reports each on the standard error, and ends with exit code 1. Events of more than
    /// 256 KiB, which no system takes, are always left out in this way
    #[arg(long)]
    skip_invalid: bool,

    /// The form of the report
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

const AFTER: &str = "\
Examples:
  echelon import --preset shopify-orders orders_export.csv -o events.jsonl
  echelon load events.jsonl                          into `echelon serve`
  echelon load events.jsonl --url https://ID.execute-api.REGION.amazonaws.com --shop acme
  echelon load events.jsonl --data echelon.db --shop acme
  echelon load events.jsonl --dynamodb http://127.0.0.1:8000 --per-second 200
  echelon load events.jsonl --dynamodb https://dynamodb.REGION.amazonaws.com \\
      --tables $MEMBERS_TABLE,$LEDGER_TABLE,$CONTROL_TABLE \\
      --quarantine-queue $QUARANTINE_QUEUE_URL --shop acme --per-second 1000

The shop must have a program. Facts count from the program's start on; the first
one before it is named at once, and the report says how many there are and how
much money they are about. For the history of earlier years publish the program
with an earlier `start_date` and --options '{\"clamp\": false}', before or after
the load; or give the file of the first version an `effective_at` in the past.

`echelon serve` quarantines what can never succeed, for `echelon quarantine`; an
API refuses it, and each such line is named. Where an answer is lost the lines are
sent again, and nothing counts twice. `customer.erased` takes the scope `admin`.

How far it is, is kept in FILE.load beside the file until it is done, with a
fingerprint of the lines loaded and how many of them are not in. Lines that publish a program are skipped.

Exit codes: 0 done; 1 done, but events were quarantined or left out; 2 the input
or the system cannot be used.";

/// Runs the command.
///
/// # Errors
/// If the file or the system cannot be used. The error names the line.
pub fn run(args: &Args) -> Result<(), CommandError> {
    runtime()?.block_on(load(args))
}

async fn load(args: &Args) -> Result<(), CommandError> {
    let shop = args.shop.as_deref().map(ShopId::new).transpose();
    let shop = shop.map_err(|error| CommandError::input(format!("--shop: {error}")))?;
    let mut lines = Lines::open(&args.events)?.of_at_most(LINE_BYTES_MAX);
    let mut target = if args.system.is_served() {
        Target::over(args.system.client()?, shop).await?
    } else {
        Target::store(&args.system.place, args.quarantine_queue.as_deref(), shop).await?
    };
    let mut checkpoint = Checkpoint::of(&args.events, target.name());
    let from = checkpoint.resume(&mut lines, args.resume_from)?;
    let mut so_far = checkpoint.so_far();
    target.begin(&mut so_far);
    let start = target.start().await;
    let mut report = Report { from, earlier: so_far.not_in, start, ..Report::default() };
    let pace = Pace::of(args.per_second);
    let limits = target.limits();
    let mut batch = Batch::new(Limits { events: limits.events.min(pace.most), ..limits });
    // The number of lines left out before the mark: those after it are read again if the load is interrupted.
    let mut left_out = 0;
    while let Some(raw) = lines.next_raw()? {
        report.lines += 1;
        let event = event(args, &lines, &raw, &mut report)?;
        if let Some(event) = &event
            && !batch.goes_on_with(event)
        {
            if let Some(events) = batch.without_room() {
                send(&target, &lines, events, &mut report).await?;
                checkpoint.save(SoFar { not_in: NotIn { left_out, ..report.not_in() }, ..so_far })?;
                pace.wait(report.lines).await;
            }
            checkpoint.mark();
            left_out = report.not_in().left_out;
        }
        checkpoint.pass(&raw);
        event.into_iter().for_each(|event| batch.push(event));
        if let Some(events) = batch.full() {
            send(&target, &lines, events, &mut report).await?;
            checkpoint.mark();
            checkpoint.save(SoFar { not_in: report.not_in(), ..so_far })?;
            pace.wait(report.lines).await;
        }
    }
    for events in batch.rest() {
        send(&target, &lines, events, &mut report).await?;
    }
    checkpoint.mark();
    checkpoint.save(SoFar { not_in: report.not_in(), ..so_far })?;
    target.settle(&mut report).await?;
    checkpoint.done();
    report.print(&args.events, args.format)
}

/// The maximum length of a line that is read: that of a program, of which there may be some between the events.
const LINE_BYTES_MAX: usize = http_api::extract::BODY_BYTES_MAX;

async fn send(target: &Target, lines: &Lines, events: Vec<Event>, report: &mut Report) -> Result<(), CommandError> {
    let sent = target.send(lines, events, report).await;
    sent.map_err(|failure| CommandError::input(format!("{failure}\n       the same command goes on where this was")))
}

/// The event of a line, ready to be sent; none if the line is skipped.
fn event(args: &Args, lines: &Lines, raw: &Raw, report: &mut Report) -> Result<Option<Event>, CommandError> {
    let place = format!("{}:{}", lines.name(), raw.number);
    if raw.passed_over > 0 {
        leave_out_too_long(lines, &place, report);
        return Ok(None);
    }
    let read = content(&raw.bytes).and_then(|value| match value.is_object() {
        true => Ok(value),
        false => Err("is not a JSON object".to_owned()),
    });
    let mut value = match read {
        Ok(value) => value,
        Err(what) if args.skip_invalid => {
            report.left_out += 1;
            lines.note(&format!("left out {place}: {what}"));
            return Ok(None);
        }
        Err(what) => {
            let remedy = "correct the line, or leave such lines out with --skip-invalid";
            // What begins so is most likely no file of events at all.
            let other = "; orders, tables and webhooks of other systems become events with `echelon import`";
            let other = if raw.number == 1 { other } else { "" };
            return Err(CommandError::input(format!("{place}: {what}\n       {remedy}{other}")));
        }
    };
    let kind = value.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind == "program.published" {
        report.programs += 1;
        return Ok(None);
    }
    look_what_counts(lines, raw, &value, report);
    // Erasures are neither announced nor rewarded, so they have no such mark.
    let mark = !args.live && kind != "customer.erased";
    if let Some(fields) = value.as_object_mut().filter(|_| mark && kind != DOCUMENT) {
        fields.insert("imported".to_owned(), Value::Bool(true));
    }
    if let Some(facts) = value.get_mut(FACTS).and_then(Value::as_array_mut).filter(|_| mark && kind == DOCUMENT) {
        let facts = facts.iter_mut().filter_map(Value::as_object_mut);
        facts.for_each(|fields| drop(fields.insert("imported".to_owned(), Value::Bool(true))));
    }
    let length = value.to_string().len();
    if length > EVENT_BYTES_MAX {
        leave_out_too_long(lines, &place, report);
        return Ok(None);
    }
    Ok(Some(Event { line: raw.number, value, length }))
}

/// Leaves out an event that no system takes. The others are loaded all the same.
fn leave_out_too_long(lines: &Lines, place: &str, report: &mut Report) {
    report.left_out += 1;
    let remedy = "shorten it, and load the file again: what is known already changes nothing";
    lines.note(&format!("left out {place}: is longer than the {EVENT_BYTES_MAX} bytes of an event; {remedy}"));
}

/// Counts facts that count for nothing, and names the first one before the program's start at once, since a long load may be ended for that.
fn look_what_counts(lines: &Lines, raw: &Raw, event: &Value, report: &mut Report) {
    let Report { start: Some(start), not_counted, .. } = report else { return };
    let is_first = not_counted.before_the_start.facts == 0;
    if let Some(at) = start.add(event, not_counted).filter(|_| is_first) {
        lines.note(&format!("warning: {}:{}: is dated {at}: {}", lines.name(), raw.number, start.in_words()));
    }
}

/// A limit on the events per second.
struct Pace {
    began: Instant,
    per_second: Option<u32>,
    /// The maximum number of events at once, so that a slow pace is an even one.
    most: usize,
}

impl Pace {
    fn of(per_second: Option<u32>) -> Self {
        let most = per_second.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        Self { began: Instant::now(), per_second, most: most.max(1) }
    }

    async fn wait(&self, events: u64) {
        let Some(per_second) = self.per_second else { return };
        let due = Duration::from_millis(events.saturating_mul(1_000) / u64::from(per_second));
        tokio::time::sleep(due.saturating_sub(self.began.elapsed())).await;
    }
}
