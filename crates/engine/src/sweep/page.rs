//! A page of members: everybody on it past the boundary, what was found of them written down, and then the checkpoint.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::{self, TryStreamExt};
use rules::id::{MemberId, TierId};
use store::{Commit, Remedy, Row, Scanned, StoreError, WRITES_MAX};

use super::census::{Census, Portrait};
use super::look::{Due, Found, Look};
use super::pace::Pace;
use super::since::Since;
use super::work::LEASE_MS;
use super::{Sweep, Workers};
use store::records::tally::{CountedRow, Tally};
use store::records::{Lease, Place, Segment};

/// How often a member who is written to meanwhile is looked at again.
const TRIES_MAX: u32 = 8;
/// Histories read at a time.
const READS_AT_A_TIME: usize = 16;

impl<W: Workers> Sweep<W> {
    /// One page: everybody on it past the boundary, then the rows of the lists that they are on, and then the place behind
    /// it and the counts, in one write. Only that makes the rows valid.
    pub(super) async fn page(
        &self,
        look: &Look<'_>,
        segment: &mut Row<Segment>,
        pace: Pace,
    ) -> Result<Tally, StoreError> {
        let (scanned, next) = self.scan(look, segment.body.place.clone(), segment.body.end).await?;
        let (tally, census) = self.everybody(look, scanned, pace).await?;
        if let Some(frame) = look.frame {
            let (of, attempt) = ((look.shop, look.job), segment.version());
            let rows = census.rows(of, &segment.body.place, attempt, frame)?;
            let written = stream::iter(rows).map(|row| self.store.write_list(row));
            written.buffer_unordered(pace.at_a_time()).try_collect::<()>().await?;
        }
        let was = segment.body.clone();
        segment.body.tally.add(&tally);
        segment.body.found.add(&census.counts);
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
    /// they are of many buckets. Where the database has too much to do for the next of them, what was read so far is a
    /// page too: begun anew, hundreds of requests in a row may never all go well.
    async fn scan(&self, look: &Look<'_>, begin: Place, end: u16) -> Result<(Scanned, Place), StoreError> {
        let (mut all, mut place) = (Scanned::default(), begin.clone());
        while place.bucket < end && all.members.len() < usize::from(self.settings.page) {
            let scanned =
                match self.store.scan(look.shop, (place.bucket, place.behind.as_deref()), self.settings.page).await {
                    Err(error) if error.remedy() == Remedy::Later && place != begin => break,
                    scanned => scanned?,
                };
            all.members.extend(scanned.members);
            all.unreadable.extend(scanned.unreadable);
            place = match scanned.next {
                Some(behind) => Place { behind: Some(behind), ..place },
                None => Place { bucket: place.bucket + 1, behind: None },
            };
        }
        Ok((all, place))
    }

    async fn everybody(&self, look: &Look<'_>, scanned: Scanned, pace: Pace) -> Result<(Tally, Census), StoreError> {
        let mut tally = Tally { unreadable: scanned.unreadable.len() as u64, ..Tally::default() };
        if !scanned.unreadable.is_empty() {
            tracing::error!(shop = %look.shop, items = scanned.unreadable.len(), "items do not read, and are passed by");
        }
        let (mut due, mut passed, mut portraits) = (Vec::new(), Vec::new(), Vec::new());
        for (place, (member, held)) in scanned.members.into_iter().enumerate() {
            match look.at(member.clone(), held) {
                Found::Nobody => {}
                Found::Nothing { tier, was_passed, portrait } => {
                    portraits.extend(portrait.map(|portrait| (place, *portrait)));
                    if was_passed {
                        passed.push((member, tier));
                    } else {
                        tally.member(look.job, tier.as_ref(), &[]);
                    }
                }
                Found::Due(member) => due.push((place, *member)),
            }
        }
        let groups = self.grouped(look, due)?;
        tally.written = groups.iter().map(|(members, _)| members.len() as u64).sum();
        let settled = stream::iter(groups).map(|(members, commit)| self.settle(look, members, commit));
        let settled: Vec<Vec<Settled>> = settled.buffer_unordered(pace.at_a_time()).try_collect().await?;
        for Settled { place, tier, rows, portrait } in settled.into_iter().flatten() {
            tally.member(look.job, tier.as_ref(), &rows);
            portraits.extend(portrait.map(|portrait| (place, *portrait)));
        }
        let since = stream::iter(passed).map(|(member, tier)| self.since(look, member, tier));
        let since: Vec<Since> = since.buffer_unordered(READS_AT_A_TIME).try_collect().await?;
        since.iter().for_each(|since| tally.member(look.job, since.tier.as_ref(), &since.rows));
        Ok((tally, Census::of(portraits)))
    }

    /// What was recorded since the boundary about somebody who is past it already.
    async fn since(&self, look: &Look<'_>, member: MemberId, tier: Option<TierId>) -> Result<Since, StoreError> {
        let history = self.store.history(look.shop, &member).await?;
        Ok(Since::boundary(history, look.job.until, tier))
    }

    /// Who is committed together: nothing connects them, so it is as many as is quick.
    fn grouped(&self, look: &Look<'_>, due: Vec<Placed>) -> Result<Vec<(Vec<Placed>, Commit)>, StoreError> {
        let now = self.clock.now();
        let mut groups: Vec<(Vec<Placed>, Commit)> = Vec::new();
        for member in due {
            let commit = look.commit(&member.1, now)?;
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
    async fn settle(&self, look: &Look<'_>, members: Vec<Placed>, commit: Commit) -> Result<Vec<Settled>, StoreError> {
        let is_done = match self.store.commit(commit).await {
            Ok(()) => true,
            Err(error) => match error.remedy() {
                Remedy::Reload => false,
                Remedy::Later | Remedy::SetAside => return Err(error),
            },
        };
        let mut settled = Vec::with_capacity(members.len());
        for (place, due) in members {
            let rows = if is_done { due.seen() } else { Vec::new() };
            let Due { member, tier, is_part, portrait, .. } = due;
            let mut one = Settled { place, tier, rows, portrait };
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
                Found::Nobody => {
                    one.portrait = None;
                    return Ok(());
                }
                Found::Nothing { tier, was_passed, portrait } => {
                    one.portrait = portrait;
                    // Somebody else brought the member past the boundary: their rows are in the history.
                    if was_passed {
                        let since = self.since(look, member.clone(), tier).await?;
                        (one.tier, one.rows) = (since.tier, since.rows);
                    }
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
                        one.portrait = due.portrait;
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

/// A member past the boundary: the tier before, what was recorded, and how they are found.
struct Settled {
    place: usize,
    tier: Option<TierId>,
    rows: Vec<CountedRow>,
    portrait: Option<Box<Portrait>>,
}

/// Somebody for whom something is due, with their place on the page.
type Placed = (usize, Due);
