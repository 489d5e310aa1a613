//! Folds facts into the stored state of their subjects and members. It is decided in memory, without side effects.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rules::advance::{bring_back, is_due};
use rules::apply::{Arrival, evaluate_for};
use rules::calendar::Instant;
use rules::connected::concerned;
use rules::fact::{FUTURE_MS_MAX, Fact, FactBody, Merged};
use rules::fact_index::{FactIndex, FactStatus, Idle, Subject};
use rules::id::MemberId;
use rules::ledger::Ledger;
use rules::merge::Merges;
use rules::record::{Record, Row};
use rules::version::Versions;
use store::announce::About;
use store::shop::ShopId;
use store::{
    Commit, Links, MERGED_MAX, Member, Store, StoreError, StoredMember, StoredSubject, Tombstone, history, merges_of,
    owns_subject,
};

use super::Counts;

/// The stored state of the subjects that facts are about, and of the members whom they concern.
pub(super) struct LoadedState {
    subjects: BTreeMap<Subject, StoredSubject>,
    /// The members whom they concern, and all whose ids are connected with theirs by merges.
    members: BTreeMap<MemberId, StoredMember>,
    /// The subjects' facts by key, to find the members whom a fact concerns.
    index: FactIndex,
    /// The merges of the members.
    merges: Merges,
}

/// The result of folding facts into a state.
pub(super) struct Folded {
    /// Subjects whose facts changed.
    subjects: Vec<(Subject, Vec<Fact>)>,
    /// Members whose item changes.
    members: Vec<WrittenMember>,
    /// Tombstones whose links change.
    tombstones: Vec<(MemberId, Tombstone)>,
    /// Members who are erased, now or before.
    pub(super) erased: Vec<MemberId>,
    /// Members who are newly erased, with the instant of the erasure.
    forgotten: Vec<(MemberId, Instant, Links)>,
    /// The rows to record.
    rows: Vec<(MemberId, Row)>,
    /// The status of each fact, in their order.
    pub(super) taken: Vec<Taken>,
    /// The same as counts.
    pub(super) counts: Counts,
    /// Whether a subject and a member were read at different moments; everything must then be read again.
    pub(super) is_torn: bool,
    /// Whether more ids would be one member than the store allows.
    pub(super) is_too_many: bool,
}

/// The outcome for a fact.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    pub(super) status: FactStatus,
    /// Why the fact moves nothing for now, if so.
    pub(super) idle: Option<Idle>,
    /// The instant that the order of the fact counts for.
    pub(super) counts_at: Option<Instant>,
}

/// The facts that count for a member.
enum Counting {
    /// The member's own.
    Own,
    /// Those of several ids.
    United(Ledger),
    /// None: the id stands for another member, and is not reviewed.
    Merged,
}

/// A member as it is to be written.
struct WrittenMember {
    id: MemberId,
    ledger: Ledger,
    record: Record,
    links: Links,
    counting: Counting,
}

/// Loads the state that facts need: first their subjects, then the members whom they concern.
pub(super) async fn load(
    store: &Store,
    shop: &ShopId,
    facts: impl Iterator<Item = &Fact> + Clone,
) -> Result<LoadedState, StoreError> {
    let wanted: BTreeSet<Subject> = facts.clone().flat_map(Fact::subjects).collect();
    let mut subjects = store.subjects(shop, wanted).await?;
    // A cancellation of points may have been filed under another entry before. The cancellations of an entry may lose
    // their member names together with it.
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
    let members = store.connected(shop, members).await?;
    let merges = merges_of(&members);
    Ok(LoadedState { subjects, members, index, merges })
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

    /// An index with the members' ledgers and the subjects' facts.
    fn seated(&self, subjects: &BTreeSet<Subject>, members: &BTreeSet<MemberId>) -> FactIndex {
        let mut index = FactIndex::new();
        for (id, stored) in members.iter().filter_map(|id| Some((id, self.members.get(id)?))) {
            match stored {
                StoredMember::Absent => index.load_ledger(id.clone(), Ledger::default()),
                StoredMember::Present(held) => index.load_ledger(id.clone(), held.ledger.clone()),
                StoredMember::Erased(_) => index.load_erased(id.clone(), None),
            }
            index.load_merge(id, self.merges.of(id).cloned());
        }
        for fact in subjects.iter().filter_map(|subject| self.subjects.get(subject)).flat_map(|stored| &stored.facts) {
            index.insert_known(fact.clone());
        }
        index
    }

    /// The members whose items a fact may change.
    pub(super) fn concerned(&self, fact: &Fact) -> BTreeSet<MemberId> {
        let ids = concerned(&self.index, fact);
        ids.iter().flat_map(|id| self.merges.connected(id)).collect()
    }

    /// A member who was not erased, empty if there is no item.
    fn alive(&self, id: &MemberId) -> Option<Cow<'_, Member>> {
        match self.members.get(id)? {
            StoredMember::Absent => Some(Cow::Owned(Member::default())),
            StoredMember::Present(member) => Some(Cow::Borrowed(member)),
            StoredMember::Erased(_) => None,
        }
    }
}

/// Folds documents that arrive at `now`, in their order. The facts of a document arrive at once (section 4).
pub(super) fn fold<'a>(
    versions: &Versions,
    known: &LoadedState,
    documents: impl Iterator<Item = &'a [Fact]> + Clone,
    now: Instant,
) -> Folded {
    let facts = documents.clone().flatten();
    let subjects: BTreeSet<Subject> = facts.clone().flat_map(|fact| known.touched(fact)).collect();
    let members: BTreeSet<MemberId> = facts.clone().flat_map(|fact| known.concerned(fact)).collect();
    let alive = || members.iter().filter_map(|id| Some((id, known.alive(id)?)));
    let mut index = known.seated(&subjects, &members);
    let mut records: BTreeMap<_, _> = alive().map(|(id, held)| (id.clone(), held.record.clone())).collect();
    let (mut rows, mut counts, mut all_taken) = (Vec::new(), Counts::default(), Vec::new());
    let (mut erased, mut forgotten, mut told) = (Vec::new(), Vec::new(), Vec::new());
    // A record that is farther ahead than clocks may differ: its clock was wrong. The facts are evaluated as of now.
    let is_ahead = |record: &Record| record.evaluated_at() > Some(now.plus_millis(FUTURE_MS_MAX));
    let ahead: Vec<MemberId> = records.iter().filter(|(_, it)| is_ahead(it)).map(|(id, _)| id.clone()).collect();
    for id in ahead {
        let back =
            evaluate_for(&mut index, &mut records, &id, |ledger, record| bring_back(ledger, record, versions, now));
        rows.extend(back.into_iter().map(|row| (id.clone(), row)));
    }
    for document in documents {
        let mut statuses = Vec::with_capacity(document.len());
        let orders = document.iter().flat_map(Fact::subjects).filter(|subject| index.knows_of_order(subject));
        let known_orders: BTreeSet<Subject> = orders.collect();
        let mut arrival = if document.len() > 1 { Arrival::of_document(now) } else { Arrival::of_one(now) };
        for fact in document {
            if let Some(member) = fact.erased() {
                erased.push(member.clone());
                let gone = index.taken_by_erasure(member);
                erased.extend(gone.iter().filter(|id| *id != member).cloned());
                forgotten.extend(gone.into_iter().map(|id| (id, fact.occurred_at)));
            }
            let fact = nameless(fact, &index, known).unwrap_or_else(|| fact.clone());
            statuses.push(arrival.take(&mut index, &mut records, versions, fact));
        }
        rows.extend(arrival.finish(&index, &mut records, versions));
        let revised =
            document.iter().zip(&statuses).map(|(fact, status)| is_revised(fact, *status, document, &known_orders));
        told.extend(document.iter().zip(statuses.iter().copied()).zip(revised.collect::<Vec<_>>()));
    }
    // What a fact waits for may come with a later document of the batch.
    for ((fact, status), is_revised) in told {
        let idle = index.idle(fact).filter(|idle| *idle != Idle::Cancelled || is_revised);
        counts.fact(status, idle);
        all_taken.push(Taken { status, idle, counts_at: index.counts_at(fact) });
    }
    rows.retain(|(member, _)| !index.is_erased(member));
    rows.iter().for_each(|(_, row)| counts.row(row));
    let changed = written_members(known, &members, &index, &records, &rows);
    let tombstones = members.iter().filter_map(|id| {
        let StoredMember::Erased(was) = known.members.get(id)? else { return None };
        let links = Links::of(index.merges(), id);
        (links != was.links).then(|| (id.clone(), was.with(links)))
    });
    let tombstones = tombstones.collect();
    let news = |subject: Subject| {
        // The rows of an erased member stay unchanged until they are deleted: the erasure finds them by the name in
        // them.
        if matches!(&subject, Subject::Tags(member, _) | Subject::Person(member) if index.is_erased(member)) {
            return None;
        }
        let facts = index.facts(&subject);
        let was = known.subjects.get(&subject)?;
        let is_erased = |fact: &Fact| fact.member().is_some_and(|member| index.is_erased(member));
        // A cancellation of points is also filed under its own key, and goes with its entry. Each subject is checked
        // once, because a thousand facts may be about the same one.
        let of: BTreeSet<Subject> = facts.iter().flat_map(Fact::subjects).collect();
        let owners = of.iter().flat_map(|of| index.facts(of)).filter(owns_subject).collect::<Vec<_>>();
        let owner_is_erased = owners.iter().any(is_erased);
        // What an erased member's name stands in can still be about another member's order or entry, and belongs to that one.
        let is_member_erased = owner_is_erased || owners.is_empty() && facts.iter().all(is_erased);
        let worth_it = was.is_stored() || !is_member_erased;
        let facts = if owner_is_erased || has_order(&facts) { unnamed(facts) } else { facts };
        // The row is found by the first name in it. If that is, and was, an erased member's, the erasure deletes the row, or
        // stores it without the name.
        let named = |facts: &[Fact]| facts.iter().find_map(|fact| fact.member().cloned());
        let theirs = named(&facts).filter(|name| index.is_erased(name) && named(&was.facts).as_ref() == Some(name));
        let is_left = |fact: &Fact| is_erased(fact) && fact.member() != theirs.as_ref();
        let facts: Vec<Fact> = facts.into_iter().filter_map(|it| kept(it, is_left)).collect();
        let facts: Vec<Fact> = facts.into_iter().map(|fact| without_erased(fact, index.merges())).collect();
        (facts != was.facts && worth_it).then_some((subject, facts))
    };
    let news: Vec<_> = subjects.iter().cloned().filter_map(news).collect();
    // The write of a member is conditional on what was read. A member who holds a changed subject but is not written
    // may have been read before that subject: the ledger then lacks the facts that are to be removed from it.
    let is_written = |id: &MemberId| changed.iter().any(|written| written.id == *id);
    let unwritten = |subject: &Subject| known.index.holders(subject).iter().any(|id| !is_written(id));
    let doubtful: Vec<_> = news.iter().map(|(subject, _)| subject).filter(|subject| unwritten(subject)).collect();
    let is_torn = !doubtful.is_empty() && {
        let before = known.seated(&subjects, &members);
        doubtful.into_iter().any(|subject| !before.is_consistent(subject))
    };
    let forgotten = forgotten.into_iter().map(|(id, at)| {
        let links = Links::of(index.merges(), &id);
        (id, at, links)
    });
    let is_too_many = members.iter().any(|id| index.merges().connected(id).len() > MERGED_MAX);
    Folded {
        subjects: news,
        members: changed,
        tombstones,
        erased,
        forgotten: forgotten.collect(),
        rows,
        taken: all_taken,
        counts,
        is_torn,
        is_too_many,
    }
}

/// Whether a fact is of an order of which facts were known before, in a document that does not say itself that the order is cancelled.
fn is_revised(fact: &Fact, status: FactStatus, document: &[Fact], known_orders: &BTreeSet<Subject>) -> bool {
    let FactBody::OrderPaid(id, _) = &fact.body else { return false };
    let cancels = |other: &Fact| matches!(&other.body, FactBody::OrderCancelled(of) if of == id);
    let is_known = known_orders.contains(&Subject::Order(id.clone()));
    status == FactStatus::Applied && is_known && !document.iter().any(cancels)
}

/// The members to write: those whose facts or merges changed, or about whom something is recorded. With any id of a member
/// the member that it stands for is written, before and after: its version guards them all.
fn written_members(
    known: &LoadedState,
    members: &BTreeSet<MemberId>,
    index: &FactIndex,
    records: &BTreeMap<MemberId, Record>,
    rows: &[(MemberId, Row)],
) -> Vec<WrittenMember> {
    let mut written = BTreeSet::new();
    for id in members {
        let links = known.members.get(id).and_then(StoredMember::links).cloned().unwrap_or_default();
        let is_erased_now = index.is_erased(id) && !known.merges.is_erased(id);
        // An advanced record without rows is not worth a write.
        let is_changed = is_erased_now
            || links != Links::of(index.merges(), id)
            || known.alive(id).is_some_and(|held| index.ledger(id).is_some_and(|ledger| *ledger != held.ledger))
            || rows.iter().any(|(member, _)| member == id);
        if is_changed {
            written.extend([id.clone(), known.merges.resolve(id), index.merges().resolve(id)]);
        }
    }
    let write = |id: MemberId| {
        let (ledger, record) = (index.ledger(&id)?.clone(), records.get(&id)?.clone());
        let (links, merges) = (Links::of(index.merges(), &id), index.merges());
        let counting = match merges.resolve(&id) {
            _ if merges.is_alone(&id) => Counting::Own,
            member if member == id => Counting::United(index.counting_for(&id).into_owned()),
            _ => Counting::Merged,
        };
        Some(WrittenMember { id, ledger, record, links, counting })
    };
    written.into_iter().filter_map(write).collect()
}

/// Removes the names from facts that follow a known order. They belong to the order's member, whichever member they
/// name (section 4). The name could be another member's, whose erasure would not find this row. Names are also removed
/// from facts that follow an erased member's entry: without the entry they would count as facts of the member they
/// name.
fn unnamed(facts: Vec<Fact>) -> Vec<Fact> {
    facts.into_iter().map(|fact| fact.without_member().unwrap_or(fact)).collect()
}

/// The part of a fact that may be stored if it names an erased member. An order is stored without a member, because an
/// older revision that is redelivered must not bring it back. Another fact is stored without the name, if that is
/// possible.
fn kept(fact: Fact, is_erased: impl Fn(&Fact) -> bool) -> Option<Fact> {
    if !is_erased(&fact) {
        return Some(fact);
    }
    if matches!(fact.body, FactBody::OrderPaid(..)) {
        return Some(Fact { member: None, ..fact });
    }
    fact.without_member()
}

/// A merge into an erased member is void for ever: it is stored without that member's name, like one that was undone.
fn without_erased(fact: Fact, merges: &Merges) -> Fact {
    if let FactBody::Merged(Merged { into: Some(into) }) = &fact.body
        && merges.is_erased(into)
        && merges.of(into).is_none()
    {
        return Fact { body: FactBody::Merged(Merged { into: None }), ..fact };
    }
    fact
}

fn is_entry(fact: &Fact) -> bool {
    matches!(fact.body, FactBody::PointsEntry(..))
}

fn has_order(facts: &[Fact]) -> bool {
    facts.iter().any(|fact| matches!(fact.body, FactBody::OrderPaid(..)))
}

/// Removes the name from a fact that follows a known order, or that names an erased member. An erased member's name
/// stays if the stored row contains it already: the erasure finds the row by it, and deletes it.
fn nameless(fact: &Fact, index: &FactIndex, known: &LoadedState) -> Option<Fact> {
    let member = fact.member();
    let stands = |stored: &StoredSubject| stored.facts.iter().any(|other| other.member() == member);
    let others =
        |subject: Subject| known.subjects.get(&subject).is_some_and(|stored| stored.is_stored() && !stands(stored));
    let erased = member.is_some_and(|member| index.is_erased(member));
    let follows = || fact.subjects().any(|subject| index.has_order(&subject));
    ((erased && fact.subjects().any(others)) || follows()).then(|| fact.without_member()).flatten()
}

impl Folded {
    /// Whether a member who is written would pass a review or a change of rules until an instant.
    pub(super) fn is_due(&self, versions: &Versions, until: Instant) -> bool {
        self.members.iter().any(|member| match &member.counting {
            Counting::Own => is_due(&member.ledger, &member.record, versions, until),
            Counting::United(ledger) => is_due(ledger, &member.record, versions, until),
            Counting::Merged => false,
        })
    }

    /// The writes that store the result.
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
        for WrittenMember { id, ledger, record, links, .. } in &self.members {
            if let Some(was) = known.alive(id) {
                commit.member(store, shop, id, (ledger, record, links), &was)?;
            }
        }
        for (id, at, links) in &self.forgotten {
            if let Some(was) = known.alive(id) {
                commit.tombstone(store, shop, id, &Tombstone::of(&was, *at, links.clone()))?;
                commit.erasure(store, shop, id, now)?;
            }
        }
        for (id, tombstone) in &self.tombstones {
            commit.tombstone(store, shop, id, tombstone)?;
        }
        for (member, row) in &self.rows {
            let about = About { shop, member, versions, recorded_at: now };
            commit.record(store, history::item(store.tables().spread, about, row))?;
        }
        Ok(commit)
    }
}
