//! What is done to the pool from outside a call: retiring, keeping warm, sweeping, closing.

use std::collections::BTreeSet;
use std::sync::Arc;

use cloudbox_types::FunctionId;
use tokio::time::Instant;

use super::State;
use crate::effects::Effects;
use crate::error::LeaseError;
use crate::fleet::Fleet;
use crate::spare_spec::SpareSpec;
use crate::target::{Target, TargetKey};

impl State {
    /// Ends a function's idle sandboxes of other keys than those in `keep`; busy ones end with their calls.
    pub fn retire(&mut self, function: FunctionId, keep: &[TargetKey], now: Instant, effects: &mut Effects) {
        for (key, fleet) in self.fleets.iter_mut().filter(|(key, _)| key.function == function) {
            fleet.is_retired = !keep.contains(key);
            if fleet.is_retired {
                fleet.idle.drain(..).for_each(|idle| effects.kill(*key, idle.slot));
            }
        }
        self.pump(now, effects);
    }

    /// Holds as many sandboxes of a version as its `min_instances` says.
    pub fn keep_warm(&mut self, target: &Arc<Target>, now: Instant, effects: &mut Effects) {
        if self.is_closing {
            return;
        }
        let fleet = self.fleets.entry(target.key).or_insert_with(|| Fleet::new(target));
        fleet.target = Arc::clone(target);
        fleet.warm = target.min_instances.min(target.cap());
        fleet.is_retired = false;
        self.want(target.key, now, effects);
    }

    /// A version is going to be called: has a spare ready that it can be loaded into, if there is none.
    pub fn foresee(&mut self, target: &Arc<Target>, now: Instant, effects: &mut Effects) {
        if self.is_closing {
            return;
        }
        match self.spares.suited(&target.launch) {
            None => self.learn(target, now, effects),
            Some(kind) if kind.there() == 0 => kind.seek(now),
            Some(_) => return,
        }
        self.pump(now, effects);
    }

    /// Holds no spare any more whose root is none of these.
    pub fn retain_roots(&mut self, digests: &BTreeSet<String>, effects: &mut Effects) {
        self.spares.retain_roots(digests).into_iter().for_each(|spare| effects.kill_spare(spare));
    }

    /// Replaces the spares that are wanted.
    pub fn set_spares(&mut self, specs: Vec<SpareSpec>, now: Instant, effects: &mut Effects) {
        if self.is_closing {
            return;
        }
        self.spares.set(specs, now).into_iter().for_each(|spare| effects.kill_spare(spare));
        self.pump(now, effects);
    }

    /// Ends what is idle too long or too old, forgets fleets without anything, and looks again at who wants a start.
    pub fn sweep(&mut self, now: Instant, effects: &mut Effects) {
        let settings = Arc::clone(&self.settings);
        let is_old = |born: Instant| now.duration_since(born) >= settings.max_age;
        let mut ended = 0;
        for (key, fleet) in &mut self.fleets {
            let (mut spendable, mut stale) = (fleet.spendable(), 0);
            let due = fleet.idle.extract_if(.., |idle| {
                let is_stale = now.duration_since(idle.since) >= settings.idle_timeout && spendable > 0;
                stale += u32::from(is_stale);
                let is_due = is_stale || is_old(idle.slot.born);
                spendable -= usize::from(is_due && spendable > 0);
                is_due
            });
            for idle in due {
                ended += 1;
                effects.kill(*key, idle.slot);
            }
            fleet.hold_fewer(stale, now, settings.idle_timeout);
        }
        for spare in self.spares.take_due(|spare| is_old(spare.born)) {
            ended += 1;
            effects.kill_spare(spare);
        }
        if let Some(idle_since) = now.checked_sub(settings.idle_timeout) {
            for spare in self.spares.shrink(idle_since, now) {
                ended += 1;
                effects.kill_spare(spare);
            }
        }
        self.totals.recycled += ended;
        self.fleets.retain(|_, fleet| !fleet.is_empty(now));
        for (key, _) in self.fleets.iter().filter(|(_, fleet)| fleet.wanted(now, &self.machine) > 0) {
            self.rotation.add(*key);
        }
        self.pump(now, effects);
    }

    /// A kill is over, or a back-off: looks at the key again.
    pub fn freed(&mut self, key: Option<TargetKey>, now: Instant, effects: &mut Effects) {
        match key {
            Some(key) => self.want(key, now, effects),
            None => self.pump(now, effects),
        }
    }

    /// No more leases: waiting calls fail, and whatever is not leased ends.
    pub fn close(&mut self, now: Instant, effects: &mut Effects) {
        self.is_closing = true;
        for (key, fleet) in &mut self.fleets {
            fleet.queue.fail_all(|| LeaseError::Closing);
            fleet.idle.drain(..).for_each(|idle| effects.kill(*key, idle.slot));
        }
        self.spares.set(Vec::new(), now).into_iter().for_each(|spare| effects.kill_spare(spare));
    }
}
