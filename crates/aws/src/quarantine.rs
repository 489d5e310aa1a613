//! Quarantined bodies in an SQS queue, encrypted, and kept only as long as the queue keeps them.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use engine::ingest::Quarantine;
use engine::transport::TransportError;

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

impl Quarantine for SqsQuarantine {
    async fn put(&self, id: &str, body: &str) -> Result<(), TransportError> {
        let id = MessageAttributeValue::builder().data_type("String").string_value(id).build();
        let id = id.map_err(|error| TransportError::of(error.to_string(), error))?;
        let asked = self.client.send_message().queue_url(&self.url).message_body(body).message_attributes(Self::ID, id);
        asked.send().await.map(|_| ()).map_err(failed)
    }
}
