//! Ends connections that wait too long: for the rest of a head, or for the next request.
//!
//! hyper has one timeout for both. A head that comes byte by byte is an attack after seconds; a kept-alive connection
//! that is silent is a client that may come back, and closing it early races with its next request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How long a request's head may take.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection may be silent between requests.
const IDLE: Duration = Duration::from_secs(75);
/// How often a connection is looked at; what is too long ends this much later at most.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What a connection does. Times are milliseconds since its begin.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    last_ms: AtomicU64,
    /// When the first byte of a head came; 0 while none is expected to go on.
    head_ms: AtomicU64,
    in_flight: AtomicUsize,
    /// HTTP/2 has frames between requests, and pings of its own.
    is_h2: AtomicBool,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            last_ms: AtomicU64::new(0),
            // A client that connects and says nothing is as slow as one that says little.
            head_ms: AtomicU64::new(1),
            in_flight: AtomicUsize::new(0),
            is_h2: AtomicBool::new(false),
        })
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn note(&self, is_read: bool) {
        let now = self.now_ms();
        self.last_ms.store(now, Ordering::Relaxed);
        if is_read && self.in_flight.load(Ordering::Relaxed) == 0 {
            let _ = self.head_ms.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// A head is complete; its request runs until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>, is_h2: bool) -> InFlight {
        self.is_h2.store(is_h2, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.head_ms.store(0, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    fn is_over(&self) -> bool {
        if self.in_flight.load(Ordering::Relaxed) > 0 {
            return false;
        }
        let past = |since: u64| Duration::from_millis(self.now_ms().saturating_sub(since));
        let head = self.head_ms.load(Ordering::Relaxed);
        let is_slow = head > 0 && past(head) >= HEAD && !self.is_h2.load(Ordering::Relaxed);
        is_slow || past(self.last_ms.load(Ordering::Relaxed)) >= IDLE
    }

    /// Returns when the connection has waited too long.
    pub(super) async fn over(&self) {
        while !self.is_over() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// One request that is answered.
pub(super) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.last_ms.store(self.0.now_ms(), Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A socket that notes what it does.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    activity: Arc<Activity>,
}

impl Watched {
    pub(super) const fn new(stream: TcpStream, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.activity.note(true);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.activity.note(false);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.activity.note(false);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_head_has_ten_seconds_and_silence_seventy_five() {
        let activity = Activity::new();
        tokio::time::advance(HEAD - Duration::from_millis(500)).await;
        activity.note(true);
        assert!(!activity.is_over());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(activity.is_over(), "bytes don't stretch the time of a head");

        let request = activity.begin(false);
        activity.note(true);
        tokio::time::advance(IDLE * 2).await;
        assert!(!activity.is_over(), "a request may take its time");
        drop(request);
        tokio::time::advance(IDLE - Duration::from_secs(1)).await;
        assert!(!activity.is_over());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(activity.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn frames_between_requests_of_http_2_are_no_heads() {
        let activity = Activity::new();
        drop(activity.begin(true));
        activity.note(true);
        tokio::time::advance(HEAD * 2).await;
        assert!(!activity.is_over());
    }
}
