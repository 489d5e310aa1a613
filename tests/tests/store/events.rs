//! Events that go out and facts that come in, checked against the schemas and the golden files that consumers rely on.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use proptest::prelude::*;
use pure_tests::random::{BEGIN, HOUR, arrival, fact, message, programs, published};
use rules::calendar::{Instant, Zones};
use rules::fact::{Currency, Fact};
use rules::id::MemberId;
use rules::notice;
use rules::record::{Past, Record, Row};
use rules::replay::Replay;
use rules::version::{Demotions, Options};
use serde_json::{Value, json};
use store::Item;
use store::announce::{
    About, BIRTHDAY_POINTS_DUE, BirthdayPointsDue, EXPIRING, Expiring, PROGRAM_PUBLISHED, ProgramPublished,
    REWARD_ISSUED, RewardIssued, TIER_CHANGED, TIER_VALIDITY_CHANGED, TierChanged, TierValidityChanged, WITHIN_REACH,
    WithinReach, program_published,
};
use store::history::{self, Recorded};
use store::key::{self, Spread};
use store::shop::ShopId;

const EVENTS: [&str; 6] =
    [TIER_CHANGED, TIER_VALIDITY_CHANGED, REWARD_ISSUED, BIRTHDAY_POINTS_DUE, EXPIRING, WITHIN_REACH];

fn file(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn schema(name: &str) -> Validator {
    let text = fs::read_to_string(file(format!("infra/schemas/{name}.json"))).unwrap();
    let schema = serde_json::from_str(&text).unwrap();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}

#[track_caller]
fn valid(schema: &Validator, value: &Value) {
    let problems: Vec<_> =
        schema.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{problems:#?}\nin {value:#}");
}

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn acme() -> ShopId {
    ShopId::new("acme.myshopify.com").unwrap()
}

/// The history rows of all members in a replay, as items of the ledger table.
fn items(shop: &ShopId, replay: &Replay, recorded_at: Instant) -> Vec<Item> {
    let of = |member: &MemberId| {
        let item = |row: &Row| {
            history::item(Spread::DEPLOYED, About { shop, member, versions: replay.versions(), recorded_at }, row)
        };
        replay.rows(member).iter().map(item).collect::<Vec<_>>()
    };
    replay.members().into_iter().flat_map(of).collect()
}

fn replayed(program: &Value, lines: &[Value], as_of: Instant) -> Replay {
    let mut replay = Replay::start(program, &Zones::built_in()).unwrap();
    for line in lines {
        let _ = replay.line(line, as_of);
    }
    replay.finish(as_of);
    replay
}

/// The notices due to all members of a replay, as items of the ledger table.
fn notice_event(shop: &ShopId, replay: &Replay, at: Instant, recorded_at: Instant) -> Vec<Item> {
    let of = |member: &MemberId| {
        let version = replay.version_at(at);
        let about = About { shop, member, versions: replay.versions(), recorded_at };
        let due = replay.standing(member, at).map(|standing| notice::due(version, &standing, at)).unwrap_or_default();
        due.iter().map(|told| history::notice(Spread::DEPLOYED, about, version, told, at)).collect::<Vec<_>>()
    };
    replay.members().into_iter().flat_map(of).collect()
}

/// A member of an ordinary shop: entered, rose, had a birthday, and a year later is about to drop.
fn everyday() -> Vec<Item> {
    let program = json!({
        "name": "Acme VIP", "timezone": "America/New_York", "start_date": "2023-01-01",
        "milestone": { "metric": "amount_spent", "period": "calendar_year" },
        "tiers": [{ "id": "silver", "name": "Silver", "threshold": "100",
                    "perks": [{ "type": "birthday_points", "points": 200 }] },
                  { "id": "gold", "name": "Gold", "threshold": "500",
                    "entry_rewards": [{ "type": "points", "points": 50, "unit_cost": "0.5" },
                                      { "type": "discount_percent", "percent": "12.5", "valid_days": 30 },
                                      { "type": "discount_amount", "amount": "10" }, { "type": "free_shipping" },
                                      { "type": "free_product", "product": "mug" },
                                      { "type": "custom", "text": "A visit backstage" }] }],
    });
    let member = "7123456789012";
    let order = |id: &str, at: &str, total: &str| json!({ "type": "order.paid", "member_id": member, "order_id": id, "occurred_at": at, "total": total });
    let lines = [
        json!({ "type": "customer.enrolled", "member_id": member, "occurred_at": "2023-01-05T12:00:00Z",
                "birthday": "02-29" }),
        order("6001", "2023-02-01T15:30:00Z", "120.00"),
        order("6002", "2023-11-10T15:30:00Z", "430.50"),
    ];
    let mut replay = replayed(&program, &lines, at("2023-12-01T00:00:00Z"));
    let mut all = items(&acme(), &replay, at("2023-12-01T00:00:00.250Z"));
    replay.line(&order("6003", "2024-11-20T15:30:00Z", "455.00"), at("2024-12-02T05:00:00Z")).unwrap();
    all.extend(notice_event(&acme(), &replay, at("2024-12-02T05:00:00Z"), at("2024-12-02T05:03:00.125Z")));
    // A refund takes back what had renewed gold.
    let lines = [
        order("6001", "2023-11-10T15:30:00Z", "550.50"),
        order("6002", "2024-11-20T15:30:00Z", "520.00"),
        json!({ "type": "order.refunded", "order_id": "6002", "refund_id": "8001", "amount": "45.00",
                "occurred_at": "2024-11-30T10:00:00Z" }),
    ];
    let corrected =
        items(&acme(), &replayed(&program, &lines, at("2024-12-01T00:00:00Z")), at("2024-11-30T10:00:00.250Z"));
    all.extend(corrected.into_iter().filter(|item| text(item, history::TYPE) == TIER_VALIDITY_CHANGED));
    // A member near gold for the first time.
    let near = replayed(&program, &[order("6001", "2023-02-01T15:30:00Z", "455.00")], at("2023-02-01T15:30:00Z"));
    all.extend(notice_event(&acme(), &near, at("2023-02-01T15:30:00Z"), at("2023-02-01T15:30:00.250Z")));
    all
}

/// A version as it is announced, the second of a program.
fn published_event() -> String {
    let program = json!({ "start_date": "2023-01-01", "tiers": [{ "id": "gold", "threshold": 500 }] });
    let draft = rules::program::Program::read(&program, &Zones::built_in()).unwrap().program;
    let mut versions = Replay::start(&program, &Zones::built_in()).unwrap().versions().clone();
    versions.skip_number();
    let options = Options { demotions: Some(Demotions::Hold), notify: true, ..Options::default() };
    let version = versions.publish(draft, at("2024-01-01T05:00:00Z"), options, true).unwrap();
    program_published(&acme(), version, Some(2), at("2023-12-01T00:00:00.250Z")).detail
}

fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.maybe_text(name).unwrap()
}

fn detail(item: &Item) -> Value {
    serde_json::from_str(text(item, history::DETAIL)).unwrap()
}

/// Each golden file is one event as it was on the day its version was published. A file is never edited, because consumers parse
/// what it shows. An event that is to look different gets a new version, with a schema and a golden file of its own.
#[test]
fn todays_events_are_the_golden_ones_byte_for_byte() {
    let items = everyday();
    for name in EVENTS {
        let sent = items.iter().rfind(|item| text(item, history::TYPE) == name).unwrap();
        let golden = file(format!("tests/golden/events/{name}.json"));
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(text(sent, history::DETAIL), expected.trim_end(), "{}", golden.display());
    }
    let golden = fs::read_to_string(file(format!("tests/golden/events/{PROGRAM_PUBLISHED}.json"))).unwrap_or_default();
    assert_eq!(published_event(), golden.trim_end());
}

#[test]
fn every_golden_event_reads_and_fits_its_schema() {
    let mut seen = 0;
    for entry in fs::read_dir(file("tests/golden/events")).unwrap() {
        let path = entry.unwrap().path();
        let (name, text) = (path.file_stem().unwrap().to_str().unwrap(), fs::read_to_string(&path).unwrap());
        let value: Value = serde_json::from_str(&text).unwrap();
        valid(&schema(name), &value);
        let again = match name {
            TIER_CHANGED => json!(serde_json::from_str::<TierChanged>(&text).unwrap()),
            REWARD_ISSUED => json!(serde_json::from_str::<RewardIssued>(&text).unwrap()),
            TIER_VALIDITY_CHANGED => json!(serde_json::from_str::<TierValidityChanged>(&text).unwrap()),
            BIRTHDAY_POINTS_DUE => json!(serde_json::from_str::<BirthdayPointsDue>(&text).unwrap()),
            EXPIRING => json!(serde_json::from_str::<Expiring>(&text).unwrap()),
            WITHIN_REACH => json!(serde_json::from_str::<WithinReach>(&text).unwrap()),
            PROGRAM_PUBLISHED => json!(serde_json::from_str::<ProgramPublished>(&text).unwrap()),
            other => panic!("no type reads {other}"),
        };
        assert_eq!(again, value);
        seen += 1;
    }
    assert_eq!(seen, EVENTS.len() + 1);
}

/// One write unit is 1,024 bytes; the item's own version is added when it is written.
#[test]
fn an_ordinary_history_row_fits_into_one_write_unit() {
    for item in everyday().into_iter().map(|item| item.number("v", 1)) {
        let (size, kind) = (item.size(), text(&item, history::TYPE));
        println!("{kind}: {size} bytes, of which {} detail", text(&item, history::DETAIL).len());
        assert!(size <= 1_024, "{kind} has {size} bytes: {item:#?}");
    }
}

#[test]
fn a_row_that_is_announced_lies_in_its_members_outbox_and_a_held_tier_does_not() {
    let dearer = json!({ "start_date": "2023-01-01", "tiers": [{ "id": "gold", "threshold": 5000 }] });
    let mut program = dearer.clone();
    program["tiers"][0]["threshold"] = json!(500);
    let lines = [
        json!({ "type": "points.earned", "member_id": "anna", "entry_id": "p", "points": 500,
                "occurred_at": "2023-02-01T12:00:00Z" }),
        json!({ "type": "program.published", "occurred_at": "2023-06-01T00:00:00Z", "program": dearer }),
    ];
    let items = items(&acme(), &replayed(&program, &lines, at("2023-07-01T00:00:00Z")), at("2023-07-01T00:00:00Z"));
    let [changed, held] = items.as_slice() else { panic!("{items:#?}") };
    let anna = MemberId::new("anna").unwrap();
    assert_eq!(changed.maybe_text(key::UNPUBLISHED.0), Some(&*key::outbox(Spread::DEPLOYED, &acme(), &anna)));
    assert_eq!(text(changed, key::UNPUBLISHED.1), "2023-07-01T00:00:00.000Z");
    assert_eq!(text(changed, key::BY_MEMBER.1), "2023-02-01T12:00:00.000Z");
    assert_eq!((text(held, history::TYPE), held.maybe_text(key::UNPUBLISHED.0)), (history::HELD, None));
    let Some(Recorded::Held(read)) = history::read(held).unwrap() else { panic!("{held:?}") };
    assert_eq!((read.version, read.until, read.since), (2, None, at("2023-02-01T12:00:00Z")));
}

/// An event's id is a function of what it tells, and not of when, or how often, it was recorded.
#[test]
fn an_event_sent_again_has_the_same_id_and_another_event_another() {
    let ids =
        |items: Vec<Item>| items.iter().map(|item| detail(item)["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let once = ids(everyday());
    assert_eq!(once, ids(everyday()));
    let distinct: std::collections::BTreeSet<_> = once.iter().collect();
    assert_eq!(distinct.len(), once.len());
}

#[test]
fn every_known_fact_has_a_schema_and_what_it_does_not_know_is_refused() {
    let schema = schema("facts");
    let minimal = [
        json!({ "type": "order.paid", "order_id": "1", "total": "12.50" }),
        json!({ "type": "order.refunded", "order_id": "1", "refund_id": "2", "amount": 3 }),
        json!({ "type": "order.cancelled", "order_id": "1" }),
        json!({ "type": "points.earned", "entry_id": "1", "points": 5 }),
        json!({ "type": "points.adjusted", "entry_id": "1", "points": -5 }),
        json!({ "type": "points.imported", "entry_id": "1", "points": "5" }),
        json!({ "type": "points.canceled", "cancel_id": "2", "entry_id": "1" }),
        json!({ "type": "customer.tags_set", "tags": ["vip"] }),
        json!({ "type": "customer.tags_changed", "added": ["vip"], "removed": [] }),
        json!({ "type": "customer.enrolled", "birthday": "02-29" }),
        json!({ "type": "customer.birthday_set", "birthday": null }),
        json!({ "type": "customer.erased" }),
        json!({ "type": "tier.assigned", "assignment_id": "1", "tier": null, "mode": "lock" }),
        json!({ "type": "tier.unassigned", "assignment_id": "1", "by": "Kim", "reason": "asked to" }),
    ];
    let usd = Currency::from_code("USD").unwrap();
    for mut event in minimal {
        event["member_id"] = json!("anna");
        event["occurred_at"] = json!("2024-05-01T10:00:00Z");
        let told = Fact::read(&event, usd).unwrap();
        valid(&schema, &event);
        valid(&schema, &told.to_json());
        for (field, wrong) in [("colour", json!("red")), ("occurred_at", json!("yesterday")), ("revision", json!(5))] {
            let mut unknown = event.clone();
            unknown[field] = wrong;
            assert!(!schema.is_valid(&unknown) && Fact::read(&unknown, usd).is_err(), "{unknown}");
        }
        let missing = event.as_object().unwrap().keys().filter(|key| *key != "type");
        for key in missing {
            let mut less = event.clone();
            less.as_object_mut().unwrap().remove(key);
            assert_eq!(schema.is_valid(&less), Fact::read(&less, usd).is_ok(), "without {key}: {less}");
        }
    }
    assert!(!schema.is_valid(&json!({ "type": "order.payed", "occurred_at": "2024-05-01T10:00:00Z" })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_fact_told_fits_the_schema_of_facts(events in prop::collection::vec(fact(), 1..20)) {
        let schema = schema("facts");
        for event in events {
            if let Ok(told) = Fact::read(&event, Currency::from_code("USD").unwrap()) {
                valid(&schema, &event);
                valid(&schema, &told.to_json());
            }
        }
    }

    /// History alone restores what is on record, and names the floors that no fact tells.
    #[test]
    fn what_was_recorded_is_announced_as_the_schemas_say_and_read_back(
        program in programs(),
        lines in prop::collection::vec(prop_oneof![12 => message(), 1 => published()], 1..40),
        end in 0..3000_i64,
    ) {
        let mut lines = lines;
        lines.sort_by(|a, b| arrival(a).cmp(arrival(b)));
        let as_of = Instant::from_millis(BEGIN + end * HOUR);
        let replay = replayed(&program, &lines, as_of);
        let schemas = EVENTS.map(|name| (name, schema(name)));
        for member in replay.members() {
            let item = |row: &Row| history::item(Spread::DEPLOYED, About { shop: &acme(), member, versions: replay.versions(), recorded_at: as_of }, row);
            let mut items: Vec<_> = replay.rows(member).iter().map(item).collect();
            items.extend(notice_event(&acme(), &replay, as_of, as_of).into_iter().filter(|item| {
                item.key().pk == key::history(&acme(), member)
            }));
            for item in &items {
                if let Some((_, schema)) = schemas.iter().find(|(name, _)| *name == text(item, history::TYPE)) {
                    valid(schema, &detail(item));
                }
            }
            // In the order of a query.
            items.sort_by_key(|item| item.key().sk);
            let read: Vec<_> = items.iter().map(|item| history::read(item).unwrap().unwrap()).collect();
            let held: Vec<_> = read.iter().filter_map(|row| match row {
                Recorded::Held(held) => Some(held.clone()),
                Recorded::Transition { .. }
                | Recorded::Reward { .. }
                | Recorded::Correction(_)
                | Recorded::Birthday(_)
                | Recorded::Expiring(_)
                | Recorded::WithinReach(_) => None,
            }).collect();
            let recorded = replay.rows(member).iter().filter_map(|row| match row {
                Row::Held(held) => Some(held.clone()),
                Row::Transition(_) | Row::Correction(_) | Row::Reward(_) | Row::Birthday(_) => None,
            });
            prop_assert_eq!(held, recorded.collect::<Vec<_>>());
            let past: Vec<Past> = read.iter().filter_map(history::past).collect();
            let record = replay.record(member).cloned().unwrap_or_default();
            prop_assert!(Record::from_history(past, as_of, record.version()).tells_the_same_as(&record));
        }
    }
}
