//! The rows recorded about a member, in words.

use super::words::{day, instant, through};
use crate::calendar::Instant;
use crate::cause::Cause;
use crate::id::TierId;
use crate::record::{Change, Correction, Row, Transition};
use crate::version::Version;

/// The recorded rows, one line per row. Tiers have their names in the version, or their ids if the version lacks them.
pub fn history(version: &Version, rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| told(version, row)).collect()
}

fn told(version: &Version, row: &Row) -> String {
    let zone = &version.program.timezone;
    match row {
        Row::Transition(made) => transition(version, made),
        Row::Reward(due) => {
            format!("entry reward of {} due, with transition {}", name(version, Some(&due.tier)), due.transition)
        }
        Row::Birthday(due) => {
            let tier = name(version, Some(&due.tier));
            format!("{}: {} birthday points due, for holding {tier}", day(due.on), due.points.get())
        }
        Row::Correction(made) => {
            format!("{}: {}", instant(zone, made.at), corrected(version, made))
        }
        Row::Held(held) => {
            format!("{}: the tier is held over the change of the program", instant(zone, held.at))
        }
    }
}

/// A correction in a sentence: `Gold now ends on January 1, 2026 instead of January 1, 2027, by a refund or cancellation.`
pub fn corrected(version: &Version, made: &Correction) -> String {
    let zone = &version.program.timezone;
    let end = |end: Option<Instant>| end.map_or_else(|| "without end".to_owned(), |until| through(zone, until));
    let (from, to) = made.valid_until;
    let tier = name(version, Some(&made.tier));
    format!("{tier} now lasts {}, and no longer {}, {}", end(to), end(from), cause(made.cause, made.version))
}

fn transition(version: &Version, made: &Transition) -> String {
    let quietly = if made.notify { "" } else { ", not announced" };
    let at = instant(&version.program.timezone, made.at);
    format!("{}. {at}: {}, {}{quietly}", made.seq, changed(version, made), cause(made.cause, made.version))
}

/// Such as `upgraded from Silver to Gold`.
pub(super) fn changed(version: &Version, made: &Transition) -> String {
    let (from, to) = (name(version, made.from.as_ref()), name(version, made.to.as_ref()));
    match made.kind {
        Change::Entered => format!("entered {to}"),
        Change::Upgraded => format!("upgraded from {from} to {to}"),
        Change::Downgraded => format!("downgraded from {from} to {to}"),
        Change::Left => format!("left {from}"),
        Change::Renewed => format!("renewed {to}"),
    }
}

/// Such as `by a refund or cancellation`.
pub(super) fn cause(cause: Cause, version: u32) -> String {
    match cause {
        Cause::Activity => "by a purchase or points".to_owned(),
        Cause::Refund => "by a refund or cancellation".to_owned(),
        Cause::PeriodEnd => "because a period ended".to_owned(),
        Cause::ProgramChanged => format!("because program version {version} took effect"),
        Cause::Assigned => "by hand".to_owned(),
        Cause::Imported => "by an import".to_owned(),
        Cause::TagsChanged => "by the customer's tags".to_owned(),
        Cause::Merged => "because accounts were merged or parted".to_owned(),
    }
}

/// A tier's name, or its id if the version lacks it.
pub(super) fn name(version: &Version, id: Option<&TierId>) -> String {
    let tier = |id: &TierId| version.program.rank(id).and_then(|rank| version.program.tier(rank));
    id.map_or_else(|| "no tier".to_owned(), |id| tier(id).map_or_else(|| id.to_string(), |tier| tier.name.clone()))
}
