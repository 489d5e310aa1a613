//! Group commit: messages from many senders at the same time go to disk together.
//!
//! Writing a hundred messages to disk takes as long as writing one. So while one commit is under way, further senders
//! gather for the next. The room of a commit is shared among the shops, so that a shop that sends very many messages
//! does not delay the others.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::{mpsc, oneshot};

use super::lane::Lane;
use super::queue::{QueueError, Queues};

/// The number of senders that may queue before the next one has to wait.
const SENDERS_MAX: usize = 1_024;
/// The number of held messages at which no further senders are received.
const HELD_MAX: usize = 20_000;
/// The number of messages in a commit.
const TOGETHER: usize = 100;

/// Accepts messages.
#[derive(Debug, Clone)]
pub struct GroupCommit {
    senders: mpsc::Sender<Sent>,
}

/// A sender that waits for its messages to be written.
#[derive(Debug)]
struct Sent {
    lane: Lane,
    bodies: VecDeque<String>,
    /// The number of messages that are in the commit under way.
    taken: usize,
    done: oneshot::Sender<Result<(), QueueError>>,
}

impl GroupCommit {
    /// A group commit to the queues. It ends when the last sender is dropped.
    pub fn new(queues: Queues) -> Self {
        let (senders, sent) = mpsc::channel(SENDERS_MAX);
        tokio::spawn(gather(queues, sent));
        Self { senders }
    }

    /// Whether no more messages can be accepted.
    pub fn is_over(&self) -> bool {
        self.senders.is_closed()
    }

    /// Puts messages into the ingest queue. When this returns they are on disk.
    ///
    /// # Errors
    /// [`QueueError`]; then some of them may be.
    pub async fn take(&self, lane: Lane, bodies: Vec<String>) -> Result<(), QueueError> {
        let (done, answer) = oneshot::channel();
        if self.senders.send(Sent { lane, bodies: bodies.into(), taken: 0, done }).await.is_err() {
            return Err(QueueError::Ended);
        }
        answer.await.unwrap_or_else(|_| Err(QueueError::Ended))
    }
}

async fn gather(queues: Queues, mut sent: mpsc::Receiver<Sent>) {
    let mut waiting = Waiting::default();
    loop {
        if waiting.is_empty() {
            let Some(first) = sent.recv().await else { return };
            waiting.add(first);
        }
        // Other senders may be waiting.
        while waiting.messages() < HELD_MAX
            && let Ok(another) = sent.try_recv()
        {
            waiting.add(another);
        }
        let messages = waiting.take(TOGETHER);
        match queues.send(&messages).await {
            Ok(()) => waiting.answer_those_done(),
            Err(error) => waiting.fail(&messages, &error),
        }
    }
}

/// The waiting senders, by lane.
#[derive(Debug, Default)]
struct Waiting {
    lanes: BTreeMap<Lane, VecDeque<Sent>>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// The number of messages to be written.
    fn messages(&self) -> usize {
        self.lanes.values().flatten().map(|sent| sent.bodies.len()).sum()
    }

    fn add(&mut self, sent: Sent) {
        self.lanes.entry(sent.lane).or_default().push_back(sent);
    }

    /// Takes at most `max` messages: an equal share from each lane, from the earliest senders.
    fn take(&mut self, max: usize) -> Vec<(Lane, String)> {
        let mut taken = Vec::with_capacity(max);
        let count = self.lanes.len();
        for (place, (lane, senders)) in self.lanes.iter_mut().enumerate() {
            let share = taken.len() + (max - taken.len()).div_ceil(count - place);
            for sent in senders {
                let some = (share - taken.len()).min(sent.bodies.len());
                sent.taken = some;
                taken.extend(sent.bodies.drain(..some).map(|body| (*lane, body)));
            }
        }
        taken
    }

    /// Tells senders whose messages are all written that they are on disk.
    fn answer_those_done(&mut self) {
        self.lanes.retain(|_, senders| {
            while let Some(sent) = senders.pop_front_if(|sent| sent.bodies.is_empty()) {
                // A sender that disconnected meanwhile needs no answer.
                let _ = sent.done.send(Ok(()));
            }
            !senders.is_empty()
        });
    }

    /// Tells senders with messages in the failed commit that these may not be on disk. A partly written sender is at
    /// the front.
    fn fail(&mut self, messages: &[(Lane, String)], error: &QueueError) {
        self.lanes.retain(|lane, senders| {
            let mut of_lane = messages.iter().filter(|(of, _)| of == lane).count();
            while let Some(sent) = senders.pop_front_if(|sent| of_lane > 0 || sent.bodies.is_empty()) {
                of_lane = of_lane.saturating_sub(sent.taken);
                let _ = sent.done.send(Err(error.clone()));
            }
            !senders.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use store::shop::ShopId;

    use super::*;

    fn sent(lane: Lane, bodies: &[&str]) -> (Sent, oneshot::Receiver<Result<(), QueueError>>) {
        let (done, answer) = oneshot::channel();
        (Sent { lane, bodies: bodies.iter().map(|body| (*body).to_owned()).collect(), taken: 0, done }, answer)
    }

    fn lanes() -> (Lane, Lane) {
        let of = |name: &str| Lane::of(&ShopId::new(name).unwrap());
        let other = (0..).map(|number| of(&format!("shop{number}"))).find(|lane| *lane != of("acme")).unwrap();
        (of("acme").min(other), of("acme").max(other))
    }

    #[test]
    fn each_shop_has_its_share_and_is_answered_when_all_of_it_is_written() {
        let ((one, two), mut waiting) = (lanes(), Waiting::default());
        let (many, mut many_done) = sent(one, &["a", "b", "c", "d", "e"]);
        let (few, mut few_done) = sent(two, &["x"]);
        waiting.add(many);
        waiting.add(few);
        let bodies = |taken: Vec<(Lane, String)>| taken.into_iter().map(|(_, body)| body).collect::<String>();
        assert_eq!(bodies(waiting.take(4)), "abx");
        waiting.answer_those_done();
        assert!(few_done.try_recv().unwrap().is_ok() && many_done.try_recv().is_err());
        assert_eq!(bodies(waiting.take(4)), "cde");
        waiting.answer_those_done();
        assert!(many_done.try_recv().unwrap().is_ok() && waiting.is_empty());
    }

    #[test]
    fn only_senders_whose_messages_may_not_be_on_disk_are_told() {
        let ((one, two), mut waiting) = (lanes(), Waiting::default());
        let (first, mut first_done) = sent(one, &["a"]);
        let (cut, mut cut_done) = sent(one, &["b", "c"]);
        let (later, mut later_done) = sent(one, &["d"]);
        let (other, mut other_done) = sent(two, &["x"]);
        for sent in [first, cut, later] {
            waiting.add(sent);
        }
        let messages = waiting.take(2);
        waiting.add(other);
        waiting.fail(&messages, &QueueError::Ended);
        assert!(first_done.try_recv().unwrap().is_err() && cut_done.try_recv().unwrap().is_err());
        assert!(later_done.try_recv().is_err() && other_done.try_recv().is_err());
        assert_eq!(waiting.take(10).len(), 2);
    }
}
