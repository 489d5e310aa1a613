//! The review of one member: what is due up to the boundary, and the writes that record it.

use rules::advance::{advance_some, bring_back};
use rules::calendar::Instant;
use rules::fact::FUTURE_MS_MAX;
use rules::id::{MemberId, TierId};
use rules::ledger::Ledger;
use rules::notice::{self, Notice};
use rules::record::{Record, Row};
use rules::standing::evaluate;
use rules::version::Versions;
use store::announce::About;
use store::records::tally::CountedRow;
use store::records::{JobId, Kind};
use store::shop::ShopId;
use store::{Commit, Member, Store, StoreError, StoredMember, history};

use super::statistics::{MemberSnapshot, SnapshotContext};
use crate::clock::Clock;

/// The number of rows recorded about a member in one transaction; more come in the next.
const ROWS: usize = 60;

/// The context of a member's review.
#[derive(Clone, Copy)]
pub(super) struct ReviewContext<'a> {
    pub(super) store: &'a Store,
    pub(super) shop: &'a ShopId,
    pub(super) versions: &'a Versions,
    pub(super) job: &'a JobId,
    /// The context for members' snapshots; none if the job takes none.
    pub(super) snapshot_context: Option<&'a SnapshotContext<'a>>,
    /// The present instant: notices of something that has ended by now are not sent.
    pub(super) now: Instant,
    pub(super) clock: &'a Clock,
}

/// The result of a review.
pub(super) enum Review {
    /// The member was erased.
    Erased,
    /// The id stands for another member, who is reviewed instead.
    Merged,
    /// Nothing is due. The member may have been brought past the boundary before, by an event or another worker.
    UpToDate { tier: Option<TierId>, was_passed: bool, snapshot: Option<Box<MemberSnapshot>> },
    /// Something is to be recorded.
    Due(Box<Due>),
}

/// A member's state after what is due, and the rows to record.
pub(super) struct Due {
    pub(super) member: MemberId,
    /// The tier on record before.
    pub(super) tier: Option<TierId>,
    /// The state to write. It also carries the versions that were read, for the conditions of the writes.
    held: Member,
    rows: Vec<Row>,
    notices: Vec<Notice>,
    /// The snapshot once this is recorded.
    pub(super) snapshot: Option<Box<MemberSnapshot>>,
    /// Whether more is due: the member is reviewed again after this is recorded.
    pub(super) is_part: bool,
}

impl Due {
    /// The rows to record, as they are counted.
    pub(super) fn seen(&self) -> Vec<CountedRow> {
        let rows = self.rows.iter().map(CountedRow::from);
        rows.chain(self.notices.iter().map(|_| CountedRow::Notice)).collect()
    }
}

impl ReviewContext<'_> {
    /// Reviews a member as read.
    pub(super) fn at(&self, member: MemberId, stored: StoredMember) -> Review {
        let Some(mut held) = stored.alive() else { return Review::Erased };
        if held.stands_for.is_some() {
            return Review::Merged;
        }
        let until = self.job.until;
        let tier = held.record.tier().cloned();
        let is_told_of = held.record.seq() > 0 || !held.sent_notices.is_empty();
        let was_passed = is_told_of && held.record.evaluated_at() >= Some(until);
        let mut rows = Vec::new();
        // The record is farther ahead than clocks may differ: its clock was wrong, and so is the record.
        // Read after the member was: what was recorded since the page began is not ahead.
        let now = self.now.max(self.clock.now());
        let was_ahead = held.record.evaluated_at() > Some(now.plus_millis(FUTURE_MS_MAX));
        if was_ahead {
            rows = held.evaluate(|ledger, record| bring_back(ledger, record, self.versions, now));
        }
        let advance =
            |ledger: &mut Ledger, record: &mut Record| advance_some(ledger, record, self.versions, until, ROWS);
        rows.extend(held.evaluate(advance));
        let is_part = rows.len() >= ROWS;
        let notices = if is_part { Vec::new() } else { self.notices(&mut held) };
        // Holds are in the ledger by now. If more is due, the snapshot is taken in a later review.
        let snapshot = self
            .snapshot_context
            .filter(|_| !is_part)
            .map(|snapshot_context| Box::new(snapshot_context.snapshot(&member, &held.counting())));
        if rows.is_empty() && notices.is_empty() && !was_ahead {
            // A review without result is not worth a write: another one finds the same. After a clock that was ahead it
            // is written, because new facts would otherwise be evaluated at that clock's time.
            return Review::UpToDate { tier, was_passed, snapshot };
        }
        Review::Due(Box::new(Due { member, tier, held, rows, notices, snapshot, is_part }))
    }

    /// The notices that are due as of now and were not sent yet. They are reviewed at each midnight, and remembered
    /// with the member.
    fn notices(&self, held: &mut Member) -> Vec<Notice> {
        let Some(done) = held.record.evaluated_at().filter(|_| self.job.kind == Kind::Rollover) else {
            return Vec::new();
        };
        let now = done.max(self.now);
        let version = self.versions.in_force(now);
        let standing = evaluate(version, &held.counting(), now);
        let mut notices = notice::due(version, &standing, now);
        notices.retain(|notice| !notice.was_told(&held.sent_notices, &version.program.timezone));
        if !notices.is_empty() {
            held.sent_notices.retain(|key| notice::can_recur(key, version, &standing, now));
            held.sent_notices.extend(notices.iter().map(Notice::key));
        }
        notices
    }

    /// The writes that record what is due.
    pub(super) fn commit(&self, due: &Due, now: Instant) -> Result<Commit, StoreError> {
        let Due { member, held, rows, notices, .. } = due;
        let mut commit = Commit::maintenance();
        commit.member(self.store, self.shop, member, (&held.ledger, &held.record, &held.links), held)?;
        let (spread, about) =
            (self.store.tables().spread, About { shop: self.shop, member, versions: self.versions, recorded_at: now });
        for row in rows {
            commit.record(self.store, history::item(spread, about, row))?;
        }
        for notice in notices {
            commit.record(
                self.store,
                history::notice(spread, about, self.versions.in_force(now), notice, self.job.until),
            )?;
        }
        Ok(commit)
    }
}
