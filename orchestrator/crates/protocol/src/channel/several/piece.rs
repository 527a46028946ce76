//! A streamed answer among several calls: its pieces wait here for their reader, not in the pipe, and only as many as the
//! protocol lets the shim send ahead.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::sync::mpsc::OwnedPermit;

use super::super::fault::FaultKind;
use super::super::streamed::Streamed;
use crate::message::{ChunkHead, ResultHead};
use crate::stream::Outlet;

/// Pieces of one answer that may be on their way.
const WINDOW: usize = 2;

/// A streamed answer on its way.
pub(super) struct Stream {
    pieces: mpsc::Sender<Bytes>,
    limit: u64,
    so_far: Streamed,
    waiting: VecDeque<Bytes>,
    /// Pieces that the shim has not been told of that they went on: told is what is written, since a shim that doesn't read
    /// would otherwise have words for it pile up.
    owed: usize,
    /// Whether somebody waits for room for the first of them.
    is_waited_for: bool,
}

impl Stream {
    pub(super) fn new(head: ResultHead, outlet: Outlet) -> Self {
        let (pieces, limit) = outlet.open(head.clone());
        let (so_far, waiting) = (Streamed::begun(head), VecDeque::with_capacity(WINDOW));
        Self { pieces, limit, so_far, waiting, owed: 0, is_waited_for: false }
    }

    /// Takes a piece that the shim sent; whether it is the last one.
    pub(super) fn push(&mut self, head: ChunkHead, piece: Bytes) -> Result<bool, FaultKind> {
        if self.owed >= WINDOW && !piece.is_empty() {
            return Err(FaultKind::tainted("more pieces of an answer than may be on their way"));
        }
        let is_last = self.so_far.add(head, piece.len(), self.limit)?;
        if !piece.is_empty() {
            self.owed += 1;
            self.waiting.push_back(piece);
        }
        Ok(is_last)
    }

    /// What to wait for so that the next piece can go on: once for each, where one waits.
    pub(super) fn wait_for_room(&mut self) -> Option<mpsc::Sender<Bytes>> {
        let is_new = !self.waiting.is_empty() && !std::mem::replace(&mut self.is_waited_for, true);
        is_new.then(|| self.pieces.clone())
    }

    /// The next piece goes on; where its reader has gone, without `room`, it is dropped.
    pub(super) fn pass_on(&mut self, room: Option<OwnedPermit<Bytes>>) {
        self.is_waited_for = false;
        let piece = self.waiting.pop_front();
        if let (Some(room), Some(piece)) = (room, piece) {
            drop(room.send(piece));
        }
    }

    /// The shim is told of a piece that went on.
    pub(super) const fn told(&mut self) {
        self.owed = self.owed.saturating_sub(1);
    }

    /// After all was sent: hands the last pieces to their reader, and gives the whole.
    pub(super) async fn finish(self) -> Streamed {
        for piece in self.waiting {
            // A reader that has gone wants none of them.
            if self.pieces.send(piece).await.is_err() {
                break;
            }
        }
        self.so_far
    }
}
