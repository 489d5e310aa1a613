//! Evaluations per second on one core, from the compact form: members with 1 to 10,000 movements, per period. The same run
//! measures two baselines on movements that are already decoded, priced and in order. One is a plain evaluation in decimals,
//! which yields tier, progress and end for a lifetime and for calendar years. The other is the least work possible: a sum of
//! integers that yields a tier and nothing else.
//!
//! `cargo bench -p tests --bench evaluate`

use std::hint::black_box;
use std::ops::Range;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rules::calendar::{Instant, Zones};
use rules::compact::Packed;
use rules::program::{Program, Rank};
use rules::replay::Replay;
use rules::version::{Version, Versions};
use rust_decimal::Decimal;
use serde_json::{Value, json};

const BEGIN: i64 = 1_672_531_200_000; // 2023-01-01
const THREE_YEARS: i64 = 3 * 365 * 86_400_000;

/// A packed member with `orders` orders spread over three years, one in twenty partly refunded.
fn packed(orders: i64) -> Vec<u8> {
    let program = program(&json!("lifetime"));
    let mut replay = Replay::start(
        &json!({ "active": false, "start_date": "2023-01-01", "tiers": program["tiers"] }),
        &Zones::built_in(),
    )
    .unwrap();
    let end = Instant::from_millis(BEGIN + THREE_YEARS);
    let mut facts = Vec::new();
    for n in 0..orders {
        let at = BEGIN + (THREE_YEARS / orders * n) / 1_000 * 1_000 + n % 7 * 3_000;
        let cents = 1_999 + n * 7_919 % 20_000;
        facts.push((
            at,
            json!({ "type": "order.paid", "member_id": "anna", "order_id": (5_500_000_000_000 + n * 37).to_string(),
            "occurred_at": Instant::from_millis(at).to_string(), "total": format!("{}.{:02}", cents / 100, cents % 100),
            "tax": "1.99", "shipping": "4.90", "currency": "USD" }),
        ));
        if n % 20 == 13 {
            let at = at + 9 * 86_400_000;
            facts.push((
                at,
                json!({ "type": "order.refunded", "order_id": (5_500_000_000_000 + n * 37).to_string(),
                "refund_id": (880_000_000_000 + n).to_string(), "occurred_at": Instant::from_millis(at).to_string(),
                "amount": "10.00" }),
            ));
        }
    }
    facts.sort_by_key(|(at, _)| *at);
    for (_, fact) in &facts {
        replay.line(fact, end).unwrap();
    }
    let anna = rules::id::MemberId::new("anna").unwrap();
    rules::compact::pack(replay.index().ledger(&anna).unwrap(), replay.record(&anna).unwrap())
}

fn program(period: &Value) -> Value {
    json!({ "start_date": "2023-01-01", "timezone": "America/New_York",
            "milestone": { "metric": "amount_spent", "period": period },
            "tiers": [{ "id": "bronze", "threshold": 100 }, { "id": "silver", "threshold": 250 },
                      { "id": "gold", "threshold": 500 }, { "id": "platinum", "threshold": 1000 }] })
}

/// A movement as a plain evaluation would hold it: the instant at which it acts, the instant it is dated, the amount.
type Moved = (Instant, Instant, Decimal);

fn decoded(bytes: &[u8]) -> Vec<Moved> {
    let ledger = Packed::open(bytes).unwrap().ledger().unwrap();
    let mut movements = Vec::new();
    for order in ledger.orders() {
        let dated = order.at;
        movements.push((dated, dated, order.charge.total.decimal()));
        movements.extend(order.refunds.iter().map(|refund| (refund.at, dated, -refund.refunded.amount.decimal())));
    }
    movements.sort_unstable();
    movements
}

/// The result of a plain evaluation.
#[derive(Debug)]
struct Plain {
    tier: Option<usize>,
    counted: Decimal,
    next: Option<(usize, Decimal)>,
    valid_until: Option<Instant>,
}

fn counted(movements: &[Moved], as_of: Instant, window: Range<Instant>) -> Decimal {
    let counts = |(at, dated, _): &&Moved| *at <= as_of && window.contains(dated);
    movements.iter().filter(counts).map(|(.., amount)| amount).sum()
}

fn reached(thresholds: &[Decimal], counted: Decimal) -> Option<usize> {
    thresholds.iter().rposition(|threshold| *threshold <= counted)
}

fn plain(thresholds: &[Decimal], tier: Option<usize>, counted: Decimal, valid_until: Option<Instant>) -> Plain {
    let next = tier.map_or(0, |tier| tier + 1);
    let next = thresholds.get(next).map(|threshold| (next, (*threshold - counted).max(Decimal::ZERO)));
    Plain { tier, counted, next, valid_until }
}

/// Evaluates a lifetime plainly: credit never ages.
fn plain_lifetime(movements: &[Moved], thresholds: &[Decimal], as_of: Instant, start: Instant) -> Plain {
    let counted = counted(movements, as_of, start..Instant::from_millis(i64::MAX));
    plain(thresholds, reached(thresholds, counted), counted, None)
}

/// Evaluates a calendar year plainly: the better tier of two years, until the older year has ended or both have. `years` are the
/// New Years from last year's to the one after next.
fn plain_year(movements: &[Moved], thresholds: &[Decimal], as_of: Instant, years: [Instant; 4]) -> Plain {
    let [last, this, next, after] = years;
    let (now, before) = (counted(movements, as_of, this..next), counted(movements, as_of, last..this));
    let (earned, kept) = (reached(thresholds, now), reached(thresholds, before));
    let tier = earned.max(kept);
    plain(thresholds, tier, now, tier.map(|_| if kept > earned { next } else { after }))
}

/// The least work possible: sums the integers that act by an instant, on the days of a window, and finds the tier.
fn least(movements: &[(i64, i32, i64)], thresholds: &[i64], as_of: i64, window: (i32, i32)) -> Option<usize> {
    let counts = |(at, day, _): &&(i64, i32, i64)| *at <= as_of && window.0 <= *day && *day <= window.1;
    let sum: i64 = movements.iter().filter(counts).map(|(.., amount)| amount).sum();
    thresholds.iter().rposition(|threshold| *threshold <= sum)
}

fn in_integers((at, dated, amount): &Moved) -> (i64, i32, i64) {
    let day = i32::try_from(dated.millis().div_euclid(86_400_000)).unwrap();
    (at.millis(), day, (amount * Decimal::from(10_000)).try_into().unwrap())
}

fn new_york_new_year(year: i32) -> Instant {
    Instant::parse(&format!("{year}-01-01T00:00:00-05:00")).unwrap()
}

/// Checks that a plain evaluation says the same; otherwise comparing with it is worth nothing.
fn assert_same(plain: &Plain, bytes: &[u8], version: &Version, as_of: Instant) {
    let standing = Packed::open(bytes).unwrap().standing(version, as_of).unwrap();
    let place = |rank: Rank| version.program.tiers().position(|(other, _)| other == rank).unwrap();
    let progress = standing.progress.unwrap();
    assert_eq!(plain.tier, standing.tier.map(place));
    assert_eq!(plain.counted.normalize().to_string(), progress.counted.to_string());
    let missing = |missing: &Decimal| missing.normalize().to_string();
    let next = plain.next.as_ref().map(|(tier, rest)| (*tier, missing(rest)));
    assert_eq!(next, progress.next.map(|(rank, rest)| (place(rank), rest.to_string())));
    assert_eq!(plain.valid_until, standing.valid_until);
}

fn evaluate(c: &mut Criterion) {
    let periods = [
        ("lifetime", json!("lifetime")),
        ("calendar_year", json!("calendar_year")),
        ("since_last_upgrade", json!("since_last_upgrade")),
        ("rolling", json!("rolling")),
    ];
    let as_of = Instant::from_millis(BEGIN + THREE_YEARS - 40 * 86_400_000);
    for orders in [1, 10, 24, 100, 10_000] {
        let bytes = packed(orders);
        let mut group = c.benchmark_group(format!("evaluate/{orders} orders, {} bytes", bytes.len()));
        group.throughput(Throughput::Elements(1));
        for (name, period) in &periods {
            let draft = Program::read(&program(period), &Zones::built_in()).unwrap();
            let versions = Versions::first(draft.program, None).unwrap();
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| Packed::open(black_box(&bytes)).unwrap().standing(versions.last(), as_of).unwrap());
            });
        }
        let (movements, thresholds) = (decoded(&bytes), [100, 250, 500, 1000].map(Decimal::from));
        let new_years = [2024, 2025, 2026, 2027].map(new_york_new_year);
        let start = Instant::from_millis(BEGIN + 5 * 3_600_000);
        let version = |period: &str| {
            Versions::first(Program::read(&program(&json!(period)), &Zones::built_in()).unwrap().program, None)
        };
        let (lifetime, year) = (version("lifetime").unwrap(), version("calendar_year").unwrap());
        assert_same(&plain_lifetime(&movements, &thresholds, as_of, start), &bytes, lifetime.last(), as_of);
        assert_same(&plain_year(&movements, &thresholds, as_of, new_years), &bytes, year.last(), as_of);
        group.bench_function(BenchmarkId::from_parameter("plain lifetime"), |b| {
            b.iter(|| plain_lifetime(black_box(&movements), black_box(&thresholds), as_of, start));
        });
        group.bench_function(BenchmarkId::from_parameter("plain calendar_year"), |b| {
            b.iter(|| plain_year(black_box(&movements), black_box(&thresholds), as_of, black_box(new_years)));
        });
        let movements: Vec<_> = movements.iter().map(in_integers).collect();
        let (thresholds, window) = ([100, 250, 500, 1000].map(|units| units * 10_000), (0, i32::MAX));
        group.bench_function(BenchmarkId::from_parameter("least"), |b| {
            b.iter(|| {
                least(black_box(&movements), black_box(&thresholds), black_box(as_of.millis()), black_box(window))
            });
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(2)).warm_up_time(std::time::Duration::from_secs(1));
    targets = evaluate
}
criterion_main!(benches);
