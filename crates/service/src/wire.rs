//! Wire formats: the only place that knows how things look outside.

pub mod history;
pub mod shopify;
pub mod vector;
