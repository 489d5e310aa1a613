//! Lines to a stream that may have no reader. A slow reader must not delay the work. A thread writes the lines; beyond
//! some thousand waiting lines, further ones are dropped and counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// The maximum number of pieces of text that wait to be written.
const WAITING_MAX: usize = 4_096;
/// The time for which the last lines are waited for, if the reader does not read them.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Lines to a stream.
#[derive(Debug, Clone)]
pub struct Lines {
    sender: SyncSender<Piece>,
    left_out: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Piece {
    Text(Vec<u8>),
    /// Answered when everything before it is written.
    End(SyncSender<()>),
}

impl Lines {
    /// Lines to a stream, written by a thread of its own. If the thread cannot start, nothing is written.
    pub fn to(stream: impl Write + Send + 'static) -> Self {
        let (sender, pieces) = sync_channel(WAITING_MAX);
        let left_out = Arc::new(AtomicU64::default());
        let counted = Arc::clone(&left_out);
        // Failures are ignored, those of writing and that of starting the thread.
        let _ = thread::Builder::new().name("lines".to_owned()).spawn(move || write(stream, &pieces, &counted));
        Self { sender, left_out }
    }

    /// Writes a line as soon as possible, or drops it.
    pub fn line(&self, text: &str) {
        self.put(format!("{text}\n").into_bytes());
    }

    fn put(&self, text: Vec<u8>) {
        if self.sender.try_send(Piece::Text(text)).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything is written, but not for long.
    pub fn end(&self) {
        let (written, all) = sync_channel(1);
        if self.sender.try_send(Piece::End(written)).is_ok() {
            let _ = all.recv_timeout(LAST_WORDS);
        }
    }
}

fn write(mut stream: impl Write, pieces: &Receiver<Piece>, left_out: &AtomicU64) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                let _ = stream.write_all(&text);
                let missing = left_out.swap(0, Ordering::Relaxed);
                if missing > 0 {
                    let _ = writeln!(stream, "({missing} lines are left out: they were not read in time)");
                }
                let _ = stream.flush();
            }
            Piece::End(written) => drop(written.try_send(())),
        }
    }
}

impl Write for Lines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.put(text.to_vec());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The standard error of a running system, which must not delay it.
static SAID: OnceLock<Lines> = OnceLock::new();

/// Sends all further output on the standard error through a thread of its own.
pub fn say_aside() -> &'static Lines {
    SAID.get_or_init(|| Lines::to(io::stderr()))
}

/// The standard error, if it is written by a thread of its own.
pub fn aside() -> Option<&'static Lines> {
    SAID.get()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A stream that blocks until it is released.
    struct Stuck(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_unread_stream_does_not_block_its_writers_and_dropped_lines_are_counted() {
        let ((go, let_go), written) = (sync_channel(0), Arc::default());
        let lines = Lines::to(Stuck(let_go, Arc::clone(&written)));
        for number in 0..WAITING_MAX + 100 {
            lines.line(&number.to_string());
        }
        lines.end();
        drop(go);
        while !String::from_utf8_lossy(&written.lock().unwrap()).contains("lines are left out") {
            thread::yield_now();
        }
    }
}
