//! A request that can be read in two ways is read in none: a proxy in front of this may have let it pass for the other one.

use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_ENCODING, HOST, TRANSFER_ENCODING};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use web::problem::Problem;

/// What decides where a request goes, whose it is and how it is read, and so is said at most once.
const ONCE: [&str; 9] = [
    "host",
    "authorization",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "x-echelon-shop",
    "x-shopify-topic",
    "x-shopify-shop-domain",
    "x-shopify-hmac-sha256",
];

/// Answers what can be read in one way alone.
pub async fn clear(request: Request, next: Next) -> Response {
    // Beside chunks there may have been a length that somebody else went by: what follows on the connection is not believed.
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
        return Err(ambiguous(format!("`{name}`: there are several"), "send it once"));
    }
    // What is no text is none of the values that are asked for.
    let said = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match said(&HOST) {
        Some(host) => {
            let is_place = host.parse::<Authority>().is_ok_and(|read| !read.host().is_empty() && !host.contains('@'));
            if !is_place {
                return Err(ambiguous(
                    "`host`: it is no name and no address".to_owned(),
                    "send the host that is asked",
                ));
            }
            if uri.authority().is_some_and(|asked| !asked.as_str().eq_ignore_ascii_case(host)) {
                return Err(ambiguous("`host`: the request line names another".to_owned(), "name one host in both"));
            }
        }
        None if version == Version::HTTP_10 => {}
        None => return Err(ambiguous("`host`: there is none".to_owned(), "send the host that is asked")),
    }
    if said(&TRANSFER_ENCODING).is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("chunked")) {
        return Err(ambiguous("`transfer-encoding`: only `chunked` is read".to_owned(), "send `chunked`, or a length"));
    }
    if said(&CONTENT_ENCODING).is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity")) {
        let (status, detail) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "`content-encoding`: bodies are read as they are");
        return Err(Problem::new(
            status,
            "unsupported-encoding",
            "The encoding is not read",
            detail,
            "send it as it is",
        ));
    }
    Ok(())
}

fn ambiguous(detail: String, remedy: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "ambiguous-request", "The request can be read in two ways", detail, remedy)
}
