//! Workers behind a queue of SQS: a message per segment.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde_json::json;

use super::{Work, Workers};

/// One request takes so many messages.
const ENTRIES_MAX: usize = 10;
/// A message is held back for at most so long.
const DELAY_MAX: Duration = Duration::from_secs(900);

/// A queue of SQS for segments.
#[derive(Debug, Clone)]
pub struct SqsWorkers {
    client: Client,
    url: String,
}

impl SqsWorkers {
    /// The queue at a URL.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }
}

impl Workers for SqsWorkers {
    async fn send(&self, work: Vec<Work>, delay: Duration) -> Result<(), String> {
        let delay = i32::try_from(delay.min(DELAY_MAX).as_secs()).unwrap_or_default();
        for some in work.chunks(ENTRIES_MAX) {
            let mut asked = self.client.send_message_batch().queue_url(&self.url);
            for (place, work) in some.iter().enumerate() {
                let entry = SendMessageBatchRequestEntry::builder().id(place.to_string()).delay_seconds(delay);
                let entry = entry.message_body(json!(work).to_string()).build().map_err(|error| error.to_string())?;
                asked = asked.entries(entry);
            }
            let answer = asked.send().await.map_err(|error| DisplayErrorContext(&error).to_string())?;
            if let Some(failed) = answer.failed().first() {
                return Err(format!("{}: {}", failed.code(), failed.message().unwrap_or("it does not say why")));
            }
        }
        Ok(())
    }
}
