//! Evaluations per second on one core, from the compact form: members with 1 to 10,000 movements, per period. Beside
//! them, in the same run, the naive evaluation that they are measured against: movements that are decoded already are
//! added up and compared with the thresholds, which tells a tier and nothing else.
//!
//! `cargo bench -p tests --bench evaluate`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rules::calendar::Instant;
use rules::compact::Packed;
use rules::program::Program;
use rules::quantity::Amount;
use rules::replay::Replay;
use rules::version::Versions;
use serde_json::{Value, json};

const BEGIN: i64 = 1_672_531_200_000; // 2023-01-01
const THREE_YEARS: i64 = 3 * 365 * 86_400_000;

/// A member with so many orders, spread over three years, one in twenty refunded in part.
fn packed(orders: i64) -> Vec<u8> {
    let program = program(&json!("lifetime"));
    let mut replay =
        Replay::start(&json!({ "active": false, "start_date": "2023-01-01", "tiers": program["tiers"] })).unwrap();
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
    rules::compact::pack(replay.book().ledger(&anna).unwrap(), replay.record(&anna).unwrap())
}

fn program(period: &Value) -> Value {
    json!({ "start_date": "2023-01-01", "timezone": "America/New_York",
            "milestone": { "metric": "amount_spent", "period": period },
            "tiers": [{ "id": "bronze", "threshold": 100 }, { "id": "silver", "threshold": 250 },
                      { "id": "gold", "threshold": 500 }, { "id": "platinum", "threshold": 1000 }] })
}

/// The movements of a member as a naive evaluation would have them in memory: instant, day, ten-thousandths.
fn decoded(bytes: &[u8]) -> Vec<(i64, i32, i64)> {
    let ledger = Packed::open(bytes).unwrap().ledger().unwrap();
    let day = |at: Instant| i32::try_from(at.millis().div_euclid(86_400_000)).unwrap();
    let amount = |amount: Amount| i64::try_from(amount.ten_thousandths()).unwrap();
    let mut movements = Vec::new();
    for order in ledger.orders() {
        let (at, day) = (order.paid.occurred_at, day(order.paid.occurred_at));
        movements.push((at.millis(), day, amount(order.paid.total)));
        movements.extend(order.refunds.iter().map(|refund| (refund.at.millis(), day, -amount(refund.amount))));
    }
    movements.sort_unstable();
    movements
}

/// The tier of what was moved by an instant on days of a window.
fn naive(movements: &[(i64, i32, i64)], thresholds: &[i64], as_of: i64, window: (i32, i32)) -> Option<usize> {
    let counts = |(at, day, _): &&(i64, i32, i64)| *at <= as_of && window.0 <= *day && *day <= window.1;
    let sum: i64 = movements.iter().filter(counts).map(|(.., amount)| amount).sum();
    thresholds.iter().rposition(|threshold| *threshold <= sum)
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
            let draft = Program::read(&program(period)).unwrap();
            let versions = Versions::first(draft.program, None).unwrap();
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter(|| Packed::open(black_box(&bytes)).unwrap().standing(versions.last(), as_of).unwrap());
            });
        }
        let (movements, thresholds) = (decoded(&bytes), [100, 250, 500, 1000].map(|units| units * 10_000));
        let window = (0, i32::MAX);
        group.bench_function(BenchmarkId::from_parameter("naive"), |b| {
            b.iter(|| {
                naive(black_box(&movements), black_box(&thresholds), black_box(as_of.millis()), black_box(window))
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
