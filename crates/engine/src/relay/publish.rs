//! Rows onto the bus: in batches it takes, each tried a few times.

use std::time::Duration;

use tokio::time::Instant;

use super::bus::{Answer, BYTES_MAX, Bus, ENTRIES_MAX, size};
use store::Outgoing;

/// How often and how long something is tried.
#[derive(Debug, Clone)]
pub struct Pace {
    /// So often in all.
    pub attempts: u32,
    /// So long before the second time; then twice as long each time.
    pub wait: Duration,
    /// So long in all: nothing is begun afterwards.
    pub budget: Duration,
}

impl Default for Pace {
    /// Four times within two seconds, and half a minute for everything: half of what a function may take.
    fn default() -> Self {
        Self { attempts: 4, wait: Duration::from_millis(200), budget: Duration::from_secs(30) }
    }
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The bus has it.
    Published,
    /// The bus does not have it, and may take it later.
    Later(String),
    /// The bus will never take it. It stays in its outbox, and is told of each hour.
    Never(String),
}

/// Puts rows on the bus and yields what became of each.
pub async fn publish(bus: &impl Bus, rows: &[Outgoing], pace: &Pace) -> Vec<Fate> {
    let until = Instant::now() + pace.budget;
    let mut fates: Vec<Fate> = rows.iter().map(first_fate).collect();
    let mut wait = pace.wait;
    for attempt in 0..pace.attempts {
        let mut waiting: Vec<_> =
            fates.iter_mut().zip(rows).filter(|(fate, _)| matches!(fate, Fate::Later(_))).collect();
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
    fates
}

/// Before it is tried.
fn first_fate(row: &Outgoing) -> Fate {
    let size = size(row);
    if size > BYTES_MAX {
        Fate::Never(format!("it has {size} bytes, and the bus takes {BYTES_MAX}"))
    } else {
        Fate::Later("there was no time to try".to_owned())
    }
}

/// How many of these rows the bus takes at once; at least one.
fn batch<'a>(rows: impl Iterator<Item = &'a Outgoing>) -> usize {
    let mut bytes = 0;
    let fits = |row: &&Outgoing| {
        bytes += size(row);
        bytes <= BYTES_MAX
    };
    rows.take(ENTRIES_MAX).take_while(fits).count().max(1)
}

async fn put(bus: &impl Bus, batch: &mut [(&mut Fate, &Outgoing)]) {
    let entries: Vec<_> = batch.iter().map(|(_, row)| *row).collect();
    // What has no answer may have been taken or not: it is sent again.
    for ((fate, _), answer) in batch.iter_mut().zip(bus.put(&entries).await) {
        **fate = match answer {
            Answer::Taken => Fate::Published,
            Answer::Later(why) => Fate::Later(why),
            Answer::Never(why) => Fate::Never(why),
        };
    }
}

#[cfg(test)]
mod tests;
