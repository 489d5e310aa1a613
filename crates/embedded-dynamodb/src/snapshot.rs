//! Copies of a store's file, made while it is open, and what is found in one.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::engine::Engine;
use crate::error::Cause;
use crate::file::{self, Absent, Keeper, Passing};
use crate::lock::{beside, canonical, private};
use crate::{OpenError, Store};

/// The file of an open store.
#[derive(Clone, Debug)]
pub(crate) struct OnDisk {
    pub(crate) path: PathBuf,
    pub(crate) private: bool,
    /// Who makes a copy: one at a time, since it takes as much room as the store.
    copying: Arc<Mutex<()>>,
}

impl OnDisk {
    /// The file at this path. What a copy has left behind whose process was killed is removed.
    pub(crate) fn new(path: PathBuf, private: bool) -> Self {
        let _ = fs::remove_file(copy_of(&path));
        Self { path, private, copying: Arc::default() }
    }
}

fn copy_of(path: &Path) -> PathBuf {
    beside(path, ".snapshot")
}

/// A copy of a store as it was at one instant, whole and looked through. It is removed when this is dropped.
#[derive(Debug)]
pub struct Snapshot {
    contents: Contents,
    file: Passing,
    /// The store stays open as long, and nobody else makes a copy.
    _held: (Arc<Engine>, OwnedMutexGuard<()>),
}

impl Snapshot {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.0
    }

    /// What is in it.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.contents
    }
}

/// What is in a store's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Its size.
    pub bytes: u64,
    /// How many items all tables have together.
    pub items: u64,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The store is in memory.
    #[error("the store is in memory: there is no file to copy")]
    NoFile,
    /// The copy could be neither written nor read.
    #[error("cannot make a copy of the store: {source}")]
    Files {
        /// What the system or SQLite said.
        source: Cause,
    },
    /// What is to be copied, or was, is no store that can be opened.
    #[error("{}", source.in_full())]
    Unopened {
        /// Why.
        #[from]
        source: OpenError,
    },
    /// The copy is damaged, and so is the store.
    #[error("the store is damaged, and no copy was kept: {}", places.iter().take(3).map(String::as_str).collect::<Vec<_>>().join("; "))]
    Damaged {
        /// What SQLite found.
        places: Vec<String>,
    },
}

impl From<rusqlite::Error> for SnapshotError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { places: vec![error.to_string()] }
            }
            Some(_) | None => Self::Files { source: error.into() },
        }
    }
}

impl From<io::Error> for SnapshotError {
    fn from(error: io::Error) -> Self {
        Self::Files { source: error.into() }
    }
}

impl Store {
    /// A copy of the store as it is now, beside its file and as nobody else's to read. Requests are carried out meanwhile: what
    /// was answered before this is in it, what comes in later is not. It is without the room that was free, and so without
    /// what was deleted.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub async fn snapshot(&self) -> Result<Snapshot, SnapshotError> {
        let Some(OnDisk { path, copying, .. }) = self.file.clone() else { return Err(SnapshotError::NoFile) };
        let held = (Arc::clone(&self.engine), copying.lock_owned().await);
        blocking(move || {
            let file = Passing(copy_of(&path));
            let contents = copy(&path, &file.0)?;
            Ok(Snapshot { contents, file, _held: held })
        })
        .await
    }

    /// What SQLite finds wrong with the store's file: nothing, if all is well, or if there is no file. All of the file is
    /// read; the quick way leaves out whether indexes and tables agree.
    ///
    /// # Errors
    /// [`SnapshotError`] if the file cannot be read at all.
    pub async fn check(&self, quick: bool) -> Result<Vec<String>, SnapshotError> {
        let Some(OnDisk { path, .. }) = self.file.clone() else { return Ok(Vec::new()) };
        let held = Arc::clone(&self.engine);
        blocking(move || {
            let _held = held;
            Ok(file::check(&file::reader(&path)?, quick)?)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> Result<T, SnapshotError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(SnapshotError::Files { source: error.into() }))
}

fn copy(from: &Path, to: &Path) -> Result<Contents, SnapshotError> {
    let name = to.to_str().ok_or_else(|| OpenError::Name { path: to.to_owned() })?;
    let reader = file::reader(from)?;
    // An empty file is taken as it is: so it is never anybody else's to read.
    private().create(true).truncate(true).write(true).open(to)?;
    reader.execute("VACUUM INTO ?1", [name])?;
    drop(reader);
    look_through(to)
}

/// Looks a copy of a store through that is nobody's yet, and brings it to disk.
///
/// # Errors
/// [`SnapshotError`]: if it is no store, one of a newer release, or a damaged one.
pub fn examine(path: &Path) -> Result<Contents, SnapshotError> {
    let path = canonical(path)?;
    // It tells what the file is, and has no log beside it.
    drop(Keeper::open(&path, Absent::Refused)?);
    look_through(&path)
}

fn look_through(path: &Path) -> Result<Contents, SnapshotError> {
    let connection: Connection = file::reader(path)?;
    let places = file::check(&connection, false)?;
    if !places.is_empty() {
        return Err(SnapshotError::Damaged { places });
    }
    let items = file::items(&connection)?;
    drop(connection);
    let file = File::options().write(true).open(path)?;
    file.sync_all()?;
    Ok(Contents { bytes: file.metadata()?.len(), items })
}
