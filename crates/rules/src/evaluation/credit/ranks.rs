//! The order of keys, for corrections that act at one instant.

/// The place of each key among all of them in order; equal keys keep their order.
pub(super) fn ranks(keys: &[impl AsRef<str>]) -> Vec<usize> {
    #[cfg(test)]
    tests::READ.with(|read| read.set(read.get() + keys.len()));
    let mut ordered: Vec<(&str, usize)> = keys.iter().map(AsRef::as_ref).zip(0..).collect();
    ordered.sort_unstable();
    let mut placed: Vec<(usize, usize)> = ordered.into_iter().map(|(_, place)| place).zip(0..).collect();
    placed.sort_unstable();
    placed.into_iter().map(|(_, rank)| rank).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;
    use crate::calendar::{Instant, Zones};
    use crate::fact::{Currency, Fact};
    use crate::fact_index::FactIndex;
    use crate::id::MemberId;
    use crate::program::Program;
    use crate::standing::evaluate;
    use crate::version::Versions;

    thread_local! {
        /// The number of keys that were put in order on this thread.
        pub(super) static READ: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn keys_rank_by_their_order_and_equal_ones_by_their_places() {
        assert_eq!(ranks(&["b", "a", "c", "a"]), [2, 0, 3, 1]);
        assert_eq!(ranks(&[""; 0]), [0_usize; 0]);
    }

    /// Two entries are canceled at the same thousand instants: the keys of all cancellations are read once, not at each.
    #[test]
    fn the_keys_of_cancellations_are_put_in_order_once() {
        const COUNT: usize = 1_000;
        let mut index = FactIndex::new();
        let mut tell = |fact: serde_json::Value| {
            index.apply(Fact::read(&fact, Currency::from_code("USD").unwrap()).unwrap().fact);
        };
        let at = |number: usize| Instant::from_millis(1_700_000_000_000 + i64::try_from(number).unwrap()).to_string();
        for entry in ["a", "b"] {
            tell(json!({ "type": "points.earned", "member_id": "anna", "entry_id": entry, "points": 5_000,
                         "occurred_at": at(0) }));
            for number in 1..=COUNT {
                tell(
                    json!({ "type": "points.canceled", "cancel_id": format!("{number} of {entry}"), "entry_id": entry,
                             "points": 1, "occurred_at": at(number) }),
                );
            }
        }
        let program = json!({ "start_date": "2020-01-01", "milestone": { "metric": "points_earned" },
                              "tiers": [{ "id": "gold", "threshold": 9_000 }] });
        let program = Program::read(&program, &Zones::built_in()).unwrap().program;
        let versions = Versions::first(program, None).unwrap();
        READ.set(0);
        let ledger = index.ledger(&MemberId::new("anna").unwrap()).unwrap();
        let standing = evaluate(versions.last(), ledger, Instant::from_millis(1_800_000_000_000));
        assert_eq!(standing.progress.unwrap().counted.with_decimals(0), "8000");
        assert_eq!(READ.get(), 2 * COUNT);
    }
}
