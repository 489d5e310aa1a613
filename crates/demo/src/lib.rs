//! The main job, on a made-up shop: three years pass, New Years take tiers away, the rules change, and one member's standing is
//! explained. `echelon demo` is this with options; `cargo run -p demo` is this alone, built in a fraction of the time.

mod counts;
mod files;
mod member;
mod play;
mod report;
mod table;
mod text;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use rules::calendar::Zones;
use sample_shop::Setup;
use thiserror::Error;

use files::Files;

pub use play::days;
pub use report::Report;
pub use text::page;

/// The default shop: large enough for every kind of story, and played within seconds.
pub const FIRST: Setup = Setup { seed: 7, customers: 3_000 };

/// The reasons why there is nothing to show.
#[derive(Debug, Error)]
pub enum DemoError {
    /// The directory already has files of these names.
    #[error("{} is already there; name another directory", .0.display())]
    IsThere(PathBuf),
    /// A file cannot be written.
    #[error("{}: {source}", .path.display())]
    Unwritten {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The engine refuses the made-up shop: a mistake in this crate.
    #[error("the made-up shop: {0}")]
    Shop(String),
}

/// Plays a shop through the engine and reports the result. With a directory, the shop is also written there, as files
/// for `echelon replay` and `echelon explain`. `on_day` is called for each of [`days`].
///
/// # Errors
/// See [`DemoError`].
pub fn demonstrate(
    setup: Setup,
    zones: &Zones,
    directory: Option<&Path>,
    on_day: impl FnMut(u64),
) -> Result<Report, DemoError> {
    let mut files = directory.map(Files::create).transpose()?;
    let played = play::play(setup, zones, files.as_mut(), on_day)?;
    if let Some(files) = files {
        files.finish()?;
    }
    Ok(Report::of(&played))
}
