//! EventBridge as the bus of events.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use engine::relay::{Bus, PutResult, SOURCE};
use store::Outgoing;

/// An EventBridge bus.
#[derive(Debug, Clone)]
pub struct EventBridge {
    client: Client,
    name: String,
}

impl EventBridge {
    /// Opens the bus with this name or ARN.
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
    async fn put(&self, entries: &[&Outgoing]) -> Vec<PutResult> {
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

fn answered(entry: &PutEventsResultEntry) -> PutResult {
    match (entry.event_id(), entry.error_code()) {
        (Some(_), None) => PutResult::Taken,
        (_, code) => {
            let code = code.unwrap_or("no answer");
            refused(code, format!("{code}: {}", entry.error_message().unwrap_or_default()))
        }
    }
}

/// Decides whether a retry can help, here and nowhere else. A refusal because of a missing permission or bus may come
/// from a half-finished deployment, and passes.
fn refused(code: &str, why: String) -> PutResult {
    match code {
        "MalformedDetail" | "InvalidArgument" => PutResult::Never(why),
        _ => PutResult::Later(why),
    }
}

#[cfg(test)]
mod tests;
