//! The environment of a Lambda function: the time, and variables.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use rules::calendar::Instant;

/// The present instant, by the clock of the machine.
pub fn now() -> Instant {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

/// A variable of the environment; none if it is empty.
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
