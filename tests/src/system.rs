//! The system as it is deployed, over any store: events in, members kept, on a clock that the test sets.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::ready;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use engine::clock::Clock;
use engine::ingest::{Ingest, Message, Quarantine, Report, native};
use engine::quarantine::{Again, Bodies, BodiesError, QuarantineId};
use engine::sweep::{PAGE, RunEnd, SegmentQueue, Settings, Sweep, Work};
use engine::transport::TransportError;
use futures::future::BoxFuture;
use rules::calendar::Instant;
use rules::id::MemberId;
use rules::version::Published;
use serde_json::Value;
use store::shop::ShopId;
use store::table::{Tables, create};
use store::{Exact, Item, Member, Publication, Store, StoredMember, Units};

/// A quarantine in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemoryQuarantine(Arc<Mutex<Shelf>>);

#[derive(Debug, Default)]
struct Shelf {
    kept: Vec<(String, String)>,
    again: Vec<String>,
    found_at_once: Option<usize>,
    is_busy: bool,
}

impl InMemoryQuarantine {
    /// The quarantined bodies, with their ids.
    pub fn bodies(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().kept.clone()
    }

    /// The bodies put into the ingest queue again since the last call.
    pub fn again(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().again)
    }

    /// Limits how many bodies are found at once from now on, as in a queue that is too long to go through.
    pub fn finds_at_once(&self, many: usize) {
        self.0.lock().unwrap().found_at_once = Some(many);
    }

    /// Sets whether another caller is going through the quarantine.
    pub fn is_busy(&self, is_busy: bool) {
        self.0.lock().unwrap().is_busy = is_busy;
    }

    /// Forgets the bodies, as a queue does after fourteen days.
    pub fn forgets(&self) {
        self.0.lock().unwrap().kept.clear();
    }
}

impl Quarantine for InMemoryQuarantine {
    async fn put(&self, bodies: &[(String, &str)]) -> Result<(), TransportError> {
        let kept = bodies.iter().map(|(id, body)| (id.clone(), (*body).to_owned()));
        self.0.lock().unwrap().kept.extend(kept);
        Ok(())
    }
}

impl Bodies for InMemoryQuarantine {
    fn again<'a>(&'a self, ids: &'a BTreeSet<QuarantineId>) -> BoxFuture<'a, Result<Again, BodiesError>> {
        let Shelf { kept, again, found_at_once, is_busy } = &mut *self.0.lock().unwrap();
        if *is_busy {
            return Box::pin(ready(Err(BodiesError::Busy)));
        }
        let most = found_at_once.unwrap_or(usize::MAX);
        let moved: BTreeSet<QuarantineId> =
            ids.iter().filter(|id| kept.iter().any(|(of, _)| of == id.as_str())).take(most).cloned().collect();
        for id in &moved {
            let place = kept.iter().position(|(of, _)| of == id.as_str()).unwrap();
            again.push(kept.remove(place).1);
        }
        let through = found_at_once.is_none() || moved.len() < most;
        Box::pin(ready(Ok(Again { moved, through })))
    }
}

/// Segments that wait for a worker, in memory.
#[derive(Debug, Clone, Default)]
pub struct InMemorySegmentQueue(Arc<Mutex<Vec<Work>>>);

impl InMemorySegmentQueue {
    /// Takes the segments that wait.
    pub fn take(&self) -> Vec<Work> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl SegmentQueue for InMemorySegmentQueue {
    async fn enqueue(&self, work: Vec<Work>, _: Duration) -> Result<(), TransportError> {
        self.0.lock().unwrap().extend(work);
        Ok(())
    }
}

/// The rows of the quarantine of a shop, or of no shop, as they were written.
pub async fn quarantine_rows(store: &Store, shop: Option<&ShopId>) -> Vec<Item> {
    let (mut rows, mut from) = (Vec::new(), None);
    loop {
        let page = store.quarantined_page(shop, Exact::Now, usize::MAX, from, |_| true).await.unwrap();
        rows.extend(page.rows.into_iter().filter(|(of, _)| of.as_ref() == shop).map(|(_, item)| item));
        from = page.next;
        if from.is_none() {
            return rows;
        }
    }
}

/// An instant of a test.
pub fn instant(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

/// An instant after everything that happens in a test.
pub const FOREVER: Instant = Instant::from_millis(253_402_300_799_999);

/// Settings of a worker with a name of its own, without a margin, that never runs out of time.
pub fn settings() -> Settings {
    static WORKERS: AtomicI64 = AtomicI64::new(0);
    let owner = format!("worker {}", WORKERS.fetch_add(1, Ordering::Relaxed));
    Settings { owner, margin: Duration::ZERO, budget: Duration::MAX, together: 1, page: PAGE, redaction: Duration::MAX }
}

/// One shop's ingest, and the store under it.
#[derive(Debug)]
pub struct System {
    /// The store.
    pub store: Store,
    /// The ingest.
    pub ingest: Ingest<InMemoryQuarantine>,
    /// The sweeps.
    pub sweep: Sweep<InMemorySegmentQueue>,
    /// The quarantine.
    pub kept: InMemoryQuarantine,
    /// The shop of events that name no other.
    pub shop: ShopId,
    clock: Arc<AtomicI64>,
}

impl System {
    /// Creates the tables behind a client, with names that begin with `prefix`.
    pub async fn new(client: Client, prefix: &str) -> Self {
        let tables = Tables::prefixed(prefix);
        create(&client, &tables).await.unwrap();
        Self::over(Store::new(client, tables))
    }

    /// A process on existing tables.
    pub fn over(store: Store) -> Self {
        let clock = Arc::new(AtomicI64::new(0));
        let ticks = Arc::clone(&clock);
        let now = Clock::new(move || Instant::from_millis(ticks.load(Ordering::SeqCst)));
        let kept = InMemoryQuarantine::default();
        let ingest = Ingest::new(store.clone(), kept.clone(), now.clone());
        let sweep = Sweep::new(store.clone(), InMemorySegmentQueue::default(), now, settings());
        Self { store, ingest, sweep, kept, shop: ShopId::new("acme").unwrap(), clock }
    }

    /// The clock, for code that only reads it.
    pub fn clock(&self) -> Clock {
        let ticks = Arc::clone(&self.clock);
        Clock::new(move || Instant::from_millis(ticks.load(Ordering::SeqCst)))
    }

    /// The current time.
    pub fn now(&self) -> Instant {
        Instant::from_millis(self.clock.load(Ordering::SeqCst))
    }

    /// Sets the clock.
    pub fn at(&self, now: Instant) {
        self.clock.store(now.millis(), Ordering::SeqCst);
    }

    /// Publishes a program of the shop, in force from now on.
    pub async fn publish(&self, program: &Value, options: &Value) {
        let event = Published::of(self.now(), program, options, self.store.zones()).unwrap();
        let publication = Publication { event, by: "tests".to_owned(), why: "a test".to_owned() };
        self.store.publish(&self.shop, &publication, self.now()).await.unwrap();
        self.ingest.invalidate_programs();
    }

    /// Opens the jobs that are due, and sweeps until no segment waits.
    pub async fn sweep_all(&self) {
        assert_eq!(self.sweep.tick().await.unwrap().failed, 0);
        loop {
            let waiting = self.sweep.workers().take();
            if waiting.is_empty() {
                return;
            }
            for work in waiting {
                let worked = self.sweep.work(&work).await.unwrap().ended;
                assert!(matches!(worked, RunEnd::Done | RunEnd::GoesOn), "{work}: {worked:?}");
            }
        }
    }

    /// Sends the shop's own events, in one batch.
    pub async fn tell(&self, events: &[Value]) -> Report {
        let bodies: Vec<String> = events.iter().map(|event| native(&self.shop, event, self.now())).collect();
        self.deliver(&bodies).await
    }

    /// Delivers messages, in one batch; ids are their places.
    pub async fn deliver(&self, bodies: &[String]) -> Report {
        let message = |(place, body): (usize, &String)| Message {
            id: place.to_string(),
            body: body.clone(),
            sent_at: Some(self.now()),
        };
        let messages: Vec<Message> = bodies.iter().enumerate().map(message).collect();
        self.ingest.handle(&messages).await
    }

    /// A member as stored.
    pub async fn stored(&self, id: &str) -> StoredMember {
        let id = MemberId::new(id).unwrap();
        self.store.members(&self.shop, [id.clone()]).await.unwrap().remove(&id).unwrap()
    }

    /// A member who was not erased, as stored; empty if nothing is stored.
    pub async fn member(&self, id: &str) -> Member {
        self.stored(id).await.alive().unwrap()
    }

    /// The tier on record of a member.
    pub async fn tier(&self, id: &str) -> Option<String> {
        self.member(id).await.record.tier().map(ToString::to_string)
    }

    /// Another process on the same tables through a client of its own, at the same time of day.
    pub fn another(&self, client: Client) -> Self {
        let other = Self::over(Store::new(client, self.store.tables().clone()));
        other.at(self.now());
        other
    }

    /// All items of a table, as text, their attributes in order.
    pub async fn items(&self, table: &str) -> Vec<String> {
        let tables = self.store.tables();
        let name = [&tables.members, &tables.ledger, &tables.control].into_iter().find(|name| name.ends_with(table));
        let scan = self.store.client().scan().table_name(name.unwrap()).send().await.unwrap();
        assert!(scan.last_evaluated_key.is_none());
        let text = |item: &HashMap<_, _>| format!("{:?}", item.iter().collect::<BTreeMap<_, _>>());
        scan.items().iter().map(text).collect()
    }

    /// The units used of the store since the last call.
    pub fn used(&self) -> Units {
        self.store.meter().take()
    }
}
