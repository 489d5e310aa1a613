//! The shipped functions, each as a process of its own, with a clock that may be off and caches that may be stale. A process is
//! invoked as Lambda does it, stopped when its time is up, and killed at any moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws::EventBridge;
use aws::SqsQuarantine;
use aws::{Queues, SqsSegmentQueue};
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, retry::RetryConfig};
use embedded_dynamodb::Store as Nowhere;
use engine::clock::Clock;
use engine::ingest::{FactWriter, Ingest};
use engine::relay::{Relay, RetryPolicy};
use engine::sweep::{MARGIN, PAGE, Settings, Sweep};
use engine::telemetry::{LogKey, Metric, Metrics};
use rules::calendar::{Instant, Zones};
use serde_json::{Value, json};
use store::Store;
use store::key::Spread;
use store::table::Tables;
use tokio::sync::Notify;

use super::bug::Bug;
use super::dice::Dice;
use super::fault::Fault;
use super::network::{Connection, Line, Network, QUARANTINE, Role};
use super::queue::Waiting;
use crate::system::FOREVER;

/// The time-out of functions, as in the template.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The time after which a worker gives a segment back.
const BUDGET: Duration = Duration::from_secs(40);
/// The most by which a clock is off.
const SKEW_MS: i64 = 5_000;

/// The tables, spread as they are wherever shops are served.
pub fn tables() -> Tables {
    Tables::prefixed("sim")
}

/// Sizes that are fixed wherever shops are served, and vary here: a handful of members is then like very many, with some in a
/// partition, some on a page, and some pages to a sweep.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    spread: Spread,
    page: u16,
}

impl Scale {
    /// The sizes of a seed: now and then those of wherever shops are served.
    pub fn of(dice: &mut Dice) -> Self {
        let spread = Spread::over(*dice.one(&[1, 2, 5, 20]), *dice.one(&[1, 2, 3, 8]));
        let page = *dice.one(&[1, 2, 3, PAGE]);
        if dice.chance(30) { Self { spread: Spread::DEPLOYED, page: PAGE } } else { Self { spread, page } }
    }
}

/// Whether a process is alive.
#[derive(Debug, Default)]
pub struct Life {
    dead: AtomicBool,
    died: Notify,
}

impl Life {
    /// Ends it.
    pub fn end(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.died.notify_one();
    }

    /// Whether it has ended.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Waits for the end.
    pub async fn ended(&self) {
        if !self.is_dead() {
            self.died.notified().await;
        }
    }
}

/// The end of an invocation.
#[derive(Debug)]
pub enum Ended<T> {
    /// With an answer.
    Answered(T),
    /// The process is gone.
    Gone,
}

/// The parts that every process has.
#[derive(Debug, Clone)]
pub struct Host {
    life: Arc<Life>,
    network: Arc<Network>,
    connection: Connection,
    /// The clock of the process, which may be off.
    pub clock: Clock,
    /// The release of the time zone database that it was started with.
    pub zones: Zones,
}

impl Host {
    /// Starts a process.
    pub fn start(network: &Arc<Network>, role: Role) -> Self {
        let life = Arc::new(Life::default());
        let connection = Connection { network: Arc::clone(network), life: Arc::clone(&life), role };
        let ticking = Arc::clone(network);
        let clock = if matches!(role, Role::ApiHarness | Role::Operator) {
            Clock::new(move || Instant::from_millis(ticking.now()))
        } else {
            let skew = skew(network);
            Clock::new(move || Instant::from_millis(ticking.told() + skew))
        };
        let is_stale = network.state().bug == Some(Bug::ZonesStale) && matches!(role, Role::Ingest | Role::Sweep);
        let zones = if is_stale { network.releases.first() } else { network.zones() }.clone();
        Self { life, network: Arc::clone(network), connection, clock, zones }
    }

    /// Whether it is of an older deployment, which gets no more to do.
    pub fn is_outdated(&self) -> bool {
        self.zones.release() != self.network.zones().release()
    }

    /// The tables, over the connection of the process.
    pub fn store(&self) -> Store {
        let config = Nowhere::nowhere().config_with(self.connection.clone());
        let tables = Tables { spread: self.network.scale.spread, ..tables() };
        Store::new(aws_sdk_dynamodb::Client::from_conf(config.build()), tables).with_zones(self.zones.clone())
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url("http://queues.invalid")
            .region(Region::from_static("local"))
            .allow_no_auth()
            .retry_config(RetryConfig::disabled())
            .http_client(Nowhere::nowhere().transport_with(self.connection.clone()));
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    fn bus(&self) -> EventBridge {
        let config = aws_sdk_eventbridge::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url("http://bus.invalid")
            .region(Region::from_static("local"))
            .allow_no_auth()
            .retry_config(RetryConfig::disabled())
            .http_client(Nowhere::nowhere().transport_with(self.connection.clone()));
        EventBridge::new(aws_sdk_eventbridge::Client::from_conf(config.build()), "bus")
    }

    /// The sweeps of the process.
    pub fn sweep(&self, owner: String) -> Sweep<SqsSegmentQueue> {
        let queues = Queues { rollover: Line::Rollover.url(), recalculation: Line::Recalculation.url() };
        let settings = Settings {
            owner,
            margin: MARGIN,
            budget: BUDGET,
            together: 1,
            page: self.network.scale.page,
            redaction: Duration::MAX,
        };
        Sweep::new(self.store(), SqsSegmentQueue::new(self.sqs(), queues), self.clock.clone(), settings)
    }

    /// The ingest of the process.
    pub fn ingest(&self) -> Ingest<SqsQuarantine> {
        let salt = self.network.state().dice.below(u64::MAX);
        let writer = FactWriter::new(self.store(), self.clock.clone()).with_jitter_seed(salt);
        Ingest::with(writer, SqsQuarantine::new(self.sqs(), QUARANTINE))
    }

    /// The relay of the process.
    pub fn relay(&self) -> Relay<EventBridge> {
        Relay {
            store: self.store(),
            bus: self.bus(),
            retry_policy: RetryPolicy::default(),
            clock: self.clock.clone(),
            log_key: LogKey::new("a key of the simulator").unwrap(),
        }
    }

    /// Runs an invocation, for as long as a function may take.
    pub async fn invoke<T>(&self, work: impl Future<Output = T>) -> Ended<T> {
        tokio::select! {
            biased;
            () = self.life.ended() => Ended::Gone,
            // Boxed: the future is large, and would be moved several times.
            done = tokio::time::timeout(TIMEOUT, Box::pin(work)) => match done {
                Ok(answer) => Ended::Answered(answer),
                Err(_) => {
                    self.network.state().fault_counts.hit(Fault::TimedOut);
                    self.life.end();
                    Ended::Gone
                }
            }
        }
    }
}

fn skew(network: &Network) -> i64 {
    let mut state = network.state();
    let skew = if state.dice.chance(300) { state.dice.between(-SKEW_MS, SKEW_MS) } else { 0 };
    match skew {
        1.. => state.fault_counts.hit(Fault::ClockAhead),
        ..0 => state.fault_counts.hit(Fault::ClockBehind),
        0 => {}
    }
    skew
}

/// A process that ingests events.
pub struct Ingesting {
    host: Host,
    ingest: Ingest<SqsQuarantine>,
}

impl Ingesting {
    /// Starts a process.
    pub fn start(network: &Arc<Network>) -> Self {
        let host = Host::start(network, Role::Ingest);
        let ingest = host.ingest();
        Self { host, ingest }
    }

    /// Whether it is of an older deployment.
    pub fn is_outdated(&self) -> bool {
        self.host.is_outdated()
    }

    /// The ids of the messages that failed.
    pub async fn invoke(&self, batch: &[Waiting]) -> Ended<Vec<u64>> {
        let records: Vec<Value> = batch.iter().map(record).collect();
        let event = serde_json::from_value(json!({ "Records": records })).unwrap();
        let mut metrics = Metrics::of("ingest");
        let now = self.host.clock.now();
        let handled = self.host.invoke(lambda_ingest::handle(&self.ingest, event, now, &mut metrics)).await;
        match handled {
            Ended::Gone => Ended::Gone,
            Ended::Answered(answer) => {
                let ids = answer.batch_item_failures.iter().map(|failure| failure.item_identifier.parse().unwrap());
                let failed: Vec<u64> = ids.collect();
                self.counts_add_up(batch, &failed, &metrics);
                Ended::Answered(failed)
            }
        }
    }

    /// Checks that each fact received that did not fail was applied, known, superseded, ignored or quarantined, once.
    fn counts_add_up(&self, batch: &[Waiting], failed: &[u64], metrics: &Metrics) {
        let became =
            [Metric::FactsApplied, Metric::Duplicates, Metric::Superseded, Metric::Ignored, Metric::Quarantined];
        let state = &mut *self.host.network.state();
        let weight = |message: &Waiting| state.weights.get(&message.body).copied().unwrap_or_default();
        // A message may come twice in a batch, and only one of the two may fail.
        let again = failed.iter().filter_map(|id| batch.iter().find(|message| message.id == *id));
        let received = batch.iter().map(weight).sum::<u64>() - again.map(weight).sum::<u64>();
        let counted = became.map(|metric| metrics.counted(metric));
        if metrics.counted(Metric::EventsIn) != batch.len() as u64 || counted.iter().sum::<u64>() != received {
            let bodies: Vec<&str> = batch.iter().map(|message| message.body.as_str()).collect();
            let why = format!("{received} received, {failed:?} failed, and it counts {counted:?}: {bodies:?}");
            state.miscounted.get_or_insert(why);
        }
    }
}

/// A message as SQS delivers it to a function.
fn record(message: &Waiting) -> Value {
    json!({ "messageId": message.id.to_string(), "receiptHandle": "-", "body": message.body, "md5OfBody": "-",
            "attributes": { "SentTimestamp": message.sent_at.to_string() }, "messageAttributes": {},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:local:0:ingest", "awsRegion": "local" })
}

/// A process that announces.
pub struct Relaying {
    host: Host,
    relay: Relay<EventBridge>,
}

impl Relaying {
    /// Starts a process.
    pub fn start(network: &Arc<Network>) -> Self {
        let host = Host::start(network, Role::Relay);
        let relay = host.relay();
        Self { host, relay }
    }

    /// Handles records of the stream; returns the place of the first one that failed, if one did.
    pub async fn invoke(&self, records: &[(usize, Value)]) -> Ended<Option<usize>> {
        let records: Vec<&Value> = records.iter().map(|(_, record)| record).collect();
        let event = serde_json::from_value(json!({ "Records": records })).unwrap();
        let mut metrics = Metrics::of("relay");
        match self.host.invoke(lambda_relay::handle(&self.relay, event, &mut metrics)).await {
            Ended::Answered(Ok(answer)) => {
                let failed = answer["batchItemFailures"][0]["itemIdentifier"].as_str();
                Ended::Answered(failed.map(|place| place.parse().unwrap()))
            }
            Ended::Answered(Err(error)) => panic!("the stream needs no table: {error}"),
            Ended::Gone => Ended::Gone,
        }
    }

    /// Makes a pass over all that waits, whenever it was recorded, as a served system does; returns whether it finished.
    pub async fn pass_all(&self) -> bool {
        let mut metrics = Metrics::of("relay");
        let passed = self.host.invoke(self.relay.pass_before(FOREVER, &mut metrics)).await;
        matches!(passed, Ended::Answered(Ok(passed)) if passed.finished && passed.failed == 0)
    }

    /// Makes the hourly pass; returns whether it finished.
    pub async fn pass(&self) -> bool {
        let event = serde_json::from_value(json!({ "pass": "unpublished" })).unwrap();
        let mut metrics = Metrics::of("relay");
        let passed = self.host.invoke(lambda_relay::handle(&self.relay, event, &mut metrics)).await;
        matches!(passed, Ended::Answered(Ok(passed)) if passed["finished"] == true && passed["failed"] == 0)
    }
}

/// A process that sweeps.
pub struct Sweeping {
    host: Host,
    sweep: Sweep<SqsSegmentQueue>,
}

impl Sweeping {
    /// Starts a process with a name of its own.
    pub fn start(network: &Arc<Network>) -> Self {
        let host = Host::start(network, Role::Sweep);
        let owner = format!("worker {}", network.state().dice.below(u64::MAX));
        let sweep = host.sweep(owner);
        Self { host, sweep }
    }

    /// Whether it is of an older deployment.
    pub fn is_outdated(&self) -> bool {
        self.host.is_outdated()
    }

    /// Works on a segment; returns whether the message is done.
    pub async fn invoke(&self, message: &Waiting) -> Ended<bool> {
        let batch = serde_json::from_value(json!({ "Records": [record(message)] })).unwrap();
        let mut metrics = Metrics::of("sweep");
        match self.host.invoke(self.sweep.batch(batch, &mut metrics)).await {
            Ended::Answered(failures) => {
                let failures = json!(failures);
                Ended::Answered(failures["batchItemFailures"].as_array().is_some_and(Vec::is_empty))
            }
            Ended::Gone => Ended::Gone,
        }
    }

    /// Opens the jobs that are due; returns whether all went well.
    pub async fn tick(&self) -> bool {
        matches!(self.host.invoke(self.sweep.tick()).await, Ended::Answered(Ok(ticked)) if ticked.failed == 0)
    }

    /// Opens the job of a published version; returns whether all went well.
    pub async fn published(&self, shop: &store::shop::ShopId, number: u32) -> bool {
        matches!(self.host.invoke(self.sweep.published(shop, number)).await, Ended::Answered(Ok(_)))
    }
}
