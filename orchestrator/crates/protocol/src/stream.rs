//! Answers that are sent on while their function still runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::message::ResultHead;

/// Bytes of one piece; shims cut longer ones.
pub const MAX_CHUNK_BYTES: usize = 256 << 10;
/// Pieces that wait for a slow reader. When there are as many the sandbox's pipe is not read any more, and its writes
/// wait in turn.
const PIECES_AHEAD: usize = 2;

/// Where a streamed answer goes: first its head, then its pieces, as fast as they are taken.
#[derive(Debug)]
pub struct Outlet {
    head: oneshot::Sender<ResultHead>,
    pub(crate) pieces: mpsc::Sender<Bytes>,
    /// Bytes of all pieces together.
    pub(crate) limit: u64,
}

impl Outlet {
    /// Sends the head.
    pub(crate) fn open(self, head: ResultHead) -> (mpsc::Sender<Bytes>, u64) {
        // Who asked for a stream and looks at none of it has gone away: the rest is read and dropped.
        drop(self.head.send(head));
        (self.pieces, self.limit)
    }
}

/// The other end of an [`Outlet`]: gets the head, where the answer is streamed.
#[derive(Debug)]
pub struct Inlet {
    /// Brings the head; fails where the answer is not streamed.
    pub head: oneshot::Receiver<ResultHead>,
    /// The pieces.
    pub rest: Rest,
}

/// The pieces of a streamed answer.
#[derive(Debug)]
pub struct Rest {
    pieces: mpsc::Receiver<Bytes>,
    is_whole: Arc<AtomicBool>,
}

impl Rest {
    /// The next piece; none at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.pieces.recv().await
    }

    /// At the end: whether all of the answer came.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_whole.load(Ordering::Acquire)
    }
}

/// Keeps a stream open beyond its last piece, until it is known whether all of it came.
#[derive(Debug)]
pub struct Seal {
    _pieces: mpsc::Sender<Bytes>,
    is_whole: Arc<AtomicBool>,
}

impl Seal {
    /// Ends the stream; dropped without it, the stream counts as broken.
    pub fn close(&self) {
        self.is_whole.store(true, Ordering::Release);
    }
}

/// A stream of at most `limit` bytes.
#[must_use]
pub fn stream(limit: u64) -> (Outlet, Inlet, Seal) {
    let (head, head_rx) = oneshot::channel();
    let (pieces, pieces_rx) = mpsc::channel(PIECES_AHEAD);
    let is_whole = Arc::<AtomicBool>::default();
    let seal = Seal { _pieces: pieces.clone(), is_whole: Arc::clone(&is_whole) };
    (
        Outlet { head, pieces, limit },
        Inlet { head: head_rx, rest: Rest { pieces: pieces_rx, is_whole } },
        seal,
    )
}
