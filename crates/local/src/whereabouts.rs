//! A check whether the files of a store are still the open ones. What is written into a removed file is lost when the
//! process ends.

#[cfg(unix)]
use std::path::Path;
#[cfg(unix)]
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
#[cfg(unix)]
use std::sync::{Mutex, PoisonError};

/// Whether a store's file and the log beside it are where they were: not removed, replaced or cut off.
#[cfg(unix)]
pub fn is_where_it_was(store: &embedded_dynamodb::Store) -> bool {
    static FILE: Mutex<Option<(u64, u64)>> = Mutex::new(None);
    static LOG: Mutex<Option<(u64, u64)>> = Mutex::new(None);
    static LENGTH: AtomicU64 = AtomicU64::new(0);
    static IS_CUT: AtomicBool = AtomicBool::new(false);
    let Some(path) = store.path() else { return true };
    // The store's own file only grows, so a shorter one was cut off. Later writes may make it as long as before, but
    // its content is gone. Therefore the result holds until the process ends.
    if let Ok(found) = path.metadata()
        && found.len() < LENGTH.fetch_max(found.len(), Ordering::SeqCst)
    {
        IS_CUT.store(true, Ordering::SeqCst);
    }
    if IS_CUT.load(Ordering::SeqCst) {
        return false;
    }
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    is_same(&FILE, path) && is_same(&LOG, Path::new(&log))
}

/// Whether a path still names the same file as before. The log exists from the first write on.
#[cfg(unix)]
fn is_same(known: &Mutex<Option<(u64, u64)>>, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let found = path.metadata().ok().map(|found| (found.dev(), found.ino()));
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    *known = known.or(found);
    *known == found
}

/// Whether a store's file exists.
#[cfg(not(unix))]
pub fn is_where_it_was(store: &embedded_dynamodb::Store) -> bool {
    store.path().is_none_or(|path| path.exists())
}
