//! Instants in keys and attributes.

use chrono::{DateTime, SecondsFormat};
use rules::calendar::Instant;

/// An instant as a text, in a form that sorts as instants do.
pub fn at(instant: Instant) -> String {
    let at = DateTime::from_timestamp_millis(instant.millis()).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
