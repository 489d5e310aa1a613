//! A preview for people: the ways from tier to tier as a table with a bar in each row, and the counts below.

use std::fmt::Write;

use rules::id::TierId;
use rules::preview::Movement;
use rules::program::Program;
use rules::version::Version;

use super::{Birthdays, Moves, Passage, Preview, Rewards, Validity, Way};

/// The length of a bar, in characters.
const BAR: u64 = 24;

const NONE: &str = "no tier";

/// A tier that members come from or go to, or none.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place<'a> {
    id: Option<&'a TierId>,
    name: &'a str,
}

/// The preview of putting `new` in force after `old`, for a terminal: plain text, the highest tier first, every line
/// ended. Members go from the tier of the row to the tier of the column. ▲ marks upgrades, ▼ downgrades; the bar shows
/// the row's shares.
pub fn picture(preview: &Preview, old: &Version, new: &Version) -> String {
    let (rows, columns) =
        (places(&old.program, preview, |way| &way.from), places(&new.program, preview, |way| &way.to));
    let mut lines = vec![header(&columns)];
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|to| cell(preview, *row, *to)).collect()).collect();
    let table: Vec<Vec<String>> = rows.iter().zip(&cells).map(|(row, cells)| line(preview, *row, cells)).collect();
    lines.extend(table);
    let mut text = String::new();
    let widths: Vec<usize> = (0..=columns.len())
        .map(|at| lines.iter().filter_map(|line| line.get(at)).map(|cell| width(cell)).max().unwrap_or(0))
        .collect();
    for line in &lines {
        let mut shown = String::new();
        for (at, cell) in line.iter().enumerate() {
            let pad = " ".repeat(widths.get(at).map_or(0, |wide| wide.saturating_sub(width(cell))));
            // Names are aligned left, numbers right; the bar is not padded.
            let _ = if at == 0 { write!(shown, "{cell}{pad}") } else { write!(shown, "   {pad}{cell}") };
        }
        let _ = writeln!(text, "{}", shown.trim_end());
    }
    for line in told(preview, new) {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// The tiers of a program, the highest first, then tiers that only members have, and none.
fn places<'a>(
    program: &'a Program,
    preview: &'a Preview,
    end: impl Fn(&'a Way) -> &'a Option<TierId>,
) -> Vec<Place<'a>> {
    let mut found: Vec<_> =
        program.tiers().rev().map(|(_, tier)| Place { id: Some(&tier.id), name: &tier.name }).collect();
    for id in preview.ways.keys().filter_map(|way| end(way).as_ref()) {
        if !found.iter().any(|place| place.id == Some(id)) {
            found.push(Place { id: Some(id), name: id.as_str() });
        }
    }
    found.push(Place { id: None, name: NONE });
    found
}

/// Names are aligned with the numbers, not with the marks beside them.
fn header(columns: &[Place<'_>]) -> Vec<String> {
    std::iter::once("from ↓  to →".to_owned()).chain(columns.iter().map(|place| format!("{}  ", place.name))).collect()
}

fn of<'a>(preview: &'a Preview, from: Place<'a>) -> impl Iterator<Item = (&'a Way, &'a Passage)> {
    preview.ways.iter().filter(move |(way, _)| way.from.as_ref() == from.id)
}

fn cell(preview: &Preview, from: Place<'_>, to: Place<'_>) -> String {
    let mut found = of(preview, from).filter(|(way, _)| way.to.as_ref() == to.id).peekable();
    let Some((way, _)) = found.peek() else { return "·  ".to_owned() };
    let mark = mark(way.movement);
    let members = found.fold(0_u64, |sum, (_, passage)| sum.saturating_add(passage.members));
    format!("{} {mark}", grouped(members))
}

fn mark(movement: Movement) -> char {
    match movement {
        Movement::Entered | Movement::Upgraded => '▲',
        Movement::Retained => ' ',
        Movement::Downgraded | Movement::Left => '▼',
    }
}

fn line(preview: &Preview, from: Place<'_>, cells: &[String]) -> Vec<String> {
    let mut line = vec![from.name.to_owned()];
    line.extend(cells.iter().cloned());
    line.push(bar(preview, from));
    line
}

/// The shares of a row: downgrades to the left, upgrades to the right. A share that is not empty has at least one
/// character.
fn bar(preview: &Preview, from: Place<'_>) -> String {
    let (mut down, mut same, mut up) = (0_u64, 0_u64, 0_u64);
    for (way, passage) in of(preview, from) {
        let sum = match way.movement {
            Movement::Downgraded | Movement::Left => &mut down,
            Movement::Retained => &mut same,
            Movement::Entered | Movement::Upgraded => &mut up,
        };
        *sum = sum.saturating_add(passage.members);
    }
    let all = down.saturating_add(same).saturating_add(up);
    if all == 0 {
        return String::new();
    }
    let places = |part: u64| {
        let places = u128::from(part) * u128::from(BAR) / u128::from(all);
        usize::try_from(places).unwrap_or(0).max(usize::from(part > 0))
    };
    let moved = [places(down), places(up)];
    let whole = usize::try_from(BAR).unwrap_or(0);
    // Members who stay get the rest.
    let rest = if same == 0 { 0 } else { whole.saturating_sub(moved.iter().sum()).max(1) };
    let [down, up] = moved;
    format!("{}{}{}", "▼".repeat(down), "━".repeat(rest), "▲".repeat(up))
}

/// The counts, a line each; counts of 0 are left out.
fn told(preview: &Preview, new: &Version) -> Vec<String> {
    let Preview { members, moves, held, ways: _, rewards, birthdays, validity, wiped } = preview;
    let Moves { entered, upgraded, retained, downgraded, left, without_tier } = *moves;
    let mut lines = vec![
        String::new(),
        format!(
            "{}: {}",
            people(*members),
            some(&[
                (entered, "entered"),
                (upgraded, "upgraded"),
                (retained, "retained"),
                (downgraded, "downgraded"),
                (left, "left"),
                (without_tier, "without a tier"),
            ])
        ),
    ];
    if *wiped > 0 {
        lines.push(format!("! progress is wiped for {}", people(*wiped)));
    }
    if *held > 0 {
        lines.push(format!("{} would drop and keep the tier until it would have ended", people(*held)));
    }
    for (tier, Rewards { due, unit_cost, unpriced }) in rewards {
        let program = &new.program;
        let name = program.rank(tier).and_then(|rank| program.tier(rank)).map_or(tier.as_str(), |tier| &tier.name);
        let cost = unit_cost.with_decimals(program.minor_unit.decimals());
        let open = if *unpriced > 0 { format!(", and {} of no known cost", grouped(*unpriced)) } else { String::new() };
        lines.push(format!("entry rewards of {name} for {}: {cost} {}{open}", people(*due), program.currency.code()));
    }
    let Birthdays { due, points } = birthdays;
    if *due > 0 {
        lines.push(format!("birthday points that day for {}: {points}", people(*due)));
    }
    let Validity { longer, shorter, now_without_end, now_with_end } = *validity;
    let ends = some(&[
        (longer, "later"),
        (shorter, "sooner"),
        (now_without_end, "no longer"),
        (now_with_end, "where it had no end"),
    ]);
    if !ends.is_empty() {
        lines.push(format!("of those who stay, the tier ends: {ends}"));
    }
    lines
}

fn some(counts: &[(u64, &str)]) -> String {
    let told = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{} {what}", grouped(*count)));
    told.collect::<Vec<_>>().join(", ")
}

fn people(count: u64) -> String {
    format!("{} {}", grouped(count), if count == 1 { "member" } else { "members" })
}

/// Formats a count as `1,234,567`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

fn width(text: &str) -> usize {
    text.chars().count()
}
