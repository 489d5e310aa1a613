//! Errors of the database, grouped by what the caller can do about them. Their texts name no member and may be logged.
//! [`StoreError::detail`] says more, for people at a terminal.

use std::error::Error as _;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use rules::compact::CompactError;
use thiserror::Error;

use super::key::Key;

/// The database's message and code, or the reason why there is no answer, in plain words. The SDK's own text contains
/// the whole answer, and may contain the request.
pub fn in_words<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match (error.message(), error.code()) {
        (Some(message), Some(code)) => return format!("{} ({code})", without_request(message)),
        (None, Some(code)) => return format!("{code}, without a reason"),
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

/// The database's message without what it quotes of the request, which may be members' ids and rows. A message says first what
/// is wrong, and behind a quotation which constraint is violated.
fn without_request(message: &str) -> String {
    const CONSTRAINT: &str = "failed to satisfy constraint";
    let Some((said, quoted)) = message.split_once(['\'', '"', '[', '{', '`']) else { return message.to_owned() };
    let constraint = quoted.rfind(CONSTRAINT).and_then(|place| quoted.get(place..));
    let constraint = constraint.filter(|constraint| !constraint.contains(['\'', '"', '[', '{', '`']));
    format!("{}… {}", said.trim_start(), constraint.unwrap_or_default()).trim_end().to_owned()
}

/// An error behind another one.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// The reason why the database did not carry out a request.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another writer changed an item in between.
    #[error("an item was changed in between")]
    Conflict,
    /// The database did not answer in time, or is busy. A write may have been carried out all the same.
    #[error("the database is not available: {words}")]
    Unavailable {
        /// The database's words, or the obstacle.
        words: String,
        /// The error behind it, if there is one.
        #[source]
        source: Option<Source>,
    },
    /// A newer release wrote an item.
    #[error("an item was written by a newer release: {what}")]
    Newer {
        /// The item's key.
        key: Key,
        /// The format that is not known.
        what: CompactError,
    },
    /// An item has content that was never written.
    #[error("an item is corrupt: `echelon verify` finds which")]
    Corrupt {
        /// The item's key.
        key: Key,
        /// The fault in it.
        what: String,
    },
    /// An item has grown beyond the database's limit.
    #[error("an item would have {bytes} bytes, above what the database takes")]
    TooLarge {
        /// The item's key.
        key: Key,
        /// The size that it would have.
        bytes: usize,
    },
    /// A transaction has more items than the database takes.
    #[error("a transaction would have {writes} items, more than the database takes")]
    TooMany {
        /// The items that it would have.
        writes: usize,
    },
    /// The request is wrong, or not allowed: a fault of this code or of the deployment.
    #[error("the database refused: {words}")]
    Refused {
        /// The database's words.
        words: String,
        /// The error behind it, if there is one.
        #[source]
        source: Option<Source>,
    },
}

/// The remedy for an error.
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
    /// An unavailable database, for a reason that is not an error of the SDK.
    pub fn unavailable(words: impl Into<String>) -> Self {
        Self::Unavailable { words: words.into(), source: None }
    }

    /// A request that was refused before it was sent, by the SDK or an encoder.
    pub fn refused(source: impl Into<Source>) -> Self {
        let source = source.into();
        Self::Refused { words: source.to_string(), source: Some(source) }
    }

    /// The error in full, for people who may see members' ids.
    pub fn detail(&self) -> String {
        match self {
            Self::Newer { key, .. } | Self::TooLarge { key, .. } => format!("{self}: `{}` / `{}`", key.pk, key.sk),
            Self::Corrupt { key, what } => format!("{self}: `{}` / `{}` has an impossible {what}", key.pk, key.sk),
            Self::Conflict | Self::Unavailable { .. } | Self::TooMany { .. } | Self::Refused { .. } => self.to_string(),
        }
    }

    /// The remedy. It is decided here and nowhere else.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Conflict => Remedy::Reload,
            // A refusal may come from a half-finished deployment, and an unknown format from a half-finished rollout.
            // Waiting loses nothing: after the last retry the whole message is in the dead-letter queue.
            Self::Unavailable { .. } | Self::Newer { .. } | Self::Corrupt { .. } | Self::Refused { .. } => {
                Remedy::Later
            }
            Self::TooLarge { .. } | Self::TooMany { .. } => Remedy::Quarantine,
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
                let message = without_request(answer.err().message().unwrap_or("it does not say why"));
                let words = format!("{code}: {message}");
                match code {
                    "ConditionalCheckFailedException" | "TransactionConflictException" => Self::Conflict,
                    "ValidationException"
                    | "AccessDeniedException"
                    | "ResourceNotFoundException"
                    | "ItemCollectionSizeLimitExceededException"
                    | "IdempotentParameterMismatchException" => Self::Refused { words, source: Some(error.into()) },
                    // Throttling in its many spellings, internal errors, and unknown codes.
                    _ => Self::Unavailable { words, source: Some(error.into()) },
                }
            }
            // A timeout, a failed connection, or a broken answer: it is not known whether the request was carried out.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_database_quotes_of_a_request_is_not_repeated() {
        let quoted = "1 validation error detected: Value '[TransactWriteItem(put=Put(item=jane@example.org))]' at \
                      'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100";
        let said = without_request(quoted);
        assert!(!said.contains("jane"), "{said}");
        assert!(
            said.starts_with("1 validation error detected") && said.ends_with("less than or equal to 100"),
            "{said}"
        );
        let number = "The parameter cannot be converted to a numeric value: 'jane@example.org'";
        assert_eq!(without_request(number), "The parameter cannot be converted to a numeric value: …");
        let plain = "The provided key element does not match the schema";
        assert_eq!(without_request(plain), plain);
    }
}
