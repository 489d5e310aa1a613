//! Copies of an open store's file, and their examination.

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
    /// The lock for copying: one copy at a time, because it takes as much space as the store.
    copying: Arc<Mutex<()>>,
}

impl OnDisk {
    /// The file at this path. Removes the leftover copy of a process that was killed.
    pub(crate) fn new(path: PathBuf, private: bool) -> Self {
        let _ = fs::remove_file(copy_of(&path));
        Self { path, private, copying: Arc::default() }
    }
}

fn copy_of(path: &Path) -> PathBuf {
    beside(path, ".snapshot")
}

/// A copy of a store as it was at one instant, complete and examined. It is removed when this is dropped.
#[derive(Debug)]
pub struct Snapshot {
    contents: Contents,
    file: Passing,
    /// Keeps the store open, and prevents other copies.
    _held: (Arc<Engine>, OwnedMutexGuard<()>),
}

impl Snapshot {
    /// The path of the copy.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.0
    }

    /// The contents of the copy.
    #[must_use]
    pub fn contents(&self) -> Contents {
        self.contents
    }
}

/// The contents of a store's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Its size in bytes.
    pub bytes: u64,
    /// The number of items in all tables.
    pub items: u64,
}

/// The reason why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The store is in memory.
    #[error("the store is in memory: there is no file to copy")]
    NoFile,
    /// The copy could be neither written nor read.
    #[error("cannot make a copy of the store: {source}")]
    Files {
        /// The error of the system or of SQLite.
        source: Cause,
    },
    /// The store or its copy cannot be opened as a store.
    #[error("{}", source.in_full())]
    Unopened {
        /// The reason.
        #[from]
        source: OpenError,
    },
    /// The copy is damaged, and so is the store.
    #[error("the store is damaged, and no copy was kept: {}", places.iter().take(3).map(String::as_str).collect::<Vec<_>>().join("; "))]
    Damaged {
        /// The places that SQLite found.
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
    /// Copies the current store to a file beside its own that only its owner may read. Requests are carried out
    /// meanwhile: the copy contains what was answered before this call, and nothing that comes in later. It omits free
    /// space, and so everything that was deleted.
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

    /// The faults that SQLite finds in the store's file; empty if there are none, or no file. The whole file is read;
    /// the quick check does not compare indexes with tables.
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
    // SQLite writes into this empty file, which other users can never read.
    private().create(true).truncate(true).write(true).open(to)?;
    reader.execute("VACUUM INTO ?1", [name])?;
    drop(reader);
    look_through(to)
}

/// Examines a copy of a store that no process uses yet, and syncs it to disk.
///
/// # Errors
/// [`SnapshotError`]: it is not a store, or one of a newer release, or damaged.
pub fn examine(path: &Path) -> Result<Contents, SnapshotError> {
    let path = canonical(path)?;
    // Opening it checks that the file is a store. A copy has no log beside it.
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
