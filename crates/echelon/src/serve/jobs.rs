//! Jobs over HTTP: how far they are, and what may be done to them.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use rules::calendar::Instant;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::shop::ShopId;
use service::store::{Store, StoreError};
use service::sweep::{JobId, Order, Progress, progress};

use super::System;
use super::answer::Refusal;
use super::http::{Of, Shared, shop};

/// So many jobs of a shop are listed: the latest.
const LATEST: i32 = 10;

/// A job of a shop, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The shop.
    pub shop: ShopId,
    /// The job.
    #[serde(flatten)]
    pub progress: Progress,
}

/// The latest jobs of a shop, the latest boundary first.
///
/// # Errors
/// See [`StoreError`].
pub async fn latest(store: &Store, shop: &ShopId, now: Instant) -> Result<Vec<Listed>, StoreError> {
    let mut listed = Vec::new();
    for job in store.latest_jobs(shop, LATEST).await? {
        let found = progress(store, shop, &job.body.id, now).await?;
        listed.extend(found.map(|progress| Listed { shop: shop.clone(), progress }));
    }
    Ok(listed)
}

/// What is answered about jobs.
pub fn routes() -> Router<Arc<System>> {
    Router::new()
        .route("/jobs", get(list))
        .route("/jobs/{id}", get(show))
        .route("/jobs/{id}/pause", post(|of, path, query| order(of, path, query, Order::Pause)))
        .route("/jobs/{id}/resume", post(|of, path, query| order(of, path, query, Order::Resume)))
        .route("/jobs/{id}/cancel", post(|of, path, query| order(of, path, query, Order::Cancel)))
}

async fn list(State(system): Shared, Query(of): Query<Of>) -> Result<Json<Value>, Refusal> {
    let shops = match of.shop.as_deref() {
        Some(named) => vec![shop(&system, Some(named)).await?],
        None => system.store.shops().await?,
    };
    let mut jobs = Vec::new();
    for shop in shops {
        jobs.extend(latest(&system.store, &shop, system.time.now()).await?);
    }
    Ok(Json(json!({ "jobs": jobs })))
}

async fn show(State(system): Shared, Path(id): Path<String>, Query(of): Query<Of>) -> Result<Json<Listed>, Refusal> {
    let (shop, id) = (shop(&system, of.shop.as_deref()).await?, named(&id)?);
    let progress = system.sweep.progress(&shop, &id).await?.ok_or_else(|| unknown(&id))?;
    Ok(Json(Listed { shop, progress }))
}

async fn order(
    State(system): Shared,
    Path(id): Path<String>,
    Query(of): Query<Of>,
    order: Order,
) -> Result<Json<Listed>, Refusal> {
    let (shop, id) = (shop(&system, of.shop.as_deref()).await?, named(&id)?);
    match system.sweep.order(&shop, &id, order).await {
        Ok(state) => state.ok_or_else(|| unknown(&id))?,
        Err(StoreError::Conflict) => {
            return Err(Refusal::of(
                StatusCode::CONFLICT,
                "it was changed in between",
                "look at GET /jobs, and ask again",
            ));
        }
        Err(error) => return Err(error.into()),
    };
    system.due.notify_one();
    let progress = system.sweep.progress(&shop, &id).await?.ok_or_else(|| unknown(&id))?;
    Ok(Json(Listed { shop, progress }))
}

fn named(id: &str) -> Result<JobId, Refusal> {
    id.parse().map_err(|_| Refusal::bad(format!("`{id}` names no job"), "GET /jobs lists them"))
}

fn unknown(id: &JobId) -> Refusal {
    Refusal::of(StatusCode::NOT_FOUND, format!("there is no job `{id}`"), "GET /jobs lists them")
}
