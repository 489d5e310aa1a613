//! A small HTTP client, for requests to this machine, to a neighbor, or over HTTPS to a deployed system.

mod sigv4;

pub use sigv4::{Signer, UnsignedError, region_of};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes, to_bytes};
use axum::http::uri::InvalidUri;
use axum::http::{Method, Request, Response, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The maximum time of an answer, unless the client is patient.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The maximum size of an answer.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// The number of bytes that are read from an answer without interest, so that its connection can be used again.
const UNREAD_BYTES_MAX: usize = 64 * 1024;

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct RequestError(pub String);

/// Why a URL cannot be used. The errors show only scheme, host, port and path.
#[derive(Debug, Error)]
pub enum UrlError {
    /// The text is not a URL.
    #[error("that is not a URL such as http://127.0.0.1:8700 or https://example.com")]
    Unreadable(#[source] InvalidUri),
    /// The URL has another scheme, or no host.
    #[error("`{0}` is not a URL such as http://127.0.0.1:8700 or https://example.com")]
    NotHttp(String),
    /// The URL has a user or a password, which are not sent.
    #[error("`{0}` was given with a user or a password, which are not taken from a URL")]
    Login(String),
    /// The trusted certificates cannot be read.
    #[error("the certificates that this machine trusts cannot be read: {0}")]
    Roots(#[source] std::io::Error),
}

/// A text that must not be shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A client for one server.
#[derive(Clone)]
pub struct Client {
    http: Legacy<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    /// The URL as it may be shown.
    shown: String,
    answer_max: Duration,
    authorization: Option<Secret>,
    signer: Option<Signer>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.shown).finish()
    }
}

impl Client {
    /// A client for a URL such as `http://127.0.0.1:8700`, or for one of HTTPS, whose server must have a certificate
    /// that this machine trusts.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn new(url: &str) -> Result<Self, UrlError> {
        let uri: Uri = url.parse().map_err(UrlError::Unreadable)?;
        let shown = shown(&uri);
        let secure = match (uri.scheme_str(), uri.authority()) {
            (Some(scheme @ ("http" | "https")), Some(_)) => scheme == "https",
            _ => return Err(UrlError::NotHttp(shown)),
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(UrlError::Login(shown));
        }
        let http = Legacy::builder(TokioExecutor::new()).build(connector(secure).map_err(UrlError::Roots)?);
        let base = url.trim_end_matches('/').to_owned();
        Ok(Self { http, base, shown, answer_max: ANSWER_MAX, authorization: None, signer: None })
    }

    /// The same client, for requests that may take longer.
    #[must_use]
    pub fn patient(self, answer_max: Duration) -> Self {
        Self { answer_max, ..self }
    }

    /// The party for which the token asks: the shop that it names, or else a digest of its claims, which is the same in
    /// a newer token of the same caller. None without a token that can be decoded.
    pub fn on_behalf_of(&self) -> Option<String> {
        /// Claims that differ between two tokens of one caller.
        const PASSING: [&str; 7] = ["exp", "iat", "nbf", "jti", "auth_time", "origin_jti", "event_id"];
        let token = self.authorization.as_ref()?.as_str().rsplit(' ').next()?;
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        let mut claims: BTreeMap<String, Value> = serde_json::from_slice(&payload).ok()?;
        claims.retain(|claim, _| !PASSING.contains(&claim.as_str()));
        if let Some(Value::String(shop)) = claims.get("shop") {
            return Some(shop.clone());
        }
        let digest: [u8; 32] = Sha256::digest(serde_json::to_vec(&claims).ok()?).into();
        Some(digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect())
    }

    /// The same client, with a token.
    #[must_use]
    pub fn with_token(self, token: Option<&str>) -> Self {
        let authorization = token.map(|token| Secret(format!("Bearer {token}")));
        Self { authorization, ..self }
    }

    /// The same client, with this value of the header `Authorization`.
    #[must_use]
    pub fn with_authorization(self, authorization: Option<Secret>) -> Self {
        Self { authorization, ..self }
    }

    /// The same client, with requests signed for AWS.
    #[must_use]
    pub fn with_signer(self, signer: Option<Signer>) -> Self {
        Self { signer, ..self }
    }

    /// The host.
    pub fn host(&self) -> &str {
        let (_, behind) = self.shown.split_once("://").unwrap_or_default();
        behind.split([':', '/']).next().unwrap_or_default()
    }

    /// The URL as it may be shown: scheme, host, port and path.
    pub fn url(&self) -> &str {
        &self.shown
    }

    /// Sends a GET request.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn get(&self, path: &str) -> Result<(StatusCode, Bytes), RequestError> {
        self.ask(Method::GET, path, Bytes::new(), &[]).await
    }

    /// Sends a DELETE request.
    ///
    /// # Errors
    /// [`RequestError`]; then it is unknown whether it was carried out.
    pub async fn delete(&self, path: &str) -> Result<(StatusCode, Bytes), RequestError> {
        self.ask(Method::DELETE, path, Bytes::new(), &[]).await
    }

    /// Posts JSON, with headers.
    ///
    /// # Errors
    /// [`RequestError`]; then it is unknown whether it arrived.
    pub async fn post(
        &self,
        path: &str,
        body: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> Result<(StatusCode, Bytes), RequestError> {
        self.ask(Method::POST, path, body.into(), headers).await
    }

    /// Posts JSON to the URL itself, with headers. Only the status of the answer is looked at.
    ///
    /// # Errors
    /// [`RequestError`]; then it is unknown whether it arrived.
    pub async fn tell(&self, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> Result<StatusCode, RequestError> {
        let told = async {
            let (parts, body) = self.answer(Method::POST, "", body.into(), headers).await?.into_parts();
            // The status is known, so the rest of the answer may fail.
            let _ = to_bytes(body, UNREAD_BYTES_MAX).await;
            Ok(parts.status)
        };
        self.within("", told).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> Result<(StatusCode, Bytes), RequestError> {
        let asked = async {
            let (parts, body) = self.answer(method, path, body, headers).await?.into_parts();
            let body = to_bytes(body, BYTES_MAX).await;
            Ok((parts.status, body.map_err(|error| self.wrong(path, &error))?))
        };
        self.within(path, asked).await
    }

    async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, RequestError> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.as_str());
        }
        let request = request.header("content-type", "application/json").body(body);
        let (mut parts, body) = request.map_err(|error| self.wrong(path, &error))?.into_parts();
        if let Some(signer) = &self.signer {
            signer.sign(&mut parts, &body, SystemTime::now()).map_err(|error| self.wrong(path, &error))?;
        }
        let request = Request::from_parts(parts, Full::new(body));
        let answer = self.http.request(request).await.map_err(|error| self.wrong(path, &Causes(&error)))?;
        Ok(answer.map(Body::new))
    }

    /// The result of a request, unless it takes too long.
    async fn within<T>(
        &self,
        path: &str,
        asked: impl Future<Output = Result<T, RequestError>>,
    ) -> Result<T, RequestError> {
        let late = |_| Err(self.wrong(path, &format!("no answer in {} s", self.answer_max.as_secs())));
        tokio::time::timeout(self.answer_max, asked).await.unwrap_or_else(late)
    }

    fn wrong(&self, path: &str, what: &dyn fmt::Display) -> RequestError {
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        RequestError(format!("{}{path}: {what}", self.shown))
    }
}

/// A URL as it may be shown. The rest, such as a password or a key, is only for its server.
fn shown(uri: &Uri) -> String {
    let scheme = uri.scheme_str().map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}{host}{port}{}", uri.path()).trim_end_matches('/').to_owned()
}

/// A connector that trusts the certificates that this machine trusts; without TLS, none.
fn connector(secure: bool) -> std::io::Result<HttpsConnector<HttpConnector>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let connector = HttpsConnectorBuilder::new();
    let connector = if secure {
        connector.with_provider_and_native_roots(provider)?
    } else {
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(std::io::Error::other)?.with_root_certificates(RootCertStore::empty());
        connector.with_tls_config(config.with_no_client_auth())
    };
    Ok(connector.https_or_http().enable_http1().build())
}

/// An error with its causes, because hyper's own text says little.
struct Causes<'a>(&'a (dyn std::error::Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_has_for_its_server_alone_is_never_told() {
        let client = Client::new("http://example.com:81/hook/?key=hush").unwrap();
        assert_eq!(client.url(), "http://example.com:81/hook");
        assert_eq!(client.host(), "example.com");
        assert!(!format!("{client:?}").contains("hush"));
        let error = client.wrong("/v1/facts?shop=acme", &"no answer");
        assert_eq!(error.to_string(), "http://example.com:81/hook/v1/facts: no answer");
        for (url, said) in [
            ("http://anna:hush@example.com/hook?key=hush", "`http://example.com/hook` was given with a user"),
            ("https://hush@example.com", "`https://example.com` was given with a user"),
            ("ftp://anna:hush@example.com/?hush", "`ftp://example.com` is not a URL"),
            ("anna:hush", "is not a URL"),
            ("http://example.com/ hush", "is not a URL"),
            ("hush", "is not a URL"),
        ] {
            let error = Client::new(url).unwrap_err();
            assert!(error.to_string().contains(said), "{url}: {error}");
            assert!(url == "hush" || !format!("{error} {error:?}").contains("hush"), "{url}: {error:?}");
        }
    }
}
