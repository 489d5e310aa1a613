//! `echelon replay`: all members' standings at an instant, and everything that was recorded up to it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use cases::history;
use rules::id::MemberId;
use rules::program::Rank;
use rules::record::{Change, Row};
use rules::standing::Standing;
use rules::version::Version;

use crate::error::CommandError;
use crate::output::{Format, counted, print, print_json, table};
use crate::shop::{Given, Shop};

/// Plays a file of events through a program: all members' standings, and everything that was recorded on the way
///
/// It is as if everything had happened live: each event at its arrival, every New Year and deadline at its own instant.
/// Prints all members' standings at `--as-of`, and which tier changes, rewards and birthday points were recorded up to
/// it. Nothing is stored, and running it again gives the same result.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    shop: Given,

    /// A summary for people, or one JSON object with `standings`, `transitions`, `rewards` and `birthdays`
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// The number of members in the text, highest tiers first
    #[arg(long, value_name = "N", default_value_t = 20)]
    members: usize,
}

const AFTER: &str = "\
Examples:
  echelon replay --program vip.json --events events.jsonl --as-of 2024-06-01
  echelon replay --program vip.json --events events.jsonl.gz \\
                 --as-of 2025-01-01T00:00:00Z --format json
  zcat events.jsonl.gz | echelon replay --program vip.json --events - \\
                                        --as-of 2024-06-01

A line that is not a valid fact ends the command, naming file, line and field;
with --skip-invalid it is reported on the standard error and left out. Blank
lines are skipped. Events after --as-of are counted, not checked. A file that is
not in order of time is said to be so: --sort reads it in order.

Exit codes: 0 done; 1 done, but lines were skipped, or lie after a line that is
beyond --as-of although they are dated before it; 2 the program, the events
or the options cannot be used.";

/// Runs the command.
///
/// # Errors
/// If the input cannot be used, or lines were skipped.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let shop = Shop::replayed(&args.shop)?;
    match args.format {
        Format::Json => print_json(&history::replayed(&shop.replay, shop.as_of))?,
        Format::Text => print(&summary(&shop, args.members).join("\n"))?,
    }
    shop.settled()
}

fn summary(shop: &Shop, shown: usize) -> Vec<String> {
    let version = shop.replay.version_at(shop.as_of);
    let (mut found, mut merged): (Vec<(&MemberId, Option<Standing>)>, usize) = (Vec::new(), 0);
    for member in shop.replay.members() {
        if shop.replay.merged_into(member).is_some() {
            merged += 1;
            continue;
        }
        found.push((member, shop.replay.standing(member, shop.as_of)));
    }
    let name = version.program.name.as_deref().unwrap_or("the program");
    let mut lines = vec![
        format!(
            "{name} (version {}) at {}: {}, {}",
            version.number,
            shop.as_of,
            counted(shop.facts, "fact"),
            counted(found.len(), "member")
        ),
        String::new(),
    ];
    if merged > 0 {
        let which = if merged == 1 { "1 more id stands".to_owned() } else { format!("{merged} more ids stand") };
        lines.push(format!("{which} for one of these members (merged)."));
    }
    if !version.program.active {
        lines.push("The program is inactive: facts are recorded, and no member has a tier.".to_owned());
    }
    lines.extend(counts(version, &found));
    lines.push(String::new());
    found.sort_by_key(|(member, standing)| (Reverse(standing.as_ref().and_then(|held| held.tier)), *member));
    lines.extend(members(version, found.get(..shown).unwrap_or(&found)));
    if let Some(more) = found.len().checked_sub(shown).filter(|more| *more > 0) {
        lines.push(format!("… and {more} more: --members {} shows all, --format json has everything", found.len()));
    }
    lines.push(String::new());
    lines.push(recorded(shop));
    lines
}

fn tier_name(version: &Version, rank: Option<Rank>) -> String {
    rank.and_then(|rank| version.program.tier(rank)).map_or_else(|| "-".to_owned(), |tier| tier.name.clone())
}

/// The number of members in each tier, the highest first.
fn counts(version: &Version, found: &[(&MemberId, Option<Standing>)]) -> Vec<String> {
    let holding = |rank: Option<Rank>| {
        found.iter().filter_map(|(_, standing)| standing.as_ref()).filter(|standing| standing.tier == rank).count()
    };
    let mut rows = vec![vec!["tier".to_owned(), "members".to_owned()]];
    for (rank, tier) in version.program.tiers().rev() {
        rows.push(vec![tier.name.clone(), holding(Some(rank)).to_string()]);
    }
    rows.push(vec!["(no tier)".to_owned(), holding(None).to_string()]);
    let erased = found.iter().filter(|(_, standing)| standing.is_none()).count();
    if erased > 0 {
        rows.push(vec!["(erased)".to_owned(), erased.to_string()]);
    }
    table(&rows)
}

fn members(version: &Version, found: &[(&MemberId, Option<Standing>)]) -> Vec<String> {
    let head = ["member", "tier", "since", "through", "counted", "next", "missing"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(found.iter().map(|(member, standing)| match standing {
        Some(standing) => member_row(version, member, standing),
        None => vec![member.to_string(), "(erased)".to_owned()],
    }));
    table(&rows)
}

fn member_row(version: &Version, member: &MemberId, standing: &Standing) -> Vec<String> {
    let dash = || "-".to_owned();
    let decimals = version.program.decimals();
    let zone = &version.program.timezone;
    let next = standing.progress.and_then(|progress| progress.next);
    vec![
        member.to_string(),
        tier_name(version, standing.tier),
        standing.since.map_or_else(dash, |since| zone.day(since).to_string()),
        standing.valid_until.map_or_else(dash, |until| {
            zone.last_day_before(until).map_or_else(|| format!("until {until}"), |last| last.to_string())
        }),
        standing.progress.map_or_else(dash, |progress| progress.counted.with_decimals(decimals)),
        tier_name(version, next.map(|(rank, _)| rank)),
        next.map_or_else(dash, |(_, missing)| missing.with_decimals(decimals)),
    ]
}

/// The numbers of recorded changes.
fn recorded(shop: &Shop) -> String {
    let mut changes: BTreeMap<u8, (&str, usize)> = BTreeMap::new();
    let (mut rewards, mut birthdays, mut corrections) = (0_usize, 0_usize, 0_usize);
    for row in shop.replay.members().into_iter().flat_map(|member| shop.replay.rows(member)) {
        match row {
            Row::Transition(made) => {
                let (place, word) = match made.kind {
                    Change::Entered => (0, "entered"),
                    Change::Upgraded => (1, "upgraded"),
                    Change::Renewed => (2, "renewed"),
                    Change::Downgraded => (3, "downgraded"),
                    Change::Left => (4, "left"),
                };
                changes.entry(place).or_insert((word, 0)).1 += 1;
            }
            Row::Reward(_) => rewards += 1,
            Row::Birthday(_) => birthdays += 1,
            Row::Correction(_) => corrections += 1,
            Row::Held(_) => {}
        }
    }
    let changes: Vec<_> = changes.values().map(|(word, count)| format!("{count} {word}")).collect();
    let changes = if changes.is_empty() { "no tier changed".to_owned() } else { changes.join(", ") };
    let (rewards, birthdays) = (counted(rewards, "entry reward"), counted(birthdays, "birthday bonus"));
    let moved = match corrections {
        0 => String::new(),
        count => format!("; {} moved by a refund or a late fact", counted(count, "tier end")),
    };
    format!("recorded on the way: {changes}; {rewards} and {birthdays} due{moved}")
}
