//! Queues like those of SQS: at-least-once delivery, in no order. A message is hidden while a consumer works on it, and becomes a
//! dead letter after many deliveries.

use std::collections::BTreeMap;

use super::dice::Dice;
use super::fault::{Fault, Hits};

/// The time for which a received message stays hidden, as in the template.
const HIDDEN_MS: i64 = 360_000;
/// The most deliveries of a message, as in the template.
const DELIVERIES_MAX: u32 = 20;

/// A message in a queue.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// The id in the queue.
    pub id: u64,
    /// The body.
    pub body: String,
    /// When it was sent.
    pub sent_at: i64,
    visible_at: i64,
    deliveries: u32,
}

/// A queue, with its dead letters.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    messages: BTreeMap<u64, Waiting>,
    dead: Vec<Waiting>,
    sent: u64,
}

impl Queue {
    /// Puts a message in, to be delivered from an instant on.
    pub fn send(&mut self, body: String, now: i64, visible_at: i64) {
        self.sent += 1;
        let message = Waiting { id: self.sent, body, sent_at: now, visible_at, deliveries: 0 };
        self.messages.insert(message.id, message);
    }

    /// The number of messages ever sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Receives some messages, the older ones first unless there is disorder. Some stay visible, and therefore come twice.
    pub fn receive(
        &mut self,
        now: i64,
        at_most: usize,
        disorder: u64,
        dice: &mut Dice,
        fault_counts: &mut Hits,
    ) -> Vec<Waiting> {
        let mut visible: Vec<u64> =
            self.messages.values().filter(|message| message.visible_at <= now).map(|message| message.id).collect();
        if visible.len() > 1 && dice.chance(disorder * 2) {
            dice.shuffle(&mut visible);
            fault_counts.hit(Fault::Reordered);
        }
        visible.truncate(at_most);
        let mut received = Vec::new();
        for id in visible {
            let Some(message) = self.messages.get_mut(&id) else { continue };
            if message.deliveries == DELIVERIES_MAX {
                self.dead.extend(self.messages.remove(&id));
                continue;
            }
            message.deliveries += 1;
            if dice.chance(disorder) {
                fault_counts.hit(Fault::DuplicateAtOnce);
                // Twice in one batch, or in two at the same time.
                if dice.chance(500) {
                    received.push(message.clone());
                    message.visible_at = now + HIDDEN_MS;
                }
            } else {
                message.visible_at = now + HIDDEN_MS;
            }
            received.push(message.clone());
        }
        received
    }

    /// Removes a message that was handled.
    pub fn done(&mut self, id: u64) {
        self.messages.remove(&id);
    }

    /// Makes a failed message visible at an instant.
    pub fn failed(&mut self, id: u64, visible_at: i64) {
        if let Some(message) = self.messages.get_mut(&id) {
            message.visible_at = visible_at;
        }
    }

    /// The instant at which the next message can be delivered.
    pub fn next(&self) -> Option<i64> {
        self.messages.values().map(|message| message.visible_at).min()
    }

    /// Whether nothing is left, dead letters included.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.dead.is_empty()
    }

    /// The bodies that wait, dead letters included.
    pub fn bodies(&self) -> impl Iterator<Item = &str> {
        self.messages.values().chain(&self.dead).map(|message| message.body.as_str())
    }

    /// Puts dead letters back, as an operator does; returns their number.
    pub fn redrive(&mut self, now: i64) -> usize {
        let dead = std::mem::take(&mut self.dead);
        let count = dead.len();
        for message in dead {
            self.messages.insert(message.id, Waiting { visible_at: now, deliveries: 0, ..message });
        }
        count
    }
}
