//! Quarantined bodies in an SQS queue, encrypted, and kept only as long as the queue keeps them.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use engine::ingest::Quarantine;
use engine::transport::TransportError;
use futures::{StreamExt, TryStreamExt};

use crate::failed;

/// An SQS queue for quarantined bodies.
#[derive(Debug, Clone)]
pub struct SqsQuarantine {
    client: Client,
    url: String,
}

impl SqsQuarantine {
    /// The message attribute with the id of the quarantine row.
    pub const ID: &str = "id";

    /// Opens the queue at a URL.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }
}

impl SqsQuarantine {
    async fn send(&self, id: &str, body: &str) -> Result<(), TransportError> {
        let id = MessageAttributeValue::builder().data_type("String").string_value(id).build();
        let id = id.map_err(|error| TransportError::of(error.to_string(), error))?;
        let asked = self.client.send_message().queue_url(&self.url).message_body(body).message_attributes(Self::ID, id);
        asked.send().await.map(|_| ()).map_err(failed)
    }
}

/// The number of bodies sent at the same time.
const SENT_AT_A_TIME: usize = 10;

impl Quarantine for SqsQuarantine {
    async fn put(&self, bodies: &[(String, &str)]) -> Result<(), TransportError> {
        // One body may be as long as a request, so each has one of its own.
        let mut sent = Vec::with_capacity(bodies.len());
        for (id, body) in bodies {
            sent.push(self.send(id, body));
        }
        futures::stream::iter(sent).buffer_unordered(SENT_AT_A_TIME).try_collect().await
    }
}
