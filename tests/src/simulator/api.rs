//! The API, called while everything else goes on.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use engine::ingest::FactWriter;
use engine::sweep::Sweep;
use http_api::authenticate::AuthMode;
use http_api::caller::{Caller, Scope};
use http_api::token::TokenKey;
use http_api::{Api, Parts};
use serde_json::Value;
use store::shop::ShopId;
use tokio::sync::{Notify, RwLock};
use tower::ServiceExt;

use super::network::{Network, Role};
use super::process::{Ended, Host};
use crate::system::InMemoryQuarantine;

/// The lifetime of a token.
const LASTING_MS: i64 = 10 * 366 * 24 * 3_600_000;

/// A process that answers API requests.
pub struct Answering {
    host: Host,
    router: Router,
    key: TokenKey,
}

impl Answering {
    /// Starts a process.
    pub fn start(network: &Arc<Network>, role: Role) -> Self {
        let host = Host::start(network, role);
        let key = TokenKey::new("a key of thirty-two bytes or more").unwrap();
        let store = host.store();
        let sweep: Sweep<_> = host.sweep("api".to_owned());
        let api = Api::new(Parts {
            store: store.clone(),
            writer: FactWriter::new(store, host.clock.clone()).with_jitter_seed(0),
            bodies: Box::new(InMemoryQuarantine::default()),
            sweeps: Box::new(Arc::new(sweep)),
            clock: host.clock.clone(),
            ahead_ms: 90_000,
            preview_budget: None,
            auth: AuthMode::Tokens(key.clone()),
            shopify_secret: None,
            shop: None,
            batch: Arc::new(RwLock::default()),
            recorded: Arc::new(Notify::default()),
            due: Arc::new(Notify::default()),
        });
        Self { host, router: http_api::router(api, Router::new()), key }
    }

    /// Whether it is of an older deployment.
    pub fn is_outdated(&self) -> bool {
        self.host.is_outdated()
    }

    /// Sends a request; returns the status and the body of the answer.
    pub async fn ask(&self, shop: &ShopId, method: &str, path: &str, body: Option<&Value>) -> Ended<(u16, Value)> {
        let caller = Caller::Staff { shop: Some(shop.clone()), scope: Scope::Admin, name: "simulator".to_owned() };
        let token = self.key.sign(&caller, self.host.clock.now().plus_millis(LASTING_MS)).token;
        let request = Request::builder().method(method).uri(path);
        let request = request.header("Authorization", format!("Bearer {token}"));
        let request = request.header("Content-Type", "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let answering = async {
            let answer = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
            let (parts, body) = answer.into_parts();
            let bytes = to_bytes(body, usize::MAX).await.unwrap();
            (parts.status.as_u16(), serde_json::from_slice(&bytes).unwrap_or(Value::Null))
        };
        self.host.invoke(answering).await
    }
}
