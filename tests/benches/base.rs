//! Evaluation of whole member bases on all cores, from the compact form: the customers of the real invoice file, and 1,000,000
//! generated members, under each period. This is what a recalculation or a January 1 sweep computes per member.
//!
//! `cargo bench -p tests --bench base` (the million members are 100,000 different ones, ten times each)

use std::fs::File;
use std::path::Path;
use std::thread::{available_parallelism, scope};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rules::calendar::{Instant, Zones};
use rules::compact::{Packed, pack};
use rules::fact::{Currency, Fact};
use rules::fact_index::FactIndex;
use rules::program::Program;
use rules::record::Record;
use rules::version::{Version, Versions};
use sample_shop::{Event, Sample, Setup};
use serde_json::{Value, json};

/// Customers of one generated shop. Its facts are packed and dropped before the next shop is generated.
const SHOP: u32 = 10_000;

fn packed(index: &FactIndex) -> impl Iterator<Item = Vec<u8>> {
    index.members().filter_map(|id| index.ledger(id)).map(|ledger| pack(ledger, &Record::default()))
}

/// Generates members, packed: up to 100,000 different ones, repeated as often as necessary.
fn generated(members: usize) -> Vec<Vec<u8>> {
    let seeds: Vec<u64> = (0..10).collect();
    let shops: Vec<Vec<u8>> = scope(|scope| {
        let parts: Vec<_> = seeds
            .chunks(5)
            .map(|seeds| scope.spawn(|| seeds.iter().flat_map(|seed| shop(*seed)).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    shops.iter().cycle().take(members).cloned().collect()
}

fn shop(seed: u64) -> Vec<Vec<u8>> {
    let mut index = FactIndex::new();
    for event in Sample::of(Setup { seed, customers: SHOP }) {
        if let Event::Fact(told) = event {
            index.apply(told.fact);
        }
    }
    packed(&index).collect()
}

/// The real invoices, straight from their file: orders only, because returns need the import's matching.
fn invoices() -> Option<Vec<Vec<u8>>> {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/orders/online-retail-uci-invoices.csv.gz");
    let mut csv = csv::Reader::from_reader(flate2::read::GzDecoder::new(File::open(file).ok()?));
    let mut index = FactIndex::new();
    for row in csv.records() {
        let row = row.ok()?;
        if row[5] == *"order" && !row[1].is_empty() {
            let order = json!({ "type": "order.paid", "order_id": row[0], "member_id": row[1], "total": row[3],
                                "occurred_at": format!("{}Z", &row[2]), "currency": row[4] });
            index.apply(Fact::read(&order, Currency::from_code("GBP")?).ok()?.fact);
        }
    }
    Some(packed(&index).collect())
}

fn version(period: &Value, currency: &str) -> Version {
    let program = json!({ "start_date": "2010-12-01", "effective_at": "2010-12-01T00:00:00Z", "currency": currency,
        "timezone": "America/New_York", "milestone": { "metric": "amount_spent", "period": period },
        "tiers": [{ "id": "bronze", "threshold": 100 }, { "id": "silver", "threshold": 300 },
                  { "id": "gold", "threshold": 750 }, { "id": "platinum", "threshold": 2000 }] });
    let draft = Program::read(&program, &Zones::built_in()).unwrap();
    Versions::first(draft.program, draft.effective_at).unwrap().last().clone()
}

/// Counts the members that hold a tier: every member is opened and evaluated, on all cores.
fn holders(base: &[Vec<u8>], version: &Version, as_of: Instant) -> usize {
    let cores = available_parallelism().map_or(1, usize::from);
    let holds = |bytes: &&Vec<u8>| Packed::open(bytes).unwrap().standing(version, as_of).unwrap().tier.is_some();
    scope(|scope| {
        let parts = base.chunks(base.len().div_ceil(cores).max(1));
        let parts: Vec<_> = parts.map(|part| scope.spawn(move || part.iter().filter(holds).count())).collect();
        parts.into_iter().map(|part| part.join().unwrap()).sum()
    })
}

fn bench(c: &mut Criterion, name: &str, base: &[Vec<u8>], currency: &str, as_of: &str) {
    let bytes: usize = base.iter().map(Vec::len).sum();
    println!("{name}: {} members, {} bytes each", base.len(), bytes / base.len());
    let mut group = c.benchmark_group(name);
    group.sample_size(10).throughput(Throughput::Elements(base.len() as u64));
    let as_of = Instant::parse(as_of).unwrap();
    for period in ["lifetime", "calendar_year", "since_last_upgrade", "rolling"] {
        let version = version(&json!(period), currency);
        group.bench_function(BenchmarkId::from_parameter(period), |b| b.iter(|| holders(base, &version, as_of)));
    }
    group.finish();
}

fn bases(c: &mut Criterion) {
    match invoices() {
        Some(base) => bench(c, "real invoices", &base, "GBP", "2011-12-10T00:00:00Z"),
        None => println!("real invoices: not here (../shared/fixtures), passed over"),
    }
    let members = std::env::var("MEMBERS").map_or(1_000_000, |members| members.parse().unwrap());
    bench(c, "generated members", &generated(members), "USD", "2026-01-01T05:00:00Z");
}

criterion_group!(benches, bases);
criterion_main!(benches);
