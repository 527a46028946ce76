//! What a call has of a sandbox on loan: all of it, or one of the seats of one that several calls share.

use std::sync::Arc;

use cloudbox_protocol::Logs;
use cloudbox_sandbox::{SandboxId, Shared, SharedSandbox};
use tokio::time::{Duration, Instant};

use crate::error::LeaseError;
use crate::slot::{Slot, Start};

/// What a lease holds.
pub(crate) enum Hold {
    /// A sandbox.
    Whole(Slot),
    /// A call's place in one.
    Seat(Seat),
}

/// A call's place in a shared sandbox, which the pool owns meanwhile.
pub(crate) struct Seat {
    /// Which of the fleet's shared sandboxes.
    pub number: u64,
    pub sandbox: Arc<dyn SharedSandbox>,
    /// When the call got it.
    pub leased_at: Instant,
    /// How much of a core the call took, as far as is known.
    pub cpu: Duration,
    /// As of the [`Slot`].
    pub load_logs: Option<Logs>,
    /// As of the [`Slot`].
    pub load_time: Duration,
}

/// A shared sandbox that has calls.
pub(crate) struct Open {
    pub number: u64,
    pub slot: Slot,
    shared: Shared,
    /// Seats that are taken.
    pub calls: u32,
    /// Whether it takes no further call, and ends with those that it has.
    pub is_closed: bool,
}

impl Open {
    pub const fn new(number: u64, slot: Slot, shared: Shared) -> Self {
        Self { number, slot, shared, calls: 0, is_closed: false }
    }

    /// Whether another call can have a seat.
    pub fn has_seat(&self) -> bool {
        !self.is_closed && self.calls < self.shared.seats
    }

    /// Whether another exchange may begin in it.
    pub fn is_clean(&self) -> bool {
        self.shared.sandbox.is_clean()
    }

    /// A call sits down.
    pub fn sit(&mut self, now: Instant) -> Seat {
        self.calls += 1;
        self.slot.calls = self.slot.calls.saturating_add(1);
        Seat {
            number: self.number,
            sandbox: Arc::clone(&self.shared.sandbox),
            leased_at: now,
            cpu: Duration::ZERO,
            load_logs: self.slot.load_logs.take(),
            load_time: self.slot.load_time,
        }
    }

    /// A call that sat down gets up, unused: its seat came back.
    pub fn unsit(&mut self, seat: Seat) {
        self.calls -= 1;
        self.slot.calls = self.slot.calls.saturating_sub(1);
        self.slot.load_logs = seat.load_logs;
    }
}

impl Hold {
    pub fn id(&self) -> &SandboxId {
        match self {
            Self::Whole(slot) => slot.sandbox.id(),
            Self::Seat(seat) => seat.sandbox.id(),
        }
    }

    /// Whether it is known that no other exchange may follow.
    pub fn is_spent(&self) -> bool {
        match self {
            Self::Whole(slot) => slot.sandbox.is_spent(),
            Self::Seat(seat) => !seat.sandbox.is_clean(),
        }
    }

    pub const fn load_time(&self) -> Duration {
        match self {
            Self::Whole(slot) => slot.load_time,
            Self::Seat(seat) => seat.load_time,
        }
    }

    pub const fn load_logs(&mut self) -> &mut Option<Logs> {
        match self {
            Self::Whole(slot) => &mut slot.load_logs,
            Self::Seat(seat) => &mut seat.load_logs,
        }
    }
}

/// What a waiting call gets.
pub(crate) type Grant = Result<(Hold, Start), LeaseError>;
