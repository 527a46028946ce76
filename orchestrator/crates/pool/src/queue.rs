//! The calls that wait for a sandbox of one key, in the order of their arrival.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::error::LeaseError;
use crate::seat::{Grant, Hold};
use crate::slot::Start;

/// First come, first served. The bound is checked by who pushes.
#[derive(Default)]
pub(crate) struct Queue {
    waiters: VecDeque<Waiter>,
    last_id: u64,
}

struct Waiter {
    id: u64,
    grant: oneshot::Sender<Grant>,
}

impl Queue {
    pub fn len(&self) -> usize {
        self.waiters.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Adds a call: its number in this queue, and where its grant arrives.
    pub fn push(&mut self) -> (u64, oneshot::Receiver<Grant>) {
        let (grant, receiver) = oneshot::channel();
        self.last_id += 1;
        self.waiters.push_back(Waiter { id: self.last_id, grant });
        (self.last_id, receiver)
    }

    /// How many wait before this one; none where it waits no longer.
    pub fn position(&self, id: u64) -> Option<usize> {
        self.waiters.iter().position(|waiter| waiter.id == id)
    }

    /// Takes a call out that gave up.
    pub fn remove(&mut self, id: u64) {
        self.waiters.retain(|waiter| waiter.id != id);
    }

    /// Gives a sandbox, or a seat of one, to the longest waiting call; back comes what nobody took.
    pub fn give(&mut self, mut hold: Hold, start: Start) -> Option<Hold> {
        while let Some(waiter) = self.waiters.pop_front() {
            match waiter.grant.send(Ok((hold, start))) {
                Err(Ok((back, _))) => hold = back,
                Ok(()) | Err(Err(_)) => return None,
            }
        }
        Some(hold)
    }

    /// Fails the longest waiting call.
    pub fn fail_first(&mut self, error: impl FnOnce() -> LeaseError) {
        if let Some(waiter) = self.waiters.pop_front() {
            // A call that gave up meanwhile needs no error.
            drop(waiter.grant.send(Err(error())));
        }
    }

    /// Fails every waiting call.
    pub fn fail_all(&mut self, error: impl Fn() -> LeaseError) {
        while !self.is_empty() {
            self.fail_first(&error);
        }
    }
}
