//! Tests that cross crates.

pub mod twin;
