//! Members by list, and what the last sweep found of everybody.

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
use crate::cursor::limit;
use crate::extract::Query;
use crate::problem::{Problem, ProblemCode};
use crate::schema;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(members)).routes(routes!(insight)).routes(routes!(flows))
}

/// Which members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Which {
    /// Who holds the tier that `tier` names.
    Tier,
    /// To whose next tier little is missing.
    NearUpgrade,
    /// Who loses their tier at the next review unless more happens.
    AtRisk,
    /// Whose tier ends before the instant that `before` names, if nothing more happens.
    Expiring,
}

/// A list, and where in it.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Which list.
    #[param(inline)]
    list: Which,
    /// Of `tier`: which one.
    #[param(value_type = Option<schema::Id>)]
    tier: Option<TierId>,
    /// Of `expiring`: before when.
    #[param(value_type = Option<String>, format = DateTime)]
    before: Option<Instant>,
    /// How many at a time at the most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Where to go on: `next` of the page before.
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
/// Who holds a tier, who is near an upgrade, who is at risk at the next review, whose tier ends before an instant: as the
/// last sweep found them, dated in `as_of`. In no order that people know; pages of one sweep, even if another one ends
/// meanwhile.
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
        Err(ListError::OtherList) => Err(Problem::field("cursor", "is of another list; begin again without one")),
        Err(ListError::Store(error)) => Err(error.into()),
    }
}

fn never(_: CursorError) -> Problem {
    Problem::field("cursor", "is none that was given out; begin again without one")
}

/// How the shop's members stand
///
/// Members per tier and what they brought in within a year, the forecast for the coming January 1, who is near an upgrade,
/// at risk, or expiring: as the last sweep found it, dated in `as_of`.
#[utoipa::path(
    get, path = "/v1/insight", tag = "Insight", operation_id = "insight",
    responses((status = 200, body = schema::Insight), (status = 404, description = "No sweep has ended yet", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn insight(State(api): State<Api>, Authorized { shop, .. }: Authorized<Read>) -> Result<Json<Insight>, Problem> {
    insight::latest(&api.store, &shop, api.clock.now()).await?.map(Json).ok_or_else(no_sweep)
}

/// From when until when.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Period {
    /// After this instant: a midnight of the shop.
    #[param(value_type = String, format = DateTime)]
    from: Instant,
    /// Up to this one, that one included.
    #[param(value_type = String, format = DateTime)]
    to: Instant,
}

/// How members moved between tiers in a period
///
/// From which tier to which: net of each night, and at each change of rules. Corrections that came later are in the nights on
/// which they came.
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
