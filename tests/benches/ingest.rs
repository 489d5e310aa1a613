//! Events per second through ingest, on the embedded store in a file and on DynamoDB Local, beside the store's own writes in the
//! same run; and the cost of a million events in request units.
//!
//!     cargo bench --workspace --bench ingest          (EVENTS=n for other sizes)
//!
//! The cost of a million events is taken from the embedded store, which charges as AWS does; DynamoDB Local does not.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use serde_json::{Value, json};
use store::Units;
use store::table::{Tables, create_unstreamed};
use tests::system::{System, instant};

/// On demand, per million, in us-east-1 (`design` of the storage: ARCHITECTURE.md).
const DOLLARS_PER_MILLION: (f64, f64) = (0.625, 0.125);

struct Measured {
    what: &'static str,
    events: usize,
    took: Duration,
    each: Vec<Duration>,
    used: Option<Units>,
}

impl Measured {
    fn print(&mut self) {
        self.each.sort_unstable();
        let at = |percent: usize| self.each[(self.each.len() * percent / 100).min(self.each.len() - 1)];
        let rate = self.events as f64 / self.took.as_secs_f64();
        let (p50, p99) = (at(50).as_secs_f64() * 1e3, at(99).as_secs_f64() * 1e3);
        print!("  {:<44} {rate:>8.0}/s   {p50:>7.2} ms p50 {p99:>8.2} ms p99", self.what);
        if let Some(Units { reads, table_writes, index_writes }) = self.used {
            let each = |halves: i64| halves as f64 / 2.0 / self.events as f64;
            let (tables, indexes, reads) = (each(table_writes), each(index_writes), each(reads));
            let dollars = (tables + indexes) * DOLLARS_PER_MILLION.0 + reads * DOLLARS_PER_MILLION.1;
            print!("   {tables:.2} + {indexes:.2} WRU, {reads:.2} RRU: ${dollars:.2} per million");
        }
        println!();
    }
}

fn order(id: usize, member: usize) -> Value {
    json!({ "type": "order.paid", "order_id": format!("8209829{id:09}"), "member_id": format!("20711{member:06}"),
            "total": format!("{}.95", 20 + id % 90), "tax": "1.20", "shipping": "4.90",
            "occurred_at": "2024-05-01T10:00:00Z" })
}

async fn told(system: &System, what: &'static str, batches: Vec<Vec<Value>>) -> Measured {
    let events = batches.iter().map(Vec::len).sum();
    let mut each = Vec::with_capacity(batches.len());
    system.used();
    let begun = Instant::now();
    for batch in &batches {
        let one = Instant::now();
        let report = system.tell(batch).await;
        each.push(one.elapsed());
        assert_eq!((report.failed.len(), report.counts.applied), (0, batch.len() as u64), "{:?}", report.failure);
    }
    Measured { what, events, took: begun.elapsed(), each, used: Some(system.used()) }
}

/// Measures the store by itself: transactions of two new items, as a single order needs one.
async fn alone(client: &Client, table: &str, events: usize) -> Measured {
    let mut each = Vec::with_capacity(events);
    let begun = Instant::now();
    for n in 0..events {
        let one = Instant::now();
        let put = |half: &str| {
            let text = |text: String| AttributeValue::S(text);
            let put = Put::builder()
                .table_name(table)
                .item("pk", text(format!("bench#{n}")))
                .item("sk", text(half.to_owned()));
            let put = put.item("body", text("x".repeat(300))).condition_expression("attribute_not_exists(pk)").build();
            TransactWriteItem::builder().put(put.unwrap()).build()
        };
        client.transact_write_items().transact_items(put("a")).transact_items(put("b")).send().await.unwrap();
        each.push(one.elapsed());
    }
    Measured { what: "the store alone: transactions of two items", events, took: begun.elapsed(), each, used: None }
}

async fn measure(name: &str, client: Client, prefix: &str, events: usize) {
    let system = System::new(client, prefix).await;
    system.at(instant("2024-01-01T00:00:00Z"));
    let tiers = json!([{ "id": "gold", "threshold": 1_000_000_000 }]);
    let program = json!({ "start_date": "2023-01-01", "milestone": { "metric": "amount_spent" }, "tiers": tiers });
    system.publish(&program, &json!({})).await;
    system.at(instant("2024-06-01T12:00:00Z"));
    println!("{name}, {events} events each:");
    alone(system.store.client(), &system.store.tables().control, events).await.print();
    // Known members, in no order.
    let member = |n: usize| n * 7919 % 2_000;
    let known: Vec<Vec<Value>> = (0..20).map(|n| (n * 100..n * 100 + 100).map(|n| order(n, n)).collect()).collect();
    told(&system, "(new members, 100 in a batch)", known).await.print();
    let single = (10_000..10_000 + events).map(|n| vec![order(n, member(n))]).collect();
    told(&system, "one order at a time", single).await.print();
    let from = 10_000 + events;
    let many = (0..events / 100).map(|b| (0..100).map(|n| order(from + b * 100 + n, member(b * 100 + n))).collect());
    told(&system, "100 orders of 100 members in a batch", many.collect()).await.print();
    let from = from + events;
    let folded = (0..events / 99).map(|b| (0..99).map(|n| order(from + b * 99 + n, member(b * 33 + n / 3))).collect());
    told(&system, "99 orders of 33 members in a batch: folded", folded.collect()).await.print();
}

fn main() {
    // `cargo test --benches` runs this too, to see that it works.
    let quick = !std::env::args().any(|argument| argument == "--bench");
    let asked = std::env::var("EVENTS").ok().and_then(|events| events.parse().ok());
    let events = asked.unwrap_or(if quick { 100 } else { 2_000 });
    let executor = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    executor.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let store = embedded_dynamodb::Store::open(&folder.path().join("bench.db")).unwrap();
        // As `echelon serve` creates them: the embedded store goes through a whole stream at every write.
        create_unstreamed(&store.client(), &Tables::prefixed("bench")).await.unwrap();
        measure("embedded store, in a file", store.client(), "bench", events).await;
        let place = tests::dynamodb::local().await;
        measure("DynamoDB Local, in memory", place.client, &place.prefix, events).await;
    });
}
