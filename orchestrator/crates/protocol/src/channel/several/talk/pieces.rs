//! Streamed answers among several calls: each piece goes on when its reader has room for it, and holds up nobody else.

use bytes::Bytes;
use tokio::net::unix::pipe;
use tokio::sync::mpsc::OwnedPermit;

use super::super::super::Answer;
use super::super::super::fault::FaultKind;
use super::super::super::outbox::{Purpose, Seat};
use super::super::super::parts::header;
use super::Table;
use crate::frame::{Frame, Kind};
use crate::message::{CallNonce, ChunkHead};

impl Table {
    pub(super) fn take_piece(&mut self, frame: Frame, logs: &pipe::Receiver) -> Result<(), FaultKind> {
        let head: ChunkHead = header(&frame)?;
        let Some(seat) = self.seat(&head.nonce, head.last)? else { return Ok(()) };
        let stream = self.calls.get_mut(&seat).and_then(|call| call.stream.as_mut());
        let Some(stream) = stream else {
            return Err(FaultKind::tainted("a piece of an answer that is not streamed"));
        };
        let is_last = head.last;
        match stream.push(head, frame.body) {
            Ok(true) => self.deliver(seat, logs),
            Ok(false) => self.look_at_stream(seat),
            // The one answer is too long: it breaks off, and the others are none the worse.
            Err(kind @ FaultKind::AnswerTooLarge { .. }) => {
                let call = if is_last { self.remove(seat) } else { self.abandon(seat) };
                if let Some(call) = call {
                    call.end(Err(kind));
                }
            }
            Err(kind) => return Err(kind),
        }
        Ok(())
    }

    /// A piece may go on.
    pub(super) fn pass_on(&mut self, seat: Seat, room: Option<OwnedPermit<Bytes>>) {
        let Some(call) = self.calls.get_mut(&seat) else { return };
        let Some(stream) = &mut call.stream else { return };
        stream.pass_on(room);
        let taken = CallNonce { nonce: call.nonce.as_str().to_owned() };
        let frame = Frame::new(Kind::Taken, &taken, Bytes::new());
        self.host_calls.outbox.push(seat, Purpose::Taken, frame);
        self.look_at_stream(seat);
    }

    /// Waits for room for the next piece.
    fn look_at_stream(&mut self, seat: Seat) {
        let Some(stream) = self.calls.get_mut(&seat).and_then(|call| call.stream.as_mut()) else { return };
        if let Some(pieces) = stream.wait_for_room() {
            self.rooms.push(Box::pin(async move { (seat, pieces.reserve_owned().await.ok()) }));
        }
    }

    /// All of a streamed answer is here: its reader may take long, and has nothing to do with the sandbox any more.
    fn deliver(&mut self, seat: Seat, logs: &pipe::Receiver) {
        self.drain(logs);
        let Some(mut call) = self.remove(seat) else { return };
        let Some(stream) = call.stream.take() else { return };
        self.deliveries.push(Box::pin(async move {
            tokio::select! {
                streamed = stream.finish() => call.end(Ok(Answer::Streamed(streamed))),
                () = call.unwanted() => {}
            }
        }));
    }
}
