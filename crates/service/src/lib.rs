//! Everything that touches the world around the rules.
//!
//! The rules know only facts. This crate brings facts in and takes answers out; today it holds the foreign wire
//! formats ([`wire`]), each a pure function from bytes to facts, so that what a shop system's message means can be read
//! and tested in one place, and a shop of the project's own making ([`sample`]). Nothing in them reads a clock, a file or the network.
//!
//! # Words
//! - *document*: the bytes that arrived: a webhook body, or the envelope around one.
//! - *topic*: what kind of event a document tells, in the sender's words.
//! - *outcome*: what became of a document: facts, ignored with a reason, or rejected with a reason and a remedy.

pub mod announce;
pub mod aws;
pub mod change;
pub mod clock;
pub mod ingest;
pub mod insight;
pub mod lists;
pub mod preview;
pub mod quarantine;
pub mod relay;
pub mod sample;
pub mod shop;
pub mod store;
pub mod sweep;
pub mod telemetry;
pub mod verify;
pub mod wire;
pub mod zones;
