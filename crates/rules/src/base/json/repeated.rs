//! Fields that a JSON object names twice. JSON leaves open which one holds, and parsers silently take the last. With
//! two thresholds in one tier, the reader cannot know which one the writer meant.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Problem;

/// Finds every field that is named more than once in its object.
///
/// # Errors
/// Returns the place where the text is not JSON, by line and column.
pub fn repeated(text: &str) -> Result<Vec<Problem>, serde_json::Error> {
    let found = RefCell::default();
    let mut document = serde_json::Deserializer::from_str(text);
    Walk { path: "$".to_owned(), found: &found }.deserialize(&mut document)?;
    document.end()?;
    Ok(found.into_inner())
}

struct Walk<'f> {
    path: String,
    found: &'f RefCell<Vec<Problem>>,
}

impl Walk<'_> {
    fn at(&self, step: &str) -> Self {
        Self { path: format!("{}{step}", self.path), found: self.found }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = fields.next_key::<String>()? {
            let field = self.at(&format!(".{key}"));
            if !seen.insert(key) {
                let message = "is written twice; keep the one that is meant".to_owned();
                self.found.borrow_mut().push(Problem { path: field.path.clone(), message });
            }
            fields.next_value_seed(field)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0_usize;
        while items.next_element_seed(self.at(&format!("[{index}]")))?.is_some() {
            index += 1;
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_is_written_twice_is_found_with_its_path() {
        let text =
            r#"{ "a": 1, "tiers": [ {}, { "id": "x", "threshold": "1", "threshold": 2.5, "id": null } ], "a": true }"#;
        let paths: Vec<_> = repeated(text).unwrap().into_iter().map(|problem| problem.path).collect();
        assert_eq!(paths, ["$.tiers[1].threshold", "$.tiers[1].id", "$.a"]);
    }

    #[test]
    fn the_same_field_in_two_objects_is_no_repetition() {
        assert_eq!(repeated(r#"[{ "id": 1 }, { "id": 1, "in": { "id": -1 } }]"#).unwrap(), []);
        assert!(repeated("[1").is_err());
    }
}
