//! A segment, worked on page by page.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, TryStreamExt};
use rules::id::{MemberId, TierId};
use rules::version::Versions;
use tokio::time::Instant;

use super::job::{Lease, Place, Segment, State};
use super::look::{Due, Found, Look};
use super::pace::Pace;
use super::tally::{Seen, Since, Tally};
use super::{Sweep, Work, Workers};
use crate::store::{Commit, Remedy, Row, Scanned, StoreError, WRITES_MAX};

/// Nobody else works on a segment for so long after its last page: some times as long as a page takes.
const LEASE_MS: i64 = 60_000;
/// A checkpoint follows on about so many members.
const PAGE: usize = 1_000;
/// How often a member who is written to meanwhile is looked at again.
const TRIES_MAX: u32 = 8;
/// Histories read at a time.
const READS_AT_A_TIME: usize = 16;
/// A segment that is given back because the database is busy rests for so long.
const RECOVERY: Duration = Duration::from_secs(60);

/// How work on a segment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worked {
    /// All of it is done.
    Done,
    /// It goes on with another message: time is up, or it is not time yet.
    GoesOn,
    /// Somebody else works on it.
    Elsewhere,
    /// The job is paused, ended, or not known.
    Stopped,
}

/// Work on a segment, from taking it to leaving it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stint {
    /// How it ended.
    pub ended: Worked,
    /// What was counted on the way.
    pub tally: Tally,
}

impl<W: Workers> Sweep<W> {
    /// Works on a segment until it is done, or the time for it is up. May be called any number of times for the same, also
    /// at once.
    ///
    /// # Errors
    /// See [`StoreError`]; then the message may come again.
    pub async fn work(&self, work: &Work) -> Result<Stint, StoreError> {
        let mut tally = Tally::default();
        let ended = self.work_and_count(work, &mut tally).await?;
        Ok(Stint { ended, tally })
    }

    async fn work_and_count(&self, work: &Work, tally: &mut Tally) -> Result<Worked, StoreError> {
        let begun = Instant::now();
        let Work { shop, job, segment } = work;
        let Some(mut segment) = self.store.segment(shop, job, *segment).await? else { return Ok(Worked::Stopped) };
        let Some(versions) = self.store.versions(shop).await? else { return Ok(Worked::Stopped) };
        let (mut pace, mut is_mine) = (Pace::default(), false);
        loop {
            if let Some(end) = self.may_not_go_on(work, &versions).await? {
                if is_mine {
                    self.leave(work, &mut segment).await?;
                }
                return Ok(end);
            }
            if segment.body.is_done() {
                self.finish(shop, job).await?;
                return Ok(Worked::Done);
            }
            let now = self.clock.now();
            if !is_mine && segment.body.is_leased_to_another(&self.settings.owner, now) {
                return Ok(Worked::Elsewhere);
            }
            let is_over = begun.elapsed() >= self.settings.budget;
            let lease = Lease { owner: self.settings.owner.clone(), until: now.plus_millis(LEASE_MS) };
            segment.body.lease = (!is_over).then_some(lease);
            if is_over || !is_mine {
                match self.store.write_segment(shop, job, &mut segment).await {
                    Err(StoreError::Conflict) => return Ok(Worked::Elsewhere),
                    written => written?,
                }
                is_mine = true;
            }
            if is_over {
                return self.again(work, Duration::ZERO).await;
            }
            self.workers.give_way().await;
            let look = Look { store: &self.store, shop, versions: &versions, job, now: self.clock.now() };
            match self.page(&look, &mut segment, pace).await {
                Ok(counted) => {
                    tally.add(&counted);
                    pace.well();
                }
                Err(StoreError::Conflict) => return Ok(Worked::Elsewhere),
                Err(error) => match (error.remedy(), pace.busy()) {
                    (Remedy::Later, Some(rest)) => {
                        tracing::warn!(%error, %work, "the sweep goes slower");
                        tokio::time::sleep(rest).await;
                    }
                    (Remedy::Later, None) => {
                        tracing::warn!(%error, %work, "the sweep rests");
                        return self.again(work, RECOVERY).await;
                    }
                    (Remedy::Reload | Remedy::SetAside, _) => return Err(error),
                },
            }
        }
    }

    /// Gives a segment back, so that it can go on as soon as the job is resumed.
    async fn leave(&self, work: &Work, segment: &mut Row<Segment>) -> Result<(), StoreError> {
        segment.body.lease = None;
        match self.store.write_segment(&work.shop, &work.job, segment).await {
            // Somebody else has it already.
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn again(&self, work: &Work, delay: Duration) -> Result<Worked, StoreError> {
        self.workers.send(vec![work.clone()], delay).await.map_err(StoreError::Unavailable)?;
        Ok(Worked::GoesOn)
    }

    /// Looks at the job again before each page, so that a pause acts at once.
    async fn may_not_go_on(&self, work: &Work, versions: &Versions) -> Result<Option<Worked>, StoreError> {
        let Some(mut job) = self.store.job(&work.shop, &work.job).await? else { return Ok(Some(Worked::Stopped)) };
        if job.body.state != State::Running {
            return Ok(Some(Worked::Stopped));
        }
        // A version that was replaced before it took effect concerns nobody.
        if !work.job.is_of(versions) {
            job.body.state = State::Cancelled;
            job.body.ended_at = Some(self.clock.now());
            self.store.write_job(&work.shop, &mut job).await?;
            return Ok(Some(Worked::Stopped));
        }
        let early = job.body.starts_at.millis() - self.clock.now().millis();
        match u64::try_from(early) {
            Ok(early) if early > 0 => self.again(work, Duration::from_millis(early)).await.map(Some),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// One page: everybody on it past the boundary, and then the place behind it and the counts, in one write.
    async fn page(&self, look: &Look<'_>, segment: &mut Row<Segment>, pace: Pace) -> Result<Tally, StoreError> {
        let (scanned, next) = self.scan(look, segment.body.place.clone(), segment.body.end).await?;
        let tally = self.everybody(look, scanned, pace).await?;
        let was = segment.body.clone();
        segment.body.tally.add(&tally);
        segment.body.place = next;
        let lease = Lease { owner: self.settings.owner.clone(), until: self.clock.now().plus_millis(LEASE_MS) };
        segment.body.lease = (!segment.body.is_done()).then_some(lease);
        let written = self.store.write_segment(look.shop, look.job, segment).await;
        if written.is_err() {
            segment.body = was;
        }
        written.map(|()| tally)
    }

    /// The members from a place on, as many as are worth a checkpoint, and the place behind them. Where a shop is small
    /// they are of many buckets.
    async fn scan(&self, look: &Look<'_>, mut place: Place, end: u16) -> Result<(Scanned, Place), StoreError> {
        let mut all = Scanned::default();
        while place.bucket < end && all.members.len() < PAGE {
            let scanned = self.store.scan(look.shop, place.bucket, place.behind.as_deref()).await?;
            all.members.extend(scanned.members);
            all.unreadable.extend(scanned.unreadable);
            place = match scanned.next {
                Some(behind) => Place { behind: Some(behind), ..place },
                None => Place { bucket: place.bucket + 1, behind: None },
            };
        }
        Ok((all, place))
    }

    async fn everybody(&self, look: &Look<'_>, scanned: Scanned, pace: Pace) -> Result<Tally, StoreError> {
        let mut tally = Tally { unreadable: scanned.unreadable.len() as u64, ..Tally::default() };
        if !scanned.unreadable.is_empty() {
            tracing::error!(shop = %look.shop, items = scanned.unreadable.len(), "items do not read, and are passed by");
        }
        let (mut due, mut passed) = (Vec::new(), Vec::new());
        for (member, held) in scanned.members {
            match look.at(member.clone(), held) {
                Found::Nobody => {}
                Found::Nothing { tier, was_passed: true } => passed.push((member, tier)),
                Found::Nothing { tier, was_passed: false } => tally.member(look.job, tier.as_ref(), &[]),
                Found::Due(member) => due.push(*member),
            }
        }
        let groups = self.grouped(look, due)?;
        tally.written = groups.iter().map(|(members, _)| members.len() as u64).sum();
        let settled = stream::iter(groups).map(|(members, commit)| self.settle(look, members, commit));
        let settled: Vec<Vec<Settled>> = settled.buffer_unordered(pace.at_a_time()).try_collect().await?;
        for Settled { tier, rows } in settled.into_iter().flatten() {
            tally.member(look.job, tier.as_ref(), &rows);
        }
        let since = stream::iter(passed).map(|(member, tier)| self.since(look, member, tier));
        let since: Vec<Since> = since.buffer_unordered(READS_AT_A_TIME).try_collect().await?;
        since.iter().for_each(|since| tally.member(look.job, since.tier.as_ref(), &since.rows));
        Ok(tally)
    }

    /// What was recorded since the boundary about somebody who is past it already.
    async fn since(&self, look: &Look<'_>, member: MemberId, tier: Option<TierId>) -> Result<Since, StoreError> {
        let history = self.store.history(look.shop, &member).await?;
        Ok(Since::boundary(history, look.job.until, tier))
    }

    /// Who is committed together: nothing connects them, so it is as many as is quick.
    fn grouped(&self, look: &Look<'_>, due: Vec<Due>) -> Result<Vec<(Vec<Due>, Commit)>, StoreError> {
        let now = self.clock.now();
        let mut groups: Vec<(Vec<Due>, Commit)> = Vec::new();
        for member in due {
            let commit = look.commit(&member, now)?;
            match groups.last_mut() {
                Some((members, together))
                    if members.len() < self.settings.together && together.len() + commit.len() <= WRITES_MAX =>
                {
                    members.push(member);
                    together.append(commit);
                }
                _ => groups.push((vec![member], commit)),
            }
        }
        Ok(groups)
    }

    /// Commits members together, and one by one those who are not as they were read.
    async fn settle(&self, look: &Look<'_>, members: Vec<Due>, commit: Commit) -> Result<Vec<Settled>, StoreError> {
        let is_done = match self.store.commit(commit).await {
            Ok(()) => true,
            Err(error) => match error.remedy() {
                Remedy::Reload => false,
                Remedy::Later | Remedy::SetAside => return Err(error),
            },
        };
        let mut settled = Vec::with_capacity(members.len());
        for due in members {
            let rows = if is_done { due.seen() } else { Vec::new() };
            let Due { member, tier, is_part, .. } = due;
            let mut one = Settled { tier, rows };
            if !is_done || is_part {
                self.settle_alone(look, &member, &mut one).await?;
            }
            settled.push(one);
        }
        Ok(settled)
    }

    /// Reads a member again and commits, until nothing is due any more.
    async fn settle_alone(&self, look: &Look<'_>, member: &MemberId, one: &mut Settled) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            let mut held = self.store.members(look.shop, [member.clone()]).await?.remove(member).unwrap_or_default();
            // A member who was put together again does not know what was told: the history does.
            if tries > 0 && !held.erased {
                held.noticed = self.store.noticed(look.shop, member).await?;
            }
            let due = match look.at(member.clone(), held) {
                Found::Nobody => return Ok(()),
                Found::Nothing { was_passed: false, .. } => return Ok(()),
                // Somebody else brought the member past the boundary: their rows are in the history.
                Found::Nothing { tier, was_passed: true } => {
                    let since = self.since(look, member.clone(), tier).await?;
                    *one = Settled { tier: since.tier, rows: since.rows };
                    return Ok(());
                }
                Found::Due(due) => due,
            };
            match self.store.commit(look.commit(&due, self.clock.now())?).await {
                Ok(()) => {
                    if one.rows.is_empty() {
                        one.tier.clone_from(&due.tier);
                    }
                    one.rows.extend(due.seen());
                    if !due.is_part {
                        return Ok(());
                    }
                }
                Err(error) if error.remedy() == Remedy::Reload && tries < TRIES_MAX => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(5 << tries)).await;
                }
                Err(error) => return Err(StoreError::Unavailable(error.to_string())),
            }
        }
    }
}

/// A member past the boundary: the tier before, and what was recorded.
struct Settled {
    tier: Option<TierId>,
    rows: Vec<Seen>,
}
