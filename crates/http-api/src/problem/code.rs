//! All kinds of problem: the name for programs, the HTTP status, and the title for people.

use axum::http::StatusCode;

/// The kind of a problem. Its name never changes: programs decide by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemCode {
    /// The request cannot be read.
    MalformedRequest,
    /// The request can be read in two ways, one by a proxy and another by this system.
    AmbiguousRequest,
    /// There is no token, or it is not valid.
    Unauthenticated,
    /// A webhook's signature does not match its body.
    InvalidSignature,
    /// The token does not have the scope, or is for one shop alone.
    Forbidden,
    /// The request takes a member's own token.
    MemberTokenRequired,
    /// The token, or this system, is for another shop.
    WrongShop,
    /// Pages of this origin, or requests under this host name, are not allowed.
    OriginNotAllowed,
    /// There is nothing at this path.
    NotFound,
    /// Nothing is known of the member.
    UnknownMember,
    /// The shop has published no program.
    UnknownProgram,
    /// There is no such version.
    UnknownVersion,
    /// No version waits to take effect.
    UnknownPendingVersion,
    /// The shop has no draft of a program.
    UnknownDraft,
    /// There is no such job.
    UnknownJob,
    /// No sweep has ended within the last days.
    UnknownSweep,
    /// The member was not erased.
    UnknownErasure,
    /// The deletion of the shop was not requested.
    UnknownRedaction,
    /// No webhooks are expected here.
    UnknownWebhook,
    /// The path does not support this method.
    MethodNotAllowed,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The request conflicts with the current state.
    Conflict,
    /// The version cannot follow the existing ones.
    VersionRejected,
    /// The version would take effect in the past.
    EffectiveInThePast,
    /// The pending version takes effect too soon to be replaced or withdrawn.
    AboutToTakeEffect,
    /// Everything of the shop is being deleted.
    ShopBeingDeleted,
    /// The deletion of the shop has begun, and can no longer be withdrawn.
    DeletionInProgress,
    /// A signed body was sent again under another topic or for another shop.
    WebhookReplayed,
    /// There is no file to copy.
    NoFile,
    /// The lists that a cursor leads through are gone.
    CursorExpired,
    /// `If-Match` names a state that is not the present one.
    PreconditionFailed,
    /// `If-Match` is missing where another writer's work could be overwritten.
    PreconditionRequired,
    /// The body is too large.
    PayloadTooLarge,
    /// There are too many items in one request.
    TooManyItems,
    /// The data sent does not fit into one item of the database.
    ItemTooLarge,
    /// The body has to be JSON.
    UnsupportedMediaType,
    /// The body has to be sent uncompressed.
    UnsupportedEncoding,
    /// The request can be decoded, but has errors.
    ValidationFailed,
    /// The idempotency key stands for something else.
    IdempotencyKeyReused,
    /// The shop has too many long reads at once.
    TooManyRequests,
    /// The request cannot be carried out right now.
    Unavailable,
    /// An error of this system.
    InternalError,
    /// No backup could be made.
    BackupFailed,
}

impl ProblemCode {
    /// All of them.
    pub const ALL: [Self; 43] = [
        Self::MalformedRequest,
        Self::AmbiguousRequest,
        Self::Unauthenticated,
        Self::InvalidSignature,
        Self::Forbidden,
        Self::MemberTokenRequired,
        Self::WrongShop,
        Self::OriginNotAllowed,
        Self::NotFound,
        Self::UnknownMember,
        Self::UnknownProgram,
        Self::UnknownVersion,
        Self::UnknownPendingVersion,
        Self::UnknownDraft,
        Self::UnknownJob,
        Self::UnknownSweep,
        Self::UnknownErasure,
        Self::UnknownRedaction,
        Self::UnknownWebhook,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::Conflict,
        Self::VersionRejected,
        Self::EffectiveInThePast,
        Self::AboutToTakeEffect,
        Self::ShopBeingDeleted,
        Self::DeletionInProgress,
        Self::WebhookReplayed,
        Self::NoFile,
        Self::CursorExpired,
        Self::PreconditionFailed,
        Self::PreconditionRequired,
        Self::PayloadTooLarge,
        Self::TooManyItems,
        Self::ItemTooLarge,
        Self::UnsupportedMediaType,
        Self::UnsupportedEncoding,
        Self::ValidationFailed,
        Self::IdempotencyKeyReused,
        Self::TooManyRequests,
        Self::Unavailable,
        Self::InternalError,
        Self::BackupFailed,
    ];

    /// The name, the status and the title.
    pub const fn describe(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::MalformedRequest => ("malformed-request", S::BAD_REQUEST, "Malformed request"),
            Self::AmbiguousRequest => ("ambiguous-request", S::BAD_REQUEST, "Ambiguous request"),
            Self::Unauthenticated => ("unauthenticated", S::UNAUTHORIZED, "Authentication required"),
            Self::InvalidSignature => ("invalid-signature", S::UNAUTHORIZED, "Invalid signature"),
            Self::Forbidden => ("forbidden", S::FORBIDDEN, "Forbidden"),
            Self::MemberTokenRequired => ("member-token-required", S::FORBIDDEN, "Member token required"),
            Self::WrongShop => ("wrong-shop", S::FORBIDDEN, "Wrong shop"),
            Self::OriginNotAllowed => ("origin-not-allowed", S::FORBIDDEN, "Origin not allowed"),
            Self::NotFound => ("not-found", S::NOT_FOUND, "Not found"),
            Self::UnknownMember => ("unknown-member", S::NOT_FOUND, "Unknown member"),
            Self::UnknownProgram => ("unknown-program", S::NOT_FOUND, "No program"),
            Self::UnknownVersion => ("unknown-version", S::NOT_FOUND, "Unknown version"),
            Self::UnknownPendingVersion => ("unknown-pending-version", S::NOT_FOUND, "No pending version"),
            Self::UnknownDraft => ("unknown-draft", S::NOT_FOUND, "No draft"),
            Self::UnknownJob => ("unknown-job", S::NOT_FOUND, "Unknown job"),
            Self::UnknownSweep => ("unknown-sweep", S::NOT_FOUND, "No recent sweep"),
            Self::UnknownErasure => ("unknown-erasure", S::NOT_FOUND, "Unknown erasure"),
            Self::UnknownRedaction => ("unknown-redaction", S::NOT_FOUND, "No deletion requested"),
            Self::UnknownWebhook => ("unknown-webhook", S::NOT_FOUND, "No webhooks expected"),
            Self::MethodNotAllowed => ("method-not-allowed", S::METHOD_NOT_ALLOWED, "Method not allowed"),
            Self::RequestTimeout => ("request-timeout", S::REQUEST_TIMEOUT, "Request timeout"),
            Self::Conflict => ("conflict", S::CONFLICT, "Conflict with the current state"),
            Self::VersionRejected => ("version-rejected", S::CONFLICT, "Version rejected"),
            Self::EffectiveInThePast => ("effective-in-the-past", S::CONFLICT, "Effective in the past"),
            Self::AboutToTakeEffect => ("about-to-take-effect", S::CONFLICT, "About to take effect"),
            Self::ShopBeingDeleted => ("shop-being-deleted", S::CONFLICT, "Shop being deleted"),
            Self::DeletionInProgress => ("deletion-in-progress", S::CONFLICT, "Deletion in progress"),
            Self::WebhookReplayed => ("webhook-replayed", S::CONFLICT, "Webhook replayed"),
            Self::NoFile => ("no-file", S::CONFLICT, "No file to back up"),
            Self::CursorExpired => ("cursor-expired", S::GONE, "Cursor expired"),
            Self::PreconditionFailed => ("precondition-failed", S::PRECONDITION_FAILED, "Precondition failed"),
            Self::PreconditionRequired => ("precondition-required", S::PRECONDITION_REQUIRED, "Precondition required"),
            Self::PayloadTooLarge => ("payload-too-large", S::PAYLOAD_TOO_LARGE, "Payload too large"),
            Self::TooManyItems => ("too-many-items", S::PAYLOAD_TOO_LARGE, "Too many items"),
            Self::ItemTooLarge => ("item-too-large", S::PAYLOAD_TOO_LARGE, "Item too large"),
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", S::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type")
            }
            Self::UnsupportedEncoding => {
                ("unsupported-encoding", S::UNSUPPORTED_MEDIA_TYPE, "Unsupported content encoding")
            }
            Self::ValidationFailed => ("validation-failed", S::UNPROCESSABLE_ENTITY, "Validation failed"),
            Self::IdempotencyKeyReused => ("idempotency-key-reused", S::UNPROCESSABLE_ENTITY, "Idempotency key reused"),
            Self::TooManyRequests => ("too-many-requests", S::TOO_MANY_REQUESTS, "Too many requests"),
            Self::Unavailable => ("unavailable", S::SERVICE_UNAVAILABLE, "Temporarily unavailable"),
            Self::InternalError => ("internal-error", S::INTERNAL_SERVER_ERROR, "Internal error"),
            Self::BackupFailed => ("backup-failed", S::INTERNAL_SERVER_ERROR, "Backup failed"),
        }
    }

    /// The name as a URN: the `type` of RFC 9457.
    pub fn urn(self) -> String {
        format!("urn:echelon:problem:{}", self.describe().0)
    }
}
