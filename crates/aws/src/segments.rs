//! Queues of SQS for segments, one for each kind of job: a message per segment.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use engine::sweep::{SegmentQueue, Work};
use engine::transport::TransportError;
use serde_json::json;
use store::records::Kind;

use crate::failed;

/// One request takes so many messages.
const ENTRIES_MAX: usize = 10;
/// A message is held back for at most so long.
const DELAY_MAX: Duration = Duration::from_secs(900);

/// The queues, by their URLs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queues {
    /// Segments of rollovers.
    pub rollover: String,
    /// Segments of recalculations.
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

/// Queues of SQS for segments.
#[derive(Debug, Clone)]
pub struct SqsSegmentQueue {
    client: Client,
    queues: Queues,
}

impl SqsSegmentQueue {
    /// The queues, through a client.
    pub fn new(client: Client, queues: Queues) -> Self {
        Self { client, queues }
    }
}

impl SegmentQueue for SqsSegmentQueue {
    async fn enqueue(&self, work: Vec<Work>, delay: Duration) -> Result<(), TransportError> {
        // Whole seconds, and none too few: a message that comes too early only goes round again.
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
