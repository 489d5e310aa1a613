//! The ids of the domain. Each has its own type, so an order's id cannot be passed for a member's.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The longest id, in bytes. DynamoDB's sort keys hold 1,024 bytes, and an id shares one with others.
pub const ID_BYTES_MAX: usize = 256;

/// The reasons why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdError {
    /// The text is empty, or only spaces.
    #[error("an id must not be empty")]
    Empty,
    /// The text is longer than [`ID_BYTES_MAX`].
    #[error("an id has at most {ID_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// The text has control characters, which cannot be shown and are never part of a real id.
    #[error("an id must not contain control characters")]
    Control,
}

fn checked(text: &str) -> Result<Arc<str>, IdError> {
    if text.trim().is_empty() {
        Err(IdError::Empty)
    } else if text.len() > ID_BYTES_MAX {
        Err(IdError::TooLong(text.len()))
    } else if text.chars().any(char::is_control) {
        Err(IdError::Control)
    } else {
        Ok(Arc::from(text))
    }
}

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        ///
        /// Text of 1 to 256 bytes, compared by code point.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a text as an id.
            pub fn new(text: &str) -> Result<Self, IdError> {
                checked(text).map(Self)
            }

            /// The id as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

id! {
    /// A program: one per shop.
    ProgramId,
    /// A customer, as the shop knows them.
    MemberId,
    /// A tier: unique and stable within a program, whatever its rank in a version.
    TierId,
    /// An order, unique within the shop.
    OrderId,
    /// A refund, unique within its order.
    RefundId,
    /// An entry of the points system (earned, adjusted and imported share one key space).
    EntryId,
    /// A cancellation of points, unique within the shop.
    CancelId,
    /// A manual assignment, or the end of one, unique within the shop.
    AssignmentId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_text_that_can_be_shown() {
        assert_eq!(MemberId::new("anna").unwrap().as_str(), "anna");
        assert_eq!(MemberId::new("  "), Err(IdError::Empty));
        assert_eq!(MemberId::new("a\nb"), Err(IdError::Control));
        assert_eq!(MemberId::new(&"x".repeat(257)), Err(IdError::TooLong(257)));
    }
}
