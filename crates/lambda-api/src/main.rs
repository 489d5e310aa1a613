//! Lambda: the HTTP API. API Gateway has checked the token, and its result identifies the caller.

// The futures of the SDK's calls are deeply nested.
#![recursion_limit = "256"]

mod gateway;

use std::sync::Arc;
use std::time::Duration;

use aws::Variable;
use aws::function::{now, variable};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use engine::clock::Clock;
use engine::ingest::FactWriter;
use engine::telemetry;
use http_api::authenticate::{AuthMode, RequestId};
use http_api::problem::Problem;
use http_api::shopify::Secret;
use http_api::token::TokenKey;
use http_api::{Api, Parts};
use lambda_http::request::RequestContext;
use lambda_http::tower::ServiceBuilder;
use lambda_http::{Adapter, Error, RequestExt, lambda_runtime};
use store::SETTLED_MS;

/// The time limit of a preview. API Gateway waits for 30 s at most: a preview that takes longer is given in parts.
const PREVIEW: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init(&variable("RUST_LOG").unwrap_or_default());
    let shop_claim = variable("SHOP_CLAIM").unwrap_or_else(|| "shop".to_owned());
    let known = from_fn(move |request, next| known(shop_claim.clone(), request, next));
    let router = http_api::router(api(variable)?, Router::new()).layer(known);
    let service = ServiceBuilder::new().map_request(gateway::encoded).service(Adapter::from(router));
    lambda_runtime::run(service).await
}

fn api(variable: Variable) -> Result<Api, Error> {
    let (config, clock) = (aws::config(variable)?, Clock::new(now));
    let store = aws::store(&config, variable)?;
    Ok(Api::new(Parts {
        writer: FactWriter::new(store.clone(), clock.clone()),
        sweeps: Box::new(Arc::new(aws::sweep(&config, variable, store.clone(), clock.clone())?)),
        bodies: Box::new(aws::bodies(&config, variable, store.clone(), clock.clone())?),
        store,
        clock,
        ahead_ms: SETTLED_MS,
        preview_budget: Some(PREVIEW),
        auth: AuthMode::Gateway(TokenKey::new(aws::need(variable, "TOKEN_KEY")?)?),
        shopify_secret: variable("SHOPIFY_SECRET").as_deref().map(Secret::new).transpose()?,
        shop: None,
        batch: Arc::default(),
        recorded: Arc::default(),
        due: Arc::default(),
    }))
}

/// Passes the caller that the gateway identified to the API. A path that was resolved on the way (`..`) is not the one
/// that was sent, and may be another member's.
async fn known(shop_claim: String, mut request: Request, next: Next) -> Response {
    if request.uri().path() != request.raw_http_path() {
        return Problem::field("the path", "has `.` or `..` for a name").into_response();
    }
    if let Some(RequestContext::ApiGatewayV2(context)) = request.extensions().get::<RequestContext>().cloned() {
        let found = gateway::caller(&context, &shop_claim);
        let extensions = request.extensions_mut();
        found.map(|caller| extensions.insert(caller));
        context.request_id.map(|id| extensions.insert(RequestId(id)));
    }
    next.run(request).await
}
