//! Notices to a member, in a sentence or two.

use super::summary::short;
use super::words::{amount, by, through};
use crate::notice::{Expiring, Notice, WithinReach};
use crate::version::Version;

/// A notice in a sentence or two of at most [`super::SUMMARY_CHARS_MAX`] characters. `version` must be the one that decided.
pub fn notice(version: &Version, told: &Notice) -> String {
    short(&match told {
        Notice::Expiring(told) => expiring(version, told),
        Notice::WithinReach(told) => within_reach(version, told),
    })
}

fn expiring(version: &Version, told: &Expiring) -> String {
    let Expiring { tier, upcoming, valid_until, days: _, requalify } = told;
    let (program, zone) = (&version.program, &version.program.timezone);
    let name = |id| super::history::name(version, id);
    let (held, end) = (name(Some(tier)), through(zone, *valid_until));
    let then = format!("{held} holds {end}, then {}.", name(upcoming.as_ref()));
    let Some(requalify) = requalify else { return then };
    let (missing, asked) = (amount(program, requalify.remaining), amount(program, requalify.threshold));
    format!(
        "{then} {missing} to go {} to keep it: {} of {asked}.",
        by(zone, requalify.by),
        amount(program, requalify.counted)
    )
}

fn within_reach(version: &Version, told: &WithinReach) -> String {
    let WithinReach { tier: _, next, threshold, counted, remaining, by, period: _ } = told;
    let (program, zone) = (&version.program, &version.program.timezone);
    let next = super::history::name(version, Some(next));
    let deadline = by.map_or_else(String::new, |until| format!(" {}", super::words::by(zone, until)));
    let amounts = [remaining, counted, threshold].map(|quantity| amount(program, *quantity));
    let [missing, so_far, asked] = amounts;
    format!("{missing} to go to {next}{deadline}: {so_far} of {asked}.")
}
