//! Pages of lists.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// The size of a page where the request does not say.
pub const LIMIT: usize = 50;
/// The maximum size of a page.
pub const LIMIT_MAX: usize = 200;

/// The size of a page.
///
/// # Errors
/// A problem that names the allowed range.
pub fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_MAX => Ok(limit),
        _ => Err(Problem::field("limit", format!("is not between 1 and {LIMIT_MAX}"))),
    }
}

/// A place in a list, encoded as a cursor.
pub fn cursor(place: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
}

/// The problem with a cursor that leads through something else than what is asked for.
pub fn elsewhere(of: &str) -> Problem {
    Problem::field("cursor", format!("is of {of}; begin again without one"))
}

/// Decodes a cursor.
///
/// # Errors
/// A problem if the cursor was never given out.
pub fn place<T: for<'de> Deserialize<'de> + DeserializeOwned>(cursor: Option<&str>) -> Result<Option<T>, Problem> {
    let read = |text: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
    match cursor {
        None => Ok(None),
        Some(text) => match read(text) {
            Some(place) => Ok(Some(place)),
            None => Err(Problem::field("cursor", "is not a cursor of this API; begin again without one")),
        },
    }
}
