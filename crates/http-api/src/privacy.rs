//! Members' rights towards a shop: a copy of their data, and erasure.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use rules::calendar::Instant;
use rules::fact::{Fact, FactBody};
use rules::id::MemberId;
use serde::Serialize;
use serde_json::Value;
use store::history::{DETAIL, TYPE};
use store::shop::ShopId;
use store::{DataRequest, Item, Redaction, StoreError};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::caller::{Admin, Authorized, Read};
use crate::member::Known;
use crate::path::Named;
use crate::problem::{Problem, ProblemCode};
use crate::schema::PathId;
use crate::standing::Standing;
use crate::timeline::told;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(forget))
        .routes(routes!(erasure))
        .routes(routes!(export))
        .routes(routes!(requests))
        .routes(routes!(settle))
        .routes(routes!(redaction, withdraw))
}

/// The progress of a member's erasure.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Erasure {
    /// The member.
    #[schema(value_type = String)]
    member_id: MemberId,
    /// Whether a later pass has verified that nothing is left but a tombstone with the id, which keeps later facts out.
    verified: bool,
}

/// Erases a member
///
/// The erasure is immediate and final. A tombstone replaces everything and keeps out facts that are sent later. A
/// quarter of an hour later a pass looks for leftovers, and repeats until it finds none.
#[utoipa::path(
    delete, path = "/v1/members/{member_id}", tag = "Privacy", operation_id = "forget",
    params(("member_id" = PathId, Path, description = "The customer's id in the shop, or `~` and its base64url")),
    responses((status = 202, body = Erasure)), security(("bearer" = ["echelon/admin"]))
)]
async fn forget(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Admin>,
    Named(member): Named,
) -> Result<Response, Problem> {
    api.forget(&shop, &member).await?;
    Ok((StatusCode::ACCEPTED, Json(Erasure { member_id: member, verified: false })).into_response())
}

impl Api {
    /// Erases a member of a shop that has a program; a shop without one has no members.
    pub(crate) async fn forget(&self, shop: &ShopId, member: &MemberId) -> Result<(), Problem> {
        let versions = self.versions(shop).await?;
        let fact = Fact::new(self.clock.now(), member.clone(), FactBody::Erased);
        let result = self.take(shop, &versions, vec![fact]).await.pop();
        result.and_then(crate::facts::OneResult::problem).map_or(Ok(()), Err)
    }
}

/// The progress of a member's erasure
#[utoipa::path(
    get, path = "/v1/members/{member_id}/erasure", tag = "Privacy", operation_id = "erasure",
    params(("member_id" = PathId, Path, description = "The customer's id in the shop, or `~` and its base64url")),
    responses((status = 200, body = Erasure), (status = 404, description = "The member was not erased", body = Problem)),
    security(("bearer" = ["echelon/read"]))
)]
async fn erasure(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Read>,
    Named(member): Named,
) -> Result<Json<Erasure>, Problem> {
    let stored = api.store.members(&shop, [member.clone()]).await?.remove(&member).unwrap_or_default();
    if !stored.is_erased() {
        let remedy = "DELETE /v1/members/{member_id} erases a member";
        return Err(Problem::new(ProblemCode::UnknownErasure, "this member was not erased", remedy));
    }
    let verified = !api.store.erasure_is_open(&shop, &member).await?;
    Ok(Json(Erasure { member_id: member, verified }))
}

/// Everything that is stored about a member.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Export {
    /// When the export was made.
    #[schema(value_type = String, format = DateTime)]
    exported_at: Instant,
    /// The member's standing.
    standing: Standing,
    /// The facts that are kept: ids, money, dates, tags, the birthday as month and day, and the reasons that the shop
    /// wrote.
    #[schema(value_type = Vec<Object>)]
    facts: Vec<Value>,
    /// The recorded and announced changes.
    #[schema(value_type = Vec<Object>)]
    recorded: Vec<Value>,
}

/// Everything that is stored about a member
///
/// A copy for the member: every fact, everything that was recorded, and their standing.
#[utoipa::path(
    get, path = "/v1/members/{member_id}/export", tag = "Privacy", operation_id = "export",
    params(("member_id" = PathId, Path, description = "The customer's id in the shop, or `~` and its base64url")),
    responses((status = 200, body = Export), (status = 404, description = "Nothing is known of the member", body = Problem)),
    security(("bearer" = ["echelon/admin"]))
)]
async fn export(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Admin>,
    Named(member): Named,
) -> Result<Response, Problem> {
    let (exported_at, versions) = (api.clock.now(), api.versions(&shop).await?);
    let turn = api.turns.next(&shop).await?;
    let Known { held, merged_into } = api.held(&shop, &member).await?;
    // Those that stand for the member are the same person. Of a merged id, only what was told under it.
    let others = held.others.iter().map(|other| other.id.clone()).filter(|_| merged_into.is_none());
    let ids: BTreeSet<MemberId> = others.chain([member.clone()]).collect();
    let (mut facts, mut rows) = (Vec::new(), Vec::new());
    for id in &ids {
        let (told, recorded) = api.store.rows_about(&shop, id).await?;
        facts.extend(told);
        rows.extend(recorded);
    }
    let export = move || {
        let detail = |row: &Item| {
            let detail: Value = serde_json::from_str(row.maybe_text(DETAIL)?).ok()?;
            Some(serde_json::json!({ "type": row.maybe_text(TYPE), "detail": detail }))
        };
        // A stored row may also have facts about other members, which this member must not see.
        let theirs = facts.into_iter().filter(|fact| fact.member().is_none_or(|of| ids.contains(of)));
        let version = versions.in_force(exported_at);
        let standing = Standing::of(&shop, &member, version, &held.counting(), exported_at).merged_into(merged_into);
        let recorded = rows.iter().filter_map(detail).collect();
        Json(Export { exported_at, standing, facts: theirs.map(told).collect(), recorded }).into_response()
    };
    turn.compute(export).await
}

/// Members who asked for their data.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Requests {
    /// The requests that are not settled yet.
    #[schema(value_type = Vec<Request>)]
    requests: Vec<DataRequest>,
}

/// A member's request for their data.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the shape of `DataRequest`, for the document alone")]
pub(crate) struct Request {
    /// The member; GET /v1/members/{member_id}/export gives the data.
    member_id: String,
    /// When they asked; the law allows a month.
    #[schema(format = DateTime)]
    asked_at: String,
}

/// Requests for members' data
///
/// Customers made them through Shopify, and the data has not been handed out yet.
#[utoipa::path(
    get, path = "/v1/privacy/requests", tag = "Privacy", operation_id = "requests",
    responses((status = 200, body = Requests)), security(("bearer" = ["echelon/admin"]))
)]
async fn requests(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Admin>,
) -> Result<Json<Requests>, Problem> {
    Ok(Json(Requests { requests: api.store.requests(&shop).await? }))
}

/// Settles a request for a member's data
#[utoipa::path(
    delete, path = "/v1/privacy/requests/{member_id}", tag = "Privacy", operation_id = "settle_request",
    params(("member_id" = PathId, Path, description = "The customer's id in the shop, or `~` and its base64url")),
    responses((status = 204, description = "It is settled")), security(("bearer" = ["echelon/admin"]))
)]
async fn settle(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Admin>,
    Named(member): Named,
) -> Result<StatusCode, Problem> {
    api.store.settle_request(&shop, &member).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The deletion of a whole shop, as Shopify requested it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the shape of `Redaction`, for the document alone")]
pub(crate) struct Deletion {
    /// When Shopify requested it.
    #[schema(format = DateTime)]
    asked_at: String,
    /// When everything is deleted; until then, the deletion can be withdrawn.
    #[schema(format = DateTime)]
    due_at: String,
}

/// The requested deletion of the shop
///
/// Shopify requests it 48 hours after its app was uninstalled (`shop/redact`). Everything is deleted another 48 hours
/// later.
#[utoipa::path(
    get, path = "/v1/privacy/redaction", tag = "Privacy", operation_id = "redaction",
    responses((status = 200, body = Deletion), (status = 404, description = "The shop is not to be deleted", body = Problem)),
    security(("bearer" = ["echelon/admin"]))
)]
async fn redaction(
    State(api): State<Api>,
    Authorized { shop, .. }: Authorized<Admin>,
) -> Result<Json<Redaction>, Problem> {
    api.store.redaction(&shop).await?.map(Json).ok_or_else(no_redaction)
}

/// Withdraws the deletion of the shop
///
/// This is possible until the deletion is due. Deleted data cannot be restored.
#[utoipa::path(
    delete, path = "/v1/privacy/redaction", tag = "Privacy", operation_id = "withdraw_redaction",
    responses((status = 204, description = "It is withdrawn"), (status = 404, description = "The shop is not to be deleted", body = Problem),
              (status = 409, description = "It is under way", body = Problem)),
    security(("bearer" = ["echelon/admin"]))
)]
async fn withdraw(
    State(api): State<Api>,
    Authorized { shop, by, .. }: Authorized<Admin>,
) -> Result<StatusCode, Problem> {
    match api.store.withdraw_redaction(&shop).await {
        Ok(true) => {
            tracing::warn!(%shop, by, "the deletion of a shop was withdrawn");
            Ok(StatusCode::NO_CONTENT)
        }
        Ok(false) => Err(no_redaction()),
        Err(StoreError::Conflict) => {
            let (detail, remedy) = ("the deletion of this shop is due and under way", "restore a backup");
            Err(Problem::new(ProblemCode::DeletionInProgress, detail, remedy))
        }
        Err(error) => Err(error.into()),
    }
}

fn no_redaction() -> Problem {
    Problem::new(
        ProblemCode::UnknownRedaction,
        "no deletion of this shop was requested",
        "there is nothing to withdraw",
    )
}
