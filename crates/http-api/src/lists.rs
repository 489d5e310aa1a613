//! Lists of members, and the insight of the last sweep.

use axum::Json;
use axum::extract::State;
use engine::insight::{self, Flows};
use engine::lists::{self, Asked, Cursor, CursorError, List, ListError, ListPage};
use rules::calendar::Instant;
use rules::id::TierId;
use serde::Deserialize;
use store::records::insight::Insight;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::caller::{Authorized, Read};
use crate::cursor::{elsewhere, limit};
use crate::extract::Query;
use crate::problem::{Problem, ProblemCode};
use crate::schema;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(members)).routes(routes!(insight)).routes(routes!(flows))
}

/// A list of members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Which {
    /// Members who hold the tier that `tier` names.
    Tier,
    /// Members who are close to their next tier.
    NearUpgrade,
    /// Members who lose their tier at the next review unless more happens.
    AtRisk,
    /// Members whose tier ends before the instant that `before` names, if nothing more happens.
    Expiring,
}

/// A list, and a place in it.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The list.
    #[param(inline)]
    list: Which,
    /// For the list `tier`: the tier.
    #[param(value_type = Option<schema::Id>)]
    tier: Option<TierId>,
    /// For the list `expiring`: the instant before which the tier ends.
    #[param(value_type = Option<String>, format = DateTime)]
    before: Option<Instant>,
    /// The maximum number of members on a page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// The place at which to continue: `next` of the page before.
    cursor: Option<String>,
}

impl Wanted {
    fn list(&self) -> Result<List, Problem> {
        match (self.list, &self.tier, self.before) {
            (Which::Tier, Some(tier), None) => Ok(List::Tier(tier.clone())),
            (Which::NearUpgrade, None, None) => Ok(List::NearUpgrade),
            (Which::AtRisk, None, None) => Ok(List::AtRisk),
            (Which::Expiring, None, Some(before)) => Ok(List::ExpiringBefore(before)),
            (Which::Tier, None, _) => Err(Problem::field("tier", "is missing: it says which tier")),
            (Which::Expiring, _, None) => Err(Problem::field("before", "is missing: it says before when")),
            (Which::NearUpgrade | Which::AtRisk | Which::Expiring, Some(_), _) => {
                Err(Problem::field("tier", "is only for the list `tier`"))
            }
            (Which::NearUpgrade | Which::AtRisk | Which::Tier, _, Some(_)) => {
                Err(Problem::field("before", "is only for the list `expiring`"))
            }
        }
    }
}

fn no_sweep() -> Problem {
    let remedy = "they are written at each midnight of the shop and after each change of rules, and kept for three days: \
                  GET /v1/jobs says how far that is";
    Problem::new(ProblemCode::UnknownSweep, "no sweep has ended within the last three days", remedy)
}

/// Members by list
///
/// The members who hold a tier, are near an upgrade, are at risk at the next review, or whose tier ends before an
/// instant, as the last sweep found them at the instant `as_of`. The order has no meaning to people. All pages come
/// from the same sweep, even if another one ends meanwhile.
#[utoipa::path(
    get, path = "/v1/members", tag = "Members", operation_id = "members", params(Wanted),
    responses((status = 200, body = schema::ListPage), (status = 404, description = "No sweep has ended yet", body = Problem),
              (status = 410, description = "The cursor leads through lists that are gone", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn members(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Read>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<ListPage>, Problem> {
    let (list, limit) = (wanted.list()?, limit(wanted.limit)?);
    let cursor: Option<Cursor> = wanted.cursor.as_deref().map(str::parse).transpose().map_err(never)?;
    let asked = Asked { list: &list, limit, cursor: cursor.as_ref(), now: api.clock.now() };
    match lists::page(&api.store, &shop, &asked).await {
        Ok(page) => page.map(Json).ok_or_else(no_sweep),
        Err(ListError::Gone(job)) => {
            let detail = format!("the lists of {job} are gone");
            Err(Problem::new(ProblemCode::CursorExpired, detail, "begin again without a cursor"))
        }
        Err(ListError::OtherList) => Err(elsewhere("another list")),
        Err(ListError::OtherShop) => Err(elsewhere("another shop")),
        Err(ListError::Store(error)) => Err(error.into()),
    }
}

fn never(_: CursorError) -> Problem {
    Problem::field("cursor", "is not a cursor of this API; begin again without one")
}

/// Insight into the shop's members
///
/// Members by tier and the revenue from them within a year, the forecast for the coming January 1, and how many members
/// are near an upgrade, at risk, or about to lose their tier, as the last sweep found them at the instant `as_of`.
#[utoipa::path(
    get, path = "/v1/insight", tag = "Insight", operation_id = "insight",
    responses((status = 200, body = schema::Insight), (status = 404, description = "No sweep has ended yet", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn insight(State(api): State<Api>, Authorized { shop, .. }: Authorized<Read>) -> Result<Json<Insight>, Problem> {
    insight::latest(&api.store, &shop, api.clock.now()).await?.map(Json).ok_or_else(no_sweep)
}

/// The period.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Period {
    /// The start, exclusive: a midnight of the shop.
    #[param(value_type = String, format = DateTime)]
    from: Instant,
    /// The end, inclusive.
    #[param(value_type = String, format = DateTime)]
    to: Instant,
}

/// Members' moves between tiers in a period
///
/// The number of members by the tiers that they moved from and to: net for each night, and for each change of rules. A
/// late correction counts in the night in which it arrived.
#[utoipa::path(
    get, path = "/v1/insight/flows", tag = "Insight", operation_id = "flows", params(Period),
    responses((status = 200, body = schema::Flows)), security(("bearer" = ["echelon/read"]))
)]
async fn flows(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Read>,
    Query(Period { from, to }): Query<Period>,
) -> Result<Json<Flows>, Problem> {
    if from >= to {
        return Err(Problem::field("to", "is not after `from`"));
    }
    Ok(Json(insight::flows(&api.store, &shop, from, to).await?))
}
