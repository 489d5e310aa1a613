//! The stored data about a member, the latest first: recorded changes, rewards, and facts.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use rules::fact::{Fact, ReceivedFact};
use rules::id::MemberId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::announce::{BIRTHDAY_POINTS_DUE, EXPIRING, REWARD_ISSUED, TIER_CHANGED, WITHIN_REACH};
use store::history::HELD;
use store::shop::ShopId;
use store::{Mark, Stretch, Told as Recorded};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::caller::{Authorized, Read};
use crate::cursor::{cursor, elsewhere, limit, place};
use crate::extract::Query;
use crate::path::Named;
use crate::problem::Problem;
use crate::schema::PathId;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(history)).routes(routes!(rewards)).routes(routes!(ledger))
}

/// A page.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// The maximum number of entries on a page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// The place at which to continue: `next` of the page before.
    cursor: Option<String>,
}

impl Which {
    /// The place in a member's timeline at which to continue.
    fn place(&self, shop: &ShopId, member: &MemberId) -> Result<Option<Mark>, Problem> {
        let place: Option<Mark> = place(self.cursor.as_deref())?;
        match place {
            Some(mark) if !mark.is_of(shop, member) => Err(elsewhere("another shop or member")),
            place => Ok(place),
        }
    }
}

/// The recorded changes of a member, the latest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct History {
    /// The entries of this page.
    entries: Vec<Entry>,
    /// The cursor of the next page, or null at the end.
    next: Option<String>,
}

/// A recorded change, notice, reward or hold.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The name of the event under which it was announced. `tier.held` is not announced.
    #[serde(rename = "type")]
    #[schema(examples("tier.changed.v1"))]
    kind: String,
    /// When it was recorded.
    #[schema(format = DateTime)]
    recorded_at: String,
    /// The content of the announcement, as the schema of that event defines it.
    #[schema(value_type = Object)]
    detail: Value,
}

/// The facts about a member, the latest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LedgerPage {
    /// The facts of this page. Facts about the same order or entry are adjacent.
    #[schema(value_type = Vec<Object>)]
    facts: Vec<Value>,
    /// The cursor of the next page, or null at the end.
    next: Option<String>,
}

impl From<Stretch<Recorded>> for History {
    fn from(stretch: Stretch<Recorded>) -> Self {
        let Stretch { rows, next } = stretch;
        let entry = |Recorded { kind, recorded_at, detail }| Entry { kind, recorded_at, detail };
        Self { entries: rows.into_iter().map(entry).collect(), next: next.as_ref().map(cursor) }
    }
}

impl Api {
    async fn recorded(
        &self,
        of: Authorized<Read>,
        member: &MemberId,
        which: Which,
        kinds: &[&str],
    ) -> Result<Json<History>, Problem> {
        self.held(&of.shop, member).await?;
        let (limit, from) = (limit(which.limit)?, which.place(&of.shop, member)?);
        Ok(Json(self.store.recorded(&of.shop, member, kinds, limit, from).await?.into()))
    }
}

/// A fact in the form in which it is sent and shown.
pub(crate) fn told(fact: Fact) -> Value {
    ReceivedFact::of(fact).to_json()
}

/// The recorded changes of a member
///
/// Changes of the tier, tiers held over a change of rules, and notices, the latest first. A change shows up here a
/// moment after it was recorded.
#[utoipa::path(
    get, path = "/v1/members/{member_id}/history", tag = "Members", operation_id = "history",
    params(("member_id" = PathId, Path, description = "The customer's id in the shop, or `~` and its base64url"), Which),
    responses((status = 200, body = History), (status = 404, description = "Nothing is known of the member", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn history(
    State(api): State<Api>,
    of: Authorized<Read>,
    Named(member): Named,
    Query(which): Query<Which>,
) -> Result<Json<History>, Problem> {
    api.recorded(of, &member, which, &[TIER_CHANGED, HELD, EXPIRING, WITHIN_REACH]).await
}

/// The rewards that were due to a member
///
/// Entry rewards and birthday points, the latest first. Echelon announces them and books nothing.
#[utoipa::path(
    get, path = "/v1/members/{member_id}/rewards", tag = "Members", operation_id = "rewards",
    params(("member_id" = PathId, Path, description = "The customer's id in the shop, or `~` and its base64url"), Which),
    responses((status = 200, body = History), (status = 404, description = "Nothing is known of the member", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn rewards(
    State(api): State<Api>,
    of: Authorized<Read>,
    Named(member): Named,
    Query(which): Query<Which>,
) -> Result<Json<History>, Problem> {
    api.recorded(of, &member, which, &[REWARD_ISSUED, BIRTHDAY_POINTS_DUE]).await
}

/// The facts about a member
///
/// Each fact in its latest revision, ordered by when it occurred, the latest first. `limit` counts subjects: an order
/// with its refunds is one. A fact shows up here a moment after it was sent.
#[utoipa::path(
    get, path = "/v1/members/{member_id}/ledger", tag = "Members", operation_id = "ledger",
    params(("member_id" = PathId, Path, description = "The customer's id in the shop, or `~` and its base64url"), Which),
    responses((status = 200, body = LedgerPage), (status = 404, description = "Nothing is known of the member", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn ledger(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Read>,
    Named(member): Named,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let turn = api.turns.next(&shop).await?;
    api.held(&shop, &member).await?;
    let (limit, from) = (limit(which.limit)?, which.place(&shop, &member)?);
    let Stretch { rows, next } = api.store.facts_about(&shop, &member, limit, from).await?;
    let page = move || {
        let facts = rows.into_iter().flatten().map(told).collect();
        Json(LedgerPage { facts, next: next.as_ref().map(cursor) }).into_response()
    };
    turn.compute(page).await
}
