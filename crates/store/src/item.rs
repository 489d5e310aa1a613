//! Items of the database: attributes by name. Errors name the item and the attribute.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::StoreError;
use super::key::{self, Key};

/// The attributes of an item.
pub type Attributes = HashMap<String, AttributeValue>;

/// The attribute with an item's own version.
pub(super) const VERSION: &str = "v";

/// An item being written or read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Item(pub Attributes);

impl Item {
    /// An item with nothing but its key.
    pub fn at(key: &Key) -> Self {
        Self::default().text(key::PK, &key.pk).text(key::SK, &key.sk)
    }

    /// Adds a text.
    #[must_use]
    pub fn text(mut self, name: &str, text: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::S(text.into()));
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn number(mut self, name: &str, number: impl ToString) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::N(number.to_string()));
        self
    }

    /// Adds bytes.
    #[must_use]
    pub fn bytes(mut self, name: &str, bytes: Vec<u8>) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::B(Blob::new(bytes)));
        self
    }

    /// Adds a list of texts.
    #[must_use]
    pub fn texts(mut self, name: &str, texts: impl IntoIterator<Item = String>) -> Self {
        let texts = texts.into_iter().map(AttributeValue::S).collect();
        self.0.insert(name.to_owned(), AttributeValue::L(texts));
        self
    }

    /// The key. Parts that are missing are empty.
    pub fn key(&self) -> Key {
        let part = |name| self.maybe_text(name).unwrap_or_default().to_owned();
        Key { pk: part(key::PK), sk: part(key::SK) }
    }

    /// A text, if it is there.
    pub fn maybe_text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_s().ok().map(String::as_str)
    }

    /// A text.
    ///
    /// # Errors
    /// Names the item and the attribute.
    pub fn need_text(&self, name: &str) -> Result<&str, StoreError> {
        self.maybe_text(name).ok_or_else(|| self.corrupt(name))
    }

    /// A number, if it is there.
    pub fn maybe_number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.0.get(name)?.as_n().ok()?.parse().ok()
    }

    /// A number.
    ///
    /// # Errors
    /// Names the item and the attribute.
    pub fn need_number<T: std::str::FromStr>(&self, name: &str) -> Result<T, StoreError> {
        self.maybe_number(name).ok_or_else(|| self.corrupt(name))
    }

    /// Bytes.
    ///
    /// # Errors
    /// Names the item and the attribute.
    pub fn need_bytes(&self, name: &str) -> Result<&[u8], StoreError> {
        let bytes = self.0.get(name).and_then(|value| value.as_b().ok());
        bytes.map(AsRef::as_ref).ok_or_else(|| self.corrupt(name))
    }

    /// A list of texts, empty if it is not there.
    ///
    /// # Errors
    /// Names the item and the attribute.
    pub fn maybe_texts(&self, name: &str) -> Result<Vec<&str>, StoreError> {
        let Some(value) = self.0.get(name) else { return Ok(Vec::new()) };
        let list = value.as_l().map_err(|_| self.corrupt(name))?;
        list.iter().map(|text| text.as_s().map(String::as_str).map_err(|_| self.corrupt(name))).collect()
    }

    /// The item's own version.
    ///
    /// # Errors
    /// Names the item.
    pub(super) fn version(&self) -> Result<u64, StoreError> {
        self.need_number(VERSION)
    }

    /// An error about an attribute.
    pub fn corrupt(&self, what: impl Into<String>) -> StoreError {
        StoreError::Corrupt { key: self.key(), what: what.into() }
    }

    /// The size as the database computes it: names and values (list: 3 bytes, and 1 per element).
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + size(value)).sum()
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's values may grow, and no others are written")]
fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        // About a byte for every two digits, plus one.
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + size(value)).sum::<usize>(),
        _ => 1,
    }
}
