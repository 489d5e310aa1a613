//! The reasons why a store did not open, by what can be done about them.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use dynoxide::DynoxideError;
use rusqlite::ErrorCode;

/// The cause of an error.
pub type Cause = Box<dyn Error + Send + Sync>;

/// The reason why a store did not open. In none of these cases was the file changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open; a store has one process at a time.
    #[error("`{path}` is in use by another process: stop that process first, or ask it instead of opening its file")]
    InUse {
        /// The file of the store.
        path: PathBuf,
    },
    /// The file does not exist, and was not to be created.
    #[error("there is no file `{path}`: name the file of a store")]
    Missing {
        /// The file of the store.
        path: PathBuf,
    },
    /// The file is empty, and nothing was to be created.
    #[error("`{path}` is empty: name the file of a store")]
    Empty {
        /// The file of the store.
        path: PathBuf,
    },
    /// A log with the last writes exists, without the file that it belongs to.
    #[error(
        "`{log}` has what was written last to `{path}`, which is not there: put the two together again, or move the first away"
    )]
    Stray {
        /// The file of the store.
        path: PathBuf,
        /// The log beside it.
        log: PathBuf,
    },
    /// The name is that of a folder.
    #[error("`{path}` is a folder: name a file in it")]
    Folder {
        /// The file of the store.
        path: PathBuf,
    },
    /// The name is that of a pipe, a socket or a device.
    #[error("`{path}` is a pipe or a device: name a file")]
    Special {
        /// The name.
        path: PathBuf,
    },
    /// The name is that of a link whose target does not exist.
    #[error(
        "`{path}` is a link to `{target}`, which does not exist: put the store there, remove the link, or name another file"
    )]
    DanglingLink {
        /// The link.
        path: PathBuf,
        /// Its target.
        target: PathBuf,
    },
    /// The folder of the file does not exist.
    #[error("cannot open `{path}`: its folder does not exist")]
    NoFolder {
        /// The file of the store.
        path: PathBuf,
    },
    /// This user may not write the file, or its folder.
    #[error(
        "`{path}` may not be written by this user, who must be able to write the file and to make others beside it: run as the owner of the file, or change its permissions"
    )]
    Forbidden {
        /// The file of the store.
        path: PathBuf,
        /// The system's error, if the system refused.
        source: Option<Cause>,
    },
    /// The files can be neither created nor opened, or there is no thread to work on them.
    #[error("cannot open `{path}`")]
    Files {
        /// The file of the store.
        path: PathBuf,
        /// The system's error.
        source: Cause,
    },
    /// SQLite cannot open a file with this name.
    #[error("cannot open `{path}`: its name is not UTF-8, choose another")]
    Name {
        /// The file of the store.
        path: PathBuf,
    },
    /// The file is not a database.
    #[error("`{path}` is not a store: it is not a SQLite database; name the file of a store")]
    NotADatabase {
        /// The file of the store.
        path: PathBuf,
        /// SQLite's error.
        source: Cause,
    },
    /// The file is a database of another program.
    #[error(
        "`{path}` is not a store: it is a SQLite database of another program, and stays as it is; name another file"
    )]
    Foreign {
        /// The file of the store.
        path: PathBuf,
    },
    /// A newer release wrote the file.
    #[error(
        "`{path}` was written by a newer release (format {found}; this one knows formats up to {known}): install that release"
    )]
    Newer {
        /// The file of the store.
        path: PathBuf,
        /// The format of the file.
        found: String,
        /// The newest format that this release knows.
        known: u32,
    },
    /// The file was a store, and is no longer whole.
    #[error(
        "`{path}` is damaged or cut off: keep it as it is, and restore a backup under another name (`echelon restore`)"
    )]
    Damaged {
        /// The file of the store.
        path: PathBuf,
        /// SQLite's or dynoxide's error.
        source: Cause,
    },
}

impl OpenError {
    /// The error with its cause, for people.
    #[must_use]
    pub fn in_full(&self) -> String {
        self.source().map_or_else(|| self.to_string(), |source| format!("{self} ({source})"))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "there are many kinds, and the others have one answer")]
    pub(crate) fn of_files(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NoFolder { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Forbidden { path, source: Some(source.into()) }
            }
            _ => Self::Files { path, source: source.into() },
        }
    }

    pub(crate) fn of_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let (path, code) = (path.to_owned(), source.sqlite_error_code());
        match code {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse { path },
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                Self::Forbidden { path, source: Some(source.into()) }
            }
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path, source: source.into() },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, source: source.into() },
            _ => Self::Files { path, source: source.into() },
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "dynoxide's errors may grow, and the others have one answer")]
    pub(crate) fn of_dynoxide(path: &Path, source: DynoxideError) -> Self {
        match source {
            DynoxideError::SqliteError(source) => Self::of_sqlite(path, source),
            other => Self::Damaged { path: path.to_owned(), source: other.into() },
        }
    }
}
