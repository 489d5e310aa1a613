//! When the files of an import were exported.

use echelon::import::exports::{Exported, KnownBy};
use rules::calendar::Instant;

use super::Args;
use super::input::Source;
use crate::error::CommandError;

/// How far the clock of this machine may be behind. What was exported later than that was not exported yet.
const AHEAD_MS_MAX: i64 = 5 * 60 * 1_000;

/// Refuses a stated time that lies ahead.
pub fn is_not_ahead(args: &Args) -> Result<(), CommandError> {
    args.exported_at.map_or(Ok(()), |at| {
        not_ahead(at).map_err(|now| {
            CommandError::input(format!(
                "--exported-at: {at} lies in the future, and would replace all that a shop says until then; it is {now} now: \
                 write when the files were exported"
            ))
        })
    })
}

/// When a file was exported, as far as it is known.
pub fn of(args: &Args, source: &Source) -> Option<Exported> {
    let stated = args.exported_at.map(|at| Exported { at, by: KnownBy::Stated });
    stated.or_else(|| source.modified_at().map(|at| Exported { at, by: KnownBy::Modified }))
}

/// The same of a table, whose time of modification must not lie ahead either.
pub fn of_table(args: &Args, source: &Source) -> Result<Option<Exported>, CommandError> {
    let exported = of(args, source);
    exported.map_or(Ok(()), |Exported { at, by: _ }| {
        not_ahead(at).map_err(|now| {
            CommandError::input(format!(
                "`{}` was modified at {at}, which lies in the future (it is {now} now); say when it was exported with \
                 --exported-at",
                source.name()
            ))
        })
    })?;
    Ok(exported)
}

/// The present instant as an error, if another one lies ahead of it.
fn not_ahead(at: Instant) -> Result<(), Instant> {
    let now = local::now();
    if at <= now.plus_millis(AHEAD_MS_MAX) { Ok(()) } else { Err(now) }
}
