//! Locks that allow one process at a time, and files that only their owner may read.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf, absolute};

use crate::OpenError;

/// The same path for every spelling.
pub(crate) fn canonical(path: &Path) -> Result<PathBuf, OpenError> {
    let found = fs::canonicalize(path).or_else(|_| absolute(path));
    found.map_err(|source| OpenError::of_files(path, source))
}

/// The path of a file that belongs to another: its name with an ending.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(ending);
    name.into()
}

/// Takes the first of the two locks that are needed to open a store: a file beside the store's. It keeps openers within
/// one process apart. Between processes the second lock counts as well. It is on the store's own file, and neither a
/// deletion nor another name of the file gets around it ([`crate::file`]).
pub(crate) fn exclusive(path: &Path) -> Result<File, OpenError> {
    let of_files = |source| OpenError::of_files(path, source);
    let beside = beside(path, ".lock");
    let lock = private().create(true).truncate(false).write(true).open(&beside).map_err(of_files)?;
    let _ = narrow(&beside);
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(of_files(source)),
    }
}

/// The options that create a file that only its owner may read and write.
#[must_use]
pub fn private() -> OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Restricts a file to its owner, if it exists.
pub(crate) fn narrow(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = match fs::metadata(path) {
            Ok(metadata) => metadata.permissions().mode(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if mode & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700))?;
        }
    }
    let _ = path;
    Ok(())
}
