//! The SDK's transport into this process.

use std::io;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use crate::engine::Engine;
use crate::{Answer, Intercept, Request};

pub(crate) fn client(engine: Arc<Engine>, intercept: Arc<dyn Intercept>) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Transport { engine, intercept });
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Clone, Debug)]
struct Transport {
    engine: Arc<Engine>,
    intercept: Arc<dyn Intercept>,
}

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let transport = self.clone();
        HttpConnectorFuture::new(async move { response(transport.answer(read(&request)?).await) })
    }
}

impl Transport {
    async fn answer(&self, request: Request) -> Answer {
        if let Some(instead) = self.intercept.before(&request).await {
            return instead;
        }
        let request = Arc::new(request);
        let answer = self.engine.answer(&request).await;
        self.intercept.after(&request, &answer).await.unwrap_or(answer)
    }
}

fn read(request: &HttpRequest) -> Result<Request, ConnectorError> {
    // `DynamoDB_20120810.PutItem`
    let target = request.headers().get("x-amz-target").and_then(|target| target.split_once('.'));
    let (Some((_, operation)), Some(body)) = (target, request.body().bytes()) else {
        return Err(ConnectorError::user("a request of no DynamoDB client".into()));
    };
    Ok(Request { operation: operation.to_owned(), body: body.to_owned() })
}

fn response(answer: Answer) -> Result<HttpResponse, ConnectorError> {
    match answer {
        Answer::Reply { status, body } => {
            let status = StatusCode::try_from(status).map_err(|error| ConnectorError::user(error.into()))?;
            let mut response = HttpResponse::new(status, SdkBody::from(body));
            response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
            Ok(response)
        }
        Answer::TimedOut => Err(ConnectorError::timeout(io::Error::from(io::ErrorKind::TimedOut).into())),
        Answer::Broken => Err(ConnectorError::io(io::Error::from(io::ErrorKind::ConnectionReset).into())),
    }
}
