//! The whole system in one process: what is deployed as functions, queues and tables, on one machine.
//!
//! Events are put into a queue before anybody is told that they are accepted; a worker takes them in through
//! `service::ingest`, as the deployed function does; what was recorded is announced from the rows that say so. Every
//! step may be done twice, and none is ever left out: whatever the process was doing when it died, it does again.

pub mod accept;
pub mod answer;
pub mod aside;
pub mod change;
pub mod client;
pub mod demo;
pub mod deployed;
pub mod envelope;
pub mod http;
pub mod jobs;
pub mod outward;
pub mod place;
pub mod programs;
pub mod queue;
pub mod signature;
pub mod standing;
pub mod sweeper;
pub mod time;
pub mod worker;

use std::sync::{Arc, Mutex, PoisonError};

use service::ingest::{Counts, Ingest};
use service::shop::ShopId;
use service::store::{Store, StoreError};
use service::sweep::Sweep;
use tokio::sync::{Notify, RwLock};

use accept::Accept;
use place::Opened;
use queue::Queues;
use sweeper::Here;
use time::Time;

/// A system that runs.
#[derive(Debug)]
pub struct System {
    /// The tables.
    pub store: Store,
    /// The queues.
    pub queues: Queues,
    /// Puts what is told into the queue.
    pub accept: Accept,
    /// Takes in what is in the queue.
    pub ingest: Arc<Ingest<Queues>>,
    /// Brings everybody past midnights and changes of rules.
    pub sweep: Sweep<Here>,
    /// Held by whoever takes events in: a sweep waits for those who began before its boundary.
    pub batch: RwLock<()>,
    /// Told when something may be due: the clock was moved, or a program published.
    pub due: Notify,
    /// What time it is.
    pub time: Time,
    /// How far ahead a version takes effect where no instant is named.
    pub ahead_ms: i64,
    /// What Shopify signs webhooks with, if they must be signed.
    pub secret: Option<String>,
    shop: Option<ShopId>,
    counts: Mutex<Counts>,
}

impl System {
    /// A system on an open store. Events that name no shop are about `shop`, if it is given.
    pub fn new(opened: Opened, time: Time, shop: Option<ShopId>, secret: Option<String>) -> Self {
        let ingest = Arc::new(opened.ingest(opened.queues.clone(), time.clock()));
        let (sweep, ahead_ms) = (opened.sweep(time.clock()), opened.ahead_ms());
        let Opened { store, queues, .. } = opened;
        let accept = Accept::new(queues.clone());
        let (batch, due) = (RwLock::default(), Notify::default());
        Self {
            store,
            queues,
            accept,
            ingest,
            sweep,
            batch,
            due,
            time,
            ahead_ms,
            secret,
            shop,
            counts: Mutex::default(),
        }
    }

    /// What was taken in since the process began.
    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was counted in a batch.
    pub fn count(&self, counts: &Counts) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).add(counts);
    }

    /// The shop that is meant where none is named: the one given at the start, or the only one there is.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn only_shop(&self) -> Result<Option<ShopId>, StoreError> {
        match &self.shop {
            Some(shop) => Ok(Some(shop.clone())),
            None => only_shop(&self.store).await,
        }
    }
}

/// The only shop of a store, if it has just one.
///
/// # Errors
/// See [`StoreError`].
pub async fn only_shop(store: &Store) -> Result<Option<ShopId>, StoreError> {
    let shops = store.shops().await?;
    Ok(match shops.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    })
}
