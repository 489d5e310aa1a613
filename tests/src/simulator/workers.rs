//! The callers of the functions: pollers of queues and of the stream. Each has a warm process, which it replaces when the process
//! is gone, and now and then without a reason.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::bug::Bug;
use super::expression::text;
use super::fault::Fault;
use super::network::{Line, Network};
use super::process::{Ended, Ingesting, Relaying, Sweeping};
use super::queue::Waiting;

/// The most messages or records in a batch, as in the template.
const BATCH: usize = 100;
/// The usual limit of a batch; small batches let two processes share what waits.
const FEW: usize = 10;
/// Shards of the stream.
const SHARDS: usize = 2;
/// The wait before a failed message is tried again.
const AGAIN_MS: i64 = 5_000;

/// The progress of reading the stream.
#[derive(Debug, Default)]
pub struct Stream {
    /// The number of changes read, by shard.
    pub read: [std::sync::atomic::AtomicUsize; SHARDS],
}

impl Stream {
    /// Whether everything was read.
    pub fn is_read(&self, network: &Network) -> bool {
        let all = network.state().tables.changes.len();
        self.read.iter().all(|read| read.load(std::sync::atomic::Ordering::SeqCst) == all)
    }

    /// Loses the changes that were not read yet; returns whether there were any.
    pub fn lose(&self, network: &Network) -> bool {
        let all = network.state().tables.changes.len();
        let mut lost = false;
        for read in &self.read {
            lost |= read.swap(all, std::sync::atomic::Ordering::SeqCst) < all;
        }
        lost
    }
}

/// Starts all pollers.
pub fn start(network: &Arc<Network>, stream: &Arc<Stream>) -> Vec<JoinHandle<()>> {
    let mut all = Vec::new();
    for _ in 0..2 {
        all.push(tokio::spawn(ingesting(Arc::clone(network))));
        all.push(tokio::spawn(sweeping(Arc::clone(network))));
    }
    for shard in 0..SHARDS {
        all.push(tokio::spawn(relaying(Arc::clone(network), Arc::clone(stream), shard)));
    }
    all.push(tokio::spawn(publishing(Arc::clone(network))));
    all
}

/// Whether a process is replaced without a reason.
fn is_replaced(network: &Network) -> bool {
    network.state().dice.chance(30)
}

/// The next messages of some queues; waits until there are some.
async fn next(network: &Network, lines: &[Line], at_most: usize) -> (Line, Vec<Waiting>) {
    loop {
        let now = network.now();
        let mut soonest = None;
        {
            let mut state = network.state();
            let super::network::State { queues, dice, fault_counts, weather, .. } = &mut *state;
            for line in lines {
                let Some(queue) = queues.get_mut(line) else { continue };
                let at_most = 1 + dice.place(at_most);
                let received = queue.receive(now, at_most, weather.disorder, dice, fault_counts);
                if !received.is_empty() {
                    return (*line, received);
                }
                soonest = [soonest, queue.next()].into_iter().flatten().min();
            }
        }
        let arrived = network.arrived.notified();
        match soonest {
            None => arrived.await,
            Some(at) => {
                let wait = Duration::from_millis(u64::try_from(at - network.now()).unwrap_or(0).max(1));
                let _ = tokio::time::timeout(wait, arrived).await;
            }
        }
    }
}

async fn ingesting(network: Arc<Network>) {
    let mut process = Ingesting::start(&network);
    loop {
        let at_most = if network.state().dice.chance(800) { FEW } else { BATCH };
        let (line, batch) = next(&network, &[Line::Ingest], at_most).await;
        if is_replaced(&network) || process.is_outdated() {
            process = Ingesting::start(&network);
        }
        match process.invoke(&batch).await {
            Ended::Answered(failed) => {
                let now = network.now();
                let mut state = network.state();
                let ignored = state.bug == Some(Bug::FailuresOfIngestIgnored);
                let Some(queue) = state.queues.get_mut(&line) else { continue };
                for message in &batch {
                    if failed.contains(&message.id) && !ignored {
                        queue.failed(message.id, now + AGAIN_MS);
                    } else {
                        queue.done(message.id);
                    }
                }
            }
            Ended::Gone => process = Ingesting::start(&network),
        }
    }
}

async fn sweeping(network: Arc<Network>) {
    let mut process = Sweeping::start(&network);
    loop {
        let (line, messages) = next(&network, &[Line::Recalculation, Line::Rollover], 1).await;
        let Some(message) = messages.first() else { continue };
        if process.is_outdated() {
            process = Sweeping::start(&network);
        }
        let ended = if messages.len() > 1 {
            network.state().fault_counts.hit(Fault::TwoWorkers);
            let another = Sweeping::start(&network);
            tokio::join!(process.invoke(message), another.invoke(message)).0
        } else {
            process.invoke(message).await
        };
        let now = network.now();
        let mut state = network.state();
        let Some(queue) = state.queues.get_mut(&line) else { continue };
        match ended {
            Ended::Answered(true) => queue.done(message.id),
            Ended::Answered(false) => queue.failed(message.id, now + AGAIN_MS),
            Ended::Gone => {
                drop(state);
                process = Sweeping::start(&network);
            }
        }
    }
}

async fn publishing(network: Arc<Network>) {
    let mut process = Sweeping::start(&network);
    loop {
        let (line, messages) = next(&network, &[Line::Published], 1).await;
        let Some(message) = messages.first() else { continue };
        let event: Value = serde_json::from_str(&message.body).unwrap();
        let shop = store::shop::ShopId::new(event["shop"].as_str().unwrap_or_default()).unwrap();
        let number = u32::try_from(event["program_version"].as_u64().unwrap_or_default()).unwrap_or_default();
        if process.is_outdated() {
            process = Sweeping::start(&network);
        }
        if process.published(&shop, number).await {
            if let Some(queue) = network.state().queues.get_mut(&line) {
                queue.done(message.id);
            }
        } else {
            process = Sweeping::start(&network);
        }
    }
}

/// A record as the ledger's stream brings it.
fn record(place: usize, kind: &str, image: &Value) -> Value {
    json!({ "awsRegion": "local", "eventID": place.to_string(), "eventName": kind, "eventSource": "aws:dynamodb",
            "eventVersion": "1.1", "eventSourceARN": "arn:aws:dynamodb:local:0:table/ledger/stream/1",
            "dynamodb": { "ApproximateCreationDateTime": 1.0, "SequenceNumber": place.to_string(), "Keys": {},
                          "NewImage": image, "SizeBytes": 1, "StreamViewType": "NEW_IMAGE" } })
}

/// The changes of a shard from a place on, and the place after them.
fn records(network: &Network, shard: usize, from: usize) -> (Vec<(usize, Value)>, usize) {
    let state = network.state();
    let changes = &state.tables.changes;
    let mut records = Vec::new();
    let mut at = from;
    while at < changes.len() && records.len() < BATCH {
        let change = &changes[at];
        let pk = change.image.get("pk").and_then(text).unwrap_or_default();
        let is_ours = pk.bytes().map(usize::from).sum::<usize>() % SHARDS == shard;
        if is_ours && change.kind != "REMOVE" {
            records.push((at, record(at, change.kind, &Value::Object((*change.image).clone()))));
        }
        at += 1;
    }
    (records, at)
}

async fn relaying(network: Arc<Network>, stream: Arc<Stream>, shard: usize) {
    use std::sync::atomic::Ordering::SeqCst;
    let mut process = Relaying::start(&network);
    let read = &stream.read[shard];
    loop {
        let arrived = network.arrived.notified();
        let from = read.load(SeqCst);
        let (records, behind) = records(&network, shard, from);
        if records.is_empty() {
            // Unless the stream was lost meanwhile.
            let _ = read.compare_exchange(from, behind, SeqCst, SeqCst);
            if behind == from {
                arrived.await;
            }
            continue;
        }
        let ended = process.invoke(&records).await;
        let next = match ended {
            Ended::Answered(None) => behind,
            Ended::Answered(Some(failed)) => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                failed
            }
            Ended::Gone => {
                process = Relaying::start(&network);
                tokio::time::sleep(Duration::from_secs(1)).await;
                from
            }
        };
        let mut state = network.state();
        let disorder = state.weather.disorder;
        let next = if next > 0 && state.dice.chance(disorder / 2) {
            state.fault_counts.hit(Fault::StreamReplayed);
            let back = 1 + state.dice.place(8);
            next.saturating_sub(back)
        } else {
            next
        };
        if stream.read[1 - shard].load(SeqCst) < behind {
            state.fault_counts.hit(Fault::StreamInterleaved);
        }
        drop(state);
        let _ = read.compare_exchange(from, next, SeqCst, SeqCst);
    }
}
