//! Tables of the simulator for one test alone. Nothing goes wrong with them except what the test brings about, and each request
//! takes place one moment after the other. A copy costs next to nothing: a test can go on from one state a thousand times.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use embedded_dynamodb::{Answer, Decision, Intercept, Request, Store};

use crate::simulator::{At, Tables};

/// The tables, and how many moments have passed.
#[derive(Debug, Clone, Default)]
pub struct InMemoryTables(Arc<Mutex<(Tables, i64)>>);

impl InMemoryTables {
    /// A client of these tables.
    #[must_use]
    pub fn client(&self) -> Client {
        Store::nowhere().client_with(self.clone())
    }

    /// A client whose requests and answers pass an interceptor on their way.
    #[must_use]
    pub fn client_with(&self, intercept: impl Intercept + 'static) -> Client {
        Store::nowhere().client_with(Between { tables: self.clone(), intercept })
    }

    /// An independent copy of these tables.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }

    fn answer(&self, request: &Request) -> Answer {
        let input = serde_json::from_slice(&request.body).unwrap();
        let mut alone = self.0.lock().unwrap();
        alone.1 += 1;
        let at = At::once(alone.1);
        alone.0.carry_out(&request.operation, &input, at)
    }
}

impl Intercept for InMemoryTables {
    fn before<'a>(&'a self, request: &'a Request) -> Decision<'a> {
        Box::pin(async { Some(self.answer(request)) })
    }
}

#[derive(Debug)]
struct Between<I> {
    tables: InMemoryTables,
    intercept: I,
}

impl<I: Intercept> Intercept for Between<I> {
    fn before<'a>(&'a self, request: &'a Request) -> Decision<'a> {
        Box::pin(async {
            if let Some(instead) = self.intercept.before(request).await {
                return Some(instead);
            }
            let answer = self.tables.answer(request);
            Some(self.intercept.after(request, &answer).await.unwrap_or(answer))
        })
    }
}
