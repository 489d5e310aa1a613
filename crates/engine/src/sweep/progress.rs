//! The progress of a job, and the orders of an operator.

use rules::calendar::Instant;
use serde::{Deserialize, Serialize};
use store::key::Spread;
use store::records::tally::Tally;
use store::records::{Job, JobId, Segment, State};
use store::shop::ShopId;
use store::{Row, Store, StoreError};

use super::tick::AHEAD_MS;
use super::{SegmentQueue, Sweep};

/// The progress of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The job.
    #[serde(flatten)]
    pub job: Job,
    /// The counts so far.
    pub so_far: Tally,
    /// The number of parts done, of 256 equal parts of the members.
    pub parts_done: u16,
    /// The estimated end, by the time taken so far; none before the first part is done, and at the end.
    pub ends_at: Option<Instant>,
}

pub(super) fn counted(segments: &[Row<Segment>]) -> Tally {
    segments.iter().fold(Tally::default(), |mut sum, row| {
        sum.add(&row.body.tally);
        sum
    })
}

impl Progress {
    /// The progress of a job at an instant.
    fn of(job: Job, segments: &[Row<Segment>], spread: Spread, now: Instant) -> Self {
        let parts_done: u16 = segments.iter().map(|row| row.body.place.bucket - row.body.begin).sum();
        let took = now.millis() - job.starts_at.millis();
        let left = i64::from(spread.buckets().saturating_sub(parts_done));
        let is_going = job.state == State::Running && parts_done > 0 && took > 0;
        let ends_at = is_going.then(|| now.plus_millis(took * left / i64::from(parts_done)));
        Self { so_far: counted(segments), parts_done, ends_at, job }
    }
}

/// An operator's order to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Stops after the pages under way, until it is resumed.
    Pause,
    /// Continues.
    Resume,
    /// Ends it.
    Cancel,
}

/// The progress of a job, whichever process works on it.
///
/// # Errors
/// See [`StoreError`].
pub async fn progress(store: &Store, shop: &ShopId, id: &JobId, now: Instant) -> Result<Option<Progress>, StoreError> {
    let Some(job) = store.job(shop, id).await? else { return Ok(None) };
    let segments = store.segments(shop, id).await?;
    Ok(Some(Progress::of(job.body, &segments, store.tables().spread, now)))
}

/// A job of a shop with its progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The shop.
    pub shop: ShopId,
    /// The job.
    #[serde(flatten)]
    pub progress: Progress,
}

/// The number of jobs listed for a shop: the latest.
const LATEST: i32 = 10;

/// The latest jobs of a shop, the latest boundary first.
///
/// # Errors
/// See [`StoreError`].
pub async fn latest(store: &Store, shop: &ShopId, now: Instant) -> Result<Vec<Listed>, StoreError> {
    let mut listed = Vec::new();
    for job in store.latest_jobs(shop, now.plus_millis(AHEAD_MS), LATEST).await? {
        let found = progress(store, shop, &job.body.id, now).await?;
        listed.extend(found.map(|progress| Listed { shop: shop.clone(), progress }));
    }
    Ok(listed)
}

impl<W: SegmentQueue> Sweep<W> {
    /// The progress of a job; none if there is no such job.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn progress(&self, shop: &ShopId, id: &JobId) -> Result<Option<Progress>, StoreError> {
        progress(&self.store, shop, id, self.clock.now()).await
    }

    /// Pauses, resumes or cancels a job, and yields its state; none if there is no such job. A job that has ended stays
    /// as it is.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it was changed in between: read it again and repeat the order.
    pub async fn order(&self, shop: &ShopId, id: &JobId, order: Order) -> Result<Option<State>, StoreError> {
        let Some(mut job) = self.store.job(shop, id).await? else { return Ok(None) };
        match (order, job.body.state) {
            (Order::Pause, State::Running) => {
                job.body.state = State::Paused;
                self.store.write_job(shop, &mut job).await?;
            }
            (Order::Resume, State::Paused) => {
                job.body.state = State::Running;
                self.store.write_job(shop, &mut job).await?;
                self.send(shop, &job.body).await?;
            }
            (Order::Cancel, State::Running | State::Paused) => self.end(shop, &mut job, State::Cancelled).await?,
            (Order::Pause | Order::Resume | Order::Cancel, _) => {}
        }
        Ok(Some(job.body.state))
    }
}
