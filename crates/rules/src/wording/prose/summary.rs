//! A transition in a sentence or two, for readers without the findings.

use super::history::{cause, changed, corrected};
use super::words::{amount, capital, day, fact_words, span_words, through};
use crate::explain::{AssignmentFound, FactRef, Which, WindowFound};
use crate::program::{Counted, Milestone, Period};
use crate::record::{Correction, Transition};
use crate::version::Version;

/// The most characters of a summary.
pub const SUMMARY_CHARS_MAX: usize = 300;

/// The change, its cause and the decisive finding, as a sentence or two of at most [`SUMMARY_CHARS_MAX`] characters.
/// `version` must be the one that decided; tiers that it lacks are named by id.
pub fn summary(version: &Version, made: &Transition) -> String {
    let change = capital(&changed(version, made));
    short(&format!("{change} {}. {}", cause(made.cause, made.version), finding(version, made)))
}

/// The correction of the end of a tier and its cause, as a sentence of at most [`SUMMARY_CHARS_MAX`] characters. `version` must
/// be the one that decided.
pub fn correction_summary(version: &Version, made: &Correction) -> String {
    short(&format!("{}.", corrected(version, made)))
}

/// A line of at most [`SUMMARY_CHARS_MAX`] characters.
pub(super) fn short(line: &str) -> String {
    let line = line.trim_end();
    match line.char_indices().nth(SUMMARY_CHARS_MAX - 1) {
        Some((end, last)) if end + last.len_utf8() < line.len() => {
            format!("{}…", line.get(..end).unwrap_or_default())
        }
        _ => line.to_owned(),
    }
}

/// The decisive finding: the assignment if it gives the tier held, otherwise the tier earned.
fn finding(version: &Version, made: &Transition) -> String {
    let because = &made.because;
    if let Some(found) = &because.assignment
        && found.tier == made.to
    {
        return assigned(version, found);
    }
    let Milestone::Counted(counted) = &version.program.milestone else {
        return "The customer's tags decide.".to_owned();
    };
    let name = |id| super::history::name(version, Some(id));
    let so_far = decisive(version, made, counted);
    let threshold = match (&because.earned, &because.missed) {
        (Some(met), _) if met.kept => format!("{} was reached before and is kept", name(&met.tier)),
        (Some(met), _) if met.threshold.is_none_or(|threshold| threshold.is_zero()) => {
            format!("{} is everyone's", name(&met.tier))
        }
        (Some(met), _) => {
            let threshold = met.threshold.map(|threshold| amount(&version.program, threshold));
            format!("{} takes {}", name(&met.tier), threshold.unwrap_or_default())
        }
        (None, Some(missed)) => {
            format!("{} takes {}", name(&missed.tier), amount(&version.program, missed.threshold))
        }
        (None, None) => return String::new(),
    };
    match so_far {
        Some(so_far) => format!("{so_far}; {threshold}."),
        None => format!("{threshold}."),
    }
}

/// The sum of the window that decided; none if a deadline decided, because the counter shows nothing of it.
fn decisive(version: &Version, made: &Transition, counted: &Counted) -> Option<String> {
    let windows = &made.because.windows;
    let earned = made.because.earned.as_ref().map(|met| &met.tier);
    let by = windows.iter().find(|found| earned.is_some() && found.earns.as_ref() == earned);
    let WindowFound { which, window, total, earns: _ } = by.or(windows.first())?;
    let when = match (counted.period, which) {
        (Period::SinceLastUpgrade(_), _) => return None,
        (Period::CalendarYear { .. } | Period::MembershipYear { .. }, Which::Previous) => "last year".to_owned(),
        (Period::CalendarYear { .. } | Period::MembershipYear { .. }, Which::Current) => "this year".to_owned(),
        (Period::Rolling(span), _) => format!("in the last {}", span_words(span)),
        (Period::Lifetime, _) => match window.from {
            Some(from) => format!("since {}", day(version.program.timezone.day(from))),
            None => "so far".to_owned(),
        },
    };
    Some(format!("{} {when}", amount(&version.program, *total)))
}

fn assigned(version: &Version, found: &AssignmentFound) -> String {
    let AssignmentFound { fact, tier, exactly, until } = found;
    let zone = &version.program.timezone;
    let tier = super::history::name(version, tier.as_ref());
    let binds = if *exactly { "exactly" } else { "at least" };
    let end = until.map_or_else(|| "without end".to_owned(), |until| through(zone, until));
    if let FactRef::Held(number) = fact {
        return format!("The change to program version {number} keeps at least {tier}, {end}.");
    }
    format!("The {} gives {binds} {tier}, {end}.", fact_words(zone, fact))
}
