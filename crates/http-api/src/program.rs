//! The program of a shop: read, checked, previewed, published, withdrawn.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::publishing::{
    Listed, PreviewOptions, Previewed, PublishOutcome, PublishRequest, Publisher, State as Stands,
};
use rules::calendar::{Instant, Zones};
use rules::json::check_texts;
use rules::program::Program;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::shop::ShopId;
use tokio::sync::Semaphore;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::caller::{Admin, Authorized, Read};
use crate::etag::Etag;
use crate::extract::{Body, Path, Query};
use crate::problem::{Place, Problem, ProblemCode};
use crate::schema;

/// So many previews are worked out at once in this process; each looks at everybody. Others wait in the order in which they came.
static PREVIEWS: Semaphore = Semaphore::const_new(2);

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(program))
        .routes(routes!(versions, publish))
        .routes(routes!(pending))
        .routes(routes!(version))
        .routes(routes!(validate))
        .routes(routes!(preview))
}

impl Api {
    /// The rules of a shop, as they are changed now.
    fn rules<'a>(&'a self, shop: &'a ShopId) -> Publisher<'a> {
        Publisher { store: &self.store, shop, now: self.clock.now(), ahead_ms: self.ahead_ms }
    }

    async fn published(&self, shop: &ShopId) -> Result<Vec<Listed>, Problem> {
        let all = self.rules(shop).list().await?;
        if all.is_empty() { Err(Problem::no_program(shop)) } else { Ok(all) }
    }
}

/// What is known of all versions: it changes with each that is published or withdrawn.
fn state(all: &[Listed]) -> Etag {
    let withdrawn = all.iter().filter(|one| one.withdrawn.is_some()).count();
    Etag::named(format_args!("{}-{withdrawn}", all.last().map_or(0, |last| last.version)))
}

/// When.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    /// The instant; now, if none is named.
    #[param(value_type = Option<String>, format = DateTime)]
    as_of: Option<Instant>,
}

/// The program in force
///
/// As it was published, by whom, when and why.
#[utoipa::path(
    get, path = "/v1/program", tag = "Program", operation_id = "program", params(When),
    responses((status = 200, body = schema::Version), (status = 304, description = "As `If-None-Match` says"),
              (status = 404, description = "The shop has no program", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn program(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Read>,
    Query(When { as_of }): Query<When>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let rules = Publisher { now: as_of.unwrap_or_else(|| api.clock.now()), ..api.rules(&shop) };
    let in_force = rules.list().await?.into_iter().find(|one| one.state == Stands::InForce);
    let in_force = in_force.ok_or_else(|| Problem::no_program(&shop))?;
    Ok(Etag::of(&in_force).answer(&headers, Json(in_force)))
}

/// All versions ever published
///
/// The oldest first, those withdrawn included. The ETag is what `If-Match` takes where one publishes.
#[utoipa::path(
    get, path = "/v1/program/versions", tag = "Program", operation_id = "versions",
    responses((status = 200, body = schema::Versions), (status = 304, description = "As `If-None-Match` says")),
    security(("bearer" = ["echelon/read"]))
)]
async fn versions(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Read>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let all = api.rules(&shop).list().await?;
    let tag = state(&all);
    Ok(tag.answer(&headers, Json(serde_json::json!({ "shop": shop, "programs": all }))))
}

/// A version as it was published
#[utoipa::path(
    get, path = "/v1/program/versions/{number}", tag = "Program", operation_id = "version",
    params(("number" = u32, Path, description = "The version's number", minimum = 1)),
    responses((status = 200, body = schema::Version), (status = 404, description = "There is no such version", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn version(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Read>,
    Path(number): Path<u32>,
) -> Result<Json<Listed>, Problem> {
    let all = api.published(&shop).await?;
    let found = all.into_iter().find(|one| one.version == number);
    let unknown = || {
        Problem::new(
            ProblemCode::UnknownVersion,
            format!("there is no version {number}"),
            "GET /v1/program/versions lists them",
        )
    };
    found.map(Json).ok_or_else(unknown)
}

/// Publishes a version
///
/// A program, or the number of an earlier version to roll back to. Everybody is recalculated from the instant on at which it
/// takes effect; until then it can be replaced or withdrawn. The same program as the newest version's publishes nothing.
/// With `If-Match`, only if no other was published meanwhile. Preview it first.
#[utoipa::path(
    post, path = "/v1/program/versions", tag = "Program", operation_id = "publish",
    params(("If-Match" = Option<String>, Header, description = "The ETag of the versions that are known")),
    request_body = schema::Wanted,
    responses((status = 201, body = schema::Published), (status = 200, description = "It was published already", body = schema::Published),
              (status = 409, description = "It cannot follow the versions there are", body = Problem),
              (status = 412, description = "Another version was published meanwhile", body = Problem),
              (status = 422, description = "The program is not right", body = Problem)),
    security(("bearer" = ["echelon/admin"]))
)]
async fn publish(
    State(api): State<Api>,
    Authorized { shop, by, .. }: Authorized<Admin>,
    headers: HeaderMap,
    Body(wanted): Body<PublishRequest>,
) -> Result<Response, Problem> {
    let wanted = PublishRequest { by: author(&by, wanted.by), ..wanted };
    // Nobody takes facts in meanwhile: whoever decides next decides by the versions as they are then.
    let batch = api.batch.write().await;
    if headers.contains_key(header::IF_MATCH) {
        let all = api.rules(&shop).list().await?;
        if state(&all).is_in(&headers, header::IF_MATCH) == Some(false) {
            return Err(Problem::changed("what is published"));
        }
    }
    let published: PublishOutcome = api.rules(&shop).publish(&wanted).await?;
    api.programs().forget();
    drop(batch);
    api.due.notify_one();
    api.recorded.notify_one();
    let status = if published.published { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(published)).into_response())
}

/// Who publishes: whom the token names, and whom they say.
fn author(token: &str, said: String) -> String {
    if said == engine::publishing::DEFAULT_AUTHOR || said == token {
        token.to_owned()
    } else if token == engine::publishing::DEFAULT_AUTHOR {
        said
    } else {
        format!("{said} (with the token of {token})")
    }
}

/// A version that never takes effect.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Withdrawn {
    /// The shop.
    #[schema(value_type = String)]
    shop: ShopId,
    /// The version's number. It is not given again.
    withdrawn: u32,
    /// When it would have taken effect.
    #[schema(value_type = String, format = DateTime)]
    effective_at: Instant,
}

/// Withdraws the version that waits to take effect
#[utoipa::path(
    delete, path = "/v1/program/versions/pending", tag = "Program", operation_id = "withdraw",
    responses((status = 200, body = Withdrawn), (status = 404, description = "None waits", body = Problem),
              (status = 409, description = "It is about to take effect", body = Problem)),
    security(("bearer" = ["echelon/admin"]))
)]
async fn pending(
    State(api): State<Api>,
    Authorized { shop, by, .. }: Authorized<Admin>,
) -> Result<Json<Withdrawn>, Problem> {
    let batch = api.batch.write().await;
    let version = api.store.withdraw(&shop, &by, api.clock.now()).await?;
    api.programs().forget();
    drop(batch);
    Ok(Json(Withdrawn { shop, withdrawn: version.number, effective_at: version.effective_at }))
}

/// A program to be checked.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unchecked {
    /// The program, as in section 3 of the semantics.
    #[schema(value_type = Object)]
    program: Map<String, Value>,
}

/// Whether a program is right.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checked {
    /// Whether it can be published as far as it is itself concerned.
    pub(crate) valid: bool,
    /// Everything that is wrong.
    pub(crate) problems: Vec<Place>,
    /// What is right, and likely not meant.
    pub(crate) warnings: Vec<Place>,
}

/// Checks a program
///
/// Everything that is wrong, and everything that is likely not meant, each with its place. Nothing is kept.
#[utoipa::path(
    post, path = "/v1/program/validate", tag = "Program", operation_id = "validate", request_body = Unchecked,
    responses((status = 200, body = Checked)), security(("bearer" = ["echelon/read"]))
)]
async fn validate(
    State(api): State<Api>,
    _: Authorized<Read>,
    Body(Unchecked { program }): Body<Unchecked>,
) -> Json<Checked> {
    Json(checked(&Value::Object(program), api.store.zones()))
}

pub(crate) fn checked(program: &Value, zones: &Zones) -> Checked {
    match check_texts(program, "$").and_then(|()| Program::read(program, zones)) {
        Err(problems) => {
            Checked { valid: false, problems: problems.iter().map(Place::from).collect(), warnings: Vec::new() }
        }
        Ok(draft) => {
            Checked { valid: true, problems: Vec::new(), warnings: draft.warnings.iter().map(Place::from).collect() }
        }
    }
}

/// How to look.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct How {
    /// Names everybody whose tier would change.
    #[serde(default)]
    list: bool,
    /// From which of the 256 equal parts of the members on: `next_part` of the answer before.
    #[serde(default)]
    #[param(minimum = 0, maximum = 255)]
    from_part: u8,
}

/// What publishing would do
///
/// Every member is looked at, and nothing is written: who would enter, rise, fall or leave, rewards due and what they cost.
/// What takes longer than a request may is given in parts: `next_part` says where to go on, and counts add up.
#[utoipa::path(
    post, path = "/v1/program/preview", tag = "Program", operation_id = "preview", params(How),
    request_body = schema::Wanted,
    responses((status = 200, body = schema::Previewed), (status = 409, description = "It cannot follow the versions there are", body = Problem),
              (status = 422, description = "The program is not right", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn preview(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Read>,
    Query(How { list, from_part }): Query<How>,
    Body(wanted): Body<PublishRequest>,
) -> Result<Json<Previewed>, Problem> {
    // Whoever asks for many at once waits for their own, and holds up nothing else.
    let _turn = PREVIEWS.acquire().await.map_err(|_| Problem::internal_error())?;
    let looking = PreviewOptions { listed: list, from: from_part.into(), budget: api.preview_budget };
    Ok(Json(api.rules(&shop).preview(&wanted, looking, || {}).await?))
}
