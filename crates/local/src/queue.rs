//! Queues as rows of a table: a message is on disk before its sender gets an answer, and it is removed only when it is
//! done.
//!
//! A message is delivered at least once. Receiving a message does not remove it. If its delivery fails or is cut short,
//! it is delivered again, later each time, and after [`RECEIVED_MAX`] failures it goes to the dead letters.

mod error;
mod seen;

pub use error::QueueError;
pub use seen::Once;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, Select, TransactWriteItem};
use engine::ingest::Quarantine;
use engine::transport::TransportError;
use rules::calendar::Instant;
use store::{Item, key, table};
use tokio::sync::Notify;
use uuid::Uuid;

use super::lane::{LANES_ALL, Lane};
use super::time::EVER;

/// The dead letters: messages that failed too often.
pub const DEAD: &str = "dead";
/// The bodies of events that can never succeed as they are.
pub const QUARANTINE: &str = "quarantine";
/// The digests of signed bodies, with what each body told; and idempotency keys, with the digest of the body sent under
/// each.
const SEEN: &str = "seen";
/// The staff tokens that were used. The revoked ones have a queue of their own, so that noting a use does not undo a
/// revocation.
pub const TOKENS: &str = "tokens";
/// The staff tokens that are revoked.
pub const REVOKED: &str = "revoked";
/// The time of this system.
const CLOCK: &str = "clock";

/// The number of failures after which a message goes to the dead letters, as in the deployed queues.
pub const RECEIVED_MAX: u32 = 20;
/// The time for which quarantined bodies are kept: as long as in the deployed queue.
const KEPT_MS_MAX: i64 = 14 * 24 * 60 * 60 * 1_000;
/// The maximum number of items in a transaction. It also has at most 4 MB; attributes besides the body are small.
const WRITES_MAX: usize = 100;
/// The number of bytes after which no more messages of a lane are received at once, so that other shops do not wait
/// long.
const TAKEN_BYTES_MAX: usize = 512 * 1_024;
const BYTES_MAX: usize = 3_000_000;
/// The base of the pause after a failure. It doubles with each failure, up to the maximum.
const PAUSE_MS: i64 = 250;
const PAUSE_MS_MAX: i64 = 5 * 60 * 1_000;
/// The time for which a received message is hidden from other processes on a shared store: six times the maximum
/// duration of a batch.
const HIDDEN_MS: i64 = 180_000;

const BODY: &str = "body";
const VISIBLE_AT: &str = "visible_at";
const RECEIVED: &str = "received";
const SENT_AT: &str = "sent_at";

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The id in the queue.
    pub id: String,
    /// The body.
    pub body: String,
    /// The number of failures.
    pub received: u32,
    /// When it was sent.
    pub sent_at: Instant,
    /// The instant from which the message can be received.
    visible_at: i64,
    /// The queue that the message is in.
    queue: String,
}

/// The queues of a system.
#[derive(Debug, Clone)]
pub struct Queues {
    client: Client,
    table: String,
    /// Whether other processes take messages from the same queues.
    shared: bool,
    news: Arc<Notify>,
    /// The number of waiting messages in each lane, as far as this process knows.
    waiting: Arc<[AtomicU64; LANES_ALL]>,
    /// The turn, which decides the first lane of the next batch.
    turn: Arc<AtomicU64>,
}

impl Queues {
    /// Opens the queues in the table with this prefix, and makes the table if it does not exist. `shared` says whether
    /// other processes receive messages from them too.
    ///
    /// # Errors
    /// The error of the database.
    pub async fn open(client: Client, prefix: &str, shared: bool) -> Result<Self, QueueError> {
        let name = format!("{prefix}-queues");
        table::make(&client, &name, table::QUEUES).await.map_err(QueueError::of)?;
        if shared {
            table::one_ready(&client, &name).await.map_err(QueueError::of)?;
        }
        let (news, waiting, turn) = (Arc::default(), Arc::default(), Arc::default());
        let queues = Self { client, table: name, shared, news, waiting, turn };
        for lane in Lane::all() {
            queues.come(lane, queues.count(&lane.name()).await?);
        }
        Ok(queues)
    }

    /// The number of messages that wait to be ingested, as far as this process knows.
    pub fn waiting(&self) -> u64 {
        self.waiting.iter().map(|lane| lane.load(Ordering::SeqCst)).sum()
    }

    /// Waits until a message is sent; returns at once if one was sent since the last call.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// Sends messages to lanes of the ingest queue. When this returns, all of them are on disk.
    ///
    /// # Errors
    /// [`QueueError`]; then some may have been sent.
    pub async fn send(&self, messages: &[(Lane, String)]) -> Result<(), QueueError> {
        let mut rest = messages;
        while !rest.is_empty() {
            let (some, others) = rest.split_at(fitting(rest.iter().map(|(_, body)| body.as_str()), WRITES_MAX));
            let now = crate::now();
            let put = |(lane, body): &(Lane, String)| self.put(&lane.name(), &Uuid::now_v7().to_string(), body, now);
            self.write(some.iter().map(put).collect::<Result<_, _>>()?).await?;
            for (lane, _) in some {
                self.come(*lane, 1);
            }
            self.news.notify_one();
            rest = others;
        }
        Ok(())
    }

    fn come(&self, lane: Lane, count: u64) {
        if let Some(waiting) = self.waiting.get(usize::from(lane.0)) {
            waiting.fetch_add(count, Ordering::SeqCst);
        }
    }

    /// Receives up to about `max` messages that are visible: an equal share from each lane with waiting messages,
    /// oldest first. They stay in the queue.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn receive(&self, max: usize) -> Result<Vec<Queued>, QueueError> {
        // Messages from other processes are not counted here.
        let waits = |lane: &Lane| {
            self.shared
                || self.waiting.get(usize::from(lane.0)).is_some_and(|waiting| waiting.load(Ordering::SeqCst) > 0)
        };
        let mut lanes: Vec<Lane> = Lane::all().filter(waits).collect();
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        let turn = self.turn.fetch_add(1, Ordering::SeqCst);
        let first = usize::try_from(turn % lanes.len() as u64).unwrap_or_default();
        lanes.rotate_left(first);
        let mut taken = Vec::new();
        for (place, lane) in lanes.iter().enumerate() {
            // Lanes share what earlier lanes leave unused.
            let share = (max - taken.len()).div_ceil(lanes.len() - place);
            taken.extend(self.receive_of(*lane, share).await?);
        }
        Ok(taken)
    }

    async fn receive_of(&self, lane: Lane, max: usize) -> Result<Vec<Queued>, QueueError> {
        let now = crate::now().millis();
        let (mut taken, mut bytes, mut from) = (Vec::new(), 0, None);
        loop {
            let asked = self.query(&lane.name()).limit(i32::try_from(max).unwrap_or(i32::MAX));
            // No message is hidden for longer than this. A later instant comes from a clock that was ahead.
            let asked = asked.filter_expression("visible_at <= :now OR visible_at > :ahead");
            let asked = asked.expression_attribute_values(":now", AttributeValue::N(now.to_string()));
            let ahead = now + PAUSE_MS_MAX.max(HIDDEN_MS);
            let asked = asked.expression_attribute_values(":ahead", AttributeValue::N(ahead.to_string()));
            let answer = asked.set_exclusive_start_key(from).send().await.map_err(QueueError::of_sdk)?;
            for item in answer.items.unwrap_or_default().into_iter().map(Item) {
                let queued = queued(&item)?;
                let has_room = taken.len() < max && bytes < TAKEN_BYTES_MAX;
                if has_room && (!self.shared || self.hide(&queued, now).await?) {
                    bytes += queued.body.len();
                    taken.push(queued);
                }
            }
            from = answer.last_evaluated_key;
            if from.is_none() && taken.is_empty() && self.shared {
                // Other processes received what this one sent.
                self.none_of(lane);
            }
            if from.is_none() || taken.len() >= max || bytes >= TAKEN_BYTES_MAX {
                return Ok(taken);
            }
        }
    }

    fn none_of(&self, lane: Lane) {
        if let Some(waiting) = self.waiting.get(usize::from(lane.0)) {
            waiting.store(0, Ordering::SeqCst);
        }
    }

    /// Hides a message from other processes; returns whether this process got it.
    async fn hide(&self, queued: &Queued, now: i64) -> Result<bool, QueueError> {
        let asked = self.client.update_item().table_name(&self.table).set_key(Some(at(&queued.queue, &queued.id).0));
        let asked = asked.update_expression("SET visible_at = :later").condition_expression("visible_at = :seen");
        let asked = asked.expression_attribute_values(":later", AttributeValue::N((now + HIDDEN_MS).to_string()));
        let asked = asked.expression_attribute_values(":seen", AttributeValue::N(queued.visible_at.to_string()));
        match asked.send().await {
            Ok(_) => Ok(true),
            Err(error) => {
                let lost = error.as_service_error().is_some_and(|error| error.is_conditional_check_failed_exception());
                if lost { Ok(false) } else { Err(QueueError::of_sdk(error)) }
            }
        }
    }

    /// Removes messages that are done.
    ///
    /// # Errors
    /// [`QueueError`]; then they are delivered again.
    pub async fn delete(&self, done: &[Queued]) -> Result<(), QueueError> {
        for some in done.chunks(WRITES_MAX) {
            self.write(some.iter().map(|it| self.remove(&it.queue, &it.id)).collect::<Result<_, _>>()?).await?;
            some.iter().for_each(|it| self.gone(it));
        }
        Ok(())
    }

    /// Gives a failed message back: it is delivered again after a pause, or goes to the dead letters. Returns whether
    /// it went there.
    ///
    /// # Errors
    /// [`QueueError`]; then it is delivered again at once.
    pub async fn back_off(&self, failed: &Queued) -> Result<bool, QueueError> {
        let received = failed.received.saturating_add(1);
        if received >= RECEIVED_MAX {
            let put = self.put(DEAD, &failed.id, &failed.body, failed.sent_at)?;
            self.write(vec![put, self.remove(&failed.queue, &failed.id)?]).await?;
            self.gone(failed);
            return Ok(true);
        }
        let visible_at = crate::now().millis() + pause_ms(&failed.id, received);
        let asked = self.client.update_item().table_name(&self.table).set_key(Some(at(&failed.queue, &failed.id).0));
        let asked = asked.update_expression("SET visible_at = :later, received = :received");
        let asked = asked.condition_expression("attribute_exists(pk)");
        let asked = asked.expression_attribute_values(":later", AttributeValue::N(visible_at.to_string()));
        let asked = asked.expression_attribute_values(":received", AttributeValue::N(received.to_string()));
        asked.send().await.map_err(QueueError::of_sdk)?;
        Ok(false)
    }

    /// A message of a queue.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn get(&self, queue: &str, id: &str) -> Result<Option<Queued>, QueueError> {
        let asked = self.client.get_item().table_name(&self.table).set_key(Some(at(queue, id).0)).consistent_read(true);
        let answer = asked.send().await.map_err(QueueError::of_sdk)?;
        answer.item.map(|item| queued(&Item(item))).transpose()
    }

    /// All messages of a queue, visible or not.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn all(&self, queue: &str) -> Result<Vec<Queued>, QueueError> {
        let (mut all, mut from) = (Vec::new(), None);
        loop {
            let answer = self.query(queue).set_exclusive_start_key(from).send().await;
            let answer = answer.map_err(QueueError::of_sdk)?;
            for item in answer.items.unwrap_or_default() {
                all.push(queued(&Item(item))?);
            }
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(all);
            }
        }
    }

    /// Moves a message from another queue into the ingest queue, as if it were sent now.
    ///
    /// # Errors
    /// [`QueueError`]; then it stays where it was.
    pub async fn again(&self, from: &str, message: &Queued) -> Result<(), QueueError> {
        let lane = Lane::common();
        let put = self.put(&lane.name(), &Uuid::now_v7().to_string(), &message.body, crate::now())?;
        self.write(vec![put, self.remove(from, &message.id)?]).await?;
        self.come(lane, 1);
        self.news.notify_one();
        Ok(())
    }

    /// Deletes expired messages: quarantined bodies, dead letters, and digests of signed bodies and keys.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn expire(&self) -> Result<(), QueueError> {
        let before = crate::now().millis() - KEPT_MS_MAX;
        for queue in [QUARANTINE, DEAD, SEEN] {
            let old: Vec<Queued> =
                self.all(queue).await?.into_iter().filter(|it| it.sent_at.millis() < before).collect();
            for some in old.chunks(WRITES_MAX) {
                self.write(some.iter().map(|it| self.remove(queue, &it.id)).collect::<Result<_, _>>()?).await?;
            }
        }
        Ok(())
    }

    /// Stores a row in a queue that is not received from, in place of the row with the same id.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn keep_row(&self, queue: &str, id: &str, body: &str) -> Result<(), QueueError> {
        self.write(vec![self.put(queue, id, body, crate::now())?]).await
    }

    /// Deletes such a row.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn forget(&self, queue: &str, id: &str) -> Result<(), QueueError> {
        self.write(vec![self.remove(queue, id)?]).await
    }

    /// Notes the present time of this system.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn note_time(&self, now: Instant) -> Result<(), QueueError> {
        self.write(vec![self.put(CLOCK, "-", &now.to_string(), crate::now())?]).await
    }

    /// The latest noted instant; none in a new system. Of a clock beyond the year 9999, which earlier releases noted, it is the end
    /// of that year.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn noted_time(&self) -> Result<Option<Instant>, QueueError> {
        let noted = self.get(CLOCK, "-").await?;
        let read = |body: &str| if body.starts_with('+') { Ok(EVER) } else { Instant::parse(body) };
        noted.map(|noted| read(&noted.body).map_err(QueueError::of)).transpose()
    }

    /// Writes a meaningless row, to find out whether writes succeed.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn probe(&self) -> Result<(), QueueError> {
        self.write(vec![self.put("probe", "-", "-", crate::now())?]).await
    }

    /// When the oldest waiting message was sent.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn oldest(&self) -> Result<Option<Instant>, QueueError> {
        let mut oldest: Option<Instant> = None;
        for lane in Lane::all() {
            let answer = self.query(&lane.name()).limit(1).send().await.map_err(QueueError::of_sdk)?;
            for item in answer.items.unwrap_or_default() {
                let sent_at = queued(&Item(item))?.sent_at;
                oldest = Some(oldest.map_or(sent_at, |oldest| oldest.min(sent_at)));
            }
        }
        Ok(oldest)
    }

    /// The number of messages in a queue.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn count(&self, queue: &str) -> Result<u64, QueueError> {
        let (mut count, mut from) = (0, None);
        loop {
            let asked = self.query(queue).select(Select::Count).set_exclusive_start_key(from);
            let answer = asked.send().await.map_err(QueueError::of_sdk)?;
            count += u64::try_from(answer.count).unwrap_or_default();
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(count);
            }
        }
    }

    fn gone(&self, message: &Queued) {
        let lane = Lane::all().find(|lane| lane.name() == message.queue);
        let Some(waiting) = lane.and_then(|lane| self.waiting.get(usize::from(lane.0))) else { return };
        // Messages from another process were never counted here.
        let less = |waiting: u64| Some(waiting.saturating_sub(1));
        let _ = waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    }

    fn query(&self, queue: &str) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        let asked = self.client.query().table_name(&self.table).consistent_read(true);
        let asked = asked.key_condition_expression("pk = :queue");
        asked.expression_attribute_values(":queue", AttributeValue::S(queue.to_owned()))
    }

    fn put(&self, queue: &str, id: &str, body: &str, sent_at: Instant) -> Result<TransactWriteItem, QueueError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item(queue, id, body, sent_at).0)).build();
        let put = put.map_err(QueueError::of)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn remove(&self, queue: &str, id: &str) -> Result<TransactWriteItem, QueueError> {
        let delete = Delete::builder().table_name(&self.table).set_key(Some(at(queue, id).0)).build();
        let delete = delete.map_err(QueueError::of)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Writes all items in one transaction, or none.
    async fn write(&self, writes: Vec<TransactWriteItem>) -> Result<(), QueueError> {
        let asked = self.client.transact_write_items().set_transact_items(Some(writes));
        asked.send().await.map(drop).map_err(QueueError::of_sdk)
    }
}

impl Quarantine for Queues {
    async fn put(&self, bodies: &[(String, &str)]) -> Result<(), TransportError> {
        let failed = |error: QueueError| TransportError::of(error.to_string(), error);
        let (mut left, now) = (bodies, crate::now());
        while !left.is_empty() {
            let (some, rest) = left.split_at(fitting(left.iter().map(|(_, body)| *body), WRITES_MAX).min(left.len()));
            let writes = some.iter().map(|(id, body)| Queues::put(self, QUARANTINE, id, body, now));
            self.write(writes.collect::<Result<_, _>>().map_err(failed)?).await.map_err(failed)?;
            left = rest;
        }
        Ok(())
    }
}

/// The number of leading bodies that fit into one transaction of at most `most` items; at least one.
fn fitting<'a>(bodies: impl Iterator<Item = &'a str>, most: usize) -> usize {
    let mut bytes = 0;
    let fits = |body: &&str| {
        bytes += body.len();
        bytes <= BYTES_MAX
    };
    bodies.take(most).take_while(fits).count().max(1)
}

/// The backoff after a failure: longer each time, with jitter so that messages that failed together do not return
/// together.
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
    // Visible at once, even if the clock goes back later.
    at(queue, id).text(BODY, body).number(VISIBLE_AT, 0).number(RECEIVED, 0).number(SENT_AT, sent_at)
}

fn queued(item: &Item) -> Result<Queued, QueueError> {
    let key = item.key();
    let wrong = |error| QueueError::undecodable(&key.pk, &key.sk, error);
    Ok(Queued {
        body: item.need_text(BODY).map_err(wrong)?.to_owned(),
        received: item.need_number(RECEIVED).map_err(wrong)?,
        sent_at: Instant::from_millis(item.need_number(SENT_AT).map_err(wrong)?),
        visible_at: item.need_number(VISIBLE_AT).map_err(wrong)?,
        id: key.sk.clone(),
        queue: key.pk.clone(),
    })
}

/// The time to wait for news before checking whether a pause is over.
pub const LOOK_AGAIN: Duration = Duration::from_millis(500);
