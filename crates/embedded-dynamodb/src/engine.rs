//! Where requests are carried out.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dynoxide::Database;
use tokio::sync::oneshot;

use crate::file::Keeper;
use crate::{Answer, Request, operation};

/// What was erased is in the log for so long at most.
const LOG_EMPTIED: Duration = Duration::from_secs(60);

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
    /// Beside a database in a file, our own connection to it and the lock beside it go to the thread, to be released after
    /// the database is closed.
    pub(crate) fn on_a_thread(database: Database, file: Option<(Keeper, File)>) -> io::Result<Self> {
        let (requests, asked) = mpsc::channel::<Asked>();
        let work = move || {
            let (keeper, lock) = file.unzip();
            carry_out_all(&asked, &database, keeper.as_ref());
            drop(database);
            // It is the last to close then: the log is taken in and removed.
            drop(keeper);
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

/// Carries out requests until nobody can send one any more.
fn carry_out_all(asked: &Receiver<Asked>, database: &Database, keeper: Option<&Keeper>) {
    let mut emptied = Instant::now();
    loop {
        match asked.recv_timeout(LOG_EMPTIED) {
            Ok(Asked { request, answer }) => {
                // Nobody may be waiting any more: the request was theirs all the same.
                let _ = answer.send(operation::carry_out(database, &request));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if emptied.elapsed() >= LOG_EMPTIED {
            keeper.into_iter().for_each(Keeper::empty_log);
            emptied = Instant::now();
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
