//! One of several calls, as the task knows it.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::super::Answer;
use super::super::fault::FaultKind;
use super::super::outbox::Seat;
use super::piece::Stream;
use crate::host::Host;
use crate::logs::Logs;
use crate::message::ResultHead;
use crate::nonce::Nonce;
use crate::stream::Outlet;

/// A call under way.
pub(super) struct Call {
    pub seat: Seat,
    pub nonce: Nonce,
    pub host: Arc<dyn Host>,
    /// Where the answer goes if it is streamed, until it begins to.
    outlet: Option<Outlet>,
    /// A streamed answer that has begun.
    pub stream: Option<Stream>,
    /// Read by whoever waits, at the end.
    pub logs: Arc<Mutex<Logs>>,
    /// Whether its request may have been seen.
    pub is_begun: bool,
    answer: Option<oneshot::Sender<Result<Answer, FaultKind>>>,
}

impl Drop for Call {
    /// Nobody is left waiting, whatever became of the task.
    fn drop(&mut self) {
        let kind = if self.is_begun { FaultKind::Ended } else { FaultKind::Untaken };
        self.tell(Err(kind));
    }
}

impl Call {
    pub(super) fn new(
        seat: Seat,
        nonce: Nonce,
        host: Arc<dyn Host>,
        outlet: Option<Outlet>,
        logs: Arc<Mutex<Logs>>,
        answer: oneshot::Sender<Result<Answer, FaultKind>>,
    ) -> Self {
        Self { seat, nonce, host, outlet, stream: None, logs, is_begun: false, answer: Some(answer) }
    }

    /// A streamed answer begins.
    pub(super) fn open(&mut self, head: ResultHead) -> Result<(), FaultKind> {
        let Some(outlet) = self.outlet.take() else {
            return Err(FaultKind::tainted("a streamed answer that nobody asked for"));
        };
        self.stream = Some(Stream::new(head, outlet));
        Ok(())
    }

    /// Tells whoever waits.
    pub(super) fn end(mut self, outcome: Result<Answer, FaultKind>) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Result<Answer, FaultKind>) {
        if let Some(answer) = self.answer.take() {
            // Who has gone away in this moment abandons it, too.
            drop(answer.send(outcome));
        }
    }

    /// Waits until nobody waits for it any more.
    pub(super) async fn unwanted(&mut self) {
        if let Some(answer) = &mut self.answer {
            answer.closed().await;
        }
    }
}
