//! Rows of lists and of insight in the control table: the results of sweeps.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use rules::calendar::Instant;
use serde_json::json;

use super::commit::Commit;
use super::item::Item;
use super::job::BODY;
use super::key::{self, Key};
use super::load::name;
use super::meter::Kind;
use super::table::EXPIRES_AT;
use super::{Store, StoreError};
use crate::records::JobId;
use crate::records::insight::Insight;
use crate::records::list::{Entry, Name, unpack};
use crate::shop::ShopId;

/// The attribute with the version of the segment under which a row of a list was written.
const ATTEMPT: &str = "attempt";
/// The attribute with the number of members in a row, for people who inspect the table.
const MEMBERS: &str = "members";

/// A row of a list to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewListRow {
    /// Its key.
    pub key: Key,
    /// Its entries, packed.
    pub packed: Vec<u8>,
    /// The number of entries, at most [`crate::records::list::ENTRIES_MAX`].
    pub members: usize,
    /// The version of the segment under which it is written.
    pub attempt: u64,
    /// When it expires.
    pub until: Instant,
}

/// A row of a list as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    /// Its sort key.
    pub sk: String,
    /// The version of the segment under which it was written.
    pub attempt: u64,
    /// The members on it.
    pub entries: Vec<Entry>,
}

impl ListRow {
    /// The place where the row's page began.
    pub fn place(&self) -> &str {
        key::place_of_list_row(&self.sk)
    }
}

/// Some rows of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListRows {
    /// The rows, in the order of their keys.
    pub rows: Vec<ListRow>,
    /// The sort key after which there may be more rows.
    pub next: Option<String>,
}

impl Store {
    /// Writes a row of a list over the row of an earlier attempt. Repeating it is harmless.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a later attempt has written it: another worker owns the segment.
    pub async fn write_list(&self, row: NewListRow) -> Result<(), StoreError> {
        let NewListRow { key, packed, members, attempt, until } = row;
        let item = Item::at(&key).bytes(name::BODY, packed).number(MEMBERS, members).number(ATTEMPT, attempt);
        let item = item.number(EXPIRES_AT, until.millis().div_euclid(1_000));
        let asked = self.client.put_item().table_name(&self.tables.control).set_item(Some(item.0));
        let asked = asked.condition_expression("attribute_not_exists(pk) OR attempt <= :attempt");
        let asked = asked.expression_attribute_values(":attempt", AttributeValue::N(attempt.to_string()));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Write, answer.consumed_capacity());
        Ok(())
    }

    /// Rows of a list, starting with the row of a sort key.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn list_rows(
        &self,
        shop: &ShopId,
        job: &JobId,
        list: &Name,
        from: Option<&str>,
        at_most: i32,
    ) -> Result<ListRows, StoreError> {
        let asked = self.client.query().table_name(&self.tables.control).limit(at_most).consistent_read(true);
        // Every sort key of a list begins with a bucket.
        let asked = asked.key_condition_expression("pk = :pk AND sk >= :from");
        let asked = asked.expression_attribute_values(":pk", AttributeValue::S(key::list(shop, job, list)));
        let asked = asked.expression_attribute_values(":from", AttributeValue::S(from.unwrap_or("0").to_owned()));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Read, answer.consumed_capacity());
        let next = answer.last_evaluated_key.map(|last| Item(last).key().sk);
        let rows = answer.items.unwrap_or_default().into_iter().map(|item| list_row(&Item(item)));
        Ok(ListRows { rows: rows.collect::<Result<_, _>>()?, next })
    }

    /// Deletes a list, for stores that do not delete expired items. Yields the number of its rows.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn delete_list(&self, shop: &ShopId, job: &JobId, list: &Name) -> Result<u64, StoreError> {
        let rows = self.query(&self.tables.control, None, (key::PK, &key::list(shop, job, list)), None).await?;
        for row in &rows {
            self.delete(&self.tables.control, row, None).await?;
        }
        Ok(rows.len() as u64)
    }

    /// The insight of a job; none unless the job is done.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn insight(&self, shop: &ShopId, job: &JobId) -> Result<Option<Insight>, StoreError> {
        let found = self.get_all(&self.tables.control, std::iter::once(&key::insight(shop, job))).await?;
        found.first().map(insight).transpose()
    }

    /// The insight of the latest job up to an instant. Later ones belong to jobs that a clock that was ahead opened.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn latest_insight(&self, shop: &ShopId, until: Instant) -> Result<Option<Insight>, StoreError> {
        let asked = self.client.query().table_name(&self.tables.control).limit(1).scan_index_forward(false);
        let asked = asked.key_condition_expression("pk = :pk AND sk <= :last").consistent_read(true);
        let asked = asked.expression_attribute_values(":pk", AttributeValue::S(key::insights(shop)));
        let asked = asked.expression_attribute_values(":last", AttributeValue::S(key::behind_jobs_at(until)));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let answer = asked.send().await.map_err(StoreError::of_sdk)?;
        self.meter.add(Kind::Read, answer.consumed_capacity());
        answer.items.unwrap_or_default().into_iter().next().map(|item| insight(&Item(item))).transpose()
    }

    /// The insights of jobs after an instant and up to another, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn insights(&self, shop: &ShopId, from: Instant, to: Instant) -> Result<Vec<Insight>, StoreError> {
        let (after, last) = (key::behind_jobs_at(from), key::behind_jobs_at(to));
        if from > to {
            // The database refuses a range that ends before it begins.
            return Ok(Vec::new());
        }
        let asked = self.client.query().table_name(&self.tables.control).consistent_read(true);
        let asked = asked.key_condition_expression("pk = :pk AND sk BETWEEN :after AND :last");
        let asked = asked.expression_attribute_values(":pk", AttributeValue::S(key::insights(shop)));
        let asked = asked.expression_attribute_values(":after", AttributeValue::S(after));
        let asked = asked.expression_attribute_values(":last", AttributeValue::S(last));
        let asked = asked.return_consumed_capacity(ReturnConsumedCapacity::Indexes);
        let (mut found, mut begin) = (Vec::new(), None);
        loop {
            let answer = asked.clone().set_exclusive_start_key(begin).send().await;
            let answer = answer.map_err(StoreError::of_sdk)?;
            self.meter.add(Kind::Read, answer.consumed_capacity());
            for item in answer.items.unwrap_or_default() {
                found.push(insight(&Item(item))?);
            }
            begin = answer.last_evaluated_key;
            if begin.is_none() {
                return Ok(found);
            }
        }
    }
}

impl Commit {
    /// Writes the insight of a job. It must be new: a job is done once.
    pub(super) fn insight(&mut self, store: &Store, shop: &ShopId, found: &Insight) -> Result<(), StoreError> {
        self.control(store, Item::at(&key::insight(shop, &found.job)).text(BODY, json!(found).to_string()))
    }
}

fn insight(item: &Item) -> Result<Insight, StoreError> {
    serde_json::from_str(item.need_text(BODY)?).map_err(|error| item.corrupt(format!("{BODY}: {error}")))
}

fn list_row(item: &Item) -> Result<ListRow, StoreError> {
    let entries = unpack(item.need_bytes(name::BODY)?).ok_or_else(|| item.corrupt(name::BODY))?;
    Ok(ListRow { sk: item.key().sk, attempt: item.need_number(ATTEMPT)?, entries })
}
