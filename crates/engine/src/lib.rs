//! The work on the store: ingesting facts, sweeping members, announcing rows, publishing programs, and verifying all of
//! it.
//!
//! Transports of messages and bodies are behind traits: nothing here depends on SQS or EventBridge.

pub mod clock;
pub mod ingest;
pub mod insight;
pub mod lists;
pub mod preview;
pub mod publishing;
pub mod quarantine;
pub mod relay;
pub mod sweep;
pub mod telemetry;
pub mod transport;
pub mod verify;
pub mod zones;
