//! The HTTP API: where members stand and why, the program and its changes, facts told directly, and a piece of page for
//! customers. One router, for the deployed function and for one machine alike.
//!
//! # Words
//! - *caller*: who asks, as [`authenticate`] found out; a handler's signature says what they need ([`caller::Authorized`]).
//! - *problem*: why a request was not done, as RFC 9457 has it ([`problem`]).
//! - *cursor*: where a list goes on; opaque to who asks (`page.rs`).

// The futures of an SDK's calls lie deep in one another.
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

/// What all answers are given from.
#[derive(Debug, Clone)]
pub struct Api(Arc<Parts>);

impl std::ops::Deref for Api {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The parts of an API.
pub struct Parts {
    /// The tables.
    pub store: Store,
    /// Takes in facts that are told directly.
    pub writer: FactWriter,
    /// The quarantined bodies.
    pub bodies: Box<dyn Bodies>,
    /// Orders to jobs.
    pub sweeps: Box<dyn Sweeps>,
    /// What time it is.
    pub clock: Clock,
    /// How far ahead a version takes effect where no instant is named.
    pub ahead_ms: i64,
    /// The time there is for a preview; as much as it takes, if none is given.
    pub preview_budget: Option<std::time::Duration>,
    /// Who may come in.
    pub auth: AuthMode,
    /// What Shopify signs webhooks with, if it sends any.
    pub shopify_secret: Option<shopify::Secret>,
    /// The shop that is meant where the caller names none and is of none.
    pub shop: Option<ShopId>,
    /// Held by whoever takes facts in, and alone by who changes what they are decided by; where one process does all.
    pub batch: Arc<RwLock<()>>,
    /// Told when something may have been recorded, to be announced; where one process does all.
    pub recorded: Arc<Notify>,
    /// Told when something may be due to be swept; where one process does all.
    pub due: Arc<Notify>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("store", &self.store).finish_non_exhaustive()
    }
}

/// What may be done to jobs, whoever works on them.
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
    /// An API of its parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The shop that is meant where none is named: the one given, or the only one there is.
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

/// Everything that is answered. `beside`: what only one machine answers.
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

/// The document that tells of the API, made of the handlers. It is committed as `docs/openapi.json`, and answered from there:
/// making it is more than all else that a function does at its start.
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
        "GET /openapi.json tells what can be asked, and GET /docs shows it"
    };
    Problem::new(ProblemCode::NotFound, "there is nothing here", remedy)
}

fn wrong_method() -> Problem {
    Problem::new(ProblemCode::MethodNotAllowed, "nothing is done here with this method", "see GET /docs")
}
