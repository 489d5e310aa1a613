//! Facts folded into what is known of their things and members: decided in memory, without the world.

use std::collections::{BTreeMap, BTreeSet};

use rules::advance::bring_back;
use rules::arrive::arrive;
use rules::book::{Book, Taken, Thing};
use rules::calendar::Instant;
use rules::fact::{FUTURE_MS_MAX, Fact, FactBody};
use rules::id::MemberId;
use rules::ledger::Ledger;
use rules::record::{Record, Row};
use rules::version::Versions;
use store::announce::About;
use store::shop::ShopId;
use store::{Commit, Filed, Held, Store, StoreError, history, is_thing};

use super::Counts;

/// What is known of the things that facts are about, and of the members whom they concern.
pub(super) struct LoadedState {
    things: BTreeMap<Thing, Filed>,
    members: BTreeMap<MemberId, Held>,
    /// The things' facts by their keys, to ask whom a fact concerns.
    book: Book,
}

/// What facts make of what was known.
pub(super) struct Folded {
    /// Things of which more is known now.
    things: Vec<(Thing, Vec<Fact>)>,
    /// Members who are not as they were.
    pub(super) members: Vec<(MemberId, Ledger, Record)>,
    /// Members who are forgotten, whether now or before.
    pub(super) erased: Vec<MemberId>,
    /// When they asked for it, if it is news.
    forgotten: Vec<(MemberId, Instant)>,
    /// What is recorded.
    rows: Vec<(MemberId, Row)>,
    /// What became of the facts, in their order.
    pub(super) taken: Vec<Taken>,
    /// The same, counted.
    pub(super) counts: Counts,
    /// Whether a thing and a member were read at different moments, so that all has to be read again.
    pub(super) is_torn: bool,
}

/// Reads what facts need: first what is known of their things, then the members whom they concern.
pub(super) async fn load(
    store: &Store,
    shop: &ShopId,
    facts: impl Iterator<Item = &Fact> + Clone,
) -> Result<LoadedState, StoreError> {
    let wanted: BTreeSet<Thing> = facts.clone().flat_map(Fact::things).collect();
    let mut things = store.things(shop, wanted).await?;
    // A cancellation of points may have been with another entry before; and those of an entry may lose their names with it.
    let entries: BTreeSet<Thing> = facts.clone().filter(|fact| is_entry(fact)).flat_map(Fact::things).collect();
    let others = things.iter().flat_map(|(thing, filed)| {
        let with_cancels = entries.contains(thing);
        let others = filed.facts.iter().flat_map(Fact::things);
        others.filter(move |other| with_cancels || matches!(other, Thing::Entry(_)))
    });
    let others: BTreeSet<Thing> = others.filter(|thing| !things.contains_key(thing)).collect();
    if !others.is_empty() {
        things.extend(store.things(shop, others).await?);
    }
    let mut book = Book::new();
    for fact in things.values().flat_map(|filed| &filed.facts) {
        book.know(fact.clone());
    }
    let members: BTreeSet<MemberId> = facts.flat_map(|fact| concerned(&book, fact)).collect();
    let members = store.members(shop, members).await?;
    Ok(LoadedState { things, members, book })
}

fn concerned(book: &Book, fact: &Fact) -> BTreeSet<MemberId> {
    let mut members = book.concerned(fact);
    members.extend(fact.member().cloned());
    members
}

impl LoadedState {
    /// The things whose rows a fact may change.
    pub(super) fn touched(&self, fact: &Fact) -> BTreeSet<Thing> {
        let mut things = self.book.touched(fact);
        things.extend(fact.things());
        if is_entry(fact) {
            let filed = fact.things().filter_map(|thing| self.things.get(&thing));
            things.extend(filed.flat_map(|filed| &filed.facts).flat_map(Fact::things));
        }
        things
    }

    /// The members with their ledgers, and what is known of the things.
    fn seated(&self, things: &BTreeSet<Thing>, members: &BTreeSet<MemberId>, now: Instant) -> Book {
        let mut book = Book::new();
        for (id, held) in members.iter().filter_map(|id| Some((id, self.members.get(id)?))) {
            if held.erased {
                book.take(Fact::new(now, id.clone(), FactBody::Erased));
            } else {
                book.seat(id.clone(), held.ledger.clone());
            }
        }
        for fact in things.iter().filter_map(|thing| self.things.get(thing)).flat_map(|filed| &filed.facts) {
            book.know(fact.clone());
        }
        book
    }

    /// The members whose items a fact may change.
    pub(super) fn concerned(&self, fact: &Fact) -> BTreeSet<MemberId> {
        concerned(&self.book, fact)
    }
}

/// Folds facts that arrive at `now`, in their order.
pub(super) fn fold<'a>(
    versions: &Versions,
    known: &LoadedState,
    facts: impl Iterator<Item = &'a Fact> + Clone,
    now: Instant,
) -> Folded {
    let things: BTreeSet<Thing> = facts.clone().flat_map(|fact| known.touched(fact)).collect();
    let members: BTreeSet<MemberId> = facts.clone().flat_map(|fact| known.concerned(fact)).collect();
    let held = || members.iter().filter_map(|id| Some((id, known.members.get(id)?)));
    let mut book = known.seated(&things, &members, now);
    let alive = held().filter(|(_, held)| !held.erased);
    let mut records: BTreeMap<_, _> = alive.map(|(id, held)| (id.clone(), held.record.clone())).collect();
    let (mut rows, mut counts, mut all_taken) = (Vec::new(), Counts::default(), Vec::new());
    let (mut erased, mut forgotten) = (Vec::new(), Vec::new());
    for (id, record) in &mut records {
        // Farther ahead than clocks differ: who looked at the member did so by one that was wrong, and facts are judged by now.
        if record.evaluated_at() > Some(now.plus_millis(FUTURE_MS_MAX)) {
            let mut none = Ledger::default();
            let back = bring_back(book.ledger_mut(id).unwrap_or(&mut none), record, versions, now);
            rows.extend(back.into_iter().map(|row| (id.clone(), row)));
        }
    }
    for fact in facts {
        if let Some(member) = fact.erased() {
            erased.push(member.clone());
            if !book.is_erased(member) {
                forgotten.push((member.clone(), fact.occurred_at));
            }
        }
        let fact = nameless(fact, &book, known).unwrap_or_else(|| fact.clone());
        let (taken, due) = arrive(&mut book, &mut records, versions, fact, now);
        counts.fact(taken);
        all_taken.push(taken);
        rows.extend(due);
    }
    rows.retain(|(member, _)| !book.is_erased(member));
    rows.iter().for_each(|(_, row)| counts.row(row));
    let changed = |id: &MemberId, held: &Held| {
        let (ledger, record) = (book.ledger(id)?, records.get(id)?);
        // That somebody was looked at is not worth a write, as long as nothing came of it.
        let news = *ledger != held.ledger || rows.iter().any(|(member, _)| member == id);
        news.then(|| (id.clone(), ledger.clone(), record.clone()))
    };
    let changed: Vec<_> = held().filter_map(|(id, held)| changed(id, held)).collect();
    let news = |thing: Thing| {
        // Their rows stay as they are until they are deleted: by the name in them they are found.
        if matches!(&thing, Thing::Tags(member, _) | Thing::Person(member) if book.is_erased(member)) {
            return None;
        }
        let facts = book.facts(&thing);
        let was = known.things.get(&thing)?;
        let is_erased = |fact: &Fact| fact.member().is_some_and(|member| book.is_erased(member));
        // A cancellation of points is filed by itself too, and goes with its entry.
        let owner_is_erased = facts
            .iter()
            .flat_map(Fact::things)
            .any(|of| book.facts(&of).iter().any(|it| is_thing(it) && is_erased(it)));
        let is_member_erased = owner_is_erased || facts.iter().all(is_erased);
        let worth_it = was.is_stored() || !is_member_erased;
        let facts = if owner_is_erased || has_order(&facts) { unnamed(facts) } else { facts };
        // What was theirs before is found by their name, and deleted as a whole.
        let is_theirs = was.facts.iter().any(is_erased);
        let facts = if is_theirs { facts } else { facts.into_iter().filter_map(|it| kept(it, is_erased)).collect() };
        (facts != was.facts && worth_it).then_some((thing, facts))
    };
    let news: Vec<_> = things.iter().cloned().filter_map(news).collect();
    // Who is written is written on the condition that they are as they were read. Who holds something that changes, and is
    // not written, may be older than it: then they lack what is to be taken from them.
    let is_written = |id: &MemberId| changed.iter().any(|(written, ..)| written == id);
    let unwritten = |thing: &Thing| known.book.holders(thing).iter().any(|id| !is_written(id));
    let doubtful: Vec<_> = news.iter().map(|(thing, _)| thing).filter(|thing| unwritten(thing)).collect();
    let is_torn = !doubtful.is_empty() && {
        let before = known.seated(&things, &members, now);
        doubtful.into_iter().any(|thing| !before.agrees(thing))
    };
    Folded { things: news, members: changed, erased, forgotten, rows, taken: all_taken, counts, is_torn }
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
fn nameless(fact: &Fact, book: &Book, known: &LoadedState) -> Option<Fact> {
    let member = fact.member();
    let stands = |filed: &Filed| filed.facts.iter().any(|other| other.member() == member);
    let others = |thing: Thing| known.things.get(&thing).is_some_and(|filed| filed.is_stored() && !stands(filed));
    let erased = member.is_some_and(|member| book.is_erased(member));
    let follows = || fact.things().any(|thing| has_order(&book.facts(&thing)));
    ((erased && fact.things().any(others)) || follows()).then(|| fact.without_member()).flatten()
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
        for (thing, facts) in &self.things {
            if let Some(was) = known.things.get(thing) {
                commit.file(store, shop, thing, facts, was)?;
            }
        }
        for (id, ledger, record) in &self.members {
            if let Some(was) = known.members.get(id) {
                commit.member(store, shop, id, (ledger, record), was)?;
            }
        }
        for (id, at) in &self.forgotten {
            if let Some(was) = known.members.get(id) {
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
