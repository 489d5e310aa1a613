//! What is done with the store: facts are ingested, members swept, rows announced, programs published, and all of it verified.
//!
//! Whatever carries messages and bodies is behind a trait: nothing here knows SQS or EventBridge.

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
