//! The answer when a request is not carried out: RFC 9457 problem details, with everything that is wrong and what to
//! do.

mod code;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rules::json::Problems;
use serde::{Deserialize, Serialize};
use store::shop::ShopId;
use store::{PublicationError, Remedy, StoreError};
use utoipa::ToSchema;

use crate::caller::Scope;

pub use code::ProblemCode;

/// The seconds after which a client should try again.
const AGAIN_S: u32 = 2;

/// Why a request was not carried out (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// The kind of problem, for programs: `urn:echelon:problem:` and a name that never changes.
    #[serde(rename = "type")]
    #[schema(value_type = String, examples("urn:echelon:problem:unknown-member"))]
    pub kind: Box<str>,
    /// The kind in words.
    #[schema(value_type = String)]
    pub title: Box<str>,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// The error in this request.
    pub detail: String,
    /// The remedy.
    pub remedy: String,
    /// Everything that is wrong in the request, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Place>,
}

/// An error and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// A JSON path such as `$.tiers[1].threshold`, the name of a parameter, or a line.
    pub path: String,
    /// The error at that place.
    pub message: String,
}

impl From<&rules::json::Problem> for Place {
    fn from(problem: &rules::json::Problem) -> Self {
        Self { path: problem.path.clone(), message: problem.message.clone() }
    }
}

const LOOK: &str = "GET /openapi.json describes all requests, and GET /docs shows them";

impl Problem {
    /// A problem of the given kind.
    pub fn new(code: ProblemCode, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (_, status, title) = code.describe();
        Self {
            kind: code.urn().into(),
            title: title.into(),
            status: status.as_u16(),
            detail: detail.into(),
            remedy: remedy.into(),
            problems: Vec::new(),
        }
    }

    /// The request cannot be decoded.
    pub fn bad(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(ProblemCode::MalformedRequest, detail, remedy)
    }

    /// A parameter is wrong.
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::bad(format!("`{name}`: {message}"), LOOK).at(name, message)
    }

    /// The request can be decoded, but has errors.
    pub fn invalid(detail: impl Into<String>, problems: &Problems) -> Self {
        let remedy = "correct what `problems` names and send it again: nothing was done";
        let problem = Self::new(ProblemCode::ValidationFailed, detail, remedy);
        Self { problems: problems.iter().map(Place::from).collect(), ..problem }
    }

    /// `If-Match` names a state that is not the present one.
    pub fn changed(what: &str) -> Self {
        let detail = format!("{what} is not as `If-Match` says");
        let remedy = "read it again, look at what has changed, and send with its new ETag";
        Self::new(ProblemCode::PreconditionFailed, detail, remedy)
    }

    /// `If-Match` is missing where another writer's work could be overwritten.
    pub fn needs_match(what: &str) -> Self {
        let detail = format!("{what} is there already, and the request does not say which state of it is known");
        let remedy = "read it, and send its ETag as `If-Match`";
        Self::new(ProblemCode::PreconditionRequired, detail, remedy)
    }

    /// The request has no valid token.
    pub fn unauthenticated() -> Self {
        let remedy = "send `Authorization: Bearer TOKEN` with a token that is valid now";
        Self::new(ProblemCode::Unauthenticated, "there is no token, or it is not valid", remedy)
    }

    /// The signature of a webhook does not match its body.
    pub fn unsigned() -> Self {
        let detail = "the header `X-Shopify-Hmac-Sha256` does not fit the body";
        let remedy = "sign it with the secret that is set here: of the Shopify app that sends it";
        Self::new(ProblemCode::InvalidSignature, detail, remedy)
    }

    /// A header, which no signature covers, contradicts the body.
    pub fn not_of_topic(header: &str, message: &str) -> Self {
        let remedy =
            "send the webhook as Shopify delivers it: a signature covers the body alone, so the headers have to fit it";
        Self::bad(format!("`{header}` {message}"), remedy).at(header, message)
    }

    /// The caller's token does not have the scope.
    pub fn forbidden(scope: Scope) -> Self {
        let detail = format!("this takes the scope `{scope}`");
        Self::new(ProblemCode::Forbidden, detail, "use a token with that scope")
    }

    /// The request is about the whole system, and the token is for one shop.
    pub fn not_of_one_shop() -> Self {
        let (detail, remedy) =
            ("this token is for one shop only, and the request is about all of them", "use a token that names no shop");
        Self::new(ProblemCode::Forbidden, detail, remedy)
    }

    /// The request takes a member's token.
    pub fn member_token_required() -> Self {
        let remedy = "POST /v1/members/{member_id}/token makes one; staff asks for GET /v1/members/{member_id}";
        Self::new(ProblemCode::MemberTokenRequired, "this takes a member's token", remedy)
    }

    /// The idempotency key was used for something else before.
    pub fn key_reused() -> Self {
        let (detail, remedy) =
            ("the `Idempotency-Key` was used for something else", "use another one for something else");
        Self::new(ProblemCode::IdempotencyKeyReused, detail, remedy)
    }

    /// The request names a shop that the token is not for.
    pub fn wrong_shop() -> Self {
        let remedy = "leave `shop` out: the token says which";
        Self::new(ProblemCode::WrongShop, "a token is for one shop only", remedy)
    }

    /// The request does not say which shop is meant.
    pub fn which_shop() -> Self {
        let remedy = "name the shop: `?shop=NAME`, or the header `X-Echelon-Shop`";
        Self::bad("it does not say which shop it is about", remedy).at("shop", "is missing")
    }

    /// The shop has no program.
    pub fn no_program(shop: &ShopId) -> Self {
        Self::new(
            ProblemCode::UnknownProgram,
            format!("shop `{shop}` has published no program"),
            "POST /v1/program/versions publishes one",
        )
    }

    /// The shop has no program; `known` are the shops that have one, for a caller who may learn their names.
    pub fn no_program_among(shop: &ShopId, known: &[ShopId]) -> Self {
        let problem = Self::no_program(shop);
        match store::shops_in_words(known) {
            Some(known) => Self { detail: format!("{}; {known}", problem.detail), ..problem },
            None => problem,
        }
    }

    /// The body is too large.
    pub fn too_large(most: usize) -> Self {
        let detail = format!("the body has more than {most} bytes");
        let remedy = "send less at a time";
        Self::new(ProblemCode::PayloadTooLarge, detail, remedy)
    }

    /// The body did not arrive in time.
    pub fn too_slow() -> Self {
        let detail = "the body did not come in time";
        Self::new(ProblemCode::RequestTimeout, detail, "send it again: nothing was taken")
    }

    /// Other reads of the same shop take all its turns.
    pub fn too_many_reads() -> Self {
        let detail = "too many explanations, exports, standings of many members or pages of facts of this shop are asked for at once";
        let remedy = "send the same again after what `Retry-After` says, and fewer at a time";
        Self::new(ProblemCode::TooManyRequests, detail, remedy)
    }

    /// The request cannot be carried out right now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let remedy = "send the same again after what `Retry-After` says; what was done already changes nothing";
        Self::new(ProblemCode::Unavailable, detail, remedy)
    }

    /// An error of this system. The answer says nothing about its cause.
    pub fn internal_error() -> Self {
        let remedy = "tell the operator the request id; the log says more";
        Self::new(ProblemCode::InternalError, "this should not have happened", remedy)
    }

    /// Adds an error at a place.
    #[must_use]
    pub fn at(mut self, path: &str, message: impl Into<String>) -> Self {
        self.problems.push(Place { path: path.to_owned(), message: message.into() });
        self
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(AGAIN_S));
            }
            StatusCode::UNAUTHORIZED => {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error.remedy() {
            Remedy::Reload => {
                Self::new(ProblemCode::Conflict, error.to_string(), "look again, and send the same again")
            }
            Remedy::Later => {
                tracing::error!(%error, "the store did not do what was asked");
                // The text of the database's error goes to the log only.
                Self::unavailable("the store does not answer as it should")
            }
            Remedy::Quarantine => {
                let remedy = "shorten it: it has to fit into one item";
                Self::new(ProblemCode::ItemTooLarge, error.to_string(), remedy)
            }
        }
    }
}

impl From<PublicationError> for Problem {
    fn from(error: PublicationError) -> Self {
        let detail = error.to_string();
        match error {
            PublicationError::Invalid(problems) => Self::invalid("the program is not right", &problems),
            PublicationError::Refused(_) => Self::new(
                ProblemCode::VersionRejected,
                detail,
                "change the program or the options as it says; GET /v1/program/versions lists what there is",
            ),
            PublicationError::CurrencyMissing(_) => {
                let remedy = "name the currency: a program that counts money is not published without it";
                Self::new(ProblemCode::ValidationFailed, detail, remedy).at("$.currency", "currency_missing")
            }
            PublicationError::EffectiveAtIgnored(_) => {
                let remedy = "leave `effective_at` out of the program; `at` beside it says from when it is in force";
                Self::new(ProblemCode::ValidationFailed, detail, remedy).at("$.effective_at", "would be ignored")
            }
            PublicationError::InThePast { .. } => {
                Self::new(ProblemCode::EffectiveInThePast, detail, "leave `at` out, or name an instant to come")
            }
            PublicationError::BeingDeleted => {
                Self::new(ProblemCode::ShopBeingDeleted, detail, "GET /v1/privacy/redaction says whether it is")
            }
            PublicationError::AboutToTakeEffect { .. } => {
                Self::new(ProblemCode::AboutToTakeEffect, detail, "publish after that instant")
            }
            PublicationError::NothingPending => {
                Self::new(ProblemCode::UnknownPendingVersion, detail, "GET /v1/program/versions lists them")
            }
            PublicationError::NoSuchVersion(_) => {
                Self::new(ProblemCode::UnknownVersion, detail, "GET /v1/program/versions lists them")
            }
            PublicationError::Store(error) => error.into(),
        }
    }
}
