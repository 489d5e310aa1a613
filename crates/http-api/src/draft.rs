//! The draft of a program. Several people may work on it over days, and none of them overwrites another's change
//! unseen.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rules::calendar::{Instant, Zones};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{SavedDraft, StoreError};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::caller::{Admin, Authorized, Read};
use crate::etag::Etag;
use crate::extract::Body;
use crate::problem::{Place, Problem, ProblemCode};
use crate::program::checked;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show, save, discard))
}

/// The draft of a program, valid or not yet valid.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draft {
    /// The program as it was written.
    #[schema(value_type = Object)]
    program: Value,
    /// The author of the last change.
    by: String,
    /// When it was saved.
    #[schema(value_type = String, format = DateTime)]
    at: Instant,
    /// Whether the program by itself could be published.
    valid: bool,
    /// Everything that is wrong in it.
    problems: Vec<Place>,
    /// Everything that is valid, but probably not intended.
    warnings: Vec<Place>,
}

/// A draft to be saved.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Save {
    /// The program, valid or not yet valid.
    #[schema(value_type = Object)]
    program: Map<String, Value>,
}

impl Draft {
    fn of(saved: SavedDraft, zones: &Zones) -> Self {
        let SavedDraft { program, by, at, revision: _ } = saved;
        let found = checked(&program, zones);
        Self { valid: found.valid, problems: found.problems, warnings: found.warnings, program, by, at }
    }
}

/// A discarded draft and a new one have different tags.
fn tag(saved: &SavedDraft) -> Etag {
    Etag::named(format_args!("{}-{}", saved.revision, saved.at.millis()))
}

fn none() -> Problem {
    Problem::new(ProblemCode::UnknownDraft, "the shop has no draft of a program", "PUT /v1/program/draft saves one")
}

/// The draft of the program
///
/// It comes with everything that is wrong in it. The ETag is the value of `If-Match` when the draft is saved.
#[utoipa::path(
    get, path = "/v1/program/draft", tag = "Program", operation_id = "draft",
    responses((status = 200, body = Draft), (status = 304, description = "As `If-None-Match` says"),
              (status = 404, description = "There is none", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn show(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Read>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let saved = api.store.saved_draft(&shop).await?.ok_or_else(none)?;
    Ok(tag(&saved).answer(&headers, Json(Draft::of(saved, api.store.zones()))))
}

/// Saves the draft
///
/// The draft need not be valid: the answer says what is wrong. An existing draft is replaced only if its ETag is sent
/// as `If-Match`.
#[utoipa::path(
    put, path = "/v1/program/draft", tag = "Program", operation_id = "save_draft", request_body = Save,
    params(("If-Match" = Option<String>, Header, description = "The ETag of the draft that is known")),
    responses((status = 200, body = Draft), (status = 412, description = "Another writer saved it meanwhile", body = Problem),
              (status = 428, description = "There is a draft, and `If-Match` is missing", body = Problem)),
    security(("bearer" = ["echelon/admin"]))
)]
async fn save(
    State(api): State<Api>,
    Authorized { shop, by, .. }: Authorized<Admin>,
    headers: HeaderMap,
    Body(Save { program }): Body<Save>,
) -> Result<Response, Problem> {
    let program = Value::Object(program);
    let known = api.store.saved_draft(&shop).await?;
    match (&known, known.as_ref().map(|saved| tag(saved).is_in(&headers, header::IF_MATCH))) {
        (None, _) if headers.contains_key(header::IF_MATCH) => return Err(Problem::changed("the draft")),
        (Some(_), Some(None)) => return Err(Problem::needs_match("a draft")),
        (Some(_), Some(Some(false))) => return Err(Problem::changed("the draft")),
        (None, _) | (Some(_), _) => {}
    }
    let (over, at) = (known.map(|saved| saved.revision), api.clock.now());
    let revision = match api.store.save_draft(&shop, &program, (&by, at), over).await {
        Ok(revision) => revision,
        Err(StoreError::Conflict) => return Err(Problem::changed("the draft")),
        Err(error) => return Err(error.into()),
    };
    let saved = SavedDraft { program, by, at, revision };
    Ok(tag(&saved).answer(&HeaderMap::new(), Json(Draft::of(saved, api.store.zones()))))
}

/// Throws the draft away
#[utoipa::path(
    delete, path = "/v1/program/draft", tag = "Program", operation_id = "discard_draft",
    responses((status = 204, description = "There is none any more")), security(("bearer" = ["echelon/admin"]))
)]
async fn discard(State(api): State<Api>, Authorized { shop, .. }: Authorized<Admin>) -> Result<Response, Problem> {
    api.store.discard_draft(&shop).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
