//! Local days compared with an independent source: Python's zoneinfo with the same release of the database
//! (`golden/zones`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::NaiveDate;
use reference::tz::Tz;
use rules::calendar::{Day, Instant, Release, Zone, Zones};
use sha2::{Digest, Sha256};

const FIRST: (i32, u32, u32) = (1970, 1, 1);
const LAST: (i32, u32, u32) = (2200, 12, 31);

/// The lines of the built-in release's golden file: one for each zone, and one for each listed day whose midnight is
/// skipped or comes twice.
fn golden() -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let release = Zones::built_in().release();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../golden/zones/{release}.tsv"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; `tests/golden/zones/generate` writes it with a new release", path.display())
    });
    let lines = text.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    lines.partition(|fields| fields.last().is_some_and(|last| last.len() == 64))
}

fn days() -> impl Iterator<Item = NaiveDate> {
    let date = |(year, month, day)| NaiveDate::from_ymd_opt(year, month, day).unwrap();
    date(FIRST).iter_days().take_while(move |day| *day <= date(LAST))
}

/// A hash of midnights in the golden file's form: seconds since 1970, eight bytes each, little-endian.
fn hash(zone: &Zone) -> String {
    let mut hash = Sha256::new();
    for date in days() {
        let midnight = zone.midnight(Day::of(date)).millis();
        assert_eq!(midnight % 1_000, 0, "{zone:?} {date}");
        hash.update((midnight / 1_000).to_le_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_midnight_from_1970_to_2200_is_that_of_an_independent_source_in_every_zone() {
    let (of_zones, _) = golden();
    let zones = Zones::built_in();
    let mut names = zones.names();
    names.sort_unstable();
    let expected: Vec<&str> = of_zones.iter().map(|fields| fields[0].as_str()).collect();
    assert_eq!(names, expected, "the source has other zones");
    for fields in &of_zones {
        let zone = zones.named(&fields[0]).unwrap();
        assert_eq!(hash(&zone), fields[3], "{zone:?}: `tests/golden/zones/generate` finds other midnights");
    }
}

#[test]
fn both_names_of_a_linked_zone_have_the_same_days() {
    let (of_zones, _) = golden();
    let by_name: BTreeMap<&str, &str> =
        of_zones.iter().map(|fields| (fields[0].as_str(), fields[3].as_str())).collect();
    let zones = Zones::built_in();
    let mut linked = 0;
    for name in zones.names() {
        let Some(use_this) = zones.named(name).unwrap().name_to_use() else { continue };
        assert_eq!(by_name[name], by_name[use_this], "{name} and {use_this}");
        assert_eq!(hash(&zones.named(name).unwrap()), hash(&zones.named(use_this).unwrap()), "{name} and {use_this}");
        linked += 1;
    }
    assert!(linked > 100, "only {linked} legacy names");
}

#[test]
fn a_skipped_midnight_is_the_end_of_the_gap_and_of_two_the_first_counts() {
    let (of_zones, odd) = golden();
    let zones = Zones::built_in();
    for fields in &odd {
        let [name, date, midnight, kind] = fields.as_slice() else { panic!("{fields:?}") };
        let zone = zones.named(name).unwrap();
        let date: NaiveDate = date.parse().unwrap();
        let found = zone.midnight(Day::of(date));
        assert_eq!(found, Instant::parse(midnight).unwrap(), "{name} {date} {kind}");
        // A day that is skipped entirely begins where the next one does.
        assert!(
            zone.day(found).date() >= date && zone.day(found.plus_millis(-1)).date() < date,
            "{name} {date} {kind}"
        );
        let clock = zone.local(found).time();
        assert_eq!(
            clock == chrono::NaiveTime::MIN,
            *kind == "doubled" || zone.day(found).date() > date,
            "{name} {date}"
        );
    }
    // For some zones the file lists all such days.
    let of = |name: &str, kind: &str| odd.iter().filter(|fields| fields[0] == name && fields[3] == kind).count();
    for name in ["Africa/Cairo", "America/Havana", "Asia/Beirut", "Atlantic/Azores", "Pacific/Apia"] {
        let counts = of_zones.iter().find(|fields| fields[0] == name).unwrap();
        assert_eq!(
            [of(name, "skipped"), of(name, "doubled")].map(|count| count.to_string()),
            [counts[1].as_str(), &counts[2]]
        );
    }
}

/// A newer release renames zones and keeps the old names as links, so a published program stays valid.
#[test]
fn every_name_of_an_older_release_is_still_a_zone() {
    let zones = Zones::built_in();
    let old = pure_tests::releases::old();
    assert!(old.names().len() > 590);
    for name in old.names() {
        assert!(zones.named(name).is_ok(), "{name}");
    }
}

/// jiff, which the reference model and the scenarios use, reads the same zones with other code.
#[test]
fn jiff_itself_finds_the_same_days() {
    let zones = Zones::built_in();
    for name in Tz::names() {
        let (zone, tz) = (zones.named(name).unwrap(), Tz::named(name).unwrap());
        for step in 0..4_000_i64 {
            let at = Instant::from_millis(-3_000_000_000_000 + step * 5_812_345_678);
            assert_eq!(zone.day(at).date(), tz.local(at.millis()).date(), "{name} {at}");
            assert_eq!(zone.local(at), tz.local(at.millis()), "{name} {at}");
        }
    }
}

#[test]
fn the_golden_file_is_of_the_release_that_is_built_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/zones");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<Release> = files.filter_map(|file| file.strip_suffix(".tsv")?.parse().ok()).collect();
    found.sort_unstable();
    assert_eq!(found, [Zones::built_in().release()], "one golden file, of the release in use");
}
