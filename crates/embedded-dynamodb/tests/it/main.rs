//! The embedded store, as the AWS SDK sees it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot be set up fails")]

mod capacity;
mod common;
mod faults;
mod file;
mod store;
mod streams;
