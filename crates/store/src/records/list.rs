//! Lists of members as they are stored, in rows that a sweep writes page by page.

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
    /// The member.
    pub member_id: MemberId,
    /// The tier held.
    pub tier: Option<TierId>,
    /// When the tier ends if nothing more happens, exclusive.
    pub valid_until: Option<Instant>,
    /// The tier that its end would bring.
    pub upcoming: Option<TierId>,
    /// The next tier, and the quantity that is missing to it.
    pub next: Option<Next>,
    /// The requirement for keeping the earned tier.
    pub requalify: Option<Keep>,
}

/// The next tier, and the quantity that is missing to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// The tier.
    pub tier: TierId,
    /// The quantity that is missing.
    pub remaining: Quantity,
}

/// The requirement for keeping a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// The quantity that is missing, 0 if the tier is kept already.
    pub remaining: Quantity,
    /// The deadline.
    pub by: Instant,
}

/// The state of the lists that a job writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lists {
    /// The end of the time in which they can be read. All rows have the same, whenever they were written; DynamoDB
    /// deletes them some time after.
    pub until: Instant,
    /// The places where a worker took over that an earlier worker may have begun. Only rows written since belong to the
    /// lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<Restart>,
}

/// A place from which a later worker continued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    /// The place, as the rows of that page have it in their keys.
    pub place: String,
    /// The row version with which the segment was taken. Rows of an earlier version are from a worker that died.
    pub attempt: u64,
}

impl Lists {
    /// Whether a row was written by the worker that wrote the checkpoint after it. Only a worker that continued from a
    /// place begins there, and of several such workers only the last can have reached the end of the page.
    pub fn is_of(&self, place: &str, attempt: u64) -> bool {
        let mut restarts = self.restarts.iter().filter(|restart| restart.place == place);
        restarts.all(|restart| attempt >= restart.attempt)
    }
}
