//! Queues as rows of a table: what was sent is on disk before the sender hears of it, and gone only when it is done.
//!
//! A message is delivered at least once. Who takes it does not remove it; it comes again when its delivery failed or was
//! cut short, later each time, and after [`RECEIVED_MAX`] failures it lies in the dead letters.

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

use super::lane::{LANES, Lane};

/// What failed too often.
pub const DEAD: &str = "dead";
/// The bodies of what can never succeed as it is.
pub const QUARANTINE: &str = "quarantine";
/// The digests of bodies that came signed, with what each told; and keys, with the digest of what was sent under each.
const SEEN: &str = "seen";
/// Tokens of staff that were used, and, apart from them so that noting a use takes no revocation back, those that are revoked.
pub const TOKENS: &str = "tokens";
/// Those that are revoked.
pub const REVOKED: &str = "revoked";
/// What time it is in this system.
const CLOCK: &str = "clock";

/// A message that failed so often goes to the dead letters, as in the deployed queues.
pub const RECEIVED_MAX: u32 = 20;
/// How long quarantined bodies are kept: as long as the deployed queue keeps them.
const KEPT_MS_MAX: i64 = 14 * 24 * 60 * 60 * 1_000;
/// A transaction has at most this many items, and 4 MB; attributes beside the body are small.
const WRITES_MAX: usize = 100;
/// Of one lane so many bytes are taken together, or one message that has more: so that nobody waits long for what others sent.
const TAKEN_BYTES_MAX: usize = 512 * 1_024;
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
    /// The queue that it is in.
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
    /// How many wait in each lane, as far as this process knows.
    waiting: Arc<[AtomicU64; LANES as usize + 1]>,
    /// Which lane has its turn next.
    turn: Arc<AtomicU64>,
}

impl Queues {
    /// Queues in a table whose name begins so, which is made if it is not there. `shared` says whether other processes
    /// take messages from them too.
    ///
    /// # Errors
    /// What the database says.
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

    /// How many messages wait to be taken in, as far as this process knows.
    pub fn waiting(&self) -> u64 {
        self.waiting.iter().map(|lane| lane.load(Ordering::SeqCst)).sum()
    }

    /// Returns when something was sent, at once if that was since the last time.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    /// Sends to lanes of the ingest queue. When this returns they are on disk, all of them.
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

    /// Takes up to about `max` messages that are to be had: of each lane in which some wait an equal share, oldest first. They
    /// stay in the queue.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn receive(&self, max: usize) -> Result<Vec<Queued>, QueueError> {
        // What others sent is not counted here.
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
            // What one lane leaves is shared by those behind it.
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
            // Nothing is hidden for longer: what is was hidden by a clock that was ahead.
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
                // Others took what this process sent.
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

    /// Hides a message from other processes; whether this one got it.
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

    /// Removes what is done.
    ///
    /// # Errors
    /// [`QueueError`]; then it comes again.
    pub async fn delete(&self, done: &[Queued]) -> Result<(), QueueError> {
        for some in done.chunks(WRITES_MAX) {
            self.write(some.iter().map(|it| self.remove(&it.queue, &it.id)).collect::<Result<_, _>>()?).await?;
            some.iter().for_each(|it| self.gone(it));
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

    /// All messages of a queue, whether they are to be had now or later.
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

    /// Puts a message of another queue into the ingest queue, as if it came now.
    ///
    /// # Errors
    /// [`QueueError`]; then it is where it was.
    pub async fn again(&self, from: &str, message: &Queued) -> Result<(), QueueError> {
        let lane = Lane::common();
        let put = self.put(&lane.name(), &Uuid::now_v7().to_string(), &message.body, crate::now())?;
        self.write(vec![put, self.remove(from, &message.id)?]).await?;
        self.come(lane, 1);
        self.news.notify_one();
        Ok(())
    }

    /// Deletes what has been kept long enough: quarantined bodies, and digests of bodies that came signed.
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

    /// Keeps a row of a queue that nobody takes from, in place of the one that has its id.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn keep_row(&self, queue: &str, id: &str, body: &str) -> Result<(), QueueError> {
        self.write(vec![self.put(queue, id, body, crate::now())?]).await
    }

    /// Forgets such a row.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn forget(&self, queue: &str, id: &str) -> Result<(), QueueError> {
        self.write(vec![self.remove(queue, id)?]).await
    }

    /// Notes what time it is in this system.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn note_time(&self, now: Instant) -> Result<(), QueueError> {
        self.write(vec![self.put(CLOCK, "-", &now.to_string(), crate::now())?]).await
    }

    /// The latest instant that was noted; none of a system that is new.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn noted_time(&self) -> Result<Option<Instant>, QueueError> {
        let noted = self.get(CLOCK, "-").await?;
        noted.map(|noted| Instant::parse(&noted.body).map_err(QueueError::of)).transpose()
    }

    /// Writes something of no meaning, to find out whether anything can be written.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn probe(&self) -> Result<(), QueueError> {
        self.write(vec![self.put("probe", "-", "-", crate::now())?]).await
    }

    /// When the message was sent that has waited the longest.
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

    /// How many messages a queue has.
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
        // Messages that another process sent were never counted here.
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

    /// All or nothing, in one commit.
    async fn write(&self, writes: Vec<TransactWriteItem>) -> Result<(), QueueError> {
        let asked = self.client.transact_write_items().set_transact_items(Some(writes));
        asked.send().await.map(drop).map_err(QueueError::of_sdk)
    }
}

impl Quarantine for Queues {
    async fn put(&self, id: &str, body: &str) -> Result<(), TransportError> {
        let item = item(QUARANTINE, id, body, crate::now());
        let asked = self.client.put_item().table_name(&self.table).set_item(Some(item.0));
        asked.send().await.map(drop).map_err(|error| {
            let error = QueueError::of_sdk(error);
            TransportError::of(error.to_string(), error)
        })
    }
}

/// How many of the first bodies go into one transaction that has room for so many; at least one.
fn fitting<'a>(bodies: impl Iterator<Item = &'a str>, most: usize) -> usize {
    let mut bytes = 0;
    let fits = |body: &&str| {
        bytes += body.len();
        bytes <= BYTES_MAX
    };
    bodies.take(most).take_while(fits).count().max(1)
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
    // To be had at once, whatever the clock says later.
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

/// How long to wait for news before looking whether a pause is over.
pub const LOOK_AGAIN: Duration = Duration::from_millis(500);
