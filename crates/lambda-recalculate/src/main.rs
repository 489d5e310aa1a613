//! Lambda: recalculates all members of a shop under a newly published version of its program. The bus delivers
//! `program.published.v1`, which opens the job. Its segments come back over a queue, and are swept. If the event is
//! lost, the next tick of `rollover` opens the same job.

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
use store::shop::ShopId;

#[derive(Deserialize)]
#[serde(untagged)]
enum Incoming {
    Segments(Batch),
    Published { detail: Published },
}

/// The fields of `program.published.v1` that matter here.
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

async fn handle(sweep: &Sweep<SqsSegmentQueue>, event: Incoming) -> Result<Value, Error> {
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
