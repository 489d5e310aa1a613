//! Everything that touches the world around the rules.
//!
//! The rules know only facts. This crate brings facts in and takes answers out: the store, what is done with it, and what
//! carries both in AWS.

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
pub mod shop;
pub mod store;
pub mod sweep;
pub mod telemetry;
pub mod verify;
pub mod zones;
