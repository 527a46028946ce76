//! An answer that comes in pieces: each goes on as it comes, and the next one is read when it was taken.

use bytes::Bytes;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use super::calls::Calls;
use super::fault::FaultKind;
use super::parts::{check, header};
use crate::frame::Frame;
use crate::message::{ChunkFailure, ChunkHead, ResultHead};
use crate::nonce::Nonce;
use crate::stream::Outlet;

/// A streamed answer that has come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streamed {
    /// Its head, which was sent on when it came.
    pub head: ResultHead,
    /// Bytes of its body.
    pub bytes: u64,
    /// Why it broke off, where it did.
    pub failure: Option<ChunkFailure>,
    /// As in `result`.
    pub survivors: Vec<String>,
}

impl Streamed {
    /// Nothing of it yet but its head.
    pub(super) const fn begun(head: ResultHead) -> Self {
        Self { head, bytes: 0, failure: None, survivors: Vec::new() }
    }

    /// Counts a piece; whether it is the last one.
    pub(super) fn add(&mut self, head: ChunkHead, len: usize, limit: u64) -> Result<bool, FaultKind> {
        self.bytes += len as u64;
        if self.bytes > limit {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            return Err(FaultKind::AnswerTooLarge { len: limit.saturating_add(1), limit });
        }
        if head.last {
            self.failure = head.failure;
            self.survivors = head.survivors;
        }
        Ok(head.last)
    }
}

/// A streamed answer on its way.
pub(super) struct Streaming {
    pieces: mpsc::Sender<Bytes>,
    limit: u64,
    so_far: Streamed,
}

impl Streaming {
    pub(super) fn new(head: ResultHead, outlet: Outlet) -> Self {
        let (pieces, limit) = outlet.open(head.clone());
        Self { pieces, limit, so_far: Streamed::begun(head) }
    }

    /// Sends one piece on; the whole answer, where it was the last.
    pub(super) async fn take(
        &mut self,
        frame: Frame,
        nonce: &Nonce,
        calls: Option<&mut Calls>,
        requests: &mut pipe::Sender,
    ) -> Result<Option<Streamed>, FaultKind> {
        let head: ChunkHead = header(&frame)?;
        check(Some(nonce), &head.nonce)?;
        let is_last = self.so_far.add(head, frame.body.len(), self.limit)?;
        if !frame.body.is_empty() {
            self.send(frame.body, calls, requests).await?;
        }
        Ok(is_last.then(|| self.so_far.clone()))
    }

    /// Waits until there is room for the piece; host calls go on meanwhile. Where its reader has gone it is dropped.
    async fn send(
        &mut self,
        piece: Bytes,
        mut calls: Option<&mut Calls>,
        requests: &mut pipe::Sender,
    ) -> Result<(), FaultKind> {
        loop {
            let advance = async {
                match calls.as_deref_mut().filter(|calls| !calls.is_idle()) {
                    Some(calls) => calls.advance(requests).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                room = self.pieces.reserve() => {
                    if let Ok(room) = room {
                        room.send(piece);
                    }
                    return Ok(());
                }
                advanced = advance => drop(advanced?),
            }
        }
    }
}
