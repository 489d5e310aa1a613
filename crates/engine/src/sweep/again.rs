//! Recovery from a clock that was ahead. Jobs in the future are deleted; they are done again when their time comes. The
//! last midnight is swept once more, to evaluate all members by the right time.

use rules::calendar::Instant;
use store::records::list::Name;
use store::records::{Job, Kind};
use store::shop::ShopId;
use store::{Row, Store, StoreError};

/// The number of jobs read at a time.
const TOGETHER: i32 = 100;
/// An instant after all jobs: the end of the year 9999.
const EVER: Instant = Instant::from_millis(253_402_300_799_999);

/// Deletes a shop's jobs and lists in the future, and those of the latest midnight.
///
/// # Errors
/// See [`StoreError`]; a repeated call continues.
pub async fn sweep_again(store: &Store, shop: &ShopId, now: Instant) -> Result<(), StoreError> {
    let Some(versions) = store.versions(shop).await? else { return Ok(()) };
    loop {
        let jobs = store.latest_jobs(shop, EVER, TOGETHER).await?;
        let is_ahead = |row: &&Row<Job>| row.body.id.until > now;
        let ahead: Vec<&Row<Job>> = jobs.iter().filter(is_ahead).collect();
        // The latest midnight goes last, when no future job is left; then it goes only once.
        let is_last = |row: &&Row<Job>| !is_ahead(row) && row.body.id.kind == Kind::Rollover;
        let (gone, is_end) =
            if ahead.is_empty() { (jobs.iter().find(is_last).into_iter().collect(), true) } else { (ahead, false) };
        for row in gone {
            for name in Name::all(&versions, row.body.id.until) {
                store.delete_list(shop, &row.body.id, &name).await?;
            }
            store.forget_job(shop, &row.body.id).await?;
        }
        if is_end {
            return Ok(());
        }
    }
}
