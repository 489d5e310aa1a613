//! `echelon preview`: the effects that publishing a program would have on each member.

use std::borrow::Cow;
use std::path::PathBuf;

use clap::ArgGroup;
use engine::publishing::{PreviewOptions, Previewed, PublishRequest, Publisher};
use engine::sweep::preview::Changed;
use rules::calendar::Instant;
use serde_json::json;
use store::shop::ShopId;

use super::publish::{Said, refused, shop, wanted};
use crate::command::serve::runtime;
use crate::command::sweeping;
use crate::command::system::{System, of_shop, shop_of};
use crate::error::CommandError;
use crate::output::{Format, counted, print, print_json, say, warn};
use crate::sink::{Sink, is_no_input};

/// Shows what publishing a program would do to all members, and writes nothing
///
/// Every member is evaluated by the rules that publishing follows. The preview shows who enters, is upgraded, retained
/// or downgraded, or leaves, the rewards that would be due and their cost, and tiers that end sooner or later.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER, group = ArgGroup::new("what").required(true).args(["program", "roll_back"]))]
pub struct Args {
    #[command(flatten)]
    system: System,

    /// The shop, as its events name it; needed unless there is exactly one
    #[arg(long, value_name = "NAME")]
    shop: Option<String>,

    /// The program
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,

    /// The program of an earlier version, as `echelon publish --list` numbers them
    #[arg(long, value_name = "NUMBER")]
    roll_back: Option<u32>,

    #[command(flatten)]
    said: Said,

    /// Writes every member whose tier would change to this file, by id: member_id, from, to, movement. An existing list
    /// is replaced, a store never
    #[arg(long, value_name = "FILE.csv")]
    list: Option<PathBuf>,

    /// A table for people, or one JSON object
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

const AFTER: &str = "\
Examples:
  echelon preview --program next.json                        of `echelon serve`
  echelon preview --program next.json --options '{\"demotions\": \"hold\"}'
  echelon preview --data echelon.db --program next.json --list changes.csv
  echelon preview --roll-back 1 --at 2027-01-01T00:00:00Z

A row is where members come from, a column where they go: ▲ up, ▼ down.
Published then, the same comes of it, but for what happens in between.

Exit codes: 0 done; 2 usage, or publishing would be refused.";

/// Runs the command.
///
/// # Errors
/// If the program has problems, or publishing it would be refused.
pub fn run(args: &Args, now: Instant) -> Result<(), CommandError> {
    let shop = shop(args.shop.as_deref())?;
    let wanted = wanted(args.program.as_ref(), args.roll_back, &args.said)?;
    // Checked before all members are evaluated, because that takes minutes and the name may be wrong.
    if let (Some(list), Some(program)) = (&args.list, &args.program) {
        is_no_input(list, [program.as_path()])?;
    }
    let list = args.list.as_deref().map(Sink::file).transpose()?;
    let previewed = runtime()?.block_on(preview(args, shop.as_ref(), &wanted, now))?;
    if let (Some(mut list), Some(changes)) = (list, &previewed.changes) {
        list.text(&rows(changes)?)?;
        list.finish()?;
    }
    tell(args, previewed)
}

async fn preview(
    args: &Args,
    shop: Option<&ShopId>,
    wanted: &PublishRequest,
    now: Instant,
) -> Result<Previewed, CommandError> {
    let listed = args.list.is_some();
    if args.system.is_served() {
        let path = of_shop("/v1/program/preview", shop);
        let path = format!("{path}{}list={listed}", if path.contains('?') { '&' } else { '?' });
        return args.system.post(&path, &json!(wanted)).await;
    }
    let store = args.system.place.store().await?;
    let shop = shop_of(&store, shop).await?;
    let rules = Publisher { store: &store, shop: &shop, now, ahead_ms: args.system.place.ahead_ms() };
    let bar = sweeping::bar();
    let previewed = rules.preview(wanted, PreviewOptions { listed, ..PreviewOptions::default() }, || bar.inc(1)).await;
    bar.finish_and_clear();
    previewed.map_err(|error| refused(args.program.as_ref(), &args.system.place, &error))
}

/// The changes as rows for a spreadsheet.
fn rows(changes: &[Changed]) -> Result<String, CommandError> {
    let wrong = |error: &dyn std::fmt::Display| CommandError::input(format!("--list: {error}"));
    let mut rows = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    rows.write_record(["member_id", "from", "to", "movement"]).map_err(|error| wrong(&error))?;
    for Changed { member_id, from, to, movement } in changes {
        let member = no_formula(member_id.as_str());
        rows.serialize((member, from, to, movement)).map_err(|error| wrong(&error))?;
    }
    let rows = rows.into_inner().map_err(|error| wrong(&error))?;
    String::from_utf8(rows).map_err(|error| wrong(&error))
}

/// A cell that a spreadsheet does not interpret as a formula. A cell that would begin one is quoted, as spreadsheets
/// themselves do.
fn no_formula(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

fn tell(args: &Args, mut previewed: Previewed) -> Result<(), CommandError> {
    let changes = previewed.changes.take();
    if args.format == Format::Json {
        return print_json(&json!(previewed));
    }
    let Previewed { shop, version, effective_at, replaces, warnings, preview, unreadable, picture, .. } = &previewed;
    if preview.wiped > 0 {
        let members = counted(usize::try_from(preview.wiped).unwrap_or(usize::MAX), "member");
        warn(true, &format!("progress is wiped for {members}: what they have counts for nothing from then on"));
    }
    warnings.iter().for_each(|advice| warn(advice.loud, &advice.message));
    if *unreadable > 0 {
        warn(
            false,
            &format!("{unreadable} items of members cannot be decoded and are not counted: see `echelon verify`"),
        );
    }
    let replaces = replaces.map(|number| format!(", instead of version {number}")).unwrap_or_default();
    print(&format!("Version {version} of shop `{shop}`{replaces}, if in force from {effective_at}:\n\n{picture}"))?;
    if let (Some(path), Some(changes)) = (&args.list, changes) {
        say(&format!("{}: {} whose tier would change", path.display(), counted(changes.len(), "member")));
    }
    say("nothing was written; `echelon publish` does it");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for cell in ["=HYPERLINK(\"http://evil.example\")", "+1", "-1", "@SUM(1)", "\tx"] {
            assert_eq!(no_formula(cell), format!("'{cell}"));
        }
        assert_eq!(no_formula("anna"), "anna");
    }
}
