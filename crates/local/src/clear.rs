//! Refuses ambiguous requests: ambiguous framing, repeated fields, conflicting authorities. A proxy in front of this
//! system may frame, route or attribute such a request in another way, and let another request pass within it (request
//! smuggling).

use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_ENCODING, HOST, TRANSFER_ENCODING};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_api::problem::{Problem, ProblemCode};

/// Header fields that decide where a request is routed, which caller it belongs to, how it is framed and decoded, and
/// whether it is carried out. Each may occur once.
const ONCE: [&str; 12] = [
    "host",
    "authorization",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "x-echelon-shop",
    "x-shopify-topic",
    "x-shopify-shop-domain",
    "x-shopify-hmac-sha256",
];

/// Lets unambiguous requests pass. Closes the connection after all others, and after chunked bodies.
pub async fn clear(request: Request, next: Next) -> Response {
    // A chunked request may also have had a Content-Length by which a proxy framed it. What follows on the connection
    // may be smuggled, and is not read.
    let is_last = request.headers().contains_key(TRANSFER_ENCODING);
    let (mut response, is_last) = match check(request.version(), request.uri(), request.headers()) {
        Ok(()) => (next.run(request).await, is_last),
        Err(problem) => (problem.into_response(), true),
    };
    if is_last {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn check(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(name) = ONCE.iter().find(|name| headers.get_all(**name).iter().count() > 1) {
        return Err(ambiguous(format!("`{name}`: the header field is repeated"), "send it once"));
    }
    // A value that is not text matches none of the expected values.
    let said = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match said(&HOST) {
        Some(host) => {
            let is_place = host.parse::<Authority>().is_ok_and(|read| !read.host().is_empty() && !host.contains('@'));
            if !is_place {
                return Err(ambiguous(
                    "`host`: it is neither a host name nor an address".to_owned(),
                    "name the host that the request is for",
                ));
            }
            if uri.authority().is_some_and(|asked| !asked.as_str().eq_ignore_ascii_case(host)) {
                return Err(ambiguous("`host`: the request target names another".to_owned(), "name one host in both"));
            }
        }
        None if version == Version::HTTP_10 => {}
        None => {
            return Err(ambiguous(
                "`host`: the header field is missing".to_owned(),
                "name the host that the request is for",
            ));
        }
    }
    if said(&TRANSFER_ENCODING).is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("chunked")) {
        return Err(ambiguous(
            "`transfer-encoding`: only `chunked` is supported".to_owned(),
            "send `chunked`, or a Content-Length",
        ));
    }
    if said(&CONTENT_ENCODING).is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity")) {
        let detail = "`content-encoding`: compressed bodies are not supported";
        return Err(Problem::new(ProblemCode::UnsupportedEncoding, detail, "send the body uncompressed"));
    }
    Ok(())
}

fn ambiguous(detail: String, remedy: &str) -> Problem {
    Problem::new(ProblemCode::AmbiguousRequest, detail, remedy)
}
