//! The beginning of a streamed answer, on its way to a caller who takes it as it comes.

use std::sync::Arc;

use bytes::Bytes;
use cloudbox_protocol::ResultMode;
use cloudbox_protocol::stream::Inlet;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::call::{Outcome, Success};
use crate::failure::Failure;
use crate::settle;

/// Where the outcome of a call goes whose answer has only begun.
pub(super) struct Opening(Mutex<Option<oneshot::Sender<Outcome>>>);

impl Opening {
    pub(super) fn new() -> (Self, oneshot::Receiver<Outcome>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Mutex::new(Some(sender))), receiver)
    }

    /// Waits for the head of a streamed answer and hands it on with its pieces. The failure, where it can't be sent:
    /// then the pieces are dropped. Nothing where the answer is not streamed.
    pub(super) async fn watch(
        &self,
        inlet: Option<Inlet>,
        outcome: impl FnOnce(Success) -> Outcome,
    ) -> Option<Failure> {
        let (head, rest) = inlet?.opened().await?;
        let success = match settle::success(head, Bytes::new(), ResultMode::Http) {
            Ok(success) => success,
            Err(failure) => return Some(failure),
        };
        let success = Success { rest: Some(Arc::new(Mutex::new(Some(rest)))), ..success };
        if let Some(sender) = self.0.lock().take() {
            // A caller who has gone away takes nothing: what comes is dropped.
            drop(sender.send(outcome(success)));
        }
        None
    }
}
