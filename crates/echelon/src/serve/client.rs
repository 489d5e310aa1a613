//! A small HTTP client: plain HTTP, which is all that a machine needs to talk to itself or to a neighbour.

use std::time::Duration;

use axum::body::{Bytes, to_bytes};
use axum::http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client as Legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use thiserror::Error;

/// An answer takes at most so long, where nothing else is said.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// An answer has at most so many bytes.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// Asks one server.
#[derive(Debug, Clone)]
pub struct Client {
    http: Legacy<HttpConnector, Full<Bytes>>,
    base: String,
    answer_max: Duration,
    token: Option<String>,
}

impl Client {
    /// For a URL such as `http://127.0.0.1:8700`.
    ///
    /// # Errors
    /// Says what the URL has to look like.
    pub fn new(url: &str) -> Result<Self, String> {
        let uri: Option<Uri> = url.parse().ok();
        if uri.is_none_or(|uri| uri.scheme_str() != Some("http") || uri.authority().is_none()) {
            return Err(format!("`{url}` is no URL of plain HTTP, such as http://127.0.0.1:8700"));
        }
        let http = Legacy::builder(TokioExecutor::new()).build_http();
        Ok(Self { http, base: url.trim_end_matches('/').to_owned(), answer_max: ANSWER_MAX, token: None })
    }

    /// The same, for what may take longer.
    #[must_use]
    pub fn patient(self, answer_max: Duration) -> Self {
        Self { answer_max, ..self }
    }

    /// The same, by somebody who has a token.
    #[must_use]
    pub fn with_token(self, token: Option<&str>) -> Self {
        Self { token: token.map(str::to_owned), ..self }
    }

    /// The URL.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Asks for what is there.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), NoAnswer> {
        self.ask(Method::GET, path, Bytes::new(), &[]).await
    }

    /// Takes something away.
    ///
    /// # Errors
    /// [`NoAnswer`]; whether it is done is not known.
    pub async fn delete(&self, path: &str) -> Result<(StatusCode, Bytes), NoAnswer> {
        self.ask(Method::DELETE, path, Bytes::new(), &[]).await
    }

    /// Sends JSON there, with headers.
    ///
    /// # Errors
    /// [`NoAnswer`]; whether it arrived is not known.
    pub async fn post(
        &self,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> Result<(StatusCode, Bytes), NoAnswer> {
        self.ask(Method::POST, path, body.into(), headers).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> Result<(StatusCode, Bytes), NoAnswer> {
        let wrong = |what: &dyn std::fmt::Display| NoAnswer(format!("{}{path}: {what}", self.base));
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.header("content-type", "application/json").body(Full::new(body));
        let request = request.map_err(|error| wrong(&error))?;
        let asked = async {
            let answer = self.http.request(request).await.map_err(|error| wrong(&Causes(&error)))?;
            let (parts, body) = answer.into_parts();
            let body = to_bytes(axum::body::Body::new(body), BYTES_MAX).await.map_err(|error| wrong(&error))?;
            Ok((parts.status, body))
        };
        let late = |_| Err(wrong(&format!("no answer in {} s", self.answer_max.as_secs())));
        tokio::time::timeout(self.answer_max, asked).await.unwrap_or_else(late)
    }
}

/// An error with what caused it: hyper's own says little.
struct Causes<'a>(&'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
