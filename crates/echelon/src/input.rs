//! Reading input files. A file that is missing, broken or ambiguous is named, with the line and the remedy.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use rules::calendar::Instant;
use rules::json::{Problem, repeated};
use rules::program::{Draft, Program};
use serde_json::Value;

use crate::error::CommandError;
use crate::output::say;

/// A JSON document, and the fields that it names twice.
pub struct Document {
    /// The content; the last value of a field that is named twice.
    pub value: Value,
    /// The fields that are named twice.
    pub repeated: Vec<Problem>,
}

/// Reads a JSON file.
///
/// # Errors
/// Names the file, and the line and column at which it is not JSON.
pub fn document(path: &Path) -> Result<Document, CommandError> {
    let text = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    let text = String::from_utf8(text)
        .map_err(|_| CommandError::input(format!("{}: is not UTF-8 text; save it as UTF-8", path.display())))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let parsed = repeated(text).and_then(|repeated| Ok(Document { value: serde_json::from_str(text)?, repeated }));
    parsed.map_err(|error| {
        let place = format!("{}:{}:{}", path.display(), error.line(), error.column());
        CommandError::input(format!("{place}: is not JSON: {}", without_place(&error)))
    })
}

/// Reads a program that is to be used: first as JSON, then as a program.
///
/// # Errors
/// Names the file, and every problem with its JSON path.
pub fn program(path: &Path) -> Result<(Value, Draft), CommandError> {
    let Document { value, repeated } = document(path)?;
    let draft = match Program::read(&value, crate::zones()) {
        Ok(draft) if repeated.is_empty() => return Ok((value, draft)),
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().cloned().collect(),
    };
    let lines: Vec<_> = repeated.iter().chain(&draft).map(|problem| format!("{}: {problem}", path.display())).collect();
    Err(CommandError::input(lines.join("\n       ")))
}

/// The lines of a file, or of the standard input for `-`. A `.gz` file is unpacked. On a terminal the progress is
/// shown.
pub struct Lines {
    name: String,
    reader: Box<dyn BufRead>,
    bar: ProgressBar,
    number: usize,
    /// The maximum length of a line that is kept in memory.
    bytes_max: usize,
}

/// A line that is not empty.
pub struct Line {
    /// The number, counted from 1.
    pub number: usize,
    /// The content, or why it is not JSON.
    pub content: Result<Value, String>,
}

/// A line as it stands in the file.
pub struct Raw {
    /// The number, counted from 1.
    pub number: usize,
    /// The bytes without the line end.
    pub bytes: Vec<u8>,
    /// The number of bytes behind them that were passed over, because the line is too long to be kept.
    pub passed_over: u64,
}

impl Lines {
    /// Opens the file.
    ///
    /// # Errors
    /// Names the file that cannot be opened.
    pub fn open(path: &Path) -> Result<Self, CommandError> {
        if path == Path::new("-") {
            let bar = ProgressBar::no_length().with_style(style("{spinner} {bytes} read, {elapsed}"));
            let reader = BufReader::new(bar.wrap_read(stdin()));
            let name = "standard input".to_owned();
            return Ok(Self { name, reader: Box::new(reader), bar, number: 0, bytes_max: LINE_BYTES_MAX });
        }
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let length = file.metadata().map(|data| data.len()).unwrap_or_default();
        let bar = ProgressBar::new(length).with_style(style("{bar:40} {percent}% of {total_bytes}, {eta} left"));
        let read = bar.wrap_read(file);
        let packed = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let plain: Box<dyn Read> = if packed { Box::new(MultiGzDecoder::new(read)) } else { Box::new(read) };
        let reader = Box::new(BufReader::with_capacity(1 << 16, plain));
        Ok(Self { name: path.display().to_string(), reader, bar, number: 0, bytes_max: LINE_BYTES_MAX })
    }

    /// Keeps at most so many bytes of a line in memory; what is behind them is passed over.
    #[must_use]
    pub fn of_at_most(mut self, bytes_max: usize) -> Self {
        self.bytes_max = bytes_max;
        self
    }

    /// The name to show before a line's number.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the last line read, blank ones included.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The next line that is not blank.
    ///
    /// # Errors
    /// If reading fails in the middle.
    pub fn next_line(&mut self) -> Result<Option<Line>, CommandError> {
        let raw = self.next_raw()?;
        Ok(raw.map(|Raw { number, bytes, .. }| Line { number, content: content(&bytes) }))
    }

    /// The next line that is not blank, without decoding it.
    ///
    /// # Errors
    /// If reading fails in the middle.
    pub fn next_raw(&mut self) -> Result<Option<Raw>, CommandError> {
        loop {
            match self.next_any()? {
                Some(raw) if raw.bytes.is_empty() => {}
                other => return Ok(other),
            }
        }
    }

    /// The next line, which may be blank.
    ///
    /// # Errors
    /// If reading fails in the middle.
    pub fn next_any(&mut self) -> Result<Option<Raw>, CommandError> {
        let mut bytes = Vec::new();
        let passed_over = line_of_at_most(self.bytes_max, &mut self.reader, &mut bytes).map_err(|error| {
            CommandError::input(format!("{}:{}: cannot be read on: {error}", self.name, self.number + 1))
        })?;
        if bytes.is_empty() {
            self.bar.finish_and_clear();
            return Ok(None);
        }
        self.number += 1;
        let line = bytes.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.number == 1).unwrap_or(&bytes).trim_ascii_end();
        Ok(Some(Raw { number: self.number, bytes: line.to_vec(), passed_over }))
    }

    /// Prints a text beside the progress shown.
    pub fn note(&self, text: &str) {
        self.bar.suspend(|| say(text));
    }
}

/// The maximum length of a line: far more than a document of any shop has. A longer one is passed over, so that memory is
/// bounded also where a packed file grows without end.
pub const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Reads a line with its end, but no more than so many bytes of it; nothing at the end of the text. Returns the number of
/// bytes that were passed over.
///
/// # Errors
/// If reading fails in the middle.
pub fn line_of_at_most(bytes_max: usize, reader: &mut impl BufRead, into: &mut Vec<u8>) -> std::io::Result<u64> {
    let kept = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let read = reader.by_ref().take(kept).read_until(b'\n', into)?;
    if read < bytes_max || into.ends_with(b"\n") { Ok(0) } else { pass_line(reader) }
}

/// Passes over the rest of a line without keeping it; returns its length without the line end.
fn pass_line(reader: &mut impl BufRead) -> std::io::Result<u64> {
    let mut passed = 0;
    loop {
        let some = reader.fill_buf()?;
        let end = some.iter().position(|byte| *byte == b'\n');
        let length = end.unwrap_or(some.len());
        let is_end = end.is_some() || some.is_empty();
        passed += u64::try_from(length).unwrap_or(u64::MAX);
        reader.consume(length + usize::from(end.is_some()));
        if is_end {
            return Ok(passed);
        }
    }
}

/// The remedy for a line, row or document that is too long.
pub fn remedy_of_length() -> &'static str {
    "look for a quote that is never closed or a line break that is missing, or cut the file there"
}

/// Decodes one document on a line. A repeated field is refused, since it would be ambiguous.
///
/// # Errors
/// A text that says what is wrong, and where on the line.
pub fn content(line: &[u8]) -> Result<Value, String> {
    if line.len() >= LINE_BYTES_MAX {
        return Err(format!("is longer than {LINE_BYTES_MAX} bytes: {}", remedy_of_length()));
    }
    let text =
        std::str::from_utf8(line).map_err(|error| format!("column {}: is not UTF-8", error.valid_up_to() + 1))?;
    let parsed = repeated(text).and_then(|repeated| Ok((serde_json::from_str(text)?, repeated)));
    let (value, repeated) =
        parsed.map_err(|error| format!("column {}: is not JSON: {}", error.column(), without_place(&error)))?;
    match repeated.first() {
        Some(problem) => Err(problem.to_string()),
        None => Ok(value),
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn unreadable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::input(format!("{}: {}", path.display(), why_unreadable(path, error)))
}

/// The reason why a file cannot be read. Of a link whose target is gone the system says that there is no such file,
/// although the name is there.
pub fn why_unreadable(path: &Path, error: &std::io::Error) -> String {
    match std::fs::read_link(path) {
        Ok(target) if error.kind() == std::io::ErrorKind::NotFound => {
            let target = target.display();
            format!(
                "is a dangling link: its target `{target}` does not exist; correct the link, or name the file itself"
            )
        }
        Ok(_) | Err(_) => format!("cannot be read: {error}"),
    }
}

/// The error of serde_json without its place, which is shown before it already.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// Reads an instant as an argument.
pub fn instant(text: &str) -> Result<Instant, String> {
    Instant::parse(text).map_err(|error| error.to_string())
}
