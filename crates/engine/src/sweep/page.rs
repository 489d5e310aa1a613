//! A page of members: all of them are brought past the boundary, their snapshots are written, and then the checkpoint.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, TryStreamExt};
use rules::id::{MemberId, TierId};
use store::records::tally::{CountedRow, Tally};
use store::records::{Lease, ScanPosition, Segment};
use store::{Commit, Remedy, Row, Scanned, StoreError, StoredMember, WRITES_MAX};

use super::member::{Due, Review, ReviewContext};
use super::pace::Pace;
use super::since::Since;
use super::statistics::{MemberSnapshot, PageStatistics};
use super::work::LEASE_MS;
use super::{SegmentQueue, Sweep};

/// The number of retries for a member whom other writers change meanwhile.
const TRIES_MAX: u32 = 8;
/// The number of histories read at a time.
const READS_AT_A_TIME: usize = 16;

impl<W: SegmentQueue> Sweep<W> {
    /// Sweeps one page: brings all its members past the boundary, writes the rows of their lists, and then the next
    /// place and the counts, in one write. Only that write makes the rows valid.
    pub(super) async fn page(
        &self,
        context: &ReviewContext<'_>,
        segment: &mut Row<Segment>,
        pace: Pace,
    ) -> Result<Tally, StoreError> {
        let (scanned, next) = self.scan(context, segment.body.place.clone(), segment.body.end).await?;
        let (tally, statistics) = self.everybody(context, scanned, pace).await?;
        if let Some(snapshot_context) = context.snapshot_context {
            let (of, attempt) = ((context.shop, context.job), segment.version());
            let rows = statistics.rows(of, &segment.body.place, attempt, snapshot_context)?;
            let written = stream::iter(rows).map(|row| self.store.write_list(row));
            written.buffer_unordered(pace.at_a_time()).try_collect::<()>().await?;
        }
        let was = segment.body.clone();
        segment.body.tally.add(&tally);
        segment.body.found.add(&statistics.counts);
        segment.body.place = next;
        let lease = Lease { owner: self.settings.owner.clone(), until: self.clock.now().plus_millis(LEASE_MS) };
        segment.body.lease = (!segment.body.is_done()).then_some(lease);
        let written = self.store.write_segment(context.shop, context.job, segment).await;
        if written.is_err() {
            segment.body = was;
        }
        written.map(|()| tally)
    }

    /// Reads the members from a place on, as many as are worth a checkpoint, and the place after them. In a small shop
    /// they come from many buckets. If the database is too busy for the next ones, those read so far are a page too:
    /// begun anew, hundreds of requests in a row might never all succeed.
    async fn scan(
        &self,
        context: &ReviewContext<'_>,
        begin: ScanPosition,
        end: u16,
    ) -> Result<(Scanned, ScanPosition), StoreError> {
        let (mut all, mut place) = (Scanned::default(), begin.clone());
        while place.bucket < end && all.members.len() < usize::from(self.settings.page) {
            let scanned = match self
                .store
                .scan(context.shop, (place.bucket, place.behind.as_deref()), self.settings.page)
                .await
            {
                Err(error) if error.remedy() == Remedy::Later && place != begin => break,
                scanned => scanned?,
            };
            all.members.extend(scanned.members);
            all.unreadable.extend(scanned.unreadable);
            place = match scanned.next {
                Some(behind) => ScanPosition { behind: Some(behind), ..place },
                None => ScanPosition { bucket: place.bucket + 1, behind: None },
            };
        }
        Ok((all, place))
    }

    async fn everybody(
        &self,
        context: &ReviewContext<'_>,
        scanned: Scanned,
        pace: Pace,
    ) -> Result<(Tally, PageStatistics), StoreError> {
        let mut tally = Tally { unreadable: scanned.unreadable.len() as u64, ..Tally::default() };
        if !scanned.unreadable.is_empty() {
            tracing::error!(shop = %context.shop, items = scanned.unreadable.len(), "undecodable items skipped");
        }
        let (mut due, mut passed, mut snapshots) = (Vec::new(), Vec::new(), Vec::new());
        for (place, (member, held)) in scanned.members.into_iter().enumerate() {
            match context.at(member.clone(), held) {
                Review::Erased | Review::Merged => {}
                Review::UpToDate { tier, was_passed, snapshot } => {
                    snapshots.extend(snapshot.map(|snapshot| (place, *snapshot)));
                    if was_passed {
                        passed.push((member, tier));
                    } else {
                        tally.member(context.job, tier.as_ref(), &[]);
                    }
                }
                Review::Due(member) => due.push((place, *member)),
            }
        }
        let (groups, too_large) = self.grouped(context, due)?;
        tally.written = groups.iter().map(|(members, _)| members.len() as u64).sum();
        let settled = stream::iter(groups).map(|(members, commit)| self.settle(context, members, commit));
        let settled: Vec<Vec<Settled>> = settled.buffer_unordered(pace.at_a_time()).try_collect().await?;
        let settled: Vec<Settled> = settled.into_iter().flatten().collect();
        let left_out = settled.iter().filter(|one| one.is_left_out).count();
        if too_large + left_out > 0 {
            let what = "members skipped: what is due for them is more than the database takes";
            tracing::error!(shop = %context.shop, members = too_large + left_out, what);
        }
        tally.unreadable = tally.unreadable.saturating_add((too_large + left_out) as u64);
        tally.written = tally.written.saturating_sub(left_out as u64);
        let settled = settled.into_iter().filter(|one| !one.is_gone && !one.is_left_out);
        for Settled { place, tier, rows, snapshot, .. } in settled {
            tally.member(context.job, tier.as_ref(), &rows);
            snapshots.extend(snapshot.map(|snapshot| (place, *snapshot)));
        }
        let since = stream::iter(passed).map(|(member, tier)| self.since(context, member, tier));
        let since: Vec<Since> = since.buffer_unordered(READS_AT_A_TIME).try_collect().await?;
        since.iter().for_each(|since| tally.member(context.job, since.tier.as_ref(), &since.rows));
        Ok((tally, PageStatistics::of(snapshots)))
    }

    /// The rows recorded since the boundary about a member who is past it already.
    async fn since(
        &self,
        context: &ReviewContext<'_>,
        member: MemberId,
        tier: Option<TierId>,
    ) -> Result<Since, StoreError> {
        let history = self.store.history(context.shop, &member).await?;
        Ok(Since::boundary(history, context.job.until, tier))
    }

    /// Groups members for commits. They are independent of each other; the size of a group is a matter of speed. A member for
    /// whom more is due than the database takes is left out, and counted: no member stops the sweep of the others.
    fn grouped(&self, context: &ReviewContext<'_>, due: Vec<Placed>) -> Result<(Vec<Group>, usize), StoreError> {
        let now = self.clock.now();
        let (mut groups, mut too_large) = (Vec::<Group>::new(), 0);
        for member in due {
            let commit = match context.commit(&member.1, now) {
                Err(error) if error.remedy() == Remedy::Quarantine => {
                    too_large += 1;
                    continue;
                }
                commit => commit?,
            };
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
        Ok((groups, too_large))
    }

    /// Commits members together, and one by one if any of them changed since it was read.
    async fn settle(
        &self,
        context: &ReviewContext<'_>,
        members: Vec<Placed>,
        commit: Commit,
    ) -> Result<Vec<Settled>, StoreError> {
        let is_done = match self.store.commit(commit).await {
            Ok(()) => true,
            Err(error) => match error.remedy() {
                // Of one who is too large, the others are written one by one.
                Remedy::Reload | Remedy::Quarantine => false,
                Remedy::Later => return Err(error),
            },
        };
        let mut settled = Vec::with_capacity(members.len());
        for (place, due) in members {
            let rows = if is_done { due.seen() } else { Vec::new() };
            let Due { member, tier, is_part, snapshot, .. } = due;
            let mut one = Settled { place, tier, rows, snapshot, is_gone: false, is_left_out: false };
            if !is_done || is_part {
                self.settle_alone(context, &member, &mut one).await?;
            }
            settled.push(one);
        }
        Ok(settled)
    }

    /// Reads a member again and commits, until nothing is due any more.
    async fn settle_alone(
        &self,
        context: &ReviewContext<'_>,
        member: &MemberId,
        one: &mut Settled,
    ) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            let found = self.store.members(context.shop, [member.clone()]).await?.remove(member);
            let mut stored = found.unwrap_or_default();
            // A member that was rebuilt from rows lacks its sent notices: the history has them.
            if let (1.., StoredMember::Present(known)) = (tries, &mut stored) {
                known.sent_notices = self.store.sent_notices(context.shop, member).await?;
            }
            let due = match context.at(member.clone(), stored) {
                // The member is none of its own any more, and is not counted.
                Review::Erased | Review::Merged => {
                    one.is_gone = true;
                    one.snapshot = None;
                    return Ok(());
                }
                Review::UpToDate { tier, was_passed, snapshot } => {
                    one.snapshot = snapshot;
                    // Another writer brought the member past the boundary: the rows are in the history.
                    if was_passed {
                        let since = self.since(context, member.clone(), tier).await?;
                        (one.tier, one.rows) = (since.tier, since.rows);
                    }
                    return Ok(());
                }
                Review::Due(due) => due,
            };
            let written = match context.commit(&due, self.clock.now()) {
                Ok(commit) => self.store.commit(commit).await,
                Err(error) => Err(error),
            };
            match written {
                Err(error) if error.remedy() == Remedy::Quarantine => {
                    one.is_left_out = true;
                    one.snapshot = None;
                    return Ok(());
                }
                Ok(()) => {
                    if one.rows.is_empty() {
                        one.tier.clone_from(&due.tier);
                    }
                    one.rows.extend(due.seen());
                    if !due.is_part {
                        one.snapshot = due.snapshot;
                        return Ok(());
                    }
                }
                Err(error) if error.remedy() == Remedy::Reload && tries < TRIES_MAX => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(5 << tries)).await;
                }
                Err(error) => {
                    return Err(StoreError::Unavailable { words: error.to_string(), source: Some(error.into()) });
                }
            }
        }
    }
}

/// A member past the boundary: the tier before, the recorded rows, and the snapshot.
struct Settled {
    place: usize,
    tier: Option<TierId>,
    rows: Vec<CountedRow>,
    snapshot: Option<Box<MemberSnapshot>>,
    /// Whether the member was erased or merged meanwhile.
    is_gone: bool,
    /// Whether more is due for the member than the database takes.
    is_left_out: bool,
}

/// A member for whom something is due, with the place on the page.
type Placed = (usize, Due);

/// Members who are written together, and the writes.
type Group = (Vec<Placed>, Commit);
