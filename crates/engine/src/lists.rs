//! Lists of members, as the last sweep wrote them: who holds a tier, who is near an upgrade, who is at risk, whose tier
//! ends before a date. Dated: they say how everybody stood at the instant of the sweep, under the version in force then.
//!
//! There is no index on members for it. While a sweep goes through the members it writes down, page by page, who is on
//! which list; when all of it is done its lists are the shop's, and the ones before them may go. Within a list members come
//! by their place in the store (bucket, then id), which is no order that people know; those whose tier ends before a date
//! come month by month.
//!
//! Who is erased stays on lists by id until the next sweep has ended, and in the table until the lists expire.

mod cursor;

use rules::calendar::Instant;
use rules::id::TierId;
use serde::{Deserialize, Serialize};
use store::records::list::{Entry, Lists, Month, Name};
use store::records::{Insight, Job, JobId, State};
use store::shop::ShopId;
use store::{Store, StoreError};
use thiserror::Error;

pub use cursor::{Cursor, CursorError};

use cursor::Behind;

/// Lists can be read for so long after their job was opened: some nights may fail, and there is still an answer.
pub(crate) const KEPT_MS: i64 = 3 * 86_400_000;
/// So many members are on a page at the most.
pub const LIMIT_MAX: usize = 1_000;
/// Of the shop's jobs, those that have lists are among the latest few.
const LATEST: i32 = 10;
/// On one machine the lists of so many sweeps are kept: who pages through the last but one can end.
const KEPT: usize = 2;
/// Rows are read so many at a time at the most; the first time fewer, as most pages are short.
const ROWS_MAX: i32 = 32;
const ROWS: i32 = 2;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    /// Everybody who holds a tier.
    Tier(TierId),
    /// Those to whose next tier little is missing, as [`rules::notice::WithinReach`] has it.
    NearUpgrade,
    /// Those who lose their tier at the next review unless more happens: [`rules::forecast::Forecast::at_risk`].
    AtRisk,
    /// Those whose tier ends before an instant if nothing more happens, for whatever reason.
    ExpiringBefore(Instant),
}

/// Members of a list, as one sweep found them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPage {
    /// Everybody as of this instant.
    pub as_of: Instant,
    /// The sweep that found it.
    pub job: JobId,
    /// The version of the program in force at that instant.
    pub version: u32,
    /// The members, in the order of their places.
    pub entries: Vec<Entry>,
    /// Where it goes on; none if that is all.
    pub next: Option<Cursor>,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Which list.
    pub list: &'a List,
    /// At most so many members; at least 1 and at most [`LIMIT_MAX`] in any case.
    pub limit: usize,
    /// Behind what the page before ended. The answer stays that sweep's, even if another one has ended meanwhile.
    pub cursor: Option<&'a Cursor>,
    /// What time it is: lists are kept for three days.
    pub now: Instant,
}

/// Why there is no page.
#[derive(Debug, Error)]
pub enum ListError {
    /// The lists that a cursor leads through are gone.
    #[error("the lists of {0} are gone: begin again")]
    Gone(JobId),
    /// A cursor leads through another list.
    #[error("the cursor is of another list: begin again")]
    OtherList,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A page of a list of the latest sweep that is done; none if no sweep has ended within the last three days.
///
/// # Errors
/// [`ListError::Gone`] and [`ListError::OtherList`] where there is a cursor.
pub async fn page(store: &Store, shop: &ShopId, asked: &Asked<'_>) -> Result<Option<ListPage>, ListError> {
    let Asked { list, cursor, now, .. } = *asked;
    if cursor.is_some_and(|cursor| cursor.list != *list) {
        return Err(ListError::OtherList);
    }
    let found = match cursor {
        Some(cursor) => Some(of_job(store, shop, cursor.job, now).await?.ok_or(ListError::Gone(cursor.job))?),
        None => match store.latest_insight(shop, now).await? {
            Some(latest) => of_job(store, shop, latest.job, now).await?,
            None => None,
        },
    };
    let Some((insight, lists)) = found else { return Ok(None) };
    let behind = cursor.map(|cursor| cursor.behind.clone());
    let mut reading = Reading { store, shop, insight: &insight, lists: &lists, asked, entries: Vec::new() };
    let next = reading.all(behind).await?.map(|behind| Cursor { job: insight.job, list: list.clone(), behind });
    let entries = reading.entries;
    Ok(Some(ListPage { as_of: insight.as_of, job: insight.job, version: insight.version, entries, next }))
}

/// What a job that is done says of its lists, unless they are gone.
async fn of_job(store: &Store, shop: &ShopId, id: JobId, now: Instant) -> Result<Option<(Insight, Lists)>, StoreError> {
    let Some(job) = store.job(shop, &id).await? else { return Ok(None) };
    let Job { state: State::Done, lists: Some(lists), .. } = job.body else { return Ok(None) };
    let insight = store.insight(shop, &id).await?;
    Ok(insight.filter(|_| now < lists.until).map(|insight| (insight, lists)))
}

/// A page being put together.
struct Reading<'a> {
    store: &'a Store,
    shop: &'a ShopId,
    insight: &'a Insight,
    lists: &'a Lists,
    asked: &'a Asked<'a>,
    entries: Vec<Entry>,
}

impl Reading<'_> {
    /// Reads from behind a place on, until the page is full; yields what it ends behind, if there is more.
    async fn all(&mut self, behind: Option<Behind>) -> Result<Option<Behind>, StoreError> {
        let mut names = self.names();
        if let Some(behind) = &behind {
            names.retain(|name| *name >= behind.name);
        }
        let mut behind = behind;
        for name in names {
            let from = behind.take().filter(|behind| behind.name == name);
            if let Some(full) = self.one(name, from).await? {
                return Ok(Some(full));
            }
        }
        Ok(None)
    }

    /// The written lists that the one asked for is made of, in order; those on which nobody is are left out.
    fn names(&self) -> Vec<Name> {
        match self.asked.list {
            List::Tier(tier) => vec![Name::Tier(tier.clone())],
            List::NearUpgrade => vec![Name::NearUpgrade],
            List::AtRisk => vec![Name::AtRisk],
            List::ExpiringBefore(before) => {
                let last = Month::at_the_latest(*before);
                let months = self.insight.expiring.keys().filter(|month| **month <= last || **month == Month::Later);
                months.map(|month| Name::Expiring(*month)).collect()
            }
        }
    }

    async fn one(&mut self, name: Name, mut behind: Option<Behind>) -> Result<Option<Behind>, StoreError> {
        let limit = self.asked.limit.clamp(1, LIMIT_MAX);
        let mut rows = ROWS;
        loop {
            let from = behind.as_ref().map(|behind| behind.row.as_str());
            let read = self.store.list_rows(self.shop, &self.insight.job, &name, from, rows).await?;
            for row in read.rows {
                let taken = behind.take_if(|behind| behind.row == row.sk).map_or(0, |behind| behind.taken);
                if !self.lists.is_of(row.place(), row.attempt) {
                    continue;
                }
                for (place, entry) in row.entries.into_iter().enumerate().skip(taken) {
                    if !self.is_asked(&entry) {
                        continue;
                    }
                    // One more is there: only now is it known that the page does not end here.
                    if self.entries.len() == limit {
                        return Ok(Some(Behind { name, row: row.sk, taken: place }));
                    }
                    self.entries.push(entry);
                }
            }
            let Some(next) = read.next else { return Ok(None) };
            // From behind this row: the key that sorts directly after it.
            behind = Some(Behind { name: name.clone(), row: format!("{next}\0"), taken: 0 });
            rows = (rows * 4).min(ROWS_MAX);
        }
    }

    fn is_asked(&self, entry: &Entry) -> bool {
        match self.asked.list {
            List::ExpiringBefore(before) => entry.valid_until.is_some_and(|until| until < *before),
            List::Tier(_) | List::NearUpgrade | List::AtRisk => true,
        }
    }
}

/// On one machine, where nothing deletes what has expired: deletes the lists of all but the last two sweeps that are done.
/// Yields how many rows that were.
///
/// # Errors
/// See [`StoreError`]; what is left is deleted the next time.
pub async fn tidy(store: &Store, shop: &ShopId, now: Instant) -> Result<u64, StoreError> {
    let Some(versions) = store.versions(shop).await? else { return Ok(0) };
    let latest = store.latest_jobs(shop, now, LATEST).await?;
    let is_done = |job: &Job| job.state == State::Done && job.lists.is_some();
    let kept: Vec<JobId> =
        latest.iter().map(|row| &row.body).filter(|job| is_done(job)).map(|job| job.id).take(KEPT).collect();
    let mut deleted = 0;
    for mut row in latest {
        if row.body.state.is_open() || kept.contains(&row.body.id) || kept.is_empty() {
            continue;
        }
        let Some(lists) = &mut row.body.lists else { continue };
        // Whoever reads is told that they are gone before the first row is.
        lists.until = row.body.opened_at;
        store.write_job(shop, &mut row).await?;
        for name in Name::all(&versions, row.body.id.until) {
            deleted += store.delete_list(shop, &row.body.id, &name).await?;
        }
        row.body.lists = None;
        store.write_job(shop, &mut row).await?;
    }
    Ok(deleted)
}
