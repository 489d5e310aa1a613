//! Keys: ids that are mostly numbers are stored as numbers with a shared prefix; any other text as it is.

use super::CompactError;
use super::column::{Column, Reader, Writer};

const TEXTS: u8 = 0;
const NUMBERS: u8 = 1;
/// A number of this many digits always fits 64 bits.
const DIGITS_MAX: usize = 18;

impl Writer {
    /// Writes ids preceded by their length in bytes, so evaluation can skip them. The reader has to know how many there are.
    pub(super) fn keys(&mut self, ids: &[&str]) {
        let mut keys = Self::default();
        keys.bare_keys(ids);
        self.count(keys.0.len());
        self.0.append(&mut keys.0);
    }

    fn bare_keys(&mut self, ids: &[&str]) {
        let prefix = shared_prefix(ids);
        let number =
            |id: &&str| id.get(prefix.len()..).filter(|digits| is_plain(digits)).and_then(|digits| digits.parse().ok());
        match ids.iter().map(number).collect::<Option<Vec<i64>>>() {
            Some(numbers) => {
                self.byte(NUMBERS);
                self.text(prefix);
                self.column(&numbers);
            }
            None => {
                self.byte(TEXTS);
                for id in ids {
                    self.text(id);
                }
            }
        }
    }
}

/// The longest text that all ids start with and that does not end inside their numbers.
fn shared_prefix<'a>(ids: &[&'a str]) -> &'a str {
    let Some(first) = ids.first() else { return "" };
    let without_digits = |text: &'a str| text.trim_end_matches(|c: char| c.is_ascii_digit());
    let mut prefix = without_digits(first);
    while !ids.iter().all(|id| id.starts_with(prefix)) {
        let mut shorter = prefix.chars();
        shorter.next_back();
        prefix = without_digits(shorter.as_str());
    }
    prefix
}

/// Whether digits read back as they were: no leading zeros, and not too many.
fn is_plain(digits: &str) -> bool {
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (1..=DIGITS_MAX).contains(&digits.len());
    plain && (digits.len() == 1 || !digits.starts_with('0'))
}

/// Keys to read from.
#[derive(Debug, Clone)]
pub(super) enum Keys<'a> {
    Texts(Vec<&'a str>),
    Numbers { prefix: &'a str, column: Column<'a> },
}

impl<'a> Keys<'a> {
    /// Reads the keys that [`Writer::keys`] wrote, without their length. Without keys there may be no bytes at all.
    pub(super) fn read(bytes: &'a [u8], count: usize) -> Result<Self, CompactError> {
        if bytes.is_empty() && count == 0 {
            return Ok(Self::Texts(Vec::new()));
        }
        let reader = &mut Reader(bytes);
        match reader.byte()? {
            TEXTS => Ok(Self::Texts((0..count).map(|_| reader.text()).collect::<Result<_, _>>()?)),
            NUMBERS => Ok(Self::Numbers { prefix: reader.text()?, column: Column::read(reader, count)? }),
            _ => Err(CompactError::Corrupt("keys")),
        }
    }

    pub(super) fn get(&self, position: usize) -> String {
        match self {
            Self::Texts(texts) => texts.get(position).copied().unwrap_or_default().to_owned(),
            Self::Numbers { prefix, column } => format!("{prefix}{}", column.get(position)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(ids: &[&str]) -> usize {
        let mut writer = Writer::default();
        writer.keys(ids);
        let keys = Keys::read(Reader(&writer.0).block().unwrap(), ids.len()).unwrap();
        let read: Vec<_> = (0..ids.len()).map(|position| keys.get(position)).collect();
        assert_eq!(read, ids);
        writer.0.len() - 1
    }

    #[test]
    fn ids_read_as_they_were_written_and_numbers_are_short() {
        assert_eq!(bytes_of(&["536365", "536366", "581587"]), 1 + 1 + 4 + 6);
        assert_eq!(bytes_of(&["C536365", "C536366"]), 1 + 2 + 4 + 2);
        for ids in [
            &["007", "8"][..],
            &["o1", "o2", "x"],
            &[""],
            &["12", "a12"],
            &["5", ""],
            &["ü1", "ü2"],
            &[],
            &["999999999999999999999"],
            &["12x34", "12x5"],
            &["1", "12"],
        ] {
            bytes_of(ids);
        }
    }
}
