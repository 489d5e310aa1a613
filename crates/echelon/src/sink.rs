//! Writing files. No file is ever seen half-written, and none takes the place of a store.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::CommandError;

/// A destination for lines: the standard output, or a file that appears when it is finished.
pub struct Sink {
    name: String,
    writer: BufWriter<Box<dyn Write>>,
    unfinished: Option<Unfinished>,
    /// The reader of the standard output is gone (`| head`): the rest is not written, which is not a failure.
    closed: bool,
}

/// A file under a temporary name, which is removed unless it gets its own name.
struct Unfinished {
    passing: PathBuf,
    target: PathBuf,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After `finish`, nothing is left under this name.
        let _ = fs::remove_file(&self.passing);
    }
}

impl Sink {
    /// The standard output.
    pub fn stdout() -> Self {
        let writer: Box<dyn Write> = Box::new(io::stdout());
        Self { name: "the standard output".to_owned(), writer: BufWriter::new(writer), unfinished: None, closed: false }
    }

    /// A destination that keeps nothing, for a dry run.
    pub fn nowhere() -> Self {
        let writer = BufWriter::new(Box::new(io::sink()) as Box<dyn Write>);
        Self { name: "nowhere".to_owned(), writer, unfinished: None, closed: false }
    }

    /// A file with this name. Until it is finished it has a temporary name in the same folder.
    ///
    /// # Errors
    /// If it cannot be written, or would take the place of a store.
    pub fn file(path: &Path) -> Result<Self, CommandError> {
        if is_database(path) {
            return Err(in_place_of_a_store(path));
        }
        is_beside_no_store(path)?;
        let name = format!("`{}`", path.display());
        let failed = |error: io::Error| CommandError::input(format!("{name} cannot be written: {error}"));
        let special = fs::metadata(path).is_ok_and(|found| !found.is_file());
        let (file, unfinished) = if special {
            // A device or a pipe is written to, not replaced; a folder fails here.
            (File::options().write(true).open(path).map_err(failed)?, None)
        } else {
            // A link stays a link: what it points to is replaced.
            let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
            let own = target.file_name().unwrap_or_default().to_string_lossy();
            let passing = target.with_file_name(format!(".{own}.{}.partial", std::process::id()));
            (File::create(&passing).map_err(failed)?, Some(Unfinished { passing, target }))
        };
        Ok(Self { name, writer: BufWriter::with_capacity(1 << 16, Box::new(file)), unfinished, closed: false })
    }

    /// Writes a value as one line.
    pub fn line(&mut self, value: &serde_json::Value) -> Result<(), CommandError> {
        let written = serde_json::to_writer(&mut self.writer, value).map_err(io::Error::from);
        let written = written.and_then(|()| self.writer.write_all(b"\n"));
        self.settle(written)
    }

    /// Writes a line that is encoded already.
    pub fn encoded(&mut self, line: &[u8]) -> Result<(), CommandError> {
        let written = self.writer.write_all(line).and_then(|()| self.writer.write_all(b"\n"));
        self.settle(written)
    }

    /// Writes text as it is.
    pub fn text(&mut self, text: &str) -> Result<(), CommandError> {
        let written = self.writer.write_all(text.as_bytes());
        self.settle(written)
    }

    /// Gives the file its name.
    pub fn finish(mut self) -> Result<(), CommandError> {
        let written = self.writer.flush();
        self.settle(written)?;
        match &self.unfinished {
            Some(file) => {
                fs::rename(&file.passing, &file.target).map_err(|error| CommandError::input(self.unwritable(&error)))
            }
            None => Ok(()),
        }
    }

    fn settle(&mut self, written: io::Result<()>) -> Result<(), CommandError> {
        match written {
            Ok(()) => Ok(()),
            Err(_) if self.closed => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                self.writer = BufWriter::new(Box::new(io::sink()));
                Ok(())
            }
            Err(error) => Err(CommandError::input(self.unwritable(&error))),
        }
    }

    fn unwritable(&self, error: &io::Error) -> String {
        format!("{} cannot be written: {error}", self.name)
    }
}

/// The endings of files that SQLite, or this command, puts beside a store.
const BESIDE: [&str; 5] = ["-wal", "-shm", "-journal", ".lock", ".snapshot"];
/// The first bytes of a database and of its log, as SQLite defines them.
const DATABASE: &[u8] = b"SQLite format 3\0";
const LOGS: [&[u8]; 2] = [&[0x37, 0x7f, 0x06, 0x82], &[0x37, 0x7f, 0x06, 0x83]];

/// Refuses a name that belongs to a file beside a store, such as its log, because that file has the store's last
/// writes.
///
/// # Errors
/// An error that names the store.
pub fn is_beside_no_store(path: &Path) -> Result<(), CommandError> {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = real.to_string_lossy();
    let of = BESIDE.iter().filter_map(|end| name.strip_suffix(end)).find(|store| Path::new(store).exists());
    match of {
        Some(store) => Err(CommandError::input(format!(
            "{} would belong to the file `{store}` and be taken for a part of it: name another file",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// Refuses to write to an input file, whose content would be lost.
///
/// # Errors
/// An error that names the file.
pub fn is_no_input<'a>(path: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<(), CommandError> {
    let is_file = fs::metadata(path).is_ok_and(|found| found.is_file());
    let is_read = |input: &Path| same_file::is_same_file(path, input).unwrap_or(false);
    match inputs.into_iter().find(|input| is_file && is_read(input)) {
        Some(input) => Err(CommandError::input(format!(
            "{} is read (`{}`), and nothing takes its place: name another file",
            path.display(),
            input.display()
        ))),
        None => Ok(()),
    }
}

/// Whether the file is a database, or the log of one.
fn is_database(path: &Path) -> bool {
    let is_file = fs::metadata(path).is_ok_and(|found| found.is_file());
    let mut begins = Vec::new();
    let read = |file: File| file.take(DATABASE.len() as u64).read_to_end(&mut begins);
    let is_read = is_file && File::open(path).and_then(read).is_ok();
    is_read && (begins == DATABASE || LOGS.iter().any(|log| begins.starts_with(log)))
}

fn in_place_of_a_store(path: &Path) -> CommandError {
    CommandError::input(format!(
        "{} is a store, and no list or report takes its place: name another file",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_finished_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        fs::write(&path, "before").unwrap();
        let mut sink = Sink::file(&path).unwrap();
        sink.text("half").unwrap();
        drop(sink);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_finished_file_takes_the_place_of_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        fs::write(&path, "before").unwrap();
        let mut sink = Sink::file(&path).unwrap();
        sink.line(&serde_json::json!({"a": 1})).unwrap();
        sink.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":1}\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_device_is_written_to_and_not_replaced() {
        let mut sink = Sink::file(Path::new("/dev/null")).unwrap();
        sink.text("gone").unwrap();
        sink.finish().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
