//! Lists of members, as the last sweep wrote them: members who hold a tier, who are near an upgrade, who are at risk,
//! or whose tier ends before a date. A list shows its members as of the instant of the sweep, under the version in
//! force then.
//!
//! No index on members serves lists. A sweep writes them page by page while it reads the members. When the sweep is
//! done, its lists become the shop's, and earlier ones may be deleted. The members of a list are ordered by their place
//! in the store (bucket, then id), which means nothing to people. Members whose tier ends before a date come month by
//! month.
//!
//! An erased member's id stays on lists until the next sweep has ended, and in the table until the lists expire.

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

/// The time for which lists can be read after their job was opened, in milliseconds: even if a sweep fails on some
/// nights, there is an answer.
pub(crate) const KEPT_MS: i64 = 3 * 86_400_000;
/// The maximum number of members on a page.
pub const LIMIT_MAX: usize = 1_000;
/// The number of latest jobs of a shop that are read. Jobs with lists are among them.
const LATEST: i32 = 10;
/// The number of sweeps whose lists are kept on a single machine: a caller who pages through the last list but one can
/// finish.
const KEPT: usize = 2;
/// The maximum number of rows read at once; the first read takes fewer, because most pages are short.
const ROWS_MAX: i32 = 32;
const ROWS: i32 = 2;

/// A list that a caller can request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum List {
    /// The members who hold a tier.
    Tier(TierId),
    /// The members who are near their next tier, as defined by [`rules::notice::WithinReach`].
    NearUpgrade,
    /// The members who lose their tier at the next review unless more happens: [`rules::forecast::Forecast::at_risk`].
    AtRisk,
    /// The members whose tier ends before an instant if nothing more happens, for any reason.
    ExpiringBefore(Instant),
}

/// Members of a list, as one sweep found them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPage {
    /// The instant for which the members were evaluated.
    pub as_of: Instant,
    /// The sweep that wrote the list.
    pub job: JobId,
    /// The version of the program in force at that instant.
    pub version: u32,
    /// The members, in the order of their places in the store.
    pub entries: Vec<Entry>,
    /// The place where the next page begins; none if this is the last.
    pub next: Option<Cursor>,
}

/// A request for a page of a list.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The list.
    pub list: &'a List,
    /// The maximum number of members; values are clamped to 1 through [`LIMIT_MAX`].
    pub limit: usize,
    /// The end of the page before. The answer comes from the same sweep, even if another one has ended meanwhile.
    pub cursor: Option<&'a Cursor>,
    /// The present instant: lists are kept for three days.
    pub now: Instant,
}

/// The reason why there is no page.
#[derive(Debug, Error)]
pub enum ListError {
    /// The lists that a cursor belongs to were deleted.
    #[error("the lists of {0} are gone: begin again")]
    Gone(JobId),
    /// The cursor belongs to another list.
    #[error("the cursor is of another list: begin again")]
    OtherList,
    /// The cursor belongs to another shop.
    #[error("the cursor is of another shop: begin again")]
    OtherShop,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A page of a list of the latest finished sweep; none if no sweep has ended within the last three days.
///
/// # Errors
/// [`ListError::Gone`], [`ListError::OtherList`] and [`ListError::OtherShop`], if there is a cursor.
pub async fn page(store: &Store, shop: &ShopId, asked: &Asked<'_>) -> Result<Option<ListPage>, ListError> {
    let Asked { list, cursor, now, .. } = *asked;
    if cursor.is_some_and(|cursor| cursor.shop != *shop) {
        return Err(ListError::OtherShop);
    }
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
    let next = reading.all(behind).await?.map(|behind| Cursor {
        shop: shop.clone(),
        job: insight.job,
        list: list.clone(),
        behind,
    });
    let entries = reading.entries;
    Ok(Some(ListPage { as_of: insight.as_of, job: insight.job, version: insight.version, entries, next }))
}

/// The insight and the lists of a finished job, unless the lists were deleted.
async fn of_job(store: &Store, shop: &ShopId, id: JobId, now: Instant) -> Result<Option<(Insight, Lists)>, StoreError> {
    let Some(job) = store.job(shop, &id).await? else { return Ok(None) };
    let Job { state: State::Done, lists: Some(lists), .. } = job.body else { return Ok(None) };
    let insight = store.insight(shop, &id).await?;
    Ok(insight.filter(|_| now < lists.until).map(|insight| (insight, lists)))
}

/// A page that is being assembled.
struct Reading<'a> {
    store: &'a Store,
    shop: &'a ShopId,
    insight: &'a Insight,
    lists: &'a Lists,
    asked: &'a Asked<'a>,
    entries: Vec<Entry>,
}

impl Reading<'_> {
    /// Reads from a place on until the page is full. Yields the place where the page ends if there is more.
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

    /// The written lists that make up the requested one, in order; empty months are left out.
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
                    // There is another member, so the page does not end the list.
                    if self.entries.len() == limit {
                        return Ok(Some(Behind { name, row: row.sk, taken: place }));
                    }
                    self.entries.push(entry);
                }
            }
            let Some(next) = read.next else { return Ok(None) };
            // The key that sorts directly after this row.
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

/// Deletes the lists of all but the last two finished sweeps, on a single machine, where nothing deletes expired items.
/// Yields the number of deleted rows.
///
/// # Errors
/// See [`StoreError`]; the rest is deleted the next time.
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
        // Mark the lists as gone before their first row is deleted: readers then get an error, not a part of a list.
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
