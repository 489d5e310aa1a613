//! Parameters of paths and queries, decoded from text. An error knows which parameter it is about.

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use thiserror::Error;

/// A parameter: its name, and its value as text.
pub(crate) type Param = (String, String);

/// Decodes the parameters of a request: a struct by their names, a tuple by their order, or a single one.
///
/// # Errors
/// The first parameter that is wrong, missing, repeated or unknown.
pub(crate) fn read<'de, T: Deserialize<'de>>(params: &'de [Param]) -> Result<T, ParamError> {
    T::deserialize(Params(params))
}

/// An error of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub(crate) struct ParamError {
    /// The parameter; none if the error is about all of them.
    pub(crate) name: Option<String>,
    /// The error.
    pub(crate) message: String,
}

impl ParamError {
    fn new(message: impl Into<String>) -> Self {
        Self { name: None, message: message.into() }
    }

    fn at(self, name: &str) -> Self {
        Self { name: self.name.or_else(|| Some(name.to_owned())), ..self }
    }
}

impl de::Error for ParamError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("missing field `{field}`")).at(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("duplicate field `{field}`")).at(field)
    }
}

/// All parameters.
#[derive(Clone, Copy)]
struct Params<'de>(&'de [Param]);

impl<'de> Params<'de> {
    /// Decodes the only parameter.
    fn only<T>(self, read: impl FnOnce(Text<'de>) -> Result<T, ParamError>) -> Result<T, ParamError> {
        match self.0 {
            [(name, text)] => read(Text(text)).map_err(|error| error.at(name)),
            several => Err(ParamError::new(format!("there are {} parameters instead of one", several.len()))),
        }
    }
}

macro_rules! of_the_only_one {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
            self.only(|text| text.$method(visitor))
        }
    )*};
}

impl<'de> Deserializer<'de> for Params<'de> {
    type Error = ParamError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_map(Rest { left: self.0, value: None })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_seq(Rest { left: self.0, value: None })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ParamError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        self.only(|text| text.deserialize_enum(name, variants, visitor))
    }

    of_the_only_one! {
        deserialize_bool deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_i8 deserialize_i16
        deserialize_i32 deserialize_i64 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option deserialize_identifier
    }

    forward_to_deserialize_any! { unit unit_struct tuple_struct map struct ignored_any }
}

/// The parameters that are not decoded yet.
struct Rest<'de> {
    left: &'de [Param],
    /// The parameter whose name was decoded last.
    value: Option<&'de Param>,
}

impl<'de> Rest<'de> {
    fn next(&mut self) -> Option<&'de Param> {
        let (first, left) = self.left.split_first()?;
        self.left = left;
        Some(first)
    }
}

impl<'de> MapAccess<'de> for Rest<'de> {
    type Error = ParamError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ParamError> {
        self.value = self.next();
        let Some((name, _)) = self.value else { return Ok(None) };
        seed.deserialize(Text(name)).map(Some).map_err(|error| error.at(name))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ParamError> {
        let Some((name, text)) = self.value.take() else { return Err(ParamError::new("a value without a name")) };
        seed.deserialize(Text(text)).map_err(|error| error.at(name))
    }
}

impl<'de> SeqAccess<'de> for Rest<'de> {
    type Error = ParamError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ParamError> {
        let Some((name, text)) = self.next() else { return Ok(None) };
        seed.deserialize(Text(text)).map(Some).map_err(|error| error.at(name))
    }
}

/// The text of a name or a value.
#[derive(Clone, Copy)]
struct Text<'de>(&'de str);

macro_rules! numbers {
    ($($method:ident $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
            let number = self.0.parse().map_err(|_| ParamError::new("is not a whole number in the allowed range"))?;
            visitor.$visit(number)
        }
    )*};
}

impl<'de> Deserializer<'de> for Text<'de> {
    type Error = ParamError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        let is_so = self.0.parse().map_err(|_| ParamError::new("is neither `true` nor `false`"))?;
        visitor.visit_bool(is_so)
    }

    numbers! {
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        de::value::BorrowedStrDeserializer::new(self.0).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Which {
        AtRisk,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        list: Which,
        limit: Option<u8>,
        #[serde(default)]
        whole: bool,
    }

    fn told<T: for<'de> Deserialize<'de>>(params: &[(&str, &str)]) -> Result<T, ParamError> {
        let params: Vec<Param> = params.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        read(&params)
    }

    #[test]
    fn every_error_names_its_parameter() {
        let all = told(&[("whole", "true"), ("limit", "255"), ("list", "at_risk")]);
        assert_eq!(all, Ok(Wanted { list: Which::AtRisk, limit: Some(255), whole: true }));
        let number = "is not a whole number in the allowed range";
        for (params, name, message) in [
            (&[("limit", "1")][..], "list", "missing field `list`"),
            (&[("list", "at_risk"), ("list", "at_risk")], "list", "duplicate field `list`"),
            (&[("list", "all")], "list", "unknown variant `all`, expected `at_risk`"),
            (&[("no: name", "1")], "no: name", "unknown field `no: name`, expected one of `list`, `limit`, `whole`"),
            (&[("limit", "256")], "limit", number),
            (&[("limit", "")], "limit", number),
            (&[("limit", "number too large: x")], "limit", number),
            (&[("whole", "yes")], "whole", "is neither `true` nor `false`"),
        ] {
            let error = told::<Wanted>(params).unwrap_err();
            assert_eq!((error.name.as_deref(), &*error.message), (Some(name), message), "{params:?}");
        }
    }

    #[test]
    fn parameters_of_a_path_come_alone_or_in_their_order() {
        assert_eq!(told(&[("number", "7")]), Ok(7_u32));
        assert_eq!(told(&[("job", "x")]), Ok("x".to_owned()));
        assert_eq!(told(&[("job", "x"), ("order", "at_risk")]), Ok(("x".to_owned(), Which::AtRisk)));
        let error = told::<(String, Which)>(&[("job", "`stop`"), ("order", "stop")]).unwrap_err();
        assert_eq!(
            error.name.as_deref(),
            Some("order"),
            "the one that is wrong, though another has its value: {error}"
        );
        assert_eq!(told::<u32>(&[("number", "-1")]).unwrap_err().name.as_deref(), Some("number"));
    }
}
