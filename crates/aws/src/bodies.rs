//! The bodies of a deployed system, in an SQS queue. The queue delivers messages in no particular order, and hides
//! received ones from other receivers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant as Stopwatch};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::change_message_visibility::ChangeMessageVisibilityError;
use aws_sdk_sqs::types::Message;
use engine::clock::Clock;
use engine::quarantine::{Again, Bodies, BodiesError, QuarantineId};
use futures::StreamExt;
use futures::future::{BoxFuture, join_all};
use futures::stream::iter;
use store::{Store, TURN_MS_MAX};
use uuid::Uuid;

use crate::SqsQuarantine;

/// The wait of a request in seconds before the queue counts as empty: by then SQS has asked all of its servers.
const WAIT_S: i32 = 1;
/// The most messages that a queue delivers at once.
const RECEIVED_MAX: i32 = 10;
/// The number of messages made visible again at once.
const SHOWN_TOGETHER: usize = 32;
/// The time that one request to a queue may take beyond the times that are counted.
const SLACK: Duration = Duration::from_secs(15);

/// The URLs of the queues.
#[derive(Debug, Clone)]
pub struct Urls {
    /// The queue with the bodies.
    pub quarantine: String,
    /// The queue that events come in on.
    pub ingest: String,
}

/// The time limits of a pass through the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The time after which the pass stops; none stands for no limit.
    pub within: Option<Duration>,
    /// The time for which a received message is hidden from others. For as long after the last receive, no other
    /// process can have the turn.
    pub hidden: Duration,
    /// The interval at which the turn is renewed: a pass then has the turn no longer than it needs.
    pub renewed: Duration,
}

impl Limits {
    /// The limits of a request whose caller waits for an answer: the API's own time-out is 29 s.
    pub const OF_AN_ANSWER: Self = Self {
        within: Some(Duration::from_secs(12)),
        hidden: Duration::from_secs(60),
        renewed: Duration::from_secs(12),
    };
    /// The limits of a command.
    pub const OF_A_COMMAND: Self =
        Self { within: None, hidden: Duration::from_secs(15 * 60), renewed: Duration::from_secs(5 * 60) };

    /// The length of a turn: until it is renewed or the pass ends, and until the messages received last are visible
    /// again.
    fn turn_ms(self) -> i64 {
        let turn = self.renewed + self.hidden + SLACK;
        i64::try_from(turn.as_millis()).unwrap_or(TURN_MS_MAX).min(TURN_MS_MAX)
    }
}

/// The bodies of a deployed system.
#[derive(Debug, Clone)]
pub struct SqsBodies {
    client: Client,
    urls: Urls,
    store: Store,
    clock: Clock,
    limits: Limits,
}

impl SqsBodies {
    /// Creates the bodies between these queues. The turn is recorded in the store.
    pub fn new(client: Client, urls: Urls, store: Store, clock: Clock, limits: Limits) -> Self {
        Self { client, urls, store, clock, limits }
    }

    async fn receive(&self, way: &mut Way) -> Result<Vec<Message>, BodiesError> {
        let hidden_s = i32::try_from(self.limits.hidden.as_secs()).unwrap_or(i32::MAX);
        let asked = self.client.receive_message().queue_url(&self.urls.quarantine);
        let asked = asked.message_attribute_names(SqsQuarantine::ID).max_number_of_messages(RECEIVED_MAX);
        let asked = asked.wait_time_seconds(WAIT_S).visibility_timeout(hidden_s);
        let received = asked.send().await.map_err(|error| {
            // A lost answer may have contained messages.
            way.may_hide |= !matches!(error, SdkError::ServiceError(_) | SdkError::ConstructionFailure(_));
            failed(error)
        });
        Ok(received?.messages.unwrap_or_default())
    }

    /// Moves a message. It is sent to the ingest queue first: whatever fails afterwards, it is in one of the two
    /// queues.
    async fn move_on(&self, message: &Message) -> Result<(), BodiesError> {
        let body = message.body().unwrap_or_default();
        self.client.send_message().queue_url(&self.urls.ingest).message_body(body).send().await.map_err(failed)?;
        let asked = self.client.delete_message().queue_url(&self.urls.quarantine);
        asked.set_receipt_handle(message.receipt_handle.clone()).send().await.map_err(failed)?;
        Ok(())
    }

    /// Makes a message visible again. Yields whether it is visible now; if not, it will be a little later.
    async fn show(&self, message: Message) -> bool {
        let asked = self.client.change_message_visibility().queue_url(&self.urls.quarantine).visibility_timeout(0);
        match asked.set_receipt_handle(message.receipt_handle).send().await {
            Ok(_) => true,
            // It was visible already.
            Err(error) => error.as_service_error().is_some_and(ChangeMessageVisibilityError::is_message_not_inflight),
        }
    }

    /// Takes the turn, or renews it. Yields whether this process has it.
    async fn turn(&self, by: &str) -> Result<bool, BodiesError> {
        let now = self.clock.now();
        Ok(self.store.take_turn(by, now, now.plus_millis(self.limits.turn_ms())).await?)
    }

    /// Reads the queue and moves each of the ids once.
    async fn go_through(&self, by: &str, ids: &BTreeSet<QuarantineId>, way: &mut Way) -> Result<(), BodiesError> {
        let (begun, mut turn, mut seen) = (Stopwatch::now(), Stopwatch::now(), BTreeSet::new());
        while way.again.moved.len() < ids.len() {
            if self.limits.within.is_some_and(|within| begun.elapsed() >= within) {
                return Ok(());
            }
            if turn.elapsed() >= self.limits.renewed {
                turn = Stopwatch::now();
                if !self.turn(by).await? {
                    return Ok(());
                }
            }
            let received = self.receive(way).await?;
            let is_empty = received.is_empty();
            let comes_again = received.iter().all(|message| seen.contains(&message.message_id));
            seen.extend(received.iter().map(|message| message.message_id.clone()));
            self.sort_out(ids, received, way).await?;
            if is_empty {
                break;
            }
            // The first messages are visible again: others may not have been received yet.
            if comes_again {
                return Ok(());
            }
        }
        way.again.through = true;
        Ok(())
    }

    async fn sort_out(
        &self,
        ids: &BTreeSet<QuarantineId>,
        received: Vec<Message>,
        way: &mut Way,
    ) -> Result<(), BodiesError> {
        let mut wanted: Vec<(QuarantineId, Message)> = Vec::new();
        for message in received {
            // A message that comes a second time may have been quarantined again meanwhile.
            let is_new = |id: &QuarantineId| !way.again.moved.contains(id) && wanted.iter().all(|(of, _)| of != id);
            match id(&message).filter(|id| ids.contains(id) && is_new(id)) {
                Some(id) => wanted.push((id, message)),
                None => way.passed.push(message),
            }
        }
        let moved = join_all(wanted.iter().map(|(_, message)| self.move_on(message))).await;
        let mut all = Ok(());
        for ((id, message), moved) in wanted.into_iter().zip(moved) {
            match moved {
                Ok(()) => {
                    way.again.moved.insert(id);
                }
                Err(error) => {
                    way.passed.push(message);
                    all = Err(error);
                }
            }
        }
        all
    }

    async fn in_turn(&self, by: &str, ids: &BTreeSet<QuarantineId>) -> Result<Again, BodiesError> {
        let mut way = Way::default();
        let went = self.go_through(by, ids, &mut way).await;
        let shown: Vec<bool> =
            iter(way.passed).map(|message| self.show(message)).buffer_unordered(SHOWN_TOGETHER).collect().await;
        if way.may_hide || shown.contains(&false) {
            // The next process would count messages that are still hidden as gone.
            tracing::warn!("some messages are still hidden; the quarantine cannot be replayed until they are visible");
        } else if let Err(error) = self.store.end_turn(by).await {
            tracing::warn!(%error, "the turn to replay ends by itself");
        }
        match went {
            // The rows of moved messages must be deleted, and so they are reported despite the error.
            Err(error) if !way.again.moved.is_empty() => {
                tracing::warn!(error = error.in_full(), "the pass through the quarantine is incomplete");
                Ok(way.again)
            }
            Ok(()) => Ok(way.again),
            Err(error) => Err(error),
        }
    }
}

/// The state of a pass through a queue.
#[derive(Debug, Default)]
struct Way {
    again: Again,
    passed: Vec<Message>,
    /// Whether messages may be hidden that this process does not know of.
    may_hide: bool,
}

impl Bodies for SqsBodies {
    fn again<'a>(&'a self, ids: &'a BTreeSet<QuarantineId>) -> BoxFuture<'a, Result<Again, BodiesError>> {
        Box::pin(async move {
            let by = Uuid::now_v7().to_string();
            if self.turn(&by).await? { self.in_turn(&by, ids).await } else { Err(BodiesError::Busy) }
        })
    }
}

fn id(message: &Message) -> Option<QuarantineId> {
    let id = message.message_attributes.as_ref()?.get(SqsQuarantine::ID)?.string_value()?;
    QuarantineId::new(id).ok()
}

fn failed<E, R>(error: SdkError<E, R>) -> BodiesError
where
    E: std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    BodiesError::Queue(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_lasts_until_what_was_received_last_is_to_be_had_again() {
        for limits in [Limits::OF_AN_ANSWER, Limits::OF_A_COMMAND] {
            let turn = Duration::from_millis(limits.turn_ms().unsigned_abs());
            assert!(turn > limits.renewed.max(limits.within.unwrap_or_default()) + limits.hidden, "{limits:?}");
            assert!(limits.turn_ms() < TURN_MS_MAX, "{limits:?}");
        }
    }
}
