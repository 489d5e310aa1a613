//! The shop's identity. Many shops live in one deployment, and none ever touches the data of another.

mod alias;

pub use alias::{AliasError, Aliases};

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use thiserror::Error;

/// The maximum length of a shop's name in bytes: it begins every key.
pub const SHOP_BYTES_MAX: usize = 100;

/// The shop that `echelon canary` keeps.
pub const CANARY: &str = "canary";

/// A shop of the deployment, such as `acme.myshopify.com`: lower-case letters, digits, `.`, `-` and `_`.
///
/// It comes from the envelope of an event or from a token, never from a body (section 3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShopId(Arc<str>);

/// A text that is not a shop's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` names no shop: a shop's name has 1 to {SHOP_BYTES_MAX} small letters, digits, `.`, `-` or `_`")]
pub struct ShopIdError(String);

impl ShopId {
    /// Takes a text as a shop's name. Capital letters become lower case, as in domains.
    ///
    /// # Errors
    /// Says what a shop's name looks like.
    pub fn new(text: &str) -> Result<Self, ShopIdError> {
        let name = text.to_ascii_lowercase();
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
        if name.is_empty() || name.len() > SHOP_BYTES_MAX || !name.bytes().all(fits) {
            return Err(ShopIdError(text.chars().take(SHOP_BYTES_MAX).collect()));
        }
        Ok(Self(Arc::from(name)))
    }

    /// Whether this is the canary's shop. It has made-up members beside the real shops, and is never the default shop.
    pub fn is_canary(&self) -> bool {
        self.as_str() == CANARY
    }

    /// The place of the shop among `places` over which shops are spread, so that they take turns.
    pub fn place_among(&self, places: u8) -> u8 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        u8::try_from(hasher.finish() % u64::from(places.max(1))).unwrap_or_default()
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ShopId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0)
    }
}

impl serde::Serialize for ShopId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for ShopId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shop_is_named_as_domains_are() {
        assert_eq!(ShopId::new("Acme.myshopify.com").unwrap().as_str(), "acme.myshopify.com");
        for wrong in ["", "a shop", "acme#1", "acme/..", "ä", &"x".repeat(101)] {
            assert!(ShopId::new(wrong).is_err(), "{wrong}");
        }
    }
}
