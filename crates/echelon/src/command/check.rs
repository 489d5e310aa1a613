//! `echelon check`: runs worked cases and shows where they fail.

use std::path::{Path, PathBuf};

use cases::vector::{Miss, Vector};

use crate::error::CommandError;
use crate::input;
use crate::output::{print, say};

/// Runs worked cases (vectors) and shows where the engine and a case disagree
///
/// A case is a program, events, and the expected standing of a member at an instant. Prints one line per difference,
/// and the number of cases that passed and failed. A shop's own cases show before publishing whether a program does
/// what the shop intends.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Files of vectors, or folders of them (`*.json`)
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

const AFTER: &str = "\
Examples:
  echelon check tests/vectors
  echelon check ours.json tests/vectors/refunds.json

A file is a list of cases:
  [{ \"id\": \"OURS-1\", \"title\": \"Gold takes 500 points\",
     \"program\": { … }, \"events\": [ … ],
     \"expect\": [{ \"as_of\": \"2024-06-01T00:00:00Z\", \"member_id\": \"anna\",
                  \"tier\": \"gold\" }] }]
Only the keys that an expectation names are compared.

The last line is `N passed, N failed`.

Exit codes: 0 every case passed; 1 a case failed, or there was none; 2 a file
cannot be read (the others are run).";

/// Runs the command.
///
/// # Errors
/// A failed case, no case at all, or a file that cannot be read.
pub fn run(args: &Args) -> Result<(), CommandError> {
    let mut unreadable = Vec::new();
    let (mut passed, mut failed) = (0_usize, 0_usize);
    for file in args.paths.iter().flat_map(|path| files(path, &mut unreadable)).collect::<Vec<_>>() {
        let vectors = match vectors(&file) {
            Ok(vectors) => vectors,
            Err(failure) => {
                unreadable.push(failure.to_string());
                continue;
            }
        };
        for vector in vectors {
            let misses = vector.run(crate::zones());
            if misses.is_empty() {
                passed += 1
            } else {
                failed += 1
            }
            for miss in &misses {
                print(&failure_line(&vector, miss))?;
            }
        }
    }
    print(&format!("{passed} passed, {failed} failed"))?;
    if !unreadable.is_empty() {
        return Err(CommandError::input(unreadable.join("\nerror: ")));
    }
    if passed + failed == 0 {
        say("nothing was run: there are no vectors in what was given");
    }
    if failed > 0 || passed == 0 { Err(CommandError::Findings) } else { Ok(()) }
}

/// Lists the file itself, or the files of a folder in order of name.
fn files(path: &Path, unreadable: &mut Vec<String>) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let entries = match std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(entries) => entries,
        Err(error) => {
            unreadable.push(format!("{}: cannot be read: {error}", path.display()));
            return Vec::new();
        }
    };
    let paths = entries.into_iter().map(|entry| entry.path());
    let mut found: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    found.sort();
    found
}

fn vectors(file: &Path) -> Result<Vec<Vector>, CommandError> {
    let document = input::document(file)?;
    Vector::read_all(&document.value).map_err(|what| CommandError::input(format!("{}: {what}", file.display())))
}

fn failure_line(vector: &Vector, miss: &Miss) -> String {
    let line = format!("FAIL {} {}: {} ({})", vector.id, miss.place, miss.what, vector.title);
    // A failure takes one line, whatever a title contains.
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
