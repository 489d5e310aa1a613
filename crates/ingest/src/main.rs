//! Lambda: a batch of events from the queue becomes facts, members and rows to announce. Messages that failed for now
//! are named to the queue, which delivers them again; all others are done.

// The futures of an SDK's calls lie deep in one another.
#![recursion_limit = "256"]

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use rules::calendar::Instant;
use service::aws;
use service::clock::Clock;
use service::ingest::{Ingest, Message, Report, SqsAsides};
use service::telemetry::{self, Metric, Metrics};

/// What the queue says of when it took a message.
const SENT: &str = "SentTimestamp";

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init(&variable("RUST_LOG").unwrap_or_default());
    let config = aws::config(variable)?;
    let asides = aws::asides(&config, &aws::need(variable, "QUARANTINE_QUEUE_URL")?);
    let ingest = Ingest::new(aws::store(&config, aws::tables(variable)?), asides, Clock::new(now));
    run(service_fn(async |event: LambdaEvent<SqsEvent>| Ok::<_, Error>(handle(&ingest, event.payload).await))).await
}

fn now() -> Instant {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

async fn handle(ingest: &Ingest<SqsAsides>, event: SqsEvent) -> SqsBatchResponse {
    let messages: Vec<Message> = event.records.into_iter().map(message).collect();
    let report = ingest.handle(&messages).await;
    measured(&report, ingest).emit(now());
    if let Some(failure) = &report.failure {
        tracing::warn!(failed = report.failed.len(), failure, "messages come again");
    }
    for (id, aside) in &report.set_aside {
        let shop = aside.shop.as_ref().map(|shop| shop.as_str());
        tracing::warn!(message = id, shop, reason = aside.reason.code(), paths = ?aside.paths, "set aside");
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

fn measured(report: &Report, ingest: &Ingest<SqsAsides>) -> Metrics {
    let counts = report.counts;
    let mut metrics = Metrics::of("ingest");
    for (metric, count) in [
        (Metric::EventsIn, counts.events),
        (Metric::FactsApplied, counts.applied),
        (Metric::Duplicates, counts.duplicates),
        (Metric::Superseded, counts.superseded),
        (Metric::Ignored, counts.ignored),
        (Metric::Quarantined, counts.set_aside),
        (Metric::Transitions, counts.transitions),
        (Metric::Rewards, counts.rewards),
        (Metric::Conflicts, counts.conflicts),
    ] {
        metrics.count(metric, usize::try_from(count).unwrap_or(usize::MAX));
    }
    if let Some(age) = report.oldest_ms {
        let now = now();
        metrics.oldest(now.plus_millis(age.saturating_neg()), now);
    }
    metrics.used(ingest.used());
    metrics
}
