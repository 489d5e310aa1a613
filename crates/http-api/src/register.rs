//! The staff tokens that were used, and those that are revoked. A token is signed, so it is valid without being
//! registered. It is listed from its first use on, and it can be revoked by its id, used or not.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rules::calendar::Instant;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::shop::ShopId;

use crate::caller::Scope;

/// The interval in which a token's uses are noted.
const NOTED_EVERY_MS: i64 = 5 * 60 * 1_000;

/// The id of a token. Knowing it does not let a caller in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(String);

/// The text is neither the id of a token nor a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither the id of a token, which is 32 digits from 0 to f, nor a token")]
pub struct TokenIdError;

impl TokenId {
    /// The id of the token whose signed part this is.
    pub(crate) fn of(signed: &str) -> Self {
        let digest = Sha256::digest(signed.as_bytes());
        Self(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// Reads an id, or computes the id of a token.
    ///
    /// # Errors
    /// [`TokenIdError`].
    pub fn read(text: &str) -> Result<Self, TokenIdError> {
        if let Some((signed, _)) = text.rsplit_once('.').filter(|(signed, _)| signed.contains('.')) {
            return Ok(Self::of(signed));
        }
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for TokenId {
    type Error = TokenIdError;

    fn try_from(text: String) -> Result<Self, TokenIdError> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 32 && text.bytes().all(is_digit) { Ok(Self(text)) } else { Err(TokenIdError) }
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The information about a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The token's id.
    pub id: TokenId,
    /// The token's claims; none if it was revoked before it was used.
    #[serde(flatten)]
    pub says: Option<Says>,
    /// When the token was used for the first time.
    pub first_used_at: Option<Instant>,
    /// When the token was last used, to within five minutes.
    pub last_used_at: Option<Instant>,
    /// When the token was revoked, if it was.
    pub revoked_at: Option<Instant>,
}

/// The claims of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Says {
    /// The name of its holder in the audit.
    pub name: String,
    /// The scope that it permits.
    pub scope: Scope,
    /// The only shop that it is for; none if it is for all shops.
    pub shop: Option<ShopId>,
    /// When it ends.
    pub expires_at: Instant,
}

/// The known tokens. All clones share the same register.
#[derive(Debug, Clone, Default)]
pub struct Register(Arc<Mutex<Tokens>>);

#[derive(Debug, Default)]
struct Tokens {
    known: BTreeMap<TokenId, Known>,
    /// The tokens with changes that are still to be stored.
    changed: Vec<TokenId>,
}

impl Register {
    /// Adds what was stored by this process or another. A token that is revoked stays revoked.
    pub fn load(&self, known: impl IntoIterator<Item = Known>) {
        let mut tokens = self.tokens();
        for known in known {
            let token = tokens.known.entry(known.id.clone()).or_insert_with(|| known.clone());
            token.revoked_at = token.revoked_at.or(known.revoked_at);
            token.last_used_at = token.last_used_at.max(known.last_used_at);
        }
    }

    /// Whether a token with these claims lets its caller in. The use is noted.
    pub(crate) fn admits(&self, id: TokenId, says: Option<Says>, now: Instant) -> bool {
        let mut tokens = self.tokens();
        let Tokens { known, changed } = &mut *tokens;
        if known.get(&id).is_some_and(|known| known.revoked_at.is_some()) {
            return false;
        }
        // Members' tokens are made for each visit, and are not listed.
        let Some(says) = says else { return true };
        let new =
            || Known { id: id.clone(), says: None, first_used_at: Some(now), last_used_at: None, revoked_at: None };
        let token = known.entry(id.clone()).or_insert_with(new);
        token.says = Some(says);
        if token.last_used_at.is_none_or(|at| now.millis() - at.millis() >= NOTED_EVERY_MS) {
            token.last_used_at = Some(now);
            changed.push(id);
        }
        true
    }

    /// Revokes a token from now on, for good.
    pub fn revoke(&self, id: &TokenId, now: Instant) -> Known {
        let mut tokens = self.tokens();
        let new = || Known { id: id.clone(), says: None, first_used_at: None, last_used_at: None, revoked_at: None };
        let token = tokens.known.entry(id.clone()).or_insert_with(new);
        token.revoked_at.get_or_insert(now);
        token.clone()
    }

    /// The known tokens that have not ended, in the order of their names.
    pub fn list(&self, now: Instant) -> Vec<Known> {
        let name = |known: &Known| known.says.as_ref().map(|says| says.name.clone());
        let mut all: Vec<Known> = self.tokens().known.values().filter(|known| !known.has_ended(now)).cloned().collect();
        all.sort_by_key(|known| (name(known), known.id.clone()));
        all
    }

    /// Notes that a token's entry is still to be stored.
    pub fn is_changed(&self, id: TokenId) {
        self.tokens().changed.push(id);
    }

    /// The changed tokens since the last call, to be stored.
    pub fn take_changed(&self) -> Vec<Known> {
        let mut tokens = self.tokens();
        let changed = std::mem::take(&mut tokens.changed);
        changed.iter().filter_map(|id| tokens.known.get(id).cloned()).collect()
    }

    /// Forgets tokens that have ended, unless they are revoked: after a clock that was ahead is set right, a forgotten
    /// revocation would let them in again.
    pub fn forget_ended(&self, now: Instant) -> Vec<TokenId> {
        let mut tokens = self.tokens();
        let is_over = |known: &&Known| known.has_ended(now) && known.revoked_at.is_none();
        let ended: Vec<TokenId> = tokens.known.values().filter(is_over).map(|known| known.id.clone()).collect();
        ended.iter().for_each(|id| drop(tokens.known.remove(id)));
        ended
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn has_ended(&self, now: Instant) -> bool {
        self.says.as_ref().is_some_and(|says| says.expires_at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(steps: i64) -> Instant {
        Instant::from_millis(steps * NOTED_EVERY_MS)
    }

    fn says(name: &str, until: i64) -> Option<Says> {
        Some(Says { name: name.to_owned(), scope: Scope::Read, shop: None, expires_at: at(until) })
    }

    #[test]
    fn a_token_is_listed_from_its_first_use_until_it_ends() {
        let register = Register::default();
        assert!(register.admits(TokenId::of("a.b"), says("till", 9), at(0)));
        assert_eq!(register.take_changed().len(), 1);
        assert!(register.admits(TokenId::of("a.b"), says("till", 9), at(0)));
        assert_eq!(register.take_changed(), [], "it was noted just before");
        assert!(register.admits(TokenId::of("a.b"), says("till", 9), at(1)));
        let [known] = &register.list(at(8))[..] else { panic!("{register:?}") };
        assert_eq!((known.first_used_at, known.last_used_at), (Some(at(0)), Some(at(1))));
        assert_eq!(register.list(at(9)), []);
        assert_eq!(register.forget_ended(at(9)), [TokenId::of("a.b")]);
    }

    #[test]
    fn a_revoked_token_is_refused_used_or_not_and_is_kept() {
        let register = Register::default();
        for token in ["a.b", "c.d"] {
            let id = TokenId::of(token);
            if token == "a.b" {
                assert!(register.admits(id.clone(), says("till", 9), at(0)));
            }
            assert_eq!(register.revoke(&id, at(1)).revoked_at, Some(at(1)));
            assert_eq!(register.revoke(&id, at(2)).revoked_at, Some(at(1)), "it was before");
            assert!(!register.admits(id, says("till", 9), at(2)));
        }
        let told = serde_json::to_value(register.list(at(2))).unwrap();
        let again = Register::default();
        again.load(serde_json::from_value::<Vec<Known>>(told).unwrap());
        assert_eq!(again.list(at(2)), register.list(at(2)));
        assert!(!again.admits(TokenId::of("c.d"), says("till", 9), at(2)));
        // A clock that is ahead says that they have ended. The right clock says that they have not.
        assert_eq!(again.forget_ended(at(99)), []);
        assert!(!again.admits(TokenId::of("a.b"), says("till", 9), at(3)));
    }

    #[test]
    fn an_id_is_read_or_taken_from_a_token() {
        let id = TokenId::of("head.claims");
        assert_eq!(TokenId::read("head.claims.signature"), Ok(id.clone()));
        assert_eq!(TokenId::read(&id.to_string()), Ok(id));
        for text in ["", "a", "a.b", &"A".repeat(32), &"0".repeat(33)] {
            assert_eq!(TokenId::read(text), Err(TokenIdError), "{text}");
        }
    }
}
