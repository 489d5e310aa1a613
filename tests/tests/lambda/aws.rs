//! EventBridge and SQS as far as the functions ask them, noting what they are asked.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};

/// What was asked, and whether the first entry of the next announcement is refused.
#[derive(Debug, Default)]
struct Asked {
    events: Vec<Vec<Value>>,
    messages: Vec<Value>,
    refuse_one: bool,
    down: bool,
}

/// Both services at one address.
#[derive(Debug, Clone)]
pub struct Aws {
    pub url: String,
    asked: Arc<Mutex<Asked>>,
}

impl Aws {
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

    /// What was announced since this was asked last, by request.
    pub fn events(&self) -> Vec<Vec<Value>> {
        std::mem::take(&mut self.asked.lock().unwrap().events)
    }

    /// What was sent to queues since this was asked last.
    pub fn messages(&self) -> Vec<Value> {
        std::mem::take(&mut self.asked.lock().unwrap().messages)
    }
}

async fn answer(
    State(asked): State<Arc<Mutex<Asked>>>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> (StatusCode, Json<Value>) {
    let mut asked = asked.lock().unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    match headers["x-amz-target"].to_str().unwrap() {
        "AWSEvents.PutEvents" => {
            let entries = body["Entries"].as_array().unwrap().clone();
            let refused = if asked.down { entries.len() } else { usize::from(std::mem::take(&mut asked.refuse_one)) };
            let said = |place| match place < refused {
                true => json!({ "ErrorCode": "ThrottlingException", "ErrorMessage": "Rate exceeded" }),
                false => json!({ "EventId": format!("17793124-05d4-b198-2fde-{place:012}") }),
            };
            let said: Vec<Value> = (0..entries.len()).map(said).collect();
            asked.events.push(entries);
            (StatusCode::OK, Json(json!({ "FailedEntryCount": refused, "Entries": said })))
        }
        "AmazonSQS.SendMessage" => {
            asked.messages.push(body);
            (StatusCode::OK, Json(json!({ "MessageId": "219f8380-5770-4cc2-8c3e-5c715e145f5e" })))
        }
        target => (StatusCode::BAD_REQUEST, Json(json!({ "__type": "UnknownOperationException", "message": target }))),
    }
}
