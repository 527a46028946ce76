//! Several calls at once over one channel: the service's side of a sandbox that its author lets callers share.
//!
//! A task owns the pipes ([`talk`]): frames are told apart by their nonces, and none waits for another call's reader or
//! host call. What the task learns of a call goes to whoever waits in [`Several::invoke`]. The sandbox is as hostile as any:
//! what it makes the service hold is bounded for all its calls together.

mod call;
mod piece;
mod talk;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::fault::{Fault, FaultKind};
use super::outbox::Seat;
use super::{Answer, Channel, Reply, Request, asked};
use crate::frame::Frame;
use crate::logs::Logs;
use call::Call;
use talk::Talk;

/// A channel on which several calls may be under way.
#[derive(Debug)]
pub struct Several {
    orders: mpsc::UnboundedSender<Order>,
    /// Whether no further call may begin: the task says so, too.
    is_closed: Arc<AtomicBool>,
    last_seat: AtomicU64,
    seats: u32,
    log_limit: usize,
}

/// What the task is told.
enum Order {
    Begin(Box<Call>, Frame),
    /// Nobody waits for it any more.
    Abandon(Seat),
}

/// A call that somebody waits for. Dropped, it is abandoned.
struct Place<'s> {
    several: &'s Several,
    seat: Option<Seat>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(seat) = self.seat {
            self.several.close();
            // Without a task there is nothing to be told.
            drop(self.several.orders.send(Order::Abandon(seat)));
        }
    }
}

impl Several {
    /// Takes a channel over whose shim has said that it can do so.
    pub(super) fn begin(channel: Channel, seats: u32) -> Self {
        let (orders, orders_rx) = mpsc::unbounded_channel();
        let is_closed = Arc::<AtomicBool>::default();
        let log_limit = channel.limits.logs;
        tokio::spawn(Talk::new(channel, Arc::clone(&is_closed)).go_on(orders_rx));
        Self { orders, is_closed, last_seat: AtomicU64::new(0), seats, log_limit }
    }

    /// Calls that there may be at once; whoever calls sees to it.
    #[must_use]
    pub const fn seats(&self) -> u32 {
        self.seats
    }

    /// Has the handler called, beside others. A future that is dropped half way leaves a call behind that nobody waits
    /// for: the others go on, and no further one begins.
    ///
    /// # Errors
    /// As [`Fault`] says; no further call begins then.
    pub async fn invoke(
        &self,
        Request { invoke, body, host, outlet }: Request,
        deadline: Instant,
    ) -> Result<Reply<Answer>, Fault> {
        let (nonce, frame) = asked(invoke, body, outlet.is_some());
        let seat = self.last_seat.fetch_add(1, Ordering::Relaxed) + 1;
        let logs = Arc::new(Mutex::new(Logs::new(self.log_limit)));
        let (answer, answered) = oneshot::channel();
        let call = Call::new(seat, nonce, host, outlet, Arc::clone(&logs), answer);
        let mut place = Place { several: self, seat: Some(seat) };
        // Where there is no task any more the answer's sender is dropped with the order.
        drop(self.orders.send(Order::Begin(Box::new(call), frame)));
        let outcome = timeout_at(deadline, answered).await;
        if outcome.is_ok() {
            place.seat = None;
        }
        drop(place);
        let outcome = match outcome {
            Ok(Ok(outcome)) => outcome,
            // It had ended before this call came.
            Ok(Err(_)) => Err(FaultKind::Untaken),
            Err(_) => Err(FaultKind::Deadline),
        };
        let logs = std::mem::replace(&mut *logs.lock(), Logs::new(0));
        match outcome {
            Ok(answer) => Ok(Reply { answer, logs }),
            Err(kind) => {
                self.close();
                Err(Fault { kind, logs })
            }
        }
    }

    /// Has no further call begin: those that are under way go on.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// Whether a further call may begin.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        !self.is_closed.load(Ordering::Acquire) && !self.orders.is_closed()
    }
}
