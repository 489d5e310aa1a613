//! The facts of a member under several ids, as one ledger (section 4).

use std::borrow::Cow;
use std::cmp::Reverse;

use super::{Act, Assignment, Ledger, insert};
use crate::calendar::{DayOfYear, Instant};
use crate::id::MemberId;

impl Ledger {
    /// The ledger of a member for whom other ids stand: the facts of all. Tags are only those said of the member
    /// themselves. The others come in the order of their ids.
    pub fn united<'a>(&'a self, others: impl IntoIterator<Item = (&'a MemberId, &'a Self)>) -> Cow<'a, Self> {
        let others: Vec<&Self> = others.into_iter().map(|(_, ledger)| ledger).collect();
        if others.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut all = self.clone();
        for other in &others {
            all.orders.extend(other.orders.iter().cloned());
            all.entries.extend(other.entries.iter().cloned());
            all.waiting.extend(other.waiting.iter().cloned());
        }
        all.orders.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        all.entries.sort_by(|a, b| (a.at, a.kind, &a.id).cmp(&(b.at, b.kind, &b.id)));
        all.waiting.sort();
        all.unite_assignments(&others);
        all.unite_person(&others);
        Cow::Owned(all)
    }

    /// Adds the assignments of the others. A version holds a tier once: the member's own hold stays, else the earliest.
    fn unite_assignments(&mut self, others: &[&Self]) {
        let version = |given: &Assignment| match given.act {
            Act::Hold { version, .. } => Some(version),
            Act::Assign { .. } | Act::Unassign { .. } => None,
        };
        let (mut holds, given): (Vec<&Assignment>, Vec<&Assignment>) =
            others.iter().flat_map(|other| &other.assignments).partition(|given| version(given).is_some());
        holds.sort_by_key(|hold| hold.at); // stable: of two at one instant that of the lower id
        for assignment in given {
            insert(&mut self.assignments, assignment.clone(), |a, b| (a.at, a.act.order()).cmp(&(b.at, b.act.order())));
        }
        for hold in holds {
            if !self.assignments.iter().any(|other| version(other) == version(hold)) {
                self.put_assignment(hold.clone());
            }
        }
    }

    /// Takes the earliest enrollment of all, and the birthday that the member said, else the one that another id said.
    fn unite_person(&mut self, others: &[&Self]) {
        let said_at_enrolment = |ledger: &Self| Some((ledger.enrolled?.at, ledger.enrolled?.birthday?));
        let mut birthday: Option<DayOfYear> = said_at_enrolment(self).map(|(_, birthday)| birthday);
        if birthday.is_none() && self.birthday.is_none() {
            // Of two at one instant that of the lower id.
            let told = others.iter().filter(|other| other.birthday.is_some());
            let told = told.min_by_key(|other| Reverse(other.birthday.map(|told| told.at)));
            let said = |ledger: &&&Self| said_at_enrolment(ledger).map_or(Instant::LAST, |(at, _)| at);
            let joined = others.iter().filter(|other| said_at_enrolment(other).is_some()).min_by_key(said);
            if let Some(other) = told.or(joined) {
                birthday = said_at_enrolment(other).map(|(_, birthday)| birthday);
                self.birthday = other.birthday;
            }
        }
        let all = std::iter::once(self.enrolled).chain(others.iter().map(|other| other.enrolled)).flatten();
        if let Some(mut earliest) = all.min_by_key(|enrolled| enrolled.at) {
            earliest.birthday = birthday;
            self.enrolled = Some(earliest);
        }
    }
}
