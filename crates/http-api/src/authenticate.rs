//! Authentication of callers, and the log of requests.

use std::time::Instant as Stopwatch;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::Api;
use crate::caller::{Caller, Scope};
use crate::token::{TokenKey, bearer};

/// The mode of authentication.
#[derive(Debug, Clone)]
pub enum AuthMode {
    /// API Gateway has verified the token of staff, and the function put a [`Caller`] into the request. Members send
    /// tokens signed with this key.
    Gateway(TokenKey),
    /// Every caller sends a token signed with this key.
    Tokens(TokenKey),
    /// A caller without a token may do anything. This is for one's own machine, and is reported loudly. Members' tokens
    /// are signed with this key.
    Open(TokenKey),
}

impl AuthMode {
    /// The key that signs members' tokens.
    pub fn key(&self) -> &TokenKey {
        match self {
            Self::Gateway(key) | Self::Tokens(key) | Self::Open(key) => key,
        }
    }
}

/// The request's id in logs, where the platform already gave it one.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Identifies the caller.
pub(crate) async fn authenticate(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    if request.extensions().get::<Caller>().is_none() {
        let token = bearer(request.headers());
        let theirs = token.and_then(|token| api.auth.key().caller(token, api.clock.now()));
        let caller = match (&api.auth, theirs) {
            (AuthMode::Tokens(_) | AuthMode::Open(_), Some(caller)) => Some(caller),
            (AuthMode::Gateway(_), Some(member @ Caller::Member { .. })) => Some(member),
            // Behind the gateway, staff use the tokens of the shop's identity provider.
            (AuthMode::Gateway(_), Some(Caller::Staff { .. }) | None) | (AuthMode::Tokens(_), None) => None,
            // A member whose token has ended must not get the rights of a caller without a token.
            (AuthMode::Open(_), None) if token.is_some() => None,
            (AuthMode::Open(_), None) => {
                Some(Caller::Staff { shop: None, scope: Scope::Admin, name: "echelon".to_owned() })
            }
        };
        if let Some(caller) = caller {
            request.extensions_mut().insert(caller);
        }
    }
    next.run(request).await
}

/// Gives each request an id, in the answer and in the log. The log has the route, never the content of the path.
pub(crate) async fn log_request(request: Request, next: Next) -> Response {
    let begun = Stopwatch::now();
    let given = request.extensions().get::<RequestId>().map(|RequestId(id)| id.clone());
    let id = given.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let mut response = next.run(request).await;
    let (status, ms) = (response.status().as_u16(), begun.elapsed().as_millis());
    tracing::info!(request_id = %id, %method, route = route.as_deref().unwrap_or("none"), status, ms, "answered");
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("X-Request-Id", id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    response
}
