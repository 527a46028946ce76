//! Where sandboxes come from: who may start one, and whose turn it is.

use std::sync::Arc;

use cloudbox_sandbox::{LaunchError, Sandbox};
use tokio::time::Instant;

use super::State;
use crate::budget::{Need, Permit, Short};
use crate::effects::{Effects, RefillPlan, StartPlan};
use crate::spares::{KindId, Spare};
use crate::target::{Target, TargetKey};

/// Keys without room that are passed over in one look, so that a look stays short.
const MAX_SKIPPED: usize = 16;

/// What became of a key's wish for a start.
enum Step {
    Started,
    Unwanted,
    /// Starts are short, or another key is to have the room first.
    NotNow,
    Short(Short),
}

impl State {
    /// Starts what is wanted and possible, in turn.
    pub(super) fn pump(&mut self, now: Instant, effects: &mut Effects) {
        self.short.clear();
        if self.is_closing {
            return;
        }
        let mut skipped = Vec::new();
        let mut claimed = Need::default();
        let mut first = None;
        while skipped.len() < MAX_SKIPPED {
            let Some(key) = self.rotation.next(&skipped) else { break };
            match self.start_one(key, first, now, effects) {
                Step::Started => self.rotation.turn(key),
                Step::Unwanted => {
                    self.rotation.remove(key);
                    self.look_later(key, now, effects);
                }
                Step::NotNow => skipped.push(key),
                // No call waits: the next sweep looks again.
                Step::Short(_) if !self.has_waiters(key) => self.rotation.remove(key),
                Step::Short(short) => {
                    self.short.push(key);
                    if short == Short::Share {
                        self.make_room_in_share(key, effects);
                    } else {
                        self.make_room(key, &mut claimed, effects);
                        first = first.or(Some(key));
                    }
                    skipped.push(key);
                }
            }
        }
        self.refill(now, effects);
    }

    /// Looks whether a key wants a start.
    pub(super) fn want(&mut self, key: TargetKey, now: Instant, effects: &mut Effects) {
        if self.fleets.get(&key).is_some_and(|fleet| fleet.wanted(now, &self.machine) > 0) {
            self.rotation.add(key);
        } else {
            self.look_later(key, now, effects);
        }
        self.pump(now, effects);
    }

    /// Has calls that wait looked at again, though nothing happens meanwhile.
    fn look_later(&mut self, key: TargetKey, now: Instant, effects: &mut Effects) {
        let next = self.fleets.get_mut(&key).and_then(|fleet| fleet.look_later(now));
        effects.timers.extend(next.map(|next| (next, Some(key))));
    }

    fn has_waiters(&self, key: TargetKey) -> bool {
        self.fleets.get(&key).is_some_and(|fleet| !fleet.queue.is_empty())
    }

    /// Starts one, unless `first` waits for the room that it would take.
    fn start_one(
        &mut self,
        key: TargetKey,
        first: Option<TargetKey>,
        now: Instant,
        effects: &mut Effects,
    ) -> Step {
        let Some(fleet) = self.fleets.get(&key) else { return Step::Unwanted };
        let is_full = self.budget.of_key(&key).sandboxes >= fleet.cap();
        if fleet.wanted(now, &self.machine) == 0 || is_full || fleet.backoff.until(now).is_some() {
            return Step::Unwanted;
        }
        if fleet.is_only_ahead() && self.budget.starting() >= self.machine.starts_ahead() {
            return Step::NotNow;
        }
        let target = Arc::clone(&fleet.target);
        if first.is_some_and(|first| self.goes_before(first, key)) {
            return Step::NotNow;
        }
        // Spares are for calls; what is kept warm can take its time.
        let spare = if fleet.queue.is_empty() { None } else { self.spare_for(&target, now, effects) };
        let (permit, spare) = match spare {
            Some((permit, sandbox)) => (permit, Some(sandbox)),
            None => match self.budget.take(Some(key), target.memory_mb()) {
                Ok(permit) => (permit, None),
                Err(Short::Starts) => return Step::NotNow,
                Err(short) => return Step::Short(short),
            },
        };
        self.totals.starts += 1;
        if let Some(fleet) = self.fleets.get_mut(&key) {
            fleet.starting += 1;
            fleet.pace.begin_start(now);
        }
        effects.starts.push(StartPlan { target, permit, spare });
        Step::Started
    }

    /// A ready spare that this version can be loaded into, if its memory fits.
    fn spare_for(
        &mut self,
        target: &Arc<Target>,
        now: Instant,
        effects: &mut Effects,
    ) -> Option<(Permit, Box<dyn Sandbox>)> {
        if !self.budget.may_hold(target.key.project, Need { memory_mb: target.memory_mb(), sandboxes: 1 }) {
            return None;
        }
        let Some(kind) = self.spares.suited(&target.launch) else {
            self.learn(target, now, effects);
            return None;
        };
        while let Some(spare) = kind.take(now) {
            if kind.spec.program.is_some() && !spare.sandbox.is_clean() {
                effects.kill_spare(spare);
                continue;
            }
            let growth = target.memory_mb().saturating_sub(spare.permit.memory_mb());
            if !self.budget.has(Need { memory_mb: growth, sandboxes: 0 }) {
                kind.ready.push_front(spare);
                return None;
            }
            let Spare { sandbox, mut permit, .. } = spare;
            permit.assign(target.key, target.memory_mb());
            effects.timers.push((kind.rest(now), None));
            self.totals.spare_starts += 1;
            return Some((permit, sandbox));
        }
        if kind.spec.most > 0 {
            self.totals.spare_misses += 1;
        }
        kind.missed();
        None
    }

    /// Holds a spare for versions like this one from now on, where none was ever held for them.
    pub(super) fn learn(&mut self, target: &Target, now: Instant, effects: &mut Effects) {
        if self.settings.max_learned_spares == 0 || !target.is_root_shared {
            return;
        }
        self.totals.spare_misses += 1;
        let most = self.settings.max_learned_spares;
        let surplus = self.spares.learn(&target.launch, self.is_tmp_fixed, most, now);
        surplus.into_iter().for_each(|spare| effects.kill_spare(spare));
    }

    /// Starts missing spares, if no call waits for a start, the last one was not taken just now, and there is room without
    /// ending anything.
    fn refill(&mut self, now: Instant, effects: &mut Effects) {
        if !self.rotation.is_empty() {
            return;
        }
        for kind in &mut self.spares.kinds {
            while kind.missing() > 0 && kind.may_start(now) {
                let Ok(permit) = self.budget.take(None, u64::from(kind.spec.limits.memory_mb)) else { break };
                kind.starting += 1;
                effects.refills.push(RefillPlan { kind: kind.id, spec: Arc::clone(&kind.spec), permit });
            }
        }
    }

    /// A spare is up.
    pub fn refilled(&mut self, id: KindId, mut spare: Spare, now: Instant, effects: &mut Effects) {
        spare.permit.stand();
        match self.spares.get_mut(id) {
            Some(kind) => {
                kind.starting -= 1;
                kind.backoff.started();
                let is_wanted = kind.missing() > 0 && !self.is_closing;
                if is_wanted {
                    kind.ready.push_back(spare);
                } else {
                    effects.kill_spare(spare);
                }
            }
            None => effects.kill_spare(spare),
        }
        self.pump(now, effects);
    }

    /// A spare did not come up.
    pub fn refill_failed(
        &mut self,
        id: KindId,
        error: &LaunchError,
        began: Instant,
        now: Instant,
        effects: &mut Effects,
    ) {
        self.totals.failed_starts += 1;
        if let Some(kind) = self.spares.get_mut(id) {
            kind.starting -= 1;
            kind.backoff.start_failed(began, now, error);
            effects.timers.extend(kind.backoff.until(now).map(|until| (until, None)));
        }
        self.pump(now, effects);
    }
}
