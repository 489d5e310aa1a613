//! Publishing, replacing, withdrawing and rolling back the versions of a shop's program: on every table.

use engine::verify::everybody;
use rules::calendar::Zones;
use rules::version::{PublishError, Published};
use serde_json::{Value, json};
use store::announce::{PROGRAM_PUBLISHED, ProgramPublished};
use store::shop::ShopId;
use store::{BroughtForward, Item, Outgoing, PastPublication, Publication, PublicationError, StoreError, key};
use tests::dynamodb::Place;
use tests::system::{System, instant};

tests::for_every_table!(
    a_version_that_waits_is_replaced_in_one_step_and_its_number_is_not_given_again,
    a_version_about_to_take_effect_is_neither_replaced_nor_withdrawn,
    no_version_but_the_first_takes_effect_in_the_past,
    what_was_withdrawn_never_takes_effect_and_stays_readable,
    a_withdrawn_version_that_cannot_be_read_stops_nothing,
    rolling_back_puts_the_program_in_force_as_it_was_told,
    of_two_publishers_at_once_one_loses_and_nothing_of_theirs_is_left,
    every_version_is_announced_and_names_no_person,
    what_is_published_is_about_no_member,
    what_was_in_force_by_a_clock_that_was_ahead_is_in_force_by_the_right_one,
    what_waits_by_the_right_clock_takes_effect_in_its_time_and_what_followed_it_with_it,
    a_first_version_of_a_clock_that_was_ahead_counts_from_the_right_year_on,
);

const NOW: &str = "2024-03-01T12:00:00Z";

fn program(gold: u32) -> Value {
    json!({ "start_date": "2024-01-01", "tiers": [{ "id": "gold", "name": "Gold", "threshold": gold }] })
}

fn publication(gold: u32, at: &str, by: &str) -> Publication {
    let event = Published::of(instant(at), &program(gold), &json!({}), &Zones::built_in()).unwrap();
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

/// The audit trail: number, author, reason, and the author and the instant of a withdrawal.
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
    // Also by a version that takes effect before it would have.
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

/// Functions cache versions for 20 s.
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
    // A millisecond earlier there was time; from its instant on, another version follows it.
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

/// Such as one that a newer release published and withdrew.
async fn a_withdrawn_version_that_cannot_be_read_stops_nothing(place: Place) {
    let system = shop(place).await;
    publish(&system, 600, "2024-04-01T00:00:00Z", "kim", NOW).await.unwrap();
    system.store.withdraw(&system.shop, "lee", instant(NOW)).await.unwrap();
    let (client, control) = (system.store.client(), &system.store.tables().control);
    let key = key::version(&system.shop, 2);
    let row = Item::at(&key).text("event", "{}").text("by", "kim").text("why", "new").text("recorded_at", NOW);
    client.put_item().table_name(control).set_item(Some(row.0)).send().await.unwrap();
    assert_eq!(numbers(&system).await, [1]);
    assert_eq!(publish(&system, 700, "2024-04-01T00:00:00Z", "kim", NOW).await.unwrap(), [1, 3]);
    let listed = system.store.publications(&system.shop).await.unwrap_err();
    assert!(matches!(listed, StoreError::Corrupt { .. }), "the listing names it: {listed}");
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
    assert_eq!((publication.event.written_program(), publication.event.written_options()), (&program(500), &options));
    let versions = system.store.publish(&system.shop, &publication, instant(NOW)).await.unwrap();
    let [first, .., last] = versions.iter().collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((last.number, &last.program, last.effective_start), (4, &first.program, first.effective_start));
    for number in [0, 3, 5] {
        let refused = back(number).await.unwrap_err();
        assert!(matches!(refused, PublicationError::NoSuchVersion(n) if n == number), "{refused:?}");
    }
}

async fn of_two_publishers_at_once_one_loses_and_nothing_of_theirs_is_left(place: Place) {
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
    // In whatever order they met, the versions can be read, and what is in force follows from the successes alone.
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

fn brought(number: u32, from: &str, to: &str) -> BroughtForward {
    BroughtForward { number, from: instant(from), to: instant(to) }
}

async fn bring_forward(system: &System, latest: &str, now: &str) -> Vec<BroughtForward> {
    system.store.bring_forward(&system.shop, instant(latest), instant(now)).await.unwrap()
}

/// The numbers of the versions, and the instant from which each is in force.
async fn in_force(system: &System) -> Vec<(u32, String)> {
    let versions = system.store.versions(&system.shop).await.unwrap().unwrap();
    versions.iter().map(|version| (version.number, version.effective_at.to_string())).collect()
}

async fn what_was_in_force_by_a_clock_that_was_ahead_is_in_force_by_the_right_one(place: Place) {
    let system = shop(place).await;
    publish(&system, 600, NOW, "kim", NOW).await.unwrap();
    let now = "2024-03-02T00:00:00Z";
    assert_eq!(bring_forward(&system, "2031-04-01T00:00:00Z", now).await, [], "nothing was published ahead of that");
    publish(&system, 700, "2031-02-01T00:00:00Z", "kim", "2031-02-01T00:00:00Z").await.unwrap();
    // Published for a midnight that came.
    publish(&system, 800, "2031-02-02T00:00:00Z", "eve", "2031-02-01T10:00:00Z").await.unwrap();
    // And for one that did not.
    publish(&system, 900, "2031-06-01T00:00:00Z", "lee", "2031-03-01T00:00:00Z").await.unwrap();
    let expected = [brought(3, "2031-02-01T00:00:00Z", now), brought(4, "2031-02-02T00:00:00Z", now)];
    assert_eq!(bring_forward(&system, "2031-04-01T00:00:00Z", now).await, expected);
    let at = |number, at: &str| (number, at.to_owned());
    let all = [at(1, "2024-01-01T00:00:00Z"), at(2, NOW), at(3, now), at(4, now), at(5, "2031-06-01T00:00:00Z")];
    assert_eq!(in_force(&system).await, all);
    // The author, the instant and the reason of each publication stay as they were.
    let past = &system.store.publications(&system.shop).await.unwrap()[3];
    assert_eq!((past.effective_at, past.recorded_at), (instant(now), instant("2031-02-01T10:00:00Z")));
    assert_eq!(past.publication, publication(800, "2031-02-02T00:00:00Z", "eve"));
    // Events of their own tell from when on they are in force.
    let page = system.store.unpublished(&system.shop, 0, instant("2032-01-01T00:00:00Z"), None).await.unwrap();
    let (rows, _): (Vec<Outgoing>, _) = system.store.outgoing(&page.keys).await.unwrap();
    let told = rows.iter().map(|row| serde_json::from_str::<ProgramPublished>(&row.detail).unwrap());
    let told: Vec<_> = told.filter(|event| event.program_version == 4).collect();
    let mut instants: Vec<_> = told.iter().map(|event| event.effective_at).collect();
    instants.sort();
    assert_eq!(instants, [instant(now), instant("2031-02-02T00:00:00Z")]);
    assert_ne!(told[0].id, told[1].id);
    // By a clock that is set right once more, it is in force earlier still.
    let earlier = "2024-03-01T18:00:00Z";
    let again = [brought(3, now, earlier), brought(4, now, earlier)];
    assert_eq!(bring_forward(&system, "2031-04-01T00:00:00Z", earlier).await, again);
    assert_eq!(in_force(&system).await[2..4], [at(3, earlier), at(4, earlier)]);
    // Repeated, it has nothing left to do. What follows is published as always, in place of the version that waits.
    assert_eq!(bring_forward(&system, "2031-04-01T00:00:00Z", "2024-03-02T00:00:10Z").await, []);
    let later = "2024-03-03T00:00:00Z";
    assert_eq!(publish(&system, 1000, later, "eve", now).await.unwrap(), [1, 2, 3, 4, 6]);
}

async fn what_waits_by_the_right_clock_takes_effect_in_its_time_and_what_followed_it_with_it(place: Place) {
    let system = shop(place).await;
    publish(&system, 600, "2025-01-01T00:00:00Z", "kim", NOW).await.unwrap();
    publish(&system, 700, "2031-02-01T00:00:00Z", "eve", "2031-02-01T00:00:00Z").await.unwrap();
    let found = bring_forward(&system, "2031-04-01T00:00:00Z", "2024-03-02T00:00:00Z").await;
    assert_eq!(found, [brought(3, "2031-02-01T00:00:00Z", "2025-01-01T00:00:00Z")]);
    let at = |number, at: &str| (number, at.to_owned());
    let new_year = "2025-01-01T00:00:00Z";
    assert_eq!(in_force(&system).await, [at(1, "2024-01-01T00:00:00Z"), at(2, new_year), at(3, new_year)]);
}

async fn a_first_version_of_a_clock_that_was_ahead_counts_from_the_right_year_on(place: Place) {
    let system = System::new(place.client, &place.prefix).await;
    let (ahead, now) = ("2031-02-01T00:00:00Z", "2024-03-02T00:00:00Z");
    let program = json!({ "milestone": { "metric": "amount_spent", "period": "calendar_year" },
                          "start_date": "2023-05-01", "tiers": [{ "id": "gold", "threshold": 500 }] });
    let event = Published::of(instant(ahead), &program, &json!({}), &Zones::built_in()).unwrap();
    let first = Publication { event, by: "eve".to_owned(), why: "a start".to_owned() };
    let start = |versions: &rules::version::Versions| versions.last().effective_start.to_string();
    let versions = system.store.publish(&system.shop, &first, instant(ahead)).await.unwrap();
    assert_eq!(start(&versions), "2031-01-01");
    assert_eq!(bring_forward(&system, "2031-02-02T00:00:00Z", now).await, [brought(1, ahead, now)]);
    assert_eq!(start(&system.store.versions(&system.shop).await.unwrap().unwrap()), "2024-01-01");
}
