//! Tokens that Echelon signs itself: for members, and for operators of a single machine. In AWS, staff use tokens of
//! the shop's own identity provider, which API Gateway has verified.
//!
//! A token is a JWT of one kind only, HS256. Its header is compared with a constant and never interpreted, so that no
//! sender can choose another algorithm. That is the whole implementation; a JWT library that supports all algorithms
//! would be larger.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use rules::calendar::Instant;
use rules::id::MemberId;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use store::shop::ShopId;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::caller::{Caller, Scope};
use crate::register::{Register, Says, TokenId};

/// `{"alg":"HS256","typ":"JWT"}`
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
/// The issuer of these tokens.
const ISSUER: &str = "echelon";
/// The minimum number of bytes of a key: the size of a digest.
pub const KEY_BYTES_MIN: usize = 32;

/// The key that tokens are signed with.
#[derive(Clone)]
pub struct TokenKey {
    key: Vec<u8>,
    /// The previous key, whose tokens stay valid until they end.
    before: Option<Vec<u8>>,
    /// The tokens that are known, and those that are revoked.
    register: Register,
}

/// The text is too short for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key for tokens has at least {KEY_BYTES_MIN} bytes, this one has {0}")]
pub struct TokenKeyError(usize);

/// The claims of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    iss: String,
    /// When it ends, in seconds since 1970.
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shop: Option<ShopId>,
    /// For staff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    /// The member's id, or the name of the staff member in the audit.
    sub: String,
    /// Makes each token of staff unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jti: Option<Uuid>,
}

/// A member's token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberToken {
    /// The token, which the member's browser sends as `Authorization: Bearer TOKEN`.
    pub token: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Instant,
}

impl TokenKey {
    /// A key made from a secret.
    ///
    /// # Errors
    /// [`TokenKeyError`].
    pub fn new(secret: impl Into<Vec<u8>>) -> Result<Self, TokenKeyError> {
        let secret = secret.into();
        if secret.len() < KEY_BYTES_MIN { Err(TokenKeyError(secret.len())) } else { Ok(Self::of(secret)) }
    }

    /// A random key of 366 bits, known only to this process.
    pub fn made_up() -> Self {
        let ids = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
        Self::of(ids.iter().flat_map(|id| id.into_bytes()).collect())
    }

    fn of(key: Vec<u8>) -> Self {
        Self { key, before: None, register: Register::default() }
    }

    /// The register of known and revoked tokens.
    pub fn register(&self) -> &Register {
        &self.register
    }

    /// The same key, which also accepts tokens that the previous key signed. So a key is replaced without ending any
    /// token at once.
    #[must_use]
    pub fn after(self, before: Self) -> Self {
        Self { before: Some(before.key), ..self }
    }

    /// A token for a caller, valid until an instant.
    pub fn sign(&self, caller: &Caller, until: Instant) -> MemberToken {
        let (shop, scope, sub) = match caller {
            Caller::Staff { shop, scope, name } => (shop.clone(), Some(*scope), name.clone()),
            Caller::Member { shop, member } => (Some(shop.clone()), None, member.to_string()),
        };
        let exp = until.millis().div_euclid(1_000);
        // Each token is unique, even with the same claims, so that it can be revoked by itself.
        let jti = matches!(caller, Caller::Staff { .. }).then(Uuid::now_v7);
        let claims = Claims { iss: ISSUER.to_owned(), exp, shop, scope, sub, jti };
        let signed = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).unwrap_or_default()));
        let signature =
            mac(&self.key, signed.as_bytes()).map(|mac| URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()));
        let token = format!("{signed}.{}", signature.unwrap_or_default());
        MemberToken { token, expires_at: Instant::from_millis(exp * 1_000) }
    }

    /// The caller of a token, if it was signed with this key, has not ended and is not revoked.
    pub fn caller(&self, token: &str, now: Instant) -> Option<Caller> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        // Compared in constant time.
        let has_signed =
            |key: &Vec<u8>| mac(key, signed.as_bytes()).is_some_and(|mac| mac.verify_slice(&signature).is_ok());
        if !has_signed(&self.key) && !self.before.as_ref().is_some_and(has_signed) {
            return None;
        }
        let claims = signed.strip_prefix(HEADER)?.strip_prefix('.')?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let Claims { iss, exp, shop, scope, sub, jti: _ } = claims;
        let expires_at = Instant::from_millis(exp.checked_mul(1_000)?);
        if iss != ISSUER || now >= expires_at {
            return None;
        }
        let says = scope.map(|scope| Says { name: sub.clone(), scope, shop: shop.clone(), expires_at });
        if !self.register.admits(TokenId::of(signed), says, now) {
            return None;
        }
        match scope {
            Some(scope) => Some(Caller::Staff { shop, scope, name: sub }),
            None => Some(Caller::Member { shop: shop?, member: MemberId::new(&sub).ok()? }),
        }
    }
}

fn mac(key: &[u8], bytes: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(bytes);
    Some(mac)
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

/// The bearer token of a request.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let said = headers.get("Authorization")?.to_str().ok()?;
    let (kind, token) = said.split_once(' ')?;
    kind.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> TokenKey {
        TokenKey::new(vec![byte; 32]).unwrap()
    }

    fn at(seconds: i64) -> Instant {
        Instant::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_token_names_its_caller_until_it_ends() {
        let shop = ShopId::new("acme").unwrap();
        let member = Caller::Member { shop: shop.clone(), member: MemberId::new("anna").unwrap() };
        let staff = Caller::Staff { shop: Some(shop), scope: Scope::Write, name: "jo".to_owned() };
        let operator = Caller::Staff { shop: None, scope: Scope::Admin, name: "op".to_owned() };
        for caller in [member, staff, operator] {
            let MemberToken { token, expires_at } = key(1).sign(&caller, at(100));
            assert_eq!(expires_at, at(100));
            assert_eq!(key(1).caller(&token, at(99)), Some(caller));
            assert_eq!(key(1).caller(&token, at(100)), None, "it has ended");
            assert_eq!(key(2).caller(&token, at(99)), None, "another key");
        }
    }

    #[test]
    fn two_tokens_of_staff_that_say_the_same_are_two() {
        let operator = Caller::Staff { shop: None, scope: Scope::Admin, name: "op".to_owned() };
        assert_ne!(key(1).sign(&operator, at(100)), key(1).sign(&operator, at(100)));
    }

    #[test]
    fn a_key_is_replaced_without_ending_tokens_until_the_one_before_is_left_out() {
        let operator = Caller::Staff { shop: None, scope: Scope::Admin, name: "op".to_owned() };
        let before = key(1).sign(&operator, at(100)).token;
        let both = key(2).after(key(1));
        assert_eq!(both.caller(&before, at(0)), Some(operator.clone()));
        let now = both.sign(&operator, at(100)).token;
        assert_eq!((key(2).caller(&now, at(0)), key(1).caller(&now, at(0))), (Some(operator), None));
        assert_eq!(key(2).caller(&before, at(0)), None);
    }

    #[test]
    fn a_token_that_was_changed_or_names_another_algorithm_is_refused() {
        let caller = Caller::Member { shop: ShopId::new("acme").unwrap(), member: MemberId::new("anna").unwrap() };
        let MemberToken { token, .. } = key(1).sign(&caller, at(100));
        let [_, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let said = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let other = URL_SAFE_NO_PAD.encode(said.replace("anna", "bert"));
        assert_ne!(other, claims);
        for wrong in [
            String::new(),
            "a.b.c".to_owned(),
            format!("{HEADER}.{claims}."),
            format!("{HEADER}.{claims}"),
            format!("{none}.{claims}.{signature}"),
            format!("{none}.{claims}."),
            format!("{HEADER}.{other}.{signature}"),
        ] {
            assert_eq!(key(1).caller(&wrong, at(0)), None, "{wrong}");
        }
        assert_eq!(TokenKey::new("short").unwrap_err(), TokenKeyError(5));
    }
}
