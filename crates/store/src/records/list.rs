//! Lists of members as they are stored: who is on one, in rows that a sweep writes page by page.

mod name;
mod packed;

use rules::calendar::Instant;
use rules::id::{MemberId, TierId};
use rules::quantity::Quantity;
use serde::{Deserialize, Serialize};

pub use name::{Month, MonthError, Name};
pub use packed::{ENTRIES_MAX, pack, unpack};

/// A member on a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Who.
    pub member_id: MemberId,
    /// The tier held.
    pub tier: Option<TierId>,
    /// When it ends if nothing more happens, exclusive.
    pub valid_until: Option<Instant>,
    /// The tier that its end would bring.
    pub upcoming: Option<TierId>,
    /// The next tier above, and what is missing to it.
    pub next: Option<Next>,
    /// What keeps the earned tier.
    pub requalify: Option<Keep>,
}

/// What is missing to the next tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// The tier.
    pub tier: TierId,
    /// What is missing to it.
    pub remaining: Quantity,
}

/// What is missing to keep a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// What is missing, 0 if it is kept already.
    pub remaining: Quantity,
    /// By when.
    pub by: Instant,
}

/// What a job says of the lists that it writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lists {
    /// Until when they can be read. All its rows have it, whenever they were written; DynamoDB deletes them some time after.
    pub until: Instant,
    /// Where somebody went on at a place that somebody else may have begun: only rows written since are of the lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<Restart>,
}

/// A place from which somebody went on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// The place, as the rows of that page have it in their keys.
    pub place: String,
    /// The version of the segment under which it was taken: rows of an earlier one are of somebody who died.
    pub attempt: u64,
}

impl Lists {
    /// Whether a row was written by whoever wrote the checkpoint behind it. Nobody begins at a place but who went on from
    /// there, and of several who did only the last can have come to its end.
    pub fn is_of(&self, place: &str, attempt: u64) -> bool {
        let mut restarts = self.restarts.iter().filter(|restart| restart.place == place);
        restarts.all(|restart| attempt >= restart.attempt)
    }
}
