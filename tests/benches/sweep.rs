//! A recalculation, a rollover and a preview of a whole member base on the embedded store in a file: members per second, memory,
//! units, and the cost and time of the same in AWS.
//!
//!     cargo bench --workspace --bench sweep           (MEMBERS=n for other sizes than a million)
//!
//! Members have 1 to 9 orders, as ordinary customers have; thresholds are set so that 1 % and 30 % of them change.

use std::path::Path;
use std::time::{Duration, Instant};

use engine::clock::Clock;
use engine::preview::Preview;
use engine::sweep::preview::parts;
use engine::sweep::{RunEnd, Settings, Sweep};
use futures::StreamExt;
use rules::apply::apply_fact;
use rules::fact::{Currency, Fact};
use rules::fact_index::FactIndex;
use rules::id::MemberId;
use rules::ledger::Ledger;
use rules::record::Record;
use rules::version::{Published, Versions};
use serde_json::{Value, json};
use store::records::Tally;
use store::table::{Tables, create_unstreamed};
use store::{Commit, Links, Member, Publication, Store, Units};
use tests::system::{InMemorySegmentQueue, System, instant};

/// Members that are created per commit.
const TOGETHER: usize = 90;
/// Segments in progress at once: as many as there are cores, and one that waits for the store.
const AT_ONCE: usize = 3;
/// On demand, per million units, in us-east-1 (`../shared/design`): writes, reads.
const DOLLARS: (f64, f64) = (0.625, 0.125);
/// Units per second that a new table takes: writes, reads.
const PER_SECOND: (f64, f64) = (4_000.0, 12_000.0);

fn program(gold: u64, period: &str) -> Value {
    json!({ "start_date": "2024-01-01", "milestone": { "metric": "amount_spent", "period": period }, "timezone": "UTC",
            "notices": { "expiring_days": [], "within_reach_percent": 0 },
            "tiers": [{ "id": "silver", "threshold": 1, "entry_rewards": [{ "type": "points", "points": 10 }] },
                      { "id": "gold", "threshold": gold }] })
}

/// A member who spent up to 10,000, evenly distributed over `n`, in 1 to 9 orders of a year.
fn member(n: usize, year: u32) -> (MemberId, Vec<Value>) {
    let id = format!("20711{n:08}");
    let orders = 1 + n * 7919 % 9;
    let cents = (n * 104_729 % 1_000_000) as u64;
    let order = |place: usize| {
        let of = orders as u64;
        let part = if place == 0 { cents - cents / of * (of - 1) } else { cents / of };
        json!({ "type": "order.paid", "order_id": format!("8209829{n:08}{place}"), "member_id": id,
                "total": format!("{}.{:02}", part / 100, part % 100), "tax": "0.20", "shipping": "0.90",
                "occurred_at": format!("{year}-{:02}-{:02}T10:00:00Z", 1 + place, 1 + n % 28) })
    };
    (MemberId::new(&id).unwrap(), (0..orders).map(order).collect())
}

fn known(versions: &Versions, (id, orders): (MemberId, Vec<Value>)) -> (MemberId, Ledger, Record) {
    let (mut index, mut records) = (FactIndex::new(), std::collections::BTreeMap::new());
    for order in orders {
        let fact = Fact::read(&order, Currency::from_code("USD").unwrap()).unwrap().fact;
        let at = fact.occurred_at;
        apply_fact(&mut index, &mut records, versions, fact, at);
    }
    let (ledger, record) = (index.ledger(&id).unwrap().clone(), records.remove(&id).unwrap());
    (id, ledger, record)
}

/// Creates a shop with `members` members, each as if their orders had come one by one.
async fn base(
    file: &Path,
    members: usize,
    period: &str,
    year: impl Fn(usize) -> u32,
) -> (embedded_dynamodb::Store, System) {
    let begun = Instant::now();
    let embedded = embedded_dynamodb::Store::open(file).unwrap();
    let tables = Tables::prefixed("bench");
    create_unstreamed(&embedded.client(), &tables).await.unwrap();
    let system = System::over(Store::new(embedded.client(), tables));
    system.at(instant("2024-01-01T00:00:00Z"));
    system.publish(&program(5_000, period), &json!({})).await;
    let versions = system.store.versions(&system.shop).await.unwrap().unwrap();
    for first in (0..members).step_by(TOGETHER) {
        let mut commit = Commit::default();
        for n in first..(first + TOGETHER).min(members) {
            let (id, ledger, record) = known(&versions, member(n, year(n)));
            commit
                .member(&system.store, &system.shop, &id, (&ledger, &record, &Links::default()), &Member::default())
                .unwrap();
        }
        system.store.commit(commit).await.unwrap();
    }
    println!("{members} members, {period}, laid down in {:.0} s (peak {} MB):", begun.elapsed().as_secs_f64(), peak());
    (embedded, system)
}

/// The peak memory of this process since the last call, in MB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    kilobytes / 1_024
}

/// Runs one job in this process alone: that of a midnight, or that of the newest version.
async fn swept(system: &System, is_version: bool) -> (Tally, Units, Duration) {
    let now = system.now();
    let settings = Settings { together: 30, ..tests::system::settings() };
    let sweep = Sweep::new(system.store.clone(), InMemorySegmentQueue::default(), Clock::new(move || now), settings);
    let number = system.store.versions(&system.shop).await.unwrap().unwrap().last().number;
    system.used();
    let begun = Instant::now();
    if is_version {
        sweep.published(&system.shop, number).await.unwrap();
    } else {
        sweep.tick_shop(&system.shop).await.unwrap();
    }
    let waiting = sweep.workers().take();
    let worked = futures::stream::iter(&waiting).map(|work| sweep.work(work)).buffer_unordered(AT_ONCE);
    worked.for_each(async |worked| assert_eq!(worked.unwrap().ended, RunEnd::Done)).await;
    let took = begun.elapsed();
    let tally = sweep.progress(&system.shop, &waiting[0].job).await.unwrap().unwrap().so_far;
    (tally, system.used(), took)
}

fn print(what: &str, members: usize, (tally, used, took): &(Tally, Units, Duration)) {
    let each = |halves: i64| halves as f64 / 2.0 / members as f64;
    let (reads, writes) = (each(used.reads), each(used.table_writes + used.index_writes));
    let rate = members as f64 / took.as_secs_f64();
    println!(
        "  {what:<34} {:>7} changed in {:>6.1} s: {rate:>8.0} members/s, peak {} MB; {reads:.3} RRU + {writes:.3} WRU each",
        tally.changed(),
        took.as_secs_f64(),
        peak()
    );
    for millions in [1.0, 10.0, 100.0] {
        let (reads, writes) = (reads * millions * 1e6, writes * millions * 1e6);
        let seconds = (writes / PER_SECOND.0).max(reads / PER_SECOND.1);
        let dollars = writes / 1e6 * DOLLARS.0 + reads / 1e6 * DOLLARS.1;
        println!("      in AWS, {millions:>3} million: ${dollars:>8.2}, {seconds:>7.0} s on a new table");
    }
}

fn publication(system: &System, gold: u64) -> Published {
    Published::of(system.now(), &program(gold, "lifetime"), &json!({}), system.store.zones()).unwrap()
}

async fn previewed(system: &System, gold: u64, members: usize) {
    let begun = Instant::now();
    system.used();
    let draft = system.store.draft(&system.shop, &publication(system, gold), system.now()).await.unwrap();
    let mut parts = Box::pin(parts(&system.store, &system.shop, &draft.versions, false, 0));
    let mut preview = Preview::default();
    while let Some(part) = parts.next().await {
        preview.merge(&part.unwrap().preview);
    }
    let tally = Tally { upgraded: preview.moves.upgraded, downgraded: preview.moves.downgraded, ..Tally::default() };
    print(&format!("preview: gold from {gold}"), members, &(tally, system.used(), begun.elapsed()));
}

async fn publish(system: &System, gold: u64) {
    let publication = Publication { event: publication(system, gold), by: "bench".to_owned(), why: String::new() };
    system.store.publish(&system.shop, &publication, system.now()).await.unwrap();
}

/// Measures a midnight at which nothing is due, and then changes of thresholds, each previewed and then published.
async fn recalculated(folder: &Path, members: usize) {
    let (_store, system) = base(&folder.join("recalculated.db"), members, "lifetime", |_| 2025).await;
    system.at(instant("2026-03-01T12:00:00Z"));
    print("a midnight, no member changes", members, &swept(&system, false).await);
    for (gold, on) in [(4_900, "2026-03-02T12:00:00Z"), (1_900, "2026-03-03T12:00:00Z")] {
        system.at(instant(on));
        previewed(&system, gold, members).await;
        publish(&system, gold).await;
        print(&format!("gold from {gold}"), members, &swept(&system, true).await);
    }
}

/// Measures January 1 of 2026, at which members who spent nothing in 2025 lose their tier.
async fn rolled_over(folder: &Path, members: usize, percent: usize) {
    let year = |n: usize| if n * 7919 % 100 < percent { 2024 } else { 2025 };
    let file = folder.join(format!("rollover-{percent}.db"));
    let (_store, system) = base(&file, members, "calendar_year", year).await;
    system.at(instant("2026-01-01T00:00:00Z"));
    print(&format!("January 1, {percent} % leave"), members, &swept(&system, false).await);
}

fn main() {
    // `cargo test --benches` runs this too, to see that it works.
    let quick = !std::env::args().any(|argument| argument == "--bench");
    let asked = std::env::var("MEMBERS").ok().and_then(|members| members.parse().ok());
    let members = asked.unwrap_or(if quick { 500 } else { 1_000_000 });
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    executor.block_on(async {
        for percent in [1, 30] {
            rolled_over(folder.path(), members, percent).await;
        }
        recalculated(folder.path(), members).await;
    });
}
