//! The file of a store at the level of SQLite. It is used beside dynoxide, which gives no access to its own connection.
//!
//! A connection of our own makes settings that hold for dynoxide's as well. Both share a cache, and so erased bytes are
//! overwritten with zeros for both (`secure_delete`). Both are opened with a lock on the file itself (`unix-excl`),
//! which is held until the last of them closes. No other process gets in between, not even one that uses another name
//! of the file.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dynoxide::storage_backend::sql_builders::{GET_SCHEMA_VERSION, SCHEMA_VERSION};
use rusqlite::{Connection, OpenFlags};

use crate::lock::{beside, narrow};
use crate::{OpenError, halfway, lock};

/// The wait for another process's lock: that process may just be ending.
const PATIENCE: Duration = Duration::from_millis(200);
/// The first bytes of a SQLite database.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The most places that a check names.
const PLACES_MAX: u32 = 100;

/// The treatment of a file that does not exist, or is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    Made,
    Refused,
}

/// Our own connection to the file of a store.
#[derive(Debug)]
pub(crate) struct Keeper {
    connection: Connection,
    /// Whether only the owner may read the files.
    pub(crate) private: bool,
}

impl Keeper {
    /// Opens or creates the file, and checks that it is a store. Any other file is left as it was.
    pub(crate) fn open(path: &Path, absent: Absent) -> Result<Self, OpenError> {
        if absent == Absent::Made {
            make(path)?;
        }
        // SQLite would open a file without write permission read-only, and leave a file beside it. Closing this handle
        // would drop SQLite's locks on the file in this process, but there are none: the lock beside the file is ours.
        File::options().write(true).open(path).map_err(|source| OpenError::of_files(path, source))?;
        let of_sqlite = |source| OpenError::of_sqlite(path, source);
        let connection = Connection::open_with_flags(uri(path, true)?, flags()).map_err(of_sqlite)?;
        connection.busy_timeout(PATIENCE).map_err(of_sqlite)?;
        let is_new = is_empty_database(&connection, path).map_err(|error| cut_off(error, path))?;
        if is_new && absent == Absent::Refused {
            return Err(OpenError::Empty { path: path.to_owned() });
        }
        if connection.is_readonly("main").map_err(of_sqlite)? {
            return Err(OpenError::Forbidden { path: path.to_owned(), source: None });
        }
        if !is_new {
            halfway::unmake(&connection).map_err(of_sqlite)?;
        }
        // Only after the file is known to be a store: other files are left as they are.
        let private = ["", "-wal", "-shm"].iter().all(|ending| narrow(&beside(path, ending)).is_ok());
        // The pragma answers with the new setting.
        connection.query_row("PRAGMA secure_delete = ON", [], |_| Ok(())).map_err(of_sqlite)?;
        Ok(Self { connection, private })
    }

    /// Writes the log into the file and empties it: the log may still contain erased data. Does nothing while a
    /// connection reads an older state; a later call does it.
    pub(crate) fn empty_log(&self) {
        let _ = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
}

/// Opens a connection that reads the file of an open store, in this process and beside the others.
pub(crate) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let of_sqlite = |source| OpenError::of_sqlite(path, source);
    let connection = Connection::open_with_flags(uri(path, false)?, flags()).map_err(of_sqlite)?;
    connection.busy_timeout(PATIENCE).map_err(of_sqlite)?;
    Ok(connection)
}

/// The faults that SQLite finds in a file; empty if there are none. The quick check does not compare indexes with
/// tables.
pub(crate) fn check(connection: &Connection, quick: bool) -> Result<Vec<String>, rusqlite::Error> {
    let how = if quick { "quick_check" } else { "integrity_check" };
    let mut statement = connection.prepare(&format!("PRAGMA {how}({PLACES_MAX})"))?;
    let mut found: Vec<String> = Vec::new();
    let mut rows = statement.query([])?;
    loop {
        match rows.next() {
            Ok(Some(row)) => found.push(row.get(0)?),
            Ok(None) => break,
            // SQLite cannot read past some damage; that is a finding too.
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

/// The number of items in all tables of a store.
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

/// Checks that a file exists that may be opened, or that one may be created. Creates nothing.
pub(crate) fn can_be(path: &Path, absent: Absent) -> Result<(), OpenError> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(OpenError::Folder { path: path.to_owned() }),
        Ok(metadata) if !metadata.is_file() => return Err(OpenError::Special { path: path.to_owned() }),
        Ok(metadata) if metadata.len() > 0 => return Ok(()),
        // SQLite would take the log of an empty file for an old one and remove it, although it may contain everything
        // that was written.
        Ok(_) => {}
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(OpenError::of_files(path, error)),
        // SQLite would create the target, with its log beside it, while the lock lies beside the link.
        Err(_) if path.is_symlink() => {
            let target = std::fs::read_link(path).map_err(|error| OpenError::of_files(path, error))?;
            return Err(OpenError::DanglingLink { path: path.to_owned(), target });
        }
        Err(_) if absent == Absent::Refused => return Err(OpenError::Missing { path: path.to_owned() }),
        Err(_) => {}
    }
    let log = beside(path, "-wal");
    if log.metadata().is_ok_and(|metadata| metadata.len() > 0) {
        return Err(OpenError::Stray { path: path.to_owned(), log });
    }
    Ok(())
}

/// Creates the file if it does not exist, for its owner alone.
fn make(path: &Path) -> Result<(), OpenError> {
    match lock::private().create_new(true).write(true).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(OpenError::of_files(path, error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Checks that the database is a store of a known format, or still empty. Yields whether it is empty.
fn is_empty_database(connection: &Connection, path: &Path) -> Result<bool, OpenError> {
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

/// Reports a file as truncated if it begins like a database but is none.
fn cut_off(error: OpenError, path: &Path) -> OpenError {
    let OpenError::NotADatabase { source, .. } = error else { return error };
    let mut head = Vec::new();
    // No other handle in this process has a lock on the file, which closing this one would drop.
    let read = File::open(path).and_then(|file| file.take(16).read_to_end(&mut head));
    let path = path.to_owned();
    match read {
        Ok(_) if head == MAGIC => OpenError::Damaged { path, source },
        Ok(_) | Err(_) => OpenError::NotADatabase { path, source },
    }
}

/// The URI under which SQLite opens the file. Connections that share a cache also share settings.
pub(crate) fn uri(path: &Path, shared: bool) -> Result<String, OpenError> {
    let name = path.to_str().ok_or_else(|| OpenError::Name { path: path.to_owned() })?;
    if cfg!(not(unix)) {
        return Ok(name.to_owned());
    }
    let name = name.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let cache = if shared { "shared" } else { "private" };
    Ok(format!("file://{name}?vfs=unix-excl&cache={cache}"))
}

/// The flags for writing, but never creating, a file: it was created before, if it was to be.
fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// A file that is removed when it is no longer needed.
#[derive(Debug)]
pub(crate) struct Passing(pub(crate) PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
