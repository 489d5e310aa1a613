//! EventBridge and SQS, limited to the operations that the code calls. They record the calls.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};

/// The recorded calls, and how much of the next announcement is refused.
#[derive(Debug, Default)]
struct Asked {
    events: Vec<Vec<Value>>,
    messages: Vec<Queued>,
    refuse_one: bool,
    down: bool,
    shows_nothing: bool,
}

/// A message in a queue, as it was sent.
#[derive(Debug)]
struct Queued {
    sent: Value,
    hidden: bool,
    /// Also its id: a message is received once, unless it was made visible again.
    receipt: String,
}

/// Both services at one address.
#[derive(Debug, Clone)]
pub struct Aws {
    /// The address.
    pub url: String,
    asked: Arc<Mutex<Asked>>,
}

impl Aws {
    /// Starts on a free port, for as long as the test's executor runs.
    pub async fn start() -> Self {
        let asked = Arc::<Mutex<Asked>>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = Router::new().route("/", post(answer)).with_state(Arc::clone(&asked));
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { url, asked }
    }

    /// Refuses the first entry of the next announcement, for now.
    pub fn refuse_one(&self) {
        self.asked.lock().unwrap().refuse_one = true;
    }

    /// Refuses every announcement, or none.
    pub fn is_down(&self, down: bool) {
        self.asked.lock().unwrap().down = down;
    }

    /// Refuses to make received messages visible again, or stops refusing.
    pub fn shows_nothing(&self, refuses: bool) {
        self.asked.lock().unwrap().shows_nothing = refuses;
    }

    /// The announcements since the last call, by request.
    pub fn events(&self) -> Vec<Vec<Value>> {
        std::mem::take(&mut self.asked.lock().unwrap().events)
    }

    /// Drops the message of a queue with this attribute `id`, as if its retention period had passed.
    pub fn forget(&self, url: &str, id: &str) {
        let is_it = |message: &Queued| {
            message.sent["QueueUrl"] == url && message.sent["MessageAttributes"]["id"]["StringValue"] == id
        };
        self.asked.lock().unwrap().messages.retain(|message| !is_it(message));
    }

    /// The messages of a queue as they were sent, each with whether it is hidden from other receivers.
    pub fn queue(&self, url: &str) -> Vec<(Value, bool)> {
        let asked = self.asked.lock().unwrap();
        let there = asked.messages.iter().filter(|message| message.sent["QueueUrl"] == url);
        there.map(|message| (message.sent.clone(), message.hidden)).collect()
    }
}

async fn answer(
    State(asked): State<Arc<Mutex<Asked>>>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> (StatusCode, Json<Value>) {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let said = asked.lock().unwrap().answer(headers["x-amz-target"].to_str().unwrap(), body);
    match said {
        Ok(said) => (StatusCode::OK, Json(said)),
        Err(what) => (StatusCode::BAD_REQUEST, Json(json!({ "__type": what }))),
    }
}

/// The most messages that SQS returns at once.
const RECEIVED_MAX: usize = 10;

impl Asked {
    fn answer(&mut self, target: &str, body: Value) -> Result<Value, &'static str> {
        match target {
            "AWSEvents.PutEvents" => {
                let entries = body["Entries"].as_array().unwrap().clone();
                let one = usize::from(std::mem::take(&mut self.refuse_one));
                let refused = if self.down { entries.len() } else { one };
                let said = |place| match place < refused {
                    true => json!({ "ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded" }),
                    false => json!({ "EventId": format!("17793124-05d4-b198-2fde-{place:012}") }),
                };
                let said: Vec<Value> = (0..entries.len()).map(said).collect();
                self.events.push(entries);
                Ok(json!({ "FailedEntryCount": refused, "Entries": said }))
            }
            "AmazonSQS.SendMessage" => {
                let receipt = format!("219f8380-5770-4cc2-8c3e-{:012}", self.messages.len());
                self.messages.push(Queued { sent: body, hidden: false, receipt: receipt.clone() });
                Ok(json!({ "MessageId": receipt }))
            }
            "AmazonSQS.SendMessageBatch" => {
                let entries = body["Entries"].as_array().unwrap().clone();
                let sent = entries.iter().map(|entry| {
                    let mut message = entry.clone();
                    message["QueueUrl"] = body["QueueUrl"].clone();
                    let said = self.answer("AmazonSQS.SendMessage", message)?;
                    Ok(json!({ "Id": entry["Id"], "MessageId": said["MessageId"], "MD5OfMessageBody": "" }))
                });
                let sent = sent.collect::<Result<Vec<_>, &'static str>>()?;
                Ok(json!({ "Successful": sent, "Failed": [] }))
            }
            "AmazonSQS.ReceiveMessage" => {
                let shown = |it: &&mut Queued| !it.hidden && it.sent["QueueUrl"] == body["QueueUrl"];
                let received = self.messages.iter_mut().filter(shown).take(RECEIVED_MAX).map(|message| {
                    message.hidden = true;
                    json!({ "MessageId": message.receipt, "ReceiptHandle": message.receipt,
                            "Body": message.sent["MessageBody"], "MessageAttributes": message.sent["MessageAttributes"] })
                });
                Ok(json!({ "Messages": received.collect::<Vec<_>>() }))
            }
            "AmazonSQS.DeleteMessage" => {
                self.messages.retain(|message| message.receipt != body["ReceiptHandle"]);
                Ok(json!({}))
            }
            "AmazonSQS.ChangeMessageVisibility" if self.shows_nothing => Err("OverLimit"),
            "AmazonSQS.ChangeMessageVisibility" => {
                let meant = self.messages.iter_mut().filter(|message| message.receipt == body["ReceiptHandle"]);
                meant.for_each(|message| message.hidden = body["VisibilityTimeout"] != 0);
                Ok(json!({}))
            }
            _ => Err("UnknownOperationException"),
        }
    }
}
