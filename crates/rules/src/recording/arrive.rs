//! A fact's arrival at a shop: everybody whom it concerns is brought up to its instant, it is taken in, and they are
//! looked at again. Live processing, replay and the store's writers all go through here.

use std::collections::BTreeMap;

use crate::advance::Arrival;
use crate::book::{Book, Taken};
use crate::calendar::Instant;
use crate::cause::Attribution;
use crate::fact::Fact;
use crate::id::MemberId;
use crate::ledger::Ledger;
use crate::record::{Record, Row};
use crate::version::Versions;

/// Takes a fact in that arrives at `at`, and yields the rows to record.
///
/// The book needs to know the things that the fact is about, with those who hold them; see [`Book::concerned`].
pub fn arrive(
    book: &mut Book,
    records: &mut BTreeMap<MemberId, Record>,
    versions: &Versions,
    fact: Fact,
    at: Instant,
) -> (Taken, Vec<(MemberId, Row)>) {
    if let Some(member) = fact.erased() {
        records.remove(member);
        return (book.take(fact), Vec::new());
    }
    let mut arrivals = Vec::new();
    for id in book.concerned(&fact) {
        let record = records.entry(id.clone()).or_default();
        let mut none = Ledger::default();
        let ledger = book.ledger_mut(&id).unwrap_or(&mut none);
        let arrival = Arrival::before(ledger, record, versions, at);
        let told = Attribution::by(&fact, &id);
        arrivals.push((id, told, ledger.clone(), arrival));
    }
    let taken = book.take(fact);
    let mut rows = Vec::new();
    for (id, told, before, arrival) in arrivals {
        let Some((record, ledger)) = records.get_mut(&id).zip(book.ledger(&id)) else { continue };
        let due = if *ledger == before { arrival.unchanged() } else { arrival.after(ledger, record, versions, told) };
        rows.extend(due.into_iter().map(|row| (id.clone(), row)));
    }
    (taken, rows)
}
