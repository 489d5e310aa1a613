//! Facts folded into what is known of their subjects and members: decided in memory, without the world.

use std::collections::{BTreeMap, BTreeSet};

use rules::advance::bring_back;
use rules::apply::apply_fact;
use rules::calendar::Instant;
use rules::fact::{FUTURE_MS_MAX, Fact, FactBody};
use rules::fact_index::{FactIndex, FactStatus, Subject};
use rules::id::MemberId;
use rules::ledger::Ledger;
use rules::record::{Record, Row};
use rules::version::Versions;
use store::announce::About;
use store::shop::ShopId;
use store::{Commit, Member, Store, StoreError, StoredSubject, history, owns_subject};

use super::Counts;

/// What is known of the subjects that facts are about, and of the members whom they concern.
pub(super) struct LoadedState {
    subjects: BTreeMap<Subject, StoredSubject>,
    /// None: erased.
    members: BTreeMap<MemberId, Option<Member>>,
    /// The subjects' facts by their keys, to ask whom a fact concerns.
    index: FactIndex,
}

/// What facts make of what was known.
pub(super) struct Folded {
    /// Subjects of which more is known now.
    subjects: Vec<(Subject, Vec<Fact>)>,
    /// Members who are not as they were.
    pub(super) members: Vec<(MemberId, Ledger, Record)>,
    /// Members who are forgotten, whether now or before.
    pub(super) erased: Vec<MemberId>,
    /// When they asked for it, if it is news.
    forgotten: Vec<(MemberId, Instant)>,
    /// What is recorded.
    rows: Vec<(MemberId, Row)>,
    /// What became of the facts, in their order.
    pub(super) taken: Vec<FactStatus>,
    /// The same, counted.
    pub(super) counts: Counts,
    /// Whether a subject and a member were read at different moments, so that all has to be read again.
    pub(super) is_torn: bool,
}

/// Reads what facts need: first what is known of their subjects, then the members whom they concern.
pub(super) async fn load(
    store: &Store,
    shop: &ShopId,
    facts: impl Iterator<Item = &Fact> + Clone,
) -> Result<LoadedState, StoreError> {
    let wanted: BTreeSet<Subject> = facts.clone().flat_map(Fact::subjects).collect();
    let mut subjects = store.subjects(shop, wanted).await?;
    // A cancellation of points may have been with another entry before; and those of an entry may lose their names with it.
    let entries: BTreeSet<Subject> = facts.clone().filter(|fact| is_entry(fact)).flat_map(Fact::subjects).collect();
    let others = subjects.iter().flat_map(|(subject, stored)| {
        let with_cancels = entries.contains(subject);
        let others = stored.facts.iter().flat_map(Fact::subjects);
        others.filter(move |other| with_cancels || matches!(other, Subject::Entry(_)))
    });
    let others: BTreeSet<Subject> = others.filter(|subject| !subjects.contains_key(subject)).collect();
    if !others.is_empty() {
        subjects.extend(store.subjects(shop, others).await?);
    }
    let mut index = FactIndex::new();
    for fact in subjects.values().flat_map(|stored| &stored.facts) {
        index.insert_known(fact.clone());
    }
    let members: BTreeSet<MemberId> = facts.flat_map(|fact| concerned(&index, fact)).collect();
    let members = store.members(shop, members).await?.into_iter().map(|(id, stored)| (id, stored.alive())).collect();
    Ok(LoadedState { subjects, members, index })
}

fn concerned(index: &FactIndex, fact: &Fact) -> BTreeSet<MemberId> {
    let mut members = index.affected_members(fact);
    members.extend(fact.member().cloned());
    members
}

impl LoadedState {
    /// The subjects whose rows a fact may change.
    pub(super) fn touched(&self, fact: &Fact) -> BTreeSet<Subject> {
        let mut subjects = self.index.touched(fact);
        subjects.extend(fact.subjects());
        if is_entry(fact) {
            let stored = fact.subjects().filter_map(|subject| self.subjects.get(&subject));
            subjects.extend(stored.flat_map(|stored| &stored.facts).flat_map(Fact::subjects));
        }
        subjects
    }

    /// The members with their ledgers, and what is known of the subjects.
    fn seated(&self, subjects: &BTreeSet<Subject>, members: &BTreeSet<MemberId>, now: Instant) -> FactIndex {
        let mut index = FactIndex::new();
        for (id, held) in members.iter().filter_map(|id| Some((id, self.members.get(id)?))) {
            match held {
                Some(held) => index.load_ledger(id.clone(), held.ledger.clone()),
                None => drop(index.apply(Fact::new(now, id.clone(), FactBody::Erased))),
            }
        }
        for fact in subjects.iter().filter_map(|subject| self.subjects.get(subject)).flat_map(|stored| &stored.facts) {
            index.insert_known(fact.clone());
        }
        index
    }

    /// The members whose items a fact may change.
    pub(super) fn concerned(&self, fact: &Fact) -> BTreeSet<MemberId> {
        concerned(&self.index, fact)
    }
}

/// Folds facts that arrive at `now`, in their order.
pub(super) fn fold<'a>(
    versions: &Versions,
    known: &LoadedState,
    facts: impl Iterator<Item = &'a Fact> + Clone,
    now: Instant,
) -> Folded {
    let subjects: BTreeSet<Subject> = facts.clone().flat_map(|fact| known.touched(fact)).collect();
    let members: BTreeSet<MemberId> = facts.clone().flat_map(|fact| known.concerned(fact)).collect();
    let alive = || members.iter().filter_map(|id| Some((id, known.members.get(id)?.as_ref()?)));
    let mut index = known.seated(&subjects, &members, now);
    let mut records: BTreeMap<_, _> = alive().map(|(id, held)| (id.clone(), held.record.clone())).collect();
    let (mut rows, mut counts, mut all_taken) = (Vec::new(), Counts::default(), Vec::new());
    let (mut erased, mut forgotten) = (Vec::new(), Vec::new());
    for (id, record) in &mut records {
        // Farther ahead than clocks differ: who looked at the member did so by one that was wrong, and facts are judged by now.
        if record.evaluated_at() > Some(now.plus_millis(FUTURE_MS_MAX)) {
            let mut none = Ledger::default();
            let back = bring_back(index.ledger_mut(id).unwrap_or(&mut none), record, versions, now);
            rows.extend(back.into_iter().map(|row| (id.clone(), row)));
        }
    }
    for fact in facts {
        if let Some(member) = fact.erased() {
            erased.push(member.clone());
            if !index.is_erased(member) {
                forgotten.push((member.clone(), fact.occurred_at));
            }
        }
        let fact = nameless(fact, &index, known).unwrap_or_else(|| fact.clone());
        let (taken, due) = apply_fact(&mut index, &mut records, versions, fact, now);
        counts.fact(taken);
        all_taken.push(taken);
        rows.extend(due);
    }
    rows.retain(|(member, _)| !index.is_erased(member));
    rows.iter().for_each(|(_, row)| counts.row(row));
    let changed = |id: &MemberId, held: &Member| {
        let (ledger, record) = (index.ledger(id)?, records.get(id)?);
        // That somebody was looked at is not worth a write, as long as nothing came of it.
        let news = *ledger != held.ledger || rows.iter().any(|(member, _)| member == id);
        news.then(|| (id.clone(), ledger.clone(), record.clone()))
    };
    let changed: Vec<_> = alive().filter_map(|(id, held)| changed(id, held)).collect();
    let news = |subject: Subject| {
        // Their rows stay as they are until they are deleted: by the name in them they are found.
        if matches!(&subject, Subject::Tags(member, _) | Subject::Person(member) if index.is_erased(member)) {
            return None;
        }
        let facts = index.facts(&subject);
        let was = known.subjects.get(&subject)?;
        let is_erased = |fact: &Fact| fact.member().is_some_and(|member| index.is_erased(member));
        // A cancellation of points is filed by itself too, and goes with its entry. Each subject once: of a thousand facts
        // about one, all are about it.
        let of: BTreeSet<Subject> = facts.iter().flat_map(Fact::subjects).collect();
        let owner_is_erased = of.iter().any(|of| index.facts(of).iter().any(|it| owns_subject(it) && is_erased(it)));
        let is_member_erased = owner_is_erased || facts.iter().all(is_erased);
        let worth_it = was.is_stored() || !is_member_erased;
        let facts = if owner_is_erased || has_order(&facts) { unnamed(facts) } else { facts };
        // What was theirs before is found by their name, and deleted as a whole.
        let is_theirs = was.facts.iter().any(is_erased);
        let facts = if is_theirs { facts } else { facts.into_iter().filter_map(|it| kept(it, is_erased)).collect() };
        (facts != was.facts && worth_it).then_some((subject, facts))
    };
    let news: Vec<_> = subjects.iter().cloned().filter_map(news).collect();
    // Who is written is written on the condition that they are as they were read. Who holds something that changes, and is
    // not written, may be older than it: then they lack what is to be taken from them.
    let is_written = |id: &MemberId| changed.iter().any(|(written, ..)| written == id);
    let unwritten = |subject: &Subject| known.index.holders(subject).iter().any(|id| !is_written(id));
    let doubtful: Vec<_> = news.iter().map(|(subject, _)| subject).filter(|subject| unwritten(subject)).collect();
    let is_torn = !doubtful.is_empty() && {
        let before = known.seated(&subjects, &members, now);
        doubtful.into_iter().any(|subject| !before.is_consistent(subject))
    };
    Folded { subjects: news, members: changed, erased, forgotten, rows, taken: all_taken, counts, is_torn }
}

/// What follows an order that is there is with that one's member, whomever it names (section 4): the name is not stored. It
/// could be somebody else's, by which the row could not be found when they are to be forgotten. Nor is that of what follows
/// an entry of somebody erased: without the entry it would be taken for theirs whom it names.
fn unnamed(facts: Vec<Fact>) -> Vec<Fact> {
    facts.into_iter().map(|fact| fact.without_member().unwrap_or(fact)).collect()
}

/// Of what names somebody erased nothing is stored but an order, as nobody's: it was somebody's, and an older revision that
/// comes again must not bring it back.
fn kept(fact: Fact, is_erased: impl Fn(&Fact) -> bool) -> Option<Fact> {
    if !is_erased(&fact) {
        return Some(fact);
    }
    if matches!(fact.body, FactBody::OrderPaid(..)) {
        return Some(Fact { member: None, ..fact });
    }
    fact.without_member()
}

fn is_entry(fact: &Fact) -> bool {
    matches!(fact.body, FactBody::PointsEntry(..))
}

fn has_order(facts: &[Fact]) -> bool {
    facts.iter().any(|fact| matches!(fact.body, FactBody::OrderPaid(..)))
}

/// What follows an order that is known is taken in without the name that it may have; also if that is of somebody erased,
/// unless the name stands there already: by it the row is found, and is about to be deleted.
fn nameless(fact: &Fact, index: &FactIndex, known: &LoadedState) -> Option<Fact> {
    let member = fact.member();
    let stands = |stored: &StoredSubject| stored.facts.iter().any(|other| other.member() == member);
    let others =
        |subject: Subject| known.subjects.get(&subject).is_some_and(|stored| stored.is_stored() && !stands(stored));
    let erased = member.is_some_and(|member| index.is_erased(member));
    let follows = || fact.subjects().any(|subject| has_order(&index.facts(&subject)));
    ((erased && fact.subjects().any(others)) || follows()).then(|| fact.without_member()).flatten()
}

impl Folded {
    /// The writes that make it so.
    pub(super) fn commit(
        &self,
        store: &Store,
        shop: &ShopId,
        versions: &Versions,
        known: &LoadedState,
        now: Instant,
    ) -> Result<Commit, StoreError> {
        let mut commit = Commit::default();
        for (subject, facts) in &self.subjects {
            if let Some(was) = known.subjects.get(subject) {
                commit.file(store, shop, subject, facts, was)?;
            }
        }
        for (id, ledger, record) in &self.members {
            if let Some(Some(was)) = known.members.get(id) {
                commit.member(store, shop, id, (ledger, record), was)?;
            }
        }
        for (id, at) in &self.forgotten {
            if let Some(Some(was)) = known.members.get(id) {
                commit.tombstone(store, shop, id, *at, was)?;
                commit.erasure(store, shop, id, now)?;
            }
        }
        for (member, row) in &self.rows {
            let about = About { shop, member, versions, recorded_at: now };
            commit.record(store, history::item(store.tables().spread, about, row))?;
        }
        Ok(commit)
    }
}
