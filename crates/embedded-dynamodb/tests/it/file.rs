//! The file of a store: its permissions, what stays in it, the errors of files that do not open, and copies.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::common::{create_unstreamed, key, text};
use aws_sdk_dynamodb::Client;
use embedded_dynamodb::{OpenError, SnapshotError, Store, examine};
use rusqlite::Connection;

const REASON: &str = "because of what she told us in confidence";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    format!("{}{ending}", path.display()).into()
}

fn contains(path: &Path, text: &str) -> bool {
    let bytes = fs::read(path).unwrap_or_default();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

async fn put(client: &Client, sk: &str, reason: &str) {
    let item = client.put_item().table_name("shop").set_item(Some(key("a", sk)));
    item.item("reason", text(reason)).item("member", text(sk)).send().await.unwrap();
}

async fn erase(client: &Client, sk: &str) {
    client.delete_item().table_name("shop").set_key(Some(key("a", sk))).send().await.unwrap();
}

/// Makes a store with this number of items, and closes it.
async fn filled(path: &Path, items: usize) {
    let client = Store::open(path).unwrap().client();
    create_unstreamed(&client, "shop").await;
    for item in 0..items {
        put(&client, &format!("{item:05}"), REASON).await;
    }
}

/// rusqlite 0.36 alone would bring SQLite 3.49.2. Its WAL-reset bug, fixed in 3.51.3, may damage a file that two
/// connections write to and checkpoint at the same moment.
#[test]
fn sqlite_is_the_one_that_the_workspace_puts_in_place() {
    assert!(rusqlite::version_number() >= 3_054_001, "{}", rusqlite::version());
}

#[tokio::test]
async fn all_files_of_a_store_are_their_owners_alone_also_those_that_were_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    filled(&path, 1).await;
    for file in ["", ".lock"] {
        fs::set_permissions(beside(&path, file), fs::Permissions::from_mode(0o666)).unwrap();
    }
    let store = Store::open(&path).unwrap();
    put(&store.client(), "1", REASON).await;
    let files: Vec<PathBuf> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.contains(&beside(&path, "-wal")) && files.contains(&beside(&path, ".lock")), "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert!(!store.is_exposed());
}

#[tokio::test]
async fn no_byte_of_what_was_erased_is_left_in_the_file_after_a_clean_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    filled(&path, 300).await;
    assert!(contains(&path, REASON), "it is not looked for where it is");
    let client = Store::open(&path).unwrap().client();
    for item in 0..300 {
        erase(&client, &format!("{item:05}")).await;
    }
    put(&client, "kept", "nothing to hide").await;
    drop(client);
    assert!(!contains(&path, REASON));
    assert!(contains(&path, "nothing to hide"));
    assert!(!beside(&path, "-wal").exists(), "the log is taken in and removed");
}

#[tokio::test]
async fn what_does_not_open_says_why_and_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let refused = |name: &str| {
        let before = fs::read(at(name)).ok();
        let error = Store::open(&at(name)).unwrap_err();
        assert_eq!(fs::read(at(name)).ok(), before, "{name} was changed");
        assert!(!error.in_full().contains("put another file there"), "{error}");
        assert!(error.to_string().contains(name), "{error}");
        error
    };
    fs::create_dir(at("folder.db")).unwrap();
    assert!(matches!(refused("folder.db"), OpenError::Folder { .. }));

    fs::write(at("notes.db"), "no database at all, but long enough to have a header of one".repeat(40)).unwrap();
    assert!(matches!(refused("notes.db"), OpenError::NotADatabase { .. }));

    let other = Connection::open(at("other.db")).unwrap();
    other.execute_batch("CREATE TABLE songs (title TEXT); INSERT INTO songs VALUES ('Halo')").unwrap();
    drop(other);
    let error = refused("other.db");
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
    assert!(error.to_string().contains("of another program"), "{error}");

    filled(&at("newer.db"), 1).await;
    let newer = Connection::open(at("newer.db")).unwrap();
    newer.execute("UPDATE _config SET value = '99' WHERE key = 'schema_version'", []).unwrap();
    drop(newer);
    let error = refused("newer.db");
    assert!(matches!(&error, OpenError::Newer { found, .. } if found == "99"), "{error:?}");
    assert!(
        error.to_string().contains("written by a newer release (format 99; this one knows formats up to"),
        "{error}"
    );

    filled(&at("cut.db"), 300).await;
    let whole = fs::read(at("cut.db")).unwrap();
    for length in [whole.len() / 2, 4096, 300] {
        fs::write(at("cut.db"), &whole[..length]).unwrap();
        let error = refused("cut.db");
        assert!(matches!(error, OpenError::Damaged { .. }), "{length}: {error:?}");
        assert!(error.in_full().ends_with(')'), "the cause is not told: {}", error.in_full());
    }

    fs::write(at("moved.db-wal"), "what was written last").unwrap();
    let error = refused("moved.db");
    assert!(matches!(error, OpenError::Stray { .. }), "{error:?}");
    assert!(!at("moved.db").exists());

    let error = Store::open(&folder.path().join("nowhere/shop.db")).unwrap_err();
    assert!(matches!(error, OpenError::NoFolder { .. }), "{error:?}");
}

#[test]
fn what_a_user_may_not_write_is_not_called_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    drop(Store::open(&path).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    if fs::File::options().write(true).open(&path).is_ok() {
        // A privileged user may write the file all the same.
        return;
    }
    let error = Store::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Forbidden { .. }), "{error:?}");
    assert!(!beside(&path, "-shm").exists(), "something is left beside it");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let error = Store::open(&folder.path().join("new.db")).unwrap_err();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(error, OpenError::Forbidden { .. }), "{error:?}");
}

#[tokio::test]
async fn where_nothing_is_to_be_made_nothing_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let error = Store::open_existing(&path).unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    fs::write(&path, "").unwrap();
    let error = Store::open_existing(&path).unwrap_err();
    assert!(matches!(error, OpenError::Empty { .. }), "{error:?}");
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    fs::remove_file(&path).unwrap();
    filled(&path, 1).await;
    Store::open_existing(&path).unwrap();
}

#[tokio::test]
async fn a_name_with_marks_of_a_url_is_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("100% of a#b?mode=ro&c.db");
    filled(&path, 3).await;
    assert!(path.exists());
    let store = Store::open_existing(&path).unwrap();
    assert_eq!(store.client().scan().table_name("shop").send().await.unwrap().count, 3);
    assert_eq!(store.snapshot().await.unwrap().contents().items, 3);
}

#[tokio::test]
async fn a_copy_made_while_others_write_has_all_that_was_answered_before_and_nothing_that_was_erased() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let store = Store::open(&path).unwrap();
    let client = store.client();
    create_unstreamed(&client, "shop").await;
    for item in 0..200 {
        put(&client, &format!("{item:05}"), REASON).await;
    }
    for item in 0..200 {
        erase(&client, &format!("{item:05}")).await;
    }
    put(&client, "before", "answered").await;
    let meanwhile = {
        let client = client.clone();
        tokio::spawn(async move {
            for item in 0..200 {
                put(&client, &format!("meanwhile {item}"), "answered").await;
            }
        })
    };
    let snapshot = store.snapshot().await.unwrap();
    meanwhile.await.unwrap();
    assert_eq!(mode(snapshot.path()), 0o600);
    assert!(!contains(snapshot.path(), REASON));
    let kept = folder.path().join("copy.db");
    fs::copy(snapshot.path(), &kept).unwrap();
    let (copied, contents) = (snapshot.path().to_owned(), snapshot.contents());
    assert_eq!(examine(&kept).unwrap(), contents);
    drop(snapshot);
    assert!(!copied.exists(), "it is removed");

    let restored = Store::open_existing(&kept).unwrap().client();
    let read = restored.scan().table_name("shop").send().await.unwrap();
    let keys: Vec<&String> = read.items().iter().map(|item| item["sk"].as_s().unwrap()).collect();
    assert!(keys.iter().any(|sk| *sk == "before"), "{keys:?}");
    assert!((1..=201).contains(&keys.len()));
    assert!(matches!(Store::memory().unwrap().snapshot().await.unwrap_err(), SnapshotError::NoFile));
}

/// A page in the middle of the file is overwritten, of a table or of an index.
#[tokio::test]
async fn damage_inside_the_file_is_found_by_a_check_and_never_copied() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    filled(&path, 2000).await;
    assert_eq!(Store::open(&path).unwrap().check(false).await.unwrap(), Vec::<String>::new());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 4096 / 2 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let store = Store::open(&path).unwrap();
    for quick in [true, false] {
        assert!(!store.check(quick).await.unwrap().is_empty());
    }
    let error = store.snapshot().await.unwrap_err();
    assert!(matches!(error, SnapshotError::Damaged { .. }), "{error:?}");
    assert!(!beside(&path, ".snapshot").exists());
}

#[tokio::test]
async fn a_table_that_was_made_by_half_is_made_anew_unless_it_has_items() {
    let folder = tempfile::tempdir().unwrap();
    for (lost, items) in [("shop", 0), ("shop::gsi::by_member", 0), ("shop::gsi::by_member", 3)] {
        let path = folder.path().join(format!("{items} {}.db", lost.len()));
        filled(&path, items).await;
        // The state after a process that ended while it created the table.
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(&format!("DROP TABLE \"{lost}\"")).unwrap();
        drop(connection);

        let client = Store::open(&path).unwrap().client();
        let there = client.list_tables().send().await.unwrap().table_names.unwrap_or_default();
        if items > 0 {
            // A table with items is not removed: a request that needs the missing part fails.
            assert_eq!(there, ["shop"]);
            continue;
        }
        assert!(there.is_empty(), "{lost}: {there:?}");
        create_unstreamed(&client, "shop").await;
        put(&client, "1", REASON).await;
        let found = client.query().table_name("shop").index_name("by_member");
        let found = found.key_condition_expression("#m = :m").expression_attribute_names("#m", "member");
        let found = found.expression_attribute_values(":m", text("1"));
        assert_eq!(found.send().await.unwrap().count, 1);
    }
}

#[tokio::test]
async fn the_log_of_a_file_that_was_emptied_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    let client = Store::open(&path).unwrap().client();
    create_unstreamed(&client, "shop").await;
    put(&client, "1", REASON).await;
    // The state after a power cut: the log exists, but the file has changed.
    let log = fs::read(beside(&path, "-wal")).unwrap();
    let cut = folder.path().join("cut.db");
    fs::write(&cut, "").unwrap();
    fs::write(beside(&cut, "-wal"), &log).unwrap();
    for open in [Store::open, Store::open_existing] {
        assert!(matches!(open(&cut), Err(OpenError::Stray { .. })), "{:?}", open(&cut).map(|_| ()));
        assert_eq!(fs::read(beside(&cut, "-wal")).unwrap(), log);
    }
}
