//! Memory of what was sent: digests of signed bodies, and idempotency keys. A key is stored in the same commit as the
//! messages sent under it.

use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use uuid::Uuid;

use super::{Queues, SEEN, WRITES_MAX, fitting, item};
use crate::lane::Lane;
use crate::queue::QueueError;

/// The number of tries of a commit that conflicts with another.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// The result of sending messages under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once {
    /// The messages are on disk, from this call or an earlier one.
    Taken,
    /// The key stands for something else.
    Other,
}

impl Queues {
    /// The record of what a signed body with this digest told, if it came before.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn seen(&self, digest: &str) -> Result<Option<String>, QueueError> {
        Ok(self.get(SEEN, digest).await?.map(|seen| seen.body))
    }

    /// Remembers what a body told.
    ///
    /// # Errors
    /// [`QueueError`].
    pub async fn remember(&self, digest: &str, tells: &str) -> Result<(), QueueError> {
        self.keep_row(SEEN, digest, tells).await
    }

    /// Sends messages to a lane of the ingest queue, unless that was done under the same name before. Each commit
    /// includes a row with the number of messages sent so far, on the condition that the row does not exist. A sender
    /// that was cut short continues where the last commit ended, and of two simultaneous senders only one makes each
    /// commit.
    ///
    /// # Errors
    /// [`QueueError`]; then some messages may have been sent, and are recognized when the same is sent again.
    pub async fn send_once(&self, lane: Lane, bodies: &[String], name: &str, digest: &str) -> Result<Once, QueueError> {
        let (mut sent, mut part, mut tries) = (0, 0, 0);
        while let Some(rest) = bodies.get(sent..).filter(|rest| !rest.is_empty()) {
            let row = if part == 0 { name.to_owned() } else { format!("{name}-{part}") };
            if let Some(known) = self.seen(&row).await? {
                let (of, until) = known.split_once(' ').map_or((known.as_str(), None), |(of, until)| (of, Some(until)));
                if of != digest {
                    return Ok(Once::Other);
                }
                // A row without a number completes all messages.
                sent = until.and_then(|until| until.parse().ok()).unwrap_or(bodies.len());
                (part, tries) = (part + 1, 0);
                continue;
            }
            let (some, _) = rest.split_at(fitting(rest.iter().map(String::as_str), WRITES_MAX - 1));
            let until = sent + some.len();
            let says = if until == bodies.len() { digest.to_owned() } else { format!("{digest} {until}") };
            if self.write_first(lane, some, &row, &says).await? {
                (sent, part, tries) = (until, part + 1, 0);
            } else if tries == TRIES {
                return Err(QueueError::Contended);
            } else {
                // The row says what was sent, once it exists.
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(Once::Taken)
    }

    /// Writes messages and a row that records them in one commit; returns whether the row is new.
    async fn write_first(&self, lane: Lane, bodies: &[String], row: &str, says: &str) -> Result<bool, QueueError> {
        let now = crate::now();
        let first = Put::builder().table_name(&self.table).set_item(Some(item(SEEN, row, says, now).0));
        let first = first.condition_expression("attribute_not_exists(pk)").build();
        let first = first.map_err(QueueError::of)?;
        let mut writes = vec![TransactWriteItem::builder().put(first).build()];
        for body in bodies {
            writes.push(self.put(&lane.name(), &Uuid::now_v7().to_string(), body, now)?);
        }
        let asked = self.client.transact_write_items().set_transact_items(Some(writes));
        if let Err(error) = asked.send().await {
            return if is_second(error.as_service_error()) { Ok(false) } else { Err(QueueError::of_sdk(error)) };
        }
        self.come(lane, bodies.len() as u64);
        self.news.notify_one();
        Ok(true)
    }
}

/// Whether another writer has written the row, or is writing it now.
fn is_second(error: Option<&TransactWriteItemsError>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error else { return false };
    let mut codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    codes.any(|code| matches!(code, "ConditionalCheckFailed" | "TransactionConflict"))
}

#[cfg(test)]
mod tests {
    use store::shop::ShopId;

    use super::*;

    async fn queues() -> (embedded_dynamodb::Store, Queues, Lane) {
        let store = embedded_dynamodb::Store::memory().unwrap();
        let queues = Queues::open(store.client(), "test", false).await.unwrap();
        (store, queues, Lane::of(&ShopId::new("acme").unwrap()))
    }

    fn bodies(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{{\"number\":{number}}}")).collect()
    }

    /// The bodies in the lane, in the order in which they were sent.
    async fn lie_there(queues: &Queues, lane: Lane) -> Vec<String> {
        queues.all(&lane.name()).await.unwrap().into_iter().map(|queued| queued.body).collect()
    }

    #[tokio::test]
    async fn a_time_beyond_the_year_9999_that_was_noted_is_read_as_the_end_of_that_year() {
        let (_store, queues, _) = queues().await;
        let beyond = crate::time::EVER.plus_millis(5_060);
        queues.note_time(beyond).await.unwrap();
        assert_eq!(queues.noted_time().await.unwrap(), Some(crate::time::EVER));
    }

    #[tokio::test]
    async fn what_was_cut_short_goes_on_where_it_ended_and_nothing_is_sent_twice() {
        let ((_store, queues, lane), sent) = (queues().await, bodies(250));
        // The state after a process that was killed after the second commit.
        assert!(queues.write_first(lane, &sent[..99], "key-k", "digest 99").await.unwrap());
        assert!(queues.write_first(lane, &sent[99..150], "key-k-1", "digest 150").await.unwrap());
        for _ in 0..2 {
            assert_eq!(queues.send_once(lane, &sent, "key-k", "digest").await.unwrap(), Once::Taken);
            let mut there = lie_there(&queues, lane).await;
            there.sort();
            let mut expected = sent.clone();
            expected.sort();
            assert_eq!(there, expected);
            assert_eq!(queues.waiting(), 250);
        }
        assert_eq!(queues.send_once(lane, &sent, "key-k", "another").await.unwrap(), Once::Other);
        // A key that was remembered without a number.
        queues.remember("key-of-old", "digest").await.unwrap();
        assert_eq!(queues.send_once(lane, &sent, "key-of-old", "digest").await.unwrap(), Once::Taken);
        assert_eq!(lie_there(&queues, lane).await.len(), 250);
    }

    #[tokio::test]
    async fn of_several_senders_of_the_same_messages_one_is_first() {
        let ((_store, queues, lane), sent) = (queues().await, bodies(250));
        let all = futures::future::join_all((0..4).map(|_| queues.send_once(lane, &sent, "key-k", "digest"))).await;
        assert!(all.iter().all(|once| matches!(once, Ok(Once::Taken))), "{all:?}");
        assert_eq!(lie_there(&queues, lane).await.len(), 250);
        let (one, other) = (bodies(1), bodies(2));
        let (one, other) = tokio::join!(
            queues.send_once(lane, &one, "key-l", "one"),
            queues.send_once(lane, &other, "key-l", "other")
        );
        let both = [one.unwrap(), other.unwrap()];
        assert!(both.contains(&Once::Taken) && both.contains(&Once::Other), "{both:?}");
    }
}
