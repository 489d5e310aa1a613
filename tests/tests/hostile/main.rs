//! Bad inputs by name, from malicious and from careless senders, each with its required outcome. Whatever the input is, nothing
//! is half applied, what came beside it is taken in, and sent again it has the same outcome.

mod api;
mod case;
mod envelope;
mod identity;
mod money;
mod program;
mod state;
mod tags;
mod time;
mod told;

use std::collections::BTreeSet;

#[tokio::test]
async fn bad_envelopes_become_what_they_have_to() {
    case::all_become_what_they_have_to(envelope::cases()).await;
}

#[tokio::test]
async fn bad_ids_become_what_they_have_to() {
    case::all_become_what_they_have_to(identity::cases()).await;
}

#[tokio::test]
async fn bad_money_becomes_what_it_has_to() {
    case::all_become_what_they_have_to(money::cases()).await;
}

#[tokio::test]
async fn facts_out_of_place_become_what_they_have_to() {
    case::all_become_what_they_have_to(state::cases()).await;
}

#[tokio::test]
async fn bad_tags_become_what_they_have_to() {
    case::all_become_what_they_have_to(tags::cases()).await;
}

#[tokio::test]
async fn bad_instants_become_what_they_have_to() {
    case::all_become_what_they_have_to(time::cases()).await;
}

#[tokio::test]
async fn bad_programs_are_refused() {
    program::all_are_refused().await;
}

#[tokio::test]
async fn bad_requests_are_answered_as_they_have_to() {
    api::all_are_answered_as_they_have_to().await;
}

/// No case is lost unnoticed.
#[test]
fn every_kind_has_its_cases() {
    let named: [(&str, usize, Vec<&str>); 8] = [
        ("envelope", 64, envelope::cases().iter().map(|case| case.name).collect()),
        ("identity", 39, identity::cases().iter().map(|case| case.name).collect()),
        ("money", 51, money::cases().iter().map(|case| case.name).collect()),
        ("state", 35, state::cases().iter().map(|case| case.name).collect()),
        ("tags", 19, tags::cases().iter().map(|case| case.name).collect()),
        ("time", 38, time::cases().iter().map(|case| case.name).collect()),
        ("program", 29, program::cases().iter().map(|case| case.name).collect()),
        ("api", 100, api::cases().iter().map(|case| case.name).collect()),
    ];
    for (kind, count, names) in &named {
        let different: BTreeSet<&&str> = names.iter().collect();
        assert_eq!((names.len(), different.len()), (*count, *count), "{kind}");
    }
    assert!(named.iter().map(|(_, count, _)| count).sum::<usize>() >= 60);
}
