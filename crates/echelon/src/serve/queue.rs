//! Queues as rows of a table: what was sent is on disk before the sender hears of it, and gone only when it is done.
//!
//! A message is delivered at least once. Who takes it does not remove it; it comes again when its delivery failed or was
//! cut short, later each time, and after [`RECEIVED_MAX`] failures it lies in the dead letters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{DisplayErrorContext, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, Select, TransactWriteItem};
use rules::calendar::Instant;
use service::ingest::Asides;
use service::store::{Item, StoreError, key, table};
use thiserror::Error;
use tokio::sync::Notify;
use uuid::Uuid;
use web::problem::Problem;

/// What has been told and is not taken in yet.
pub const INGEST: &str = "ingest";
/// What failed too often.
pub const DEAD: &str = "dead";
/// The bodies of what can never succeed as it is.
pub const QUARANTINE: &str = "quarantine";

/// A message that failed so often goes to the dead letters, as in the deployed queues.
pub const RECEIVED_MAX: u32 = 20;
/// How long bodies that were set aside are kept: as long as the deployed queue keeps them.
const KEPT_MS_MAX: i64 = 14 * 24 * 60 * 60 * 1_000;
/// A transaction has at most this many items, and 4 MB; attributes beside the body are small.
const WRITES_MAX: usize = 100;
const BYTES_MAX: usize = 3_000_000;
/// The first pause after a failure doubles with each, up to the longest.
const PAUSE_MS: i64 = 250;
const PAUSE_MS_MAX: i64 = 5 * 60 * 1_000;
/// How long a message that was taken is hidden from others on a store that others work on too: six times what a batch
/// may take.
const HIDDEN_MS: i64 = 180_000;

const BODY: &str = "body";
const VISIBLE_AT: &str = "visible_at";
const RECEIVED: &str = "received";
const SENT_AT: &str = "sent_at";

/// Why the store did not do what a queue asked of it.
#[derive(Debug, Clone, Error)]
#[error("the store did not answer as it should: {0}")]
pub struct QueueError(String);

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        tracing::error!(%error, "a queue did not do what was asked");
        Self::later("the store does not answer as it should")
    }
}

impl QueueError {
    /// Of what a queue or its table answered.
    pub fn of<E, R>(error: &SdkError<E, R>) -> Self
    where
        E: std::error::Error + 'static,
        R: std::fmt::Debug,
    {
        Self(DisplayErrorContext(error).to_string())
    }

    /// Of a table that is not the queues'.
    pub fn of_store(error: StoreError) -> Self {
        Self(error.to_string())
    }

    /// The system is ending and takes nothing any more.
    pub fn ended() -> Self {
        Self("the system is ending".to_owned())
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// How the queue knows it.
    pub id: String,
    /// What was sent.
    pub body: String,
    /// How often it failed.
    pub received: u32,
    /// When it was sent.
    pub sent_at: Instant,
    /// From when on it is to be had.
    visible_at: i64,
}

/// The queues of a system.
#[derive(Debug, Clone)]
pub struct Queues {
    client: Client,
    table: String,
    /// Whether other processes take messages from the same queues.
    shared: bool,
    news: Arc<Notify>,
    waiting: Arc<AtomicU64>,
}

impl Queues {
    /// Queues in a table whose name begins so, which is made if it is not there. `shared` says whether other processes
    /// take messages from them too.
    ///
    /// # Errors
    /// What the database says.
    pub async fn open(client: Client, prefix: &str, shared: bool) -> Result<Self, QueueError> {
        let name = format!("{prefix}-queues");
        table::make(&client, &name, table::QUEUES).await.map_err(|error| QueueError(error.to_string()))?;
        let queues = Self { client, table: name, shared, news: Arc::default(), waiting: Arc::default() };
        let waiting = queues.count(INGEST).await?;
        queues.waiting.store(waiting, Ordering::SeqCst);
        Ok(queues)
    }

    /// How many messages wait to be taken in, as far as this process knows.
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Returns when something was sent, at once if that was since the last time.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// Sends to the ingest queue. When this returns they are on disk, all of them.
    ///
    /// # Errors
    /// [`QueueError`]; then some may have been sent.
    pub async fn send(&self, bodies: &[String]) -> Result<(), QueueError> {
        let mut rest = bodies;
        while !rest.is_empty() {
            let (some, others) = rest.split_at(fitting(rest));
            let now = crate::now();
            let put = |body: &String| self.put(INGEST, &Uuid::now_v7().to_string(), body, now);
            self.write(some.iter().map(put).collect::<Result<_, _>>()?).await?;
            self.waiting.fetch_add(some.len() as u64, Ordering::SeqCst);
            self.news.notify_one();
            rest = others;
        }
        Ok(())
    }

    /// Takes up to `max` messages that are to be had, oldest first. They stay in the queue.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn receive(&self, max: usize) -> Result<Vec<Queued>, QueueError> {
        let now = crate::now().millis();
        let mut taken = Vec::new();
        let mut from = None;
        loop {
            let asked = self.query(INGEST).limit(i32::try_from(max).unwrap_or(i32::MAX));
            let asked = asked.filter_expression("visible_at <= :now");
            let asked = asked.expression_attribute_values(":now", AttributeValue::N(now.to_string()));
            let answer = asked.set_exclusive_start_key(from).send().await.map_err(|error| QueueError::of(&error))?;
            for item in answer.items.unwrap_or_default().into_iter().map(Item) {
                let queued = queued(&item)?;
                if taken.len() < max && (!self.shared || self.hide(&queued, now).await?) {
                    taken.push(queued);
                }
            }
            from = answer.last_evaluated_key;
            if from.is_none() || taken.len() >= max {
                return Ok(taken);
            }
        }
    }

    /// Hides a message from other processes; whether this one got it.
    async fn hide(&self, queued: &Queued, now: i64) -> Result<bool, QueueError> {
        let asked = self.client.update_item().table_name(&self.table).set_key(Some(at(INGEST, &queued.id).0));
        let asked = asked.update_expression("SET visible_at = :later").condition_expression("visible_at = :seen");
        let asked = asked.expression_attribute_values(":later", AttributeValue::N((now + HIDDEN_MS).to_string()));
        let asked = asked.expression_attribute_values(":seen", AttributeValue::N(queued.visible_at.to_string()));
        match asked.send().await {
            Ok(_) => Ok(true),
            Err(error) => {
                let lost = error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception());
                if lost { Ok(false) } else { Err(QueueError::of(&error)) }
            }
        }
    }

    /// Removes what is done.
    ///
    /// # Errors
    /// [`QueueError`]; then it comes again.
    pub async fn delete(&self, done: &[Queued]) -> Result<(), QueueError> {
        for some in done.chunks(WRITES_MAX) {
            self.write(some.iter().map(|it| self.remove(INGEST, &it.id)).collect::<Result<_, _>>()?).await?;
            self.gone(some.len() as u64);
        }
        Ok(())
    }

    /// Gives a message back that failed: it comes again after a pause, or goes to the dead letters. Returns whether it
    /// went there.
    ///
    /// # Errors
    /// [`QueueError`]; then it comes again at once.
    pub async fn back_off(&self, failed: &Queued) -> Result<bool, QueueError> {
        let received = failed.received.saturating_add(1);
        if received >= RECEIVED_MAX {
            let put = self.put(DEAD, &failed.id, &failed.body, failed.sent_at)?;
            self.write(vec![put, self.remove(INGEST, &failed.id)?]).await?;
            self.gone(1);
            return Ok(true);
        }
        let visible_at = crate::now().millis() + pause_ms(&failed.id, received);
        let asked = self.client.update_item().table_name(&self.table).set_key(Some(at(INGEST, &failed.id).0));
        let asked = asked.update_expression("SET visible_at = :later, received = :received");
        let asked = asked.condition_expression("attribute_exists(pk)");
        let asked = asked.expression_attribute_values(":later", AttributeValue::N(visible_at.to_string()));
        let asked = asked.expression_attribute_values(":received", AttributeValue::N(received.to_string()));
        asked.send().await.map_err(|error| QueueError::of(&error))?;
        Ok(false)
    }

    /// A message of a queue.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn get(&self, queue: &str, id: &str) -> Result<Option<Queued>, QueueError> {
        let asked = self.client.get_item().table_name(&self.table).set_key(Some(at(queue, id).0)).consistent_read(true);
        let answer = asked.send().await.map_err(|error| QueueError::of(&error))?;
        answer.item.map(|item| queued(&Item(item))).transpose()
    }

    /// All messages of a queue, whether they are to be had now or later.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn all(&self, queue: &str) -> Result<Vec<Queued>, QueueError> {
        let (mut all, mut from) = (Vec::new(), None);
        loop {
            let answer = self.query(queue).set_exclusive_start_key(from).send().await;
            let answer = answer.map_err(|error| QueueError::of(&error))?;
            for item in answer.items.unwrap_or_default() {
                all.push(queued(&Item(item))?);
            }
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(all);
            }
        }
    }

    /// Puts a message of another queue into the ingest queue, as if it came now.
    ///
    /// # Errors
    /// [`QueueError`]; then it is where it was.
    pub async fn again(&self, from: &str, message: &Queued) -> Result<(), QueueError> {
        let put = self.put(INGEST, &Uuid::now_v7().to_string(), &message.body, crate::now())?;
        self.write(vec![put, self.remove(from, &message.id)?]).await?;
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.news.notify_one();
        Ok(())
    }

    /// Deletes bodies that were set aside and have been kept long enough.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn expire(&self) -> Result<(), QueueError> {
        let before = crate::now().millis() - KEPT_MS_MAX;
        let old: Vec<Queued> =
            self.all(QUARANTINE).await?.into_iter().filter(|it| it.sent_at.millis() < before).collect();
        for some in old.chunks(WRITES_MAX) {
            self.write(some.iter().map(|it| self.remove(QUARANTINE, &it.id)).collect::<Result<_, _>>()?).await?;
        }
        Ok(())
    }

    async fn count(&self, queue: &str) -> Result<u64, QueueError> {
        let (mut count, mut from) = (0, None);
        loop {
            let asked = self.query(queue).select(Select::Count).set_exclusive_start_key(from);
            let answer = asked.send().await.map_err(|error| QueueError::of(&error))?;
            count += u64::try_from(answer.count).unwrap_or_default();
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(count);
            }
        }
    }

    fn gone(&self, count: u64) {
        // Messages that another process sent were never counted here.
        let less = |waiting: u64| Some(waiting.saturating_sub(count));
        let _ = self.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    }

    fn query(&self, queue: &str) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        let asked = self.client.query().table_name(&self.table).consistent_read(true);
        let asked = asked.key_condition_expression("pk = :queue");
        asked.expression_attribute_values(":queue", AttributeValue::S(queue.to_owned()))
    }

    fn put(&self, queue: &str, id: &str, body: &str, sent_at: Instant) -> Result<TransactWriteItem, QueueError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item(queue, id, body, sent_at).0)).build();
        let put = put.map_err(|error| QueueError(error.to_string()))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn remove(&self, queue: &str, id: &str) -> Result<TransactWriteItem, QueueError> {
        let delete = Delete::builder().table_name(&self.table).set_key(Some(at(queue, id).0)).build();
        let delete = delete.map_err(|error| QueueError(error.to_string()))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// All or nothing, in one commit.
    async fn write(&self, writes: Vec<TransactWriteItem>) -> Result<(), QueueError> {
        let asked = self.client.transact_write_items().set_transact_items(Some(writes));
        asked.send().await.map(drop).map_err(|error| QueueError::of(&error))
    }
}

impl Asides for Queues {
    async fn keep(&self, id: &str, body: &str) -> Result<(), String> {
        let item = item(QUARANTINE, id, body, crate::now());
        let asked = self.client.put_item().table_name(&self.table).set_item(Some(item.0));
        asked.send().await.map(drop).map_err(|error| QueueError::of(&error).to_string())
    }
}

/// How many of the first bodies go into one transaction; at least one.
fn fitting(bodies: &[String]) -> usize {
    let mut bytes = 0;
    let fits = |body: &&String| {
        bytes += body.len();
        bytes <= BYTES_MAX
    };
    bodies.iter().take(WRITES_MAX).take_while(fits).count().max(1)
}

/// Longer after each failure, and not as long as the others that failed with it.
fn pause_ms(id: &str, received: u32) -> i64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (id, received).hash(&mut hasher);
    let longest = PAUSE_MS.saturating_mul(1 << received.min(20)).min(PAUSE_MS_MAX);
    longest / 2 + i64::try_from(hasher.finish() % 1_000).unwrap_or_default() * longest / 2_000
}

fn at(queue: &str, id: &str) -> Item {
    Item::at(&key::queued(queue, id))
}

fn item(queue: &str, id: &str, body: &str, sent_at: Instant) -> Item {
    let sent_at = sent_at.millis();
    at(queue, id).text(BODY, body).number(VISIBLE_AT, sent_at).number(RECEIVED, 0).number(SENT_AT, sent_at)
}

fn queued(item: &Item) -> Result<Queued, QueueError> {
    Ok(Queued {
        id: item.key().sk,
        body: item.need_text(BODY).map_err(QueueError::of_store)?.to_owned(),
        received: item.need_number(RECEIVED).map_err(QueueError::of_store)?,
        sent_at: Instant::from_millis(item.need_number(SENT_AT).map_err(QueueError::of_store)?),
        visible_at: item.need_number(VISIBLE_AT).map_err(QueueError::of_store)?,
    })
}

/// How long to wait for news before looking whether a pause is over.
pub const LOOK_AGAIN: Duration = Duration::from_millis(500);
