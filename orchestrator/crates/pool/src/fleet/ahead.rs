//! Sandboxes that serve one call each, held ready with their code loaded before the call comes.
//!
//! How many follows demand: a call that finds none raises the number by one, up to a bound, and those that nobody took for as
//! long as idle sandboxes stay are given up. They are started in the background, without generic spares, which are for calls
//! that wait, and no other sandbox ends for them.

use std::time::Duration;

use cloudbox_sandbox::AfterCall;
use cloudbox_types::FunctionId;
use tokio::time::Instant;

use super::{Fleet, count};
use crate::settings::Settings;
use crate::snapshot::Totals;

impl Fleet {
    /// Sandboxes that are ready for the one call that they serve.
    pub fn prepared(&self) -> u32 {
        if self.is_of_one_call() { count(self.idle.len()) } else { 0 }
    }

    /// A call found none ready: one more is held from now on. Code that came with its call may never be called again.
    pub fn missed_prepared(&mut self, settings: &Settings, totals: &mut Totals, now: Instant) {
        let is_stored = self.target.key.function.0 < FunctionId::FIRST_INLINE.0;
        if settings.max_prepared == 0 || !is_stored || !self.is_of_one_call() {
            return;
        }
        totals.prepared_misses += 1;
        self.asked = Some(now);
        self.ahead = self.ahead.saturating_add(1).min(settings.max_prepared);
    }

    /// Nobody took as many as `stale` for long: fewer are held, and none where no call came in that time.
    pub fn hold_fewer(&mut self, stale: u32, now: Instant, idle_timeout: Duration) {
        let is_forgotten = self.asked.is_some_and(|asked| now.duration_since(asked) >= idle_timeout);
        self.ahead = if is_forgotten { 0 } else { self.ahead.saturating_sub(stale) };
    }

    /// Starts that are wanted so that a call to come finds one ready; none while calls wait.
    pub(super) fn wanted_ahead(&self) -> u32 {
        let is_not_now = self.is_retired || !self.queue.is_empty();
        if is_not_now { 0 } else { self.ahead.saturating_sub(count(self.idle.len()) + self.starting) }
    }

    /// Whether starts are wanted for calls to come alone.
    pub fn is_only_ahead(&self) -> bool {
        self.queue.is_empty() && self.warm <= self.standing()
    }

    fn is_of_one_call(&self) -> bool {
        self.target.launch.after_call == AfterCall::End
    }
}
