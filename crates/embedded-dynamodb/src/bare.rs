//! Switches off the SDK's work that is useless inside one process: headers for a remote service, and the search for its
//! endpoint. That is a tenth of the cost of a request.

use aws_runtime::invocation_id::InvocationIdInterceptor;
use aws_runtime::request_info::RequestInfoInterceptor;
use aws_runtime::service_clock_skew::ServiceClockSkewInterceptor;
use aws_runtime::user_agent::UserAgentInterceptor;
use aws_sdk_dynamodb::config::endpoint::{Endpoint, EndpointFuture, Params, ResolveEndpoint};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, disable_interceptor, dyn_dispatch_hint};
use aws_smithy_types::config_bag::ConfigBag;

/// Switches off interceptors whose headers have no reader, or no writer.
#[derive(Debug)]
pub(crate) struct Bare;

#[dyn_dispatch_hint]
impl Intercept for Bare {
    fn name(&self) -> &'static str {
        "Bare"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        settings: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        const CAUSE: &str = "the request stays in this process";
        let state = settings.interceptor_state();
        state.store_put(disable_interceptor::<UserAgentInterceptor>(CAUSE));
        state.store_put(disable_interceptor::<RequestInfoInterceptor>(CAUSE));
        state.store_put(disable_interceptor::<InvocationIdInterceptor>(CAUSE));
        state.store_put(disable_interceptor::<ServiceClockSkewInterceptor>(CAUSE));
        Ok(())
    }
}

/// Resolves the endpoint of every request to the same address, which is never used.
#[derive(Debug)]
pub(crate) struct Here(Endpoint);

impl Here {
    pub(crate) fn new() -> Self {
        Self(Endpoint::builder().url("http://embedded.invalid").build())
    }
}

impl ResolveEndpoint for Here {
    fn resolve_endpoint<'a>(&'a self, _: &'a Params) -> EndpointFuture<'a> {
        EndpointFuture::ready(Ok(self.0.clone()))
    }
}
