//! Members' standings, and the reasons for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use rules::calendar::Instant;
use rules::explain::explain;
use rules::id::MemberId;
use rules::prose::{Lists, prose};
use rules::standing::evaluate;
use rules::version::{Version, Versions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::Member;
use store::shop::ShopId;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::caller::{Authorized, Read};
use crate::etag::Etag;
use crate::extract::{Body, Query};
use crate::path::Named;
use crate::problem::{Problem, ProblemCode};
use crate::schema::{Id, PathId};
use crate::standing::{OneOfMany, Standing, Standings};

/// The maximum number of members in one request.
const TOGETHER_MAX: usize = 100;
/// January 1 of the year 9000. Later instants are refused, because what follows, at most a century ahead, must have a
/// date.
const LATEST: Instant = Instant::from_millis(221_845_392_000_000);

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(standing)).routes(routes!(explanation)).routes(routes!(standings))
}

/// The instant, and the rules to apply.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    /// The instant to evaluate at, past or future; now if none is named.
    #[param(value_type = Option<String>, format = DateTime)]
    as_of: Option<Instant>,
    /// The program version to evaluate by ("what if"); the one in force then, if none is named.
    #[param(minimum = 1)]
    version: Option<u32>,
}

/// The instant to evaluate at; now if none is named.
fn instant(name: &str, asked: Option<Instant>, now: Instant) -> Result<Instant, Problem> {
    match asked {
        Some(as_of) if as_of >= LATEST => {
            Err(Problem::field(name, "is in the year 9000 or later: nothing that follows could be dated"))
        }
        Some(as_of) => Ok(as_of),
        None => Ok(now),
    }
}

impl When {
    fn version<'a>(&self, versions: &'a Versions, as_of: Instant) -> Result<&'a Version, Problem> {
        match self.version {
            None => Ok(versions.in_force(as_of)),
            Some(number) => versions.numbered(number).ok_or_else(|| {
                Problem::new(
                    ProblemCode::UnknownVersion,
                    format!("there is no version {number}"),
                    "GET /v1/program/versions lists them",
                )
            }),
        }
    }
}

/// A member as stored.
pub(crate) struct Known {
    /// The member that the id stands for.
    pub(crate) held: Member,
    /// That member's id, if it is another.
    pub(crate) merged_into: Option<MemberId>,
}

impl Api {
    /// The versions of a shop's program.
    pub(crate) async fn versions(&self, shop: &ShopId) -> Result<Arc<Versions>, Problem> {
        self.programs().of(shop).await?.ok_or_else(|| Problem::no_program(shop))
    }

    /// A member, in one read. Of a merged id it is the member that the id stands for.
    pub(crate) async fn held(&self, shop: &ShopId, member: &MemberId) -> Result<Known, Problem> {
        let found = self.store.resolved(shop, [member.clone()]).await?.remove(member).flatten();
        let (held, merged_into) = found.filter(|(held, _)| held.is_stored()).ok_or_else(|| {
            let remedy = "send a fact about them; one that was sent as an event is taken in within a moment";
            Problem::new(ProblemCode::UnknownMember, "nothing is known of this member", remedy)
        })?;
        Ok(Known { held, merged_into })
    }

    /// A member's standing, and the tag of its state.
    pub(crate) async fn standing(
        &self,
        shop: &ShopId,
        member: &MemberId,
        when: When,
    ) -> Result<(Standing, Etag), Problem> {
        let as_of = instant("as_of", when.as_of, self.clock.now())?;
        let versions = self.versions(shop).await?;
        let version = when.version(&versions, as_of)?;
        let Known { held, merged_into } = self.held(shop, member).await?;
        let standing = Standing::of(shop, member, version, &held.counting(), as_of).merged_into(merged_into);
        // An answer about the present keeps its tag until something changes.
        let timeless = Standing { as_of: when.as_of.unwrap_or_else(|| Instant::from_millis(0)), ..standing.clone() };
        Ok((standing, Etag::of(&timeless)))
    }
}

/// A member's standing
///
/// The tier, since when and until when, the progress towards the next tier, and what keeps the present one. It is right
/// at any instant: also in the first moment of January 1, before any job has run. It takes one read, of the member's items.
#[utoipa::path(
    get, path = "/v1/members/{member_id}", tag = "Members", operation_id = "standing",
    params(("member_id" = PathId, Path, description = "The customer's id in the shop, or `~` and its base64url"), When),
    responses((status = 200, body = Standing), (status = 304, description = "As `If-None-Match` says"),
              (status = 404, description = "Nothing is known of the member, or there is no such version", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn standing(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Read>,
    Named(member): Named,
    Query(when): Query<When>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (standing, tag) = api.standing(&shop, &member, when).await?;
    Ok(tag.answer(&headers, Json(standing)))
}

/// A standing, and the reasons for it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Explained {
    /// The standing.
    standing: Standing,
    /// The explanation as data, in the order in which it was decided: the version and the effective start, the windows
    /// with their sums, each fact that counted with its amount and day, each fact that did not with the reason, the
    /// threshold met and the one missed, the assignment in force, and when the tier can next change by itself.
    #[schema(value_type = Object)]
    findings: Value,
    /// The same as text for people, line by line.
    prose: Vec<String>,
}

/// The reasons for a member's standing
///
/// Every fact appears once: counted, in effect, or excluded with a reason. The explanation is available for any instant
/// and under any version, as a "what if".
#[utoipa::path(
    get, path = "/v1/members/{member_id}/explain", tag = "Members", operation_id = "explain",
    params(("member_id" = PathId, Path, description = "The customer's id in the shop, or `~` and its base64url"), When),
    responses((status = 200, body = Explained),
              (status = 404, description = "Nothing is known of the member, or there is no such version", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn explanation(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Read>,
    Named(member): Named,
    Query(when): Query<When>,
) -> Result<Response, Problem> {
    let as_of = instant("as_of", when.as_of, api.clock.now())?;
    let versions = api.versions(&shop).await?;
    when.version(&versions, as_of)?;
    let turn = api.turns.next(&shop).await?;
    let Known { held, merged_into } = api.held(&shop, &member).await?;
    let explained = move || {
        let version = when.version(&versions, as_of)?;
        let counting = held.counting();
        let (found, why) = (evaluate(version, &counting, as_of), explain(version, &counting, as_of));
        let standing = Standing::told(&shop, &member, version, &found, as_of).merged_into(merged_into);
        let merged = standing.merged_into.iter().map(|into| format!("This id was merged, and stands for `{into}`."));
        let prose = merged.chain(prose(version, &found, &why, Lists::Full)).collect();
        Ok(Json(Explained { standing, findings: json!(why), prose }).into_response())
    };
    turn.compute(explained).await?
}

/// The members that are asked for.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Many {
    /// The members' ids.
    #[schema(value_type = Vec<Id>, min_items = 1, max_items = 100)]
    member_ids: BTreeSet<MemberId>,
    /// The instant to evaluate at; now if none is named.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    as_of: Option<Instant>,
    /// The program version to evaluate by; the one in force then, if none is named.
    #[serde(default, deserialize_with = "engine::publishing::whole")]
    #[schema(minimum = 1)]
    version: Option<u32>,
}

/// The standings of up to a hundred members
///
/// Members of whom nothing is known have null.
#[utoipa::path(
    post, path = "/v1/standings", tag = "Members", operation_id = "standings", request_body = Many,
    responses((status = 200, body = Standings)), security(("bearer" = ["echelon/read"]))
)]
async fn standings(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Read>,
    Body(many): Body<Many>,
) -> Result<Response, Problem> {
    let Many { member_ids, as_of, version } = many;
    if member_ids.is_empty() || member_ids.len() > TOGETHER_MAX {
        let message = format!("names {} members, and may name 1 to {TOGETHER_MAX}", member_ids.len());
        return Err(Problem::field("$.member_ids", message));
    }
    let as_of = instant("$.as_of", as_of, api.clock.now())?;
    let versions = api.versions(&shop).await?;
    let when = When { as_of: None, version };
    when.version(&versions, as_of)?;
    let turn = api.turns.next(&shop).await?;
    let found = api.store.resolved(&shop, member_ids).await?;
    let standings = move || {
        let version = when.version(&versions, as_of)?;
        let told = |(member_id, found): (MemberId, Option<(Member, Option<MemberId>)>)| {
            let standing = found.map(|(held, merged_into)| {
                Standing::of(&shop, &member_id, version, &held.counting(), as_of).merged_into(merged_into)
            });
            OneOfMany { member_id, standing }
        };
        Ok(Json(Standings { standings: found.into_iter().map(told).collect() }).into_response())
    };
    turn.compute(standings).await?
}
