//! A sandbox that serves one key, and the permit that counts it.

use cloudbox_protocol::Logs;
use cloudbox_sandbox::{AfterCall, Error, Sandbox, Shared};
use tokio::time::{Duration, Instant};

use crate::budget::Permit;
use crate::settings::Settings;

/// How the sandbox of a lease was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It was up before the call came, or another call's end gave it free.
    Warm,
    /// The call waited for its start.
    Cold,
}

/// A sandbox with a version's code loaded.
pub(crate) struct Slot {
    pub sandbox: Box<dyn Sandbox>,
    /// What several calls at once have of it, where it answers several.
    pub shared: Option<Shared>,
    pub permit: Permit,
    pub born: Instant,
    pub calls: u32,
    /// When its last call got it.
    pub leased_at: Instant,
    /// How much of a core that call took, as far as is known.
    pub cpu: Duration,
    /// When it was last counted how much CPU time it used in all its calls, and how many microseconds.
    pub counted: Option<(Instant, u64)>,
    pub after_call: AfterCall,
    /// Whether its processes are stopped.
    pub is_frozen: bool,
    /// What the code printed while it was loaded, until a lease takes it.
    pub load_logs: Option<Logs>,
    /// How long it took to bring it up.
    pub load_time: Duration,
}

impl Slot {
    pub fn new(
        sandbox: Box<dyn Sandbox>,
        permit: Permit,
        load_logs: Logs,
        after_call: AfterCall,
        now: Instant,
    ) -> Self {
        let load_logs = Some(load_logs);
        Self {
            shared: sandbox.shared(),
            sandbox,
            permit,
            born: now,
            calls: 0,
            leased_at: now,
            cpu: Duration::ZERO,
            counted: None,
            after_call,
            is_frozen: false,
            load_logs,
            load_time: Duration::ZERO,
        }
    }

    /// Has its processes run again.
    pub fn thaw(&mut self) -> Result<(), Error> {
        if self.is_frozen {
            self.sandbox.freeze(false)?;
            self.is_frozen = false;
        }
        Ok(())
    }

    /// Whether it has served long enough and often enough; one that is shared serves as many more calls as it has seats.
    pub fn is_worn(&self, settings: &Settings, now: Instant) -> bool {
        let seats = self.shared.as_ref().map_or(1, |shared| shared.seats);
        let age = now.duration_since(self.born);
        let is_used_up = self.calls >= settings.max_calls.saturating_mul(seats);
        (is_used_up && age >= settings.min_age) || age >= settings.max_age
    }
}
