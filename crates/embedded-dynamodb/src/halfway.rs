//! Tables that were only half created. dynoxide records a table first, then creates it and its indexes, each in a
//! transaction of its own. A process that ends in between leaves a table that has a name but takes no items. If it has
//! no items, it is removed when the file is opened, and can be created again.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};
use serde::Deserialize;

/// An index in dynoxide's records.
#[derive(Deserialize)]
struct Index {
    #[serde(rename = "IndexName")]
    name: String,
}

/// Removes half-created tables, each in a transaction of its own.
pub(crate) fn unmake(connection: &Connection) -> Result<(), rusqlite::Error> {
    let mut statement = connection.prepare("SELECT table_name, gsi_definitions FROM _tables")?;
    let noted = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?)))?;
    let noted = noted.collect::<Result<Vec<_>, _>>()?;
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let there = statement.query_map([], |row| row.get(0))?.collect::<Result<BTreeSet<String>, _>>()?;
    for (table, indexes) in noted {
        // If the record of the indexes cannot be decoded, dynoxide reports that when it reads the record next.
        let indexes: Vec<Index> = indexes.and_then(|indexes| serde_json::from_str(&indexes).ok()).unwrap_or_default();
        let parts = indexes.iter().map(|index| format!("{table}::gsi::{}", index.name));
        let parts: Vec<String> = std::iter::once(table.clone()).chain(parts).collect();
        if parts.iter().all(|part| there.contains(part)) || has_items(connection, &table, &there)? {
            continue;
        }
        let transaction = connection.unchecked_transaction()?;
        for part in parts {
            transaction.execute(&format!("DROP TABLE IF EXISTS {}", quoted(&part)), [])?;
        }
        transaction.execute("DELETE FROM _tables WHERE table_name = ?1", params![table])?;
        transaction.commit()?;
    }
    Ok(())
}

fn has_items(connection: &Connection, table: &str, there: &BTreeSet<String>) -> Result<bool, rusqlite::Error> {
    if !there.contains(table) {
        return Ok(false);
    }
    connection.query_row(&format!("SELECT EXISTS (SELECT 1 FROM {})", quoted(table)), [], |row| row.get(0))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
