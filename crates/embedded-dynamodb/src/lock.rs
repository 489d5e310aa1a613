//! One process at a time, and files that are nobody else's to read.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf, absolute};

use crate::OpenError;

/// The same path however it was spelled.
pub(crate) fn canonical(path: &Path) -> Result<PathBuf, OpenError> {
    let found = fs::canonicalize(path).or_else(|_| absolute(path));
    found.map_err(|source| OpenError::of_files(path, source))
}

/// A file that belongs to the one at the path: its name with an ending.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(ending);
    name.into()
}

/// The first of two locks that whoever opens a store must hold: a file beside the store's. It tells openers in one
/// process apart. Between processes there is the second, too, on the store's own file, which no deletion and no other name
/// passes by ([`crate::file`]).
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

/// How a file is made that only its owner may read and write.
#[must_use]
pub fn private() -> OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Takes a file away from everybody but its owner, if it is there; says whether that is so then.
pub(crate) fn narrow(path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = match fs::metadata(path) {
            Ok(metadata) => metadata.permissions().mode(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        if mode & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700))?;
        }
    }
    let _ = path;
    Ok(true)
}
