//! Jobs and their segments, as rows of the control table. A row is written only if it is as it was read.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use rules::calendar::Instant;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::commit::Commit;
use super::item::Item;
use super::key::{self, Key};
use super::meter::Kind;
use super::{Store, StoreError};
use crate::records::insight::Insight;
use crate::records::{Job, JobId, Segment};
use crate::shop::ShopId;

/// The attribute with the whole job or segment.
pub(super) const BODY: &str = "body";
/// The attribute with a job's state, for people who inspect the table.
const STATE: &str = "state";

/// A row, and the version it was read with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<T> {
    /// Its content.
    pub body: T,
    version: u64,
}

impl<T: Serialize + DeserializeOwned> Row<T> {
    fn read(item: &Item) -> Result<Self, StoreError> {
        let body = serde_json::from_str(item.need_text(BODY)?);
        let body = body.map_err(|error| item.corrupt(format!("{BODY}: {error}")))?;
        Ok(Self { body, version: item.version()? })
    }

    /// The version of the row: one more with each write.
    pub fn version(&self) -> u64 {
        self.version
    }

    async fn write(&mut self, store: &Store, item: Item) -> Result<(), StoreError> {
        let mut commit = Commit::default();
        commit.row(store, item.text(BODY, json!(self.body).to_string()), Some(self.version))?;
        store.commit(commit).await?;
        self.version += 1;
        Ok(())
    }
}

fn job_item(shop: &ShopId, job: &Job) -> Item {
    Item::at(&key::job(shop, &job.id)).text(STATE, job.state.word())
}

impl Store {
    /// Opens a job with its segments. Yields false if it was opened before: a boundary has one job.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn open_job(&self, shop: &ShopId, job: &Job) -> Result<bool, StoreError> {
        let mut commit = Commit::default();
        commit.control(self, job_item(shop, job).text(BODY, json!(job).to_string()))?;
        for segment in Segment::divide(self.tables.spread, job.segments) {
            let item = Item::at(&key::segment(shop, &job.id, segment.number));
            commit.control(self, item.text(BODY, json!(segment).to_string()))?;
        }
        match self.commit(commit).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes a job, its segments and its insight. The job's row goes last: a repeated call deletes what an
    /// interrupted one left.
    pub async fn forget_job(&self, shop: &ShopId, id: &JobId) -> Result<(), StoreError> {
        for row in self.query(&self.tables.control, None, (key::PK, &key::segments(shop, id)), None).await? {
            self.delete(&self.tables.control, &row, None).await?;
        }
        for key in [key::insight(shop, id), key::job(shop, id)] {
            self.delete(&self.tables.control, &Item::at(&key), None).await?;
        }
        Ok(())
    }

    /// A job; none if it was never opened.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn job(&self, shop: &ShopId, id: &JobId) -> Result<Option<Row<Job>>, StoreError> {
        self.control_row(&key::job(shop, id)).await
    }

    /// A segment of a job.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn segment(&self, shop: &ShopId, job: &JobId, number: u16) -> Result<Option<Row<Segment>>, StoreError> {
        self.control_row(&key::segment(shop, job, number)).await
    }

    async fn control_row<T: Serialize + DeserializeOwned>(&self, key: &Key) -> Result<Option<Row<T>>, StoreError> {
        let found = self.get_all(&self.tables.control, std::iter::once(key)).await?;
        found.first().map(Row::read).transpose()
    }

    /// The segments of a job, in order.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn segments(&self, shop: &ShopId, job: &JobId) -> Result<Vec<Row<Segment>>, StoreError> {
        let rows = self.query(&self.tables.control, None, (key::PK, &key::segments(shop, job)), None).await?;
        rows.iter().map(Row::read).collect()
    }

    /// The latest jobs of a shop whose boundaries lie at or before an instant, the latest boundary first. Later
    /// boundaries belong to jobs that a clock that was ahead opened.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn latest_jobs(&self, shop: &ShopId, until: Instant, at_most: i32) -> Result<Vec<Row<Job>>, StoreError> {
        let asked = self.client.query().table_name(&self.tables.control).limit(at_most).scan_index_forward(false);
        let asked = asked.key_condition_expression("pk = :pk AND sk <= :last").consistent_read(true);
        let asked = asked.expression_attribute_values(":pk", AttributeValue::S(key::jobs(shop)));
        let asked = asked.expression_attribute_values(":last", AttributeValue::S(key::behind_jobs_at(until)));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Read, answer.consumed_capacity());
        answer.items.unwrap_or_default().into_iter().map(|item| Row::read(&Item(item))).collect()
    }

    /// Writes a job in its new state.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another writer changed it since it was read.
    pub async fn write_job(&self, shop: &ShopId, job: &mut Row<Job>) -> Result<(), StoreError> {
        let item = job_item(shop, &job.body);
        job.write(self, item).await
    }

    /// Writes a job together with its insight: a job that is done has both or neither.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another writer changed it since it was read.
    pub async fn write_found(&self, shop: &ShopId, job: &mut Row<Job>, found: &Insight) -> Result<(), StoreError> {
        let mut commit = Commit::default();
        let item = job_item(shop, &job.body).text(BODY, json!(job.body).to_string());
        commit.row(self, item, Some(job.version))?;
        commit.insight(self, shop, found)?;
        self.commit(commit).await?;
        job.version += 1;
        Ok(())
    }

    /// Writes a segment in its new state.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if another worker wrote it since it was read: that worker owns the segment now.
    pub async fn write_segment(
        &self,
        shop: &ShopId,
        job: &JobId,
        segment: &mut Row<Segment>,
    ) -> Result<(), StoreError> {
        let item = Item::at(&key::segment(shop, job, segment.body.number));
        segment.write(self, item).await
    }
}
