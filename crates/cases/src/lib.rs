//! Worked cases of the semantics, and the document that a replay yields. These are the formats of section 9, as pure
//! functions over the rules.

pub mod history;
pub mod vector;
