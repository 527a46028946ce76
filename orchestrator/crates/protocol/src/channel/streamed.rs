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

/// A streamed answer on its way.
pub(super) struct Streaming {
    pieces: mpsc::Sender<Bytes>,
    limit: u64,
    so_far: Streamed,
}

impl Streaming {
    pub(super) fn new(head: ResultHead, outlet: Outlet) -> Self {
        let (pieces, limit) = outlet.open(head.clone());
        let so_far = Streamed { head, bytes: 0, failure: None, survivors: Vec::new() };
        Self { pieces, limit, so_far }
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
        self.so_far.bytes += frame.body.len() as u64;
        if self.so_far.bytes > self.limit {
            let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
            return Err(FaultKind::AnswerTooLarge { len: limit.saturating_add(1), limit });
        }
        if !frame.body.is_empty() {
            self.send(frame.body, calls, requests).await?;
        }
        if !head.last {
            return Ok(None);
        }
        let end = Streamed { failure: head.failure, survivors: head.survivors, ..self.so_far.clone() };
        Ok(Some(end))
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
