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
}

/// An id as it was before a spreadsheet wrote it as a number (`1001.0`, `1.001E+03`) or as a text (`'1001`).
///
/// # Errors
/// If digits may be missing, or it is not clear that a spreadsheet added the apostrophe.
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
    if are_grouped(text) {
        return Ok(Cow::Owned(text.replace(',', "")));
    }
    if let Some((mantissa, power)) = text.split_once("E+").or_else(|| text.split_once("e+")) {
        return match scientific(mantissa, power) {
            Some(exact) => exact.map(Cow::Owned).ok_or(Bent::Rounded),
            None => Ok(Cow::Borrowed(text)),
        };
    }
    match text.split_once('.') {
        Some((whole, zeros)) if are_digits(whole) && !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => {
            if whole.len() <= DIGITS_KEPT {
                Ok(Cow::Borrowed(whole))
            } else {
                Err(Bent::Rounded)
            }
        }
        Some(_) | None => Ok(Cow::Borrowed(text)),
    }
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

/// Whether a text is digits in groups of three, as spreadsheets show large numbers.
fn are_grouped(text: &str) -> bool {
    let mut groups = text.split(',');
    let first = groups.next().is_some_and(|first| are_digits(first) && first.len() <= 3);
    let mut others = groups.peekable();
    first && others.peek().is_some() && others.all(|group| are_digits(group) && group.len() == 3)
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
        ] {
            assert_eq!(meant(text).as_deref(), expected.as_deref(), "{text}");
        }
    }
}
