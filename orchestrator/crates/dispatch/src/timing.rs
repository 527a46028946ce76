//! Where the time of a call goes: what the pool says of a lease, beside two or three looks at the clock.

use std::time::Duration;

use cloudbox_pool::{LeaseError, Waited};
use cloudbox_types::{InvocationId, Timing};
use jiff::Timestamp;
use tokio::time::Instant;

/// A call that was taken on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    pub id: InvocationId,
    /// By the calendar.
    pub accepted: Timestamp,
    /// By the clock that durations are taken from.
    pub at: Instant,
}

/// Whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What passed until the exchange of a lease began at `began`.
pub(crate) fn until(began: Instant, call: Begun, waited: Waited) -> Timing {
    let all = began.duration_since(call.at);
    Timing {
        queue_us: micros(waited.queue),
        lease_us: micros(all.saturating_sub(waited.queue + waited.load)),
        load_us: micros(waited.load),
        exec_us: 0,
        total_us: micros(all),
    }
}

/// What passed until now, of a call whose exchange began at `began` and goes on.
pub(crate) fn so_far(until: Timing, began: Instant) -> Timing {
    let exec_us = micros(began.elapsed());
    Timing { exec_us, total_us: until.total_us + exec_us, ..until }
}

/// What passed for a call that got no sandbox.
pub(crate) fn of_refusal(error: &LeaseError, call: Begun) -> Timing {
    let total_us = micros(call.at.elapsed());
    let all = Timing { total_us, ..Timing::default() };
    match error {
        LeaseError::Overloaded { .. } => Timing { queue_us: total_us, ..all },
        LeaseError::Launch(_) => Timing { load_us: total_us, ..all },
        LeaseError::Closing => Timing { lease_us: total_us, ..all },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_no_wait_is_the_leases() {
        let begun = Begun { id: InvocationId::generate(), accepted: Timestamp::now(), at: Instant::now() };
        tokio::time::advance(Duration::from_millis(50)).await;
        let began = Instant::now();
        let waited = Waited { queue: Duration::from_millis(30), load: Duration::from_millis(15) };
        let timing = until(began, begun, waited);
        assert_eq!(<[u64; 5]>::from(timing), [30_000, 5_000, 15_000, 0, 50_000]);
        tokio::time::advance(Duration::from_millis(7)).await;
        assert_eq!(<[u64; 5]>::from(so_far(timing, began)), [30_000, 5_000, 15_000, 7_000, 57_000]);
        let refused = of_refusal(&LeaseError::Closing, begun);
        assert_eq!(<[u64; 5]>::from(refused), [0, 57_000, 0, 0, 57_000]);
    }
}
