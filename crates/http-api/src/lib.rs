//! The HTTP API: members' standings and the reasons for them, the program and its changes, facts sent directly, and a
//! widget for the shop's customers. The deployed function and a single machine use the same router.
//!
//! # Words
//! - *caller*: the sender of a request, as [`authenticate`] identified them; a handler's signature states the scope
//!   that it needs ([`caller::Authorized`]).
//! - *problem*: why a request was not carried out, in the form of RFC 9457 ([`problem`]).
//! - *cursor*: the place at which a list continues; opaque to the caller (`cursor.rs`).

// The futures of an SDK's calls are deeply nested.
#![recursion_limit = "256"]

mod assignments;
pub mod authenticate;
pub mod caller;
mod cursor;
mod docs;
mod draft;
mod etag;
pub mod extract;
pub mod facts;
mod jobs;
mod lists;
mod member;
mod params;
pub mod path;
mod privacy;
pub mod problem;
mod program;
mod quarantine;
pub mod register;
mod schema;
pub mod shopify;
pub mod standing;
mod timeline;
pub mod token;
mod turns;
mod widget;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use engine::clock::Clock;
use engine::ingest::{FactWriter, ProgramCache};
use engine::quarantine::Bodies;
use engine::sweep::{Order, SegmentQueue, Sweep};
use futures::future::BoxFuture;
use serde_json::Value;
use store::records::{JobId, State};
use store::shop::ShopId;
use store::{Store, StoreError};
use tokio::sync::{Notify, RwLock};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

use authenticate::AuthMode;
use problem::{Problem, ProblemCode};
use turns::ReadTurns;

/// The parts that every handler shares.
#[derive(Debug, Clone)]
pub struct Api {
    parts: Arc<Parts>,
    turns: Arc<ReadTurns>,
}

impl std::ops::Deref for Api {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// The parts of an API.
pub struct Parts {
    /// The tables.
    pub store: Store,
    /// Writes facts that are sent directly.
    pub writer: FactWriter,
    /// The quarantined bodies.
    pub bodies: Box<dyn Bodies>,
    /// Pauses, resumes and cancels jobs.
    pub sweeps: Box<dyn Sweeps>,
    /// The clock.
    pub clock: Clock,
    /// The time from now until a version takes effect, where the request names no instant.
    pub ahead_ms: i64,
    /// The time limit of a preview; none if a preview may take as long as it needs.
    pub preview_budget: Option<std::time::Duration>,
    /// The mode of authentication.
    pub auth: AuthMode,
    /// The secret that Shopify signs webhooks with, if it sends any.
    pub shopify_secret: Option<shopify::Secret>,
    /// The shop that is meant where the caller names none and belongs to none.
    pub shop: Option<ShopId>,
    /// Locked for reading while facts are written, and for writing while the versions that decide about them change. It
    /// matters where one process does everything.
    pub batch: Arc<RwLock<()>>,
    /// Notified when something to announce may have been recorded, where one process does everything.
    pub recorded: Arc<Notify>,
    /// Notified when a sweep may be due, where one process does everything.
    pub due: Arc<Notify>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Orders to jobs, independent of the workers that carry the jobs out.
pub trait Sweeps: Send + Sync {
    /// See [`Sweep::order`].
    fn order<'a>(
        &'a self,
        shop: &'a ShopId,
        id: &'a JobId,
        order: Order,
    ) -> BoxFuture<'a, Result<Option<State>, StoreError>>;
}

impl<W: SegmentQueue> Sweeps for Arc<Sweep<W>> {
    fn order<'a>(
        &'a self,
        shop: &'a ShopId,
        id: &'a JobId,
        order: Order,
    ) -> BoxFuture<'a, Result<Option<State>, StoreError>> {
        Box::pin(Sweep::order(self, shop, id, order))
    }
}

impl Api {
    /// An API made of its parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), turns: Arc::new(ReadTurns::of_this_machine()) }
    }

    /// The shop that is meant where the caller names none: the configured one, or the only one there is.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn only_shop(&self) -> Result<Option<ShopId>, StoreError> {
        match &self.shop {
            Some(shop) => Ok(Some(shop.clone())),
            None => store::only_shop(&self.store).await,
        }
    }

    fn programs(&self) -> &Arc<ProgramCache> {
        self.writer.programs()
    }
}

/// The router of everything. `beside` has the routes that only a single machine offers.
pub fn router(api: Api, beside: Router) -> Router {
    let (answers, _) = documented().split_for_parts();
    let router = answers.merge(shopify::routes()).merge(widget::routes()).merge(docs::routes());
    let router = router.with_state(api.clone()).merge(beside);
    let router = router
        .fallback(async |uri: axum::http::Uri| nothing_here(uri.path()))
        .method_not_allowed_fallback(async || wrong_method());
    let router = router.layer(from_fn_with_state(api, authenticate::authenticate));
    let router = router
        .layer(CatchPanicLayer::custom(|_| axum::response::IntoResponse::into_response(Problem::internal_error())));
    router.layer(from_fn(authenticate::log_request))
}

/// The OpenAPI document of the API, made from the handlers. It is committed as `docs/openapi.json` and served from that
/// file, because making it takes longer than everything else that a function does at its start.
pub fn document() -> Value {
    docs::complete(documented().split_for_parts().1)
}

fn documented() -> OpenApiRouter<Api> {
    docs::begin()
        .merge(member::routes())
        .merge(lists::routes())
        .merge(timeline::routes())
        .merge(assignments::routes())
        .merge(facts::routes())
        .merge(program::routes())
        .merge(draft::routes())
        .merge(jobs::routes())
        .merge(quarantine::routes())
        .merge(privacy::routes())
        .merge(widget::documented())
}

fn nothing_here(path: &str) -> Problem {
    let remedy = if path.starts_with("/v1/members/") {
        "an id with a slash is written as `~` and its UTF-8 in base64url without padding, as GET /docs shows"
    } else {
        "GET /openapi.json describes all requests, and GET /docs shows them"
    };
    Problem::new(ProblemCode::NotFound, "there is nothing here", remedy)
}

fn wrong_method() -> Problem {
    Problem::new(ProblemCode::MethodNotAllowed, "this path does not support the method", "see GET /docs")
}
