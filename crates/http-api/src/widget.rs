//! The widget for a shop's pages: a script that shows members their own standing, with a short-lived token for one
//! member.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::caller::{Authorized, Caller, MemberSelf, Write};
use crate::extract::Body;
use crate::member::When;
use crate::path::Named;
use crate::problem::Problem;
use crate::schema::PathId;
use crate::standing::Standing;
use crate::token::MemberToken;

/// The validity of a member's token where the request does not state one.
const MINUTES: u16 = 15;
/// The maximum validity, which limits the use of a stolen token.
const MINUTES_MAX: u16 = 60;

/// The script.
const SCRIPT: &str = include_str!("widget/echelon.js");

pub(crate) fn documented() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(token)).routes(routes!(themselves))
}

pub(crate) fn routes() -> Router<Api> {
    let script = async || {
        let headers =
            [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")];
        (headers, SCRIPT)
    };
    Router::new().route("/widget.js", get(script))
}

/// The validity of a token.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HowLong {
    /// The minutes until the token ends.
    #[serde(default, deserialize_with = "engine::publishing::whole")]
    #[schema(minimum = 1, maximum = 60, default = 15)]
    minutes: Option<u16>,
}

/// A token for a member
///
/// The shop's server asks for it on behalf of a member who is logged in there, and hands it to the member's browser. It
/// lets the member see their own standing and nothing else.
#[utoipa::path(
    post, path = "/v1/members/{member_id}/token", tag = "Customers", operation_id = "member_token",
    params(("member_id" = PathId, Path, description = "The customer's id in the shop, or `~` and its base64url")),
    request_body = HowLong, responses((status = 201, body = MemberToken)), security(("bearer" = ["echelon/write"]))
)]
async fn token(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Write>,
    Named(member): Named,
    Body(HowLong { minutes }): Body<HowLong>,
) -> Result<Response, Problem> {
    let minutes = minutes.unwrap_or(MINUTES);
    if !(1..=MINUTES_MAX).contains(&minutes) {
        return Err(Problem::field("$.minutes", format!("is not between 1 and {MINUTES_MAX}")));
    }
    let until = api.clock.now().plus_millis(i64::from(minutes) * 60_000);
    let token = api.auth.key().sign(&Caller::Member { shop, member }, until);
    Ok((axum::http::StatusCode::CREATED, Json(token)).into_response())
}

/// The standing of the member who asks
///
/// This takes a member's own token.
#[utoipa::path(
    get, path = "/v1/me", tag = "Customers", operation_id = "me",
    responses((status = 200, body = Standing), (status = 304, description = "As `If-None-Match` says"),
              (status = 404, description = "Nothing is known of the member yet", body = Problem)),
    security(("member" = []))
)]
async fn themselves(
    State(api): State<Api>,
    MemberSelf { shop, member }: MemberSelf,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (standing, tag) = api.standing(&shop, &member, When::default()).await?;
    Ok(tag.answer(&headers, Json(standing)))
}
