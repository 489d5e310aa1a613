//! January 1, 2027 in the zones whose clocks governments changed in 2026, on the built command: events over its queue, its own
//! sweep, the API, and what customers see in a browser. Instants are written in UTC, on which the world agrees.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::served::{PATIENCE, Served};

/// The origin of the shop's page.
const SHOP: &str = "http://shop.test";

/// A zone, the first instants of 2027 and of 2029 there, and half an hour into 2027.
const ZONES: [[&str; 4]; 8] = [
    ["America/Vancouver", "2027-01-01T07:00:00Z", "2029-01-01T07:00:00Z", "2027-01-01T07:30:00Z"],
    ["America/Edmonton", "2027-01-01T06:00:00Z", "2029-01-01T06:00:00Z", "2027-01-01T06:30:00Z"],
    ["America/Winnipeg", "2027-01-01T05:00:00Z", "2029-01-01T05:00:00Z", "2027-01-01T05:30:00Z"],
    ["America/Inuvik", "2027-01-01T06:00:00Z", "2029-01-01T06:00:00Z", "2027-01-01T06:30:00Z"],
    // A link to Edmonton's, which programs may still name.
    ["America/Yellowknife", "2027-01-01T06:00:00Z", "2029-01-01T06:00:00Z", "2027-01-01T06:30:00Z"],
    // Havana's clocks stay on summer time in the winter of 2026, and go back in later ones.
    ["America/Havana", "2027-01-01T04:00:00Z", "2029-01-01T05:00:00Z", "2027-01-01T04:30:00Z"],
    ["Africa/Casablanca", "2027-01-01T00:00:00Z", "2029-01-01T00:00:00Z", "2027-01-01T00:30:00Z"],
    // Nothing changed there.
    ["Europe/Berlin", "2026-12-31T23:00:00Z", "2028-12-31T23:00:00Z", "2026-12-31T23:30:00Z"],
];

fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(50));
    }
}

/// Sends an order over the queue, as ingest takes events in.
fn order(served: &Served, id: &str, at: &str, total: &str) {
    let event = json!({ "type": "order.paid", "member_id": "anna", "order_id": id, "occurred_at": at, "total": total });
    assert_eq!(served.ask("POST", "/events", &event), json!({ "accepted": 1 }));
    until("the order is taken in", || (served.ask("GET", "/health", &Value::Null)["waiting"] == 0).then_some(()));
}

fn standing(served: &Served) -> Value {
    served.ask("GET", "/v1/members/anna", &Value::Null)
}

#[test]
fn an_order_half_an_hour_after_new_year_2027_counts_for_2027_through_every_door() {
    for [zone, new_year, end, half_past] in ZONES {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program.json");
        let rules = json!({ "start_date": "2023-01-01", "timezone": zone, "currency": "USD",
            "milestone": { "metric": "amount_spent", "period": "calendar_year" },
            "tiers": [{ "id": "gold", "name": "Gold", "threshold": "500" }] });
        std::fs::write(&program, rules.to_string()).unwrap();
        let served = Served::start(folder.path(), &program, &["--open", "--cors", SHOP], None);
        let clock = |now: &str| served.ask("POST", "/clock", &json!({ "now": now }));

        order(&served, "1", "2025-06-01T09:00:00Z", "500.00");
        let before = standing(&served);
        assert_eq!(
            (&before["valid_until"], &before["valid_through"]),
            (&json!(new_year), &json!("2026-12-31")),
            "{zone}"
        );

        // The sweep of the midnight ends the tier at it.
        clock(half_past);
        let is_swept = || {
            let jobs = served.ask("GET", "/v1/jobs", &Value::Null);
            let id = format!("{}.000Z-rollover", new_year.trim_end_matches('Z'));
            jobs["jobs"]
                .as_array()
                .unwrap()
                .iter()
                .find(|job| job["id"] == id.as_str() && job["state"] == "done")
                .cloned()
        };
        let job = until(&format!("{zone}: the midnight is swept"), is_swept);
        assert_eq!(
            (&job["day"], &job["zones"]),
            (&json!("2027-01-01"), &json!([rules::calendar::Zones::built_in().release()]))
        );
        let history = served.ask("GET", "/v1/members/anna/history", &Value::Null);
        let left = history["entries"].as_array().unwrap().iter().find(|row| row["detail"]["change"] == "left").cloned();
        let left = left.unwrap_or_else(|| panic!("{zone}: {history}"))["detail"].take();
        assert_eq!((&left["effective_at"], &left["cause"]), (&json!(new_year), &json!("period_end")), "{zone}");

        assert_eq!(served.ask("GET", "/health", &Value::Null)["zones"], job["zones"][0]);

        order(&served, "2", half_past, "500.00");
        let after = standing(&served);
        assert_eq!((&after["tier"]["id"], &after["since"]), (&json!("gold"), &json!(half_past)), "{zone}: {after}");
        assert_eq!((&after["valid_until"], &after["valid_through"]), (&json!(end), &json!("2028-12-31")), "{zone}");
        assert_eq!(
            (&after["progress"]["counted"], &after["progress"]["from"]),
            (&json!("500.00"), &json!(new_year)),
            "{zone}"
        );

        let mut browser = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/browser"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/new-year.mjs");
        browser.arg("run").arg(script).args([&format!("http://{}", served.address), SHOP]);
        browser.args(["Valid through December 31, 2028.", &served.token_of("anna")]);
        let seen = browser.stdin(Stdio::null()).output().unwrap();
        assert!(seen.status.success(), "{zone}: {}", String::from_utf8_lossy(&seen.stderr));
    }
}
