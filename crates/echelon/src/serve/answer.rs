//! What is said to who asked over HTTP: errors say what is wrong and what to do.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use service::store::StoreError;

use super::queue::QueueError;

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    what: String,
    remedy: String,
    item: Option<usize>,
}

impl Refusal {
    /// The request cannot be taken as it is.
    pub fn bad(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::of(StatusCode::BAD_REQUEST, what, remedy)
    }

    /// With a status of its own.
    pub fn of(status: StatusCode, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status, what: what.into(), remedy: remedy.into(), item: None }
    }

    /// About one of the items sent, counted from 1.
    #[must_use]
    pub fn item(mut self, number: usize) -> Self {
        self.item = Some(number);
        self
    }

    /// What is wrong, for tests.
    #[cfg(test)]
    pub fn what(&self) -> String {
        format!("{} {:?} {}", self.status.as_u16(), self.item, self.what)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, what, remedy, item } = self;
        let mut said = json!({ "error": what, "remedy": remedy });
        if let (Some(item), Some(fields)) = (item, said.as_object_mut()) {
            fields.insert("item".to_owned(), json!(item));
        }
        (status, Json(said)).into_response()
    }
}

const AGAIN: &str = "send the same again after a moment; what was taken in already changes nothing";

impl From<QueueError> for Refusal {
    fn from(error: QueueError) -> Self {
        Self::of(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), AGAIN)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::of(StatusCode::SERVICE_UNAVAILABLE, error.to_string(), AGAIN)
    }
}
