//! Why a row of a customer export gives no facts: each reason with its column, its text and its remedy.

use rules::id::IdError;
use rules::tier_name::TierNameError;
use thiserror::Error;

/// Why a row is rightly left out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Ignored {
    /// All cells are empty.
    #[error("the row is empty")]
    BlankRow,
    /// The customer is no member, or was excluded.
    #[error("`{0}`: the customer is not in the program")]
    NotInProgram(String),
    /// The row has no points, no tier, no birthday and no enrolment.
    #[error("the row has no points, no tier, no birthday and no enrolment")]
    NothingToTake,
    /// The same row came before.
    #[error("`{0}` was read before, and the row says the same")]
    Repeated(String),
}

impl Ignored {
    /// One word, the same in every release.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BlankRow => "blank_row",
            Self::NotInProgram(_) => "not_in_program",
            Self::NothingToTake => "nothing_to_take",
            Self::Repeated(_) => "repeated",
        }
    }
}

/// Why a row cannot be used. Nothing of such a row is taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// The row has more or fewer cells than the header.
    #[error("the row has {found} cells, the header {expected}")]
    CellCount {
        /// The number in this row.
        found: usize,
        /// The number in the header.
        expected: usize,
    },
    /// The cell is not UTF-8.
    #[error("the cell is not UTF-8")]
    NotUtf8 {
        /// The header.
        column: String,
    },
    /// No cell names the member.
    #[error("the row names no member")]
    NoMember {
        /// The header.
        column: String,
    },
    /// The value is not a valid id.
    #[error("`{value}`: {why}")]
    BadId {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
        /// The error of the id.
        why: IdError,
    },
    /// A spreadsheet removed digits of the id, or wrote it so that two can be meant: two members would become one.
    #[error("`{value}` is a number as a spreadsheet writes it, and it is not clear which id it was")]
    RoundedId {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// The value is not a whole number of points.
    #[error("`{value}` is not a whole number of points")]
    BadPoints {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// The value is not a day.
    #[error("`{value}` is not a day")]
    BadDay {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// The value could be two days.
    #[error("`{value}` could have the day or the month first")]
    AmbiguousDay {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// The value is a local time, and no zone is given.
    #[error("`{value}` does not say its offset from UTC")]
    NoTimezone {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// The tier is none of the program.
    #[error("{why}")]
    BadTier {
        /// The header.
        column: String,
        /// The error of the name.
        why: TierNameError,
    },
    /// There is a tier, and no program that says which.
    #[error("tier `{tier}` cannot be looked up without a program")]
    NoProgram {
        /// The header.
        column: String,
        /// The tier as written.
        tier: String,
    },
    /// The row does not say until when the tier is held.
    #[error("the row does not say until when tier `{tier}` is held")]
    NoExpiry {
        /// The header.
        column: String,
        /// The tier as written.
        tier: String,
    },
    /// The tier was no longer held at the export.
    #[error("tier `{tier}` ended with `{value}`, before the export")]
    Expired {
        /// The header.
        column: String,
        /// The tier as written.
        tier: String,
        /// The value of the cell.
        value: String,
    },
    /// The member joined after the export.
    #[error("`{value}` is after the export")]
    JoinedLater {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// The word says nothing known about membership.
    #[error("what `{value}` says about membership is not known")]
    UnknownStatus {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
    /// The same member came before with other content.
    #[error("`{member}` was read before, and this row says something else")]
    Twice {
        /// The header.
        column: String,
        /// The member as the file names them.
        member: String,
    },
    /// Several customers of the customers export have the address.
    #[error("`{value}` belongs to several customers of the customers export")]
    AmbiguousCustomer {
        /// The header.
        column: String,
        /// The value of the cell.
        value: String,
    },
}

impl Refused {
    /// One word, the same in every release.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CellCount { .. } => "cell_count",
            Self::NotUtf8 { .. } => "not_utf8",
            Self::NoMember { .. } => "no_member",
            Self::BadId { .. } => "bad_id",
            Self::RoundedId { .. } => "rounded_id",
            Self::BadPoints { .. } => "bad_points",
            Self::BadDay { .. } => "bad_day",
            Self::AmbiguousDay { .. } => "ambiguous_day",
            Self::NoTimezone { .. } => "no_timezone",
            Self::BadTier { .. } => "bad_tier",
            Self::NoProgram { .. } => "no_program",
            Self::NoExpiry { .. } => "no_expiry",
            Self::Expired { .. } => "expired",
            Self::JoinedLater { .. } => "joined_later",
            Self::UnknownStatus { .. } => "unknown_status",
            Self::Twice { .. } => "twice",
            Self::AmbiguousCustomer { .. } => "ambiguous_customer",
        }
    }

    /// The header of the column, unless the whole row is wrong.
    pub fn column(&self) -> Option<&str> {
        match self {
            Self::CellCount { .. } => None,
            Self::NotUtf8 { column }
            | Self::NoMember { column }
            | Self::BadId { column, .. }
            | Self::RoundedId { column, .. }
            | Self::BadPoints { column, .. }
            | Self::BadDay { column, .. }
            | Self::AmbiguousDay { column, .. }
            | Self::NoTimezone { column, .. }
            | Self::BadTier { column, .. }
            | Self::NoProgram { column, .. }
            | Self::NoExpiry { column, .. }
            | Self::Expired { column, .. }
            | Self::JoinedLater { column, .. }
            | Self::UnknownStatus { column, .. }
            | Self::Twice { column, .. }
            | Self::AmbiguousCustomer { column, .. } => Some(column),
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::CellCount { .. } => "look for a quote that is never closed or a comma that needs quotes".to_owned(),
            Self::NotUtf8 { .. } => "save the file again as \"CSV UTF-8\"".to_owned(),
            Self::NoMember { .. } => "fill the cell in, or name another column with --column member_id=…".to_owned(),
            Self::BadId { .. } => "correct the cell".to_owned(),
            Self::RoundedId { .. } => "export the file again and do not open it before the import".to_owned(),
            Self::BadPoints { .. } => {
                "write digits without separators, or leave points out with --without points".to_owned()
            }
            Self::BadDay { .. } => {
                "write it as 1990-12-24, or a birthday as 12-24; or leave the column out with --without".to_owned()
            }
            Self::AmbiguousDay { .. } => "say which comes first with --day-first or --month-first".to_owned(),
            Self::NoTimezone { .. } => "say where the shop is with --timezone, or give --program".to_owned(),
            Self::BadTier { why, .. } => match why {
                TierNameError::Unknown { name, .. } => {
                    format!(
                        "say which tier it is with --tier \"{name}=ID\", or that it is none with --tier \"{name}=\""
                    )
                }
                TierNameError::Ambiguous { name, .. } => format!("say which tier it is with --tier \"{name}=ID\""),
            },
            Self::NoProgram { .. } => {
                "give the program with --program FILE, or leave tiers out with --without tier".to_owned()
            }
            Self::NoExpiry { .. } => {
                "fill the cell in, or say it for such rows with --tiers-until 2026-12-31 or --tiers-until never"
                    .to_owned()
            }
            Self::Expired { .. } => "empty the cell of the tier, or correct the day".to_owned(),
            Self::JoinedLater { .. } => {
                "say when the file was exported with --exported-at, or correct the day".to_owned()
            }
            Self::UnknownStatus { value, .. } => {
                format!("say it with --status \"{value}=member\" (or guest, or ignore)")
            }
            Self::Twice { .. } => "leave one row per member".to_owned(),
            Self::AmbiguousCustomer { .. } => {
                "merge the customers in Shopify and export them again, or name a column with the customer's number \
                 with --column member_id=…"
                    .to_owned()
            }
        }
    }
}
