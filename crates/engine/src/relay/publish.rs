//! Puts rows on the bus in batches that it takes, with a few attempts each.

use std::time::Duration;

use store::Outgoing;
use tokio::time::Instant;

use super::bus::{BYTES_MAX, Bus, ENTRIES_MAX, PutResult, size};

/// The number and duration of attempts.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// The maximum number of attempts.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles with each further one.
    pub wait: Duration,
    /// The total time after which no attempt begins.
    pub budget: Duration,
}

impl Default for RetryPolicy {
    /// Four attempts within two seconds, and half a minute for everything: half of a function's time limit.
    fn default() -> Self {
        Self { attempts: 4, wait: Duration::from_millis(200), budget: Duration::from_secs(30) }
    }
}

/// The delivery of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The bus has it.
    Published,
    /// The bus does not have it, and may take it later.
    Later(String),
    /// The bus will never take it. It stays in its outbox, and each hourly pass logs it again.
    Never(String),
}

/// Puts rows on the bus and yields the delivery of each.
pub async fn publish(bus: &impl Bus, rows: &[Outgoing], retry_policy: &RetryPolicy) -> Vec<Delivery> {
    let until = Instant::now() + retry_policy.budget;
    let mut deliveries: Vec<Delivery> = rows.iter().map(first_fate).collect();
    let mut wait = retry_policy.wait;
    for attempt in 0..retry_policy.attempts {
        let mut waiting: Vec<_> =
            deliveries.iter_mut().zip(rows).filter(|(delivery, _)| matches!(delivery, Delivery::Later(_))).collect();
        if waiting.is_empty() {
            break;
        }
        if attempt > 0 {
            if Instant::now() + wait >= until {
                break;
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2);
        }
        let mut rest = waiting.as_mut_slice();
        while !rest.is_empty() && Instant::now() < until {
            let (batch, others) = rest.split_at_mut(batch(rest.iter().map(|(_, row)| *row)));
            put(bus, batch).await;
            rest = others;
        }
    }
    deliveries
}

/// The state of a row before the first attempt.
fn first_fate(row: &Outgoing) -> Delivery {
    let size = size(row);
    if size > BYTES_MAX {
        Delivery::Never(format!("it has {size} bytes, and the bus takes {BYTES_MAX}"))
    } else {
        Delivery::Later("there was no time to try".to_owned())
    }
}

/// The number of these rows that the bus takes at once; at least one.
fn batch<'a>(rows: impl Iterator<Item = &'a Outgoing>) -> usize {
    let mut bytes = 0;
    let fits = |row: &&Outgoing| {
        bytes += size(row);
        bytes <= BYTES_MAX
    };
    rows.take(ENTRIES_MAX).take_while(fits).count().max(1)
}

async fn put(bus: &impl Bus, batch: &mut [(&mut Delivery, &Outgoing)]) {
    let entries: Vec<_> = batch.iter().map(|(_, row)| *row).collect();
    // An entry without an answer may have been taken or not: it is sent again.
    for ((delivery, _), answer) in batch.iter_mut().zip(bus.put(&entries).await) {
        **delivery = match answer {
            PutResult::Taken => Delivery::Published,
            PutResult::Later(why) => Delivery::Later(why),
            PutResult::Never(why) => Delivery::Never(why),
        };
    }
}

#[cfg(test)]
mod tests;
