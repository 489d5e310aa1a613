//! Lambda: a version of a shop's program was published, so everybody is recalculated under it. The bus brings
//! `program.published.v1`, which opens the job; its segments come back over a queue, and are swept. Should the event get
//! lost, the next tick of `rollover` opens the same job.

// The futures of an SDK's calls lie deep in one another.
#![recursion_limit = "256"]

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use rules::calendar::Instant;
use serde::Deserialize;
use serde_json::{Value, json};
use service::aws;
use service::clock::Clock;
use service::shop::ShopId;
use service::sweep::{Batch, SqsWorkers, Sweep};
use service::telemetry::{self, Metrics};

#[derive(Deserialize)]
#[serde(untagged)]
enum Incoming {
    Segments(Batch),
    Published { detail: Published },
}

/// What of `program.published.v1` matters here.
#[derive(Deserialize)]
struct Published {
    shop: ShopId,
    program_version: u32,
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    telemetry::init(&variable("RUST_LOG").unwrap_or_default());
    let config = aws::config(variable)?;
    let sweep = aws::sweep(&config, variable, aws::store(&config, variable)?, Clock::new(now))?;
    run(service_fn(async |event: LambdaEvent<Incoming>| handle(&sweep, event.payload).await)).await
}

fn now() -> Instant {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

async fn handle(sweep: &Sweep<SqsWorkers>, event: Incoming) -> Result<Value, Error> {
    let mut metrics = Metrics::of("recalculate");
    let answer = match event {
        Incoming::Published { detail: Published { shop, program_version } } => {
            let ticked = sweep.published(&shop, program_version).await?;
            ticked.measure(&mut metrics);
            json!(ticked)
        }
        Incoming::Segments(batch) => json!(sweep.batch(batch, &mut metrics).await),
    };
    metrics.used(sweep.used());
    metrics.emit(now());
    Ok(answer)
}
