//! A sandbox on loan for one call, and the way to get one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cloudbox_protocol::{Answer, Logs, Reply, Request};
use cloudbox_sandbox::{AfterCall, Error, SandboxFault, SandboxFaultKind, SandboxId, Stats};
use cloudbox_types::Attempts;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::core::Core;
use crate::error::LeaseError;
use crate::seat::{Grant, Hold};
use crate::slot::Start;
use crate::state::{Admission, Patience, Verdict};
use crate::target::{Target, TargetKey};

/// How old a count of CPU time may be that the next call begins with.
const JUST: Duration = Duration::from_millis(1);

/// A sandbox on loan. Dropped after an answered exchange, it goes to the next call or becomes idle; dropped after
/// anything else but no exchange at all, it is killed in the background.
pub struct Lease {
    core: Arc<Core>,
    key: TargetKey,
    /// There until it is dropped.
    hold: Option<Hold>,
    start: Start,
    waited: Waited,
    verdict: Verdict,
}

/// What a call waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waited {
    /// A sandbox that others used, or room for another one.
    pub queue: Duration,
    /// A start, or the code's way into a generic spare.
    pub load: Duration,
}

impl Lease {
    /// Waits for a sandbox.
    pub(crate) async fn acquire(core: &Arc<Core>, target: &Arc<Target>) -> Result<Self, LeaseError> {
        loop {
            match core.with(|state, now, effects| state.admit(target, now, effects))? {
                Admission::Leased(hold) => {
                    let mut lease = Self::new(core, target.key, hold, Start::Warm);
                    // One that ended while it was idle is nobody's fault who calls now.
                    if lease.is_ready() {
                        return Ok(lease);
                    }
                    lease.verdict = Verdict::Failed;
                }
                Admission::Queued { id, grant } => {
                    return Ticket { core, key: target.key, id, grant, since: Instant::now() }.wait().await;
                }
            }
        }
    }

    fn new(core: &Arc<Core>, key: TargetKey, hold: Hold, start: Start) -> Self {
        let waited = Waited::default();
        Self { core: Arc::clone(core), key, hold: Some(hold), start, waited, verdict: Verdict::Unused }
    }

    /// Whether an exchange may begin, which finds out whether the sandbox ended meanwhile. One that was stopped runs then.
    fn is_ready(&mut self) -> bool {
        let runs = match self.hold_mut() {
            Hold::Whole(slot) => slot.thaw().is_ok(),
            Hold::Seat(_) => true,
        };
        runs && !self.hold().is_spent()
    }

    /// Whether the call waited for the sandbox's start.
    #[must_use]
    pub const fn start(&self) -> Start {
        self.start
    }

    /// What the call waited for until it had the sandbox.
    #[must_use]
    pub const fn waited(&self) -> Waited {
        self.waited
    }

    /// Which version it serves.
    #[must_use]
    pub const fn key(&self) -> TargetKey {
        self.key
    }

    /// The sandbox's name.
    #[must_use]
    pub fn sandbox_id(&self) -> &SandboxId {
        self.hold().id()
    }

    /// What the code printed while it was loaded, to the first lease that asks.
    pub fn take_load_logs(&mut self) -> Option<Logs> {
        self.hold_mut().load_logs().take()
    }

    /// What the sandbox tried to reach outside since the last time it was asked for.
    pub fn take_attempts(&mut self) -> Attempts {
        match self.hold_mut() {
            Hold::Whole(slot) => slot.sandbox.take_attempts(),
            Hold::Seat(seat) => seat.sandbox.take_attempts(),
        }
    }

    /// Has the handler called. A future that is dropped half way takes the sandbox with it.
    ///
    /// # Errors
    /// The sandbox serves no further exchange. When the pool's drain is at its deadline: `Host(Gone)`.
    pub async fn exchange(
        &mut self,
        request: Request,
        deadline: Instant,
    ) -> Result<Reply<Answer>, SandboxFault> {
        self.verdict = Verdict::Failed;
        let hold = self.hold.as_mut().expect("it is there until the lease is dropped");
        let outcome = tokio::select! {
            biased;
            outcome = exchange(hold, request, deadline) => outcome,
            () = self.core.cutoff.cancelled() => Err(Error::Gone.into()),
        };
        if let (Ok(_), Hold::Whole(slot)) = (&outcome, hold)
            && slot.after_call == AfterCall::Keep
        {
            // What it finds is kept by the sandbox, which is not clean then.
            slot.sandbox.settle(Duration::ZERO).await;
        }
        self.verdict = match &outcome {
            Ok(_) => Verdict::Answered,
            Err(fault) => verdict_of(&fault.kind, self.start),
        };
        outcome
    }

    /// Says how much of a core the exchange took: calls that compute need no more sandboxes than there are cores.
    pub fn spent(&mut self, cpu: Duration) {
        match self.hold_mut() {
            Hold::Whole(slot) => slot.cpu = cpu,
            Hold::Seat(seat) => seat.cpu = cpu,
        }
    }

    /// What the sandbox used so far, in all its calls; a call that shares it has its part of the CPU time.
    ///
    /// # Errors
    /// It is gone, or its counters can't be read.
    pub fn stats(&mut self) -> Result<Stats, Error> {
        match self.hold_mut() {
            Hold::Whole(slot) => {
                slot.counted = None;
                let stats = slot.sandbox.stats()?;
                if slot.after_call == AfterCall::Keep {
                    slot.counted = Some((Instant::now(), stats.cpu_us));
                }
                Ok(stats)
            }
            Hold::Seat(seat) => seat.sandbox.stats(),
        }
    }

    /// The CPU time alone that it used so far, in microseconds; where its last call has only just ended, until then.
    ///
    /// # Errors
    /// As of [`Lease::stats`].
    pub fn cpu_us(&self) -> Result<u64, Error> {
        match self.hold() {
            Hold::Whole(slot) => match slot.counted {
                Some((at, cpu_us)) if at.elapsed() < JUST => Ok(cpu_us),
                _ => slot.sandbox.cpu_us(),
            },
            Hold::Seat(seat) => seat.sandbox.cpu_us(),
        }
    }

    fn hold(&self) -> &Hold {
        self.hold.as_ref().expect("it is there until the lease is dropped")
    }

    fn hold_mut(&mut self) -> &mut Hold {
        self.hold.as_mut().expect("it is there until the lease is dropped")
    }
}

async fn exchange(
    hold: &mut Hold,
    request: Request,
    deadline: Instant,
) -> Result<Reply<Answer>, SandboxFault> {
    match hold {
        Hold::Whole(slot) => {
            slot.calls = slot.calls.saturating_add(1);
            slot.sandbox.exchange(request, deadline).await
        }
        Hold::Seat(seat) => seat.sandbox.exchange(request, deadline).await,
    }
}

/// Only what points to a broken function makes its next starts wait.
const fn verdict_of(kind: &SandboxFaultKind, start: Start) -> Verdict {
    match kind {
        // It ended right after it was started for the call.
        SandboxFaultKind::Untaken if matches!(start, Start::Cold) => Verdict::Died,
        SandboxFaultKind::OutOfMemory | SandboxFaultKind::Exited { .. } | SandboxFaultKind::Tainted(_) => {
            Verdict::Died
        }
        SandboxFaultKind::Untaken
        | SandboxFaultKind::Lost
        | SandboxFaultKind::Deadline
        | SandboxFaultKind::AnswerTooLarge { .. }
        | SandboxFaultKind::Host(_) => Verdict::Failed,
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(hold) = self.hold.take() else { return };
        let verdict = match self.verdict {
            Verdict::Answered | Verdict::Unused if hold.is_spent() => Verdict::Dirty,
            verdict => verdict,
        };
        let key = self.key;
        self.core.with(|state, now, effects| match hold {
            Hold::Whole(slot) => state.settle(key, slot, verdict, now, effects),
            Hold::Seat(seat) => state.leave(key, seat, verdict, now, effects),
        });
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("key", &self.key)
            .field("start", &self.start)
            .field("verdict", &self.verdict)
            .finish_non_exhaustive()
    }
}

/// A place in a queue. Dropped, it is given up, and a sandbox that came at that moment goes to another call.
struct Ticket<'a> {
    core: &'a Arc<Core>,
    key: TargetKey,
    id: u64,
    grant: oneshot::Receiver<Grant>,
    since: Instant,
}

impl Ticket<'_> {
    async fn wait(mut self) -> Result<Lease, LeaseError> {
        let settings = &self.core.settings;
        let patience = self.since + settings.queue_wait;
        if let Ok(grant) = timeout_at(patience, &mut self.grant).await {
            return self.redeem(grant);
        }
        if let Some(error) = self.give_up(true) {
            return Err(error);
        }
        let grant = timeout_at(patience + settings.start_timeout, &mut self.grant).await;
        match grant {
            Ok(grant) => self.redeem(grant),
            Err(_) => match self.give_up(false) {
                Some(error) => Err(error),
                None => {
                    let grant = (&mut self.grant).await;
                    self.redeem(grant)
                }
            },
        }
    }

    /// The error, where the call waits no longer; none where a grant is there, or will be when the start ends.
    fn give_up(&self, is_patient: bool) -> Option<LeaseError> {
        match self.core.with(|state, now, _| state.give_up(self.key, self.id, is_patient, now)) {
            Patience::Granted | Patience::Starting => None,
            Patience::Over(error) => Some(error),
        }
    }

    fn redeem(&self, grant: Result<Grant, oneshot::error::RecvError>) -> Result<Lease, LeaseError> {
        // The sender lives in the queue, and leaves it only with a grant.
        let (hold, start) = grant.unwrap_or(Err(LeaseError::Closing))?;
        let waited = self.since.elapsed();
        // The start may have begun before this call came, or for another one.
        let load = if start == Start::Cold { hold.load_time().min(waited) } else { Duration::ZERO };
        let mut lease = Lease::new(self.core, self.key, hold, start);
        lease.waited = Waited { queue: waited.saturating_sub(load), load };
        Ok(lease)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        // What is sent before this is received here; what comes after goes back to its sender.
        self.grant.close();
        match self.grant.try_recv() {
            Ok(Ok((hold, start))) => drop(Lease::new(self.core, self.key, hold, start)),
            Ok(Err(_)) => {}
            Err(_) => self.core.with(|state, _, _| state.forget(self.key, self.id)),
        }
    }
}
