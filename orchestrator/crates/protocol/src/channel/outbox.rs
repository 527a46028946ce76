//! What waits to be written to a sandbox: one frame after the other, each to its end.

use std::collections::{HashMap, VecDeque};

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

use super::fault::FaultKind;
use crate::frame::Frame;

/// Which of the calls of a sandbox; never used twice.
pub(super) type Seat = u64;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It asks for a call.
    Invoke,
    /// It answers a host call of this number.
    Reply(u64),
    /// It says that a piece of a streamed answer went on.
    Taken,
}

/// A frame on its way into the pipe.
struct Outgoing {
    seat: Seat,
    purpose: Purpose,
    bytes: Chain<Bytes, Bytes>,
    is_begun: bool,
}

/// Frames in the order in which they are written.
#[derive(Default)]
pub(super) struct Outbox {
    frames: VecDeque<Outgoing>,
    /// Bytes that went into the pipe.
    written: u64,
    /// Where among these the request of a call began, while the call is under way.
    requests: HashMap<Seat, u64>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(super) fn push(&mut self, seat: Seat, purpose: Purpose, frame: Frame) {
        let bytes = frame.head().chain(frame.body);
        self.frames.push_back(Outgoing { seat, purpose, bytes, is_begun: false });
    }

    /// Writes some bytes; where they end a frame, what that one was. May be dropped and called again.
    pub(super) async fn write_some(
        &mut self,
        requests: &mut pipe::Sender,
    ) -> Result<Option<(Seat, Purpose)>, FaultKind> {
        let Some(front) = self.frames.front_mut() else { return Ok(None) };
        let written = match requests.write_buf(&mut front.bytes).await {
            Ok(0) | Err(_) => return Err(FaultKind::Ended),
            Ok(written) => written as u64,
        };
        if !std::mem::replace(&mut front.is_begun, true) && front.purpose == Purpose::Invoke {
            self.requests.insert(front.seat, self.written);
        }
        self.written += written;
        if front.bytes.has_remaining() {
            return Ok(None);
        }
        Ok(self.frames.pop_front().map(|done| (done.seat, done.purpose)))
    }

    /// Drops what was to be written for a call and is not to be kept, but for the rest of a frame that was begun.
    pub(super) fn forget(&mut self, seat: Seat, is_kept: impl Fn(Purpose) -> bool) {
        self.frames.retain(|frame| frame.seat != seat || frame.is_begun || is_kept(frame.purpose));
        self.requests.remove(&seat);
    }

    /// Whether the request of a call waits, and no byte of it is written.
    pub(super) fn is_unsent(&self, seat: Seat) -> bool {
        let is_asked = |frame: &Outgoing| (frame.seat, frame.purpose) == (seat, Purpose::Invoke);
        self.frames.iter().any(|frame| is_asked(frame) && !frame.is_begun)
    }

    /// Whether nobody has read a byte of a call's request, where `unread` bytes lie in the pipe.
    pub(super) fn is_unread(&self, seat: Seat, unread: u64) -> bool {
        self.requests.get(&seat).is_none_or(|began| self.written - began <= unread)
    }

    /// The rest of a frame that is half written; all others are dropped.
    pub(super) fn into_rest(mut self) -> Option<Chain<Bytes, Bytes>> {
        self.frames.pop_front().filter(|front| front.is_begun).map(|front| front.bytes)
    }
}
