//! Member ids in paths. An id is any text, but a path is not. API Gateway hands over paths decoded, so an encoded slash
//! arrives as a slash, and clients resolve `..` before they send. Therefore an id has two forms in a path:
//!
//! - plain: percent-encoded as usual, if no character of the id has a meaning in paths;
//! - encoded: `~` and its UTF-8 in base64url without padding, which is safe everywhere: `gid://shopify/Customer/7` is
//!   `~Z2lkOi8vc2hvcGlmeS9DdXN0b21lci83`. An id that begins with `~` has only this form.

use std::borrow::Cow;

use axum::extract::{FromRef, FromRequestParts, MatchedPath};
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rules::id::MemberId;
use store::StoredMember;

use crate::Api;
use crate::authenticate::AuthMode;
use crate::caller::{Authorized, Read};
use crate::extract::{IN_PATHS, Path};
use crate::problem::Problem;

/// The first character of the encoded form.
const ENCODED: char = '~';
/// The parameter for a member's id in the routes.
const MEMBER: &str = "{member_id}";
/// The remedy for an id that has no plain form.
const REMEDY: &str = "write the id as `~` and its UTF-8 in base64url without padding, as GET /docs shows";

/// A member's id as a segment of a path: plain where that is safe, otherwise encoded.
pub fn segment(id: &MemberId) -> Cow<'_, str> {
    let text = id.as_str();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@' | b':');
    if text.bytes().all(is_plain) && text != "." && text != ".." {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{ENCODED}{}", URL_SAFE_NO_PAD.encode(text)))
    }
}

/// Decodes a segment that is already percent-decoded.
fn read(segment: &str) -> Result<MemberId, String> {
    let Some(encoded) = segment.strip_prefix(ENCODED) else {
        return MemberId::new(segment).map_err(|error| error.to_string());
    };
    let wrong = || format!("`{segment}` begins with `~`, and what follows is not the base64url of an id");
    let text = URL_SAFE_NO_PAD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    MemberId::new(&text.ok_or_else(wrong)?).map_err(|error| error.to_string())
}

/// The member that a path names.
#[derive(Debug)]
pub(crate) struct Named(pub MemberId);

impl<S: Send + Sync> FromRequestParts<S> for Named
where
    Api: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(said) = Path::<String>::from_request_parts(parts, state).await?;
        let wrong = |message: String| {
            let remedy = if said.starts_with(ENCODED) { REMEDY } else { IN_PATHS };
            Problem::bad(format!("`member_id`: {message}"), remedy).at("member_id", message)
        };
        let member = read(&said).map_err(wrong)?;
        // A caller that does not know the encoded form may mean a member whose id looks like it.
        let other = if said.starts_with(ENCODED) {
            MemberId::new(&said).ok()
        } else if matches!(Api::from_ref(state).auth, AuthMode::Gateway(_)) {
            longer(parts, &member)
        } else {
            None
        };
        if let Some(other) = other.filter(|other| *other != member) {
            is_no_member(parts, state, &other).await?;
        }
        Ok(Self(member))
    }
}

/// The other reading of a path behind the gateway: `a/explain` is the member `a` and a resource of theirs, or a member
/// of that name whose slash was sent encoded.
fn longer(parts: &Parts, member: &MemberId) -> Option<MemberId> {
    let route = parts.extensions.get::<MatchedPath>()?;
    let (_, behind) = route.as_str().split_once(MEMBER)?;
    MemberId::new(&format!("{member}{behind}")).ok()
}

/// Refuses a path that could also mean another existing member, so that the caller never sees the wrong member.
async fn is_no_member<S: Send + Sync>(parts: &mut Parts, state: &S, other: &MemberId) -> Result<(), Problem>
where
    Api: FromRef<S>,
{
    let Authorized { shop, .. } = Authorized::<Read>::from_request_parts(parts, state).await?;
    let found = Api::from_ref(state).store.members(&shop, [other.clone()]).await?.remove(other);
    if found.is_some_and(|stored| !matches!(stored, StoredMember::Absent)) {
        let message = format!("there is a member `{other}` too, and this path could mean either");
        return Err(Problem::bad(format!("`member_id`: {message}"), REMEDY).at("member_id", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_read_from_its_segment_and_from_no_other() {
        let ids = [
            "anna",
            "anna@example.com",
            "gid://shopify/Customer/7",
            "a b",
            "~",
            "~YQ",
            "%",
            "%2F",
            "a#x",
            "a?x",
            ".",
            "..",
            "../b",
            "a/explain",
            "Ü",
            "日本",
            "a\\b",
            "a;b",
            "a+b",
            "&",
            "'",
            "1",
        ];
        for id in ids {
            let member = MemberId::new(id).unwrap();
            let segment = segment(&member);
            assert_eq!(read(&segment), Ok(member.clone()), "{id}");
            assert!(segment.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#%\\".contains(&byte)), "{segment}");
            let encoded = format!("~{}", URL_SAFE_NO_PAD.encode(id));
            assert_eq!(read(&encoded), Ok(member), "{id}");
        }
        assert_eq!(segment(&MemberId::new("gid://shopify/Customer/7").unwrap()), "~Z2lkOi8vc2hvcGlmeS9DdXN0b21lci83");
        assert_eq!(segment(&MemberId::new("anna@example.com").unwrap()), "anna@example.com");
        for wrong in ["~", "~?", "~YQ==", "~_w", "~Cg", "", " "] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
