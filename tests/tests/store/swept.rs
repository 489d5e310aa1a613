//! Sweeps and events, in any order, write the rows of a replay: random shops, with sweeps at any time between events.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use pure_tests::random::{BEGIN, HOUR, arrival, message, programs, published};
use rules::calendar::{Instant, Zones};
use rules::id::MemberId;
use rules::record::Row;
use rules::replay::{Line, Replay};
use rules::version::Versions;
use serde_json::{Value, json};
use store::announce::About;
use store::history::{self, Recorded};
use store::key;
use store::key::Spread;
use tests::dynamodb::Place;
use tests::system::System;

/// A program, lines in the order of their arrival, and after which of them all members are swept.
fn stories() -> impl Strategy<Value = (Value, Vec<Value>, Vec<bool>)> {
    let lines = prop::collection::vec(prop_oneof![10 => message(), 1 => published()], 1..30);
    (programs(), lines, prop::collection::vec(prop::bool::weighted(0.15), 31)).prop_map(
        |(program, mut lines, sweeps)| {
            lines.sort_by(|a, b| arrival(a).cmp(arrival(b)));
            (program, lines, sweeps)
        },
    )
}

/// A row without the instant at which it was recorded, which is the only thing that differs.
fn timeless(mut recorded: Recorded) -> Recorded {
    let never = Instant::from_millis(0);
    match &mut recorded {
        Recorded::Transition { event, .. } => event.recorded_at = never,
        Recorded::Reward { event, .. } => event.recorded_at = never,
        Recorded::Birthday(event) => event.recorded_at = never,
        Recorded::Expiring(event) => event.recorded_at = never,
        Recorded::WithinReach(event) => event.recorded_at = never,
        Recorded::Correction(event) => event.recorded_at = never,
        Recorded::Held(_) => {}
    }
    recorded
}

/// The rows by their place in the history, as they would be stored.
fn expected(system: &System, member: &MemberId, rows: &[Row], versions: &Versions) -> BTreeMap<String, Recorded> {
    let about = About { shop: &system.shop, member, versions, recorded_at: Instant::from_millis(0) };
    let stored = rows.iter().map(|row| history::item(Spread::DEPLOYED, about, row));
    stored.map(|item| (item.key().sk, history::read(&item).unwrap().unwrap())).collect()
}

async fn check(system: &System, program: &Value, lines: Vec<Value>, sweeps: Vec<bool>, end: Instant) {
    let mut replay = Replay::start(program, &Zones::built_in()).unwrap();
    system.at(replay.versions().last().effective_at);
    system.publish(program, &json!({})).await;
    for (line, sweep) in lines.into_iter().zip(sweeps) {
        let now = Instant::parse(arrival(&line)).unwrap();
        system.at(now);
        match replay.line(&line, end) {
            Ok(Line::Fact(_)) => {
                let report = system.tell(std::slice::from_ref(&line)).await;
                assert_eq!((report.failed, report.failure, report.counts.quarantined), (Vec::new(), None, 0));
            }
            Ok(Line::Published) => {
                let mut options = line.get("options").cloned().unwrap_or_else(|| json!({}));
                options["while_active"] = json!(true);
                system.publish(&line["program"], &options).await;
            }
            Ok(Line::Beyond) | Err(_) => {}
        }
        if sweep {
            system.sweep_all().await;
        }
    }
    system.at(end);
    replay.finish(end);
    system.sweep_all().await;
    // What is due at other times than midnights comes with the next event, or the next midnight.
    let zone = &replay.version_at(end).program.timezone;
    let midnight = zone.midnight(zone.day(end));
    for id in replay.members() {
        let recorded = system.store.history(&system.shop, id).await.unwrap();
        let versions = replay.versions();
        let held = system.member(id.as_str()).await;
        let (mut ledger, mut record) = (held.ledger, held.record);
        let late = rules::advance::advance(&mut ledger, &mut record, versions, midnight);
        assert_eq!(late, Vec::new(), "{id} is not past midnight");
        let late = rules::advance::advance(&mut ledger, &mut record, versions, end);
        let mut all = expected(system, id, &late, versions);
        for row in recorded {
            let place = match &row {
                Recorded::Transition { event, .. } => format!("{:010}", event.sequence),
                Recorded::Reward { event, .. } => format!("{:010}#{}", event.sequence, event.tier.id),
                Recorded::Birthday(event) => format!("birthday#{:04}", event.on.year()),
                Recorded::Correction(event) => format!("correction#{:010}", event.correction),
                Recorded::Held(held) => format!("hold#{:06}#{}", held.version, key::at(held.at)),
                // Only sweeps tell notices.
                Recorded::Expiring(_) | Recorded::WithinReach(_) => continue,
            };
            assert_eq!(all.insert(place, timeless(row)), None, "{id}");
        }
        assert_eq!(all, expected(system, id, replay.rows(id), versions), "{id}");
    }
}

#[test]
fn sweeps_and_events_in_any_order_write_the_rows_of_a_replay() {
    let cases = std::env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12);
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 60, ..Config::default() });
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = runner.run(&stories(), |(program, lines, sweeps)| {
        executor.block_on(async {
            let system = System::new(embedded_dynamodb::Store::memory().unwrap().client(), "t").await;
            check(&system, &program, lines, sweeps, Instant::from_millis(BEGIN + 3_000 * HOUR)).await;
        });
        Ok(())
    });
    told.unwrap();
}

tests::for_every_table!(the_worked_cases_come_out_the_same_through_ingest_and_sweeps);

/// The project's own worked cases, with a sweep after each change of rules and at the end: changes, January 1, starts that move,
/// rewards.
async fn the_worked_cases_come_out_the_same_through_ingest_and_sweeps(place: Place) {
    for file in ["program-changes", "calendar-year", "start-date", "rewards"] {
        let path = format!("{}/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for vector in vectors.as_array().unwrap() {
            let system = System::new(place.client.clone(), &place.table(vector["id"].as_str().unwrap())).await;
            let lines = vector["events"].as_array().unwrap().clone();
            let sweeps = lines.iter().map(|line| line["type"] == "program.published").collect();
            let asked = vector["expect"].as_array().unwrap().iter().filter_map(|asked| asked["as_of"].as_str());
            let end = asked.map(|at| Instant::parse(at).unwrap()).max().unwrap();
            check(&system, &vector["program"], lines, sweeps, end).await;
        }
    }
}
