//! How many sandboxes the versions of a function may have, changed while they run.

use std::sync::Arc;

use cloudbox_types::{FunctionId, Scale};
use tokio::time::Instant;

use super::State;
use crate::effects::Effects;
use crate::fleet::{Fleet, Idle, count};
use crate::snapshot::Instances;
use crate::target::Target;

impl State {
    /// A function may have another number of sandboxes. Idle ones that are too many end now, busy ones with their
    /// calls; calls that wait get more sandboxes where there may be more. Holding more of them warm is for
    /// [`State::keep_warm`].
    pub fn scale(&mut self, function: FunctionId, scale: Scale, now: Instant, effects: &mut Effects) {
        for (key, fleet) in self.fleets.iter_mut().filter(|(key, _)| key.function == function) {
            for idle in fleet.rescale(scale) {
                self.totals.recycled += 1;
                effects.kill(*key, idle.slot);
            }
            if fleet.wanted(now, &self.machine) > 0 {
                self.rotation.add(*key);
            }
        }
        self.pump(now, effects);
    }

    /// The sandboxes of a function's versions, those that come up and those that are about to be gone included.
    pub fn instances(&self, function: FunctionId) -> Vec<Instances> {
        let fleets = self.fleets.iter().filter(|(key, _)| key.function == function);
        let of_fleet = |(key, fleet): (&_, &Fleet)| Instances {
            key: *key,
            starting: fleet.starting,
            idle: count(fleet.idle.len()),
            frozen: count(fleet.idle.iter().filter(|idle| idle.slot.is_frozen).count()),
            busy: fleet.in_use(),
            draining: self.budget.of_key(key).sandboxes.saturating_sub(fleet.standing()),
            queued: count(fleet.queue.len()),
        };
        fleets.map(of_fleet).collect()
    }
}

impl Fleet {
    /// Takes another scale on; the idle sandboxes that are too many for it, the least recently used first.
    fn rescale(&mut self, scale: Scale) -> Vec<Idle> {
        let Scale { min_instances, max_instances } = scale;
        if (self.target.min_instances, self.target.max_instances) == (min_instances, max_instances) {
            return Vec::new();
        }
        self.target = Arc::new(Target { min_instances, max_instances, ..(*self.target).clone() });
        let warm = self.warm.min(min_instances).min(self.target.cap());
        let released = std::mem::replace(&mut self.warm, warm) - warm;
        let over = self.standing().saturating_sub(self.target.cap());
        // What was held for its own sake goes; what calls use stays until it is idle for long.
        let released = released.min(self.standing().saturating_sub(warm));
        let ending = (over.max(released) as usize).min(self.idle.len());
        self.idle.drain(..ending).collect()
    }
}
