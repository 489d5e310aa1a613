//! SQS queues for segments, one for each kind of job, with a message per segment.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use engine::sweep::{SegmentQueue, Work};
use engine::transport::TransportError;
use serde_json::json;
use store::records::Kind;

use crate::failed;

/// The most messages in one request.
const ENTRIES_MAX: usize = 10;
/// The longest delay of a message.
const DELAY_MAX: Duration = Duration::from_secs(900);

/// The URLs of the queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queues {
    /// The queue for segments of rollovers.
    pub rollover: String,
    /// The queue for segments of recalculations.
    pub recalculation: String,
}

impl Queues {
    fn of(&self, kind: Kind) -> &str {
        match kind {
            Kind::Rollover => &self.rollover,
            Kind::Recalculation { .. } => &self.recalculation,
        }
    }
}

/// The SQS queues for segments.
#[derive(Debug, Clone)]
pub struct SqsSegmentQueue {
    client: Client,
    queues: Queues,
}

impl SqsSegmentQueue {
    /// Opens the queues with a client.
    pub fn new(client: Client, queues: Queues) -> Self {
        Self { client, queues }
    }
}

impl SegmentQueue for SqsSegmentQueue {
    async fn enqueue(&self, work: Vec<Work>, delay: Duration) -> Result<(), TransportError> {
        // Whole seconds, rounded up: a message that comes too early only has to be requeued.
        let seconds = delay.min(DELAY_MAX).as_millis().div_ceil(1_000);
        let delay = i32::try_from(seconds).unwrap_or_default();
        let of_a_queue = |a: &Work, b: &Work| self.queues.of(a.job.kind) == self.queues.of(b.job.kind);
        for some in work.chunk_by(of_a_queue).flat_map(|some| some.chunks(ENTRIES_MAX)) {
            let Some(first) = some.first() else { continue };
            let mut asked = self.client.send_message_batch().queue_url(self.queues.of(first.job.kind));
            for (place, work) in some.iter().enumerate() {
                let entry = SendMessageBatchRequestEntry::builder().id(place.to_string()).delay_seconds(delay);
                let entry = entry
                    .message_body(json!(work).to_string())
                    .build()
                    .map_err(|error| TransportError::of(error.to_string(), error))?;
                asked = asked.entries(entry);
            }
            let answer = asked.send().await.map_err(failed)?;
            if let Some(failed) = answer.failed().first() {
                let why = failed.message().unwrap_or("it does not say why");
                return Err(TransportError::new(format!("{}: {why}", failed.code())));
            }
        }
        Ok(())
    }
}
