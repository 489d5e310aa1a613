//! The system over HTTP on one machine: the API as where it is deployed, and routes in place of a bus, a clock and
//! queues.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, FromRef, FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http_api::Api;
use http_api::caller::{Admin, Authorized, Caller, Operator, Read, Write};
use http_api::extract::{idempotency_key, json, whole};
use http_api::problem::{Problem, ProblemCode};
use serde::Deserialize;
use serde_json::{Value, json};
use store::shop::ShopId;
use tower_http::cors::{Any, CorsLayer};

use super::envelope::{EVENT_BYTES_MAX, Messages};
use super::guard::Guard;
use super::health::Trouble;
use super::lane::Lane;
use super::once::Keyed;
use super::quarantine;
use super::queue::QueueError;
use super::shopify::{self, Delivery, Seen, Shopify};
use super::time::Move;
use super::{System, backup, envelope, tokens};

/// The maximum size of a request: some hundred times that of a large event.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The maximum time that a caller waits for the probe of the store.
const PROBE_MAX: Duration = Duration::from_secs(1);

/// The state of all handlers.
#[derive(Clone)]
pub(crate) struct Local(pub(super) Arc<System>);

impl FromRef<Local> for Api {
    fn from_ref(local: &Local) -> Self {
        local.0.api.clone()
    }
}

/// The access to the system, beyond callers with a token.
#[derive(Debug, Clone, Default)]
pub struct Doors {
    /// The origins whose pages may send requests.
    pub origins: Vec<Origin>,
    /// The guard that decides which requests are answered, where no token is needed.
    pub guard: Option<Guard>,
    /// Whether the clock can be moved.
    pub movable_clock: bool,
}

/// An origin, in the form that browsers send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue, String);

impl Origin {
    /// Reads `https://shop.example.com`; a trailing slash is dropped.
    ///
    /// # Errors
    /// A text that says what an origin looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("`{text}` {why}: name an origin such as https://shop.example.com, several times for several")
        };
        if text == "*" {
            return Err(wrong("is any page at all"));
        }
        let uri: Uri = text.parse().map_err(|_| wrong("is not an origin"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("is not an origin"));
        };
        if !matches!(scheme, "http" | "https") || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong("is more or less than an origin"));
        }
        if authority.as_str().contains(['@', ',', ' ', '*']) {
            return Err(wrong("is not an origin"));
        }
        // Browsers write it in lower case, without the default port.
        let authority = authority.as_str().to_ascii_lowercase();
        let usual = if scheme == "http" { ":80" } else { ":443" };
        let origin = format!("{scheme}://{}", authority.strip_suffix(usual).unwrap_or(&authority));
        let value = HeaderValue::from_str(&origin).map_err(|_| wrong("is not an origin"))?;
        Ok(Self(value, origin))
    }

    /// The origin as text.
    pub fn as_str(&self) -> &str {
        &self.1
    }
}

/// The router of the system, with the access that `doors` allows.
pub fn router(system: Arc<System>, doors: Doors) -> Router {
    let origins: Vec<HeaderValue> = doors.origins.iter().map(|origin| origin.0.clone()).collect();
    let cors = CorsLayer::new().allow_origin(origins).allow_methods(Any).allow_headers([
        AUTHORIZATION,
        CONTENT_TYPE,
        IF_NONE_MATCH,
    ]);
    let cors = cors.expose_headers([ETAG, RETRY_AFTER]);
    let api = system.api.clone();
    let mut beside = Router::new()
        .route("/events", post(events))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/dead-letters/replay", post(replay_dead))
        .route("/tokens", get(tokens::list))
        .route("/tokens/{id}", delete(tokens::revoke))
        .route("/backup", post(backup));
    if doors.movable_clock {
        beside = beside.route("/clock", post(clock));
    }
    let router = http_api::router(api, beside.with_state(Local(Arc::clone(&system))));
    let router = router.layer(from_fn_with_state(Arc::clone(&system), accepts_nothing));
    let router = router.layer(from_fn_with_state(system, doubts));
    let router = match doors.guard {
        Some(guard) => router.layer(from_fn_with_state(Arc::new(guard), super::guard::guard)),
        None => router,
    };
    router.layer(cors)
}

/// Refuses everything but health and metrics while the file is not where it was, because new writes are lost with the
/// process. The file is checked before and after a request, so that no write into a missing file is acknowledged.
async fn accepts_nothing(State(system): State<Arc<System>>, request: Request, next: Next) -> Response {
    let is_told = matches!(request.uri().path(), "/health" | "/metrics");
    let is_gone = || !is_told && !system.has_its_file();
    let gone = || Problem::unavailable("the file of this system is not where it was any more").into_response();
    if is_gone() {
        return gone();
    }
    let response = next.run(request).await;
    if is_gone() { gone() } else { response }
}

/// Probes the store after a write was answered 503, because the store may be the cause. Then `/health` reports it even
/// if there are no further writes.
async fn doubts(State(system): State<Arc<System>>, request: Request, next: Next) -> Response {
    let writes = !request.method().is_safe();
    let response = next.run(request).await;
    let in_doubt = writes && response.status() == StatusCode::SERVICE_UNAVAILABLE;
    if in_doubt
        && !system.health.is_troubled(Trouble::Write)
        && let Ok(Err(error)) = tokio::time::timeout(PROBE_MAX, system.queues.probe()).await
    {
        system.health.wrote(&Err(error), system.time.now());
    }
    response
}

/// Answers only when everything is on disk.
async fn events(State(Local(system)): State<Local>, request: Request) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let now = system.time.now();
    if parts.headers.contains_key("X-Shopify-Topic") {
        // The body is not read unless the webhook has a signature.
        if system.shopify.is_some() && !parts.headers.contains_key("X-Shopify-Hmac-Sha256") {
            return Err(Problem::unsigned());
        }
        return webhook(&system, &mut parts, &whole(body, EVENT_BYTES_MAX).await?).await;
    }
    let Authorized { shop, .. } =
        Authorized::<Write>::from_request_parts(&mut parts, &Local(Arc::clone(&system))).await?;
    let (key, body) = (idempotency_key(&parts.headers)?, whole(body, BODY_BYTES_MAX).await?);
    let Messages { bodies, events: accepted, erase, imported } = envelope::native(&body, &shop, now)?;
    if erase {
        // An erasure is final, so it takes the same scope as DELETE /v1/members/{member_id}.
        Authorized::<Admin>::from_request_parts(&mut parts, &Local(Arc::clone(&system))).await?;
    }
    let lane = if imported { Lane::history() } else { Lane::of(&shop) };
    match key {
        _ if accepted == 0 => {}
        Some(key) => system.accepts_once(Keyed::new(&shop, &key, &body), lane, bodies).await?,
        None => system.accepts(lane, bodies).await?,
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "accepted": accepted }))).into_response())
}

/// Accepts a webhook from Shopify: signed if a secret is set, otherwise from a caller that may send facts.
async fn webhook(system: &System, parts: &mut Parts, body: &[u8]) -> Result<Response, Problem> {
    let Some(shopify) = &system.shopify else {
        Operator::<Write>::from_request_parts(parts, &()).await?;
        let Delivery { shop, message, .. } = Delivery::read(body, &parts.headers, system.time.now())?;
        let shop = system.store.shop_named(shop);
        system.accepts(Lane::of(&shop), vec![message]).await?;
        return Ok((StatusCode::ACCEPTED, Json(json!({ "accepted": 1 }))).into_response());
    };
    if !shopify.secret.has_signed(body, &parts.headers) {
        return Err(Problem::unsigned());
    }
    let Delivery { shop, message, digest, tells, is_stub } = Delivery::read(body, &parts.headers, system.time.now())?;
    let shop = system.store.shop_named(shop);
    if !system.expects(shopify, &shop).await? {
        let remedy = "name the shop with --shopify-shop, or publish a program for it";
        let detail = format!("no webhooks of `{shop}` are expected here");
        return Err(Problem::new(ProblemCode::WrongShop, detail, remedy));
    }
    let Some(tells) = tells else {
        return Ok((StatusCode::ACCEPTED, Json(json!({ "accepted": 0 }))).into_response());
    };
    // One at a time, so that a body that arrives twice at once is recognized the second time.
    let _turn = shopify.turn.lock().await;
    let (seen, told) = shopify::seen(system.queues.seen(&digest).await?.as_deref(), shop.as_str(), tells);
    let accepted = match seen {
        Seen::Again if is_stub => {
            // An id alone is the same for every change of its resource: each is quarantined, for an operator to fetch it.
            system.accepts(Lane::of(&shop), vec![message]).await?;
            1
        }
        Seen::New => {
            system.accepts(Lane::of(&shop), vec![message]).await?;
            system.queues.remember(&digest, &told).await?;
            1
        }
        // The message is on disk already, or was.
        Seen::Again => 0,
        Seen::Contradicts => {
            let remedy = "send the webhook as Shopify delivers it";
            let detail = "the same body came already, under another topic or for another shop";
            return Err(Problem::new(ProblemCode::WebhookReplayed, detail, remedy));
        }
    };
    Ok((StatusCode::ACCEPTED, Json(json!({ "accepted": accepted }))).into_response())
}

impl System {
    /// Puts messages into the ingest queue, and notes whether that can be done.
    pub(super) async fn accepts(&self, lane: Lane, bodies: Vec<String>) -> Result<(), QueueError> {
        let result = self.accept.take(lane, bodies).await;
        self.health.wrote(&result, self.time.now());
        result
    }

    /// Whether webhooks of a shop are expected.
    async fn expects(&self, shopify: &Shopify, shop: &ShopId) -> Result<bool, Problem> {
        if !shopify.shops.is_empty() {
            return Ok(shopify.shops.contains(shop));
        }
        Ok(self.api.shop.as_ref() == Some(shop) || self.store.versions(shop).await?.is_some())
    }
}

async fn health(State(Local(system)): State<Local>, caller: Option<Extension<Caller>>) -> Response {
    // Staff of any shop get the details. Members and callers without a token only get the status.
    let in_full = matches!(caller, Some(Extension(Caller::Staff { .. })));
    let report = system.report(in_full).await;
    let status = if report.status == "ok" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

async fn metrics(State(Local(system)): State<Local>, _: Operator<Read>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], system.report(true).await.metrics()).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    now: String,
}

async fn clock(State(Local(system)): State<Local>, _: Operator<Admin>, body: Body) -> Result<Json<Value>, Problem> {
    const REMEDY: &str = "send {\"now\": \"2026-12-31T23:59:50Z\"}, or a step such as {\"now\": \"+30d\"}";
    let When { now } = json(&whole(body, http_api::extract::BODY_BYTES_MAX).await?)
        .map_err(|problem| Problem::bad(problem.detail, REMEDY))?;
    let to = Move::parse(&now).map_err(|what| Problem::bad(what, REMEDY))?;
    // The time is noted first. A start with a clock behind the noted time is refused, so a time that cannot be noted is
    // not set.
    let then = system.time.after(to).map_err(|what| Problem::bad(what, REMEDY))?;
    system.queues.note_time(then).await?;
    let now = system.time.advance(to).map_err(|what| Problem::bad(what, REMEDY))?;
    system.api.due.notify_one();
    Ok(Json(json!({ "now": now })))
}

/// Sends the bytes of a copy rather than writing a file on this machine, since the caller must not choose where files
/// are written.
async fn backup(State(Local(system)): State<Local>, _: Operator<Admin>) -> Result<Response, Problem> {
    backup::answer(system.here.as_ref()).await
}

/// Replays events that failed too often but might succeed.
async fn replay_dead(State(Local(system)): State<Local>, _: Operator<Admin>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "replayed": quarantine::replay_dead(&system.queues).await? })))
}
