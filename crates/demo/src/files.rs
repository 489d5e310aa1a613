//! The shop as files, in the form that `replay` and `explain` read.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::DemoError;

/// The file of the program that the shop starts with.
pub(crate) const PROGRAM: &str = "program.json";
/// The file of the events, including the change of rules.
pub(crate) const EVENTS: &str = "events.jsonl";

/// Files that are being written.
pub(crate) struct Files {
    events: BufWriter<File>,
    path: PathBuf,
}

impl Files {
    /// Creates the files in a directory, which is created if it is missing. Existing files are never overwritten.
    pub(crate) fn create(directory: &Path) -> Result<Self, DemoError> {
        fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
        let program = directory.join(PROGRAM);
        let mut file = new(&program)?;
        writeln!(file, "{:#}", sample_shop::program()).map_err(|error| failed(&program, error))?;
        let path = directory.join(EVENTS);
        Ok(Self { events: BufWriter::new(new(&path)?), path })
    }

    /// Adds an event.
    pub(crate) fn event(&mut self, line: &Value) -> Result<(), DemoError> {
        writeln!(self.events, "{line}").map_err(|error| failed(&self.path, error))
    }

    /// Completes the files.
    pub(crate) fn finish(mut self) -> Result<(), DemoError> {
        self.events.flush().map_err(|error| failed(&self.path, error))
    }
}

fn new(path: &Path) -> Result<File, DemoError> {
    File::create_new(path).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            DemoError::IsThere(path.to_owned())
        } else {
            failed(path, error)
        }
    })
}

fn failed(path: &Path, source: io::Error) -> DemoError {
    DemoError::Unwritten { path: path.to_owned(), source }
}
