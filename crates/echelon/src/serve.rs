//! The whole system in one process: what is deployed as functions, queues and tables, on one machine.
//!
//! Events are put into a queue before anybody is told that they are accepted; a worker takes them in through
//! `service::ingest`, as the deployed function does; what was recorded is announced from the rows that say so. Every
//! step may be done twice, and none is ever left out: whatever the process was doing when it died, it does again.

pub mod accept;
pub mod answer;
pub mod aside;
pub mod client;
pub mod demo;
pub mod deployed;
pub mod envelope;
pub mod http;
pub mod outward;
pub mod place;
pub mod queue;
pub mod signature;
pub mod standing;
pub mod sweeper;
pub mod time;
pub mod worker;

use std::sync::{Arc, Mutex, PoisonError};

use rules::calendar::Instant;
use rules::version::Versions;
use serde_json::{Value, json};
use service::ingest::{Counts, Ingest};
use service::shop::ShopId;
use service::store::{Publication, PublicationError, Store, StoreError};
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
    /// What Shopify signs webhooks with, if they must be signed.
    pub secret: Option<String>,
    shop: Option<ShopId>,
    counts: Mutex<Counts>,
}

impl System {
    /// A system on an open store. Events that name no shop are about `shop`, if it is given.
    pub fn new(opened: Opened, time: Time, shop: Option<ShopId>, secret: Option<String>) -> Self {
        let ingest = Arc::new(opened.ingest(opened.queues.clone(), time.clock()));
        let sweep = opened.sweep(time.clock());
        let Opened { store, queues, .. } = opened;
        let accept = Accept::new(queues.clone());
        let (batch, due) = (RwLock::default(), Notify::default());
        Self { store, queues, accept, ingest, sweep, batch, due, time, secret, shop, counts: Mutex::default() }
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

/// What became of a program that was to be in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// It is a version now, with this number.
    Published(u32),
    /// It was the newest version already, with this number.
    Known(u32),
}

/// Who publishes a version, and why: kept with it.
#[derive(Debug, Clone, Copy)]
pub struct Publisher<'a> {
    /// Who.
    pub by: &'a str,
    /// Why.
    pub why: &'a str,
}

/// Puts a program in force from an instant on: as the shop's first version, or as the next one where it differs from the
/// newest.
///
/// # Errors
/// See [`PublicationError`].
pub async fn put_in_force(
    store: &Store,
    shop: &ShopId,
    (program, draft): (&Value, &rules::program::Draft),
    options: &Value,
    publisher: Publisher<'_>,
    (now, at): (Instant, Instant),
) -> Result<Put, PublicationError> {
    let versions: Option<Versions> = store.versions(shop).await?;
    if let Some(last) = versions.as_ref().map(Versions::last)
        && last.program == draft.program
    {
        return Ok(Put::Known(last.number));
    }
    // A first version may say since when it is in force: facts of that time on are seen under it.
    let at = draft.effective_at.filter(|since| versions.is_none() && *since <= now).unwrap_or(at);
    let event = json!({ "type": "program.published", "occurred_at": at, "program": program, "options": options });
    let publication = Publication { event, by: publisher.by.to_owned(), why: publisher.why.to_owned() };
    let versions = store.publish(shop, &publication, now).await?;
    Ok(Put::Published(versions.last().number))
}
