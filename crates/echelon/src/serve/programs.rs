//! The program of a shop over HTTP: published, previewed, withdrawn, rolled back, and everything that ever was.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::store::{PublicationError, StoreError};

use super::System;
use super::answer::Refusal;
use super::change::{Previewed, Published, Rules, Wanted, What};
use super::http::{Of, Shared, shop, whole};
use crate::input::content;

/// What is answered about programs.
pub fn routes() -> Router<Arc<System>> {
    Router::new()
        .route("/programs", get(list).post(publish))
        .route("/programs/preview", post(preview))
        .route("/programs/withdraw", post(withdraw))
        .route("/programs/roll-back", post(roll_back))
}

async fn list(State(system): Shared, Query(of): Query<Of>) -> Result<Json<Value>, Refusal> {
    let shop = shop(&system, of.shop.as_deref()).await?;
    Ok(Json(json!({ "shop": shop, "programs": system.rules(&shop).list().await? })))
}

async fn publish(State(system): Shared, Query(of): Query<Of>, body: Body) -> Result<Json<Published>, Refusal> {
    const REMEDY: &str = "send {\"program\": {…}}, and `options`, `at`, `by` and `why` where there is something to say";
    let wanted: Wanted = read(body, REMEDY).await?;
    match wanted.what {
        What::Program(_) => put(&system, of, &wanted).await,
        What::Version(_) => Err(Refusal::bad("it names an earlier version", "post it to /programs/roll-back")),
    }
}

async fn roll_back(State(system): Shared, Query(of): Query<Of>, body: Body) -> Result<Json<Published>, Refusal> {
    const REMEDY: &str = "send {\"version\": 1}, and `options`, `at`, `by` and `why` where there is something to say";
    let wanted: Wanted = read(body, REMEDY).await?;
    match wanted.what {
        What::Version(_) => put(&system, of, &wanted).await,
        What::Program(_) => Err(Refusal::bad("it has a program, and names no earlier version", "post it to /programs")),
    }
}

/// Nobody takes events in meanwhile: whoever decides next decides by the versions as they are then.
async fn put(system: &System, of: Of, wanted: &Wanted) -> Result<Json<Published>, Refusal> {
    let shop = shop(system, of.shop.as_deref()).await?;
    let batch = system.batch.write().await;
    let published = system.rules(&shop).publish(wanted).await?;
    system.ingest.forget_programs();
    drop(batch);
    system.due.notify_one();
    Ok(Json(published))
}

/// Which preview.
#[derive(Debug, Deserialize)]
struct Which {
    shop: Option<String>,
    #[serde(default)]
    list: bool,
}

async fn preview(
    State(system): Shared,
    Query(Which { shop: named, list }): Query<Which>,
    body: Body,
) -> Result<Json<Previewed>, Refusal> {
    const REMEDY: &str =
        "send {\"program\": {…}} or {\"version\": 1}, as it would be published; ?list=true names members";
    let wanted: Wanted = read(body, REMEDY).await?;
    let shop = shop(&system, named.as_deref()).await?;
    Ok(Json(system.rules(&shop).preview(&wanted, list, || {}).await?))
}

/// Who withdraws.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct By {
    by: Option<String>,
}

async fn withdraw(State(system): Shared, Query(of): Query<Of>, body: Body) -> Result<Json<Value>, Refusal> {
    let By { by } = read(body, "send {\"by\": \"who withdraws it\"}").await?;
    let shop = shop(&system, of.shop.as_deref()).await?;
    let batch = system.batch.write().await;
    let now = system.time.now();
    let version = system.store.withdraw(&shop, by.as_deref().unwrap_or("echelon"), now).await?;
    system.ingest.forget_programs();
    drop(batch);
    Ok(Json(json!({ "shop": shop, "withdrawn": version.number, "effective_at": version.effective_at })))
}

/// What is sent; nothing is as good as an empty object.
async fn read<T: DeserializeOwned>(body: Body, remedy: &str) -> Result<T, Refusal> {
    let body = whole(body).await?;
    let body = if body.trim_ascii().is_empty() {
        json!({})
    } else {
        content(&body).map_err(|what| Refusal::bad(what, remedy))?
    };
    serde_json::from_value(body).map_err(|error| Refusal::bad(error.to_string(), remedy))
}

impl System {
    /// The rules of a shop, as they are changed now.
    pub fn rules<'a>(&'a self, shop: &'a service::shop::ShopId) -> Rules<'a> {
        Rules { store: &self.store, shop, now: self.time.now(), ahead_ms: self.ahead_ms }
    }
}

impl From<PublicationError> for Refusal {
    fn from(error: PublicationError) -> Self {
        let what = error.to_string();
        let (status, remedy) = match error {
            PublicationError::Invalid(_) => {
                (StatusCode::BAD_REQUEST, "correct it; `echelon validate` says the same of a file")
            }
            PublicationError::Refused(_) => (StatusCode::CONFLICT, "GET /programs shows the versions there are"),
            PublicationError::InThePast { .. } => {
                (StatusCode::CONFLICT, "leave `at` out for now, or name a later instant")
            }
            PublicationError::AboutToTakeEffect { .. } => (StatusCode::CONFLICT, "publish after it is in force"),
            PublicationError::NothingPending | PublicationError::NoSuchVersion(_) => {
                (StatusCode::NOT_FOUND, "GET /programs shows the versions there are")
            }
            PublicationError::Store(StoreError::Conflict) => {
                (StatusCode::CONFLICT, "somebody else published meanwhile: look at GET /programs, and ask again")
            }
            PublicationError::Store(error) => return error.into(),
        };
        Self::of(status, what, remedy)
    }
}
