//! A watch over the clock, which compares it with the latest instant on record. A clock that was ahead leaves records
//! with future instants, and after it went back, sweeps would find them wrong. So nothing is swept while the clock is
//! behind.

use rules::calendar::Instant;
use store::{Store, StoreError};
use thiserror::Error;
use tokio::sync::Mutex;

use super::queue::{QueueError, Queues};
use super::time::{EVER, FarAhead, Time};

/// The tolerated difference between two clocks: as much as facts may be dated ahead of one.
const DIFFER_MS: i64 = 5 * 60 * 1_000;

/// Why nothing is swept.
#[derive(Debug, Error)]
pub enum ClockError {
    /// The clock is behind what is on record.
    #[error(
        "it says {now}, and was {} ahead of that: nothing is swept until it is right, or the system is started again",
        in_words(*behind)
    )]
    Behind {
        /// The present time by the clock.
        now: Instant,
        /// The milliseconds that it is behind.
        behind: i64,
    },
    /// Nothing that follows could be dated.
    #[error(transparent)]
    FarAhead(#[from] FarAhead),
    /// The time could not be noted.
    #[error(transparent)]
    Unnoted(#[from] QueueError),
}

/// The interval at which the time is noted. This also detects a store that accepts no writes, even if no sender writes.
const NOTED_EVERY_MS: i64 = 10 * 1_000;

/// The latest instant on record.
#[derive(Debug)]
pub struct Watch {
    latest: Mutex<Latest>,
}

#[derive(Debug, Clone, Copy)]
struct Latest {
    seen: Instant,
    noted: Instant,
}

/// The latest instant that a store knows: the last noted time of this system; or, if an earlier release noted none, the
/// time at which the latest job was opened.
///
/// # Errors
/// See [`QueueError`].
pub async fn latest(store: &Store, queues: &Queues) -> Result<Option<Instant>, QueueError> {
    if let Some(noted) = queues.noted_time().await? {
        return Ok(Some(noted));
    }
    let mut latest = None;
    for shop in store.shops().await.map_err(QueueError::of)? {
        latest = latest.max(opened_last(store, &shop).await.map_err(QueueError::of)?);
    }
    Ok(latest)
}

/// When the latest job of a shop was opened.
async fn opened_last(store: &Store, shop: &store::shop::ShopId) -> Result<Option<Instant>, StoreError> {
    let jobs = store.latest_jobs(shop, EVER, 1).await?;
    Ok(jobs.first().map(|job| job.body.opened_at))
}

/// The milliseconds by which a clock is behind an instant on record, if that is more than clocks may differ.
pub fn behind(now: Instant, latest: Option<Instant>) -> Option<i64> {
    let behind = latest?.millis() - now.millis();
    (behind > DIFFER_MS).then_some(behind)
}

impl Watch {
    /// A watch that begins now.
    pub fn from(now: Instant) -> Self {
        let noted = Instant::from_millis(i64::MIN / 2);
        Self { latest: Mutex::new(Latest { seen: now, noted }) }
    }

    /// Starts again, if the time was set before anything happened.
    pub async fn begin(&self, now: Instant) {
        self.latest.lock().await.seen = now;
    }

    /// Checks the clock, and notes its time now and then.
    ///
    /// # Errors
    /// [`ClockError`].
    pub async fn look(&self, time: &Time, queues: &Queues) -> Result<(), ClockError> {
        let now = time.datable()?;
        let mut latest = self.latest.lock().await;
        if let Some(behind) = behind(now, Some(latest.seen)) {
            return Err(ClockError::Behind { now, behind });
        }
        latest.seen = latest.seen.max(now);
        if now.millis().saturating_sub(latest.noted.millis()) >= NOTED_EVERY_MS {
            queues.note_time(now).await?;
            latest.noted = now;
        }
        Ok(())
    }
}

/// A duration for people.
pub fn in_words(ms: i64) -> String {
    let minutes = ms / 60_000;
    match (minutes / 1_440, minutes / 60) {
        (0, 0) => format!("{minutes} minutes"),
        (0, hours) => format!("{hours} hours"),
        (days, _) => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_behind_by_more_than_clocks_differ_is_noticed() {
        let at = |minutes: i64| Instant::from_millis(minutes * 60_000);
        assert_eq!(behind(at(10), None), None);
        assert_eq!(behind(at(10), Some(at(15))), None);
        assert_eq!(behind(at(10), Some(at(16))), Some(6 * 60_000));
        assert_eq!(behind(at(10), Some(at(1))), None);
        assert_eq!(
            [in_words(360_000), in_words(7_300_000), in_words(730 * 86_400_000)],
            ["6 minutes", "2 hours", "730 days"]
        );
    }
}
