//! Intercepts, which bring in faults.

use std::fmt;
use std::future::ready;
use std::pin::Pin;

/// A request to the store.
#[derive(Clone, Debug)]
pub struct Request {
    /// The operation, such as `PutItem`.
    pub operation: String,
    /// Its input, JSON as it would go over the wire.
    pub body: Vec<u8>,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A reply: the HTTP status and JSON as it would go over the wire.
    Reply {
        /// The status: 200, or that of the error.
        status: u16,
        /// The output, or the error.
        body: String,
    },
    /// No reply in time. The caller cannot know whether the request was carried out.
    TimedOut,
    /// The connection broke. The caller cannot know whether the request was carried out.
    Broken,
}

impl Answer {
    /// An error of DynamoDB, such as `InternalServerError` with status 500.
    #[must_use]
    pub fn error(status: u16, name: &str, message: &str) -> Self {
        let body = serde_json::json!({
            "__type": format!("com.amazonaws.dynamodb.v20120810#{name}"),
            "message": message,
        });
        Self::Reply { status, body: body.to_string() }
    }

    /// The error of a table or partition that is too busy; nothing was carried out.
    #[must_use]
    pub fn throttled() -> Self {
        Self::error(400, "ThrottlingException", "Rate of requests exceeds the allowed throughput")
    }
}

/// The decision of an [`Intercept`], made in its own time: another answer, or none.
pub type Decision<'a> = Pin<Box<dyn Future<Output = Option<Answer>> + Send + 'a>>;

/// Sees every request of a client on its way to the store, and the answer on its way back.
///
/// It may wait, and it may answer itself. A commit whose outcome is unknown is [`Answer::TimedOut`] from
/// [`after`](Intercept::after).
pub trait Intercept: fmt::Debug + Send + Sync {
    /// Called before the request is carried out. If it answers, the request is not carried out.
    fn before<'a>(&'a self, request: &'a Request) -> Decision<'a> {
        let _ = request;
        Box::pin(ready(None))
    }

    /// Called after the request was carried out. Its answer replaces that of the store.
    fn after<'a>(&'a self, request: &'a Request, answer: &'a Answer) -> Decision<'a> {
        let _ = (request, answer);
        Box::pin(ready(None))
    }
}

/// Lets everything pass.
#[derive(Debug)]
pub(crate) struct Nothing;

impl Intercept for Nothing {}
