//! A pass over a shop: the events in its outboxes go out, lane by lane.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use rules::calendar;
use store::key::{self, Key};
use store::shop::ShopId;
use store::{Attributes, OutboxBatch, StoreError};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use super::lanes::{May, News};
use super::{Announcer, READ_AT_ONCE, SOON};

/// An instant after every recorded event: the end of the year 9999.
const EVER_MS: i64 = 253_402_300_799_999;
/// The pause after a pass, for each resting event that was skipped, so that most of the time is not spent on events
/// that rest.
const PAUSE: Duration = Duration::from_micros(20);

/// The result of a pass.
#[derive(Debug, Clone, Copy, Default)]
struct Passed {
    /// The number of events that rest.
    resting: u32,
    /// Whether there is more, once a skipped lane is no longer under way.
    more: bool,
}

impl Announcer {
    /// Makes a pass over a shop whenever it is notified.
    pub(super) async fn look_through(self: Arc<Self>, shop: ShopId, wanted: Arc<Notify>) {
        loop {
            wanted.notified().await;
            match self.pass(&shop, Some(&wanted)).await {
                Ok(passed) => tokio::time::sleep(PAUSE.saturating_mul(passed.resting)).await,
                Err(error) => {
                    tracing::warn!(%shop, %error, "what is to be announced cannot be read; it is tried again");
                    tokio::time::sleep(SOON).await;
                    wanted.notify_one();
                }
            }
        }
    }

    /// Forgets a shop that was deleted.
    pub(super) fn forget(&self, shop: &ShopId) {
        self.state().waits(shop, 0);
        let news = self.lanes().keep(|lane| key::shop_of(lane).as_ref() == Some(shop), &HashSet::new());
        self.tell(news, None, &"");
    }

    /// Makes a pass over all shops; returns whether there is more. Shops that cannot be read wait for the next start.
    pub(super) async fn all(self: &Arc<Self>) -> bool {
        let Ok(shops) = self.system.store.shops().await else { return false };
        let mut more = false;
        for shop in shops {
            more |= self.pass(&shop, None).await.is_ok_and(|passed| passed.more);
        }
        more
    }

    async fn pass(self: &Arc<Self>, shop: &ShopId, wanted: Option<&Arc<Notify>>) -> Result<Passed, StoreError> {
        let outboxes = self.system.store.tables().spread.outboxes();
        let firsts = stream::iter(0..outboxes)
            .map(async |outbox| Ok::<_, StoreError>((outbox, self.page(shop, outbox, None).await?)));
        let firsts: Vec<(u8, OutboxBatch)> = firsts.buffered(READ_AT_ONCE).try_collect().await?;
        self.state().waits(shop, self.waiting(shop, &firsts).await?);
        let (mut passed, mut found) = (Passed::default(), HashSet::new());
        for (outbox, mut page) in firsts {
            let mut seen = HashSet::new();
            loop {
                let lanes = lanes(page.keys);
                for (lane, keys) in lanes {
                    // Events on this page must not overtake those of their lane that rested or failed on an earlier
                    // page.
                    let first = seen.insert(lane.clone());
                    let may = if first {
                        self.send(shop, &lane, &keys, wanted).await
                    } else {
                        self.lanes().may(&lane, Instant::now())
                    };
                    match may {
                        May::Go if first => {}
                        May::Go => {
                            passed.more = true;
                            wanted.inspect(|wanted| wanted.notify_one());
                        }
                        May::Later => passed.more = true,
                        May::Rest => passed.resting = passed.resting.saturating_add(1),
                        May::NoLane => return Ok(passed),
                    }
                }
                let Some(next) = page.next.take() else { break };
                page = self.page(shop, outbox, Some(next)).await?;
            }
            found.extend(seen);
        }
        let news = self.lanes().keep(|lane| key::shop_of(lane).as_ref() == Some(shop), &found);
        self.tell(news, None, &"");
        Ok(passed)
    }

    /// Starts a lane when a permit is free.
    async fn send(self: &Arc<Self>, shop: &ShopId, lane: &str, keys: &[Key], wanted: Option<&Arc<Notify>>) -> May {
        let may = self.lanes().may(lane, Instant::now());
        if may != May::Go {
            return may;
        }
        let Ok(turn) = Arc::clone(&self.posts).acquire_owned().await else { return May::NoLane };
        let may = self.lanes().begin(lane, Instant::now());
        if may == May::Go {
            let (shop, lane, keys, wanted) = (shop.clone(), lane.to_owned(), keys.to_vec(), wanted.cloned());
            tokio::spawn(Arc::clone(self).go(shop, lane, keys, wanted, turn));
        }
        may
    }

    /// Runs a lane from beginning to end.
    async fn go(
        self: Arc<Self>,
        shop: ShopId,
        lane: String,
        keys: Vec<Key>,
        wanted: Option<Arc<Notify>>,
        turn: OwnedSemaphorePermit,
    ) {
        // A lane that panics must end as well, or it would be under way forever.
        let rows = std::panic::AssertUnwindSafe(self.rows(&shop, &lane, &keys)).catch_unwind().await;
        if rows.is_err() {
            tracing::error!(%shop, "announcing broke off; it is tried again");
            self.lanes().unread(&lane, Instant::now());
        }
        let more = self.lanes().end(&lane);
        drop(turn);
        if let Some(wanted) = wanted.filter(|_| more.here) {
            wanted.notify_one();
        }
        if more.elsewhere {
            self.again.notify_one();
        }
        self.changed.notify_one();
    }

    /// Announces the rows of a lane one after the other, until one is not accepted.
    async fn rows(&self, shop: &ShopId, lane: &str, keys: &[Key]) {
        let (mut rows, unreadable) = match self.system.store.outgoing(keys).await {
            Ok((rows, unreadable)) => {
                if rows.is_empty() {
                    self.system.health.announcements.note(lane, None);
                }
                (rows, unreadable)
            }
            Err(error) => {
                self.lanes().unread(lane, Instant::now());
                self.system.health.announcements.note(lane, Some(&error.to_string()));
                tracing::warn!(%shop, %error, "what is to be announced cannot be read; it is tried again");
                return;
            }
        };
        for key in &unreadable {
            if self.unreadable.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone()) {
                tracing::warn!(row = self.named(key), "a row cannot be decoded and is not announced");
            }
        }
        // All other keys were announced or erased since the page was read.
        self.state().waits_no_longer(shop, keys.len().saturating_sub(rows.len() + unreadable.len()) as u64);
        if rows.is_empty() {
            let news = self.lanes().empty(lane);
            self.tell(news, None, &"");
        }
        rows.sort_by(|one, other| (one.recorded_at, &one.key.sk).cmp(&(other.recorded_at, &other.key.sk)));
        for row in &rows {
            let put = self.outward.put(row).await;
            let now = self.system.time.now();
            if let Err(why) = put {
                self.state().not_taken(now, &why.to_string());
                let news = self.lanes().not_taken(lane, &why, Instant::now());
                return self.tell(news, Some(row), &why);
            }
            self.state().taken(now);
            let news = self.lanes().taken(lane, Instant::now());
            self.tell(news, None, &"");
            if news != News::None {
                // Lanes that rested need not rest any more.
                self.again.notify_one();
            }
            if let Err(error) = self.system.store.mark_published(&row.key).await {
                self.system.health.announcements.note(lane, Some(&error.to_string()));
                // The lane rests, for longer each time, or its event would go out again and again.
                self.lanes().unmarked(lane, Instant::now());
                let row = self.named(&row.key);
                tracing::warn!(row, %error, "a row was announced and could not be marked: it is announced again");
                return;
            }
            self.lanes().marked(lane);
            self.system.health.announcements.note(lane, None);
            self.state().waits_no_longer(shop, 1);
        }
    }

    async fn page(&self, shop: &ShopId, outbox: u8, from: Option<Attributes>) -> Result<OutboxBatch, StoreError> {
        let _turn = self.reads.acquire().await;
        self.system.store.unpublished(shop, outbox, calendar::Instant::from_millis(EVER_MS), from).await
    }

    /// The number of all rows, of which `firsts` has the first pages.
    async fn waiting(&self, shop: &ShopId, firsts: &[(u8, OutboxBatch)]) -> Result<u64, StoreError> {
        let mut count = 0;
        for (outbox, first) in firsts {
            count += first.keys.len();
            let mut next = first.next.clone();
            while let Some(from) = next {
                let page = self.page(shop, *outbox, Some(from)).await?;
                count += page.keys.len();
                next = page.next;
            }
        }
        Ok(count as u64)
    }

    /// The name of a row in the log, without the member's id that its key contains.
    pub(super) fn named(&self, row: &Key) -> String {
        match key::of_history(&row.pk) {
            Some((shop, member)) => format!("{shop} {} {}", self.log_key.tag(&shop, &member), row.sk),
            None => format!("{} {}", row.pk, row.sk),
        }
    }
}

/// The keys by lane, each in its order.
fn lanes(keys: Vec<Key>) -> BTreeMap<String, Vec<Key>> {
    let mut lanes = BTreeMap::<String, Vec<Key>>::new();
    for key in keys {
        lanes.entry(key.pk.clone()).or_default().push(key);
    }
    lanes
}
