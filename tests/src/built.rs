//! The programs of this workspace, as they were built with the tests.

use std::fs;
use std::path::PathBuf;

/// The path of a program, which lies beside the folder of the tests. The program is never older than its sources.
///
/// # Panics
/// If it is missing, or too old.
pub fn built(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().parent().unwrap().join(name);
    let how = "build it with `cargo build --workspace --bins --tests`, or run tests/run";
    let built_at = fs::metadata(&path).and_then(|found| found.modified());
    let built_at = built_at.unwrap_or_else(|error| panic!("{}: {error}: {how}", path.display()));
    // Cargo writes the list of a program's sources beside it.
    let sources = fs::read_to_string(path.with_extension("d")).unwrap();
    let (_, sources) = sources.split_once(": ").unwrap();
    for source in sources.trim().replace("\\ ", "\0").split(' ').map(|source| source.replace('\0', " ")) {
        // A source that is gone would not be part of a build now.
        let is_newer = fs::metadata(&source).and_then(|found| found.modified()).is_ok_and(|at| at > built_at);
        assert!(!is_newer, "{} is older than {source}: {how}", path.display());
    }
    path
}
