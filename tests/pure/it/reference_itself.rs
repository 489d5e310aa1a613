//! The reference model against itself: trying the midnights that could matter gives the same as trying all of them, and
//! the order of arrival never matters.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use pure_tests::random::{BEGIN, HOUR, IDS, arrival, programs, published, story};
use serde_json::Value;

proptest! {
    #![proptest_config(ProptestConfig { cases: std::env::var("CASES").map_or(200, |n| n.parse().unwrap()), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_midnights_that_could_matter_are_all_that_matter(
        program in programs(),
        facts in story(),
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

    /// Everything that changes a tier is recorded, also where ids stand for other members than before.
    #[test]
    fn the_tier_on_record_is_that_of_the_standing(
        program in programs(),
        facts in story(),
        versions in prop::collection::vec(published(), 0..3),
        end in 0..3000_i64,
    ) {
        let mut lines: Vec<Value> = facts.into_iter().chain(versions).collect();
        lines.sort_by(|a, b| arrival(a).cmp(arrival(b)));
        let end = BEGIN + end * HOUR;
        let got = reference::replay(&program, &lines, end);
        // An inactive program records nothing.
        let inactive = |line: &Value| line["active"] == false || line["program"]["active"] == false;
        let always_active = !inactive(&program) && !lines.iter().any(inactive);
        for (id, standing) in got["standings"].as_object().unwrap() {
            let rows = got["transitions"].as_array().unwrap().iter().rev();
            let on_record = rows.clone().find(|row| row["member_id"] == *id).map_or(&Value::Null, |row| &row["to"]);
            let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
            let place = format!("{id} at {end}, program {program}\n{}", lines.join("\n"));
            if !standing["merged_into"].is_null() {
                prop_assert!(!always_active || on_record.is_null(), "{}", place);
            } else if standing["active"] == true {
                prop_assert_eq!(on_record, &standing["tier"], "{}", place);
            }
        }
    }

    #[test]
    fn the_order_of_arrival_never_matters(
        program in programs(),
        // "Whom an erasure takes is settled when it arrives (the one exception to L1)"
        (facts, shuffled) in story().prop_flat_map(|mut facts| {
            facts.retain(|fact| fact["type"] != "customer.erased");
            (Just(facts.clone()), Just(facts).prop_shuffle())
        }),
        end in 0..3000_i64,
    ) {
        let program = reference::Program::read(&program, None, &[]).unwrap();
        let stand = |facts: &[Value]| {
            let mut shop = reference::Shop::new("USD");
            for fact in facts {
                prop_assert!(shop.take(fact), "{fact}");
            }
            Ok(IDS.map(|id| reference::standing(&program, &shop, id, BEGIN + end * HOUR)))
        };
        prop_assert_eq!(stand(&facts)?, stand(&shuffled)?);
    }
}

/// The share of stories of which something is true.
fn share(stories: &[Vec<Value>], of: impl Fn(&[Value]) -> bool) -> usize {
    stories.iter().filter(|story| of(story)).count() * 100 / stories.len()
}

#[test]
fn most_stories_have_no_merges_and_those_that_have_some_have_them_of_every_kind() {
    let mut runner = TestRunner::deterministic();
    let stories: Vec<Vec<Value>> = (0..1000).map(|_| story().new_tree(&mut runner).unwrap().current()).collect();
    let merges = |story: &[Value]| -> Vec<Value> {
        story.iter().filter(|line| line["type"] == "customer.merged").cloned().collect()
    };
    let with = share(&stories, |story| !merges(story).is_empty());
    assert!((30..50).contains(&with), "{with} % have merges");
    let pair = |of: fn(&Value, &Value) -> bool| {
        share(&stories, |story| {
            let merges = merges(story);
            merges.iter().enumerate().any(|(place, one)| merges[place + 1..].iter().any(|other| of(one, other)))
        })
    };
    let kinds = [
        ("chain", pair(|one, other| one["into"] == other["member_id"] && one["member_id"] != other["into"])),
        ("circle", pair(|one, other| one["into"] == other["member_id"] && one["member_id"] == other["into"])),
        ("undone", pair(|one, other| one["member_id"] == other["member_id"] && other["into"].is_null())),
        ("told twice", pair(|one, other| one["member_id"] == other["member_id"] && one["into"] == other["into"])),
        (
            "equal revisions",
            pair(|one, other| {
                let revision = |line: &Value| line.get("revision").unwrap_or(&line["occurred_at"]).clone();
                one["member_id"] == other["member_id"]
                    && one["into"] != other["into"]
                    && revision(one) == revision(other)
            }),
        ),
        (
            "erased",
            share(&stories, |story| {
                let erased =
                    |id: &Value| story.iter().any(|line| line["type"] == "customer.erased" && line["member_id"] == *id);
                merges(story).iter().any(|merge| erased(&merge["member_id"]) || erased(&merge["into"]))
            }),
        ),
        ("in a document", share(&stories, |story| merges(story).iter().any(|merge| !merge["document"].is_null()))),
        (
            "before the facts",
            share(&stories, |story| {
                let first = |merge: bool| {
                    let lines = story.iter().filter(|line| (line["type"] == "customer.merged") == merge);
                    lines.map(arrival).min().map(str::to_owned)
                };
                first(true).is_some_and(|merge| Some(merge) < first(false))
            }),
        ),
    ];
    for (kind, share) in kinds {
        assert!(share > 0, "{kind}: {share} % of {kinds:?}");
    }
}
