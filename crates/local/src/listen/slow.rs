//! A guard against slow callers: an answer to a caller that reads next to nothing for a while is given up.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The bytes of a waiting answer that must be read within [`Slow::limit`], unless less is left.
const TAKEN_MIN: usize = 64 * 1024;

/// A stream whose writes fail if the caller reads too little for too long.
#[derive(Debug)]
pub(super) struct Slow<S> {
    stream: S,
    limit: Duration,
    /// While a write waits: the timer, and the number of bytes read since it was set.
    waiting: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Slow<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, waiting: None }
    }

    /// Handles the result of writing `all` bytes.
    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
        all: usize,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(taken)) => {
                if let Some((_, so_far)) = &mut self.waiting {
                    *so_far += taken;
                    if taken == all || *so_far >= TAKEN_MIN {
                        self.waiting = None;
                    }
                }
                Poll::Ready(Ok(taken))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let limit = self.limit;
                let (until, _) = self.waiting.get_or_insert_with(|| (Box::pin(sleep(limit)), 0));
                match until.as_mut().poll(context) {
                    Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Slow<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Slow<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(context, written, slices.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_reads_nothing_is_let_go_of_and_one_who_reads_slowly_is_not() {
        let (ours, theirs) = duplex(1_024);
        let error = Slow::new(ours, LIMIT).write_all(&[0; 4_096]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(theirs);

        let (ours, mut theirs) = duplex(1_024);
        let reader = tokio::spawn(async move {
            let (mut all, mut some) = (0, [0; 1_024]);
            while let Ok(read @ 1..) = theirs.read(&mut some).await {
                all += read;
                sleep(Duration::from_millis(100)).await;
            }
            all
        });
        let mut slow = Slow::new(ours, LIMIT);
        slow.write_all(&vec![0; 1_000_000]).await.unwrap();
        drop(slow);
        assert_eq!(reader.await.unwrap(), 1_000_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_reads_a_byte_now_and_then_is_let_go_of() {
        let (ours, mut theirs) = duplex(1_024);
        tokio::spawn(async move {
            while let Ok(1..) = theirs.read(&mut [0]).await {
                sleep(Duration::from_secs(10)).await;
            }
        });
        let error = Slow::new(ours, LIMIT).write_all(&[0; 4_096]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
