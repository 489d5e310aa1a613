//! The system over HTTP, on one machine: events in, and a few questions.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rules::id::MemberId;
use serde::Deserialize;
use serde_json::{Value, json};
use service::shop::ShopId;

use super::answer::Refusal;
use super::aside::{self, Selection};
use super::time::Move;
use super::{System, envelope, jobs, programs, signature, standing};

/// A request has at most this many bytes: some hundred times as many as a large event.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What every answer is given from.
pub(super) type Shared = State<Arc<System>>;

/// What is answered where.
pub fn router(system: Arc<System>) -> Router {
    Router::new()
        .route("/events", post(events))
        .route("/members/{id}", get(member))
        .route("/health", get(health))
        .route("/clock", post(clock))
        .route("/quarantine", get(quarantine))
        .route("/quarantine/replay", post(replay))
        .merge(programs::routes())
        .merge(jobs::routes())
        .fallback(nothing_here)
        .with_state(system)
}

/// Which shop is meant.
#[derive(Debug, Deserialize)]
pub(super) struct Of {
    pub(super) shop: Option<String>,
}

/// Answers only when everything is on disk.
async fn events(
    State(system): Shared,
    Query(of): Query<Of>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let body = whole(body).await?;
    let now = system.time.now();
    let bodies = if headers.contains_key("X-Shopify-Topic") {
        signed(&system, &headers, &body)?;
        vec![envelope::shopify(&body, &headers, now)?]
    } else {
        let named = headers.get("X-Echelon-Shop").and_then(|shop| shop.to_str().ok());
        let shop = shop(&system, of.shop.as_deref().or(named)).await?;
        envelope::native(&body, &shop, now)?
    };
    let accepted = bodies.len();
    if accepted > 0 {
        system.accept.take(bodies).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "accepted": accepted }))).into_response())
}

/// A body, if it is not too large.
pub(super) async fn whole(body: Body) -> Result<Bytes, Refusal> {
    let too_large = |_| {
        let what = format!("the request was cut short, or has more than {} MiB", BODY_BYTES_MAX >> 20);
        Refusal::of(StatusCode::PAYLOAD_TOO_LARGE, what, "send fewer events at a time")
    };
    to_bytes(body, BODY_BYTES_MAX).await.map_err(too_large)
}

fn signed(system: &System, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
    let Some(secret) = &system.secret else { return Ok(()) };
    let signature = headers.get("X-Shopify-Hmac-Sha256").and_then(|value| value.to_str().ok());
    if signature::is_signed(body, signature, secret) {
        return Ok(());
    }
    let remedy = "sign the body with the secret that this was started with (`--shopify-secret`)";
    Err(Refusal::of(StatusCode::UNAUTHORIZED, "the header `X-Shopify-Hmac-Sha256` does not fit the body", remedy))
}

/// The shop that is named, or the only one.
pub(super) async fn shop(system: &System, named: Option<&str>) -> Result<ShopId, Refusal> {
    let remedy = "name the shop: `?shop=NAME`, or the header `X-Echelon-Shop`";
    match named {
        Some(named) => ShopId::new(named).map_err(|error| Refusal::bad(error.to_string(), remedy)),
        None => system.only_shop().await?.ok_or_else(|| Refusal::bad("it does not say which shop it is about", remedy)),
    }
}

async fn member(State(system): Shared, Path(id): Path<String>, Query(of): Query<Of>) -> Result<Json<Value>, Refusal> {
    let shop = shop(&system, of.shop.as_deref()).await?;
    let member = MemberId::new(&id).map_err(|error| Refusal::bad(error.to_string(), "name a member by their id"))?;
    let unknown = || {
        let remedy = "send an event of theirs; one that was just accepted is taken in within a moment";
        Refusal::of(StatusCode::NOT_FOUND, format!("nothing is known of member `{member}` of shop `{shop}`"), remedy)
    };
    standing::standing(&system, &shop, &member).await?.map(Json).ok_or_else(unknown)
}

async fn health(State(system): Shared) -> Json<Value> {
    let (now, waiting, taken_in) = (system.time.now(), system.queues.waiting(), system.counts());
    Json(json!({ "status": "ok", "now": now, "waiting": waiting, "taken_in": taken_in }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    now: String,
}

async fn clock(State(system): Shared, body: Body) -> Result<Json<Value>, Refusal> {
    const REMEDY: &str = "send {\"now\": \"2026-12-31T23:59:50Z\"}, or a step such as {\"now\": \"+30d\"}";
    let body = whole(body).await?;
    let When { now } = serde_json::from_slice(&body).map_err(|error| Refusal::bad(error.to_string(), REMEDY))?;
    let to = Move::parse(&now).map_err(|what| Refusal::bad(what, REMEDY))?;
    let now = system.time.advance(to).map_err(|what| Refusal::bad(what, REMEDY))?;
    system.due.notify_one();
    Ok(Json(json!({ "now": now })))
}

async fn quarantine(State(system): Shared, Query(of): Query<Of>) -> Result<Json<Value>, Refusal> {
    let selection = Selection { shop: of.shop, ..Selection::default() };
    Ok(Json(json!({ "rows": aside::list(&system.store, &selection).await? })))
}

/// What is put back into the ingest queue.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Replay {
    Quarantined(Selection),
    Dead,
}

async fn replay(State(system): Shared, body: Body) -> Result<Json<Value>, Refusal> {
    const REMEDY: &str = "send {\"quarantined\": {\"ids\": […]}}, {\"quarantined\": {}} for all, or \"dead\"";
    let body = whole(body).await?;
    match serde_json::from_slice(&body).map_err(|error| Refusal::bad(error.to_string(), REMEDY))? {
        Replay::Quarantined(selection) => {
            Ok(Json(json!(aside::replay(&system.store, &system.queues, &selection).await?)))
        }
        Replay::Dead => Ok(Json(json!({ "dead": aside::replay_dead(&system.queues).await? }))),
    }
}

async fn nothing_here() -> Refusal {
    let remedy = "POST /events, GET /members/ID, GET /health, POST /clock, GET /quarantine, POST /quarantine/replay, \
                  GET /programs, POST /programs, POST /programs/{preview|withdraw|roll-back}, GET /jobs, GET /jobs/ID, \
                  POST /jobs/ID/{pause|resume|cancel}";
    Refusal::of(StatusCode::NOT_FOUND, "there is nothing here", remedy)
}
