//! The whole system in one process: what is deployed as functions, queues and tables, on one machine.
//!
//! Events are put into a queue before anybody is told that they are accepted; a worker takes them in through
//! `engine::ingest`, as the deployed function does; what was recorded is announced from the rows that say so. Every
//! step may be done twice, and none is ever left out: whatever the process was doing when it died, it does again.

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

/// A system that runs.
#[derive(Debug)]
pub struct System {
    /// The tables.
    pub store: Store,
    /// The queues.
    pub queues: Queues,
    /// The store itself, where it is in this process.
    pub here: Option<embedded_dynamodb::Store>,
    /// Puts what is told into the queue.
    pub accept: GroupCommit,
    /// Takes in what is in the queue.
    pub ingest: Arc<Ingest<Queues>>,
    /// Brings everybody past midnights and changes of rules.
    pub sweep: Arc<Sweep<Here>>,
    /// What is answered over HTTP as it is where this is deployed.
    pub api: Api,
    /// What time it is.
    pub time: Time,
    /// Whose webhooks are believed, if Shopify sends any.
    pub shopify: Option<Shopify>,
    /// How it does.
    pub health: Health,
    /// Its clock, held against what is on record.
    pub watch: Watch,
    /// How announcing goes.
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

    /// What was taken in since the process began.
    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was counted in a batch.
    pub fn count(&self, counts: &Counts) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).add(counts);
    }
}

/// The present instant: the only place where the clock is read.
pub fn now() -> Instant {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}
