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

/// Why the database did not do what was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Somebody else wrote in between.
    #[error("an item was changed in between")]
    Conflict,
    /// It did not answer in time, or is busy. A write may have been done all the same.
    #[error("the database is not available: {0}")]
    Unavailable(String),
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
    #[error("the database refused: {0}")]
    Refused(String),
}

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Load again and decide again, at once.
    Reload,
    /// Try again later, as a whole.
    Later,
    /// Trying again never helps: set the message aside.
    SetAside,
}

impl StoreError {
    /// All there is to say, for people who may see members' ids.
    pub fn detail(&self) -> String {
        match self {
            Self::Newer { key, .. } | Self::TooLarge { key, .. } => format!("{self}: `{}` / `{}`", key.pk, key.sk),
            Self::Corrupt { key, what } => format!("{self}: `{}` / `{}` has an impossible {what}", key.pk, key.sk),
            Self::Conflict | Self::Unavailable(_) | Self::Refused(_) => self.to_string(),
        }
    }

    /// What to do about it: decided here and nowhere else.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Conflict => Remedy::Reload,
            // A refusal may be a deployment half done, and an unknown format one half rolled out: nothing is lost by
            // waiting, and after its last try a message lies in the dead letters, whole.
            Self::Unavailable(_) | Self::Newer { .. } | Self::Corrupt { .. } | Self::Refused(_) => Remedy::Later,
            Self::TooLarge { .. } => Remedy::SetAside,
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's errors may grow, and none else decides anything")]
    pub(super) fn of_sdk<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        match error {
            SdkError::ConstructionFailure(_) => Self::Refused(in_words(error)),
            SdkError::ServiceError(answer) => Self::of_code(answer.err()),
            // Timed out, not connected, or an answer that broke off: whether it was done is not known.
            _ => Self::Unavailable(in_words(error)),
        }
    }

    pub(super) fn of_transaction<R: std::fmt::Debug>(error: &SdkError<TransactWriteItemsError, R>) -> Self {
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() {
            let codes = || cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
            let lost = |code: &str| matches!(code, "ConditionalCheckFailed" | "TransactionConflict");
            let busy = |code: &str| matches!(code, "ThrottlingError" | "ProvisionedThroughputExceeded");
            let said = codes().collect::<Vec<_>>().join(", ");
            return if codes().any(lost) {
                Self::Conflict
            } else if codes().any(busy) {
                Self::Unavailable(said)
            } else {
                Self::Refused(said)
            };
        }
        Self::of_sdk(error)
    }

    fn of_code(answer: &impl ProvideErrorMetadata) -> Self {
        let code = answer.code().unwrap_or_default();
        let said = format!("{code}: {}", answer.message().unwrap_or("it does not say why"));
        match code {
            "ConditionalCheckFailedException" | "TransactionConflictException" => Self::Conflict,
            "ValidationException"
            | "AccessDeniedException"
            | "ResourceNotFoundException"
            | "ItemCollectionSizeLimitExceededException"
            | "IdempotentParameterMismatchException" => Self::Refused(said),
            // Throttling in its many spellings, internal errors, and what is not known.
            _ => Self::Unavailable(said),
        }
    }
}
