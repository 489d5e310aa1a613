//! A deployed system, as far as a command works on it from outside: its tables, and the queue with the bodies of
//! quarantined messages.

use aws::SqsQuarantine;
use aws::{Limits, SqsBodies, Urls};
use aws_sdk_sqs::Client;
use engine::clock::Clock;
use engine::ingest::{Ingest, Quarantine};
use engine::transport::TransportError;
use local::queue::Queues;
use store::Store;

use crate::error::CommandError;
use crate::location::{StoreLocation, config};

/// The destination for the bodies of quarantined messages.
#[derive(Debug)]
pub enum Kept {
    /// A queue of rows, beside the tables.
    Here(Queues),
    /// The queue of a deployed system.
    There(SqsQuarantine),
}

impl Quarantine for Kept {
    async fn put(&self, bodies: &[(String, &str)]) -> Result<(), TransportError> {
        match self {
            Self::Here(queues) => Quarantine::put(queues, bodies).await,
            Self::There(queue) => queue.put(bodies).await,
        }
    }
}

/// The ingestion of events directly into a store: a file, or a deployed system, whose quarantine is the queue at a URL.
///
/// # Errors
/// If the store cannot be opened, or a deployed system's queue is not named.
pub async fn ingest(
    place: &StoreLocation,
    quarantine: Option<&str>,
    clock: Clock,
) -> Result<(Store, Ingest<Kept>), CommandError> {
    if place.tables.is_none() {
        let opened = place.open().await?;
        let ingest = opened.ingest(Kept::Here(opened.queues.clone()), clock);
        return Ok((opened.store, ingest));
    }
    let url = quarantine.ok_or_else(|| {
        CommandError::input(
            "--quarantine-queue: name the queue for what can never succeed (output `QuarantineQueueUrl`)",
        )
    })?;
    let store = place.store().await?;
    let ingest = Ingest::new(store.clone(), Kept::There(aws::quarantine(&config()?, url)), clock);
    Ok((store, ingest))
}

/// The bodies of a deployed system's quarantine, for a command that replays them.
///
/// # Errors
/// If AWS cannot be asked.
pub fn bodies(store: Store, clock: Clock, urls: Urls) -> Result<SqsBodies, CommandError> {
    Ok(SqsBodies::new(Client::new(&config()?), urls, store, clock, Limits::OF_A_COMMAND))
}
