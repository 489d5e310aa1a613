//! The events that an import writes: in order of time, whatever the order in which they are found.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use echelon::import::payments::Payments;
use rules::calendar::Instant;
use rules::fact::ReceivedFact;
use serde_json::Value;

use crate::error::CommandError;
use crate::events::arrival;
use crate::sink::Sink;
use crate::sorting::{Placed, Sorter};

/// Events that are written in order of time. No version of an order arrives before the order was paid, whichever of the
/// documents says when that was.
#[derive(Debug)]
pub struct Timeline {
    sorter: Sorter,
    /// The number of events so far, which keeps those of one instant in the order in which they were found.
    taken: u64,
    payments: Payments,
}

/// Added to the places of events that wait for a payment: at its instant they come after what says that it was then.
const AFTER_ALL: u64 = 1 << 63;

impl Timeline {
    /// A timeline without events.
    pub fn new() -> Self {
        Self { sorter: Sorter::new(), taken: 0, payments: Payments::default() }
    }

    /// Takes the facts of a row or document, with their lines.
    ///
    /// # Errors
    /// As of [`Self::line`].
    pub fn facts(&mut self, facts: &[ReceivedFact], lines: &[Value]) -> Result<(), CommandError> {
        facts.iter().for_each(|told| self.payments.note(&told.fact));
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// Takes an event.
    ///
    /// # Errors
    /// If the events no longer fit into memory, and no temporary file can be written.
    pub fn line(&mut self, event: &Value) -> Result<(), CommandError> {
        self.taken += 1;
        let key = arrival(event).map_or(i64::MIN, Instant::millis);
        self.sorter.push(Placed { key, place: self.taken, line: event.to_string().into_bytes() })
    }

    /// Writes all events, one per line, and finishes the file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(self, mut to: Sink) -> Result<(), CommandError> {
        let mut sorted = self.sorter.sorted()?;
        // The events that wait: those of the orders that were placed and are not paid yet at this place.
        let mut waiting: BinaryHeap<Reverse<Placed>> = BinaryHeap::new();
        while let Some(next) = sorted.next_line()? {
            while let Some(Reverse(first)) = waiting.pop() {
                if first > next {
                    waiting.push(Reverse(first));
                    break;
                }
                to.encoded(&first.line)?;
            }
            match delayed(&self.payments, &next) {
                Some(later) => waiting.push(Reverse(later)),
                None => to.encoded(&next.line)?,
            }
        }
        while let Some(Reverse(last)) = waiting.pop() {
            to.encoded(&last.line)?;
        }
        to.finish()
    }
}

/// The event in a later place, if it would arrive before the payment of its order. The facts of one document stay together;
/// a refund or cancellation of its own waits for its order anyway.
fn delayed(payments: &Payments, placed: &Placed) -> Option<Placed> {
    if payments.are_at_checkout() {
        return None;
    }
    let mut event: Value = serde_json::from_slice(&placed.line).ok()?;
    let fields = event.as_object_mut()?;
    let is_paid = fields.get("type").and_then(Value::as_str) == Some("order.paid");
    if !is_paid && !fields.contains_key("document") {
        return None;
    }
    let paid_at = payments.paid_at(fields.get("order_id")?.as_str()?)?;
    if placed.key >= paid_at.millis() {
        return None;
    }
    fields.insert("received_at".to_owned(), Value::from(paid_at.to_string()));
    Some(Placed { key: paid_at.millis(), place: placed.place | AFTER_ALL, line: event.to_string().into_bytes() })
}
