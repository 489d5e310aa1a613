//! Why a queue did not do what was asked.

use std::sync::Arc;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use http_api::problem::Problem;
use store::{Source, in_words};
use thiserror::Error;

/// Why the store did not do what a queue asked of it.
#[derive(Debug, Clone, Error)]
pub enum QueueError {
    /// The database refused, was busy, or did not answer.
    #[error("the store did not answer as it should: {words}")]
    Store {
        /// What it said.
        words: String,
        /// The error behind it.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// A row cannot be decoded.
    #[error("the store did not answer as it should: row {id} of {queue}: {source}")]
    Undecodable {
        /// Which queue.
        queue: String,
        /// Which row.
        id: String,
        /// What is wrong with it.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// Others write the same row all the while.
    #[error("the store did not answer as it should: others are in the way")]
    Contended,
    /// The system is ending and takes nothing any more.
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
    /// Of what a queue or its table answered.
    pub fn of_sdk<E, R>(error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        Self::Store { words: in_words(&error), source: Arc::new(error) }
    }

    /// Of something else that the store or a library says.
    pub fn of(error: impl Into<Source>) -> Self {
        let error = error.into();
        Self::Store { words: error.to_string(), source: error.into() }
    }

    /// A row cannot be decoded.
    pub fn undecodable(queue: &str, id: &str, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Undecodable { queue: queue.to_owned(), id: id.to_owned(), source: Arc::new(error) }
    }
}
