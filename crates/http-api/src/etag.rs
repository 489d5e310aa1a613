//! ETags: answers name the state that they describe, so that the same state is not sent twice and no change is
//! overwritten unseen.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The ETag of a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etag(String);

impl Etag {
    /// The tag of a state that has a name of its own.
    pub fn named(name: impl std::fmt::Display) -> Self {
        Self(format!("\"{name}\""))
    }

    /// The tag of a state that is known only by its content: a digest of its JSON.
    pub fn of(told: &impl Serialize) -> Self {
        let digest: [u8; 32] = Sha256::digest(serde_json::to_vec(told).unwrap_or_default()).into();
        Self::named(URL_SAFE_NO_PAD.encode(digest.get(..12).unwrap_or_default()))
    }

    /// Whether a header such as `If-Match` names this state, or any.
    pub fn is_in(&self, headers: &HeaderMap, name: header::HeaderName) -> Option<bool> {
        let said = headers.get(name)?.to_str().unwrap_or_default();
        let is_this = |one: &str| one == "*" || one.strip_prefix("W/").unwrap_or(one) == self.0;
        Some(said.split(',').map(str::trim).any(is_this))
    }

    /// An answer with this tag; 304 if the caller knows the state already.
    pub fn answer(&self, headers: &HeaderMap, answer: impl IntoResponse) -> Response {
        let mut response = match self.is_in(headers, header::IF_NONE_MATCH) {
            Some(true) => StatusCode::NOT_MODIFIED.into_response(),
            Some(false) | None => answer.into_response(),
        };
        if let Ok(tag) = HeaderValue::from_str(&self.0) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_known_by_its_name_weak_or_not_and_any_is_any() {
        let tag = Etag::named("3");
        for (said, is_in) in
            [("\"3\"", true), ("W/\"3\"", true), ("\"1\", \"3\"", true), ("*", true), ("\"4\"", false), ("3", false)]
        {
            let headers = HeaderMap::from_iter([(header::IF_MATCH, said.parse().unwrap())]);
            assert_eq!(tag.is_in(&headers, header::IF_MATCH), Some(is_in), "{said}");
        }
        assert_eq!(tag.is_in(&HeaderMap::new(), header::IF_MATCH), None);
        assert_eq!(Etag::of(&"a"), Etag::of(&"a"));
        assert_ne!(Etag::of(&"a"), Etag::of(&"b"));
    }
}
