//! Lambda: January 1, every other local midnight, and anything else that is due. It is invoked with `{"tick": …}` every
//! quarter of an hour, and at the beginning of the year, and opens the jobs that are due. Their segments come back over
//! a queue, and are swept.

// The futures of the SDK's calls are deeply nested.
#![recursion_limit = "256"]

use aws::SqsSegmentQueue;
use aws::function::{now, variable};
use engine::clock::Clock;
use engine::sweep::{Batch, Sweep};
use engine::telemetry::{self, Metrics};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(untagged)]
enum Incoming {
    Segments(Batch),
    Tick { tick: Tick },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Tick {
    QuarterOfAnHour,
    NewYear,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init(&variable("RUST_LOG").unwrap_or_default());
    let config = aws::config(variable)?;
    let sweep = aws::sweep(&config, variable, aws::store(&config, variable)?, Clock::new(now))?;
    run(service_fn(async |event: LambdaEvent<Incoming>| handle(&sweep, event.payload).await)).await
}

async fn handle(sweep: &Sweep<SqsSegmentQueue>, event: Incoming) -> Result<Value, Error> {
    let mut metrics = Metrics::of("rollover");
    let answer = match event {
        Incoming::Tick { tick: Tick::QuarterOfAnHour | Tick::NewYear } => {
            let ticked = sweep.tick().await?;
            ticked.measure(&mut metrics);
            // A failed invocation is repeated at once, and the skipped shops with it.
            if ticked.failed > 0 { Err(format!("{} shops failed", ticked.failed).into()) } else { Ok(json!(ticked)) }
        }
        Incoming::Segments(batch) => Ok(json!(sweep.batch(batch, &mut metrics).await)),
    };
    metrics.used(sweep.used());
    metrics.emit(now());
    answer
}
