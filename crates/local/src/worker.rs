//! The worker, which ingests the events in the queue, batch after batch, as the deployed function does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use engine::ingest::{Message, Report};
use store::records::Reason;
use tokio::sync::watch;
use tokio::time::Instant;

use super::System;
use super::health::Trouble;
use super::queue::{LOOK_AGAIN, QueueError, Queued};

/// The number of messages in a batch, as in the deployed function.
const BATCH_MAX: usize = 100;
/// The pause after the store failed.
const PAUSE: Duration = Duration::from_secs(1);
/// The interval at which expired bodies are deleted.
const EXPIRE_EVERY: Duration = Duration::from_secs(60 * 60);

/// Works until the system stops. The batch that is under way is still finished.
pub async fn work(system: Arc<System>, mut stop: watch::Receiver<bool>) {
    let mut expired_at: Option<Instant> = None;
    while !*stop.borrow() {
        if expired_at.is_none_or(|at| at.elapsed() >= EXPIRE_EVERY) {
            expired_at = Some(Instant::now());
            if let Err(error) = system.queues.expire().await {
                tracing::warn!(%error, "what was quarantined long ago is still kept; it is tried again in an hour");
            }
        }
        system.health.worker.beat();
        let worked = batch(&system).await;
        system.health.note(Trouble::Ingest, worked.as_ref().err().map(ToString::to_string));
        let pause = match worked {
            Ok(true) => continue,
            Ok(false) => LOOK_AGAIN,
            Err(error) => {
                tracing::warn!(%error, "the queue cannot be worked on; it is tried again");
                PAUSE
            }
        };
        tokio::select! {
            () = system.queues.news() => {}
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Ingests one batch; returns whether there was one.
async fn batch(system: &Arc<System>) -> Result<bool, QueueError> {
    let batch = system.queues.receive(BATCH_MAX).await?;
    let _under_way = system.api.batch.read().await;
    if batch.is_empty() {
        return Ok(false);
    }
    match handled(system, &batch).await {
        Some(report) => settle(system, &batch, &report).await?,
        // A message breaks the process. Messages are ingested one by one to find it, and its neighbors succeed.
        None => {
            for queued in &batch {
                let alone = std::slice::from_ref(queued);
                let report = handled(system, alone).await.unwrap_or_else(|| broken(queued));
                settle(system, alone, &report).await?;
            }
        }
    }
    Ok(true)
}

/// Ingests messages on a task of their own; none if it panicked.
async fn handled(system: &Arc<System>, batch: &[Queued]) -> Option<Report> {
    let message = |it: &Queued| Message { id: it.id.clone(), body: it.body.clone(), sent_at: None };
    let messages: Vec<Message> = batch.iter().map(message).collect();
    let ingest = Arc::clone(&system.ingest);
    tokio::spawn(async move { ingest.handle(&messages).await }).await.ok()
}

fn broken(queued: &Queued) -> Report {
    let failure = Some("it broke what takes it in".to_owned());
    Report { failed: vec![queued.id.clone()], failure, ..Report::default() }
}

/// Removes messages that are done, and returns those that failed.
async fn settle(system: &System, batch: &[Queued], report: &Report) -> Result<(), QueueError> {
    system.count(&report.counts);
    if report.counts.transitions + report.counts.rewards > 0 {
        system.api.recorded.notify_one();
    }
    // One line for each reason: a load may send many events of one mistake.
    let mut quarantined: BTreeMap<(Reason, String), u64> = BTreeMap::new();
    for (_, why) in &report.quarantined {
        *quarantined.entry((why.reason, why.paths.join(" "))).or_default() += 1;
    }
    for ((reason, paths), events) in quarantined {
        let (reason, remedy) = (reason.code(), reason.remedy());
        tracing::warn!(reason, paths, events, remedy, "quarantined what can never succeed as it is");
    }
    if let Some(failure) = &report.failure {
        tracing::warn!(failed = report.failed.len(), failure, "events failed and will be retried");
    }
    let failed: BTreeSet<&str> = report.failed.iter().map(String::as_str).collect();
    system.health.took(batch.iter().map(|it| (it, failed.contains(&*it.id))), report.failure.as_deref());
    let (failed, done): (Vec<Queued>, Vec<Queued>) = batch.iter().cloned().partition(|it| failed.contains(&*it.id));
    system.queues.delete(&done).await?;
    for queued in &failed {
        if system.queues.back_off(queued).await? {
            tracing::error!(
                id = queued.id,
                "an event failed too often: `echelon quarantine replay --dead` tries again"
            );
        }
    }
    Ok(())
}
