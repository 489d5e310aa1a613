//! A process that dies at a given request, before it reaches the store or before its answer comes back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use embedded_dynamodb::{Answer, Decision, Intercept, Request};

/// Lets no answer come back from a request on. Whether the store still carries out that request can be chosen.
#[derive(Debug, Default)]
pub struct CrashAtRequest {
    /// The request, from 0.
    pub at: usize,
    /// Whether the store carries out the request at which the process dies.
    pub carried_out: bool,
    /// The number of requests seen so far.
    pub seen: Arc<AtomicUsize>,
    /// The numbers of the requests that write.
    pub writes: Arc<Mutex<Vec<usize>>>,
}

impl Intercept for CrashAtRequest {
    fn before<'a>(&'a self, request: &'a Request) -> Decision<'a> {
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        if ["PutItem", "TransactWriteItems"].contains(&request.operation.as_str()) {
            self.writes.lock().unwrap().push(number);
        }
        let dead = number > self.at || (number == self.at && !self.carried_out);
        Box::pin(std::future::ready(dead.then_some(Answer::Broken)))
    }

    fn after<'a>(&'a self, _: &'a Request, _: &'a Answer) -> Decision<'a> {
        let dead = self.seen.load(Ordering::SeqCst) > self.at;
        Box::pin(std::future::ready(dead.then_some(Answer::TimedOut)))
    }
}
