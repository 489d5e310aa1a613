//! The program of a shop: reading, checking, previewing, publishing and withdrawing it.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::publishing::{
    Listed, PreviewOptions, Previewed, PublishOutcome, PublishRequest, Publisher, State as Stands,
};
use rules::calendar::{Instant, Zones};
use rules::json::check_texts;
use rules::program::{Program, unnamed_currency};
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

/// The number of previews that this process computes at once; each reads every member. Others wait in the order in
/// which they came.
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
    /// The publisher of a shop's versions, as of now.
    fn rules<'a>(&'a self, shop: &'a ShopId) -> Publisher<'a> {
        Publisher { store: &self.store, shop, now: self.clock.now(), ahead_ms: self.ahead_ms }
    }

    async fn published(&self, shop: &ShopId) -> Result<Vec<Listed>, Problem> {
        let all = self.rules(shop).list().await?;
        if all.is_empty() { Err(Problem::no_program(shop)) } else { Ok(all) }
    }
}

/// The state of all versions. It changes with each version that is published or withdrawn.
fn state(all: &[Listed]) -> Etag {
    let withdrawn = all.iter().filter(|one| one.withdrawn.is_some()).count();
    Etag::named(format_args!("{}-{withdrawn}", all.last().map_or(0, |last| last.version)))
}

/// An instant.
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
/// The answer includes its publisher, its time and its reason.
#[utoipa::path(
    get, path = "/v1/program", tag = "Program", operation_id = "program", params(When),
    responses((status = 200, body = schema::Version), (status = 304, description = "As `If-None-Match` says"),
              (status = 404, description = "The shop has no program", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn program(
    State(api): State<Api>,
    Authorized { shop, is_of_all, .. }: Authorized<Read>,
    Query(When { as_of }): Query<When>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let rules = Publisher { now: as_of.unwrap_or_else(|| api.clock.now()), ..api.rules(&shop) };
    let in_force = rules.list().await?.into_iter().find(|one| one.state == Stands::InForce);
    let Some(in_force) = in_force else {
        let known = if is_of_all { api.store.shops().await? } else { Vec::new() };
        return Err(Problem::no_program_among(&shop, &known));
    };
    Ok(Etag::of(&in_force).answer(&headers, Json(in_force)))
}

/// All versions ever published
///
/// The oldest first, including those withdrawn. The ETag is the value of `If-Match` when a version is published.
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
/// The body has a program, or the number of an earlier version to roll back to. All members are recalculated once the
/// version takes effect. Until then it can be replaced or withdrawn. If the program is the same as that of the newest
/// version, nothing is published. With `If-Match`, the version is published only if no other was published meanwhile.
/// Preview it first.
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
    // No facts are written meanwhile, and the next writer decides by the versions as they are afterwards.
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
    let published = api.rules(&shop).with_uncounted(published).await;
    let status = if published.published { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(published)).into_response())
}

/// The author of a version: the name in the request, and that of the token.
fn author(token: &str, said: String) -> String {
    if said == engine::publishing::DEFAULT_AUTHOR || said == token {
        token.to_owned()
    } else if token == engine::publishing::DEFAULT_AUTHOR {
        said
    } else {
        format!("{said} (with the token of {token})")
    }
}

/// A version that was withdrawn.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Withdrawn {
    /// The shop.
    #[schema(value_type = String)]
    shop: ShopId,
    /// The version's number. It is not used again.
    withdrawn: u32,
    /// When the version would have taken effect.
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

/// The result of checking a program.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checked {
    /// Whether the program by itself could be published.
    pub(crate) valid: bool,
    /// Everything that is wrong.
    pub(crate) problems: Vec<Place>,
    /// Everything that is valid, but probably not intended.
    pub(crate) warnings: Vec<Place>,
}

/// Checks a program
///
/// The answer has everything that is wrong, and everything that is probably not intended, each with its place. Nothing
/// is stored.
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
            let mut problems: Vec<Place> = unnamed_currency(program, &draft.program).iter().map(Place::from).collect();
            if let Err(found) = draft.program.check_rises("$") {
                problems.extend(found.iter().map(Place::from));
            }
            let warnings = draft.warnings.iter().map(Place::from).collect();
            Checked { valid: problems.is_empty(), problems, warnings }
        }
    }
}

/// The scope of a preview.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct How {
    /// Lists every member whose tier would change.
    #[serde(default)]
    list: bool,
    /// The first of the 256 equal parts of the members: `next_part` of the answer before.
    #[serde(default)]
    #[param(minimum = 0, maximum = 255)]
    from_part: u8,
}

/// The effects that publishing would have
///
/// Every member is evaluated, and nothing is written. The answer says who would enter, rise, fall or leave, and which
/// rewards would be due and what they cost. A preview that takes longer than a request may comes in parts: `next_part`
/// says where to continue, and the counts add up.
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
    // A caller that asks for many previews at once waits for its own, and delays nothing else.
    let _turn = PREVIEWS.acquire().await.map_err(|_| Problem::internal_error())?;
    let looking = PreviewOptions { listed: list, from: from_part.into(), budget: api.preview_budget };
    Ok(Json(api.rules(&shop).preview(&wanted, looking, || {}).await?))
}
