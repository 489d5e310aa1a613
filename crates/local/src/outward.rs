//! Announcements on one machine: shown as they go out, and posted to a webhook if there is one.
//!
//! Each event is sent at least once, with an id by which the receiver recognizes repeats. A row stays in its outbox
//! until it is marked, and it is marked only after the webhook accepted it. Each shop has a task of its own, and events
//! for different members go out at the same time. So an event that is not accepted does not delay those of other
//! members.

mod lanes;
mod line;
mod pass;
mod state;
mod webhook;

pub use state::{Announcing, State};
pub use webhook::{DeliveryError, Webhook, WebhookError};

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::telemetry::LogKey;
use serde_json::{Value, json};
use store::Outgoing;
use store::key::Key;
use store::shop::ShopId;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::lanes::{Lanes, News};
use self::line::line;
use super::System;
use crate::lines::Lines;

/// The pause after a failure of the store.
const SOON: Duration = Duration::from_secs(1);
/// The interval at which rows are looked for without a notification: rows from before the start, or from another
/// process.
const SOMETIMES: Duration = Duration::from_secs(10);
/// The number of events that are posted at the same time.
const POSTED_AT_ONCE: u32 = 8;
/// The number of outbox pages that are read at the same time.
const READ_AT_ONCE: usize = 16;
/// On a single machine, too, the log has tags instead of members' ids.
const LOG_KEY: &str = "on this machine only";

/// The form in which events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A line for people.
    Text,
    /// A JSON object on one line.
    Json,
}

/// The receivers of announcements: the webhook and the output.
#[derive(Debug)]
pub struct Outward {
    webhook: Option<Webhook>,
    shown: Shown,
    /// The reader of the output may be slow, or read nothing at all.
    screen: Lines,
}

impl Outward {
    /// Shows events in this form, and posts them to a webhook if there is one.
    pub fn new(webhook: Option<Webhook>, shown: Shown) -> Self {
        Self { webhook, shown, screen: Lines::to(std::io::stdout()) }
    }

    async fn put(&self, row: &Outgoing) -> Result<(), DeliveryError> {
        let event: Value = serde_json::from_str(&row.detail).unwrap_or_default();
        if let Some(webhook) = &self.webhook {
            let id = event.get("id").and_then(Value::as_str).unwrap_or_default();
            webhook.post(&row.kind, id, &row.detail).await?;
        }
        self.show(&row.kind, &event);
        Ok(())
    }

    /// Shows an event. If the output has no reader any more, announcing continues.
    fn show(&self, kind: &str, event: &Value) {
        let text = match self.shown {
            Shown::Json => json!({ "type": kind, "detail": event }).to_string(),
            Shown::Text => line(kind, event),
        };
        self.screen.line(&text);
    }
}

/// The announcer.
#[derive(Debug)]
struct Announcer {
    system: Arc<System>,
    outward: Arc<Outward>,
    log_key: LogKey,
    lanes: Mutex<Lanes>,
    posts: Arc<Semaphore>,
    reads: Semaphore,
    /// The rows that cannot be decoded and were reported.
    unreadable: Mutex<HashSet<Key>>,
    /// Notified when every shop is to be looked through.
    again: Notify,
    /// Notified when the time of the next retry has changed.
    changed: Notify,
}

impl Announcer {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> &State {
        &self.system.announcing
    }

    /// Logs what is new about the webhook.
    fn tell(&self, news: News, row: Option<&Outgoing>, why: &dyn std::fmt::Display) {
        match news {
            News::None => {}
            News::NotTaken => {
                let row = row.map(|row| self.named(&row.key)).unwrap_or_default();
                tracing::warn!(row, %why, "the webhook does not take an event; it is tried again until it does");
            }
            News::Absent => tracing::warn!(%why, "the webhook takes nothing; it is tried again until it does"),
            News::Back => tracing::warn!("the webhook takes events again"),
            News::Well => {
                self.state().well();
                tracing::warn!("the webhook takes events again, and has what it did not take");
            }
        }
    }
}

/// Announces recorded events until the system stops.
pub async fn announce(system: Arc<System>, outward: Arc<Outward>, mut stop: watch::Receiver<bool>) {
    let Ok(log_key) = LogKey::new(LOG_KEY) else { return };
    let posts = Arc::new(Semaphore::new(POSTED_AT_ONCE as usize));
    let announcer = Arc::new(Announcer {
        system: Arc::clone(&system),
        outward,
        log_key,
        lanes: Mutex::default(),
        posts: Arc::clone(&posts),
        reads: Semaphore::new(READ_AT_ONCE),
        unreadable: Mutex::default(),
        again: Notify::new(),
        changed: Notify::new(),
    });
    let mut shops = Shops::default();
    while !*stop.borrow() {
        system.health.announcer.beat();
        if shops.is_broken() {
            return; // and be restarted
        }
        let known = shops.look(&announcer).await;
        loop {
            let until = Instant::now() + if known { SOMETIMES } else { SOON };
            let until = announcer.lanes().next(Instant::now()).map_or(until, |next| next.min(until));
            tokio::select! {
                () = announcer.changed.notified() => continue,
                () = system.api.recorded.notified() => {}
                () = announcer.again.notified() => {}
                () = tokio::time::sleep_until(until) => {}
                _ = stop.changed() => {}
            }
            break;
        }
    }
    // The posts under way finish first; then the rows that were skipped meanwhile go out.
    shops.passes.shutdown().await;
    let mut more = true;
    while more {
        let _ = posts.acquire_many(POSTED_AT_ONCE).await;
        more = announcer.all().await;
    }
    let _ = posts.acquire_many(POSTED_AT_ONCE).await;
    announcer.outward.screen.end();
    let left = system.announcing.now();
    if left.unannounced > 0 {
        let why = left.last_failure.unwrap_or_default();
        tracing::warn!(unannounced = left.unannounced, why, "what is not announced yet goes out after the next start");
    }
}

/// The shops, each with a task of its own.
#[derive(Debug, Default)]
struct Shops {
    wanted: BTreeMap<ShopId, Arc<Notify>>,
    passes: JoinSet<()>,
}

impl Shops {
    /// Whether the task of a shop has ended, as it never should.
    fn is_broken(&mut self) -> bool {
        self.passes.try_join_next().is_some()
    }

    /// Asks the task of every shop to look through it. A task that is under way looks once more. Returns whether the
    /// shops could be read.
    async fn look(&mut self, announcer: &Arc<Announcer>) -> bool {
        let shops = match announcer.system.store.shops().await {
            Ok(shops) => shops,
            Err(error) => {
                tracing::warn!(%error, "what is to be announced cannot be read; it is tried again");
                return false;
            }
        };
        // Shops that were deleted have nothing to announce.
        let gone: Vec<ShopId> = self.wanted.keys().filter(|shop| !shops.contains(shop)).cloned().collect();
        for shop in gone {
            self.wanted.remove(&shop);
            announcer.forget(&shop);
        }
        for shop in shops {
            let wanted = self.wanted.entry(shop).or_insert_with_key(|shop| {
                let wanted = Arc::new(Notify::new());
                self.passes.spawn(Arc::clone(announcer).look_through(shop.clone(), Arc::clone(&wanted)));
                wanted
            });
            wanted.notify_one();
        }
        true
    }
}
