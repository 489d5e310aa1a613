//! A newer release of the time zone database under way: January 1, 2027, swept under 2025b and then under 2026f.

use std::collections::BTreeMap;

use engine::insight::flows;
use engine::sweep::latest;
use pure_tests::releases::{ZONES, old};
use rules::calendar::{Day, Instant, Zones};
use rules::id::{MemberId, TierId};
use rules::standing::evaluate;
use serde_json::{Value, json};
use store::history::Recorded;
use store::records::State;
use tests::dynamodb::Place;
use tests::system::System;

tests::for_every_table!(
    a_midnight_that_moved_back_is_caught_up_without_a_word,
    a_midnight_that_moved_ahead_is_not_told_again,
    a_job_that_is_open_under_the_old_midnight_ends_well,
    what_moved_at_a_midnight_that_was_moved_is_counted_once,
    a_notice_is_not_told_again_for_an_end_that_was_moved,
);

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const NEW: &str = "2026f";

fn new() -> Zones {
    let zones = Zones::built_in();
    assert!(zones.release() >= NEW.parse().unwrap());
    zones
}

/// January 1, 2027 in a zone by a release.
fn new_year(zones: &Zones, zone: &str) -> Instant {
    zones.named(zone).unwrap().midnight(Day::new_year(2027))
}

fn program(zone: &str, period: &Value) -> Value {
    let tier = |id: &str, threshold: u32| {
        json!({ "id": id, "threshold": threshold, "entry_rewards": [{ "type": "points", "points": 50 }],
                "perks": [{ "type": "birthday_points", "points": 100 }] })
    };
    json!({ "start_date": "2024-01-01", "timezone": zone, "milestone": { "metric": "amount_spent", "period": period },
            "notices": { "expiring_days": [30], "within_reach_percent": 10 },
            "tiers": [tier("silver", 100), tier("gold", 500)] })
}

fn order(id: &str, member: &str, total: u32, at: Instant) -> Value {
    json!({ "type": "order.paid", "order_id": id, "member_id": member, "total": total.to_string(), "occurred_at": at })
}

/// The recorded history of a member: the change and the tier after, whether it was told, and when it took effect.
async fn rows(system: &System, member: &str) -> Vec<(String, bool, Instant)> {
    let member = MemberId::new(member).unwrap();
    let history = system.store.history(&system.shop, &member).await.unwrap();
    let row = |recorded| match recorded {
        Recorded::Transition { event, .. } => {
            let to = event.after.map_or_else(|| "none".to_owned(), |tier| tier.id.to_string());
            Some((format!("{:?} {to}", event.change), event.notify, event.effective_at))
        }
        Recorded::Birthday(event) => Some((format!("birthday {}", event.on), true, event.recorded_at)),
        Recorded::Reward { .. }
        | Recorded::Correction(_)
        | Recorded::Held(_)
        | Recorded::Expiring(_)
        | Recorded::WithinReach(_) => None,
    };
    history.into_iter().filter_map(row).collect()
}

/// The same shop, served under one release and then another.
struct Served {
    old: System,
    new: System,
    /// When the newer release is deployed; none if it was in use all along.
    change: Option<Instant>,
}

impl Served {
    async fn start(place: &Place, name: &str, zone: &str, period: &Value, change: Option<Instant>) -> Self {
        let system = System::new(place.client.clone(), &place.table(name)).await;
        let old = System::over(system.store.clone().with_zones(old()));
        let new = System::over(system.store.clone().with_zones(new()));
        let served = Self { old, new, change };
        let opens: Instant = Instant::parse("2024-01-01T12:00:00Z").unwrap();
        served.at(opens).publish(&program(zone, period), &json!({})).await;
        served
    }

    /// The system that serves at an instant, with the clock there.
    fn at(&self, now: Instant) -> &System {
        let system = if self.change.is_some_and(|change| now < change) { &self.old } else { &self.new };
        system.at(now);
        system
    }

    async fn tell(&self, event: Value) {
        let at = Instant::parse(event["occurred_at"].as_str().unwrap()).unwrap();
        let report = self.at(at).tell(&[event]).await;
        assert_eq!(report.counts.applied, 1, "{report:?}");
    }
}

const MEMBERS: [&str; 7] = ["anna", "ben", "carl", "hal", "ivy", "jon", "kim"];

/// Two years up to half a day after New Year, with ticks each half hour at the end. The members: anna has done nothing for a
/// year; ben spent less; carl spent as much; hal and ivy are looked at within the hour after the new midnight; ivy, carl and jon
/// have their birthday on January 1; kim is told of after New Year.
async fn told(place: &Place, name: &str, zone: &str, period: &Value, change: Option<Instant>) -> Served {
    let served = Served::start(place, name, zone, period, change).await;
    let midnight = new_year(&new(), zone);
    let eve = |hours: i64| midnight.plus_millis(-hours * HOUR);
    let mut events = Vec::new();
    for member in ["carl", "ivy", "jon"] {
        events.push(json!({ "type": "customer.enrolled", "member_id": member, "birthday": "01-01", "occurred_at": eve(9000 + 9) }));
    }
    // On December 31, 2025: in the calendar year 2025, and a term of 365 days from then ends with 2026.
    for (n, member) in MEMBERS.iter().enumerate() {
        events.push(order(&format!("first-{member}"), member, 600, eve(365 * 24 + 6).plus_millis(n as i64)));
    }
    for (member, total) in [("ben", 150), ("carl", 520), ("ivy", 700), ("jon", 550)] {
        events.push(order(&format!("second-{member}"), member, total, eve(24 * 90)));
    }
    for (n, member) in ["hal", "ivy", "jon"].into_iter().enumerate() {
        events.push(order(&format!("third-{member}"), member, 10, midnight.plus_millis((10 + n as i64) * MINUTE)));
    }
    events.push(order("late-kim", "kim", 10, midnight.plus_millis(7 * HOUR)));
    events.sort_by_key(|event| Instant::parse(event["occurred_at"].as_str().unwrap()).unwrap());
    let mut ticks = (-16..=24).map(|half| midnight.plus_millis(half * 30 * MINUTE)).peekable();
    for event in events {
        let at = Instant::parse(event["occurred_at"].as_str().unwrap()).unwrap();
        while let Some(tick) = ticks.next_if(|tick| *tick <= at) {
            served.at(tick).sweep_all().await;
        }
        served.tell(event).await;
    }
    for tick in ticks {
        served.at(tick).sweep_all().await;
    }
    served
}

/// Each zone, each period, and a release that comes at any time around New Year: too much for DynamoDB Local.
#[tokio::test]
async fn no_member_is_skipped_or_told_twice_whenever_the_release_changes() {
    let place = tests::dynamodb::simulated().await;
    let periods = [
        json!("calendar_year"),
        json!({ "since_last_upgrade": { "days": 365 } }),
        json!({ "rolling": { "days": 365 } }),
    ];
    for (z, zone) in ZONES.into_iter().enumerate() {
        for (p, period) in periods.iter().enumerate() {
            let midnight = new_year(&new(), zone);
            let timely = told(&place, &format!("{z}-{p}-timely"), zone, period, None).await;
            // Before both midnights, between them (whichever comes first), and after them.
            for (c, minutes) in [-185, -35, 5, 40, 65, 185].into_iter().enumerate() {
                let change = midnight.plus_millis(minutes * MINUTE);
                let moved = told(&place, &format!("{z}-{p}-{c}"), zone, period, Some(change)).await;
                let now = timely.new.now();
                let versions = moved.new.store.versions(&moved.new.shop).await.unwrap().unwrap();
                for member in MEMBERS {
                    let about = format!("{zone} {period} {minutes} min: {member}");
                    let (expected, found) = (rows(&timely.new, member).await, rows(&moved.new, member).await);
                    let count = |rows: &[(String, bool, Instant)], told: bool| {
                        let mut counts = BTreeMap::new();
                        for (what, ..) in rows.iter().filter(|(_, notify, _)| *notify || !told) {
                            *counts.entry(what.clone()).or_insert(0_usize) += 1;
                        }
                        counts
                    };
                    let (all, told) = (count(&found, false), count(&found, true));
                    for what in count(&expected, false).keys() {
                        assert!(all.contains_key(what), "{about}: {what} is missing in {found:?}");
                    }
                    for (what, times) in &told {
                        let once = count(&expected, true).get(what).copied().unwrap_or(0);
                        assert!(*times <= once, "{about}: {what} was told {times} times in {found:?}");
                    }
                    let once = |rows: &[(String, bool, Instant)]| {
                        let is = |what: &str| what.starts_with("birthday") || what.starts_with("Renewed");
                        rows.iter().filter(|(what, ..)| is(what)).map(|(what, ..)| what.clone()).collect::<Vec<_>>()
                    };
                    assert_eq!(once(&found), once(&expected), "{about}");
                    let held = moved.new.member(member).await;
                    let standing = evaluate(versions.in_force(now), &held.ledger, now);
                    assert_eq!(
                        held.record.tier(),
                        versions.in_force(now).program.tier_id(standing.tier),
                        "{about}: what is on record is not what holds"
                    );
                    assert_eq!(held.record.tier(), timely.new.member(member).await.record.tier(), "{about}");
                }
            }
        }
    }
}

/// Vancouver's year begins at 07:00 UTC, not at 08:00. Hal is looked at in between, and the newer release comes half an hour
/// later.
async fn a_midnight_that_moved_back_is_caught_up_without_a_word(place: Place) {
    let (zone, year) = ("America/Vancouver", json!("calendar_year"));
    let midnight = new_year(&new(), zone);
    assert_eq!(new_year(&old(), zone), midnight.plus_millis(HOUR));
    let served = told(&place, "back", zone, &year, Some(midnight.plus_millis(40 * MINUTE))).await;
    let hal = rows(&served.new, "hal").await;
    assert_eq!(hal.last().unwrap(), &("Left none".to_owned(), false, midnight), "{hal:?}");
    // A member who was not looked at in between hears of it as always.
    let anna = rows(&served.new, "anna").await;
    assert_eq!(anna.last().unwrap(), &("Left none".to_owned(), true, midnight), "{anna:?}");
    let birthdays = rows(&served.new, "ivy").await.into_iter().filter(|(what, ..)| what.starts_with("birthday"));
    assert_eq!(birthdays.map(|(what, ..)| what).collect::<Vec<_>>(), ["birthday 2026-01-01", "birthday 2027-01-01"]);
}

/// Morocco's year begins at 00:00 UTC, not at 23:00 the day before. Every member was told at 23:00. The newer release comes at
/// 23:25, and ben is looked at under it before the year begins.
async fn a_midnight_that_moved_ahead_is_not_told_again(place: Place) {
    let (zone, year) = ("Africa/Casablanca", json!("calendar_year"));
    let midnight = new_year(&new(), zone);
    assert_eq!(new_year(&old(), zone), midnight.plus_millis(-HOUR));
    let before = told(&place, "ahead", zone, &year, None).await;
    assert_eq!(before.new.tier("ben").await.as_deref(), Some("silver"));

    let served = Served::start(&place, "again", zone, &year, Some(midnight.plus_millis(-35 * MINUTE))).await;
    for (id, total, hours) in [("first", 600, 365 * 24 + 6), ("second", 150, 24 * 90)] {
        served.tell(order(id, "ben", total, midnight.plus_millis(-hours * HOUR))).await;
    }
    served.at(midnight.plus_millis(-HOUR)).sweep_all().await;
    let fell = ("Downgraded silver".to_owned(), true, midnight.plus_millis(-HOUR));
    assert_eq!(rows(&served.new, "ben").await.last().unwrap(), &fell);
    // The standing is right at once for a caller, and on record with the next look.
    served.tell(order("third", "ben", 10, midnight.plus_millis(-30 * MINUTE))).await;
    assert_eq!(served.new.tier("ben").await.as_deref(), Some("gold"));
    served.at(midnight).sweep_all().await;
    let ben = rows(&served.new, "ben").await;
    let after: Vec<_> =
        ben.iter().skip_while(|row| **row != fell).skip(1).map(|(what, told, _)| (what.as_str(), *told)).collect();
    assert_eq!(after, [("Upgraded gold", false), ("Downgraded silver", false)], "{ben:?}");
    assert_eq!(served.new.tier("ben").await.as_deref(), Some("silver"));
}

async fn a_job_that_is_open_under_the_old_midnight_ends_well(place: Place) {
    for (n, zone) in ["America/Vancouver", "Africa/Casablanca"].into_iter().enumerate() {
        let (midnight, was) = (new_year(&new(), zone), new_year(&old(), zone));
        let change = was.plus_millis(MINUTE);
        let served = Served::start(&place, &format!("open-{n}"), zone, &json!("calendar_year"), Some(change)).await;
        for member in ["anna", "ben"] {
            served.tell(order(member, member, 600, midnight.plus_millis(-400 * 24 * HOUR))).await;
        }
        // Opened, and some of it done.
        let old = served.at(was);
        old.sweep.tick().await.unwrap();
        let mut waiting = old.sweep.workers().take();
        assert!(waiting.len() > 1);
        old.sweep.work(&waiting.pop().unwrap()).await.unwrap();
        let new = served.at(midnight.max(was).plus_millis(30 * MINUTE));
        for work in &waiting {
            new.sweep.work(work).await.unwrap();
        }
        new.sweep_all().await;
        let jobs = latest(&new.store, &new.shop, new.now()).await.unwrap();
        let told: BTreeMap<Instant, _> =
            jobs.iter().map(|job| (job.progress.job.id.until, &job.progress.job)).collect();
        assert_eq!((told[&was].state, told[&midnight].state), (State::Done, State::Done), "{zone}");
        let releases = |until| told[until].zones.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(releases(&was), ["2025b", NEW], "{zone}");
        assert_eq!(releases(&midnight), [NEW], "{zone}");
        for member in ["anna", "ben"] {
            let falls =
                rows(new, member).await.into_iter().filter(|(what, told, _)| what == "Left none" && *told).count();
            assert_eq!((new.tier(member).await, falls), (None, 1), "{zone} {member}");
        }
    }
}

async fn what_moved_at_a_midnight_that_was_moved_is_counted_once(place: Place) {
    for (n, zone) in ["America/Vancouver", "Africa/Casablanca", "Europe/Berlin"].into_iter().enumerate() {
        let midnight = new_year(&new(), zone);
        for (c, minutes) in [-50, 70].into_iter().enumerate() {
            let change = midnight.plus_millis(minutes * MINUTE);
            let name = format!("flows-{n}-{c}");
            let served = Served::start(&place, &name, zone, &json!("calendar_year"), Some(change)).await;
            for (member, total) in [("anna", 600), ("ben", 700), ("carl", 20)] {
                served.tell(order(member, member, total, midnight.plus_millis(-400 * 24 * HOUR))).await;
            }
            for half in -150..150 {
                served.at(midnight.plus_millis(half * 30 * MINUTE)).sweep_all().await;
            }
            let new = &served.new;
            let (from, to) = (midnight.plus_millis(-60 * HOUR), midnight.plus_millis(60 * HOUR));
            let found = flows(&new.store, &new.shop, from, to).await.unwrap();
            let moves: Vec<_> =
                found.moves.0.iter().map(|((from, to), count)| (from.clone(), to.clone(), *count)).collect();
            assert_eq!(moves, [(TierId::new("gold").ok(), None, 2)], "{zone} {minutes}");
        }
    }
}

async fn a_notice_is_not_told_again_for_an_end_that_was_moved(place: Place) {
    for (n, zone) in ZONES.into_iter().enumerate() {
        let midnight = new_year(&new(), zone);
        let eve = |days: i64| midnight.plus_millis(-days * 24 * HOUR);
        let served = Served::start(&place, &format!("notice-{n}"), zone, &json!("calendar_year"), Some(eve(20))).await;
        served.tell(order("1", "anna", 150, eve(400))).await;
        served.tell(order("2", "anna", 95, eve(60))).await;
        for day in -35..3 {
            served.at(midnight.plus_millis(day * 24 * HOUR + 90 * MINUTE)).sweep_all().await;
        }
        let anna = MemberId::new("anna").unwrap();
        let told = served.new.store.history(&served.new.shop, &anna).await.unwrap();
        let expiring = told.iter().filter(|row| matches!(row, Recorded::Expiring(_))).count();
        assert_eq!(expiring, 1, "{zone}: {told:?}");
    }
}
