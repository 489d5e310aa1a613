//! Quarantined bodies on one machine, in a queue of rows; and the replay of dead letters.

use std::collections::BTreeSet;

use engine::quarantine::{Again, Bodies, BodiesError, QuarantineId};
use futures::future::BoxFuture;

use super::queue::{DEAD, QUARANTINE, QueueError, Queues};

impl From<QueueError> for BodiesError {
    fn from(error: QueueError) -> Self {
        Self::Queue(Box::new(error))
    }
}

impl Bodies for Queues {
    fn again<'a>(&'a self, ids: &'a BTreeSet<QuarantineId>) -> BoxFuture<'a, Result<Again, BodiesError>> {
        Box::pin(async move {
            let mut moved = BTreeSet::new();
            for id in ids {
                if let Some(message) = self.get(QUARANTINE, id.as_str()).await? {
                    Queues::again(self, QUARANTINE, &message).await?;
                    moved.insert(id.clone());
                }
            }
            Ok(Again { moved, through: true })
        })
    }
}

/// Puts the dead letters into the ingest queue again; returns their number.
///
/// # Errors
/// [`QueueError`]; then the remaining letters stay where they were.
pub async fn replay_dead(queues: &Queues) -> Result<usize, QueueError> {
    let letters = queues.all(DEAD).await?;
    for letter in &letters {
        queues.again(DEAD, letter).await?;
    }
    Ok(letters.len())
}
