//! The end of a page of a list, as a text that is opaque to the caller and leads back into the same sweep's list.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use store::key;
use store::records::JobId;
use store::records::list::Name;
use store::shop::ShopId;
use thiserror::Error;

use super::List;

/// The end of a page. It is written as an opaque text that is safe in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(super) shop: ShopId,
    pub(super) job: JobId,
    pub(super) list: List,
    pub(super) behind: Behind,
}

/// A place in a list: a row, and the number of its entries that were taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Behind {
    pub name: Name,
    #[serde(deserialize_with = "key::sort_part")]
    pub row: String,
    pub taken: usize,
}

/// A text that is not a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("this is not a cursor of a list: begin without one")]
pub struct CursorError;

type Written = (ShopId, JobId, List, Behind);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = serde_json::to_vec(&(&self.shop, &self.job, &self.list, &self.behind)).map_err(|_| fmt::Error)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(written))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let (shop, job, list, behind): Written = serde_json::from_slice(&bytes).map_err(|_| CursorError)?;
        Ok(Self { shop, job, list, behind })
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use rules::calendar::Instant;
    use rules::id::TierId;

    use super::super::Month;
    use super::*;

    #[test]
    fn a_cursor_reads_as_it_was_written_and_nothing_else_does() {
        let job: JobId = "2027-01-01T05:00:00.000Z-rollover".parse().unwrap();
        for (list, name) in [
            (List::Tier(TierId::new("gold #1").unwrap()), Name::Tier(TierId::new("gold #1").unwrap())),
            (List::ExpiringBefore(Instant::from_millis(1)), Name::Expiring(Month::Later)),
            (List::AtRisk, Name::AtRisk),
        ] {
            let shop = ShopId::new("acme").unwrap();
            let cursor = Cursor { shop, job, list, behind: Behind { name, row: "00#anna\t00".to_owned(), taken: 7 } };
            let text = cursor.to_string();
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{text}");
            assert_eq!(text.parse(), Ok(cursor));
            assert_eq!(text[1..].parse::<Cursor>(), Err(CursorError));
        }
        for wrong in ["", "e30", "none", "🦀", "a=="] {
            assert_eq!(wrong.parse::<Cursor>(), Err(CursorError), "{wrong}");
        }
    }
}
