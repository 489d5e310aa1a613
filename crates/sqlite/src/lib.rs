//! SQLite as new as can be had, where rusqlite 0.36 would bring its own of 2025.
//!
//! dynoxide-rs 3.2 asks for rusqlite 0.36, that for libsqlite3-sys 0.34, which has SQLite 3.49.2 in it; and a process can have
//! only one. The workspace's `[patch.crates-io]` puts this crate in the place of libsqlite3-sys 0.34: it has its name, a version
//! that satisfies the requirement, and nothing in it but a later libsqlite3-sys. What rusqlite 0.36 uses of it is still there in
//! 0.40; what were not would not compile. When dynoxide-rs takes a later rusqlite, this crate goes.

pub use newest::*;
