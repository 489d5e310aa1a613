//! Protection of a system without tokens, which only programs on this machine may use. A browser sends what any web
//! page says to any address, and a foreign host name may be made to lead here. So the system answers only to its own
//! names, and refuses pages of other origins.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN, TRANSFER_ENCODING};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_api::problem::{Problem, ProblemCode};

/// The header in which a browser says where the page comes from.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Paths that pages of any origin may read: they contain nothing that is not public.
const PUBLIC: [&str; 4] = ["/docs", "/openapi.json", "/widget.js", "/health"];
/// Types of bodies that a page may send without a preflight request.
const UNASKED: [&str; 3] = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"];

/// The requests that an open system answers.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Names of this system, besides addresses and `localhost`.
    pub names: BTreeSet<String>,
    /// Origins whose pages may send requests, as given with `--cors`.
    pub origins: BTreeSet<String>,
}

impl Guard {
    /// Whether a request is to be answered.
    ///
    /// # Errors
    /// A problem that says why it is not.
    fn check(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Problem> {
        let said = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let host = said(&HOST).unwrap_or_default();
        let name = host.parse::<Authority>().map(|host| host.host().trim_matches(['[', ']']).to_ascii_lowercase());
        // Browsers do not send a user name in the host.
        let name = name.ok().filter(|_| !host.contains('@')).unwrap_or_default();
        // A page cannot make an address lead elsewhere, as it can with a name of its own.
        if !(name.parse::<IpAddr>().is_ok() || name == "localhost" || self.names.contains(&name)) {
            let remedy = "ask by address or as localhost; or name it with --host, or take tokens instead of --open";
            return Err(refused(format!("`Host`: `{host}` is not a name of this system"), remedy));
        }
        let is_web = |scheme: &str| matches!(scheme, "http" | "https");
        let is_own = |origin: &str| {
            origin.split_once("://").is_some_and(|(scheme, authority)| is_web(scheme) && authority == host)
        };
        if headers.get_all(ORIGIN).iter().count() > 1 {
            return Err(refused("`Origin`: there are several".to_owned(), "send one, or none"));
        }
        match said(&ORIGIN) {
            Some(origin) if !is_own(origin) && !self.origins.contains(origin) => {
                let detail = format!("`Origin`: pages of `{origin}` may not ask");
                return Err(refused(detail, "allow it with --cors, or take tokens instead of --open"));
            }
            Some(_) => {}
            None => {
                let is_foreign = said(&FETCH_SITE).is_some_and(|site| {
                    ["cross-site", "same-site"].iter().any(|foreign| site.eq_ignore_ascii_case(foreign))
                });
                if is_foreign && !(method == Method::GET && PUBLIC.contains(&path)) {
                    let remedy = "ask from a page of this system, or take tokens instead of --open";
                    return Err(refused("a page of another origin may not ask".to_owned(), remedy));
                }
            }
        }
        let kind =
            said(&CONTENT_TYPE).map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        // A page can also send a body without a type.
        let has_body =
            headers.contains_key(TRANSFER_ENCODING) || said(&CONTENT_LENGTH).is_some_and(|length| length != "0");
        let is_unasked = kind.as_deref().map_or(has_body, |kind| UNASKED.contains(&kind));
        if is_unasked && method != Method::GET {
            let remedy = "send `Content-Type: application/json`, as `curl --json` does";
            let detail = "with --open, a body has a type that no page can send unasked";
            return Err(Problem::new(ProblemCode::UnsupportedMediaType, detail, remedy));
        }
        Ok(())
    }
}

fn refused(detail: String, remedy: &str) -> Problem {
    Problem::new(ProblemCode::OriginNotAllowed, detail, remedy)
}

/// Answers the requests that the guard allows.
pub async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.check(request.method(), request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &Method, path: &str, headers: &[(&'static str, &str)]) -> u16 {
        let names = BTreeSet::from(["echelon.internal".to_owned()]);
        let guard = Guard { names, origins: BTreeSet::from(["https://shop.example.com".to_owned()]) };
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        guard.check(method, path, &headers.collect()).map_or_else(|problem| problem.status, |()| 200)
    }

    #[test]
    fn it_answers_to_its_own_name_alone() {
        for (host, expected) in [
            ("127.0.0.1:8700", 200),
            ("[::1]:8700", 200),
            ("192.168.1.5:8700", 200),
            ("localhost:8700", 200),
            ("LocalHost", 200),
            ("echelon.internal:8700", 200),
            ("a@localhost", 403),
            ("evil.example", 403),
            ("localhost.evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("", 403),
        ] {
            assert_eq!(status(&Method::GET, "/v1/members", &[("host", host)]), expected, "{host}");
        }
        assert_eq!(status(&Method::GET, "/v1/members", &[]), 403);
    }

    #[test]
    fn pages_of_other_origins_can_do_nothing() {
        let host = ("host", "127.0.0.1:8700");
        for (origin, expected) in [
            ("http://127.0.0.1:8700", 200),
            ("https://shop.example.com", 200),
            ("https://evil.example", 403),
            ("http://127.0.0.1:9000", 403),
            ("ftp://127.0.0.1:8700", 403),
            ("null", 403),
        ] {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                assert_eq!(status(&method, "/v1/facts", &[host, ("origin", origin)]), expected, "{method} {origin}");
            }
        }
        let cross = ("sec-fetch-site", "cross-site");
        assert_eq!(status(&Method::GET, "/v1/members", &[host, cross]), 403);
        assert_eq!(status(&Method::POST, "/clock", &[host, cross]), 403);
        assert_eq!(status(&Method::GET, "/docs", &[host, cross]), 200);
        assert_eq!(status(&Method::GET, "/v1/members", &[host, ("sec-fetch-site", "none")]), 200);
        for (kind, expected) in [
            ("text/plain;charset=UTF-8", 415),
            ("application/json", 200),
            ("text/csv", 200),
            ("multipart/form-data", 415),
        ] {
            assert_eq!(status(&Method::POST, "/events", &[host, ("content-type", kind)]), expected, "{kind}");
        }
        for (header, expected) in
            [(("content-length", "2"), 415), (("transfer-encoding", "chunked"), 415), (("content-length", "0"), 200)]
        {
            assert_eq!(status(&Method::POST, "/events", &[host, header]), expected, "{header:?} without a type");
        }
    }
}
