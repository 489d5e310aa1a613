//! The arrival of facts at a shop. Every affected member is advanced to its instant, the facts are applied, and the members
//! are evaluated again. Live processing, replay and the store's writers all use this.

use std::collections::{BTreeMap, BTreeSet};

use crate::advance::{Compared, PendingChange};
use crate::calendar::Instant;
use crate::cause::{Attribution, Cause};
use crate::connected::{Connected, Reached, concerned};
use crate::fact::{Fact, FactBody};
use crate::fact_index::{FactIndex, FactStatus, Subject};
use crate::id::MemberId;
use crate::ledger::Ledger;
use crate::record::{Given, Record, Row, holds};
use crate::standing::{Facts, Standing, assess};
use crate::version::{Version, Versions};

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
    let mut arrival = Arrival::of_one(at);
    let taken = arrival.take(index, records, versions, fact);
    (taken, arrival.finish(index, records, versions))
}

/// Evaluates a member with the facts of all ids that stand for the member, and with what was given to them. Holds go to the
/// member's own facts.
pub fn evaluate_for(
    index: &mut FactIndex,
    records: &mut BTreeMap<MemberId, Record>,
    id: &MemberId,
    evaluate: impl FnOnce(&mut Ledger, &mut Record) -> Vec<Row>,
) -> Vec<Row> {
    let given = Given::to(index, records, id);
    let record = records.entry(id.clone()).or_default();
    if index.merges().is_alone(id)
        && let Some(ledger) = index.ledger_mut(id)
    {
        return evaluate(ledger, record);
    }
    let mut counting = index.counting_for(id).into_owned();
    let rows = record.sharing(given, |record| evaluate(&mut counting, record));
    holds(&rows).for_each(|held| index.hold(id, held));
    rows
}

/// The facts of one document, which arrive at once (section 4): members are evaluated before the first and after the last.
#[derive(Debug, Clone)]
pub struct Arrival {
    at: Instant,
    members: BTreeMap<MemberId, PendingMember>,
    facts: Vec<Fact>,
    /// The state before the document, to find out what a standing would be without one of its facts. A single fact needs none.
    before: Option<Before>,
}

/// A member whose ledger the document may change.
#[derive(Debug, Clone)]
struct PendingMember {
    before: Ledger,
    change: PendingChange,
}

/// The touched subjects and affected members as they were before the document.
#[derive(Debug, Clone, Default)]
struct Before {
    index: FactIndex,
    subjects: BTreeSet<Subject>,
    /// The facts of the document by what they may change. No fact makes a difference to a member whom only others reach.
    connected: Connected,
}

impl Arrival {
    /// The arrival of a single fact.
    pub fn of_one(at: Instant) -> Self {
        Self { at, members: BTreeMap::new(), facts: Vec::new(), before: None }
    }

    /// The arrival of a document of several facts.
    pub fn of_document(at: Instant) -> Self {
        Self { before: Some(Before::default()), ..Self::of_one(at) }
    }

    /// Applies a fact of the document.
    ///
    /// The index must contain the fact's subjects and their holders; see [`FactIndex::affected_members`].
    pub fn take(
        &mut self,
        index: &mut FactIndex,
        records: &mut BTreeMap<MemberId, Record>,
        versions: &Versions,
        fact: Fact,
    ) -> FactStatus {
        if let Some(member) = fact.erased() {
            // Of a merged id, the member for whom it stood is left with less.
            let stood_for = index.merges().resolve(member);
            if stood_for != *member && !index.is_erased(&stood_for) {
                self.begin(index, records, versions, stood_for);
            }
            if let Some(before) = &mut self.before {
                before.reach(index, &fact);
            }
            for id in index.taken_by_erasure(member) {
                records.remove(&id);
                self.members.remove(&id);
            }
            let taken = index.apply(fact.clone());
            self.facts.push(fact);
            return taken;
        }
        for id in index.affected_standings(&fact) {
            self.begin(index, records, versions, id);
        }
        if let Some(before) = &mut self.before {
            before.keep(index, &fact);
            before.reach(index, &fact);
        }
        let taken = index.apply(fact.clone());
        self.facts.push(fact);
        taken
    }

    /// Passes what is due for a member before the document, and keeps the facts that counted for the member until then.
    fn begin(
        &mut self,
        index: &mut FactIndex,
        records: &mut BTreeMap<MemberId, Record>,
        versions: &Versions,
        id: MemberId,
    ) {
        if self.members.contains_key(&id) {
            return;
        }
        let mut ledger = index.counting_for(&id).into_owned();
        let given = Given::to(index, records, &id);
        let record = records.entry(id.clone()).or_default();
        let change = record.sharing(given, |record| PendingChange::begin(&mut ledger, record, versions, self.at));
        holds(change.rows()).for_each(|held| index.hold(&id, held));
        if let Some(before) = &mut self.before {
            before.keep_member(index, &id);
        }
        self.members.insert(id, PendingMember { before: ledger, change });
    }

    /// Evaluates the members whose ledgers changed, and returns the rows to record.
    pub fn finish(
        self,
        index: &FactIndex,
        records: &mut BTreeMap<MemberId, Record>,
        versions: &Versions,
    ) -> Vec<(MemberId, Row)> {
        let Self { at: _, members, facts, before } = self;
        let mut rows = Vec::new();
        for (id, PendingMember { before: ledger_before, change }) in members {
            let given = Given::to(index, records, &id);
            let Some(record) = records.get_mut(&id) else { continue };
            let ledger = index.counting_for(&id);
            let is_merged = index.merges().resolve(&id) != id;
            // Under an inactive version a tier can be on record of an id that had no facts any more before it was merged.
            let is_left = is_merged && record.tier.is_some();
            let due = if *ledger == ledger_before && !is_left {
                change.discard()
            } else if is_merged {
                let merged = facts.iter().find(|fact| matches!(fact.body, FactBody::Merged(_)));
                let told = merged.map_or(Attribution::by_all(&facts, Cause::Merged), |fact| {
                    Attribution::by(fact, index.is_about(fact, &id))
                });
                change.leave(record, versions, told)
            } else {
                let told = |version: &Version, (was, is): (Compared, Compared), at: Instant| match (&*facts, &before) {
                    ([fact], _) => Attribution::by(fact, index.is_about(fact, &id)),
                    (_, None) => Attribution::by_all(&facts, Cause::Activity),
                    _ if was == is => Attribution::by_all(&facts, Cause::Activity),
                    (_, Some(before)) => before.attribution((index, &facts), &id, version, (was, is), at),
                };
                record.sharing(given, |record| change.finish(&ledger, record, versions, told))
            };
            rows.extend(due.into_iter().map(|row| (id.clone(), row)));
        }
        rows
    }
}

impl Before {
    /// Keeps a member's own facts, and those of the ids that stand for the member.
    fn keep_member(&mut self, index: &FactIndex, member: &MemberId) {
        for id in index.merges().connected(member) {
            if self.index.is_erased(&id) || self.index.ledger(&id).is_some() {
                continue;
            }
            match index.ledger(&id) {
                _ if index.is_erased(&id) => self.index.load_erased(id.clone(), index.merges().of(&id).cloned()),
                Some(ledger) => self.index.load_ledger(id.clone(), ledger.clone()),
                None => {}
            }
            self.index.load_merge(&id, index.merges().of(&id).cloned());
        }
    }

    /// Keeps the subjects that a fact touches for the first time; their members are kept already.
    fn keep(&mut self, index: &FactIndex, fact: &Fact) {
        for subject in index.touched(fact) {
            if self.subjects.insert(subject.clone()) {
                for known in index.facts(&subject) {
                    self.index.insert_known(known);
                }
            }
        }
    }

    /// Notes what the next fact of the document may change, before it does. Members who are erased then stay so here: what
    /// the document says of them has no effect.
    fn reach(&mut self, index: &FactIndex, fact: &Fact) {
        let ids = concerned(index, fact);
        let ids: BTreeSet<MemberId> = ids.iter().flat_map(|id| index.merges().connected(id)).collect();
        for id in ids.iter().filter(|id| index.is_erased(id)) {
            // A member whom a fact before reached was not erased before the document, or is kept already.
            if self.connected.first_about(id).is_none() {
                self.index.load_erased(id.clone(), index.merges().of(id).cloned());
            }
        }
        let subjects = index.touched(fact).into_iter().map(Reached::Subject);
        self.connected.push(subjects.chain(ids.into_iter().map(Reached::Member)));
    }

    /// The facts of the document, in their order, that may make a difference to a member.
    fn part<'f>(&self, facts: &'f [Fact], id: &MemberId) -> Vec<&'f Fact> {
        let part = self.connected.first_about(id);
        let is_part = |place: usize| part.is_none_or(|part| self.connected.first(place) == part);
        facts.iter().enumerate().filter(|(place, _)| is_part(*place)).map(|(_, fact)| fact).collect()
    }

    /// The attribution of a member's change of tier, or of its end. A rise is caused by the fact without which the tier would be
    /// lower, a fall by the one without which it would be higher; of several the first that section 4 lists.
    fn attribution(
        &self,
        (after, facts): (&FactIndex, &[Fact]),
        id: &MemberId,
        version: &Version,
        (was, is): (Compared, Compared),
        at: Instant,
    ) -> Attribution {
        let is_fall = is < was;
        let part = self.part(facts, id);
        let makes_the_difference = |left_out: usize| {
            let without = is.same_of(&self.standing_without(&part, left_out, id, version, at));
            if is_fall { without > is } else { without < is }
        };
        let found = (0..part.len()).filter(|place| makes_the_difference(*place));
        let found = found.filter_map(|place| part.get(place).copied()).min_by_key(|fact| fact.body.kind());
        match found {
            Some(fact) => Attribution::by(fact, after.is_about(fact, id)),
            None => Attribution::by_all(facts, if is_fall { Cause::Refund } else { Cause::Activity }),
        }
    }

    /// The standing that a member would have without one of the facts.
    fn standing_without(
        &self,
        facts: &[&Fact],
        left_out: usize,
        id: &MemberId,
        version: &Version,
        at: Instant,
    ) -> Standing {
        let mut index = self.index.clone();
        index.apply_all(facts.iter().enumerate().filter(|(place, _)| *place != left_out).map(|(_, fact)| *fact));
        assess(version, &Facts::of(&index.counting_for(id)), at, at).standing
    }
}
