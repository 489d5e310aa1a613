//! The smallest possible function in Rust: `tests/servers/coldstart` compares the starts of the other functions with
//! it.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde::de::IgnoredAny;

#[tokio::main]
async fn main() -> Result<(), Error> {
    run(service_fn(async |_: LambdaEvent<IgnoredAny>| Ok::<_, Error>("hello"))).await
}
