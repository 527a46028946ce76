//! Answers that are sent on while their function still runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::message::ResultHead;

/// Bytes of one piece; shims cut longer ones.
pub const MAX_CHUNK_BYTES: usize = 256 << 10;
/// Pieces that wait for a slow reader. When there are as many the sandbox's pipe is not read any more, and its writes
/// wait in turn.
const PIECES_AHEAD: usize = 2;

/// Where a streamed answer goes: first its head, then its pieces, as fast as they are taken. Most answers are not
/// streamed, so the way for pieces is made with the first one that is.
#[derive(Debug)]
pub struct Outlet {
    head: oneshot::Sender<(ResultHead, Rest)>,
    kept: Arc<Kept>,
    /// Bytes of all pieces together.
    limit: u64,
}

impl Outlet {
    /// Sends the head.
    pub(crate) fn open(self, head: ResultHead) -> (mpsc::Sender<Bytes>, u64) {
        let (pieces, pieces_rx) = mpsc::channel(PIECES_AHEAD);
        let mut held = self.kept.held.lock();
        if matches!(*held, Held::Nothing) {
            *held = Held::Open(pieces.clone());
        }
        drop(held);
        let rest = Rest { pieces: pieces_rx, kept: Arc::clone(&self.kept) };
        // Who asked for a stream and looks at none of it has gone away: the rest is read and dropped.
        drop(self.head.send((head, rest)));
        (pieces, self.limit)
    }
}

/// What both ends of a stream know.
#[derive(Debug, Default)]
struct Kept {
    held: Mutex<Held>,
    is_whole: AtomicBool,
}

/// What keeps a stream open beyond its last piece.
#[derive(Debug, Default)]
enum Held {
    /// It has not begun.
    #[default]
    Nothing,
    /// A sender beside the writer's.
    Open(#[expect(dead_code, reason = "a stream is open as long as a sender is there")] mpsc::Sender<Bytes>),
    /// The seal is gone: nothing keeps it open.
    Over,
}

/// The other end of an [`Outlet`]: the head and the way of the pieces, where the answer is streamed.
#[derive(Debug)]
pub struct Inlet(oneshot::Receiver<(ResultHead, Rest)>);

impl Inlet {
    /// Waits for the head; none where the answer is not streamed.
    pub async fn opened(self) -> Option<(ResultHead, Rest)> {
        self.0.await.ok()
    }
}

/// The pieces of a streamed answer.
#[derive(Debug)]
pub struct Rest {
    pieces: mpsc::Receiver<Bytes>,
    kept: Arc<Kept>,
}

impl Rest {
    /// The next piece; none at the end.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.pieces.recv().await
    }

    /// At the end: whether all of the answer came.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.kept.is_whole.load(Ordering::Acquire)
    }
}

/// Keeps a stream open beyond its last piece, until it is known whether all of it came.
#[derive(Debug)]
pub struct Seal(Arc<Kept>);

impl Seal {
    /// Ends the stream; dropped without it, the stream counts as broken.
    pub fn close(&self) {
        self.0.is_whole.store(true, Ordering::Release);
    }
}

impl Drop for Seal {
    fn drop(&mut self) {
        *self.0.held.lock() = Held::Over;
    }
}

/// A stream of at most `limit` bytes.
#[must_use]
pub fn stream(limit: u64) -> (Outlet, Inlet, Seal) {
    let (head, opened) = oneshot::channel();
    let kept = Arc::<Kept>::default();
    (Outlet { head, kept: Arc::clone(&kept), limit }, Inlet(opened), Seal(kept))
}
