//! The progress of loading a file, stored beside it.
//!
//! It identifies the lines that are loaded, not the whole file. Later lines may be corrected, and lines may be added.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use engine::ingest::Counts;
use rules::calendar::Instant;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::report::NotIn;
use crate::error::CommandError;
use crate::input::{Lines, Raw};

/// The progress of loading a file.
pub struct Checkpoint {
    /// The path of the checkpoint; none for the standard input.
    path: Option<PathBuf>,
    into: String,
    /// The lines passed so far.
    passed: Passed,
    /// Those of them that are stored as loaded at the next save.
    marked: Passed,
    so_far: SoFar,
}

/// The lines up to one of them.
#[derive(Debug, Clone, Default)]
struct Passed {
    line: usize,
    digest: Sha256,
}

/// The state of the loaded lines that is needed to continue behind them.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct SoFar {
    /// The events of these lines that are not stored.
    #[serde(default)]
    pub not_in: NotIn,
    /// The counts of a served system before the first of these lines. The system reports on all events together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
    /// Whether the system was restarted since. If so, its counts are incomplete.
    #[serde(default)]
    pub restarted: bool,
}

/// The counts of a served system when a load began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// When the system was started. Its counts begin then.
    pub started_at: Option<Instant>,
    /// The counts.
    pub taken_in: Counts,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    into: String,
    line: usize,
    fingerprint: String,
    #[serde(flatten)]
    so_far: SoFar,
}

impl Checkpoint {
    /// The checkpoint of a file that is loaded into a system.
    pub fn of(file: &Path, into: String) -> Self {
        let path = (file != Path::new("-")).then(|| {
            let mut name = file.as_os_str().to_owned();
            name.push(".load");
            PathBuf::from(name)
        });
        let passed = Passed::default();
        Self { path, into, marked: passed.clone(), passed, so_far: SoFar::default() }
    }

    /// The state of the lines that were loaded before.
    pub fn so_far(&self) -> SoFar {
        self.so_far
    }

    /// Skips the lines that are loaded already; returns the number of the line to begin with.
    ///
    /// # Errors
    /// If the lines are not those that were loaded.
    pub fn resume(&mut self, lines: &mut Lines, from: Option<u64>) -> Result<usize, CommandError> {
        let kept = self.kept();
        let until = match (from, &kept) {
            (Some(from), _) => usize::try_from(from).unwrap_or(usize::MAX).saturating_sub(1),
            (None, Some(kept)) if kept.into == self.into => kept.line,
            (None, Some(_) | None) => return Ok(1),
        };
        while lines.number() < until {
            let Some(raw) = lines.next_any()? else { break };
            self.pass(&raw);
        }
        if from.is_some() && lines.number() < until {
            let (name, last) = (lines.name(), lines.number());
            return Err(CommandError::input(format!("--resume-from: {name} has {last} lines; name one of them")));
        }
        if let (None, Some(kept)) = (from, &kept)
            && kept.fingerprint != self.passed.fingerprint()
        {
            let path = self.path.as_deref().unwrap_or(Path::new("-")).display();
            return Err(CommandError::input(format!(
                "{}: the first {until} lines are not those that were loaded; name a line with --resume-from, or \
                 remove {path} to load all of it (what is known already changes nothing)",
                lines.name()
            )));
        }
        if from.is_none() {
            // Lines that are loaded again are counted again.
            self.so_far = kept.map(|kept| kept.so_far).unwrap_or_default();
        }
        if until > 0 {
            lines.note(&format!("{}: goes on behind line {until}", lines.name()));
        }
        self.mark();
        Ok(until + 1)
    }

    fn kept(&self) -> Option<Kept> {
        serde_json::from_slice(&fs::read(self.path.as_ref()?).ok()?).ok()
    }

    /// Notes a line, in the order of the file. Blank lines are ignored.
    pub fn pass(&mut self, raw: &Raw) {
        if raw.bytes.is_empty() {
            return;
        }
        let Passed { line, digest } = &mut self.passed;
        *line = raw.number;
        digest.update(&raw.bytes);
        if raw.passed_over > 0 {
            digest.update(raw.passed_over.to_le_bytes());
        }
        digest.update(b"\n");
    }

    /// Marks the lines noted so far as those that the next save is about.
    pub fn mark(&mut self) {
        self.marked = self.passed.clone();
    }

    /// Stores the progress: all marked lines are loaded, with this state.
    ///
    /// # Errors
    /// If the file cannot be written beside the events.
    pub fn save(&self, so_far: SoFar) -> Result<(), CommandError> {
        let Some(path) = &self.path else { return Ok(()) };
        let kept =
            Kept { into: self.into.clone(), line: self.marked.line, fingerprint: self.marked.fingerprint(), so_far };
        let beside = path.with_extension("load.new");
        let text = serde_json::to_string(&kept).map_err(CommandError::input)?;
        let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, path));
        written.map_err(|error| CommandError::input(format!("{}: cannot be written: {error}", path.display())))
    }

    /// Removes the checkpoint, because everything is loaded.
    pub fn done(&self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

impl Passed {
    fn fingerprint(&self) -> String {
        let digest: [u8; 32] = self.digest.clone().finalize().into();
        digest.iter().take(16).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}
