//! Where faults come in.

use std::fmt;
use std::future::ready;
use std::pin::Pin;

/// What was asked of the store.
#[derive(Clone, Debug)]
pub struct Request {
    /// The operation, such as `PutItem`.
    pub operation: String,
    /// Its input, JSON as it would go over the wire.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A reply: the HTTP status and JSON as it would go over the wire.
    Reply {
        /// 200, or that of the error.
        status: u16,
        /// The output, or the error.
        body: String,
    },
    /// No reply in time. Whether the request was carried out, the caller cannot know.
    TimedOut,
    /// The connection broke. Whether the request was carried out, the caller cannot know.
    Broken,
}

impl Answer {
    /// An error of DynamoDB's, such as `InternalServerError` with status 500.
    #[must_use]
    pub fn error(status: u16, name: &str, message: &str) -> Self {
        let body = serde_json::json!({
            "__type": format!("com.amazonaws.dynamodb.v20120810#{name}"),
            "message": message,
        });
        Self::Reply { status, body: body.to_string() }
    }

    /// The table or one of its partitions has too much to do; nothing was carried out.
    #[must_use]
    pub fn throttled() -> Self {
        Self::error(400, "ThrottlingException", "Rate of requests exceeds the allowed throughput")
    }
}

/// What an [`Intercept`] decides, in its own time: another answer, or none.
pub type Decision<'a> = Pin<Box<dyn Future<Output = Option<Answer>> + Send + 'a>>;

/// Sees every request of a client on its way to the store and back.
///
/// It may wait, and it may answer itself. A commit whose outcome is unknown is [`Answer::TimedOut`] from
/// [`after`](Intercept::after).
pub trait Intercept: fmt::Debug + Send + Sync {
    /// Before the request is carried out. An answer from here means that it is not.
    fn before<'a>(&'a self, request: &'a Request) -> Decision<'a> {
        let _ = request;
        Box::pin(ready(None))
    }

    /// After the request was carried out. An answer from here takes the place of the store's.
    fn after<'a>(&'a self, request: &'a Request, answer: &'a Answer) -> Decision<'a> {
        let _ = (request, answer);
        Box::pin(ready(None))
    }
}

/// Lets everything pass.
#[derive(Debug)]
pub(crate) struct Nothing;

impl Intercept for Nothing {}
