//! The system over HTTP, on one machine: the API as it is where this is deployed, and beside it what a bus, a clock and queues
//! are there.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRef, FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_http::cors::{Any, CorsLayer};
use web::Api;
use web::caller::{Admin, May, Of, Read, Write};
use web::extract::json;
use web::problem::Problem;
use web::shopify::is_signed;

use super::aside::{self, Selection};
use super::time::Move;
use super::{System, backup, envelope};
use crate::failure::Failure;

/// A request has at most this many bytes: some hundred times as many as a large event.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What answers are given from.
#[derive(Clone)]
struct Local(Arc<System>);

impl FromRef<Local> for Api {
    fn from_ref(local: &Local) -> Self {
        local.0.api.clone()
    }
}

/// What is answered where; to pages of which origins.
///
/// # Errors
/// Names what is no origin.
pub fn router(system: Arc<System>, origins: &[String]) -> Result<Router, Failure> {
    let origins = origins.iter().map(|origin| {
        origin
            .parse()
            .map_err(|_| Failure::input(format!("--cors: `{origin}` is no origin such as https://shop.example.com")))
    });
    let origins: Vec<HeaderValue> = origins.collect::<Result<_, _>>()?;
    let cors = CorsLayer::new().allow_origin(origins).allow_methods(Any).allow_headers([
        AUTHORIZATION,
        CONTENT_TYPE,
        IF_NONE_MATCH,
    ]);
    let cors = cors.expose_headers([ETAG, RETRY_AFTER]);
    let api = system.api.clone();
    let beside = Router::new()
        .route("/events", post(events))
        .route("/health", get(health))
        .route("/clock", post(clock))
        .route("/quarantine", get(quarantine))
        .route("/quarantine/replay", post(replay))
        .route("/backup", post(backup))
        .with_state(Local(system));
    Ok(web::router(api, beside).layer(cors))
}

/// Answers only when everything is on disk.
async fn events(State(Local(system)): State<Local>, request: Request) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let now = system.time.now();
    let bodies = if parts.headers.contains_key("X-Shopify-Topic") {
        let body = whole(body).await?;
        is_believed(&system, &mut parts, &body).await?;
        vec![envelope::shopify(&body, &parts.headers, now)?]
    } else {
        let Of { shop, .. } = Of::<Write>::from_request_parts(&mut parts, &Local(Arc::clone(&system))).await?;
        envelope::native(&whole(body).await?, &shop, now)?
    };
    let accepted = bodies.len();
    if accepted > 0 {
        system.accept.take(bodies).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "accepted": accepted }))).into_response())
}

/// A body, if it is not too large.
async fn whole(body: Body) -> Result<Bytes, Problem> {
    to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| Problem::too_large(BODY_BYTES_MAX))
}

/// A webhook is signed, where there is a secret; else it comes from somebody who may tell facts.
async fn is_believed(system: &System, parts: &mut Parts, body: &[u8]) -> Result<(), Problem> {
    let Some(secret) = &system.api.shopify_secret else {
        return May::<Write>::from_request_parts(parts, &()).await.map(drop);
    };
    let signature = parts.headers.get("X-Shopify-Hmac-Sha256").and_then(|value| value.to_str().ok());
    if is_signed(body, signature, secret) { Ok(()) } else { Err(Problem::unsigned()) }
}

async fn health(State(Local(system)): State<Local>) -> Json<Value> {
    let (now, waiting, taken_in) = (system.time.now(), system.queues.waiting(), system.counts());
    let zones = system.api.store.zones().release();
    Json(json!({ "status": "ok", "now": now, "zones": zones, "waiting": waiting, "taken_in": taken_in }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    now: String,
}

async fn clock(State(Local(system)): State<Local>, _: May<Admin>, body: Body) -> Result<Json<Value>, Problem> {
    const REMEDY: &str = "send {\"now\": \"2026-12-31T23:59:50Z\"}, or a step such as {\"now\": \"+30d\"}";
    let When { now } = json(&whole(body).await?).map_err(|problem| Problem::bad(problem.detail, REMEDY))?;
    let to = Move::parse(&now).map_err(|what| Problem::bad(what, REMEDY))?;
    let now = system.time.advance(to).map_err(|what| Problem::bad(what, REMEDY))?;
    system.api.due.notify_one();
    Ok(Json(json!({ "now": now })))
}

/// The bytes of a copy, rather than one on this machine: who may ask for it may not choose where files are written.
async fn backup(State(Local(system)): State<Local>, _: May<Admin>) -> Result<Response, Problem> {
    backup::answer(system.here.as_ref()).await
}

/// Of which shop.
#[derive(Debug, Deserialize)]
struct Whose {
    shop: Option<String>,
}

async fn quarantine(
    State(Local(system)): State<Local>,
    _: May<Read>,
    axum::extract::Query(Whose { shop }): axum::extract::Query<Whose>,
) -> Result<Json<Value>, Problem> {
    let selection = Selection { shop, ..Selection::default() };
    Ok(Json(json!({ "rows": aside::list(&system.store, &selection).await? })))
}

/// What is put back into the ingest queue.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Replay {
    Quarantined(Selection),
    Dead,
}

async fn replay(State(Local(system)): State<Local>, _: May<Admin>, body: Body) -> Result<Json<Value>, Problem> {
    const REMEDY: &str = "send {\"quarantined\": {\"ids\": […]}}, {\"quarantined\": {}} for all, or \"dead\"";
    match json(&whole(body).await?).map_err(|problem| Problem::bad(problem.detail, REMEDY))? {
        Replay::Quarantined(selection) => {
            Ok(Json(json!(aside::replay(&system.store, &system.queues, &selection).await?)))
        }
        Replay::Dead => Ok(Json(json!({ "dead": aside::replay_dead(&system.queues).await? }))),
    }
}
