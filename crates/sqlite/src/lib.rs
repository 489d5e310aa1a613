//! A current SQLite in place of the one of 2025 that rusqlite 0.36 would bring.
//!
//! dynoxide-rs 3.2 depends on rusqlite 0.36, and that on libsqlite3-sys 0.34, which contains SQLite 3.49.2. A process
//! can have only one libsqlite3-sys. The workspace's `[patch.crates-io]` therefore replaces libsqlite3-sys 0.34 with
//! this crate. It has the same name, a version that satisfies the requirement, and no content but a later
//! libsqlite3-sys. The parts that rusqlite 0.36 uses still exist in 0.40; if one did not, it would not compile. This
//! crate can go when dynoxide-rs takes a later rusqlite.

pub use newest::*;
