//! Sweeps under every circumstance: late, repeated, two at once, beside live events, paused, and overtaken by the next change.

use aws_sdk_dynamodb::types::AttributeValue;
use engine::clock::Clock;
use engine::sweep::{Order, RunEnd, SegmentQueue, Settings, Sweep, Work};
use engine::transport::TransportError;
use rules::id::MemberId;
use rules::ledger::Ledger;
use rules::record::Record;
use rules::version::Published;
use serde_json::json;
use store::records::{JobId, Kind, State};
use store::{Commit, Links, Member, Publication};
use tests::dynamodb::Place;
use tests::new_year::{MEMBERS, NEW_YEAR, ROLLOVER, counted, eve, histories, history, job, order, program};
use tests::system::{InMemorySegmentQueue, System, instant, settings};

tests::for_every_table!(
    a_late_job_writes_and_counts_what_a_timely_one_would_have,
    two_workers_on_one_segment_record_and_count_everybody_once,
    events_that_come_meanwhile_are_taken_in_and_no_member_is_left_behind,
    a_job_is_paused_resumed_and_cancelled,
    three_changes_in_a_row_leave_everybody_under_the_last,
    the_job_of_a_version_that_was_replaced_ends_though_its_message_is_lost,
    members_are_told_ahead_once_in_a_period,
    birthdays_come_once_a_year,
    what_has_ended_by_then_is_not_told_ahead,
    a_history_told_after_the_boundary_stands_at_it,
    a_member_whose_item_is_full_stops_the_sweep_of_no_other,
);

async fn shop(place: Place) -> System {
    eve(place.client, &place.prefix).await
}

async fn a_late_job_writes_and_counts_what_a_timely_one_would_have(place: Place) {
    let later = |minutes: i64| instant(NEW_YEAR).plus_millis(minutes * 60_000);
    let orders = [order("a", "anna", 100, "2025-01-01T05:05:00Z"), order("b", "ben", 900, "2025-01-01T05:05:00Z")];
    let mut told = Vec::new();
    for is_late in [false, true] {
        let system = eve(place.client.clone(), &place.table(if is_late { "late" } else { "timely" })).await;
        system.at(instant(NEW_YEAR));
        if !is_late {
            system.sweep_all().await;
        }
        system.at(later(5));
        assert_eq!(system.tell(&orders).await.counts.applied, 2);
        system.at(later(10));
        system.sweep_all().await;
        // A second sweep changes nothing.
        system.sweep_all().await;
        let progress = job(&system, ROLLOVER).await;
        assert_eq!((progress.job.state, progress.parts_done), (State::Done, 256));
        told.push((histories(&system).await, counted(&progress)));
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].1, (4, 1, 1, 1, 1));
    assert_eq!(
        told[0].0[0],
        [
            "1 Entered none->gold 2023-03-01T10:00:00Z Activity",
            "1 reward gold",
            "2 Left gold->none 2025-01-01T05:00:00Z PeriodEnd",
            "3 Entered none->silver 2025-01-01T05:05:00Z Activity",
            "3 reward silver",
        ]
    );
}

/// Found by an attack: a member filled with facts up to the limit of an item stopped the sweeps of the shop for good.
async fn a_member_whose_item_is_full_stops_the_sweep_of_no_other(place: Place) {
    let system = shop(place).await;
    let (spread, anna) = (system.store.tables().spread, MemberId::new("anna").unwrap());
    let at = store::key::member(spread, &system.shop, &anna);
    let fill = async |bytes: usize| {
        let (client, table) = (system.store.client(), &system.store.tables().members);
        let (pk, sk) = (AttributeValue::S(at.pk.clone()), AttributeValue::S(at.sk.clone()));
        let read = client.get_item().table_name(table).key("pk", pk).key("sk", sk).consistent_read(true);
        let mut item = read.send().await.unwrap().item.unwrap();
        item.insert("noticed".to_owned(), AttributeValue::L(vec![AttributeValue::S("x".repeat(bytes))]));
        client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    };
    fill(405_000).await;
    system.at(instant(NEW_YEAR).plus_millis(600_000));
    system.sweep_all().await;
    let progress = job(&system, ROLLOVER).await;
    assert_eq!((progress.job.state, progress.so_far.unreadable), (State::Done, 1), "{:?}", progress.so_far);
    assert_eq!(counted(&progress), (3, 1, 1, 0, 1));
    let tiers = async || [system.tier("anna").await, system.tier("ben").await, system.tier("carl").await];
    assert_eq!(tiers().await.map(|tier| tier.unwrap_or_default()), ["gold", "silver", "gold"]);

    // With room again, the next midnight records what was due then.
    fill(10).await;
    system.at(instant(NEW_YEAR).plus_millis(86_400_000 + 600_000));
    system.sweep_all().await;
    assert_eq!(tiers().await.map(|tier| tier.unwrap_or_default()), ["", "silver", "gold"]);
    assert!(history(&system, "anna").await.contains(&"2 Left gold->none 2025-01-01T05:00:00Z PeriodEnd".to_owned()));
}

/// Another worker on the same tables.
fn another(system: &System, client: aws_sdk_dynamodb::Client) -> System {
    system.another(client)
}

async fn two_workers_on_one_segment_record_and_count_everybody_once(place: Place) {
    let system = shop(place.clone()).await;
    system.at(instant(NEW_YEAR));
    system.sweep.tick().await.unwrap();
    let waiting = system.sweep.workers().take();
    let other = another(&system, place.client);
    for work in &waiting {
        let (ours, theirs) = futures::join!(system.sweep.work(work), other.sweep.work(work));
        let ended = [ours.unwrap().ended, theirs.unwrap().ended];
        assert!(ended.contains(&RunEnd::Done), "{ended:?}");
    }
    assert_eq!(counted(&job(&system, ROLLOVER).await), (4, 1, 1, 1, 1));
    assert_eq!(
        history(&system, "ben").await.last().unwrap(),
        "2 Downgraded gold->silver 2025-01-01T05:00:00Z PeriodEnd"
    );
}

async fn events_that_come_meanwhile_are_taken_in_and_no_member_is_left_behind(place: Place) {
    let system = shop(place.clone()).await;
    let other = another(&system, place.client);
    for system in [&system, &other] {
        system.at(instant(NEW_YEAR).plus_millis(1_000));
    }
    let sweeping = system.sweep_all();
    let telling = async {
        for n in 0..30 {
            let member = MEMBERS[n % 4];
            let report = other.tell(&[order(&format!("new-{n}"), member, 10, "2025-01-01T05:00:01Z")]).await;
            assert_eq!((report.counts.applied, report.failed.len()), (1, 0), "{report:?}");
        }
    };
    futures::join!(sweeping, telling);
    assert_eq!(counted(&job(&system, ROLLOVER).await), (4, 1, 1, 1, 1));
    for (place, (member, rows)) in MEMBERS.iter().zip(histories(&system).await).enumerate() {
        let falls = rows.iter().filter(|row| row.contains("PeriodEnd")).count();
        assert_eq!(falls, usize::from(["anna", "ben"].contains(member)), "{member}: {rows:?}");
        let orders = system.member(member).await.ledger.orders().len();
        assert_eq!(Some(orders), [9, 10, 9, 8].get(place).copied(), "{member}");
    }
}

async fn a_job_is_paused_resumed_and_cancelled(place: Place) {
    let system = shop(place).await;
    system.at(instant(NEW_YEAR));
    system.sweep.tick().await.unwrap();
    let waiting = system.sweep.workers().take();
    let id: JobId = ROLLOVER.parse().unwrap();
    let order = async |order| system.sweep.order(&system.shop, &id, order).await.unwrap();
    assert_eq!(order(Order::Pause).await, Some(State::Paused));
    for work in &waiting {
        assert_eq!(system.sweep.work(work).await.unwrap().ended, RunEnd::Stopped);
    }
    system.sweep.tick().await.unwrap();
    assert_eq!(system.sweep.workers().take(), [], "a tick does not go on with what is paused");
    assert_eq!(system.tier("anna").await.as_deref(), Some("gold"));
    assert_eq!(order(Order::Resume).await, Some(State::Running));
    let (first, rest) = waiting.split_first().unwrap();
    assert_eq!(system.sweep.work(first).await.unwrap().ended, RunEnd::Done);
    assert_eq!(order(Order::Cancel).await, Some(State::Cancelled));
    for work in rest {
        assert_eq!(system.sweep.work(work).await.unwrap().ended, RunEnd::Stopped);
    }
    assert_eq!(order(Order::Resume).await, Some(State::Cancelled), "what has ended stays so");
    system.sweep.workers().take();
    // The next job of the same kind does not go on with a paused one: it is paused, too.
    system.at(instant("2025-01-02T05:00:00Z"));
    system.sweep.tick().await.unwrap();
    let next: JobId = "2025-01-02T05:00:00.000Z-rollover".parse().unwrap();
    assert_eq!(system.sweep.order(&system.shop, &next, Order::Pause).await.unwrap(), Some(State::Paused));
    system.at(instant("2025-01-03T05:00:00Z"));
    system.sweep.tick().await.unwrap();
    assert_eq!(job(&system, &next.to_string()).await.job.state, State::Superseded);
    let last = "2025-01-03T05:00:00.000Z-rollover";
    assert_eq!(job(&system, last).await.job.state, State::Paused);
    system.sweep.order(&system.shop, &last.parse().unwrap(), Order::Resume).await.unwrap();
    // The tick sends again what waits.
    system.sweep.workers().take();
    system.sweep_all().await;
    assert_eq!((system.tier("anna").await, job(&system, last).await.job.state), (None, State::Done));
}

async fn three_changes_in_a_row_leave_everybody_under_the_last(place: Place) {
    let system = shop(place).await;
    let with = |threshold: u32| {
        program(json!({ "tiers": [{ "id": "silver", "threshold": 100 }, { "id": "gold", "threshold": threshold }] }))
    };
    let mut waiting = Vec::new();
    for (threshold, on) in [(400, "10:00:01"), (650, "10:00:02"), (750, "10:00:03")] {
        system.at(instant(&format!("2024-07-01T{on}Z")));
        system.publish(&with(threshold), &json!({})).await;
        system.sweep.tick().await.unwrap();
        let sent = system.sweep.workers().take();
        // Each change overtakes the sweep of the one before after its first segment.
        let first = sent.iter().find(|work| work.job.kind != Kind::Rollover).unwrap();
        assert_eq!(system.sweep.work(first).await.unwrap().ended, RunEnd::Done);
        waiting.extend(sent);
    }
    for work in waiting {
        let ended = system.sweep.work(&work).await.unwrap().ended;
        assert!(matches!(ended, RunEnd::Done | RunEnd::Stopped), "{ended:?}");
    }
    let states = ["10:00:01.000Z-recalculation-2", "10:00:02.000Z-recalculation-3", "10:00:03.000Z-recalculation-4"];
    let mut ended = Vec::new();
    for id in states {
        ended.push(job(&system, &format!("2024-07-01T{id}")).await.job.state);
    }
    assert_eq!(ended, [State::Superseded, State::Superseded, State::Done]);
    // Anna's 600 and Ben's 700 of 2023 are gold no more; Carl's 800 are.
    let tiers = [system.tier("anna").await, system.tier("ben").await, system.tier("carl").await];
    assert_eq!(tiers.map(|tier| tier.unwrap()), ["silver", "silver", "gold"]);
    // Every member passed every change, at its own instant.
    assert_eq!(history(&system, "anna").await[2..], ["2 Downgraded gold->silver 2024-07-01T10:00:02Z ProgramChanged"]);
}

async fn members_are_told_ahead_once_in_a_period(place: Place) {
    let system = shop(place).await;
    for day in ["2024-12-01", "2024-12-02", "2024-12-03", "2024-12-10", "2024-12-31"] {
        for hour in ["05", "17"] {
            system.at(instant(&format!("{day}T{hour}:00:00Z")));
            system.sweep_all().await;
        }
    }
    let told =
        |rows: Vec<String>| rows.into_iter().filter(|row| row.contains("expires") || row.contains(" to ")).collect();
    let told_to = async |member| -> Vec<String> { told(history(&system, member).await) };
    let ends = "expires 2025-01-01T05:00:00Z in 30";
    assert_eq!(told_to("anna").await, [format!("gold {ends}")]);
    assert_eq!(told_to("ben").await, [format!("gold {ends}")]);
    assert_eq!(told_to("carl").await, Vec::<String>::new(), "he made it again");
    // Nearly gold in the new year: told the night after, once.
    system.at(instant("2025-02-01T12:00:00Z"));
    system.tell(&[order("near", "dora", 95, "2025-02-01T12:00:00Z")]).await;
    for day in ["2025-02-02", "2025-02-03", "2025-03-03"] {
        system.at(instant(&format!("{day}T05:00:00Z")));
        system.sweep_all().await;
    }
    assert_eq!(told_to("dora").await, ["5.00 to silver"]);
    let notices = job(&system, "2025-02-02T05:00:00.000Z-rollover").await.so_far.notices;
    assert_eq!(notices, 1);
}

/// The job of December 2, late by a month: gold has ended, and no member is told that it will.
async fn what_has_ended_by_then_is_not_told_ahead(place: Place) {
    let system = shop(place).await;
    system.at(instant("2024-12-02T05:00:00Z"));
    system.sweep.tick().await.unwrap();
    let waiting = system.sweep.workers().take();
    system.at(instant("2025-01-01T05:00:05Z"));
    for work in waiting {
        system.sweep.work(&work).await.unwrap();
    }
    system.sweep_all().await;
    assert_eq!(histories(&system).await.concat().iter().filter(|row| row.contains("expires")).count(), 0);
}

/// A member told of only after a midnight, with orders from before it, held the tier at that midnight and kept it.
async fn a_history_told_after_the_boundary_stands_at_it(place: Place) {
    let system = shop(place).await;
    system.at(instant("2024-07-01T12:00:00Z"));
    let told = order("late", "emil", 150, "2024-06-15T10:00:00Z");
    assert_eq!(system.tell(&[told]).await.counts.applied, 1);
    system.sweep_all().await;
    assert_eq!(counted(&job(&system, "2024-07-01T04:00:00.000Z-rollover").await), (5, 4, 0, 0, 1));
}

async fn birthdays_come_once_a_year(place: Place) {
    let system = shop(place).await;
    system.at(instant("2024-02-01T10:00:00Z"));
    for (member, birthday) in [("anna", "02-29"), ("dora", "02-29"), ("carl", "12-31")] {
        let told = json!({ "type": "customer.birthday_set", "member_id": member, "occurred_at": "2024-02-01T10:00:00Z",
                           "birthday": birthday });
        assert_eq!(system.tell(&[told]).await.counts.applied, 1);
    }
    for day in ["2024-02-28", "2024-02-29", "2024-03-01", "2024-12-31", "2025-02-28", "2025-03-01"] {
        for hour in ["05", "06"] {
            system.at(instant(&format!("{day}T{hour}:00:00Z")));
            system.sweep_all().await;
        }
    }
    let came = async |member| -> Vec<String> {
        history(&system, member).await.into_iter().filter(|row| row.starts_with("birthday")).collect()
    };
    assert_eq!(came("anna").await, ["birthday 2024-02-29 100"], "in 2025 she holds no tier");
    assert_eq!(came("carl").await, ["birthday 2024-12-31 100"]);
    assert_eq!(came("dora").await, Vec::<String>::new());
}

/// Found by the simulator: the job was listed as running forever.
async fn the_job_of_a_version_that_was_replaced_ends_though_its_message_is_lost(place: Place) {
    let system = eve(place.client, &place.prefix).await;
    let now = instant("2024-07-01T10:00:00Z");
    system.at(now);
    // The second takes effect sooner: its job does not take the place of the first one's.
    for (number, silver, minutes) in [(2, 90, 12), (3, 80, 8)] {
        let at = now.plus_millis(minutes * 60_000);
        let program =
            program(json!({ "tiers": [{ "id": "silver", "threshold": silver }, { "id": "gold", "threshold": 500 }] }));
        let event = Published::of(at, &program, &json!({ "while_active": true }), system.store.zones()).unwrap();
        let publication = Publication { event, by: "tests".to_owned(), why: "a test".to_owned() };
        system.store.publish(&system.shop, &publication, now).await.unwrap();
        assert_eq!(system.sweep.published(&system.shop, number).await.unwrap().opened, 1, "{number}");
        drop(system.sweep.workers().take());
    }
    let states = async || -> Vec<State> {
        let jobs = system.store.latest_jobs(&system.shop, tests::system::FOREVER, 10).await.unwrap();
        let of_versions = jobs.iter().filter(|job| matches!(job.body.id.kind, Kind::Recalculation { .. }));
        of_versions.map(|job| job.body.state).collect()
    };
    system.sweep.tick().await.unwrap();
    let mut found = states().await;
    found.sort_by_key(|state| state.word());
    assert_eq!(found, [State::Cancelled, State::Running]);
}

/// Creates members who spent little in one order each, as ingest would have.
async fn many(system: &System, members: usize) {
    use rules::apply::apply_fact;
    let versions = system.store.versions(&system.shop).await.unwrap().unwrap();
    for n in 0..members {
        let (mut index, mut records) = (rules::fact_index::FactIndex::new(), std::collections::BTreeMap::new());
        let told = order(&format!("order-{n}"), &format!("2071{n:06}"), 5, "2024-03-01T10:00:00Z");
        let fact = rules::fact::Fact::read(&told, rules::fact::Currency::from_code("USD").unwrap()).unwrap().fact;
        let at = fact.occurred_at;
        let id = fact.member().unwrap().clone();
        apply_fact(&mut index, &mut records, &versions, fact, at);
        let (ledger, record): (&Ledger, &Record) = (index.ledger(&id).unwrap(), &records[&id]);
        let mut commit = Commit::default();
        commit
            .member(&system.store, &system.shop, &id, (ledger, record, &Links::default()), &Member::default())
            .unwrap();
        system.store.commit(commit).await.unwrap();
    }
}

/// A sweep reads at most 0.16 units per member, where a request takes at least half a unit. It writes nothing but the job, its
/// checkpoints, and what was found. Lists cost extra for the members on them (`lists.rs`); here there are none.
#[tokio::test]
async fn an_unchanged_member_costs_a_sweep_at_most_0_16_reads_and_no_write() {
    let system = System::new(embedded_dynamodb::Store::memory().unwrap().client(), "t").await;
    system.at(instant("2023-01-01T05:00:00Z"));
    system.publish(&program(json!({})), &json!({})).await;
    let members = 3_000;
    many(&system, members).await;
    for (at, is_version) in [("2024-04-01T12:00:00Z", false), ("2024-04-01T13:00:00Z", true)] {
        system.at(instant(at));
        if is_version {
            let tiers = json!([{ "id": "silver", "threshold": 90 }, { "id": "gold", "threshold": 500 }]);
            system.publish(&program(json!({ "tiers": tiers })), &json!({})).await;
        }
        system.used();
        system.sweep_all().await;
        let used = system.used();
        // In half units.
        let reads_each = used.reads * 500 / i64::try_from(members).unwrap();
        println!("{reads_each} thousandths of a read unit per member, {used:?}");
        assert!(reads_each <= 160, "{reads_each} thousandths of a read unit per member");
        // In transactions: the job with its segments, and in the end the job with what it found.
        let job_and_checkpoints = 2 * (1 + 16) * 2 + 2 * 16 * 2 + 2 * (1 + 2) * 2;
        assert!(used.table_writes <= job_and_checkpoints, "{used:?}");
        assert_eq!(used.index_writes, 0);
    }
}

/// A worker of a deployment gives its segment back when time is up, and the next one goes on where it was.
#[tokio::test]
async fn a_segment_that_runs_out_of_time_is_gone_on_with() {
    let system = eve(embedded_dynamodb::Store::memory().unwrap().client(), "t").await;
    system.at(instant(NEW_YEAR));
    let now = system.now();
    let hurried = Settings { budget: std::time::Duration::ZERO, ..settings() };
    let hurried = Sweep::new(system.store.clone(), InMemorySegmentQueue::default(), Clock::new(move || now), hurried);
    hurried.tick().await.unwrap();
    let waiting = hurried.workers().take();
    for work in &waiting {
        assert_eq!(hurried.work(work).await.unwrap().ended, RunEnd::GoesOn);
    }
    let again: Vec<Work> = hurried.workers().take();
    assert_eq!(again, waiting);
    for work in &again {
        assert_eq!(system.sweep.work(work).await.unwrap().ended, RunEnd::Done);
    }
    assert_eq!(counted(&job(&system, ROLLOVER).await), (4, 1, 1, 1, 1));
}

/// No worker starts on a job before the last writer that could have missed its boundary is done.
#[tokio::test]
async fn a_job_opens_at_its_boundary_and_starts_a_margin_later() {
    #[derive(Debug, Default)]
    struct Delays(std::sync::Mutex<Vec<u64>>);
    impl SegmentQueue for Delays {
        async fn enqueue(&self, work: Vec<Work>, delay: std::time::Duration) -> Result<(), TransportError> {
            self.0.lock().unwrap().extend(work.iter().map(|_| delay.as_secs()));
            Ok(())
        }
    }
    let system = eve(embedded_dynamodb::Store::memory().unwrap().client(), "t").await;
    let now = instant(NEW_YEAR).plus_millis(30_000);
    let deployed = Settings { margin: engine::sweep::MARGIN, ..settings() };
    let sweep = Sweep::new(system.store.clone(), Delays::default(), Clock::new(move || now), deployed);
    sweep.tick().await.unwrap();
    let delays = sweep.workers().0.lock().unwrap().clone();
    assert!(!delays.is_empty() && delays.iter().all(|delay| *delay == 60), "{delays:?}");
    // A message that comes early waits on.
    let early = Work { shop: system.shop.clone(), job: ROLLOVER.parse().unwrap(), segment: 0 };
    assert_eq!(sweep.work(&early).await.unwrap().ended, RunEnd::GoesOn);
    assert_eq!(sweep.workers().0.lock().unwrap().last(), Some(&60));
    assert_eq!(job(&system, ROLLOVER).await.parts_done, 0);
}
