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
        let is_for_calls = !fleet.queue.is_empty();
        let (permit, spare) = match self.provide(&target, is_for_calls, now, effects) {
            Ok(provided) => provided,
            Err(Short::Starts) => return Step::NotNow,
            Err(short) => return Step::Short(short),
        };
        self.totals.starts += 1;
        if let Some(fleet) = self.fleets.get_mut(&key) {
            fleet.starting += 1;
            fleet.pace.begin_start(now);
        }
        effects.starts.push(StartPlan { target, permit, spare });
        Step::Started
    }

    /// A permit for a start, with a spare where it is for calls and one is there: what is kept warm can take its time.
    fn provide(
        &mut self,
        target: &Arc<Target>,
        is_for_calls: bool,
        now: Instant,
        effects: &mut Effects,
    ) -> Result<(Permit, Option<Box<dyn Sandbox>>), Short> {
        let spare = if is_for_calls { self.spare_for(target, now, effects) } else { None };
        let (permit, spare) = match spare {
            Some((permit, sandbox)) => (permit, Some(sandbox)),
            None => (self.budget.take(Some(target.key), target.memory_mb())?, None),
        };
        if is_for_calls {
            self.sought_spare(target, spare.is_some(), now, effects);
        }
        Ok((permit, spare))
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
        let kind = self.spares.suited(&target.launch)?;
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
        None
    }

    /// A start for calls began, from a spare or because there was none: what that says of how many are to be held.
    fn sought_spare(&mut self, target: &Target, is_spared: bool, now: Instant, effects: &mut Effects) {
        let may_learn = self.may_learn(target);
        match self.spares.suited(&target.launch) {
            Some(_) if is_spared => {}
            Some(kind) => {
                self.totals.spare_misses += u64::from(kind.spec.most > 0);
                kind.missed();
            }
            None => {
                self.totals.spare_misses += u64::from(may_learn);
                return self.learn(target, now, effects);
            }
        }
        self.spares.sought_by(target.key, &target.launch, is_spared, now);
    }

    fn may_learn(&self, target: &Target) -> bool {
        self.settings.max_learned_spares > 0 && target.is_root_shared
    }

    /// Holds a spare for versions like this one from now on, where none was ever held for them.
    pub(super) fn learn(&mut self, target: &Target, now: Instant, effects: &mut Effects) {
        if !self.may_learn(target) {
            return;
        }
        let most = self.settings.max_learned_spares;
        let surplus = self.spares.learn(&target.launch, self.is_tmp_fixed, most, now);
        surplus.into_iter().for_each(|spare| effects.kill_spare(spare));
    }

    /// Starts missing spares, if no call waits for a start and the last one was not taken just now. For those that starts
    /// asked for idle sandboxes make room, and nothing else takes it meanwhile.
    fn refill(&mut self, now: Instant, effects: &mut Effects) {
        if !self.rotation.is_empty() {
            return;
        }
        let mut is_coming = false;
        for index in 0..self.spares.kinds.len() {
            if self.spares.kinds[index].sought().is_some()
                && let Some(need) = self.start_spares(index, now, effects)
                && let Some(asked) = self.spares.kinds[index].sought()
            {
                is_coming |= self.make_room_for_spare(need, asked, effects);
            }
        }
        if !is_coming {
            for index in 0..self.spares.kinds.len() {
                self.start_spares(index, now, effects);
            }
        }
    }

    /// Starts one kind's missing spares; what the first one needs for which there is no room.
    fn start_spares(&mut self, index: usize, now: Instant, effects: &mut Effects) -> Option<Need> {
        let kind = &mut self.spares.kinds[index];
        while kind.missing() > 0 && kind.may_start(now) {
            match self.budget.take(None, kind.need().memory_mb) {
                Ok(permit) => {
                    kind.begin();
                    let spec = Arc::clone(&kind.spec);
                    effects.refills.push(RefillPlan { kind: kind.id, spec, permit });
                }
                Err(Short::Room) => return Some(kind.need()),
                Err(Short::Starts | Short::Share) => break,
            }
        }
        None
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
