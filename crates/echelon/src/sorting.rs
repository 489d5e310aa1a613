//! Lines in order of time, however many there are. Beyond a limit they are sorted in parts, which lie in files without
//! a name and are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::error::CommandError;

/// The bytes that are held in memory: some 300,000 facts. A part on disk has this size, so that a hundred parts are
/// 6 GB and need a hundred open files.
const HELD_BYTES_MAX: usize = 64 << 20;

/// A line with the place that it had, and the key by which it is sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Placed {
    /// The key: an instant in milliseconds.
    pub key: i64,
    /// The place before the sorting, which decides between equal keys.
    pub place: u64,
    /// The line without its end.
    pub line: Vec<u8>,
}

/// Lines that are to be sorted.
#[derive(Debug)]
pub struct Sorter {
    held: Vec<Placed>,
    held_bytes: usize,
    held_bytes_max: usize,
    parts: Vec<BufReader<File>>,
}

impl Sorter {
    /// A sorter without lines.
    pub fn new() -> Self {
        Self::holding(HELD_BYTES_MAX)
    }

    fn holding(held_bytes_max: usize) -> Self {
        Self { held: Vec::new(), held_bytes: 0, held_bytes_max, parts: Vec::new() }
    }

    /// Takes a line.
    ///
    /// # Errors
    /// If the lines no longer fit into memory, and no temporary file can be written.
    pub fn push(&mut self, line: Placed) -> Result<(), CommandError> {
        self.held_bytes += line.line.len() + size_of::<Placed>();
        self.held.push(line);
        if self.held_bytes > self.held_bytes_max { self.spill().map_err(|error| failed(&error)) } else { Ok(()) }
    }

    /// The lines in order of their keys; those with equal keys in order of their places.
    ///
    /// # Errors
    /// If a temporary file cannot be read.
    pub fn sorted(mut self) -> Result<Sorted, CommandError> {
        self.held.sort_unstable();
        let mut sorted = Sorted { held: self.held.into_iter(), parts: self.parts, next: BinaryHeap::new() };
        for source in 0..=sorted.parts.len() {
            sorted.refill(source)?;
        }
        Ok(sorted)
    }

    fn spill(&mut self) -> io::Result<()> {
        self.held.sort_unstable();
        let mut part = BufWriter::with_capacity(1 << 16, nameless(self.parts.len())?);
        for Placed { key, place, line } in self.held.drain(..) {
            part.write_all(&key.to_le_bytes())?;
            part.write_all(&place.to_le_bytes())?;
            part.write_all(&(line.len() as u64).to_le_bytes())?;
            part.write_all(&line)?;
        }
        self.held_bytes = 0;
        let mut file = part.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        self.parts.push(BufReader::with_capacity(1 << 16, file));
        Ok(())
    }
}

/// Sorted lines, one by one.
#[derive(Debug)]
pub struct Sorted {
    held: std::vec::IntoIter<Placed>,
    parts: Vec<BufReader<File>>,
    /// The first line of each source that has one left. The source after the last part is the memory.
    next: BinaryHeap<Reverse<(Placed, usize)>>,
}

impl Sorted {
    /// The next line; none after the last one.
    ///
    /// # Errors
    /// If a temporary file cannot be read.
    pub fn next_line(&mut self) -> Result<Option<Placed>, CommandError> {
        let Some(Reverse((line, source))) = self.next.pop() else { return Ok(None) };
        self.refill(source)?;
        Ok(Some(line))
    }

    fn refill(&mut self, source: usize) -> Result<(), CommandError> {
        let line = match self.parts.get_mut(source) {
            Some(part) => read(part).map_err(|error| failed(&error))?,
            None => self.held.next(),
        };
        self.next.extend(line.map(|line| Reverse((line, source))));
        Ok(())
    }
}

fn read(part: &mut BufReader<File>) -> io::Result<Option<Placed>> {
    let mut number = [0; 8];
    match part.read_exact(&mut number) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let key = i64::from_le_bytes(number);
    part.read_exact(&mut number)?;
    let place = u64::from_le_bytes(number);
    part.read_exact(&mut number)?;
    let length = usize::try_from(u64::from_le_bytes(number)).map_err(io::Error::other)?;
    let mut line = vec![0; length];
    part.read_exact(&mut line)?;
    Ok(Some(Placed { key, place, line }))
}

/// A temporary file that only this process can reach. Its name is removed at once, so that nothing about members
/// stays behind, however the process ends.
fn nameless(number: usize) -> io::Result<File> {
    let path = path(number);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

fn path(number: usize) -> PathBuf {
    std::env::temp_dir().join(format!("echelon-{}-{}-{number}.sorted", std::process::id(), uuid::Uuid::new_v4()))
}

fn failed(error: &io::Error) -> CommandError {
    let folder = std::env::temp_dir();
    CommandError::input(format!(
        "the lines do not fit into memory, and a temporary file in {} cannot be used: {error}; name a folder with \
         enough space in TMPDIR",
        folder.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_order_of_key_and_place_whether_or_not_they_fit_into_memory() {
        for held_bytes_max in [usize::MAX, 1_000, 1] {
            let mut sorter = Sorter::holding(held_bytes_max);
            for place in 0..200 {
                let key = i64::try_from(place * 37 % 50).unwrap() - 25;
                sorter.push(Placed { key, place, line: place.to_string().into_bytes() }).unwrap();
            }
            assert_eq!(sorter.parts.is_empty(), held_bytes_max == usize::MAX);
            let mut sorted = sorter.sorted().unwrap();
            let mut found = Vec::new();
            while let Some(Placed { key, place, line }) = sorted.next_line().unwrap() {
                assert_eq!(line, place.to_string().into_bytes());
                found.push((key, place));
            }
            assert!(found.len() == 200 && found.is_sorted(), "{found:?}");
        }
    }
}
