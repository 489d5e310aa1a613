//! The engine that carries out requests.

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

/// The maximum time for which erased data stays in the log.
const LOG_EMPTIED: Duration = Duration::from_secs(60);

/// The database and the thread that works on it. Its calls block for as long as a disk takes, and so they never run on
/// an executor. One thread suffices, because the database does one thing at a time anyway.
pub(crate) enum Engine {
    Thread { requests: Option<mpsc::Sender<Asked>>, thread: Option<JoinHandle<()>> },
    Nowhere,
}

/// A request, and the channel for its answer.
pub(crate) struct Asked {
    request: Arc<Request>,
    answer: oneshot::Sender<Answer>,
}

impl Engine {
    /// Starts the thread. For a database in a file, the thread also owns our own connection and the lock beside the
    /// file, which are released after the database is closed.
    pub(crate) fn on_a_thread(database: Database, file: Option<(Keeper, File)>) -> io::Result<Self> {
        let (requests, asked) = mpsc::channel::<Asked>();
        let work = move || {
            let (keeper, lock) = file.unzip();
            carry_out_all(&asked, &database, keeper.as_ref());
            drop(database);
            // The keeper is then the last connection to close: SQLite takes the log into the file and removes it.
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
                    // The thread is gone, which happens only after a panic.
                    Some(Err(_)) | None => Answer::Broken,
                }
            }
        }
    }
}

/// Carries out requests until all senders are gone.
fn carry_out_all(asked: &Receiver<Asked>, database: &Database, keeper: Option<&Keeper>) {
    let mut emptied = Instant::now();
    loop {
        match asked.recv_timeout(LOG_EMPTIED) {
            Ok(Asked { request, answer }) => {
                // The caller may no longer be waiting, but the request is carried out all the same.
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

/// Waits until the file is closed and free for the next process.
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
