//! Lambda: a batch of events from the queue becomes facts, members and rows to announce.

// The futures of an SDK's calls lie deep in one another.
#![recursion_limit = "256"]

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lambda_events::event::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use rules::calendar::Instant;
use service::aws;
use service::clock::Clock;
use service::ingest::Ingest;
use service::telemetry::{self, Metrics};

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init(&variable("RUST_LOG").unwrap_or_default());
    let config = aws::config(variable)?;
    let asides = aws::asides(&config, &aws::need(variable, "QUARANTINE_QUEUE_URL")?);
    let ingest = Ingest::new(aws::store(&config, variable)?, asides, Clock::new(now));
    run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let mut metrics = Metrics::of("ingest");
        let answer = ingest::handle(&ingest, event.payload, now(), &mut metrics).await;
        metrics.emit(now());
        Ok::<_, Error>(answer)
    }))
    .await
}

fn now() -> Instant {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
