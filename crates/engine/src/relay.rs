//! The relay: it sends rows of the outbox to the event bus and marks them.
//!
//! Delivery is at least once and in no particular order: the event id identifies repeats, and `sequence` gives the
//! order. Nothing is lost: a row stays in its outbox until it is marked, and it is marked only after the bus took it.
//! The stream brings rows at once; an hourly pass over the outboxes sends what an outage left.

mod bus;
mod pass;
mod publish;

pub use bus::{Bus, ENTRIES_MAX, PutResult, SOURCE};
pub use pass::{Passed, SETTLED_AFTER};
pub use publish::{Delivery, RetryPolicy, publish};

use store::key::{self, Key};
use store::{Outgoing, Store};
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::telemetry::{LogKey, Metric, Metrics};

/// The number of rows marked at the same time.
const MARKED_AT_ONCE: usize = 16;

/// Announces recorded rows.
#[derive(Debug)]
pub struct Relay<B> {
    /// The store with the rows.
    pub store: Store,
    /// The bus that events are sent to.
    pub bus: B,
    /// The number and duration of attempts.
    pub retry_policy: RetryPolicy,
    /// The clock.
    pub clock: Clock,
    /// The key of the tags that stand for members in logs.
    pub log_key: LogKey,
}

impl<B: Bus> Relay<B> {
    /// Announces rows and marks those that the bus took. Yields the delivery of each, and counts it.
    ///
    /// A row that was sent and could not be marked counts as published: the hourly pass sends it again.
    pub async fn announce(&self, rows: &[Outgoing], metrics: &mut Metrics) -> Vec<Delivery> {
        let deliveries = publish(&self.bus, rows, &self.retry_policy).await;
        let now = self.clock.now();
        let mut sent = Vec::new();
        for (row, delivery) in rows.iter().zip(&deliveries) {
            metrics.oldest(row.recorded_at, now);
            match delivery {
                Delivery::Published => sent.push(row.key.clone()),
                Delivery::Later(why) => self.warn(&row.key, &row.kind, why),
                Delivery::Never(why) => self.warn(&row.key, &row.kind, why),
            }
        }
        metrics.count(Metric::Published, sent.len());
        metrics.count(Metric::PublishFailures, rows.len().saturating_sub(sent.len()));
        self.mark(sent).await;
        metrics.used(self.store.meter().take());
        deliveries
    }

    async fn mark(&self, sent: Vec<Key>) {
        for keys in sent.chunks(MARKED_AT_ONCE) {
            let mut marks = JoinSet::new();
            for key in keys {
                let (store, key) = (self.store.clone(), key.clone());
                marks.spawn(async move { store.mark_published(&key).await.is_ok() });
            }
            let unmarked = marks.join_all().await.into_iter().filter(|marked| !marked).count();
            if unmarked > 0 {
                tracing::warn!(unmarked, "rows were announced and could not be marked: they are announced again");
            }
        }
    }

    /// Logs a row that was not announced, without the member's id, which is part of its key.
    fn warn(&self, row: &Key, kind: &str, why: &str) {
        let (about, shop) = (key::of_history(&row.pk), key::shop_of(&row.pk));
        let shop = shop.as_ref().map(|shop| shop.as_str()).unwrap_or_default();
        let member = about.as_ref().map(|(shop, member)| self.log_key.tag(shop, member).to_string());
        tracing::warn!(shop, member, row = row.sk, kind, why, "a row was not announced");
    }
}
