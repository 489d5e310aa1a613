//! What was set aside: told as rows, and put back into the ingest queue.

use std::collections::BTreeSet;
use std::future::Future;

use serde::{Deserialize, Serialize};
use service::ingest::Reason;
use service::shop::ShopId;
use service::store::{Item, Store, StoreError};

use super::queue::{DEAD, QUARANTINE, QueueError, Queues};

/// What is known of something that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// By what it is known.
    pub id: String,
    /// Whose it is, if it says.
    pub shop: Option<String>,
    /// When it was set aside.
    pub recorded_at: String,
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
    /// Its topic or type, if it is one that is known.
    pub topic: Option<String>,
    /// The fields with problems.
    pub paths: Vec<String>,
    /// How long its body is.
    pub bytes: u64,
}

/// What is meant: those that fit everything said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// Of this shop alone.
    pub shop: Option<String>,
    /// With one of these ids; any, if there are none.
    pub ids: Vec<String>,
    /// For this reason.
    pub reason: Option<String>,
}

impl Selection {
    /// Whether a row is meant.
    pub fn fits(&self, row: &Row) -> bool {
        let Self { shop, ids, reason } = self;
        shop.as_ref().is_none_or(|shop| row.shop.as_ref() == Some(shop))
            && (ids.is_empty() || ids.contains(&row.id))
            && reason.as_ref().is_none_or(|reason| *reason == row.reason)
    }
}

/// What became of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Replayed {
    /// In the ingest queue again.
    pub replayed: Vec<String>,
    /// Known only by their rows: the bodies are not kept any more.
    pub gone: Vec<String>,
}

/// Where the bodies lie that were set aside. On one machine that is a queue of rows; deployed, it is one of SQS, which
/// has to be gone through as a whole: so bodies are asked for together.
pub trait Bodies {
    /// Puts the bodies with these ids into the ingest queue again; yields the ids of those that were still there. Done
    /// twice they are there twice, which does no harm.
    fn again(&self, ids: &BTreeSet<String>) -> impl Future<Output = Result<BTreeSet<String>, QueueError>> + Send;
}

impl Bodies for Queues {
    async fn again(&self, ids: &BTreeSet<String>) -> Result<BTreeSet<String>, QueueError> {
        let mut there = BTreeSet::new();
        for id in ids {
            if let Some(message) = self.get(QUARANTINE, id).await? {
                Queues::again(self, QUARANTINE, &message).await?;
                there.insert(id.clone());
            }
        }
        Ok(there)
    }
}

/// The rows that are meant, the latest last.
///
/// # Errors
/// See [`StoreError`].
pub async fn list(store: &Store, selection: &Selection) -> Result<Vec<Row>, StoreError> {
    Ok(selected(store, selection).await?.into_iter().map(|(row, _)| row).collect())
}

/// Puts those that are meant into the ingest queue again, and forgets that they were set aside.
///
/// # Errors
/// Says what the store did not do; what was not done is as it was.
pub async fn replay(store: &Store, bodies: &impl Bodies, selection: &Selection) -> Result<Replayed, QueueError> {
    let rows = selected(store, selection).await.map_err(QueueError::of_store)?;
    let ids = rows.iter().map(|(row, _)| row.id.clone()).collect();
    let there = bodies.again(&ids).await?;
    let mut done = Replayed::default();
    for (row, item) in rows {
        // The bodies first: a row that is left over tells of something that is on its way, a body without one is lost.
        if there.contains(&row.id) {
            store.forget_aside(&item).await.map_err(QueueError::of_store)?;
            done.replayed.push(row.id);
        } else {
            done.gone.push(row.id);
        }
    }
    Ok(done)
}

/// Puts the dead letters into the ingest queue again; how many there were.
///
/// # Errors
/// Says what the store did not do; what was not done is as it was.
pub async fn replay_dead(queues: &Queues) -> Result<usize, QueueError> {
    let letters = queues.all(DEAD).await?;
    for letter in &letters {
        queues.again(DEAD, letter).await?;
    }
    Ok(letters.len())
}

async fn selected(store: &Store, selection: &Selection) -> Result<Vec<(Row, Item)>, StoreError> {
    let mut rows = Vec::new();
    for (of, item) in store.all_asides().await? {
        let row = row(of.as_ref(), &item)?;
        if selection.fits(&row) {
            rows.push((row, item));
        }
    }
    rows.sort_by(|(a, _), (b, _)| (&a.recorded_at, &a.id).cmp(&(&b.recorded_at, &b.id)));
    Ok(rows)
}

fn row(shop: Option<&ShopId>, item: &Item) -> Result<Row, StoreError> {
    let reason = item.need_text("reason")?.to_owned();
    Ok(Row {
        id: item.key().sk,
        shop: shop.map(ToString::to_string),
        recorded_at: item.need_text("recorded_at")?.to_owned(),
        // A reason that a later release gave is told as it is.
        remedy: Reason::named(&reason).map(Reason::remedy).unwrap_or_default().to_owned(),
        reason,
        topic: item.maybe_text("topic").map(str::to_owned),
        paths: item.maybe_texts("paths")?.into_iter().map(str::to_owned).collect(),
        bytes: item.need_number("bytes")?,
    })
}
