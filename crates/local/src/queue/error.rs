//! Why a queue did not do what was asked.

use std::sync::Arc;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use http_api::problem::Problem;
use store::{Source, in_words};
use thiserror::Error;

/// Why the store did not carry out an operation of a queue.
#[derive(Debug, Clone, Error)]
pub enum QueueError {
    /// The database refused, was busy, or did not answer.
    #[error("the store did not answer as it should: {words}")]
    Store {
        /// The error in words.
        words: String,
        /// The error behind it.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// A row cannot be decoded.
    #[error("the store did not answer as it should: row {id} of {queue}: {source}")]
    Undecodable {
        /// The queue.
        queue: String,
        /// The row.
        id: String,
        /// The decoding error.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Other writers keep changing the same row.
    #[error("the store did not answer as it should: others are in the way")]
    Contended,
    /// The system is ending and accepts nothing any more.
    #[error("the store did not answer as it should: the system is ending")]
    Ended,
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        tracing::error!(%error, "a queue did not do what was asked");
        Self::unavailable("the store does not answer as it should")
    }
}

impl QueueError {
    /// The error of an SDK call.
    pub fn of_sdk<E, R>(error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        Self::Store { words: in_words(&error), source: Arc::new(error) }
    }

    /// An error of another part of the store, or of a library.
    pub fn of(error: impl Into<Source>) -> Self {
        let error = error.into();
        Self::Store { words: error.to_string(), source: error.into() }
    }

    /// An error for a row that cannot be decoded.
    pub fn undecodable(queue: &str, id: &str, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Undecodable { queue: queue.to_owned(), id: id.to_owned(), source: Arc::new(error) }
    }
}
