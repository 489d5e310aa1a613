//! Lambda: announces recorded rows on the event bus.

// The futures of the SDK's calls are deeply nested.
#![recursion_limit = "256"]

use aws::function::{now, variable};
use engine::clock::Clock;
use engine::relay::{Relay, RetryPolicy};
use engine::telemetry::{self, LogKey, Metrics};
use lambda_relay::Incoming;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init(&variable("RUST_LOG").unwrap_or_default());
    let config = aws::config(variable)?;
    let relay = Relay {
        store: aws::store(&config, variable)?,
        bus: aws::bus(&config, &aws::need(variable, "EVENT_BUS")?),
        retry_policy: RetryPolicy::default(),
        clock: Clock::new(now),
        log_key: LogKey::new(&aws::need(variable, "LOG_KEY")?)?,
    };
    run(service_fn(async |event: LambdaEvent<Incoming>| {
        let mut metrics = Metrics::of("relay");
        let answer = lambda_relay::handle(&relay, event.payload, &mut metrics).await;
        metrics.emit(relay.clock.now());
        answer.map_err(Error::from)
    }))
    .await
}
