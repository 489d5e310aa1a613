//! The programs of this workspace, as they were built with the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A program, which lies beside the folder of the tests; never one that is older than the crates it is built of.
///
/// # Panics
/// If it is not there, or too old.
pub fn built(name: &str, of: &[&str]) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().parent().unwrap().join(name);
    let how = "build it with `cargo build --workspace --bins`, or run tests/run";
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let built_at = fs::metadata(&path).and_then(|found| found.modified());
    let built_at = built_at.unwrap_or_else(|error| panic!("{}: {error}: {how}", path.display()));
    for folder in of {
        let newest = newest(&crates.join(folder).join("src"));
        assert!(newest <= built_at, "{} is older than crates/{folder}: {how}", path.display());
    }
    path
}

fn newest(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let at = |path: PathBuf| if path.is_dir() { newest(&path) } else { path.metadata().unwrap().modified().unwrap() };
    entries.map(|entry| at(entry.path())).max().unwrap_or(SystemTime::UNIX_EPOCH)
}
