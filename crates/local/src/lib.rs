//! The whole system in one process on one machine, in place of deployed functions, queues and tables.
//!
//! Events are stored in a queue before their sender is told that they are accepted. A worker ingests them through
//! `engine::ingest`, as the deployed function does. Recorded changes are announced from the outbox rows. Every step may
//! be done twice, and none is ever left out: whatever the process was doing when it died, it does again.

pub mod backup;
pub mod clear;
pub mod client;
pub mod console;
pub mod envelope;
pub mod group_commit;
pub mod guard;
pub mod health;
pub mod http;
pub mod lane;
pub mod lines;
pub mod listen;
pub mod once;
pub mod opened;
pub mod outward;
pub mod quarantine;
pub mod queue;
pub mod shopify;
pub mod signals;
pub mod sweeper;
pub mod time;
pub mod tokens;
pub mod watch;
pub mod whereabouts;
pub mod worker;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use engine::ingest::{Counts, Ingest};
use engine::sweep::Sweep;
use http_api::authenticate::AuthMode;
use http_api::{Api, Parts};
use rules::calendar::Instant;
use store::Store;
use store::shop::ShopId;
use tokio::sync::{Notify, RwLock};

use group_commit::GroupCommit;
use health::Health;
use opened::Opened;
use queue::Queues;
use shopify::Shopify;
use sweeper::Here;
use time::Time;
use watch::Watch;

/// A running system.
#[derive(Debug)]
pub struct System {
    /// The tables.
    pub store: Store,
    /// The queues.
    pub queues: Queues,
    /// The store itself, where it is in this process.
    pub here: Option<embedded_dynamodb::Store>,
    /// Puts events into the ingest queue.
    pub accept: GroupCommit,
    /// Ingests the events in the queue.
    pub ingest: Arc<Ingest<Queues>>,
    /// Advances all members past midnights and changes of rules.
    pub sweep: Arc<Sweep<Here>>,
    /// The API, the same as where the system is deployed.
    pub api: Api,
    /// The time of the system.
    pub time: Time,
    /// The Shopify webhooks that are accepted, if Shopify sends any.
    pub shopify: Option<Shopify>,
    /// The health of the system.
    pub health: Health,
    /// The watch over the clock, which compares it with the latest instant on record.
    pub watch: Watch,
    /// The state of announcing.
    pub announcing: outward::State,
    counts: Mutex<Counts>,
}

impl System {
    /// A system on an open store. Events that name no shop are about `shop`, if it is given.
    pub fn new(opened: Opened, time: Time, shop: Option<ShopId>, shopify: Option<Shopify>, auth: AuthMode) -> Self {
        let (health, watch) = (Health::default(), Watch::from(time.now()));
        let ingest = opened.ingest(opened.queues.clone(), time.clock());
        let writer = opened.writer(time.clock()).sharing_cache(Arc::clone(ingest.programs()));
        let (sweep, ahead_ms) = (Arc::new(opened.sweep(time.clock(), Arc::clone(&health.sweeper))), opened.ahead_ms());
        let Opened { store, queues, here, .. } = opened;
        let accept = GroupCommit::new(queues.clone());
        let api = Api::new(Parts {
            store: store.clone(),
            writer,
            bodies: Box::new(queues.clone()),
            sweeps: Box::new(Arc::clone(&sweep)),
            clock: time.clock(),
            ahead_ms,
            preview_budget: None,
            auth,
            shopify_secret: shopify.as_ref().map(|shopify| shopify.secret.clone()),
            shop,
            batch: Arc::new(RwLock::default()),
            recorded: Arc::new(Notify::default()),
            due: Arc::new(Notify::default()),
        });
        let announcing = outward::State::default();
        Self {
            store,
            queues,
            here,
            accept,
            ingest: Arc::new(ingest),
            sweep,
            api,
            time,
            shopify,
            health,
            watch,
            announcing,
            counts: Mutex::default(),
        }
    }

    /// The counts of ingested events since the process began.
    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the counts of a batch.
    pub fn count(&self, counts: &Counts) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).add(counts);
    }
}

/// The present instant: the only place where the clock is read.
pub fn now() -> Instant {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}
