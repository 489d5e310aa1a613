//! Lambda: ingests batches of events from the queue, which become facts, members and rows to announce.

// The futures of the SDK's calls are deeply nested.
#![recursion_limit = "256"]

use aws::function::{now, variable};
use aws_lambda_events::event::sqs::SqsEvent;
use engine::clock::Clock;
use engine::ingest::Ingest;
use engine::telemetry::{self, Metrics};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init(&variable("RUST_LOG").unwrap_or_default());
    let config = aws::config(variable)?;
    let quarantine = aws::quarantine(&config, &aws::need(variable, "QUARANTINE_QUEUE_URL")?);
    let ingest = Ingest::new(aws::store(&config, variable)?, quarantine, Clock::new(now));
    run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let mut metrics = Metrics::of("ingest");
        let answer = lambda_ingest::handle(&ingest, event.payload, now(), &mut metrics).await;
        metrics.emit(now());
        Ok::<_, Error>(answer)
    }))
    .await
}
