//! Tests that cross crates.

pub mod scenario;
pub mod twin;
