//! What can go wrong with the database, by what the caller can do about it.

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use rules::compact::CompactError;
use thiserror::Error;

use super::key::Key;

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
    #[error("item `{}` / `{}` was written by a newer release: {what}", key.pk, key.sk)]
    Newer {
        /// Which.
        key: Key,
        /// What is not known.
        what: CompactError,
    },
    /// An item says something that was never written.
    #[error("item `{}` / `{}` has an impossible {what}: compare it with `echelon verify`", key.pk, key.sk)]
    Corrupt {
        /// Which.
        key: Key,
        /// What is wrong with it.
        what: String,
    },
    /// An item has grown beyond what the database takes.
    #[error("item `{}` / `{}` would have {bytes} bytes, above what the database takes", key.pk, key.sk)]
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
    /// What went wrong, for logs: without the item's key, which may name a member, and without what stands in it.
    pub fn unnamed(&self) -> String {
        let shop = |key: &Key| key.pk.split('#').next().unwrap_or_default().to_owned();
        match self {
            Self::Conflict | Self::Unavailable(_) | Self::Refused(_) => self.to_string(),
            Self::Newer { key, what } => format!("an item of `{}` was written by a newer release: {what}", shop(key)),
            Self::Corrupt { key, .. } => {
                format!("an item of `{}` has something impossible: find it with `echelon verify`", shop(key))
            }
            Self::TooLarge { key, bytes } => {
                format!("an item of `{}` would have {bytes} bytes, above what the database takes", shop(key))
            }
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
        let said = DisplayErrorContext(error).to_string();
        match error {
            SdkError::ConstructionFailure(_) => Self::Refused(said),
            SdkError::ServiceError(answer) => Self::of_code(answer.err().code().unwrap_or_default(), said),
            // Timed out, not connected, or an answer that broke off: whether it was done is not known.
            _ => Self::Unavailable(said),
        }
    }

    pub(super) fn of_transaction<R: std::fmt::Debug>(error: &SdkError<TransactWriteItemsError, R>) -> Self {
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() {
            let codes = || cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
            let lost = |code: &str| matches!(code, "ConditionalCheckFailed" | "TransactionConflict");
            let busy = |code: &str| matches!(code, "ThrottlingError" | "ProvisionedThroughputExceeded");
            let said = DisplayErrorContext(error).to_string();
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

    fn of_code(code: &str, said: String) -> Self {
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
