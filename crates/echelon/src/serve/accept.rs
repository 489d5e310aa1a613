//! Takes in what is told: what many tell at once goes to disk together.
//!
//! Putting something on disk takes as long for a hundred messages as for one, so while one commit is under way those who
//! come meanwhile gather for the next.

use tokio::sync::{mpsc, oneshot};

use super::queue::{QueueError, Queues};

/// How many senders may wait before the next has to wait to be heard.
const SENDERS_MAX: usize = 1_024;
/// So many messages, or somewhat more, go to disk together.
const TOGETHER: usize = 100;

/// Takes messages in.
#[derive(Debug, Clone)]
pub struct Accept {
    senders: mpsc::Sender<Sent>,
}

#[derive(Debug)]
struct Sent {
    bodies: Vec<String>,
    done: oneshot::Sender<Result<(), QueueError>>,
}

impl Accept {
    /// Over the queues. Ends when nobody can send any more.
    pub fn new(queues: Queues) -> Self {
        let (senders, sent) = mpsc::channel(SENDERS_MAX);
        tokio::spawn(gather(queues, sent));
        Self { senders }
    }

    /// Puts messages into the ingest queue. When this returns they are on disk.
    ///
    /// # Errors
    /// [`QueueError`]; then some may be.
    pub async fn take(&self, bodies: Vec<String>) -> Result<(), QueueError> {
        let (done, answer) = oneshot::channel();
        if self.senders.send(Sent { bodies, done }).await.is_err() {
            return Err(QueueError::ended());
        }
        answer.await.unwrap_or_else(|_| Err(QueueError::ended()))
    }
}

async fn gather(queues: Queues, mut sent: mpsc::Receiver<Sent>) {
    while let Some(first) = sent.recv().await {
        let (mut bodies, mut waiting) = (first.bodies, vec![first.done]);
        while bodies.len() < TOGETHER
            && let Ok(another) = sent.try_recv()
        {
            bodies.extend(another.bodies);
            waiting.push(another.done);
        }
        let result = queues.send(&bodies).await;
        for done in waiting {
            // Who hung up meanwhile has still been heard.
            let _ = done.send(result.clone());
        }
    }
}
