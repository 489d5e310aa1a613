//! The report as a page of text.

use std::path::Path;

use anstyle::{AnsiColor, Color, Style};
use rules::calendar::Day;
use rules::id::TierId;
use rules::program::{Gift, Perk, Tier};

use crate::files::{EVENTS, PROGRAM};
use crate::report::{Held, Moves, Report, Requalification, RulesChanged};
use crate::table::{Align, COLUMNS, bar, grouped, length, table, wrap};

const TITLE: Style = Style::new().bold();
const HEAD: Style = Style::new().dimmed();
const BARS: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Cyan)));
/// The number of rows at the end of the history that are shown; `explain` shows all of them.
const HISTORY_SHOWN: usize = 3;
/// Cells for the names of tiers, with the space around them.
const NAME_CELLS: usize = 12;

/// The report as a page of text; `written` is the directory of the files, if they were asked for.
pub fn page(report: &Report, written: Option<&Path>) -> String {
    let parts = [
        shop(report),
        rules(report),
        year_ends(report),
        report.changes.iter().flat_map(|change| rules_changed(report, change)).collect(),
        report.requalifications.iter().flat_map(|at| requalification(report, at)).collect(),
        due(report),
        story(report),
        next(report, written),
    ];
    // Every part starts with an empty line; the page does not.
    parts.concat().split_off(1).join("\n")
}

/// A title, with an empty line before it.
fn title(text: &str) -> [String; 2] {
    [String::new(), format!("{TITLE}{text}{TITLE:#}")]
}

fn shop(report: &Report) -> Vec<String> {
    let counts = &report.events;
    let mut lines: Vec<String> = title(&format!("{}, a shop of our own making", report.program)).into();
    let sentences = [
        format!("{} to {}, seed {}", date(report.from), date(report.through), report.seed),
        format!(
            "{} customers: {} enrolled, {} with a tier given by hand",
            grouped(report.customers),
            grouped(counts.enrolments),
            grouped(counts.given_by_hand)
        ),
        format!(
            "{} orders: {} by guests, {} of these claimed later; {} in foreign currency, {} of these without a rate; \
             {} corrected afterwards; {} only tests",
            grouped(counts.orders),
            grouped(counts.by_guests),
            grouped(counts.claimed),
            grouped(counts.in_foreign_currency),
            grouped(counts.without_exchange_rate),
            grouped(counts.corrected),
            grouped(counts.tests)
        ),
        format!("{} returns, {} cancellations", grouped(counts.returns), grouped(counts.cancellations)),
        format!(
            "{} events in all: {} came late, {} of these across New Year; {} came again",
            grouped(counts.events),
            grouped(counts.late),
            grouped(counts.late_across_new_year),
            grouped(counts.repeated)
        ),
    ];
    lines.extend(sentences.iter().flat_map(|sentence| wrap(sentence, 2, 4)));
    lines
}

fn rules(report: &Report) -> Vec<String> {
    let what = "The rules: money spent in a year earns a tier for the rest of it and the next";
    let mut lines: Vec<String> = title(what).into();
    let mut rows = vec![["tier", "from", "on reaching it", "birthday"].map(str::to_owned).to_vec()];
    rows.extend(report.tiers.iter().rev().map(|shown| {
        let from = format!("${}", money(&shown.threshold));
        vec![shown.name.clone(), from, entry_rewards(&shown.tier), birthday(&shown.tier)]
    }));
    lines.extend(table(&[Align::Left, Align::Right, Align::Left, Align::Left], HEAD, &rows));
    lines
}

/// The whole amount of a threshold, with separators.
pub(crate) fn money(threshold: &str) -> String {
    threshold.parse().map_or_else(|_| threshold.to_owned(), grouped)
}

fn entry_rewards(tier: &Tier) -> String {
    let gift = |gift: &Gift| match gift {
        Gift::Points(points) => format!("{} points", points.get()),
        Gift::DiscountPercent(percent) => format!("{percent}% off"),
        Gift::DiscountAmount(amount) => format!("${amount} off"),
        Gift::FreeShipping => "free shipping".to_owned(),
        Gift::FreeProduct(product) => product.clone(),
        Gift::Custom(text) => text.clone(),
    };
    tier.entry_rewards.iter().map(|reward| gift(&reward.gift)).collect::<Vec<_>>().join(", ")
}

fn birthday(tier: &Tier) -> String {
    let points = tier.perks.iter().find_map(|perk| match perk {
        Perk::BirthdayPoints(points) => Some(points.get()),
        Perk::PointsMultiplier(_) | Perk::FreeShipping | Perk::EarlyAccess | Perk::Custom(_) => None,
    });
    points.map_or_else(String::new, |points| format!("{points} points"))
}

/// A row per tier and a column per year: a number and its bar.
fn year_ends(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = title("Members per tier on the last evening of each year").into();
    let most = report.year_ends.iter().flat_map(|year| &year.members).map(|held| held.members).max().unwrap_or(1);
    let digits = length(&grouped(most)).max(4);
    let column = (COLUMNS - NAME_CELLS) / report.year_ends.len().max(1);
    let cells = column.saturating_sub(digits + 2);
    let line = |name: &str, columns: Vec<String>| format!("  {name:8}  {}", columns.concat()).trim_end().to_owned();
    let heads = report.year_ends.iter().map(|year| format!("{:>digits$}  {:cells$}", year.year, "")).collect();
    lines.push(format!("{HEAD}{}{HEAD:#}", line("tier", heads)));
    for tier in report.tiers.iter().rev().map(|shown| Some(&shown.id)).chain([None]) {
        let columns = report.year_ends.iter().map(|year| {
            let held = year.members.iter().find(|held| held.tier.as_ref() == tier).map_or(0, |held| held.members);
            let bar = bar(held, most, cells);
            let gap = " ".repeat(cells.saturating_sub(length(&bar)) + 1);
            format!("{:>digits$} {BARS}{bar}{BARS:#}{gap}", grouped(held))
        });
        lines.push(line(name(report, tier), columns.collect()));
    }
    lines
}

fn name<'a>(report: &'a Report, tier: Option<&TierId>) -> &'a str {
    let found = tier.and_then(|tier| report.tiers.iter().find(|shown| shown.id == *tier));
    found.map_or("no tier", |shown| &shown.name)
}

fn requalification(report: &Report, at: &Requalification) -> Vec<String> {
    let what = format!("January 1, {}: what was spent in {} alone decides", at.year + 1, at.year);
    let mut lines: Vec<String> = title(&what).into();
    let mut rows = vec![["tier", "held", "kept", "left", "fell to"].map(str::to_owned).to_vec()];
    for moves in at.tiers.iter().filter(|moves| moves.held > 0) {
        let left = moves.went_to.iter().filter(|held| held.tier.is_none()).map(|held| held.members).sum();
        let fell = went_to(report, moves, |held| held.tier.is_some());
        let tier = name(report, moves.tier.as_ref()).to_owned();
        rows.push(vec![tier, grouped(moves.held), grouped(moves.kept), grouped(left), fell]);
    }
    lines.extend(table(&[Align::Left, Align::Right, Align::Right, Align::Right, Align::Left], HEAD, &rows));
    let text = format!(
        "{} fell or left; orders heard of late, in January, restored {} of them.",
        grouped(at.recorded),
        grouped(at.restored)
    );
    lines.extend(wrap(&text, 2, 2));
    lines
}

/// Such as `Silver 40, Bronze 12`.
fn went_to(report: &Report, moves: &Moves, which: impl Fn(&&Held) -> bool) -> String {
    let told = |held: &Held| format!("{} {}", name(report, held.tier.as_ref()), grouped(held.members));
    moves.went_to.iter().filter(which).map(told).collect::<Vec<_>>().join(", ")
}

fn rules_changed(report: &Report, change: &RulesChanged) -> Vec<String> {
    let mut lines: Vec<String> = title(&format!("{}: a change of rules", date(change.on))).into();
    let mut what = change.what.join(", and ");
    if let Some(first) = what.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    lines.extend(wrap(&format!("{what}. What it moved, from (down) to (across):"), 2, 2));
    let columns: Vec<_> = change.tiers.iter().map(|moves| moves.tier.as_ref()).collect();
    let heads = columns.iter().map(|tier| name(report, *tier).to_owned());
    let mut rows = vec![[String::new()].into_iter().chain(heads).collect::<Vec<_>>()];
    for moves in change.tiers.iter().filter(|moves| moves.held > 0) {
        let cells = columns.iter().map(|to| {
            let there = moves.went_to.iter().find(|held| held.tier.as_ref() == *to).map_or(0, |held| held.members);
            let count = if *to == moves.tier.as_ref() { moves.kept } else { there };
            if count == 0 { "·".to_owned() } else { grouped(count) }
        });
        rows.push([name(report, moves.tier.as_ref()).to_owned()].into_iter().chain(cells).collect());
    }
    let aligns: Vec<_> = [Align::Left].into_iter().chain(columns.iter().map(|_| Align::Right)).collect();
    lines.extend(table(&aligns, HEAD, &rows));
    let text = format!(
        "{} moved. {} would have dropped: they are held until their tier ends anyway.",
        grouped(change.recorded),
        grouped(change.held)
    );
    lines.extend(wrap(&text, 2, 2));
    lines
}

fn due(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = title("Due to members over the three years").into();
    let rewards = report.rewards.iter().rev();
    let told = rewards.map(|held| format!("{} {}", name(report, held.tier.as_ref()), grouped(held.members)));
    let points = u64::try_from(report.birthdays.points).unwrap_or_default();
    let text = format!(
        "Entry rewards, each once per member ever: {}. Birthday points: {} times, {} points in all.",
        told.collect::<Vec<_>>().join(", "),
        grouped(report.birthdays.due),
        grouped(points)
    );
    lines.extend(wrap(&text, 2, 2));
    lines
}

fn story(report: &Report) -> Vec<String> {
    let Some(story) = &report.member else { return Vec::new() };
    let mut lines: Vec<String> = title(&format!("Why {} stands where they stand", story.member_id)).into();
    if let Some(on) = story.fell_on {
        let restored = story.restored_by.as_ref().map_or_else(String::new, |late| {
            let (paid_on, arrived_on) = (date(late.paid_on), date(late.arrived_on));
            format!("; restored when order {}, paid on {paid_on}, at last arrived on {arrived_on}", late.order_id)
        });
        lines.extend(wrap(&format!("Fell on {}{restored}.", date(on)), 2, 2));
    }
    for line in &story.explanation {
        let indent = line.len() - line.trim_start().len();
        lines.extend(wrap(line, 2 + indent, 4 + indent));
    }
    let earlier = story.history.len().saturating_sub(HISTORY_SHOWN);
    let head = if earlier == 0 { "History:".to_owned() } else { format!("History, after {earlier} earlier entries:") };
    lines.push(format!("  {head}"));
    lines.extend(story.history.iter().skip(earlier).flat_map(|line| wrap(line, 4, 6)));
    lines
}

/// Commands to try next, on the files.
fn next(report: &Report, written: Option<&Path>) -> Vec<String> {
    let mut lines: Vec<String> = title("Try next").into();
    let directory = written.unwrap_or(Path::new("shop"));
    if written.is_none() {
        let option = |name, given: u64, default: u64| {
            if given == default { String::new() } else { format!(" --{name} {given}") }
        };
        let seed = option("seed", report.seed, crate::FIRST.seed);
        let customers = option("customers", report.customers_asked.into(), crate::FIRST.customers.into());
        lines.push(format!("  echelon demo{seed}{customers} --write {}", directory.display()));
    }
    let (program, events) = (directory.join(PROGRAM), directory.join(EVENTS));
    let files = format!("--program {} --events {}", program.display(), events.display());
    lines.push(format!("  echelon replay {files} \\"));
    // Files are read up to the midnight that starts a day.
    let as_of = report.through.next();
    lines.push(format!("    --as-of {as_of}"));
    if let Some(story) = &report.member {
        lines.push(format!("  echelon explain {files} \\"));
        lines.push(format!("    --as-of {as_of} --member {}", story.member_id));
    }
    lines
}

/// Such as `January 1, 2023`.
fn date(day: Day) -> String {
    day.date().format("%B %-d, %Y").to_string()
}
