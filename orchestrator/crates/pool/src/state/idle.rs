//! Idle sandboxes don't run: what stays without a call for a moment is frozen.

use tokio::time::Instant;

use super::State;
use crate::effects::Effects;
use crate::fleet::Idle;

/// Sandboxes that are frozen under one hold of the lock, at some tens of microseconds each.
const AT_ONCE: usize = 4;

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watch {
    /// There is more to freeze.
    Now,
    /// Some are idle for too short a time.
    Later,
    /// Every idle sandbox is frozen.
    Over,
}

impl State {
    /// Freezes idle sandboxes that are due. One that is not clean ends.
    pub fn freeze_idle(&mut self, now: Instant, effects: &mut Effects) -> Watch {
        let freeze_after = self.settings.freeze_after;
        let (mut done, mut is_later) = (0, false);
        for (key, fleet) in &mut self.fleets {
            let mut index = 0;
            while let Some(Idle { slot, since, .. }) = fleet.idle.get_mut(index) {
                if slot.is_frozen || now.duration_since(*since) < freeze_after {
                    is_later |= !slot.is_frozen;
                    index += 1;
                    continue;
                }
                if done == AT_ONCE {
                    return Watch::Now;
                }
                done += 1;
                if slot.sandbox.is_clean() {
                    // Where there is no freezer, `/health` says so; there is nothing to be done about it here.
                    let _ = slot.sandbox.freeze(true);
                    slot.is_frozen = true;
                    index += 1;
                } else {
                    self.totals.faults += 1;
                    effects.kill(*key, fleet.idle.remove(index).slot);
                }
            }
        }
        self.is_idle_watched = is_later;
        if is_later { Watch::Later } else { Watch::Over }
    }
}
