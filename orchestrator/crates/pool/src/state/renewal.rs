//! Sandboxes that are made ready for the next call after each: a forked process that has to end, or a restart.

use std::sync::Arc;

use cloudbox_protocol::Logs;
use cloudbox_sandbox::{AfterCall, LaunchError};
use tokio::time::Instant;

use super::State;
use crate::effects::{Effects, RenewalPlan};
use crate::slot::{Slot, Start};
use crate::target::TargetKey;

impl State {
    /// A sandbox that answered begins its renewal; it counts as starting, so that no other one is started in its place.
    pub(super) fn renew(&mut self, key: TargetKey, slot: Slot, now: Instant, effects: &mut Effects) {
        let Some(slot) = self.unless_yielded(key, slot, now, effects) else { return };
        let is_closing = self.is_closing;
        let fleet = self.fleets.get_mut(&key).expect("a fleet stays while it has sandboxes");
        if is_closing || fleet.is_retired && fleet.queue.is_empty() {
            effects.kill(key, slot);
            return self.want(key, now, effects);
        }
        fleet.starting += 1;
        effects.renewals.push(RenewalPlan { target: Arc::clone(&fleet.target), slot });
    }

    /// It is ready for the next call.
    pub fn renewed(&mut self, key: TargetKey, slot: Slot, logs: Logs, now: Instant, effects: &mut Effects) {
        let fleet = self.fleets.get_mut(&key).expect("a fleet stays while a renewal of it runs");
        fleet.starting -= 1;
        let load_logs = (slot.after_call == AfterCall::Restart).then_some(logs).or(slot.load_logs);
        self.place(key, Slot { load_logs, ..slot }, Start::Warm, now, effects);
        self.want(key, now, effects);
    }

    /// It is not. A process that did not end says nothing of the next start; a restart that failed is a failed start.
    pub fn renewal_failed(
        &mut self,
        key: TargetKey,
        slot: Slot,
        error: LaunchError,
        began: Instant,
        now: Instant,
        effects: &mut Effects,
    ) {
        let after_call = slot.after_call;
        effects.kill(key, slot);
        if after_call == AfterCall::Restart {
            return self.start_failed(key, error, began, now, effects);
        }
        self.totals.faults += 1;
        let fleet = self.fleets.get_mut(&key).expect("a fleet stays while a renewal of it runs");
        fleet.starting -= 1;
        self.want(key, now, effects);
    }
}
