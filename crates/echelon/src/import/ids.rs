//! Ids that a spreadsheet has bent: read as they were meant where only one id can be meant, refused otherwise. A bent id
//! that is taken as it is would be a new order, or a new member.

use std::borrow::Cow;

/// The digits that a spreadsheet keeps of a number. Of a longer one it has replaced the others by zeros.
const DIGITS_KEPT: usize = 15;

/// Why an id is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bent {
    /// A number of which digits may be missing, such as `5.32E+12`.
    Rounded,
    /// An apostrophe, which says "text" to a spreadsheet, before something else than a number.
    Apostrophe,
    /// A number that means one id with decimals and another with groups: `1.000`.
    Ambiguous,
}

/// The characters between the groups of three digits in which spreadsheets of some country show large numbers: those that are
/// also before decimals elsewhere, spaces of any width, and apostrophes.
const SEPARATORS: [char; 8] = [',', '.', ' ', '\u{a0}', '\u{2009}', '\u{202f}', '\'', '\u{2019}'];

/// An id as it was before a spreadsheet wrote it as a number (`1001.0`, `1001,0`, `1.001E+03`, `5.320.000.000.002`) or as a text
/// (`'1001`).
///
/// # Errors
/// If digits may be missing, several ids can be meant, or it is not clear that a spreadsheet added the apostrophe.
pub fn meant(text: &str) -> Result<Cow<'_, str>, Bent> {
    if let Some(rest) = text.strip_prefix('\'') {
        // Programs put the apostrophe before what a spreadsheet would compute, too.
        let marked = rest.starts_with(|first: char| first.is_ascii_digit() || "+-=@".contains(first));
        return if marked { meant(rest) } else { Err(Bent::Apostrophe) };
    }
    // A formula whose value is a text, by which programs keep a spreadsheet from reading a number.
    if let Some(quoted) =
        text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')).filter(|it| !it.contains('"'))
    {
        return meant(quoted);
    }
    if let Some((mantissa, power)) = text.split_once("E+").or_else(|| text.split_once("e+")) {
        return match scientific(mantissa, power) {
            Some(exact) => exact.map(Cow::Owned).ok_or(Bent::Rounded),
            None => Ok(Cow::Borrowed(text)),
        };
    }
    let digits = match (ungrouped(text), without_decimals(text)) {
        (None, None) => return Ok(Cow::Borrowed(text)),
        // Programs write a point before decimals; hardly any file has a comma and three of them.
        (Some(_), Some(_)) if text.contains('.') => return Err(Bent::Ambiguous),
        (Some(digits), _) => Cow::Owned(digits),
        (None, Some(digits)) => Cow::Borrowed(digits),
    };
    if digits.len() <= DIGITS_KEPT { Ok(digits) } else { Err(Bent::Rounded) }
}

/// The digits of a whole number with decimals that are all 0, such as `1001.0` and `1001,00`, or with none after the point.
fn without_decimals(text: &str) -> Option<&str> {
    let (whole, decimals) = text.split_once(['.', ','])?;
    (are_digits(whole) && are_zeros(decimals)).then_some(whole)
}

/// The digits of a whole number in groups of three, which may have decimals that are all 0: `5.320.000.000.007,00`.
fn ungrouped(text: &str) -> Option<String> {
    let separator = text.chars().find(|c| !c.is_ascii_digit()).filter(|c| SEPARATORS.contains(c))?;
    let is_decimal = |c: char| c != separator && matches!(c, '.' | ',');
    let (whole, decimals) = text.split_once(is_decimal).unwrap_or((text, ""));
    let (first, others) = whole.split_once(separator)?;
    let is_first = are_digits(first) && first.len() <= 3 && !first.starts_with('0');
    let are_groups = others.split(separator).all(|group| are_digits(group) && group.len() == 3);
    (is_first && are_groups && are_zeros(decimals)).then(|| whole.replace(separator, ""))
}

/// A number in scientific notation: its digits if all of them are there; none in the outer sense if the text is no such
/// number.
fn scientific(mantissa: &str, power: &str) -> Option<Option<String>> {
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
    if !are_digits(whole) || !(fraction.is_empty() || are_digits(fraction)) || !are_digits(power) {
        return None;
    }
    let exact = power.parse() == Ok(fraction.len()) && whole.len() + fraction.len() <= DIGITS_KEPT;
    Some(exact.then(|| format!("{whole}{fraction}")))
}

fn are_zeros(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bent_id_is_read_as_meant_or_refused_and_never_a_new_id() {
        for (text, expected) in [
            ("1001", Ok("1001")),
            ("#1001", Ok("#1001")),
            ("INV-1.0", Ok("INV-1.0")),
            ("1.5", Ok("1.5")),
            ("=\"7001\"", Ok("7001")),
            ("=\"7,001\"", Ok("7001")),
            ("5,320,000,007,001", Ok("5320000007001")),
            ("1,23", Ok("1,23")),
            ("A,123", Ok("A,123")),
            ("5320000000001.0", Ok("5320000000001")),
            ("5320000000001.00", Ok("5320000000001")),
            ("'5320000000001", Ok("5320000000001")),
            ("'5320000000001.0", Ok("5320000000001")),
            ("'+447700900001", Ok("+447700900001")),
            ("'anna", Err(Bent::Apostrophe)),
            ("'", Err(Bent::Apostrophe)),
            ("5.32E+12", Err(Bent::Rounded)),
            ("5,32E+12", Err(Bent::Rounded)),
            ("5e+12", Err(Bent::Rounded)),
            ("5.320000000001E+12", Ok("5320000000001")),
            ("5.32000000000E+12", Err(Bent::Rounded)),
            ("1234567890123456.0", Err(Bent::Rounded)),
            ("anne+12", Ok("anne+12")),
            ("be+e@example.com", Ok("be+e@example.com")),
            ("12e5", Ok("12e5")),
            ("5320000000001,0", Ok("5320000000001")),
            ("8,0", Ok("8")),
            ("8,00", Ok("8")),
            ("8,000", Ok("8000")),
            ("8.000", Err(Bent::Ambiguous)),
            ("1009.000", Ok("1009")),
            ("1009.", Ok("1009")),
            ("'1009.", Ok("1009")),
            ("5.320.000.000.002", Ok("5320000000002")),
            ("5.320.000.000.000", Ok("5320000000000")),
            ("5.320", Ok("5320")),
            ("5 320 000 000 003", Ok("5320000000003")),
            ("5\u{a0}320\u{a0}000\u{a0}000\u{a0}003", Ok("5320000000003")),
            ("5\u{202f}320\u{202f}000\u{202f}000\u{202f}003", Ok("5320000000003")),
            ("5\u{2009}320", Ok("5320")),
            ("5'320\u{2019}000", Ok("5'320\u{2019}000")),
            ("5'320'000", Ok("5320000")),
            ("5.320.000.000.007,00", Ok("5320000000007")),
            ("5,320,000,000,007.00", Ok("5320000000007")),
            ("5 320,0", Ok("5320")),
            ("5.320.000,50", Ok("5.320.000,50")),
            ("1,234,567,890,123,456", Err(Bent::Rounded)),
            ("1234567890123456,0", Err(Bent::Rounded)),
            ("1234567890123456", Ok("1234567890123456")),
            ("079 123 456", Ok("079 123 456")),
            ("612 34 56", Ok("612 34 56")),
            ("1.2.3", Ok("1.2.3")),
            ("2024.001", Ok("2024.001")),
            ("10.0.0.1", Ok("10.0.0.1")),
        ] {
            assert_eq!(meant(text).as_deref(), expected.as_deref(), "{text}");
        }
    }
}
