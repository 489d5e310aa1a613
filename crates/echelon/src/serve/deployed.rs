//! A deployed system, as far as a command works on it from outside: its tables, and the queue where it keeps the bodies of
//! what was set aside.

use std::collections::BTreeSet;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::Message;
use service::aws;
use service::clock::Clock;
use service::ingest::{Asides, Ingest, SqsAsides};
use service::store::Store;

use super::aside::Bodies;
use super::place::{Place, config};
use super::queue::{QueueError, Queues};
use crate::failure::Failure;

/// How long a message is hidden from others that was received: longer than it takes to go through all of a queue.
const HIDDEN_S: i32 = 15 * 60;
/// So long a queue is asked before it counts as empty: then all of its servers have been.
const WAIT_S: i32 = 2;
/// The most that a queue gives at once.
const RECEIVED_MAX: i32 = 10;

/// Where bodies go that were set aside.
#[derive(Debug)]
pub enum Kept {
    /// Into a queue of rows, beside the tables.
    Here(Queues),
    /// Into the queue of a deployed system.
    There(SqsAsides),
}

impl Asides for Kept {
    async fn keep(&self, id: &str, body: &str) -> Result<(), String> {
        match self {
            Self::Here(queues) => queues.keep(id, body).await,
            Self::There(queue) => queue.keep(id, body).await,
        }
    }
}

/// What takes events straight into a place: a file, or a deployed system, whose quarantine is the queue at a URL.
///
/// # Errors
/// If it cannot be opened, or a deployed system's queue is not named.
pub async fn ingest(place: &Place, quarantine: Option<&str>, clock: Clock) -> Result<(Store, Ingest<Kept>), Failure> {
    if place.tables.is_none() {
        let opened = place.open().await?;
        let ingest = opened.ingest(Kept::Here(opened.queues.clone()), clock);
        return Ok((opened.store, ingest));
    }
    let url = quarantine.ok_or_else(|| {
        Failure::input("--quarantine-queue: name the queue for what can never succeed (output `QuarantineQueueUrl`)")
    })?;
    let store = place.store().await?;
    let ingest = Ingest::new(store.clone(), Kept::There(aws::asides(&config()?, url)), clock);
    Ok((store, ingest))
}

/// The queues of a deployed system, for what was set aside and is tried again.
#[derive(Debug)]
pub struct Sqs {
    client: Client,
    quarantine: String,
    ingest: String,
}

impl Sqs {
    /// The queues at these URLs.
    ///
    /// # Errors
    /// If AWS cannot be asked.
    pub fn new(quarantine: &str, ingest: &str) -> Result<Self, Failure> {
        let client = Client::new(&config()?);
        Ok(Self { client, quarantine: quarantine.to_owned(), ingest: ingest.to_owned() })
    }

    async fn receive(&self) -> Result<Vec<Message>, QueueError> {
        let asked = self.client.receive_message().queue_url(&self.quarantine).message_attribute_names(SqsAsides::ID);
        let asked = asked.max_number_of_messages(RECEIVED_MAX).wait_time_seconds(WAIT_S).visibility_timeout(HIDDEN_S);
        let answer = asked.send().await.map_err(|error| QueueError::of(&error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    /// Into the ingest queue first: whatever happens then, it is in one of the two.
    async fn move_on(&self, message: &Message) -> Result<(), QueueError> {
        let body = message.body().unwrap_or_default();
        let asked = self.client.send_message().queue_url(&self.ingest).message_body(body);
        asked.send().await.map_err(|error| QueueError::of(&error))?;
        let asked = self.client.delete_message().queue_url(&self.quarantine);
        let asked = asked.set_receipt_handle(message.receipt_handle.clone());
        asked.send().await.map(drop).map_err(|error| QueueError::of(&error))
    }

    /// Goes through the whole queue, moves each of the ids once, and hands over what it passed by.
    async fn go_through(
        &self,
        ids: &BTreeSet<String>,
        passed: &mut Vec<Message>,
    ) -> Result<BTreeSet<String>, QueueError> {
        let (mut moved, mut seen) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let received = self.receive().await?;
            // Nothing is left, or the first are to be had again.
            let done = received.iter().all(|message| seen.contains(&message.message_id));
            for message in received {
                seen.insert(message.message_id.clone());
                let id = id(&message).filter(|id| ids.contains(*id)).map(str::to_owned);
                // What comes a second time may have been set aside anew meanwhile.
                match id.filter(|id| !moved.contains(id)) {
                    Some(id) => {
                        self.move_on(&message).await?;
                        moved.insert(id);
                    }
                    None => passed.push(message),
                }
            }
            if done {
                return Ok(moved);
            }
        }
    }
}

impl Bodies for Sqs {
    async fn again(&self, ids: &BTreeSet<String>) -> Result<BTreeSet<String>, QueueError> {
        let mut passed = Vec::new();
        let moved = self.go_through(ids, &mut passed).await;
        for message in passed {
            let asked = self.client.change_message_visibility().queue_url(&self.quarantine).visibility_timeout(0);
            // If this fails it is to be had again a little later.
            let _ = asked.set_receipt_handle(message.receipt_handle).send().await;
        }
        moved
    }
}

fn id(message: &Message) -> Option<&str> {
    message.message_attributes.as_ref()?.get(SqsAsides::ID)?.string_value()
}
