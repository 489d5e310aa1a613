//! What becomes of one row or document: facts, or why there are none.

use rules::fact::ReceivedFact;
use rules::id::IdError;
use rules::quantity::NumberError;
use thiserror::Error;

/// What one row or document came to.
#[derive(Debug)]
pub enum Outcome {
    /// What it says.
    Facts(Vec<ReceivedFact>),
    /// It says nothing about tiers, rightly.
    Ignored(Why),
    /// It says something that cannot be used: someone should look.
    Rejected(Why),
}

/// A reason with its code, for the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// One word, the same in every release.
    pub code: String,
    /// What is the matter and what can be done, for people.
    pub text: String,
}

/// Why a row gives no facts.
#[derive(Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// Rightly.
    Ignored(Ignored),
    /// Someone should look.
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
            LeftOut::Ignored(reason) => Self::Ignored(Why { code: reason.code().to_owned(), text: reason.to_string() }),
            LeftOut::Rejected(reason) => {
                Self::Rejected(Why { code: reason.code().to_owned(), text: reason.to_string() })
            }
        }
    }
}

/// Why a row is rightly left out.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Ignored {
    /// Nothing in any cell.
    #[error("the row is empty")]
    BlankRow,
    /// The order's first row said it all; this one lists a further product.
    #[error("a further line of the order in the row above")]
    FurtherLine,
    /// A kind that is no paid order, such as `pending`.
    #[error("`{0}` is no paid order")]
    NotAnOrder(String),
    /// Nobody to credit, and nothing to credit: a stock movement more likely than an order.
    #[error("the row names no customer and no amount")]
    NobodyAndNothing,
    /// A return of nothing.
    #[error("the return gives nothing back")]
    NothingReturned,
    /// The same row again, perhaps of another export that overlaps.
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

/// Why a row cannot be used. Each text names the column and the value, and what to do.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Rejected {
    /// More or fewer cells than the header.
    #[error(
        "the row has {found} cells, the header {expected}; look for a quote that is never closed or a comma that needs quotes"
    )]
    CellCount {
        /// In this row.
        found: usize,
        /// In the header.
        expected: usize,
    },
    /// Bytes that are no text.
    #[error("column `{column}`: the cell is not UTF-8; save the file again as \"CSV UTF-8\"")]
    NotUtf8 {
        /// The header.
        column: String,
    },
    /// An empty cell that must not be.
    #[error("column `{column}`: the cell is empty; fill it in, or name another column with --column")]
    MissingValue {
        /// The header.
        column: String,
    },
    /// No id.
    #[error("column `{column}`: `{value}`: {why}")]
    BadId {
        /// The header.
        column: String,
        /// What stands there.
        value: String,
        /// What is wrong with it.
        why: IdError,
    },
    /// An id whose digits a spreadsheet threw away: two orders would become one.
    #[error(
        "column `{column}`: `{value}` is a number that a spreadsheet has rounded; export the file again and do not open it before the import"
    )]
    RoundedId {
        /// The header.
        column: String,
        /// What stands there.
        value: String,
    },
    /// No amount or rate.
    #[error("column `{column}`: {why}; write digits with a point, without currency or thousands separators")]
    BadNumber {
        /// The header.
        column: String,
        /// What is wrong with it.
        why: NumberError,
    },
    /// No date and time.
    #[error(
        "column `{column}`: `{value}` is no time such as \"2024-05-01 10:00:00\"; name the form in use with --time-format, such as --time-format \"%d/%m/%Y %H:%M\""
    )]
    BadTime {
        /// The header.
        column: String,
        /// What stands there.
        value: String,
    },
    /// A local time, and nobody said where. The one reason that ends the import: every row would have it.
    #[error(
        "column `{column}`: `{value}` does not say its offset from UTC; say where the shop is with --timezone, such as --timezone Europe/London"
    )]
    NoTimezone {
        /// The header.
        column: String,
        /// What stands there.
        value: String,
    },
    /// No currency code.
    #[error("column `{column}`: `{value}` is no ISO 4217 currency code such as \"USD\"")]
    BadCurrency {
        /// The header.
        column: String,
        /// What stands there.
        value: String,
    },
    /// Neither yes nor no.
    #[error("column `{column}`: `{value}` is neither true nor false")]
    BadFlag {
        /// The header.
        column: String,
        /// What stands there.
        value: String,
    },
    /// A kind nobody explained.
    #[error(
        "column `{column}`: what `{value}` is, is not known; say it with --kind \"{value}=order\" (or return, or ignore)"
    )]
    UnknownKind {
        /// The header.
        column: String,
        /// What stands there.
        value: String,
    },
    /// An order that pays the customer.
    #[error(
        "column `{column}`: an order's total must not be negative, this one is `{value}`; say that the kind is a return with --kind"
    )]
    NegativeOrder {
        /// The header.
        column: String,
        /// What stands there.
        value: String,
    },
    /// The same id with other content: in one file, so neither version is the later one.
    #[error(
        "`{0}` was read before and says something else; an order has one row, or name the column that its rows share with --column group=…"
    )]
    DuplicateId(String),
    /// Nothing to take the return from.
    #[error("return `{id}` over {amount} names no order, and {why}")]
    ReturnWithoutOrder {
        /// The return's own number.
        id: String,
        /// What it gives back.
        amount: String,
        /// What was looked for.
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
            Self::BadNumber { .. } => "bad_number",
            Self::BadTime { .. } => "bad_time",
            Self::NoTimezone { .. } => "no_timezone",
            Self::BadCurrency { .. } => "bad_currency",
            Self::BadFlag { .. } => "bad_flag",
            Self::UnknownKind { .. } => "unknown_kind",
            Self::NegativeOrder { .. } => "negative_order",
            Self::DuplicateId(_) => "duplicate_id",
            Self::ReturnWithoutOrder { .. } => "return_without_order",
        }
    }
}
