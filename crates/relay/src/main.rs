//! Lambda: what was recorded is announced on the event bus.

// The futures of an SDK's calls lie deep in one another.
#![recursion_limit = "256"]

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use relay::Incoming;
use rules::calendar::Instant;
use service::aws;
use service::clock::Clock;
use service::relay::{Pace, Relay};
use service::telemetry::{self, LogKey, Metrics};

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init(&variable("RUST_LOG").unwrap_or_default());
    let config = aws::config(variable)?;
    let relay = Relay {
        store: aws::store(&config, variable)?,
        bus: aws::bus(&config, &aws::need(variable, "EVENT_BUS")?),
        pace: Pace::default(),
        clock: Clock::new(now),
        log_key: LogKey::new(&aws::need(variable, "LOG_KEY")?)?,
    };
    run(service_fn(async |event: LambdaEvent<Incoming>| {
        let mut metrics = Metrics::of("relay");
        let answer = relay::handle(&relay, event.payload, &mut metrics).await;
        metrics.emit(relay.clock.now());
        answer.map_err(Error::from)
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
