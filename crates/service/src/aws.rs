//! The clients of AWS, made in one place, so that every function waits and tries again in the same way.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

use crate::ingest::SqsAsides;
use crate::relay::EventBridge;
use crate::store::Store;
use crate::store::table::Tables;

/// A connection within a region stands in milliseconds, or is not worth waiting for.
const CONNECT: Duration = Duration::from_secs(1);

/// Of 5-item transactions 99 % are done in 100 ms: what takes this long was lost, and is asked again.
const ATTEMPT: Duration = Duration::from_millis(2_500);

/// With all attempts. A commit may not take longer: a later one could straddle a midnight.
const OPERATION: Duration = Duration::from_secs(5);

/// Attempts by the SDK, which backs off with jitter. They are safe: every write is conditioned on what was read, and a
/// transaction that is sent again carries the same token, so that it is done once. What is still not done is tried
/// again by the queue or the stream, as a whole.
const ATTEMPTS: u32 = 3;

/// The configuration of a function, from its environment. Make clients of it before the first event comes: what is set
/// up at the start is set up while the CPU is not rationed.
pub async fn config() -> SdkConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT);
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts.operation_timeout(OPERATION).build())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .load()
        .await
}

/// The tables.
pub fn store(config: &SdkConfig, tables: Tables) -> Store {
    Store::new(aws_sdk_dynamodb::Client::new(config), tables)
}

/// The bus that events are announced on.
pub fn bus(config: &SdkConfig, name: &str) -> EventBridge {
    EventBridge::new(aws_sdk_eventbridge::Client::new(config), name)
}

/// The queue for what can never succeed.
pub fn asides(config: &SdkConfig, url: &str) -> SqsAsides {
    SqsAsides::new(aws_sdk_sqs::Client::new(config), url)
}
