//! Calls that have each a sandbox of its own, and find one ready.

use std::time::Duration;

use tokio::time::Instant;

use super::State;
use crate::effects::Effects;
use crate::target::TargetKey;

/// How long a call has the machine to itself before another sandbox is made in place of its own: most calls are over
/// by then, and their end begins it.
const HEAD_START: Duration = Duration::from_millis(20);

impl State {
    /// A call took one: another one is made in its place.
    pub(super) fn took_prepared(&mut self, key: TargetKey, now: Instant, effects: &mut Effects) {
        self.totals.prepared_leases += 1;
        if let Some(fleet) = self.fleets.get_mut(&key) {
            fleet.asked = Some(now);
        }
        effects.timers.push((now + HEAD_START, Some(key)));
    }
}
