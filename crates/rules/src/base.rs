//! The foundation: instants and local days, exact numbers, ids, and reading JSON with paths.

pub mod calendar;
pub mod id;
pub mod json;
pub mod quantity;
