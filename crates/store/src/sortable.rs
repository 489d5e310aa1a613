//! Instants as keys and attributes have them.

use chrono::{DateTime, SecondsFormat};
use rules::calendar::Instant;

/// ledger, index by member: an instant, so that texts sort as instants do.
pub fn at(instant: Instant) -> String {
    let at = DateTime::from_timestamp_millis(instant.millis()).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
