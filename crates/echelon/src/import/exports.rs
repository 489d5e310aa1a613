//! When files were exported, and how that is known. It orders the versions of what they say.

use std::fmt;

use rules::calendar::Instant;
use serde::Serialize;

/// When a file was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// The instant.
    pub at: Instant,
    /// How it is known.
    pub by: KnownBy,
}

/// How the time of an export is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KnownBy {
    /// By `--exported-at`.
    Stated,
    /// By the file's time of modification.
    Modified,
}

/// A file with the time of its export, for the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileExported {
    file: String,
    exported_at: String,
    known_by: KnownBy,
}

impl FileExported {
    /// The entry of a file.
    pub fn new(file: &str, exported: Exported) -> Self {
        Self { file: file.to_owned(), exported_at: exported.at.to_string(), known_by: exported.by }
    }

    /// The file, if the time of its export was not stated.
    pub fn assumed(&self) -> Option<&str> {
        (self.known_by == KnownBy::Modified).then_some(self.file.as_str())
    }
}

impl fmt::Display for FileExported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, exported_at, known_by } = self;
        let known_by = match known_by {
            KnownBy::Stated => "--exported-at",
            KnownBy::Modified => "its time of modification",
        };
        write!(f, "{file}: exported at {exported_at} ({known_by})")
    }
}
