//! Line ends of every kind become `\n`, so that lines can be counted: a CSV reader that ends rows at `\r` does not count
//! the `\n` after it.

use std::io::{self, BufRead, Read};

/// A reader of the same text with `\n` for every `\r\n` and `\r`, and one at the end.
#[derive(Debug)]
pub struct Newlines<R> {
    inner: R,
    /// Whether the last byte read was a `\r`, so that a `\n` now belongs to it.
    after_return: bool,
    /// The last byte returned.
    last: u8,
    is_over: bool,
    /// The number of bytes returned since a row began.
    of_row: usize,
}

/// The maximum length of a row: far more than any export has. Where a quote is never closed a row is the rest of the file,
/// which may be more than the memory holds.
pub const ROW_BYTES_MAX: usize = 16 * 1024 * 1024;

impl<R: BufRead> Newlines<R> {
    /// A reader over this text.
    pub fn over(inner: R) -> Self {
        Self { inner, after_return: false, last: b'\n', is_over: false, of_row: 0 }
    }

    /// Notes that a row has ended.
    pub fn row_ended(&mut self) {
        self.of_row = 0;
    }
}

impl<R: BufRead> Read for Newlines<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        if self.of_row > ROW_BYTES_MAX {
            let what = format!("a row is longer than {ROW_BYTES_MAX} bytes: look for a quote that is never closed");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        loop {
            let from = self.inner.fill_buf()?;
            if from.is_empty() {
                return Ok(self.end(into));
            }
            let (mut taken, mut given) = (0, 0);
            for (byte, place) in from.iter().zip(into.iter_mut()) {
                taken += 1;
                let belongs = self.after_return && *byte == b'\n';
                self.after_return = *byte == b'\r';
                if belongs {
                    break;
                }
                self.last = if *byte == b'\r' { b'\n' } else { *byte };
                *place = self.last;
                given += 1;
            }
            self.inner.consume(taken);
            if given > 0 {
                self.of_row += given;
                return Ok(given);
            }
        }
    }
}

impl<R> Newlines<R> {
    /// Whether the reader has read past the end of the text. If so, the row that it read last ended at the end of the
    /// text.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    fn end(&mut self, into: &mut [u8]) -> usize {
        match into.first_mut() {
            Some(place) if self.last != b'\n' => {
                self.last = b'\n';
                *place = b'\n';
                1
            }
            _ => {
                self.is_over = true;
                0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_ends_alike() {
        for (text, expected) in [
            ("a\r\nb\r\n", "a\nb\n"),
            ("a\rb\r", "a\nb\n"),
            ("a\n\nb", "a\n\nb\n"),
            ("\r\n\r\n", "\n\n"),
            ("\r\r\n\n", "\n\n\n"),
            ("", ""),
        ] {
            for size in [1, 2, 3, 64] {
                let mut found = String::new();
                let small = io::BufReader::with_capacity(size, text.as_bytes());
                Newlines::over(small).read_to_string(&mut found).unwrap();
                assert_eq!(found, expected, "{text:?} in pieces of {size}");
            }
        }
    }
}
