//! What can go wrong with the database, by what the caller can do about it. What an error says names no member, so that
//! it may stand in a log; people at a terminal are told more ([`StoreError::detail`]).

use std::error::Error as _;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use rules::compact::CompactError;
use thiserror::Error;

use super::key::Key;

/// What the database said, in plain words: its message and under which code, or why there is no answer. What the SDK would
/// show has the whole answer in it, and may have what was sent.
pub fn in_words<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match (error.message(), error.code()) {
        (Some(message), Some(code)) => return format!("{message} ({code})"),
        (None, Some(code)) => return format!("{code}, and not why"),
        (_, None) => {}
    }
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    let cause = cause.map_or_else(|| error.to_string(), ToString::to_string);
    if matches!(error, SdkError::ServiceError(_) | SdkError::ResponseError(_)) {
        format!("its answer cannot be read: {cause}")
    } else if matches!(error, SdkError::DispatchFailure(_) | SdkError::TimeoutError(_)) {
        format!("it does not answer: {cause}")
    } else {
        cause
    }
}

/// An error behind another one.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why the database did not do what was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Somebody else wrote in between.
    #[error("an item was changed in between")]
    Conflict,
    /// It did not answer in time, or is busy. A write may have been done all the same.
    #[error("the database is not available: {words}")]
    Unavailable {
        /// What it said, or what is in the way.
        words: String,
        /// The error behind it, if there is one.
        #[source]
        source: Option<Source>,
    },
    /// A newer release wrote an item.
    #[error("an item was written by a newer release: {what}")]
    Newer {
        /// Which.
        key: Key,
        /// What is not known.
        what: CompactError,
    },
    /// An item says something that was never written.
    #[error("an item says something that was never written: `echelon verify` finds which")]
    Corrupt {
        /// Which.
        key: Key,
        /// What is wrong with it.
        what: String,
    },
    /// An item has grown beyond what the database takes.
    #[error("an item would have {bytes} bytes, above what the database takes")]
    TooLarge {
        /// Which.
        key: Key,
        /// How large it would be.
        bytes: usize,
    },
    /// The request is wrong, or not allowed: a mistake of ours or of the deployment.
    #[error("the database refused: {words}")]
    Refused {
        /// What it said.
        words: String,
        /// The error behind it, if there is one.
        #[source]
        source: Option<Source>,
    },
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Load again and decide again, at once.
    Reload,
    /// Try again later, as a whole.
    Later,
    /// Trying again never helps: quarantine the message.
    Quarantine,
}

impl StoreError {
    /// Not available, for a reason that is no error of the SDK's.
    pub fn unavailable(words: impl Into<String>) -> Self {
        Self::Unavailable { words: words.into(), source: None }
    }

    /// Refused before it was sent: the SDK or an encoder would not have it.
    pub fn refused(source: impl Into<Source>) -> Self {
        let source = source.into();
        Self::Refused { words: source.to_string(), source: Some(source) }
    }

    /// All there is to say, for people who may see members' ids.
    pub fn detail(&self) -> String {
        match self {
            Self::Newer { key, .. } | Self::TooLarge { key, .. } => format!("{self}: `{}` / `{}`", key.pk, key.sk),
            Self::Corrupt { key, what } => format!("{self}: `{}` / `{}` has an impossible {what}", key.pk, key.sk),
            Self::Conflict | Self::Unavailable { .. } | Self::Refused { .. } => self.to_string(),
        }
    }

    /// What to do about it: decided here and nowhere else.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Conflict => Remedy::Reload,
            // A refusal may be a deployment half done, and an unknown format one half rolled out: nothing is lost by
            // waiting, and after its last try a message lies in the dead letters, whole.
            Self::Unavailable { .. } | Self::Newer { .. } | Self::Corrupt { .. } | Self::Refused { .. } => {
                Remedy::Later
            }
            Self::TooLarge { .. } => Remedy::Quarantine,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's errors may grow, and none else decides anything")]
    pub(super) fn of_sdk<E, R>(error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        match &error {
            SdkError::ConstructionFailure(_) => Self::Refused { words: in_words(&error), source: Some(error.into()) },
            SdkError::ServiceError(answer) => {
                let code = answer.err().code().unwrap_or_default();
                let words = format!("{code}: {}", answer.err().message().unwrap_or("it does not say why"));
                match code {
                    "ConditionalCheckFailedException" | "TransactionConflictException" => Self::Conflict,
                    "ValidationException"
                    | "AccessDeniedException"
                    | "ResourceNotFoundException"
                    | "ItemCollectionSizeLimitExceededException"
                    | "IdempotentParameterMismatchException" => Self::Refused { words, source: Some(error.into()) },
                    // Throttling in its many spellings, internal errors, and what is not known.
                    _ => Self::Unavailable { words, source: Some(error.into()) },
                }
            }
            // Timed out, not connected, or an answer that broke off: whether it was done is not known.
            _ => Self::Unavailable { words: in_words(&error), source: Some(error.into()) },
        }
    }

    pub(super) fn of_transaction<R>(error: SdkError<TransactWriteItemsError, R>) -> Self
    where
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() {
            let codes = || cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
            let lost = |code: &str| matches!(code, "ConditionalCheckFailed" | "TransactionConflict");
            let busy = |code: &str| matches!(code, "ThrottlingError" | "ProvisionedThroughputExceeded");
            let words = codes().collect::<Vec<_>>().join(", ");
            return if codes().any(lost) {
                Self::Conflict
            } else if codes().any(busy) {
                Self::Unavailable { words, source: Some(error.into()) }
            } else {
                Self::Refused { words, source: Some(error.into()) }
            };
        }
        Self::of_sdk(error)
    }
}
