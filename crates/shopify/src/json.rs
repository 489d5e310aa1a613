//! The two kinds of value that payloads consist of, for `serde` to fill in.
//!
//! A field of the wrong type is no error while reading. It becomes one, with its path, when a topic uses the field. So
//! a topic is never rejected for a field that only another topic uses. Both kinds ask `serde` for an optional value,
//! because that is how it allows a field to be absent.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::DocumentError;
use super::reason::Result;

/// A value without parts, or a note that it was none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    /// Absent, or null.
    #[default]
    Absent,
    Bool(bool),
    /// The digits as written; they are never converted to a float.
    Number(&'a str),
    Text(Cow<'a, str>),
    /// A list or an object, as written.
    Parts(&'a str),
}

impl Scalar<'_> {
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Absent | Self::Bool(_) | Self::Number(_) | Self::Parts(_) => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let Some(raw) = Option::<&RawValue>::deserialize(deserializer)? else { return Ok(Self::Absent) };
        let raw = raw.get();
        Ok(match raw.as_bytes().first() {
            Some(b'"') => Self::Text(unquoted(raw).map_err(D::Error::custom)?),
            Some(b'{' | b'[') => Self::Parts(raw),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            _ => Self::Number(raw),
        })
    }
}

fn unquoted(raw: &str) -> serde_json::Result<Cow<'_, str>> {
    match raw.get(1..raw.len().saturating_sub(1)) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => serde_json::from_str(raw).map(Cow::Owned),
    }
}

/// A value with parts: an object of known fields, or a list of such objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Nested<T> {
    /// Absent, or null.
    #[default]
    Absent,
    Object(T),
    List(Vec<Nested<T>>),
    /// Anything else.
    Other,
}

impl<T> Nested<T> {
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The object, if there is one; any other value is an error.
    pub(super) fn object(&self, path: &'static str) -> Result<Option<&T>> {
        match self {
            Self::Absent => Ok(None),
            Self::Object(object) => Ok(Some(object)),
            Self::List(_) | Self::Other => Err(DocumentError::unreadable(path, "must be an object")),
        }
    }

    /// The objects of the list, if there is one; any other value is an error.
    pub(super) fn list(&self, path: &'static str) -> Result<Vec<&T>> {
        let wrong = || DocumentError::unreadable(path, "must be a list of objects");
        match self {
            Self::Absent => Ok(Vec::new()),
            Self::List(items) => items.iter().map(|item| item.object(path)?.ok_or_else(wrong)).collect(),
            Self::Object(_) | Self::Other => Err(wrong()),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Nested<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_option(AnyKind { in_list: false, kind: PhantomData })
    }
}

/// A visitor that finds the kind of a value before `T` reads it. By itself, `T` would read a list as an object, field by field.
struct AnyKind<T> {
    /// Whether the value is in a list. No topic uses a list within a list, and descending into it would only cost stack.
    in_list: bool,
    kind: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for AnyKind<T> {
    type Value = Nested<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for AnyKind<T> {
    type Value = Nested<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Nested::Object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Self::Value, A::Error> {
        if self.in_list {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Nested::Other);
        }
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(AnyKind { in_list: true, kind: PhantomData })? {
            items.push(item);
        }
        Ok(Nested::List(items))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_none<E>(self) -> std::result::Result<Self::Value, E> {
        Ok(Nested::Absent)
    }

    fn visit_unit<E>(self) -> std::result::Result<Self::Value, E> {
        Ok(Nested::Absent)
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<Self::Value, E> {
        Ok(Nested::Other)
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<Self::Value, E> {
        Ok(Nested::Other)
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<Self::Value, E> {
        Ok(Nested::Other)
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<Self::Value, E> {
        Ok(Nested::Other)
    }

    fn visit_str<E>(self, _: &str) -> std::result::Result<Self::Value, E> {
        Ok(Nested::Other)
    }
}
