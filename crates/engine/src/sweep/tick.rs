//! Ticks open jobs that are due and missing, and enqueue segments that no worker owns. Events and schedules only make
//! that sooner; a crash between a write and a message loses nothing. Ticks also verify erasures and continue the
//! deletion of shops.

use std::collections::BTreeSet;
use std::time::Duration;

use rules::calendar::{Day, Instant};
use rules::version::Versions;
use serde::Serialize;
use store::records::insight::{Counts, Insight};
use store::records::list::Lists;
use store::records::{Job, JobId, Kind, Segment, State};
use store::shop::ShopId;
use store::{Row, StoreError};

use super::due::{due, recalculation};
use super::{SegmentQueue, Sweep, Work};
use crate::lists::KEPT_MS;

/// The number of latest jobs of a shop that are read. Open jobs are among them.
const LATEST: i32 = 10;
/// The approximate number of members per segment.
const MEMBERS_PER_SEGMENT: u64 = 20_000;
/// The maximum number of segments: they fit into one transaction with their job.
const SEGMENTS_MAX: u16 = 64;
/// The number of segments if the number of members is not known.
const SEGMENTS: u16 = 16;
/// The longest time before its boundary at which a job is opened, in milliseconds: the longest delay of a message.
pub(super) const AHEAD_MS: i64 = 900_000;

/// The result of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Ticked {
    /// The number of shops visited.
    pub shops: u64,
    /// The number of jobs opened.
    pub opened: u64,
    /// The number of segments handed to workers.
    pub sent: u64,
    /// The number of shops that failed; the next tick tries them again.
    pub failed: u64,
}

impl Ticked {
    fn and(self, other: Self) -> Self {
        Self {
            shops: self.shops + other.shops,
            opened: self.opened + other.opened,
            sent: self.sent + other.sent,
            failed: self.failed + other.failed,
        }
    }
}

impl<W: SegmentQueue> Sweep<W> {
    /// Opens the jobs that are due in any shop, and enqueues the segments of open jobs. A failure in one shop does not
    /// stop another.
    ///
    /// # Errors
    /// See [`StoreError`]: the shops cannot be listed.
    pub async fn tick(&self) -> Result<Ticked, StoreError> {
        let mut ticked = Ticked::default();
        for shop in self.store.shops().await? {
            let one = self.tick_shop(&shop).await.unwrap_or_else(|error| {
                tracing::error!(%shop, %error, "tick failed for a shop; the next tick retries");
                Ticked { shops: 1, failed: 1, ..Ticked::default() }
            });
            ticked = ticked.and(one);
        }
        if let Err(error) = self.store.redact_shops(self.clock.now(), self.settings.redaction).await {
            tracing::error!(%error, "the shops that are to be deleted cannot be listed; the next tick tries again");
        }
        Ok(ticked)
    }

    /// The same for one shop.
    ///
    /// # Errors
    /// See [`StoreError`]; work already done stays, and the next tick does the rest.
    pub async fn tick_shop(&self, shop: &ShopId) -> Result<Ticked, StoreError> {
        let mut ticked = Ticked { shops: 1, ..Ticked::default() };
        let Some(versions) = self.store.versions(shop).await? else { return Ok(ticked) };
        for id in due(&versions, self.clock.now()) {
            ticked.opened += u64::from(self.open(shop, id, &versions).await?);
        }
        ticked.sent = self.nudge(shop, &versions).await?;
        self.store.verify_erasures(shop, self.clock.now()).await?;
        Ok(ticked)
    }

    /// Opens the job of a version that was just published, even before its instant if that is near, and enqueues its
    /// segments.
    ///
    /// # Errors
    /// See [`StoreError`]; the next tick tries again.
    pub async fn published(&self, shop: &ShopId, number: u32) -> Result<Ticked, StoreError> {
        let mut ticked = Ticked { shops: 1, ..Ticked::default() };
        let Some(versions) = self.store.versions(shop).await? else { return Ok(ticked) };
        let near = self.clock.now().plus_millis(AHEAD_MS);
        let is_first = number == versions.first_of_all().number;
        if let Some(id) = recalculation(&versions, number).filter(|id| !is_first && id.until <= near) {
            ticked.opened = u64::from(self.open(shop, id, &versions).await?);
        }
        ticked.sent = self.nudge(shop, &versions).await?;
        Ok(ticked)
    }

    /// Opens a job unless it exists. Yields whether it is new. Earlier jobs of its kind are superseded.
    async fn open(&self, shop: &ShopId, id: JobId, versions: &Versions) -> Result<bool, StoreError> {
        let latest = self.store.latest_jobs(shop, self.clock.now().plus_millis(AHEAD_MS), LATEST).await?;
        let is_there = |job: &Row<Job>| job.body.id == id;
        if latest.iter().any(is_there) || self.store.job(shop, &id).await?.is_some() {
            return Ok(false);
        }
        let now = self.clock.now();
        let margin = i64::try_from(self.settings.margin.as_millis()).unwrap_or(i64::MAX);
        let earlier: Vec<Row<Job>> = latest
            .iter()
            .filter(|job| {
                job.body.state.is_open() && job.body.id.kind.is_like(id.kind) && job.body.id.until <= id.until
            })
            .cloned()
            .collect();
        // An operator who paused the earlier job did not mean the later one to run in its place.
        let is_paused = earlier.iter().any(|job| job.body.state == State::Paused);
        let job = Job {
            id,
            state: if is_paused { State::Paused } else { State::Running },
            opened_at: now,
            starts_at: now.max(id.until.plus_millis(margin)),
            ended_at: None,
            segments: segments(&latest),
            tally: None,
            since: since(&latest, id, versions),
            day: day(id, versions),
            zones: BTreeSet::from([self.store.zones().release()]),
            lists: Some(Lists { until: now.plus_millis(KEPT_MS), restarts: Vec::new() }),
        };
        let is_news = self.store.open_job(shop, &job).await?;
        for mut job in earlier {
            self.end(shop, &mut job, State::Superseded).await?;
        }
        Ok(is_news)
    }

    /// Enqueues waiting segments that no worker owns, and finishes jobs whose segments are all done.
    async fn nudge(&self, shop: &ShopId, versions: &Versions) -> Result<u64, StoreError> {
        let mut sent = 0;
        for mut job in self.store.latest_jobs(shop, self.clock.now().plus_millis(AHEAD_MS), LATEST).await? {
            if !is_of(&job.body.id, versions) && job.body.state.is_open() {
                self.end_if_withdrawn(shop, &mut job).await?;
            } else if job.body.state == State::Running {
                sent += self.send(shop, &job.body).await?;
            }
        }
        Ok(sent)
    }

    /// Ends the job of a version that was replaced before it took effect, and whose message is lost. The versions are
    /// read again, because the job may belong to a version newer than those read before.
    async fn end_if_withdrawn(&self, shop: &ShopId, job: &mut Row<Job>) -> Result<(), StoreError> {
        match self.store.versions(shop).await? {
            Some(versions) if !is_of(&job.body.id, &versions) => self.end(shop, job, State::Cancelled).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Enqueues the segments of a job that no worker owns.
    pub(super) async fn send(&self, shop: &ShopId, job: &Job) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let segments = self.store.segments(shop, &job.id).await?;
        // A lease of this owner is left over from a process that was killed.
        let is_idle =
            |segment: &Segment| !segment.is_done() && !segment.is_leased_to_another(&self.settings.owner, now);
        let idle = segments.iter().filter(|row| is_idle(&row.body));
        let idle: Vec<Work> =
            idle.map(|row| Work { shop: shop.clone(), job: job.id, segment: row.body.number }).collect();
        let sent = idle.len() as u64;
        if job.is_swept(self.store.tables().spread, segments.iter().map(|row| &row.body)) {
            self.finish(shop, &job.id).await?;
        }
        if sent > 0 {
            self.workers.enqueue(idle, wait(now, job.starts_at)).await?;
        }
        Ok(sent)
    }

    /// Ends a job in a state, with the counts of its segments. A concurrent write by another process stands.
    pub(super) async fn end(&self, shop: &ShopId, job: &mut Row<Job>, state: State) -> Result<(), StoreError> {
        let segments = self.store.segments(shop, &job.body.id).await?;
        job.body.end(state, self.clock.now(), self.store.zones());
        job.body.tally = Some(super::progress::counted(&segments));
        match self.store.write_job(shop, job).await {
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends a job with its insight if all its segments are done. From then on its lists are the shop's.
    pub(super) async fn finish(&self, shop: &ShopId, id: &JobId) -> Result<(), StoreError> {
        let segments = self.store.segments(shop, id).await?;
        // Mostly other segments are still at work: then the job need not be read.
        if !segments.iter().all(|row| row.body.is_done()) {
            return Ok(());
        }
        let Some(mut job) = self.store.job(shop, id).await? else { return Ok(()) };
        if job.body.state != State::Running
            || !job.body.is_swept(self.store.tables().spread, segments.iter().map(|row| &row.body))
        {
            return Ok(());
        }
        let Some(lists) = &mut job.body.lists else { return self.end(shop, &mut job, State::Done).await };
        lists.restarts = segments.iter().flat_map(|row| row.body.restarts.iter().cloned()).collect();
        let Some(versions) = self.store.versions(shop).await? else { return Ok(()) };
        let tally = super::progress::counted(&segments);
        let mut found = Counts::default();
        segments.iter().for_each(|row| found.add(&row.body.found));
        let insight = Insight::of(&job.body, versions.in_force(id.until), found, &tally);
        job.body.end(State::Done, self.clock.now(), self.store.zones());
        job.body.tally = Some(tally);
        match self.store.write_found(shop, &mut job, &insight).await {
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn wait(now: Instant, until: Instant) -> Duration {
    Duration::from_millis(u64::try_from(until.millis() - now.millis()).unwrap_or(0))
}

/// The start of the moves that a rollover counts: the last rollover of an earlier day that is done, and so a night
/// without a rollover is included. The first rollover counts since the midnight before. If a newer release of the time
/// zone database moves a midnight, its new job counts the moves again, in place of the old job
/// ([`crate::insight::flows`]).
fn since(latest: &[Row<Job>], id: JobId, versions: &Versions) -> Option<Instant> {
    let today = day(id, versions)?;
    let is_earlier = |job: &&Job| job.id.until < id.until && job.day.or(day(job.id, versions)) < Some(today);
    let mut done =
        latest.iter().map(|row| &row.body).filter(|job| job.state == State::Done && job.id.kind == Kind::Rollover);
    let zone = &versions.in_force(id.until).program.timezone;
    Some(done.find(is_earlier).map_or_else(|| zone.midnight(today.previous()), |job| job.id.until))
}

/// The local day that begins at the boundary of a rollover.
fn day(id: JobId, versions: &Versions) -> Option<Day> {
    match id.kind {
        Kind::Rollover => Some(versions.in_force(id.until).program.timezone.day(id.until)),
        Kind::Recalculation { .. } => None,
    }
}

/// The number of segments of a shop, from the number of members that the last job found.
fn segments(latest: &[Row<Job>]) -> u16 {
    let known = latest.iter().filter(|job| job.body.state == State::Done).find_map(|job| job.body.tally.as_ref());
    known.map_or(SEGMENTS, |tally| {
        u16::try_from(tally.members.div_ceil(MEMBERS_PER_SEGMENT)).unwrap_or(SEGMENTS_MAX).clamp(1, SEGMENTS_MAX)
    })
}

/// Whether the job's boundary still belongs to these versions: a pending version may have been replaced.
pub(super) fn is_of(id: &JobId, versions: &Versions) -> bool {
    match id.kind {
        Kind::Rollover => true,
        Kind::Recalculation { version } => recalculation(versions, version) == Some(*id),
    }
}
