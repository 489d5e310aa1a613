//! The file of a store, as SQLite has it, beside dynoxide, which gives no access to its own connection.
//!
//! What a connection may set for all, one of ours sets for dynoxide's: both share a cache, so erased bytes are overwritten
//! with zeros for both (`secure_delete`). Both are opened with a lock on the file itself that is held until the last of
//! them closes (`unix-excl`), so that no other process, not even one that uses another name of the file, gets in between.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dynoxide::storage_backend::sql_builders::{GET_SCHEMA_VERSION, SCHEMA_VERSION};
use rusqlite::{Connection, OpenFlags};

use crate::lock::{beside, narrow};
use crate::{OpenError, halfway, lock};

/// Somebody else's lock is waited for so long: that of a process which is just ending.
const PATIENCE: Duration = Duration::from_millis(200);
/// How a SQLite database begins.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// A check names at most so many places.
const PLACES_MAX: u32 = 100;

/// What to do where there is no file, or an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    Made,
    Refused,
}

/// A connection of ours to the file of a store.
#[derive(Debug)]
pub(crate) struct Keeper {
    connection: Connection,
    /// Whether nobody but its owner may read what is there.
    pub(crate) private: bool,
}

impl Keeper {
    /// Opens the file, or makes it, and looks whether it is a store of ours. The file is left as it was if it is none.
    pub(crate) fn open(path: &Path, absent: Absent) -> Result<Self, OpenError> {
        if absent == Absent::Made {
            make(path)?;
        }
        // SQLite would open it to read, and leave a file beside it. To close this takes a lock of SQLite's in this process
        // away, and there is none: the one beside the file is ours.
        File::options().write(true).open(path).map_err(|source| OpenError::of_files(path, source))?;
        let of_sqlite = |source| OpenError::of_sqlite(path, source);
        let connection = Connection::open_with_flags(uri(path, true)?, flags()).map_err(of_sqlite)?;
        connection.busy_timeout(PATIENCE).map_err(of_sqlite)?;
        let is_new = is_store(&connection, path).map_err(|error| cut_off(error, path))?;
        if is_new && absent == Absent::Refused {
            return Err(OpenError::Empty { path: path.to_owned() });
        }
        if connection.is_readonly("main").map_err(of_sqlite)? {
            return Err(OpenError::Forbidden { path: path.to_owned(), source: None });
        }
        if !is_new {
            halfway::unmake(&connection).map_err(of_sqlite)?;
        }
        // Not before it is known to be a store: other files are left as they are.
        let private = ["", "-wal", "-shm"].iter().all(|ending| narrow(&beside(path, ending)).unwrap_or(false));
        // It answers with what is so now.
        connection.query_row("PRAGMA secure_delete = ON", [], |_| Ok(())).map_err(of_sqlite)?;
        Ok(Self { connection, private })
    }

    /// Takes what was written into the file itself, and empties the log, which may still have what was erased. While
    /// somebody reads an older state nothing is done: there is another time.
    pub(crate) fn empty_log(&self) {
        let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
}

/// A connection that reads the file of an open store, in this process and beside the others.
pub(crate) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let of_sqlite = |source| OpenError::of_sqlite(path, source);
    let connection = Connection::open_with_flags(uri(path, false)?, flags()).map_err(of_sqlite)?;
    connection.busy_timeout(PATIENCE).map_err(of_sqlite)?;
    Ok(connection)
}

/// What SQLite finds wrong with a file: nothing, if all is well. The quick way leaves out whether indexes and tables agree.
pub(crate) fn check(connection: &Connection, quick: bool) -> Result<Vec<String>, rusqlite::Error> {
    let how = if quick { "quick_check" } else { "integrity_check" };
    let mut statement = connection.prepare(&format!("PRAGMA {how}({PLACES_MAX})"))?;
    let mut found: Vec<String> = Vec::new();
    let mut rows = statement.query([])?;
    loop {
        match rows.next() {
            Ok(Some(row)) => found.push(row.get(0)?),
            Ok(None) => break,
            // It does not get past some damage, and that is a finding.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
                found.push(error.to_string());
                break;
            }
            Err(error) => return Err(error),
        }
    }
    found.retain(|place| place != "ok");
    Ok(found)
}

/// How many items all tables of a store have together.
pub(crate) fn items(connection: &Connection) -> Result<u64, rusqlite::Error> {
    let mut statement = connection.prepare("SELECT table_name FROM _tables")?;
    let tables = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut items = 0;
    for table in tables {
        let count = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
        items += connection.query_row(&count, [], |row| row.get::<_, u64>(0))?;
    }
    Ok(items)
}

/// Whether there is a file that may be opened, or one may be made. Nothing is yet.
pub(crate) fn can_be(path: &Path, absent: Absent) -> Result<(), OpenError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(OpenError::Folder { path: path.to_owned() }),
        Ok(metadata) if !metadata.is_file() => return Err(OpenError::Special { path: path.to_owned() }),
        Ok(metadata) if metadata.len() > 0 => return Ok(()),
        // SQLite would take the log of an empty file for an old one, and remove it; it may have all that was written.
        Ok(_) => {}
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(OpenError::of_files(path, error)),
        Err(_) if absent == Absent::Refused => return Err(OpenError::Missing { path: path.to_owned() }),
        Err(_) => {}
    }
    let log = beside(path, "-wal");
    if log.metadata().is_ok_and(|metadata| metadata.len() > 0) {
        return Err(OpenError::Stray { path: path.to_owned(), log });
    }
    Ok(())
}

/// Makes the file if it is not there, for its owner alone.
fn make(path: &Path) -> Result<(), OpenError> {
    match lock::private().create_new(true).write(true).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(OpenError::of_files(path, error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Whether it is a store that can be read here: of an empty database this is true of what will be in it.
fn is_store(connection: &Connection, path: &Path) -> Result<bool, OpenError> {
    let of_sqlite = |source| OpenError::of_sqlite(path, source);
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema").map_err(of_sqlite)?;
    let names = statement.query_map([], |row| row.get(0)).map_err(of_sqlite)?;
    let names: Vec<String> = names.collect::<Result<_, _>>().map_err(of_sqlite)?;
    if names.is_empty() {
        return Ok(true);
    }
    if !["_tables", "_config"].iter().all(|ours| names.iter().any(|name| name == ours)) {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    let found: String = connection.query_row(GET_SCHEMA_VERSION, [], |row| row.get(0)).map_err(of_sqlite)?;
    if found.parse::<u32>().is_ok_and(|found| found <= SCHEMA_VERSION) {
        return Ok(false);
    }
    Err(OpenError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION })
}

/// What begins as a database and is none was cut off.
fn cut_off(error: OpenError, path: &Path) -> OpenError {
    let OpenError::NotADatabase { source, .. } = error else { return error };
    let mut head = Vec::new();
    // Nobody in this process has a lock on it, which closing it would take away.
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut head));
    let path = path.to_owned();
    match read {
        Ok(_) if head == MAGIC => OpenError::Damaged { path, source },
        Ok(_) | Err(_) => OpenError::NotADatabase { path, source },
    }
}

/// The name under which SQLite opens the file; those who share a cache share what is set.
pub(crate) fn uri(path: &Path, shared: bool) -> Result<String, OpenError> {
    let name = path.to_str().ok_or_else(|| OpenError::Name { path: path.to_owned() })?;
    if cfg!(not(unix)) {
        return Ok(name.to_owned());
    }
    let name = name.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let cache = if shared { "shared" } else { "private" };
    Ok(format!("file://{name}?vfs=unix-excl&cache={cache}"))
}

/// To write, and never to make a file: that was done before, if it was to be.
fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// A file that is removed when it is not needed any more.
#[derive(Debug)]
pub(crate) struct Passing(pub(crate) PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
