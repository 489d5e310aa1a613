//! Handles a batch of the queue: ingests its messages, and names those that failed for now to the queue, which
//! redelivers them. All others are done.

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use engine::ingest::{Ingest, Message, Quarantine, Report};
use engine::telemetry::Metrics;
use rules::calendar::Instant;

/// The attribute with the time at which the queue took a message.
const SENT: &str = "SentTimestamp";

/// Ingests a batch of the queue, and counts the results at `now`.
pub async fn handle<A: Quarantine>(
    ingest: &Ingest<A>,
    event: SqsEvent,
    now: Instant,
    metrics: &mut Metrics,
) -> SqsBatchResponse {
    let messages: Vec<Message> = event.records.into_iter().map(message).collect();
    let report = ingest.handle(&messages).await;
    measure(&report, now, metrics);
    metrics.used(ingest.used());
    if let Some(failure) = &report.failure {
        tracing::warn!(failed = report.failed.len(), failure, "messages will be redelivered");
    }
    for (id, quarantined) in &report.quarantined {
        let shop = quarantined.shop.as_ref().map(|shop| shop.as_str());
        tracing::warn!(message = id, shop, reason = quarantined.reason.code(), paths = ?quarantined.paths, "quarantined");
    }
    let mut answer = SqsBatchResponse::default();
    answer.batch_item_failures.extend(report.failed.into_iter().map(|id| {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = id;
        failure
    }));
    answer
}

fn message(record: SqsMessage) -> Message {
    let sent_at = record.attributes.get(SENT).and_then(|sent| sent.parse().ok()).map(Instant::from_millis);
    let id = record.message_id.unwrap_or_default();
    Message { id, body: record.body.unwrap_or_default(), sent_at }
}

fn measure(report: &Report, now: Instant, metrics: &mut Metrics) {
    for (metric, count) in report.counts.measured() {
        metrics.count(metric, usize::try_from(count).unwrap_or(usize::MAX));
    }
    if let Some(age) = report.oldest_ms {
        metrics.oldest(now.plus_millis(age.saturating_neg()), now);
    }
}
