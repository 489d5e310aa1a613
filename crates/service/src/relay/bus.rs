//! The event bus, as far as it is needed, and EventBridge as one.

use std::future::Future;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};

use crate::store::Outgoing;

/// The source of all outgoing events.
pub const SOURCE: &str = "echelon";

/// EventBridge takes at most so many entries at a time.
pub const ENTRIES_MAX: usize = 10;

/// EventBridge takes at most so many bytes at a time, and so in one entry.
pub(super) const BYTES_MAX: usize = 256 * 1024;

/// What EventBridge counts for the time of an entry.
const TIME_BYTES: usize = 14;

/// What a bus says to an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has it.
    Taken,
    /// Not now: it is worth trying again.
    Later(String),
    /// Not this: it will say the same again.
    Never(String),
}

/// Where events are announced.
pub trait Bus: Send + Sync {
    /// Puts at most [`ENTRIES_MAX`] entries, together within what a bus takes, and yields one answer for each. If
    /// nothing is known of an entry, the answer is [`Answer::Later`].
    fn put(&self, entries: &[&Outgoing]) -> impl Future<Output = Vec<Answer>> + Send;
}

/// How many bytes an entry counts: what is sent, its names, and its time.
pub(super) fn size(entry: &Outgoing) -> usize {
    TIME_BYTES + SOURCE.len() + entry.kind.len() + entry.detail.len()
}

/// A bus of EventBridge.
#[derive(Debug, Clone)]
pub struct EventBridge {
    client: Client,
    name: String,
}

impl EventBridge {
    /// The bus of this name or ARN.
    pub fn new(client: Client, name: &str) -> Self {
        Self { client, name: name.to_owned() }
    }

    fn entry(&self, row: &Outgoing) -> PutEventsRequestEntry {
        let time = DateTime::from_millis(row.recorded_at.millis());
        let entry = PutEventsRequestEntry::builder().event_bus_name(&self.name).source(SOURCE).time(time);
        entry.detail_type(&row.kind).detail(&row.detail).build()
    }
}

impl Bus for EventBridge {
    async fn put(&self, entries: &[&Outgoing]) -> Vec<Answer> {
        let asked = entries.iter().map(|row| self.entry(row)).collect();
        match self.client.put_events().set_entries(Some(asked)).send().await {
            Ok(answer) => answer.entries().iter().map(answered).collect(),
            Err(error) => {
                let code = error.code().unwrap_or_default();
                let why = DisplayErrorContext(&error).to_string();
                entries.iter().map(|_| refused(code, why.clone())).collect()
            }
        }
    }
}

fn answered(entry: &PutEventsResultEntry) -> Answer {
    match (entry.event_id(), entry.error_code()) {
        (Some(_), None) => Answer::Taken,
        (_, code) => {
            let code = code.unwrap_or("no answer");
            refused(code, format!("{code}: {}", entry.error_message().unwrap_or_default()))
        }
    }
}

/// Whether trying again can help: decided here and nowhere else. A refusal for want of a permission or a bus may be a
/// deployment half done, and passes.
fn refused(code: &str, why: String) -> Answer {
    match code {
        "MalformedDetail" | "InvalidArgument" => Answer::Never(why),
        _ => Answer::Later(why),
    }
}

#[cfg(test)]
mod tests;
