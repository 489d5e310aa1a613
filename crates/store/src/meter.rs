//! A meter of database use: every request returns its cost.

#![expect(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    reason = "capacity comes as a float, in halves, from the database"
)]

use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_dynamodb::types::ConsumedCapacity;

/// Counts request units, in halves: an eventually consistent read costs half a unit.
#[derive(Debug, Default)]
pub struct Meter {
    reads: AtomicI64,
    table_writes: AtomicI64,
    index_writes: AtomicI64,
}

/// Request units, in halves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Units {
    /// Read units, tables and indexes together.
    pub reads: i64,
    /// Write units of tables.
    pub table_writes: i64,
    /// Write units of indexes.
    pub index_writes: i64,
}

/// The kind of units that a request uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
}

impl Meter {
    /// Takes the units used since the last call.
    pub fn take(&self) -> Units {
        let take = |counter: &AtomicI64| counter.swap(0, Ordering::Relaxed);
        Units {
            reads: take(&self.reads),
            table_writes: take(&self.table_writes),
            index_writes: take(&self.index_writes),
        }
    }

    pub(super) fn add<'a>(&self, kind: Kind, used: impl IntoIterator<Item = &'a ConsumedCapacity>) {
        for used in used {
            let all = halves(used.capacity_units());
            let in_indexes = used.global_secondary_indexes().into_iter().flatten();
            let indexes = in_indexes.map(|(_, index)| halves(index.capacity_units())).sum::<i64>();
            match kind {
                Kind::Read => {
                    self.reads.fetch_add(all, Ordering::Relaxed);
                }
                Kind::Write => {
                    self.table_writes.fetch_add(all - indexes, Ordering::Relaxed);
                    self.index_writes.fetch_add(indexes, Ordering::Relaxed);
                }
            }
        }
    }
}

fn halves(units: Option<f64>) -> i64 {
    (units.unwrap_or(0.0) * 2.0).round() as i64
}
