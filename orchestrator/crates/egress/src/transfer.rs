//! Bytes to and fro between a function and a host, counted and bounded.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use crate::broker::Bounds;
use crate::ledger::Flow;

/// Bytes that are held of each direction.
const HELD: usize = 16 << 10;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides said that they are done.
    Done,
    /// One of them broke it off.
    Broken,
    /// A bound was reached.
    Limited,
}

/// What is known of both directions together.
struct Meter<'a> {
    bounds: &'a Bounds,
    bytes: AtomicU64,
    last: Mutex<Instant>,
}

impl Meter<'_> {
    /// Whether so many bytes more are within the bounds.
    fn takes(&self, bytes: usize) -> bool {
        *self.last.lock() = Instant::now();
        let bytes = bytes as u64;
        self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.bounds.bytes
    }

    /// Waits until there has been nothing for too long.
    async fn idle(&self) {
        loop {
            let until = *self.last.lock() + self.bounds.idle;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

/// Copies until both sides are done, one breaks it off, or a bound is reached. `first` was read of the function before.
pub(crate) async fn transfer(
    function: &mut TcpStream,
    host: &mut TcpStream,
    first: &[u8],
    (flow, bounds): (&Flow, &Bounds),
) -> End {
    let meter = Meter { bounds, bytes: AtomicU64::new(0), last: Mutex::new(Instant::now()) };
    flow.up.fetch_add(first.len() as u64, Ordering::Relaxed);
    let both = async {
        if !first.is_empty() {
            host.write_all(first).await?;
        }
        let (from_function, to_function) = function.split();
        let (from_host, to_host) = host.split();
        tokio::try_join!(
            copy(from_function, to_host, &flow.up, &meter),
            copy(from_host, to_function, &flow.down, &meter),
        )
    };
    tokio::select! {
        ended = both => match ended {
            Ok(((), ())) => End::Done,
            Err(error) if error.kind() == io::ErrorKind::QuotaExceeded => End::Limited,
            Err(_) => End::Broken,
        },
        () = meter.idle() => End::Limited,
    }
}

/// One direction, to its end. What was read is counted before it is sent on: when the function has it, the call may end.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    count: &AtomicU64,
    meter: &Meter<'_>,
) -> io::Result<()> {
    let mut held = vec![0; HELD];
    loop {
        let len = from.read(&mut held).await?;
        if len == 0 {
            return to.shutdown().await;
        }
        if !meter.takes(len) {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        count.fetch_add(len as u64, Ordering::Relaxed);
        to.write_all(&held[..len]).await?;
    }
}
