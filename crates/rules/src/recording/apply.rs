//! A fact's arrival at a shop. Every affected member is advanced to its instant, the fact is applied, and the members
//! are evaluated again. Live processing, replay and the store's writers all use this.

use std::collections::BTreeMap;

use crate::advance::PendingChange;
use crate::calendar::Instant;
use crate::cause::Attribution;
use crate::fact::Fact;
use crate::fact_index::{FactIndex, FactStatus};
use crate::id::MemberId;
use crate::ledger::Ledger;
use crate::record::{Record, Row};
use crate::version::Versions;

/// Applies a fact that arrives at `at`, and returns the rows to record.
///
/// The index must contain the fact's subjects and their holders; see [`FactIndex::affected_members`].
pub fn apply_fact(
    index: &mut FactIndex,
    records: &mut BTreeMap<MemberId, Record>,
    versions: &Versions,
    fact: Fact,
    at: Instant,
) -> (FactStatus, Vec<(MemberId, Row)>) {
    if let Some(member) = fact.erased() {
        records.remove(member);
        return (index.apply(fact), Vec::new());
    }
    let mut all_pending = Vec::new();
    for id in index.affected_members(&fact) {
        let record = records.entry(id.clone()).or_default();
        let mut none = Ledger::default();
        let ledger = index.ledger_mut(&id).unwrap_or(&mut none);
        let pending = PendingChange::begin(ledger, record, versions, at);
        let told = Attribution::by(&fact, &id);
        all_pending.push((id, told, ledger.clone(), pending));
    }
    let taken = index.apply(fact);
    let mut rows = Vec::new();
    for (id, told, before, pending) in all_pending {
        let Some((record, ledger)) = records.get_mut(&id).zip(index.ledger(&id)) else { continue };
        let due = if *ledger == before { pending.discard() } else { pending.finish(ledger, record, versions, told) };
        rows.extend(due.into_iter().map(|row| (id.clone(), row)));
    }
    (taken, rows)
}
