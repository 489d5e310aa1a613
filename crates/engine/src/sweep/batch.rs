//! Segments as an SQS queue brings them to a function, and the function's answer.

use serde::{Deserialize, Serialize};

use super::work::SegmentRun;
use super::{SegmentQueue, Sweep, Ticked, Work};
use crate::telemetry::{Metric, Metrics};

/// The messages of an invocation.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Batch {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    body: String,
}

/// The messages that failed for now, which the queue delivers again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failures {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl<W: SegmentQueue> Sweep<W> {
    /// Works on the segments of a batch, one after the other.
    pub async fn batch(&self, batch: Batch, metrics: &mut Metrics) -> Failures {
        let mut failures = Failures::default();
        for Record { message_id, body } in batch.records {
            let done = match serde_json::from_str::<Work>(&body) {
                Ok(work) => self.work(&work).await.map_err(|error| format!("{work}: {error}")),
                Err(error) => Err(format!("this is not a segment: {error}")),
            };
            match done {
                Ok(stint) => stint.measure(metrics),
                Err(why) => {
                    tracing::warn!(message = message_id, why, "the message will be redelivered");
                    failures.batch_item_failures.push(Failure { item_identifier: message_id });
                }
            }
        }
        failures
    }
}

impl SegmentRun {
    fn measure(&self, metrics: &mut Metrics) {
        let tally = &self.tally;
        for (metric, count) in [
            (Metric::MembersSwept, tally.members),
            (Metric::MembersChanged, tally.changed()),
            (Metric::Notices, tally.notices),
            (Metric::Unreadable, tally.unreadable),
        ] {
            metrics.count(metric, usize::try_from(count).unwrap_or(usize::MAX));
        }
    }
}

impl Ticked {
    /// Counts the results of a tick.
    pub fn measure(&self, metrics: &mut Metrics) {
        for (metric, count) in [(Metric::JobsOpened, self.opened), (Metric::SegmentsSent, self.sent)] {
            metrics.count(metric, usize::try_from(count).unwrap_or(usize::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_batch_is_read_and_answered_as_lambda_has_it() {
        let batch =
            json!({ "Records": [{ "messageId": "m-1", "body": "{}", "attributes": {}, "eventSource": "aws:sqs" }] });
        let Batch { records } = serde_json::from_value(batch).unwrap();
        assert_eq!(records, [Record { message_id: "m-1".to_owned(), body: "{}".to_owned() }]);
        let failures = Failures { batch_item_failures: vec![Failure { item_identifier: "m-1".to_owned() }] };
        assert_eq!(json!(failures), json!({ "batchItemFailures": [{ "itemIdentifier": "m-1" }] }));
    }
}
