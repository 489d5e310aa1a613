//! How long a webhook takes from bytes to facts. To beat: 5 µs for an order body of 6 kB.
//!
//! Besides the project's own order, the bodies are real ones from `../shared/fixtures` beside the checkout, where they
//! are; `serde_json` passing over the same bytes without reading anything is what any reader built on it would need.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::de::IgnoredAny;
use service::wire::shopify;

const OWN: &[u8] = include_bytes!("data/order.json");

fn bodies() -> Vec<(String, Vec<u8>)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/shopify");
    let mut bodies = vec![("own order".to_owned(), OWN.to_vec()), ("own order, enveloped".to_owned(), enveloped())];
    for name in ["orders_create/08-goshopify-test-order.json", "orders_paid/03-rest-guest-no-customer-eur-2026-01.json"]
    {
        match fs::read(fixtures.join(name)) {
            Ok(body) => bodies.push((name.replace(".json", "").replace('/', " "), body)),
            Err(error) => println!("{name} left out: {error}"),
        }
    }
    bodies
}

fn enveloped() -> Vec<u8> {
    let head = br#"{"version":"0","id":"1","detail-type":"shopifyWebhook","source":"aws.partner/shopify.com/1/echelon",
        "time":"2026-03-01T09:15:05Z","detail":{"payload":"#;
    let tail = br#","metadata":{"X-Shopify-Topic":"orders/paid","X-Shopify-Shop-Domain":"echelon.myshopify.com"}}}"#;
    [head.as_slice(), OWN, tail].concat()
}

fn bench(criterion: &mut Criterion) {
    for (name, body) in bodies() {
        let mut group = criterion.benchmark_group(&name);
        group.throughput(Throughput::Bytes(u64::try_from(body.len()).unwrap_or(0)));
        group.bench_function("to facts", |b| b.iter(|| shopify::read(black_box(&body), Some("orders/paid"))));
        let skip = |body: &[u8]| serde_json::from_slice::<IgnoredAny>(body).is_ok();
        group.bench_function("serde_json passing over", |b| b.iter(|| skip(black_box(&body))));
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
