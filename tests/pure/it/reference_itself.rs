//! The reference model against itself: trying the midnights that could matter gives the same as trying all of them, and
//! the order of arrival never matters.

use proptest::prelude::*;
use pure_tests::random::{BEGIN, HOUR, arrival, fact, programs, published};
use serde_json::Value;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_midnights_that_could_matter_are_all_that_matter(
        program in programs(),
        facts in prop::collection::vec(fact(), 1..25),
        versions in prop::collection::vec(published(), 0..3),
        end in 0..3000_i64,
    ) {
        let mut lines: Vec<Value> = facts.into_iter().chain(versions).collect();
        lines.sort_by(|a, b| arrival(a).cmp(arrival(b)));
        let end = BEGIN + end * HOUR;
        let quick = reference::replay(&program, &lines, end);
        let slow = reference::replay_trying_every_midnight(&program, &lines, end);
        prop_assert_eq!(quick, slow);
    }

    #[test]
    fn the_order_of_arrival_never_matters(
        program in programs(),
        (facts, shuffled) in prop::collection::vec(fact(), 1..25)
            .prop_flat_map(|facts| (Just(facts.clone()), Just(facts).prop_shuffle())),
        end in 0..3000_i64,
    ) {
        let program = reference::Program::read(&program, None, &[]).unwrap();
        let stand = |facts: &[Value]| {
            let mut shop = reference::Shop::new("USD");
            for fact in facts {
                prop_assert!(shop.take(fact));
            }
            Ok(reference::standing(&program, &shop, "anna", BEGIN + end * HOUR))
        };
        prop_assert_eq!(stand(&facts)?, stand(&shuffled)?);
    }
}
