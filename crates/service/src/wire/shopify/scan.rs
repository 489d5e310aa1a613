//! Reads JSON front to back without building a tree: what nobody asks for is checked and passed over.
//!
//! Why not serde: of a real order's 90 fields some 25 matter, and of its line items none, so the cost is in passing
//! over. Measured on bodies of 5.2 and 6.2 kB (`benches/shopify.rs`; one x86-64 core of a shared machine, best of several
//! runs): this reader and the whole mapping 3.6 and 4.8 µs; typed `serde_json` structs with borrowed raw numbers, the
//! mapping not included, 4.7 and 5.9 µs; the same with `sonic-rs` 0.5 5.1 and 6.1 µs, and 3.1 and 3.7 µs once the blanks
//! are taken out. So `sonic-rs` would gain at most a microsecond on bodies without blanks, for a good deal of unsafe
//! code and its own laxness about what it skips; `serde_json` would be a third slower. This reader has neither floats
//! nor unsafe code nor recursion over the input, keeps numbers as they were written, and says where something is wrong.
//!
//! What is read is held to RFC 8259. Within lists and objects that are passed over only texts and brackets are looked at
//! (so a body that breaks off is always noticed), and of a field that comes twice the last one is taken.

use std::borrow::Cow;

use super::Rejected;

/// Lists and objects within each other: no real payload comes near it, and nobody's hostile one may cost much.
pub(super) const DEPTH_MAX: u32 = 128;

/// Quotes and brackets: all that matters in what is passed over.
#[expect(clippy::indexing_slicing, reason = "filled at compile time, where an index out of bounds does not compile")]
const MARKS: [bool; 256] = {
    let mut marks = [false; 256];
    marks[b'"' as usize] = true;
    marks[b'{' as usize] = true;
    marks[b'}' as usize] = true;
    marks[b'[' as usize] = true;
    marks[b']' as usize] = true;
    marks
};

/// A value without parts, or the news that it was none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    /// Absent, or null.
    #[default]
    Absent,
    Bool(bool),
    /// The digits as written.
    Number(&'a str),
    Text(Cow<'a, str>),
    /// A list or an object, passed over.
    Parts,
}

impl Scalar<'_> {
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Bool(_) | Self::Number(_) | Self::Parts => None,
        }
    }
}

/// A place in a document.
#[derive(Debug, Clone)]
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
}

/// Why reading stopped: one word, so that results stay in registers.
pub(super) type Fault = Box<Rejected>;

/// What reading gives.
pub(super) type Result<T> = std::result::Result<T, Fault>;

impl<'a> Scan<'a> {
    /// The start of a document, which must be UTF-8 and not empty.
    pub(super) fn new(document: &'a [u8]) -> Result<Self> {
        let text = std::str::from_utf8(document)
            .map_err(|error| Fault::from(Rejected::NotJson { at: error.valid_up_to(), expected: "UTF-8" }))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim_ascii().is_empty() {
            return Err(Rejected::Empty.into());
        }
        Ok(Self { text, at: 0 })
    }

    /// Nothing but blanks may follow.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.peek() {
            Ok(_) => self.broken("the end of the document"),
            Err(_) => Ok(()),
        }
    }

    /// Reads an object, giving each field to `field`, which must read or skip its value. Null is no object and no
    /// problem; whether there was one is returned.
    pub(super) fn object(
        &mut self,
        path: &'static str,
        mut field: impl FnMut(&mut Self, &str) -> Result<()>,
    ) -> Result<bool> {
        match self.peek()? {
            b'{' => self.at += 1,
            b'n' => return self.word().map(|_| false),
            _ => return Err(Rejected::unreadable(path, "must be an object")),
        }
        if self.took(b'}')? {
            return Ok(true);
        }
        loop {
            let key = self.key()?;
            field(self, &key)?;
            if !self.more(b'}')? {
                return Ok(true);
            }
        }
    }

    /// Reads a list, giving each item's place to `item`, which must read or skip it. Null is an empty list.
    pub(super) fn list(&mut self, path: &'static str, mut item: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        match self.peek()? {
            b'[' => self.at += 1,
            b'n' => return self.word().map(|_| ()),
            _ => return Err(Rejected::unreadable(path, "must be a list")),
        }
        if self.took(b']')? {
            return Ok(());
        }
        loop {
            item(self)?;
            if !self.more(b']')? {
                return Ok(());
            }
        }
    }

    /// Reads a value without parts; one with parts is passed over.
    pub(super) fn scalar(&mut self) -> Result<Scalar<'a>> {
        match self.peek()? {
            b'"' => self.string().map(Scalar::Text),
            b'{' | b'[' => self.skip().map(|()| Scalar::Parts),
            _ => Ok(match self.word()? {
                "null" => Scalar::Absent,
                "true" => Scalar::Bool(true),
                "false" => Scalar::Bool(false),
                number => Scalar::Number(number),
            }),
        }
    }

    /// Passes over a value and returns it as a document of its own, to be read later.
    pub(super) fn later(&mut self) -> Result<Scan<'a>> {
        self.peek()?;
        let start = self.at;
        self.skip()?;
        Ok(Scan { text: self.text.get(..self.at).unwrap_or_default(), at: start })
    }

    /// Passes over a value of any kind.
    pub(super) fn skip(&mut self) -> Result<()> {
        match self.peek()? {
            b'"' => self.skip_string().map(|_| ()),
            b'{' | b'[' => self.skip_parts(),
            _ => self.word().map(|_| ()),
        }
    }

    /// Passes over a list or an object from bracket to bracket, without recursion.
    fn skip_parts(&mut self) -> Result<()> {
        let (mut objects, mut depth) = (0_u128, 0_u32); // bit 0 of `objects`: whether the innermost is an object
        loop {
            match self.next_mark()? {
                b'"' => {
                    self.skip_string()?;
                    continue;
                }
                open @ (b'{' | b'[') => {
                    depth += 1;
                    if depth > DEPTH_MAX {
                        return Err(Rejected::TooDeep.into());
                    }
                    objects = objects << 1 | u128::from(open == b'{');
                }
                close => {
                    if (close == b'}') != (objects & 1 == 1) {
                        return self.broken("the other closing bracket");
                    }
                    (objects, depth) = (objects >> 1, depth - 1);
                }
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// Goes to the next quote or bracket.
    #[inline]
    fn next_mark(&mut self) -> Result<u8> {
        while let Some(byte) = self.byte() {
            if MARKS.get(usize::from(byte)).is_some_and(|mark| *mark) {
                return Ok(byte);
            }
            self.at += 1;
        }
        self.broken("more: it breaks off")
    }

    #[cold]
    fn broken<T>(&self, expected: &'static str) -> Result<T> {
        Err(Rejected::NotJson { at: self.at, expected }.into())
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is not blank.
    #[inline]
    fn peek(&mut self) -> Result<u8> {
        loop {
            match self.byte() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(byte) => return Ok(byte),
                None => return self.broken("more: it breaks off"),
            }
        }
    }

    /// Takes the next byte if it is this one.
    #[inline]
    fn took(&mut self, wanted: u8) -> Result<bool> {
        let found = self.peek()? == wanted;
        self.at += usize::from(found);
        Ok(found)
    }

    /// After a value: whether another follows in the same list or object; else its end is taken.
    #[inline]
    fn more(&mut self, end: u8) -> Result<bool> {
        let byte = self.peek()?;
        if byte != b',' && byte != end {
            return self.broken("a comma or the end of a list or object");
        }
        self.at += 1;
        Ok(byte == b',')
    }

    #[inline]
    fn key(&mut self) -> Result<Cow<'a, str>> {
        if self.peek()? != b'"' {
            return self.broken("a field name in quotes");
        }
        let key = self.string()?;
        if self.took(b':')? { Ok(key) } else { self.broken("a colon") }
    }

    /// Reads a text; the next byte is its opening quote.
    #[inline]
    fn string(&mut self) -> Result<Cow<'a, str>> {
        let start = self.at + 1;
        let escaped = self.skip_string()?;
        let raw = self.text.get(start..self.at - 1).unwrap_or_default();
        if escaped { self.unescaped(raw) } else { Ok(Cow::Borrowed(raw)) }
    }

    /// Passes over a text and says whether there are escapes in it; the next byte is its opening quote.
    #[inline]
    fn skip_string(&mut self) -> Result<bool> {
        self.at += 1;
        let mut escaped = false;
        loop {
            self.skip_plain();
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += 2;
                }
                Some(..b' ') => return self.broken("no control character within a text"),
                Some(_) => self.at += 1,
                None => return self.broken("more: it breaks off within a text"),
            }
        }
    }

    /// Passes over bytes that have no meaning within a text, eight at a time while they last.
    #[inline(always)]
    fn skip_plain(&mut self) {
        const ONES: u64 = u64::MAX / 255;
        while let Some(chunk) = self.text.as_bytes().get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_le_bytes(*chunk);
            // The lowest high bit that is set below marks the first such byte; those above it may be false alarms.
            let (quote, slash) = (word ^ (ONES * u64::from(b'"')), word ^ (ONES * u64::from(b'\\')));
            let control = word.wrapping_sub(ONES * 0x20) & !word;
            let meant = control | quote.wrapping_sub(ONES) & !quote | slash.wrapping_sub(ONES) & !slash;
            match (meant & (ONES << 7)).trailing_zeros() {
                64 => self.at += 8,
                bits => {
                    self.at += bits as usize / 8;
                    return;
                }
            }
        }
    }

    #[cold]
    fn unescaped(&self, raw: &str) -> Result<Cow<'a, str>> {
        match serde_json::from_str(&format!("\"{raw}\"")) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(_) => self.broken("only the escapes that JSON knows before this"),
        }
    }

    /// `null`, `true`, `false`, or what may be a number.
    #[inline]
    fn word(&mut self) -> Result<&'a str> {
        let start = self.at;
        for known in ["null", "false", "true"] {
            if self.text.as_bytes().get(start..).is_some_and(|rest| rest.starts_with(known.as_bytes())) {
                self.at += known.len(); // what follows must be a comma or an end: `nullify` is found out there
                return Ok(known);
            }
        }
        while self.byte().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')) {
            self.at += 1;
        }
        let word = self.text.get(start..self.at).unwrap_or_default();
        if is_number(word) {
            return Ok(word);
        }
        self.at = start;
        self.broken("a value")
    }
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && word.ends_with(|c: char| c.is_ascii_digit())
        && word.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E'))
}
