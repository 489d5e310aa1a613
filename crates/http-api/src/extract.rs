//! Extractors for paths, queries and bodies. What is wrong becomes a problem that names the place.

use std::time::Duration;

use axum::body::{Body as Whole, Bytes, to_bytes};
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header};
use http_body_util::LengthLimitError;
use rules::json::repeated;
use serde::de::DeserializeOwned;

use crate::params::{self, Param, ParamError};
use crate::problem::{Problem, ProblemCode};

/// The maximum size of a body: enough for a hundred large facts, or for a program with a thousand tiers.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The time within which a body must arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(60);

/// The header with the idempotency key.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// The maximum length of the key.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The parameters in the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let wrong = match axum::extract::Path::<Vec<Param>>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(all)) => {
                return params::read(&all).map(Self).map_err(|error| wrong_param(&error, "the path", IN_PATHS));
            }
            Err(PathRejection::FailedToDeserializePathParams(wrong)) => wrong.into_kind(),
            Err(other) => return Err(Problem::bad(other.body_text(), IN_PATHS)),
        };
        Err(undecoded_path(wrong))
    }
}

/// The problem with a path whose parameters are not even text.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the errors of axum may grow, and all the others are mistakes of ours"
)]
fn undecoded_path(wrong: ErrorKind) -> Problem {
    let (name, message) = match wrong {
        ErrorKind::InvalidUtf8InPathParam { key } => (Some(key), "is not UTF-8".to_owned()),
        other => (None, other.to_string()),
    };
    wrong_param(&ParamError { name, message }, "the path", IN_PATHS)
}

/// The problem with a parameter, named, or with all of them.
fn wrong_param(error: &ParamError, all: &str, remedy: &str) -> Problem {
    let ParamError { name, message } = error;
    let name = name.as_deref().unwrap_or(all);
    Problem::bad(format!("`{name}`: {message}"), remedy).at(name, message)
}

pub(crate) const IN_PATHS: &str = "correct the path, percent-encoded as URLs require";
const IN_QUERIES: &str = "correct the query; GET /openapi.json describes all requests";

/// The query. `T` names its fields, and others are refused except `shop`, which is allowed everywhere
/// ([`crate::caller::Authorized`]).
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let said = parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.starts_with("shop="));
        let said: Uri = format!("/?{}", said.collect::<Vec<_>>().join("&")).parse().unwrap_or_default();
        let all = axum::extract::Query::<Vec<Param>>::try_from_uri(&said);
        let all = all.map_err(|rejection| Problem::bad(rejection.body_text(), IN_QUERIES))?.0;
        params::read(&all).map(Self).map_err(|error| wrong_param(&error, "the query", IN_QUERIES))
    }
}

/// The bytes of a body, up to [`BODY_BYTES_MAX`].
#[derive(Debug)]
pub struct Raw(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        whole(request.into_body(), BODY_BYTES_MAX).await.map(Self)
    }
}

/// The whole body, if it is small enough and arrives in time.
///
/// # Errors
/// A problem if the body is too large, too slow, or incomplete.
pub async fn whole(body: Whole, bytes_max: usize) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(BODY_TIME_MAX, to_bytes(body, bytes_max)).await;
    read.map_err(|_| Problem::too_slow())?.map_err(|error| match std::error::Error::source(&error) {
        Some(why) if why.is::<LengthLimitError>() => Problem::too_large(bytes_max),
        _ => Problem::bad(
            "the body breaks off, or its chunks cannot be decoded",
            "send it again, whole: nothing was taken",
        ),
    })
}

/// A JSON body of any kind. A repeated field is refused, since it would be unclear which one is meant.
#[derive(Debug)]
pub struct Any<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Any<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        is_json(request.headers())?;
        let Raw(bytes) = Raw::from_request(request, state).await?;
        json(&bytes).map(Self)
    }
}

/// A JSON body that is an object. A list of values without field names is refused.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        is_json(request.headers())?;
        let Raw(bytes) = Raw::from_request(request, state).await?;
        let text = bytes.strip_prefix(BOM).unwrap_or(&bytes);
        let is_list = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        if is_list {
            let message = "is a list, and has to be an object";
            return Err(Problem::bad(format!("`$`: {message}"), REMEDY).at("$", message));
        }
        json(&bytes).map(Self)
    }
}

/// The byte order mark with which some editors begin a file.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// The remedy for a body that cannot be decoded.
const REMEDY: &str = "send JSON as GET /openapi.json describes it";

fn is_json(headers: &HeaderMap) -> Result<(), Problem> {
    let said = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = said.is_none_or(|said| {
        let kind = said.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
    });
    if is_json {
        return Ok(());
    }
    let detail = "the body is not said to be JSON";
    Err(Problem::new(ProblemCode::UnsupportedMediaType, detail, "send `Content-Type: application/json`"))
}

/// Decodes JSON.
///
/// # Errors
/// A problem that says what is wrong and where.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::bad("the body is not UTF-8", REMEDY))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let twice = repeated(text).map_err(|error| Problem::bad(format!("the body is not JSON: {error}"), REMEDY))?;
    if let Some(first) = twice.first() {
        let problem = Problem::bad(first.to_string(), "say each field once");
        return Err(twice.iter().fold(problem, |all, one| all.at(&one.path, &one.message)));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = match error.path().to_string() {
            all if all == "." => "$".to_owned(),
            path => format!("$.{path}"),
        };
        let wrong = error.into_inner();
        // The path says where in the data it is, so the line and column are left out.
        let said = wrong.to_string();
        let place = format!(" at line {} column {}", wrong.line(), wrong.column());
        let message = said.strip_suffix(place.as_str()).unwrap_or(&said);
        Problem::bad(format!("`{path}`: {message}"), REMEDY).at(&path, message)
    })?;
    reader.end().map_err(|error| Problem::bad(error.to_string(), REMEDY))?;
    Ok(read)
}

/// The idempotency key of a request.
///
/// # Errors
/// A problem if the key is empty, too long, or not text.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(said) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let said = said.to_str().unwrap_or_default().trim();
    if said.is_empty() || said.len() > IDEMPOTENCY_KEY_BYTES_MAX {
        let wrong = format!("is not text of 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
        return Err(Problem::field(IDEMPOTENCY_KEY, wrong));
    }
    Ok(Some(said.to_owned()))
}
