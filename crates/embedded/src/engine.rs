//! Where requests are carried out.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use dynoxide::Database;
use tokio::sync::oneshot;

use crate::{Answer, Request, operation};

/// The database and who works on it. Its calls block, for as long as a disk takes, so that is a thread and never an
/// executor's. It is one thread, because the database does one thing at a time anyway.
pub(crate) enum Engine {
    Thread { requests: Option<mpsc::Sender<Asked>>, thread: Option<JoinHandle<()>> },
    Nowhere,
}

/// A request, and where its answer goes.
pub(crate) struct Asked {
    request: Arc<Request>,
    answer: oneshot::Sender<Answer>,
}

impl Engine {
    /// The lock on the database's file goes to the thread, to be released after the database is closed.
    pub(crate) fn on_a_thread(database: Database, lock: Option<File>) -> io::Result<Self> {
        let (requests, asked) = mpsc::channel::<Asked>();
        let work = move || {
            for Asked { request, answer } in asked {
                // Nobody may be waiting any more: the request was theirs all the same.
                let _ = answer.send(operation::carry_out(&database, &request));
            }
            drop(database);
            drop(lock);
        };
        let thread = thread::Builder::new().name("store".to_owned()).spawn(work)?;
        Ok(Self::Thread { requests: Some(requests), thread: Some(thread) })
    }

    pub(crate) async fn answer(&self, request: &Arc<Request>) -> Answer {
        match self {
            Self::Nowhere => Answer::Broken,
            Self::Thread { requests, .. } => {
                let (answer, answered) = oneshot::channel();
                let asked = Asked { request: Arc::clone(request), answer };
                match requests.as_ref().map(|requests| requests.send(asked)) {
                    Some(Ok(())) => answered.await.unwrap_or(Answer::Broken),
                    // The thread is gone, which it is only after a panic.
                    Some(Err(_)) | None => Answer::Broken,
                }
            }
        }
    }
}

/// Waits until the file is closed and free for the next one.
impl Drop for Engine {
    fn drop(&mut self) {
        if let Self::Thread { requests, thread } = self {
            drop(requests.take());
            if let Some(thread) = thread.take() {
                let _ = thread.join();
            }
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Engine")
    }
}
