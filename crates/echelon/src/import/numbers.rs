//! Amounts of money as people and shops write them.

use clap::ValueEnum;
use rules::fact::Currency;
use rules::quantity::{Amount, NumberError};

/// The way in which a file writes amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Notation {
    /// Digits with a point at most, such as 1234.50, and a minus before them
    #[default]
    Plain,
    /// A decimal point, as in 1,234.50, $1,234.50, -$5.00, (5.00)
    Point,
    /// A decimal comma, as in 1.234,50, 1 234,50 €, -5,00 EUR, 5,00-
    Comma,
}

/// An amount as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written<'a> {
    /// Whether it has a minus, or stands in brackets.
    pub is_negative: bool,
    /// The amount without its sign.
    pub amount: Amount,
    /// The currency's sign or code beside it; empty if there is none.
    pub currency: &'a str,
}

impl Notation {
    /// An amount in this notation, for messages.
    pub fn example(self) -> &'static str {
        match self {
            Self::Plain => "\"12.50\"",
            Self::Point => "\"1,234.50\" (--numbers point)",
            Self::Comma => "\"1.234,50\" (--numbers comma)",
        }
    }

    /// The remedy for an amount that is not in this notation.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Plain => {
                "write digits with a point, without currency or thousands separators, or say how amounts are written with \
                 --numbers point or --numbers comma"
            }
            Self::Point => {
                "write a point before the decimals, or, if the file has commas there, say so with --numbers comma"
            }
            Self::Comma => {
                "write a comma before the decimals, or, if the file has points there, say so with --numbers point or \
                 --numbers plain"
            }
        }
    }

    /// Reads an amount of either sign. Nothing is guessed: in a grouped number every group has three digits, so that
    /// `12,50` is no number where the comma groups.
    ///
    /// # Errors
    /// If the text is not an amount in this notation.
    pub fn read(self, text: &str) -> Result<Written<'_>, NumberError> {
        let not_a_number = || NumberError::NotANumber(text.to_owned());
        let (decimal, group) = match self {
            Self::Plain => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                let amount = Amount::parse(digits)?;
                return Ok(Written { is_negative: digits.len() < text.len(), amount, currency: "" });
            }
            Self::Point => ('.', ','),
            Self::Comma => (',', '.'),
        };
        let first = text.find(|c: char| c.is_ascii_digit()).ok_or_else(not_a_number)?;
        let end = text.rfind(|c: char| c.is_ascii_digit()).map_or(first, |last| last + 1);
        let (Some(before), Some(digits), Some(after)) = (text.get(..first), text.get(first..end), text.get(end..))
        else {
            return Err(not_a_number());
        };
        let (is_negative, currency) = marks(before, after).ok_or_else(not_a_number)?;
        let plain = ungrouped(digits, decimal, group).ok_or_else(not_a_number)?;
        let amount = Amount::parse(&plain).map_err(|why| as_written(why, digits))?;
        Ok(Written { is_negative, amount, currency })
    }
}

/// Whether the text before and after the digits says "negative", and the currency's sign in it. None if it is anything
/// else.
fn marks<'a>(before: &'a str, after: &'a str) -> Option<(bool, &'a str)> {
    const MINUS: [char; 2] = ['-', '\u{2212}'];
    let (before, after) = (before.trim(), after.trim());
    let (before, after, in_brackets) = match (before.strip_prefix('('), after.strip_suffix(')')) {
        (Some(before), Some(after)) => (before.trim(), after.trim(), true),
        (None, None) => (before, after, false),
        (Some(_), None) | (None, Some(_)) => return None,
    };
    let minuses = before.matches(MINUS).count() + after.matches(MINUS).count();
    let (before, after) = (before.trim_matches(MINUS).trim(), after.trim_matches(MINUS).trim());
    let currency = match (before, after) {
        (sign, "") | ("", sign) => sign,
        _ => return None,
    };
    let is_sign =
        |c: char| c == '.' || c.is_alphabetic() || (!c.is_ascii() && !c.is_numeric() && !c.is_whitespace()) || c == '$';
    let is_one = currency.chars().count() <= 4 && currency.chars().all(is_sign) && !currency.starts_with('.');
    (is_one && minuses + usize::from(in_brackets) <= 1).then_some((in_brackets || minuses == 1, currency))
}

/// A number without the separators of its groups, and with a decimal point.
fn ungrouped(digits: &str, decimal: char, group: char) -> Option<String> {
    let (whole, fraction) = digits.split_once(decimal).map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let separator = whole.chars().find(|c| !c.is_ascii_digit());
    let known = [group, ' ', '\u{a0}', '\u{202f}', '\'', '\u{2019}'];
    let whole = match separator {
        None => whole.to_owned(),
        Some(separator) if known.contains(&separator) => {
            let mut groups = whole.split(separator);
            let first = groups.next().filter(|first| (1..=3).contains(&first.len()))?;
            let rest: Vec<&str> = groups.collect();
            if rest.iter().any(|group| group.len() != 3) {
                return None;
            }
            format!("{first}{}", rest.concat())
        }
        Some(_) => return None,
    };
    Some(fraction.map_or_else(|| whole.clone(), |fraction| format!("{whole}.{fraction}")))
}

/// The error about a number as the file has it.
fn as_written(why: NumberError, digits: &str) -> NumberError {
    let text = digits.to_owned();
    match why {
        NumberError::NotANumber(_) => NumberError::NotANumber(text),
        NumberError::Negative(_) => NumberError::Negative(text),
        NumberError::TooFine { decimals, .. } => NumberError::TooFine { text, decimals },
        NumberError::TooLarge { limit, .. } => NumberError::TooLarge { text, limit },
    }
}

/// The currencies that a sign may mean, in small letters.
const SIGNS: &[(&str, &[&str])] = &[
    ("€", &["EUR"]),
    ("£", &["GBP", "EGP", "FKP", "GIP", "LBP", "SDG", "SHP", "SSP", "SYP"]),
    ("¥", &["JPY", "CNY"]),
    ("￥", &["JPY", "CNY"]),
    ("円", &["JPY"]),
    ("元", &["CNY", "TWD", "HKD"]),
    ("₹", &["INR"]),
    ("rs", &["INR", "PKR", "LKR", "NPR", "MUR", "SCR"]),
    ("kr", &["SEK", "NOK", "DKK", "ISK"]),
    ("zł", &["PLN"]),
    ("kč", &["CZK"]),
    ("ft", &["HUF"]),
    ("lei", &["RON", "MDL"]),
    ("leu", &["RON", "MDL"]),
    ("лв", &["BGN"]),
    ("₽", &["RUB"]),
    ("руб", &["RUB"]),
    ("₴", &["UAH"]),
    ("₺", &["TRY"]),
    ("tl", &["TRY"]),
    ("₪", &["ILS"]),
    ("fr", &["CHF", "XAF", "XOF", "XPF", "DJF", "GNF", "BIF", "RWF", "KMF"]),
    ("sfr", &["CHF"]),
    ("₩", &["KRW", "KPW"]),
    ("₫", &["VND"]),
    ("฿", &["THB"]),
    ("₱", &["PHP", "CUP"]),
    ("rm", &["MYR"]),
    ("rp", &["IDR"]),
    ("r", &["ZAR"]),
    ("₦", &["NGN"]),
    ("₵", &["GHS"]),
    ("ksh", &["KES"]),
    ("tsh", &["TZS"]),
    ("ush", &["UGX"]),
    ("dh", &["AED", "MAD"]),
    ("dhs", &["AED", "MAD"]),
    ("sr", &["SAR", "SCR"]),
    ("₡", &["CRC", "SVC"]),
    ("₲", &["PYG"]),
    ("₸", &["KZT"]),
    ("₾", &["GEL"]),
    ("₼", &["AZN"]),
    ("৳", &["BDT"]),
    ("$", DOLLARS),
    // Those of which the first letters are not the first of the code.
    ("a$", &["AUD"]),
    ("b$", &["BND", "BSD"]),
    ("bds$", &["BBD"]),
    ("c$", &["CAD", "NIO"]),
    ("can$", &["CAD"]),
    ("cdn$", &["CAD"]),
    ("ci$", &["KYD"]),
    ("col$", &["COP"]),
    ("ec$", &["XCD"]),
    ("g$", &["GYD"]),
    ("j$", &["JMD"]),
    ("l$", &["LRD"]),
    ("mex$", &["MXN"]),
    ("n$", &["NAD"]),
    ("nt$", &["TWD"]),
    ("r$", &["BRL"]),
    ("rd$", &["DOP"]),
    ("s$", &["SGD"]),
    ("si$", &["SBD"]),
    ("t$", &["TOP"]),
    ("u$", &["USD", "UYU"]),
    ("u$s", &["USD"]),
    ("$u", &["UYU"]),
    ("ws$", &["WST"]),
    ("z$", &["ZWL", "ZWG"]),
];

/// The dollars and pesos, and the others that `$` alone may mean.
const DOLLARS: &[&str] = &[
    "USD", "AUD", "CAD", "NZD", "HKD", "SGD", "TWD", "BND", "BSD", "BBD", "BMD", "BZD", "FJD", "GYD", "JMD", "KYD",
    "LRD", "NAD", "SBD", "SRD", "TTD", "XCD", "ZWL", "ZWG", "MXN", "ARS", "CLP", "COP", "CUP", "DOP", "PHP", "UYU",
    "BRL", "CVE", "MOP", "NIO", "SVC", "TOP", "WST",
];

/// Whether a sign beside an amount means another currency. A sign that several currencies share, and one that is not
/// known, contradicts none of them.
pub fn contradicts(sign: &str, currency: Currency) -> bool {
    let code = currency.code();
    let sign = sign.trim_end_matches('.').to_lowercase();
    if let Some((_, codes)) = SIGNS.iter().find(|(known, _)| *known == sign) {
        return !codes.contains(&code);
    }
    let letters = sign.trim_end_matches('$').to_uppercase();
    // The letters before a dollar are a country's, as in `CA$`, which begin the code of its currency, or the code.
    if letters.len() < sign.len() && (2..=3).contains(&letters.len()) {
        return !code.starts_with(&letters);
    }
    Currency::from_code(&letters).is_some_and(|named| named != currency)
}

/// Whether a cell looks like an amount of money in any notation: digits, and a separator before the last two or four of
/// them. The answer says whether the amount is other than zero.
pub fn looks_like_money(cell: &str) -> Option<bool> {
    let read = |notation: Notation| {
        notation.read(cell).ok().filter(|_| {
            let digits = cell.trim_end_matches(|c: char| !c.is_ascii_digit());
            let decimals = digits.rfind(['.', ',']).map(|place| digits.len() - place - 1);
            matches!(decimals, Some(2 | 4))
        })
    };
    read(Notation::Point).or_else(|| read(Notation::Comma)).map(|written| written.amount != Amount::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(notation: Notation, text: &str, expected: Option<(&str, &str)>) {
        let found = notation.read(text).ok();
        let sign = |written: Written<'_>| if written.is_negative { "-" } else { "" };
        let found = found.map(|written| (format!("{}{}", sign(written), written.amount), written.currency));
        assert_eq!(found.as_ref().map(|(amount, sign)| (amount.as_str(), *sign)), expected, "{text}");
    }

    #[test]
    fn amounts_are_read_as_the_file_writes_them_and_nothing_is_guessed() {
        use Notation::{Comma, Plain, Point};
        check(Plain, "-12.50", Some(("-12.5", "")));
        for text in ["1,234.50", "$5", "(5.00)", "12,50", "--5", ""] {
            check(Plain, text, None);
        }
        for (text, expected) in [
            ("1,234.50", Some(("1234.5", ""))),
            ("$1,234.50", Some(("1234.5", "$"))),
            ("-$5.00", Some(("-5", "$"))),
            ("$-5.00", Some(("-5", "$"))),
            ("($5.00)", Some(("-5", "$"))),
            ("$(5.00)", None),
            ("USD 5.00", Some(("5", "USD"))),
            ("12,50", None),
            ("1,23,456.00", None),
            ("(-5.00)", None),
            ("5.00)", None),
            ("1.2.3", None),
            ("5 boxes", None),
            ("$5 €", None),
            ("%5", None),
            ("", None),
        ] {
            check(Point, text, expected);
        }
        for (text, expected) in [
            ("12,50", Some(("12.5", ""))),
            ("1.234,50", Some(("1234.5", ""))),
            ("1\u{a0}234,50 €", Some(("1234.5", "€"))),
            ("1'234,50", Some(("1234.5", ""))),
            ("\u{2212}5,00 EUR", Some(("-5", "EUR"))),
            ("5,00-", Some(("-5", ""))),
            ("1.234", Some(("1234", ""))),
            ("12.50", None),
            ("12,50,1", None),
            ("CA$12,50", Some(("12.5", "CA$"))),
        ] {
            check(Comma, text, expected);
        }
    }

    #[test]
    fn a_sign_of_another_currency_is_a_contradiction() {
        let is = |code| Currency::from_code(code).unwrap();
        for (sign, code, expected) in [
            ("€", "EUR", false),
            ("€", "USD", true),
            ("$", "USD", false),
            ("$", "CAD", false),
            ("$", "EUR", true),
            ("GBP", "EUR", true),
            ("gbp", "GBP", false),
            ("kr", "SEK", false),
            ("kr.", "EUR", true),
            ("CA$", "USD", true),
            ("CA$", "CAD", false),
            ("CDN$", "USD", true),
            ("C$", "CAD", false),
            ("A$", "USD", true),
            ("A$", "AUD", false),
            ("AU$", "AUD", false),
            ("R$", "USD", true),
            ("R$", "BRL", false),
            ("US$", "CAD", true),
            ("US$", "USD", false),
            ("USD$", "USD", false),
            ("NZ$", "AUD", true),
            ("HK$", "HKD", false),
            ("NT$", "TWD", false),
            ("₹", "EUR", true),
            ("₹", "INR", false),
            ("Rs.", "USD", true),
            ("zł", "EUR", true),
            ("Kč", "CZK", false),
            ("Ft", "EUR", true),
            ("CHF", "EUR", true),
            ("Fr.", "CHF", false),
            ("₺", "USD", true),
            ("₩", "JPY", true),
            ("¥", "EUR", true),
            ("$", "CNY", true),
            ("$", "TRY", true),
            ("X", "EUR", false),
        ] {
            assert_eq!(contradicts(sign, is(code)), expected, "{sign} {code}");
        }
    }

    #[test]
    fn money_is_known_by_its_decimals() {
        for (cell, expected) in
            [("12.50", Some(true)), ("0,00", Some(false)), ("$1,000.00", Some(true)), ("7001", None), ("1.5", None)]
        {
            assert_eq!(looks_like_money(cell), expected, "{cell}");
        }
    }
}
