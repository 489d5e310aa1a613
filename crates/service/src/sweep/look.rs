//! One member looked at: what is due up to the boundary, and the writes that record it.

use rules::advance::advance_some;
use rules::calendar::Instant;
use rules::id::{MemberId, TierId};
use rules::record::Row;
use rules::version::Versions;

use super::job::JobId;
use crate::shop::ShopId;
use crate::store::{Commit, Held, Store, StoreError, history};

/// So many rows are recorded about a member in one transaction; more come in the next.
const ROWS: usize = 60;

/// What a member is looked at for.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) store: &'a Store,
    pub(super) shop: &'a ShopId,
    pub(super) versions: &'a Versions,
    pub(super) job: &'a JobId,
}

/// What was found.
pub(super) enum Found {
    /// Erased: nobody is there.
    Nobody,
    /// Nothing is due. The member may have been brought past the boundary before, by an event or another worker.
    Nothing { tier: Option<TierId>, was_passed: bool },
    /// Something is to be recorded.
    Due(Box<Due>),
}

/// A member as they will be, and what is to be recorded.
pub(super) struct Due {
    pub(super) member: MemberId,
    /// The tier on record before.
    pub(super) tier: Option<TierId>,
    /// As they will be; for the writes' conditions it also knows how they were.
    held: Held,
    pub(super) rows: Vec<Row>,
    /// Whether this is not all: look again after it is recorded.
    pub(super) is_part: bool,
}

impl Look<'_> {
    /// Looks at a member as read.
    pub(super) fn at(&self, member: MemberId, mut held: Held) -> Found {
        if held.erased {
            return Found::Nobody;
        }
        let until = self.job.until;
        let tier = held.record.tier().cloned();
        let was_passed = held.record.seq() > 0 && held.record.evaluated_at() >= Some(until);
        let rows = advance_some(&mut held.ledger, &mut held.record, self.versions, until, ROWS);
        if rows.is_empty() {
            // That somebody was looked at is not worth a write: looking again finds the same.
            return Found::Nothing { tier, was_passed };
        }
        let is_part = rows.len() >= ROWS;
        Found::Due(Box::new(Due { member, tier, held, rows, is_part }))
    }

    /// The writes that record what is due.
    pub(super) fn commit(&self, due: &Due, now: Instant) -> Result<Commit, StoreError> {
        let Due { member, held, rows, .. } = due;
        let mut commit = Commit::default();
        commit.member(self.store, self.shop, member, (&held.ledger, &held.record), held)?;
        for row in rows {
            commit.record(self.store, history::item(self.shop, member, row, self.versions, now))?;
        }
        Ok(commit)
    }
}
