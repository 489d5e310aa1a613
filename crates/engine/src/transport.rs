//! What carries messages and bodies: a queue of SQS, rows of a table, tasks of this process.

use store::{Source, StoreError};
use thiserror::Error;

/// Why what carries messages did not take one: it is worth trying again.
#[derive(Debug, Error)]
#[error("{words}")]
pub struct TransportError {
    words: String,
    #[source]
    source: Option<Source>,
}

impl TransportError {
    /// For a reason that is no error of another library.
    pub fn new(words: impl Into<String>) -> Self {
        Self { words: words.into(), source: None }
    }

    /// An error of the transport, in words that may stand in a log.
    pub fn of(words: impl Into<String>, source: impl Into<Source>) -> Self {
        Self { words: words.into(), source: Some(source.into()) }
    }
}

/// What waits for the transport is done again as what waits for the database is.
impl From<TransportError> for StoreError {
    fn from(error: TransportError) -> Self {
        Self::Unavailable { words: error.words.clone(), source: Some(error.into()) }
    }
}
