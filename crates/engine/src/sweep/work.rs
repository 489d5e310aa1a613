//! The work on a segment, page by page.

use std::ops::ControlFlow;
use std::time::Duration;

use rules::version::Versions;
use store::key::list_place;
use store::records::tally::Tally;
use store::records::{Job, Lease, Segment, State};
use store::{Remedy, Row, StoreError};
use tokio::time::Instant;

use super::member::ReviewContext;
use super::pace::Pace;
use super::statistics::SnapshotContext;
use super::tick::is_of;
use super::{SegmentQueue, Sweep, Work};

/// The duration of a lease after the last page, in milliseconds: several times as long as a page takes. No other worker
/// may work on the segment meanwhile.
pub(super) const LEASE_MS: i64 = 60_000;
/// The rest of a segment that was given back because the database is busy.
const RECOVERY: Duration = Duration::from_secs(60);

/// The end of the work on a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// The segment is done.
    Done,
    /// It continues with another message: the budget is used up, or it is too early.
    GoesOn,
    /// Another worker owns it.
    Elsewhere,
    /// The job is paused, ended, or not known.
    Stopped,
}

/// The work on a segment, from taking it to leaving it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRun {
    /// The way it ended.
    pub ended: RunEnd,
    /// The counts of this work.
    pub tally: Tally,
}

impl<W: SegmentQueue> Sweep<W> {
    /// Works on a segment until it is done, or the budget is used up. May be called any number of times for the same
    /// segment, also concurrently.
    ///
    /// # Errors
    /// See [`StoreError`]; the message may then be delivered again.
    pub async fn work(&self, work: &Work) -> Result<SegmentRun, StoreError> {
        let mut tally = Tally::default();
        let ended = self.work_and_count(work, &mut tally).await?;
        Ok(SegmentRun { ended, tally })
    }

    async fn work_and_count(&self, work: &Work, tally: &mut Tally) -> Result<RunEnd, StoreError> {
        let begun = Instant::now();
        let Work { shop, job, segment } = work;
        let Some(mut segment) = self.store.segment(shop, job, *segment).await? else { return Ok(RunEnd::Stopped) };
        let Some(versions) = self.store.versions(shop).await? else { return Ok(RunEnd::Stopped) };
        let (mut pace, mut is_mine) = (Pace::default(), false);
        loop {
            let job_now = match self.check_job(work, &versions).await? {
                ControlFlow::Continue(job) => job,
                ControlFlow::Break(end) => {
                    if is_mine {
                        self.release(work, &mut segment).await?;
                    }
                    return Ok(end);
                }
            };
            if segment.body.is_done() {
                self.finish(shop, job).await?;
                return Ok(RunEnd::Done);
            }
            let now = self.clock.now();
            if !is_mine && segment.body.is_leased_to_another(&self.settings.owner, now) {
                return Ok(RunEnd::Elsewhere);
            }
            let is_over = begun.elapsed() >= self.settings.budget;
            let lease = Lease { owner: self.settings.owner.clone(), until: now.plus_millis(LEASE_MS) };
            segment.body.lease = (!is_over).then_some(lease);
            if is_over || !is_mine {
                if !is_over {
                    let version = segment.version().saturating_add(1);
                    let place = list_place(&segment.body.place);
                    segment.body.taken_as(version, place);
                }
                match self.store.write_segment(shop, job, &mut segment).await {
                    Err(StoreError::Conflict) => return Ok(RunEnd::Elsewhere),
                    written => written?,
                }
                is_mine = true;
            }
            if is_over {
                return self.requeue(work, Duration::ZERO).await;
            }
            self.workers.yield_to_traffic().await;
            let (snapshot_context, now) = (SnapshotContext::of(&job_now, &versions), self.clock.now());
            let context = ReviewContext {
                store: &self.store,
                shop,
                versions: &versions,
                job,
                snapshot_context: snapshot_context.as_ref(),
                now,
                clock: &self.clock,
            };
            match self.page(&context, &mut segment, pace).await {
                Ok(counted) => {
                    tally.add(&counted);
                    pace.speed_up();
                }
                Err(StoreError::Conflict) => return Ok(RunEnd::Elsewhere),
                Err(error) => match (error.remedy(), pace.back_off()) {
                    (Remedy::Later, Some(rest)) => {
                        tracing::warn!(%error, %work, "sweep throttled");
                        tokio::time::sleep(rest).await;
                        // The segment is taken again with a new version, which invalidates the list rows already
                        // written.
                        is_mine = false;
                    }
                    (Remedy::Later, None) => {
                        tracing::warn!(%error, %work, "sweep suspended: the database is busy");
                        return self.requeue(work, RECOVERY).await;
                    }
                    (Remedy::Reload | Remedy::Quarantine, _) => return Err(error),
                },
            }
        }
    }

    /// Gives a segment back, to be continued as soon as the job is resumed.
    async fn release(&self, work: &Work, segment: &mut Row<Segment>) -> Result<(), StoreError> {
        segment.body.lease = None;
        match self.store.write_segment(&work.shop, &work.job, segment).await {
            // Another worker has taken it already.
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn requeue(&self, work: &Work, delay: Duration) -> Result<RunEnd, StoreError> {
        self.workers.enqueue(vec![work.clone()], delay).await?;
        Ok(RunEnd::GoesOn)
    }

    /// Reads the job again before each page; a pause takes effect at once.
    async fn check_job(&self, work: &Work, versions: &Versions) -> Result<ControlFlow<RunEnd, Job>, StoreError> {
        let stopped = Ok(ControlFlow::Break(RunEnd::Stopped));
        let Some(mut job) = self.store.job(&work.shop, &work.job).await? else { return stopped };
        if job.body.state != State::Running {
            return stopped;
        }
        // A version that was replaced before it took effect concerns no member.
        if !is_of(&work.job, versions) {
            job.body.end(State::Cancelled, self.clock.now(), self.store.zones());
            self.store.write_job(&work.shop, &mut job).await?;
            return stopped;
        }
        let early = job.body.starts_at.millis() - self.clock.now().millis();
        match u64::try_from(early) {
            Ok(early) if early > 0 => {
                let early = Duration::from_millis(early);
                self.requeue(work, early).await.map(ControlFlow::Break)
            }
            Ok(_) | Err(_) => Ok(ControlFlow::Continue(job.body)),
        }
    }
}
