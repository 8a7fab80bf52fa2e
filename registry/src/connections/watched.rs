//! A socket that gives up on a peer that does not go on: that begins a request and does not end its headers, or that does
//! not read its answer. Either would keep a connection, and the second an answer in memory, for as long as it likes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::Limits;
use super::patience::Patience;
use crate::clock;

/// Nothing has come yet.
const NEW: u8 = 0;
/// Some of a request's headers have come.
const HEADERS: u8 = 1;
/// A request is being answered; its body has a time limit where it is read.
const SERVING: u8 = 2;
/// The last request has its answer, the next has not begun.
const IDLE: u8 = 3;

/// Where a connection stands, known to its socket and to what serves it.
#[derive(Debug, Clone, Default)]
pub(super) struct Stage(Arc<AtomicU8>);

/// A request that is being answered, until this is dropped.
#[derive(Debug)]
pub(super) struct Serving(Stage);

impl Stage {
    pub(super) fn serve(&self) -> Serving {
        self.0.store(SERVING, Ordering::Relaxed);
        Serving(self.clone())
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.0.store(IDLE, Ordering::Relaxed);
    }
}

/// The socket.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    stage: Stage,
    first_byte: Duration,
    headers: Duration,
    idle: Duration,
    stall: Duration,
    stall_bytes: usize,
    /// The stage in which more is awaited, and until when.
    awaited: Option<(u8, Instant)>,
    reading: Patience,
    /// While the peer does not take what is written.
    writing: Option<Backlog>,
}

#[derive(Debug)]
struct Backlog {
    end: Pin<Box<Sleep>>,
    taken_bytes: usize,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, stage: Stage, limits: &Limits) -> Self {
        let Limits { first_byte, headers, idle, stall, stall_bytes, .. } = *limits;
        let (reading, awaited, writing) = (Patience::default(), None, None);
        Self { stream, stage, first_byte, headers, idle, stall, stall_bytes, awaited, reading, writing }
    }

    /// Ready when the peer has taken too long over the next request. Time counts from the first wait for more.
    fn poll_request_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let stage = self.stage.get();
        let limit = match stage {
            NEW => self.first_byte,
            HEADERS => self.headers,
            IDLE => self.idle,
            _ => {
                self.awaited = None;
                return Poll::Pending;
            }
        };
        let deadline = match self.awaited {
            Some((about, deadline)) if about == stage => deadline,
            _ => clock::now() + limit,
        };
        self.awaited = Some((stage, deadline));
        self.reading.poll(deadline, context)
    }

    fn wrote(&mut self, result: &io::Result<usize>) {
        if let (Some(backlog), Ok(bytes)) = (&mut self.writing, result) {
            backlog.taken_bytes = backlog.taken_bytes.saturating_add(*bytes);
        }
    }

    /// Ready when the peer reads too slowly.
    fn poll_reader_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let stall = self.stall;
        let new = || Backlog { end: Box::pin(sleep(stall)), taken_bytes: 0 };
        let backlog = self.writing.get_or_insert_with(new);
        while backlog.end.as_mut().poll(context).is_ready() {
            if backlog.taken_bytes < self.stall_bytes {
                return Poll::Ready(());
            }
            *backlog = new();
        }
        Poll::Pending
    }

    /// What a write came to, unless it came to nothing for too long.
    fn judged(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = &written {
            self.wrote(result);
            return written;
        }
        ready!(self.poll_reader_late(context));
        Poll::Ready(Err(late("the peer does not read its answer")))
    }
}

fn late(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.stream).poll_read(context, buffer) {
            if buffer.filled().len() > filled && matches!(this.stage.get(), NEW | IDLE) {
                this.stage.0.store(HEADERS, Ordering::Relaxed);
                this.awaited = None;
            }
            return Poll::Ready(result);
        }
        ready!(this.poll_request_late(context));
        Poll::Ready(Err(late("a request did not come in time")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.judged(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.judged(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper asks for this when it has handed everything over.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = ready!(Pin::new(&mut this.stream).poll_flush(context));
        this.writing = None;
        Poll::Ready(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn limits() -> Limits {
        Limits { stall_bytes: 100, idle: Duration::from_secs(5_000), ..Limits::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn headers_have_an_end_and_the_time_between_requests_is_another_matter() {
        let (mut peer, stream) = duplex(64);
        let stage = Stage::default();
        let mut watched = Watched::new(stream, stage.clone(), &limits());
        let mut byte = [0];
        peer.write_all(b"G").await.unwrap();
        watched.read_exact(&mut byte).await.unwrap();
        let serving = stage.serve();
        let long = Duration::from_secs(1_000);
        assert!(tokio::time::timeout(long, watched.read_exact(&mut byte)).await.is_err(), "a body");
        drop(serving);
        assert!(tokio::time::timeout(long, watched.read_exact(&mut byte)).await.is_err(), "idle");
        // One byte in nine seconds keeps no connection.
        let dripping = tokio::spawn(async move {
            while peer.write_all(b"E").await.is_ok() {
                sleep(Duration::from_secs(9)).await;
            }
        });
        let mut read = 0;
        let error = loop {
            match watched.read_exact(&mut byte).await {
                Ok(_) => read += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), read), (io::ErrorKind::TimedOut, 2));
        drop(watched);
        dripping.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_ends_so_long_after_its_last_answer() {
        let (mut peer, stream) = duplex(64);
        let stage = Stage::default();
        let mut watched = Watched::new(stream, stage.clone(), &limits());
        for pause_s in [1, 4_999, 300] {
            peer.write_all(b"G").await.unwrap();
            watched.read_u8().await.unwrap();
            drop(stage.serve());
            let pause = Duration::from_secs(pause_s);
            assert!(tokio::time::timeout(pause, watched.read_u8()).await.is_err(), "{pause_s}");
        }
        let idle = clock::now();
        assert_eq!(watched.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(idle.elapsed(), Duration::from_secs(5_000 - 300));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_ends() {
        let (_peer, stream) = duplex(64);
        let mut watched = Watched::new(stream, Stage::default(), &limits());
        let error = watched.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_must_take_so_much_in_so_long_or_all_that_is_left() {
        // So many bytes every second: 4 are 120 in the 30 seconds, 3 are 90.
        for (bytes_per_second, is_enough) in [(4, true), (3, false), (0, false)] {
            let (mut peer, stream) = duplex(16);
            let mut watched = Watched::new(stream, Stage::default(), &limits());
            let reading = tokio::spawn(async move {
                let mut taken = vec![0; bytes_per_second];
                while bytes_per_second == 0 || peer.read_exact(&mut taken).await.is_ok() {
                    sleep(Duration::from_secs(1)).await;
                }
            });
            let written = watched.write_all(&[0; 1_000]).await;
            assert_eq!(written.is_ok(), is_enough, "{bytes_per_second}");
            reading.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_flushed_is_no_backlog() {
        let (mut peer, stream) = duplex(16);
        let mut watched = Watched::new(stream, Stage::default(), &limits());
        for _ in 0..5 {
            let taking = async {
                sleep(Duration::from_secs(20)).await;
                peer.read_exact(&mut [0; 17]).await.unwrap();
            };
            let writing = async {
                watched.write_all(&[0; 17]).await.unwrap();
                watched.flush().await.unwrap();
            };
            tokio::join!(taking, writing);
        }
    }
}
