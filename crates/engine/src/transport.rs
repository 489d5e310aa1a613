//! Transports of messages and bodies: an SQS queue, rows of a table, or tasks of this process.

use store::{Source, StoreError};
use thiserror::Error;

/// The reason why a transport did not take a message. A retry may succeed.
#[derive(Debug, Error)]
#[error("{words}")]
pub struct TransportError {
    words: String,
    #[source]
    source: Option<Source>,
}

impl TransportError {
    /// An error with a reason of our own.
    pub fn new(words: impl Into<String>) -> Self {
        Self { words: words.into(), source: None }
    }

    /// An error of the transport, in words that may be logged.
    pub fn of(words: impl Into<String>, source: impl Into<Source>) -> Self {
        Self { words: words.into(), source: Some(source.into()) }
    }
}

/// Work that fails in the transport is retried as work that fails in the database.
impl From<TransportError> for StoreError {
    fn from(error: TransportError) -> Self {
        Self::Unavailable { words: error.words.clone(), source: Some(error.into()) }
    }
}
