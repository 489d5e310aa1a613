//! Opening the sources of an import: files, folders and the standard input, packed or not.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rules::calendar;

use crate::input::why_unreadable;

/// The form of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Comma-separated values.
    Table,
    /// One JSON document, or a list of them.
    Document,
    /// A JSON document per line.
    Lines,
}

/// A source of an import.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
}

/// A source that was opened, unpacked and stripped of a byte order mark.
pub struct Opened {
    /// The form of the content.
    pub form: Form,
    /// The content as text.
    pub reader: Box<dyn BufRead>,
}

/// The sources of a command line: files as they are, and the files in folders, in order of their paths.
pub fn sources(paths: &[PathBuf]) -> Result<Vec<Source>, String> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = found.len();
            folder(path, &mut found)?;
            if found.len() == before {
                return Err(format!("`{}`: no file in it ends in .csv, .json, .jsonl or .gz", path.display()));
            }
        } else {
            found.push(Source { path: path.clone() });
        }
    }
    Ok(found)
}

fn folder(path: &Path, found: &mut Vec<Source>) -> Result<(), String> {
    let entries = fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut paths: Vec<_> = entries.map_err(|error| unreadable(path, &error))?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            folder(&path, found)?;
        } else if form_by_name(&path).is_some() {
            found.push(Source { path });
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("`{}` {}", path.display(), why_unreadable(path, error))
}

fn form_by_name(path: &Path) -> Option<Form> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    match name.strip_suffix(".gz").unwrap_or(&name).rsplit_once('.')?.1 {
        "csv" => Some(Form::Table),
        "json" => Some(Form::Document),
        "jsonl" | "ndjson" => Some(Form::Lines),
        _ => None,
    }
}

impl Source {
    /// The name in reports.
    pub fn name(&self) -> String {
        if self.is_stdin() { "standard input".to_owned() } else { self.path.display().to_string() }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The time of the last modification, if there is a file.
    pub fn modified_at(&self) -> Option<calendar::Instant> {
        let metadata = fs::metadata(&self.path).ok().filter(|_| !self.is_stdin())?;
        let since_1970 = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(calendar::Instant::from_millis(i64::try_from(since_1970.as_millis()).ok()?))
    }

    /// The size on disk in bytes, if it is known beforehand.
    pub fn size(&self) -> Option<u64> {
        fs::metadata(&self.path).ok().filter(|_| !self.is_stdin()).map(|metadata| metadata.len())
    }

    fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// Opens the source. Its first bytes say whether it is packed. Its name says what form it has, or else its first
    /// character.
    pub fn open(&self, progress: &Progress) -> Result<Opened, String> {
        let failed = |error: io::Error| unreadable(Path::new(&self.name()), &error);
        let raw: Box<dyn Read> =
            if self.is_stdin() { Box::new(io::stdin()) } else { Box::new(File::open(&self.path).map_err(failed)?) };
        let (first, rest) = peek(Box::new(progress.watch(raw))).map_err(failed)?;
        let (first, rest) = if first.starts_with(&[0x1f, 0x8b]) {
            peek(Box::new(MultiGzDecoder::new(Cursor::new(first).chain(rest)))).map_err(failed)?
        } else {
            (first, rest)
        };
        if first.starts_with(&[0xff, 0xfe]) || first.starts_with(&[0xfe, 0xff]) {
            return Err(format!(
                "`{}` is UTF-16; save it again as UTF-8 (\"CSV UTF-8\" in a spreadsheet)",
                self.name()
            ));
        }
        let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&first).to_vec();
        if text.trim_ascii().is_empty() && first.len() < PEEKED {
            return Err(format!("`{}` is empty: there is nothing to import", self.name()));
        }
        let form = form_by_name(&self.path).unwrap_or_else(|| form_by_text(&text));
        Ok(Opened { form, reader: Box::new(BufReader::with_capacity(1 << 16, Cursor::new(text).chain(rest))) })
    }
}

/// The number of bytes that is enough for the first line of a table's header or of a bare document.
const PEEKED: usize = 1 << 16;

fn peek(mut from: Box<dyn Read>) -> io::Result<(Vec<u8>, Box<dyn Read>)> {
    let mut first = Vec::new();
    from.by_ref().take(PEEKED as u64).read_to_end(&mut first)?;
    Ok((first, from))
}

fn form_by_text(text: &[u8]) -> Form {
    let text = text.trim_ascii_start();
    if !text.starts_with(b"{") && !text.starts_with(b"[") {
        return Form::Table;
    }
    let first_line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let whole = serde_json::from_slice::<serde::de::IgnoredAny>(first_line).is_ok();
    if whole && text.starts_with(b"{") { Form::Lines } else { Form::Document }
}

/// A progress bar, which appears only on a terminal and only after a moment.
#[derive(Debug, Clone)]
pub struct Progress {
    bar: ProgressBar,
    wanted: bool,
}

const SHOWN_AFTER: Duration = Duration::from_millis(500);

impl Progress {
    /// A bar over the bytes of the sources; it stays hidden if it is not wanted.
    pub fn over(sources: &[Source], wanted: bool) -> Self {
        let total = sources.iter().map(Source::size).sum::<Option<u64>>();
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let template = "importing {bar:30} {bytes} of {total_bytes}, {eta} left";
        if let (Ok(style), Some(_)) = (ProgressStyle::with_template(template), total) {
            bar.set_style(style);
        }
        Self { bar, wanted }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn watch(&self, inner: Box<dyn Read>) -> Watched {
        Watched { inner, progress: self.clone(), since: Instant::now(), shown: Cell::new(false) }
    }
}

struct Watched {
    inner: Box<dyn Read>,
    progress: Progress,
    since: Instant,
    shown: Cell<bool>,
}

impl Read for Watched {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.progress.bar.inc(count as u64);
        if self.progress.wanted && !self.shown.get() && self.since.elapsed() > SHOWN_AFTER {
            self.shown.set(true);
            // The bar hides itself if there is no terminal.
            self.progress.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_holds_is_told_by_its_name() {
        for (name, form) in [
            ("a.csv", Some(Form::Table)),
            ("a.CSV.gz", Some(Form::Table)),
            ("a.json", Some(Form::Document)),
            ("a.jsonl.gz", Some(Form::Lines)),
            ("a.ndjson", Some(Form::Lines)),
            ("a.txt", None),
            ("-", None),
        ] {
            assert_eq!(form_by_name(Path::new(name)), form, "{name}");
        }
    }

    #[test]
    fn or_else_by_its_first_character() {
        for (text, form) in [
            ("order_id,total\n", Form::Table),
            ("\n {\"id\":1}\n{\"id\":2}\n", Form::Lines),
            ("{\n  \"id\": 1\n}\n", Form::Document),
            ("[{\"id\":1}]", Form::Document),
        ] {
            assert_eq!(form_by_text(text.as_bytes()), form, "{text}");
        }
    }
}
