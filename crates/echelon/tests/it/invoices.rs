//! A real shop's invoices, imported by the built binary and replayed: in seconds, and small in their compact form.
//!
//! The file is not the project's to ship. On a machine without it, these tests print that they are skipped; if
//! `ECHELON_SHARED` is set, as `.ci/run` does where `../shared` exists, they fail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use rules::calendar::{Instant, Zones};
use rules::compact::{Packed, pack};
use rules::replay::Replay;
use serde_json::{Value, json};

const INVOICES: &str = "../../../shared/fixtures/orders/online-retail-uci-invoices.csv.gz";

/// The invoices as events, if the file exists.
fn events() -> Option<Vec<Value>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(INVOICES);
    if !file.exists() {
        assert!(std::env::var_os("ECHELON_SHARED").is_none(), "the invoice file is missing beside the checkout");
        eprintln!("skipped: there is no invoice file beside the checkout");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let output: PathBuf = folder.path().join("events.jsonl");
    // 402 returns find no invoice, so the import ends with findings.
    let import = ["import", "--preset", "invoices", "--report", "/dev/null", "--output"];
    Command::cargo_bin("echelon").unwrap().args(import).arg(&output).arg(file).assert().code(1);
    let text = std::fs::read_to_string(output).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn program(period: &Value) -> Value {
    json!({ "start_date": "2010-12-01", "timezone": "Europe/London", "currency": "GBP",
            "milestone": { "metric": "amount_spent", "period": period },
            "tiers": [{ "id": "bronze", "threshold": 250 }, { "id": "silver", "threshold": 1000 },
                      { "id": "gold", "threshold": 5000 }] })
}

fn replay(program: &Value, events: &[Value], as_of: &str) -> Replay {
    let as_of = Instant::parse(as_of).unwrap();
    let mut replay = Replay::start(program, &Zones::built_in()).unwrap();
    for event in events {
        replay.line(event, as_of).unwrap();
    }
    replay.finish(as_of);
    replay
}

fn tiers(replay: &Replay, as_of: &str) -> BTreeMap<String, usize> {
    let as_of = Instant::parse(as_of).unwrap();
    let mut tiers = BTreeMap::new();
    for member in replay.members() {
        let standing = replay.standing(member, as_of).unwrap();
        let tier = replay.version_at(as_of).program.tier_id(standing.tier).map_or("none", |tier| tier.as_str());
        *tiers.entry(tier.to_owned()).or_default() += 1;
    }
    tiers
}

#[test]
fn the_real_invoices_replay_under_every_period() {
    let Some(events) = events() else { return };
    let day = "2012-01-01T00:00:00Z";
    let count = |period: Value| {
        let tiers = tiers(&replay(&program(&period), &events, day), day);
        ["gold", "silver", "bronze", "none"].map(|tier| tiers.get(tier).copied().unwrap_or_default())
    };
    let lifetime = count(json!("lifetime"));
    assert_eq!(lifetime.iter().sum::<usize>(), 4_339, "every customer of the file, but for 33 who only returned");
    assert_eq!(lifetime, [268, 1381, 1819, 871]);
    // Also verified by hand: the sum of each customer's orders dated in 2011, less their returns. On this New Year the
    // trailing 365 days hold the same orders, because no customer bought on January 1, 2011.
    assert_eq!(count(json!("calendar_year")), [238, 1329, 1760, 1012]);
    assert_eq!(count(json!("rolling")), [238, 1329, 1760, 1012]);
    assert_eq!(count(json!("since_last_upgrade")), [164, 1064, 2139, 972]);
}

/// The same customers with this number of years like the one in the file.
fn projected(events: &[Value], years: i64) -> Vec<Value> {
    let mut all = Vec::new();
    for year in 0..years {
        for event in events {
            let mut event = event.clone();
            let at = Instant::parse(event["occurred_at"].as_str().unwrap()).unwrap();
            event["occurred_at"] = json!(at.plus_millis(year * 365 * 86_400_000).to_string());
            event.as_object_mut().unwrap().remove("received_at");
            event.as_object_mut().unwrap().remove("revision");
            for key in ["order_id", "refund_id"] {
                if let Some(id) = event.get(key).and_then(Value::as_str) {
                    let (prefix, digits) = id.split_at(id.len() - 6);
                    event[key] = json!(format!("{prefix}{}", digits.parse::<i64>().unwrap() + year * 50_000));
                }
            }
            all.push(event);
        }
    }
    all
}

fn sizes(replay: &Replay) -> Vec<usize> {
    let mut sizes = Vec::new();
    for member in replay.members() {
        let (ledger, record) = (replay.index().ledger(member).unwrap(), replay.record(member).unwrap());
        let bytes = pack(ledger, record);
        assert_eq!(&Packed::open(&bytes).unwrap().ledger().unwrap(), ledger);
        sizes.push(bytes.len());
    }
    sizes.sort_unstable();
    sizes
}

#[test]
fn nearly_every_real_customer_takes_at_most_1024_bytes() {
    let Some(events) = events() else { return };
    let mut shares = Vec::new();
    for years in [1, 3, 5] {
        let until = format!("{}-02-01T00:00:00Z", 2011 + years);
        let sizes = sizes(&replay(&program(&json!("calendar_year")), &projected(&events, years), &until));
        let small = sizes.partition_point(|size| *size <= 1_024);
        let share = small * 10_000 / sizes.len();
        let [p50, p98] = [50, 98].map(|percent| sizes[sizes.len() * percent / 100]);
        println!("{years} years: {}.{:02} % at most 1,024 bytes; p50 {p50}, p98 {p98}", share / 100, share % 100);
        shares.push(share);
    }
    assert!(shares[0] >= 9_800, "{shares:?}");
}
