//! One process at a time.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf, absolute};

use crate::OpenError;

/// The same path however it was spelled, and the lock that whoever opens it must hold.
///
/// The lock is a file beside the store's, because SQLite has locks of its own on that one.
pub(crate) fn exclusive(path: &Path) -> Result<(PathBuf, File), OpenError> {
    let files = |source| OpenError::Files { path: path.to_owned(), source };
    let path = fs::canonicalize(path).or_else(|_| absolute(path)).map_err(files)?;
    let mut beside = path.clone().into_os_string();
    beside.push(".lock");
    let lock = File::options().create(true).truncate(false).write(true).open(beside).map_err(files)?;
    match lock.try_lock() {
        Ok(()) => Ok((path, lock)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path }),
        Err(TryLockError::Error(source)) => Err(OpenError::Files { path, source }),
    }
}
