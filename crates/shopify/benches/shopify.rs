//! The time from a webhook's bytes to facts: bare and in an envelope, without whitespace (as webhooks come) and with it.
//!
//! Besides the project's own order, the bodies are real ones from `../shared/fixtures` beside the checkout, if it is
//! there. `serde_json` skipping the same bytes without reading anything is the least that any reader built on it needs.
//!
//! Best of many runs, measured on a shared 2-core x86-64 machine: 5.2 µs for 4.2 kB without whitespace, 6.3 µs for 5.0
//! kB, 9.4 µs for 7.9 kB. Of these, skipping alone takes 2.9, 3.2 and 5.2 µs. The target of 5 µs for 6 kB is not
//! reached. The mapping is less than a tenth of it; detecting that a bare body is not an envelope costs 0.5 µs.
//!
//! The reason for `serde_json` and not `sonic-rs` 0.5, measured on the same machine in one program: reading the 5.0 kB
//! into such structs, without the mapping, took 4.5 µs with `serde_json`, and 4.6 µs with `sonic-rs` with numbers kept as
//! written (4.0 µs with numbers as floats). The same order with whitespace, 6.2 kB, took 5.2 µs and 7.2 µs (6.5 µs). For
//! skipping the 4.2 kB alone, no faster reader was found to build on: `serde_json` 2.8 µs, `sonic-rs` 0.5 2.3 µs and,
//! value by value on demand, 3.7 µs (2.4 µs without checking that the skipped text is JSON), `hifijson` 0.5 6.5 µs.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde::de::IgnoredAny;
use serde_json::Value;

const OWN: &[u8] = include_bytes!("data/order.json");

/// Bodies as stored, and without whitespace, as real webhooks come.
fn bodies() -> Vec<(String, Vec<u8>)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/shopify");
    let mut kept = vec![("own order".to_owned(), OWN.to_vec())];
    for name in ["orders_create/08-goshopify-test-order.json", "orders_paid/03-rest-guest-no-customer-eur-2026-01.json"]
    {
        match fs::read(fixtures.join(name)) {
            Ok(body) => kept.push((name.replace(".json", "").replace('/', " "), body)),
            Err(error) => println!("{name} left out: {error}"),
        }
    }
    let mut bodies = Vec::new();
    for (name, body) in kept {
        match serde_json::from_slice::<Value>(&body) {
            Ok(value) => {
                let minified = value.to_string().into_bytes();
                bodies.push((format!("{name}, enveloped"), enveloped(&minified)));
                bodies.push((format!("{name}, pretty"), format!("{value:#}").into_bytes()));
                bodies.push((format!("{name}, minified"), minified));
            }
            Err(error) => println!("{name} left out: {error}"),
        }
    }
    bodies
}

fn enveloped(body: &[u8]) -> Vec<u8> {
    let head = br#"{"version":"0","id":"1","detail-type":"shopifyWebhook","source":"aws.partner/shopify.com/1/echelon","time":"2026-03-01T09:15:05Z","detail":{"payload":"#;
    let tail = br#","metadata":{"X-Shopify-Topic":"orders/paid","X-Shopify-Shop-Domain":"echelon.myshopify.com"}}}"#;
    [head.as_slice(), body, tail].concat()
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
