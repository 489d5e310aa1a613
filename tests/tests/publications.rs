//! Publishing, replacing, withdrawing and rolling back the versions of a shop's program: on every table.

use rules::version::PublishError;
use serde_json::{Value, json};
use service::announce::{PROGRAM_PUBLISHED, ProgramPublished};
use service::shop::ShopId;
use service::store::{BroughtBack, Outgoing, PastPublication, Publication, PublicationError};
use service::verify::everybody;
use tests::dynamodb::Place;
use tests::system::{System, instant};

tests::for_every_table!(
    a_version_that_waits_is_replaced_in_one_step_and_its_number_is_not_given_again,
    a_version_about_to_take_effect_is_neither_replaced_nor_withdrawn,
    no_version_but_the_first_takes_effect_in_the_past,
    what_was_withdrawn_never_takes_effect_and_stays_readable,
    rolling_back_puts_the_program_in_force_as_it_was_told,
    of_two_who_publish_at_once_one_loses_and_nothing_of_theirs_is_left,
    every_version_is_announced_and_names_no_person,
    what_is_published_is_about_no_member,
    what_a_clock_that_was_ahead_published_is_published_again_by_the_right_one,
    what_waits_by_the_right_clock_is_in_nobodys_way,
);

const NOW: &str = "2024-03-01T12:00:00Z";

fn program(gold: u32) -> Value {
    json!({ "start_date": "2024-01-01", "tiers": [{ "id": "gold", "name": "Gold", "threshold": gold }] })
}

fn publication(gold: u32, at: &str, by: &str) -> Publication {
    let event = json!({ "type": "program.published", "occurred_at": at, "program": program(gold) });
    Publication { event, by: by.to_owned(), why: format!("gold takes {gold}") }
}

/// A shop whose first version is in force since January.
async fn shop(place: Place) -> System {
    let system = System::new(place.client, &place.prefix).await;
    publish(&system, 500, "2024-01-01T00:00:00Z", "eve", "2024-01-01T00:00:00Z").await.unwrap();
    system
}

async fn publish(system: &System, gold: u32, at: &str, by: &str, now: &str) -> Result<Vec<u32>, PublicationError> {
    let versions = system.store.publish(&system.shop, &publication(gold, at, by), instant(now)).await?;
    assert_eq!(Some(&versions), system.store.versions(&system.shop).await.unwrap().as_ref(), "told as it is read");
    Ok(versions.iter().map(|version| version.number).collect())
}

async fn numbers(system: &System) -> Vec<u32> {
    system.store.versions(&system.shop).await.unwrap().unwrap().iter().map(|version| version.number).collect()
}

/// Number, by whom, why, and who withdrew it, when.
async fn audit(system: &System) -> Vec<(u32, String, String, Option<(String, String)>)> {
    let told = |past: PastPublication| {
        let withdrawn = past.withdrawn.map(|withdrawn| (withdrawn.by, withdrawn.at.to_string()));
        (past.number, past.publication.by, past.publication.why, withdrawn)
    };
    system.store.publications(&system.shop).await.unwrap().into_iter().map(told).collect()
}

async fn a_version_that_waits_is_replaced_in_one_step_and_its_number_is_not_given_again(place: Place) {
    let system = shop(place).await;
    assert_eq!(publish(&system, 600, "2024-04-01T00:00:00Z", "kim", NOW).await.unwrap(), [1, 2]);
    // Also by one that takes effect before it would have.
    assert_eq!(publish(&system, 700, "2024-03-15T00:00:00Z", "lee", NOW).await.unwrap(), [1, 3]);
    assert_eq!(publish(&system, 800, "2024-05-01T00:00:00Z", "kim", NOW).await.unwrap(), [1, 4]);
    assert_eq!(publish(&system, 900, "2024-06-01T00:00:00Z", "eve", "2024-05-02T00:00:00Z").await.unwrap(), [1, 4, 5]);
    let by = |by: &str| Some((by.to_owned(), NOW.to_owned()));
    let told = |number, by: &str, gold, withdrawn| (number, by.to_owned(), format!("gold takes {gold}"), withdrawn);
    let expected = [
        told(1, "eve", 500, None),
        told(2, "kim", 600, by("lee")),
        told(3, "lee", 700, by("kim")),
        told(4, "kim", 800, None),
        told(5, "eve", 900, None),
    ];
    assert_eq!(audit(&system).await, expected);
    let all = system.store.publications(&system.shop).await.unwrap();
    assert_eq!((all[3].effective_at, all[3].recorded_at), (instant("2024-05-01T00:00:00Z"), instant(NOW)));
    assert_eq!(all[3].publication, publication(800, "2024-05-01T00:00:00Z", "kim"));
}

/// Functions remember versions for 20 s.
async fn a_version_about_to_take_effect_is_neither_replaced_nor_withdrawn(place: Place) {
    let system = shop(place).await;
    publish(&system, 600, "2024-04-01T00:00:00Z", "kim", NOW).await.unwrap();
    for now in ["2024-03-31T23:59:00Z", "2024-03-31T23:59:59.999Z"] {
        let refused = publish(&system, 700, "2024-05-01T00:00:00Z", "lee", now).await.unwrap_err();
        assert!(matches!(refused, PublicationError::AboutToTakeEffect { number: 2, .. }), "{refused:?}");
        let told = refused.to_string();
        assert!(told.contains("2024-04-01T00:00:00Z") && told.ends_with("publish after that instant"), "{told}");
        let refused = system.store.withdraw(&system.shop, "lee", instant(now)).await.unwrap_err();
        assert!(matches!(refused, PublicationError::AboutToTakeEffect { number: 2, .. }), "{refused:?}");
    }
    assert_eq!(numbers(&system).await, [1, 2]);
    // A millisecond earlier there was time, and from its instant on another one follows it.
    let after = publish(&system, 700, "2024-05-01T00:00:00Z", "lee", "2024-04-01T00:00:00Z").await.unwrap();
    assert_eq!(after, [1, 2, 3]);
    assert_eq!(
        publish(&system, 800, "2024-05-01T00:00:00Z", "lee", "2024-04-30T23:58:59.999Z").await.unwrap(),
        [1, 2, 4]
    );
}

async fn no_version_but_the_first_takes_effect_in_the_past(place: Place) {
    let system = System::new(place.client, &place.prefix).await;
    assert_eq!(publish(&system, 500, "2023-01-01T00:00:00Z", "eve", NOW).await.unwrap(), [1]);
    let refused = publish(&system, 600, "2024-03-01T11:59:59.999Z", "eve", NOW).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a version cannot take effect at 2024-03-01T11:59:59.999Z, which has passed: it is 2024-03-01T12:00:00Z now"
    );
    assert_eq!(publish(&system, 600, NOW, "eve", NOW).await.unwrap(), [1, 2], "at once is not in the past");
    let refused = publish(&system, 700, "2024-02-01T00:00:00Z", "eve", NOW).await.unwrap_err();
    assert!(matches!(refused, PublicationError::Refused(PublishError::TooEarly { .. })), "{refused:?}");
}

async fn what_was_withdrawn_never_takes_effect_and_stays_readable(place: Place) {
    let system = shop(place).await;
    let nothing = |refused| matches!(refused, PublicationError::NothingPending);
    assert!(
        nothing(system.store.withdraw(&system.shop, "kim", instant(NOW)).await.unwrap_err()),
        "the first is in force"
    );
    let other = ShopId::new("other").unwrap();
    assert!(nothing(system.store.withdraw(&other, "kim", instant(NOW)).await.unwrap_err()));
    publish(&system, 600, "2024-04-01T00:00:00Z", "kim", NOW).await.unwrap();
    assert_eq!(system.store.withdraw(&system.shop, "lee", instant(NOW)).await.unwrap().number, 2);
    assert!(nothing(system.store.withdraw(&system.shop, "lee", instant(NOW)).await.unwrap_err()));
    assert_eq!(numbers(&system).await, [1]);
    assert_eq!(publish(&system, 700, "2024-04-01T00:00:00Z", "kim", NOW).await.unwrap(), [1, 3]);
    let by: Vec<_> = audit(&system).await.into_iter().map(|(number, .., withdrawn)| (number, withdrawn)).collect();
    assert_eq!(by, [(1, None), (2, Some(("lee".to_owned(), NOW.to_owned()))), (3, None)]);
}

async fn rolling_back_puts_the_program_in_force_as_it_was_told(place: Place) {
    let system = shop(place).await;
    publish(&system, 600, NOW, "kim", NOW).await.unwrap();
    publish(&system, 700, "2024-04-01T00:00:00Z", "kim", NOW).await.unwrap();
    let options = json!({ "demotions": "hold" });
    let back = async |number| {
        let said = (instant("2024-03-02T00:00:00Z"), &options);
        system.store.roll_back(&system.shop, number, said, ("eve", "too dear")).await
    };
    let publication = back(1).await.unwrap();
    assert_eq!((&publication.event["program"], &publication.event["options"]), (&program(500), &options));
    let versions = system.store.publish(&system.shop, &publication, instant(NOW)).await.unwrap();
    let [first, .., last] = versions.iter().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((last.number, &last.program, last.effective_start), (4, &first.program, first.effective_start));
    for number in [0, 3, 5] {
        let refused = back(number).await.unwrap_err();
        assert!(matches!(refused, PublicationError::NoSuchVersion(n) if n == number), "{refused:?}");
    }
}

async fn of_two_who_publish_at_once_one_loses_and_nothing_of_theirs_is_left(place: Place) {
    let system = shop(place).await;
    publish(&system, 600, "2024-04-01T00:00:00Z", "kim", NOW).await.unwrap();
    let publish = async |gold: u32, by: &str| {
        let publication = publication(gold, "2024-05-01T00:00:00Z", by);
        system.store.publish(&system.shop, &publication, instant(NOW)).await.map(|_| ())
    };
    let withdraw = async || system.store.withdraw(&system.shop, "zoe", instant(NOW)).await.map(|_| ());
    let (a, b, c) = futures::join!(publish(700, "kim"), publish(800, "lee"), withdraw());
    let done = [&a, &b, &c].iter().filter(|done| done.is_ok()).count();
    assert!(done >= 1, "{a:?} {b:?} {c:?}");
    // However they met, the versions read, and what is in force follows from the successes alone.
    let (numbers, audit) = (numbers(&system).await, audit(&system).await);
    assert_eq!(numbers.len(), 1 + usize::from(numbers.len() > 1));
    let published = [&a, &b].iter().filter(|done| done.is_ok()).count();
    assert_eq!(audit.len(), 2 + published, "{audit:?}");
    let rows = system.items("ledger").await.len();
    assert_eq!(rows, audit.len(), "one announcement for each");
}

async fn every_version_is_announced_and_names_no_person(place: Place) {
    let system = shop(place).await;
    publish(&system, 600, "2024-04-01T00:00:00Z", "kim", NOW).await.unwrap();
    publish(&system, 700, "2024-05-01T00:00:00Z", "kim", NOW).await.unwrap();
    let page = system.store.unpublished(&system.shop, 0, instant("2024-03-02T00:00:00Z"), None).await.unwrap();
    let (rows, unreadable): (Vec<Outgoing>, _) = system.store.outgoing(&page.keys).await.unwrap();
    assert!(unreadable.is_empty());
    assert!(rows.iter().all(|row| row.kind == PROGRAM_PUBLISHED && !row.detail.contains("kim")), "{rows:?}");
    let mut told: Vec<ProgramPublished> = rows.iter().map(|row| serde_json::from_str(&row.detail).unwrap()).collect();
    told.sort_by_key(|event| event.program_version);
    let numbers: Vec<_> = told.iter().map(|event| (event.program_version, event.replaces)).collect();
    assert_eq!(numbers, [(1, None), (2, None), (3, Some(2))]);
    assert_eq!((told[2].effective_at, told[2].recorded_at), (instant("2024-05-01T00:00:00Z"), instant(NOW)));
    for row in &rows {
        system.store.mark_published(&row.key).await.unwrap();
    }
    assert!(system.store.outgoing(&page.keys).await.unwrap().0.is_empty());
}

async fn what_is_published_is_about_no_member(place: Place) {
    let system = shop(place).await;
    assert_eq!(everybody(&system.store, &system.shop).await.unwrap().len(), 0);
    assert_eq!(system.items("ledger").await.len(), 1);
}

/// A tier list that changes while the program is active.
fn with_silver() -> Publication {
    let silver = json!({ "id": "silver", "name": "Silver", "threshold": 100 });
    let program = json!({ "start_date": "2024-01-01",
                          "tiers": [silver, { "id": "gold", "name": "Gold", "threshold": 700 }] });
    let event = json!({ "type": "program.published", "occurred_at": "2031-02-01T00:00:00Z", "program": program,
                        "options": { "while_active": true, "demotions": "hold" } });
    Publication { event, by: "kim".to_owned(), why: "silver is missing".to_owned() }
}

async fn what_a_clock_that_was_ahead_published_is_published_again_by_the_right_one(place: Place) {
    let system = shop(place).await;
    publish(&system, 600, NOW, "kim", NOW).await.unwrap();
    let bring_back = async |now| {
        let now = instant(now);
        system.store.bring_back_versions(&system.shop, now, now).await.unwrap()
    };
    assert_eq!(bring_back("2024-03-02T00:00:00Z").await, None, "nothing was published ahead of that");
    let ahead = instant("2031-02-01T00:00:00Z");
    system.store.publish(&system.shop, &with_silver(), ahead).await.unwrap();
    // Of what follows the last was in force by that clock, and one waits.
    let mut dearer = with_silver();
    dearer.event["occurred_at"] = json!("2031-03-01T00:00:00Z");
    dearer.event["program"]["tiers"][1]["threshold"] = json!(900);
    dearer.event["options"] = json!({});
    dearer.why = "gold is too cheap".to_owned();
    system.store.publish(&system.shop, &dearer, instant("2031-03-01T00:00:00Z")).await.unwrap();
    let mut waits = dearer.clone();
    waits.event["occurred_at"] = json!("2031-06-01T00:00:00Z");
    waits.event["program"]["tiers"][1]["threshold"] = json!(950);
    system.store.publish(&system.shop, &waits, instant("2031-03-02T00:00:00Z")).await.unwrap();
    assert_eq!(numbers(&system).await, [1, 2, 3, 4, 5]);

    let now = "2024-03-02T00:00:00Z";
    let expected = BroughtBack { withdrawn: vec![3, 4, 5], again: Some((4, 6)) };
    assert_eq!(bring_back(now).await, Some(expected));
    assert_eq!(numbers(&system).await, [1, 2, 6]);
    let all = system.store.publications(&system.shop).await.unwrap();
    let last = all.last().unwrap();
    let publication = &last.publication;
    assert_eq!((last.effective_at, last.recorded_at), (instant(now), instant(now)));
    assert_eq!((publication.by.as_str(), publication.why.as_str()), ("kim", "gold is too cheap"));
    assert_eq!(publication.event["program"], dearer.event["program"]);
    // That the tiers may change was said of the one before.
    assert_eq!(publication.event["options"], json!({ "while_active": true }));
    let page = system.store.unpublished(&system.shop, 0, instant("2032-01-01T00:00:00Z"), None).await.unwrap();
    let (rows, _): (Vec<Outgoing>, _) = system.store.outgoing(&page.keys).await.unwrap();
    let told = rows.iter().map(|row| serde_json::from_str::<ProgramPublished>(&row.detail).unwrap());
    let told: Vec<_> = told.filter(|event| event.program_version == 6).map(|event| event.replaces).collect();
    assert_eq!(told, [Some(4)]);
    // Done again, nothing is left to do; and what follows is published as ever.
    assert_eq!(bring_back(now).await, None);
    let mut next = dearer;
    next.event["occurred_at"] = json!("2024-03-03T00:00:00Z");
    next.event["program"]["tiers"][1]["threshold"] = json!(800);
    system.store.publish(&system.shop, &next, instant(now)).await.unwrap();
    assert_eq!(numbers(&system).await, [1, 2, 6, 7]);
}

async fn what_waits_by_the_right_clock_is_in_nobodys_way(place: Place) {
    let system = shop(place).await;
    publish(&system, 600, "2025-01-01T00:00:00Z", "kim", NOW).await.unwrap();
    publish(&system, 700, "2031-02-01T00:00:00Z", "eve", "2031-02-01T00:00:00Z").await.unwrap();
    let now = instant("2024-03-02T00:00:00Z");
    let brought = system.store.bring_back_versions(&system.shop, now, now).await.unwrap();
    assert_eq!(brought, Some(BroughtBack { withdrawn: vec![3], again: None }));
    assert_eq!(numbers(&system).await, [1, 2], "what was meant for New Year is as it was");
}
