//! The rules of a shop: programs, and their versions.

pub mod program;
pub mod tier_name;
pub mod version;
