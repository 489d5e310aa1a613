//! The outcome of one row or document: facts, or why there are none.

use rules::fact::ReceivedFact;
use rules::id::IdError;
use thiserror::Error;

/// The outcome of one row or document.
#[derive(Debug)]
pub enum Outcome {
    /// The facts in it.
    Facts(Vec<ReceivedFact>),
    /// It says nothing about tiers, and need not.
    Ignored(Why),
    /// It says something that cannot be used: an operator should look at it.
    Rejected(Why),
}

/// A reason with its code, for the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// One word, the same in every release.
    pub code: String,
    /// The problem and the remedy, for people.
    pub text: String,
}

impl Why {
    /// A reason. A text that quotes a cell as long as a book is cut in its middle: the column is named at its beginning, and
    /// the remedy at its end.
    pub fn new(code: &str, text: &str) -> Self {
        Self { code: code.to_owned(), text: in_brief(text) }
    }
}

/// The number of characters that a text keeps of its beginning and of its end.
const KEPT: usize = 400;

fn in_brief(text: &str) -> String {
    let (count, mut begin) = (text.chars().count(), text.chars());
    if count <= 2 * KEPT + 100 {
        return text.to_owned();
    }
    let kept: String = begin.by_ref().take(KEPT).collect();
    let left_out = count - 2 * KEPT;
    let end: String = begin.skip(left_out).collect();
    format!("{kept} […{left_out} characters…] {end}")
}

/// Why a row gives no facts.
#[derive(Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// The row is rightly left out.
    Ignored(Ignored),
    /// The row needs an operator's attention.
    Rejected(Rejected),
}

impl From<Ignored> for LeftOut {
    fn from(reason: Ignored) -> Self {
        Self::Ignored(reason)
    }
}

impl From<Rejected> for LeftOut {
    fn from(reason: Rejected) -> Self {
        Self::Rejected(reason)
    }
}

impl From<LeftOut> for Outcome {
    fn from(left_out: LeftOut) -> Self {
        match left_out {
            LeftOut::Ignored(reason) => Self::Ignored(Why::new(reason.code(), &reason.to_string())),
            LeftOut::Rejected(reason) => Self::Rejected(Why::new(reason.code(), &reason.to_string())),
        }
    }
}

/// Why a row is rightly left out.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Ignored {
    /// All cells are empty.
    #[error("the row is empty")]
    BlankRow,
    /// The order's first row has all its data; this one lists a further product.
    #[error("a further line of the order in the row above")]
    FurtherLine,
    /// The kind is not a paid order, such as `pending`.
    #[error("`{0}` is not a paid order")]
    NotAnOrder(String),
    /// No member to credit and nothing to credit: more likely a stock movement than an order.
    #[error("the row names no customer and no amount")]
    NobodyAndNothing,
    /// A return of zero.
    #[error("the return gives nothing back")]
    NothingReturned,
    /// The same row came before, perhaps in another export that overlaps.
    #[error("`{0}` was read before, and says the same")]
    Repeated(String),
}

impl Ignored {
    fn code(&self) -> &'static str {
        match self {
            Self::BlankRow => "blank_row",
            Self::FurtherLine => "further_line",
            Self::NotAnOrder(_) => "not_an_order",
            Self::NobodyAndNothing => "nobody_and_nothing",
            Self::NothingReturned => "nothing_returned",
            Self::Repeated(_) => "repeated",
        }
    }
}

/// Why a row cannot be used. Each text names the column and the value, and the remedy.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Rejected {
    /// The row has more or fewer cells than the header.
    #[error(
        "the row has {found} cells, the header {expected}; look for a quote that is never closed or a comma that needs quotes"
    )]
    CellCount {
        /// The number in this row.
        found: usize,
        /// The number in the header.
        expected: usize,
    },
    /// The cell is not UTF-8.
    #[error("column `{column}`: the cell is not UTF-8; save the file again as \"CSV UTF-8\"")]
    NotUtf8 {
        /// The header.
        column: String,
    },
    /// A required cell is empty.
    #[error("column `{column}`: the cell is empty; fill it in, or name another column with --column")]
    MissingValue {
        /// The header.
        column: String,
    },
    /// The value is not a valid id.
    #[error("column `{column}`: `{value}`: {why}")]
    BadId {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
        /// The error of the id.
        why: IdError,
    },
    /// A spreadsheet removed digits of the id: two orders would become one.
    #[error(
        "column `{column}`: `{value}` is a number that a spreadsheet has rounded; export the file again and do not open it before the import"
    )]
    RoundedId {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// An apostrophe before the id, which a spreadsheet may have added.
    #[error(
        "column `{column}`: `{value}` begins with an apostrophe, as a spreadsheet marks text; remove it, or export the file again and do not open it before the import"
    )]
    MarkedId {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// A number that a spreadsheet wrote with decimals, or in groups.
    #[error(
        "column `{column}`: `{value}` is one number with decimals and another in groups; export the file again and do not open it before the import"
    )]
    AmbiguousId {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// The amount has the sign of another currency than the row's.
    #[error(
        "column `{column}`: `{value}` is not an amount in {currency}, the row's currency; name the column with the currency with --column currency=…, or the right one with --currency"
    )]
    OtherCurrency {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
        /// The code of the row's currency.
        currency: &'static str,
    },
    /// The value is not an amount or rate.
    #[error("column `{column}`: {problem}; {remedy}")]
    BadNumber {
        /// The header.
        column: String,
        /// The problem.
        problem: String,
        /// The remedy, which depends on the notation in use.
        remedy: &'static str,
    },
    /// The value is not a date and time.
    #[error(
        "column `{column}`: `{value}` is not a time such as \"2024-05-01 10:00:00\"; name the form in use with --time-format, such as --time-format \"%d/%m/%Y %H:%M\""
    )]
    BadTime {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// The value is a local time, and no time zone is given. This is the only reason that ends the import, because
    /// every row would have it.
    #[error(
        "column `{column}`: `{value}` does not say its offset from UTC; say where the shop is with --timezone, such as --timezone Europe/London"
    )]
    NoTimezone {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// The value is not a currency code.
    #[error("column `{column}`: `{value}` is not an ISO 4217 currency code such as \"USD\"")]
    BadCurrency {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// The value is neither yes nor no.
    #[error("column `{column}`: `{value}` is neither true nor false")]
    BadFlag {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// The kind has no known meaning.
    #[error(
        "column `{column}`: what `{value}` is, is not known; say it with --kind \"{value}=order\" (or return, ignore, cancelled, refunded, partly_refunded)"
    )]
    UnknownKind {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// An order has a negative total.
    #[error(
        "column `{column}`: an order's total must not be negative, this one is `{value}`; say that the kind is a return with --kind"
    )]
    NegativeOrder {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// More of the order is outstanding than it costs.
    #[error(
        "column `{column}`: {value} are outstanding of a total of {total}; correct the cell, or name the right column with --column outstanding=…"
    )]
    OutstandingAboveTotal {
        /// The header.
        column: String,
        /// The amount that is outstanding.
        value: String,
        /// The order's total.
        total: String,
    },
    /// The same id came with other content in the same file, so neither version is the later one.
    #[error(
        "`{0}` was read before and says something else; an order has one row, or name the column that its rows share with --column group=…"
    )]
    DuplicateId(String),
    /// No order matches the return.
    #[error("return `{id}` over {amount} names no order, and {why}")]
    ReturnWithoutOrder {
        /// The return's own number.
        id: String,
        /// The amount that it gives back.
        amount: String,
        /// Why no order matches.
        why: &'static str,
    },
}

impl Rejected {
    fn code(&self) -> &'static str {
        match self {
            Self::CellCount { .. } => "cell_count",
            Self::NotUtf8 { .. } => "not_utf8",
            Self::MissingValue { .. } => "missing_value",
            Self::BadId { .. } => "bad_id",
            Self::RoundedId { .. } => "rounded_id",
            Self::MarkedId { .. } => "marked_id",
            Self::AmbiguousId { .. } => "ambiguous_id",
            Self::OtherCurrency { .. } => "other_currency",
            Self::BadNumber { .. } => "bad_number",
            Self::BadTime { .. } => "bad_time",
            Self::NoTimezone { .. } => "no_timezone",
            Self::BadCurrency { .. } => "bad_currency",
            Self::BadFlag { .. } => "bad_flag",
            Self::UnknownKind { .. } => "unknown_kind",
            Self::NegativeOrder { .. } => "negative_order",
            Self::OutstandingAboveTotal { .. } => "outstanding_above_total",
            Self::DuplicateId(_) => "duplicate_id",
            Self::ReturnWithoutOrder { .. } => "return_without_order",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_as_long_as_a_book_is_quoted_in_brief_between_its_column_and_the_remedy() {
        let rejected = Rejected::RoundedId { column: "Id".to_owned(), value: "1é".repeat(500_000) };
        let why = Why::new(rejected.code(), &rejected.to_string());
        assert!(why.text.starts_with("column `Id`: `1é1é"), "{}", why.text);
        assert!(why.text.ends_with("do not open it before the import"), "{}", why.text);
        assert!(why.text.contains("[…") && why.text.len() < 2_000, "{}", why.text);
        let brief = "x".repeat(900);
        assert_eq!(Why::new("code", &brief).text, brief);
    }
}
