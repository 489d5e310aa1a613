//! Facts that are connected: they reach the same subject or the same member. What is not connected makes no difference to each
//! other, and may be decided and written apart.

use std::collections::{BTreeSet, HashMap};

use crate::fact::{Fact, FactBody, Merged};
use crate::fact_index::{FactIndex, Subject};
use crate::id::MemberId;

/// What a fact may change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reached {
    /// What is known under a key.
    Subject(Subject),
    /// A member.
    Member(MemberId),
}

/// A row of facts, or of messages with facts, by what they reach.
#[derive(Debug, Clone, Default)]
pub struct Connected {
    /// For each place an earlier one that it is connected with, or itself.
    earlier: Vec<usize>,
    /// The first place that reaches something.
    reached: HashMap<Reached, usize>,
}

impl Connected {
    /// Adds the next place of the row, with all that it reaches.
    pub fn push(&mut self, reached: impl IntoIterator<Item = Reached>) {
        let place = self.earlier.len();
        self.earlier.push(place);
        for reached in reached {
            let other = *self.reached.entry(reached).or_insert(place);
            let (a, b) = (self.first(other), self.first(place));
            if let Some(later) = self.earlier.get_mut(a.max(b)) {
                *later = a.min(b);
            }
        }
    }

    /// The first place of those that a place is connected with, the same for all of them.
    pub fn first(&self, mut place: usize) -> usize {
        while let Some(&earlier) = self.earlier.get(place).filter(|earlier| **earlier != place) {
            place = earlier;
        }
        place
    }

    /// The first place of those that reach a member; none if none does.
    pub fn first_about(&self, member: &MemberId) -> Option<usize> {
        self.reached.get(&Reached::Member(member.clone())).map(|place| self.first(*place))
    }
}

/// The members whom a fact names, and those whose facts it may change.
pub fn concerned(index: &FactIndex, fact: &Fact) -> BTreeSet<MemberId> {
    let mut members = index.affected_members(fact);
    members.extend(fact.member().cloned());
    if let FactBody::Merged(Merged { into }) = &fact.body {
        members.extend(into.iter().cloned());
    }
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_the_same_is_connected_on_and_on_in_either_order() {
        let member = |id: &str| Reached::Member(MemberId::new(id).unwrap());
        let mut row = Connected::default();
        for reached in [vec!["a"], vec!["b"], vec!["c"], vec!["d", "c"], vec![], vec!["c", "a"]] {
            row.push(reached.into_iter().map(member));
        }
        assert_eq!((0..6).map(|place| row.first(place)).collect::<Vec<_>>(), [0, 1, 0, 0, 4, 0]);
        assert_eq!(row.first_about(&MemberId::new("d").unwrap()), Some(0));
        assert_eq!(row.first_about(&MemberId::new("x").unwrap()), None);
    }
}
