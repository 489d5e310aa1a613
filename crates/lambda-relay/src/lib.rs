//! Announces recorded rows: those in the records of the ledger's stream, and those left in the outboxes. The latter come
//! once an hour, with `{"pass": "unpublished"}`.

use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use engine::relay::{Bus, Delivery, Relay};
use engine::telemetry::{Metric, Metrics};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Item, Outgoing, StoreError};

/// The event that invokes the function.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Incoming {
    /// Records of the ledger's stream.
    Stream(Event),
    /// The hourly schedule.
    Hourly {
        /// The requested pass.
        pass: Pass,
    },
}

/// The pass that the schedule requests.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pass {
    /// Reads all outboxes.
    Unpublished,
}

/// Announces the rows of the stream, or those that wait in the outboxes, and counts them.
///
/// # Errors
/// The outboxes cannot be read; the next pass continues.
pub async fn handle<B: Bus>(relay: &Relay<B>, event: Incoming, metrics: &mut Metrics) -> Result<Value, StoreError> {
    match event {
        Incoming::Stream(event) => Ok(json!(stream(relay, event, metrics).await)),
        Incoming::Hourly { pass: Pass::Unpublished } => relay.pass(metrics).await.map(|passed| json!(passed)),
    }
}

/// Answers with the first failed record: Lambda sends everything again from that record on.
async fn stream<B: Bus>(relay: &Relay<B>, event: Event, metrics: &mut Metrics) -> DynamoDbEventResponse {
    let (numbers, rows): (Vec<_>, Vec<_>) =
        event.records.into_iter().filter_map(|record| announced(record, metrics)).unzip();
    let deliveries = relay.announce(&rows, metrics).await;
    let mut answer = DynamoDbEventResponse::default();
    if let Some((number, _)) =
        numbers.into_iter().zip(deliveries).find(|(_, delivery)| matches!(delivery, Delivery::Later(_)))
    {
        let mut failure = DynamoDbBatchItemFailure::default();
        failure.item_identifier = Some(number);
        answer.batch_item_failures.push(failure);
    }
    answer
}

/// A new row that is to be announced, with its place in the stream. A row that cannot be decoded does not hold up later
/// ones: it stays in its outbox, and the hourly pass logs it.
fn announced(record: EventRecord, metrics: &mut Metrics) -> Option<(String, Outgoing)> {
    let number = record.change.sequence_number.filter(|_| record.event_name == "INSERT")?;
    let row = Outgoing::of(&Item(record.change.new_image.into())).unwrap_or_else(|_| {
        metrics.count(Metric::PublishFailures, 1);
        None
    });
    Some((number, row?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(event: &str, image: &Value) -> Value {
        json!({ "awsRegion": "eu-central-1", "eventID": "1", "eventName": event, "eventSource": "aws:dynamodb",
                "eventVersion": "1.1", "eventSourceARN": "arn:aws:dynamodb:eu-central-1:123456789012:table/l/stream/1",
                "dynamodb": { "ApproximateCreationDateTime": 1_714_557_600.0, "SequenceNumber": "4421584500000000017450439091",
                              "Keys": { "pk": { "S": "acme#history#anna" }, "sk": { "S": "0000000001" } },
                              "NewImage": image, "SizeBytes": 700, "StreamViewType": "NEW_IMAGE" } })
    }

    fn read(event: &str, image: &Value) -> Option<(String, Outgoing)> {
        let incoming = serde_json::from_value(json!({ "Records": [record(event, image)] })).unwrap();
        let Incoming::Stream(mut event) = incoming else { panic!("no records") };
        announced(event.records.remove(0), &mut Metrics::of("relay"))
    }

    #[test]
    fn a_new_row_with_the_mark_is_announced_and_nothing_else() {
        let mut image = json!({ "pk": { "S": "acme#history#anna" }, "sk": { "S": "0000000001" }, "v": { "N": "1" },
                                "unpublished": { "S": "acme#07" }, "recorded_at": { "S": "2024-05-01T10:00:00.000Z" },
                                "type": { "S": "tier.changed.v1" }, "detail": { "S": "{}" } });
        let (number, row) = read("INSERT", &image).unwrap();
        assert_eq!(
            (&*number, &*row.kind, &*row.key.sk),
            ("4421584500000000017450439091", "tier.changed.v1", "0000000001")
        );
        assert_eq!(read("MODIFY", &image), None);
        image.as_object_mut().unwrap().remove("unpublished");
        assert_eq!(read("INSERT", &image), None);
    }

    #[test]
    fn the_schedule_asks_for_a_pass() {
        let incoming = serde_json::from_value(json!({ "pass": "unpublished" })).unwrap();
        assert!(matches!(incoming, Incoming::Hourly { pass: Pass::Unpublished }));
    }
}
