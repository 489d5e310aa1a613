//! The hourly pass over all outboxes: it announces what an outage left.

use rules::calendar::Instant;
use store::shop::ShopId;
use store::{OutboxBatch, StoreError};
use tokio::task::JoinSet;

use super::{Bus, Delivery, Relay};
use crate::telemetry::{Metric, Metrics};

/// The age in milliseconds from which the pass announces a row. A younger row is still on its way through the stream.
pub const SETTLED_AFTER: i64 = 15 * 60 * 1_000;

/// The number of outboxes read at the same time.
const AT_ONCE: usize = 16;

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// The result of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Passed {
    /// The number of rows announced.
    pub published: usize,
    /// The number of rows that could not be announced.
    pub failed: usize,
    /// Whether every outbox was read. If not, another pass continues: announced rows are no longer in the outboxes.
    pub finished: bool,
}

impl<B: Bus> Relay<B> {
    /// Announces rows that have waited for longer than [`SETTLED_AFTER`], within the budget of the retry policy.
    ///
    /// # Errors
    /// The outboxes cannot be read; rows announced by then are marked.
    pub async fn pass(&self, metrics: &mut Metrics) -> Result<Passed, StoreError> {
        self.pass_before(self.clock.now().plus_millis(-SETTLED_AFTER), metrics).await
    }

    /// Announces rows that were recorded before an instant, within the budget of the retry policy. Without a stream,
    /// the pass announces everything.
    ///
    /// # Errors
    /// See [`Self::pass`].
    pub async fn pass_before(&self, before: Instant, metrics: &mut Metrics) -> Result<Passed, StoreError> {
        let until = tokio::time::Instant::now() + self.retry_policy.budget;
        let now = self.clock.now();
        let outboxes = self.store.tables().spread.outboxes();
        let mut passed = Passed::default();
        for shop in in_turn(self.store.shops().await?, now) {
            for first in (0..outboxes).step_by(AT_ONCE) {
                if tokio::time::Instant::now() >= until {
                    return Ok(passed);
                }
                let some = first..outboxes.min(first.saturating_add(AT_ONCE as u8));
                for (outbox, mut page) in self.first_pages(&shop, some, before).await? {
                    while !page.keys.is_empty() {
                        self.announce_page(&page, &mut passed, metrics).await?;
                        let Some(next) = page.next.take() else { break };
                        if tokio::time::Instant::now() >= until {
                            return Ok(passed);
                        }
                        page = self.store.unpublished(&shop, outbox, before, Some(next)).await?;
                    }
                }
            }
        }
        metrics.used(self.store.meter().take());
        passed.finished = true;
        Ok(passed)
    }

    /// The first pages of some outboxes, read at the same time: nearly all are empty.
    async fn first_pages(
        &self,
        shop: &ShopId,
        outboxes: std::ops::Range<u8>,
        before: Instant,
    ) -> Result<Vec<(u8, OutboxBatch)>, StoreError> {
        let mut asked = JoinSet::new();
        for outbox in outboxes {
            let (store, shop) = (self.store.clone(), shop.clone());
            asked.spawn(async move { Ok((outbox, store.unpublished(&shop, outbox, before, None).await?)) });
        }
        let mut pages = asked.join_all().await.into_iter().collect::<Result<Vec<_>, StoreError>>()?;
        pages.sort_by_key(|(outbox, _)| *outbox);
        Ok(pages)
    }

    async fn announce_page(
        &self,
        page: &OutboxBatch,
        passed: &mut Passed,
        metrics: &mut Metrics,
    ) -> Result<(), StoreError> {
        let (rows, unreadable) = self.store.outgoing(&page.keys).await?;
        for key in &unreadable {
            self.warn(key, "", "the row cannot be decoded");
        }
        metrics.count(Metric::PublishFailures, unreadable.len());
        let deliveries = self.announce(&rows, metrics).await;
        let published = deliveries.iter().filter(|delivery| **delivery == Delivery::Published).count();
        passed.published += published;
        passed.failed += rows.len() - published + unreadable.len();
        Ok(())
    }
}

/// Starts with another shop each hour; otherwise the same shop might always be reached too late.
fn in_turn(mut shops: Vec<ShopId>, now: Instant) -> Vec<ShopId> {
    if let Ok(count @ 1..) = i64::try_from(shops.len()) {
        let first = now.millis().div_euclid(HOUR_MS).rem_euclid(count);
        shops.rotate_left(usize::try_from(first).unwrap_or(0));
    }
    shops
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shop_comes_first_in_some_hour() {
        let shops: Vec<_> = ["a", "b", "c"].iter().map(|name| ShopId::new(name).unwrap()).collect();
        let first = |hour| in_turn(shops.clone(), Instant::from_millis(hour * HOUR_MS + 7)).remove(0).to_string();
        assert_eq!([first(0), first(1), first(2), first(3)], ["a", "b", "c", "a"]);
        assert!(in_turn(Vec::new(), Instant::from_millis(0)).is_empty());
    }
}
