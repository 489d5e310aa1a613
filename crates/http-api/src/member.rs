//! Where members stand, and why.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use rules::calendar::Instant;
use rules::explain::explain;
use rules::id::MemberId;
use rules::prose::{Lists, prose};
use rules::standing::evaluate;
use rules::version::{Version, Versions};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::shop::ShopId;
use store::{Member, StoredMember};
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

/// As many members are read at once.
const TOGETHER_MAX: usize = 100;
/// January 1 of the year 9000. Nobody is asked about later: what follows, a century ahead at the most, has to have a date.
const LATEST: Instant = Instant::from_millis(221_845_392_000_000);

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(standing)).routes(routes!(explanation)).routes(routes!(standings))
}

/// When, and by which rules.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    /// The instant to answer for; now, if none is named. Past and future alike.
    #[param(value_type = Option<String>, format = DateTime)]
    as_of: Option<Instant>,
    /// The program version to answer by ("what if"); the one in force then, if none is named.
    #[param(minimum = 1)]
    version: Option<u32>,
}

/// The instant to answer for; now, if none is named.
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

impl Api {
    /// The versions of a shop's program.
    pub(crate) async fn versions(&self, shop: &ShopId) -> Result<Arc<Versions>, Problem> {
        self.programs().of(shop).await?.ok_or_else(|| Problem::no_program(shop))
    }

    /// A member: one read.
    pub(crate) async fn held(&self, shop: &ShopId, member: &MemberId) -> Result<Member, Problem> {
        let found = self.store.members(shop, [member.clone()]).await?.remove(member);
        found.and_then(StoredMember::present).ok_or_else(|| {
            let remedy = "send a fact about them; one that was sent as an event is taken in within a moment";
            Problem::new(ProblemCode::UnknownMember, "nothing is known of this member", remedy)
        })
    }

    /// A member's standing, and the state it tells of.
    pub(crate) async fn standing(
        &self,
        shop: &ShopId,
        member: &MemberId,
        when: When,
    ) -> Result<(Standing, Etag), Problem> {
        let as_of = instant("as_of", when.as_of, self.clock.now())?;
        let versions = self.versions(shop).await?;
        let version = when.version(&versions, as_of)?;
        let held = self.held(shop, member).await?;
        let standing = Standing::of(shop, member, version, &held.ledger, as_of);
        // Of the present it says the same until something changes.
        let timeless = Standing { as_of: when.as_of.unwrap_or_else(|| Instant::from_millis(0)), ..standing.clone() };
        Ok((standing, Etag::of(&timeless)))
    }
}

/// Where a member stands
///
/// The tier, since when and until when, how far the next one is, and what keeps this one. Right at any instant: from the
/// first moment of January 1 on, before any job has run. One read of one item.
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

/// A standing, and why it is so.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Explained {
    /// The standing.
    standing: Standing,
    /// Why, as data, in the order in which it was decided: the version and the effective start, the windows looked at with
    /// what they add up to, each fact that counted with its amount and day, each fact that did not with the reason, the
    /// threshold met and the one missed, the assignment in force, and when the tier can next change by itself.
    #[schema(value_type = Object)]
    findings: Value,
    /// The same for people, line by line.
    prose: Vec<String>,
}

/// Why a member stands where they stand
///
/// Every fact is there once: counted, in effect, or excluded with a reason. At any instant, and under any version: what
/// would have been.
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
) -> Result<Json<Explained>, Problem> {
    let as_of = instant("as_of", when.as_of, api.clock.now())?;
    let versions = api.versions(&shop).await?;
    let version = when.version(&versions, as_of)?;
    let held = api.held(&shop, &member).await?;
    let (found, why) = (evaluate(version, &held.ledger, as_of), explain(version, &held.ledger, as_of));
    Ok(Json(Explained {
        standing: Standing::told(&shop, &member, version, &found, as_of),
        prose: prose(version, &found, &why, Lists::Full),
        findings: json!(why),
    }))
}

/// Which members are asked for.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Many {
    /// Their ids.
    #[schema(value_type = Vec<Id>, min_items = 1, max_items = 100)]
    member_ids: BTreeSet<MemberId>,
    /// The instant to answer for; now, if none is named.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    as_of: Option<Instant>,
    /// The program version to answer by; the one in force then, if none is named.
    #[serde(default, deserialize_with = "engine::publishing::whole")]
    #[schema(minimum = 1)]
    version: Option<u32>,
}

/// Where up to a hundred members stand
///
/// Those of whom nothing is known have null.
#[utoipa::path(
    post, path = "/v1/standings", tag = "Members", operation_id = "standings", request_body = Many,
    responses((status = 200, body = Standings)), security(("bearer" = ["echelon/read"]))
)]
async fn standings(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Read>,
    Body(many): Body<Many>,
) -> Result<Json<Standings>, Problem> {
    let Many { member_ids, as_of, version } = many;
    if member_ids.is_empty() || member_ids.len() > TOGETHER_MAX {
        let message = format!("names {} members, and may name 1 to {TOGETHER_MAX}", member_ids.len());
        return Err(Problem::field("$.member_ids", message));
    }
    let as_of = instant("$.as_of", as_of, api.clock.now())?;
    let versions = api.versions(&shop).await?;
    let version = When { as_of: None, version }.version(&versions, as_of)?;
    let found = api.store.members(&shop, member_ids).await?;
    let told = |(member_id, stored): (MemberId, StoredMember)| {
        let held = stored.present();
        let standing = held.map(|held| Standing::of(&shop, &member_id, version, &held.ledger, as_of));
        OneOfMany { member_id, standing }
    };
    Ok(Json(Standings { standings: found.into_iter().map(told).collect() }))
}
