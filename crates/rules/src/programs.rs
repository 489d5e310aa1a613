//! The rules of a shop: programs as they are written, and their versions.

pub mod program;
pub mod version;
