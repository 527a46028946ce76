//! Where sandboxes come from: who may start one, what makes room for it, and whose turn it is when room is short.

use std::sync::Arc;
use std::time::Duration;

use cloudbox_sandbox::{LaunchError, Sandbox};
use tokio::time::Instant;

use super::State;
use crate::budget::{Need, Permit, Short};
use crate::effects::{Effects, RefillPlan, StartPlan};
use crate::fleet::Fleet;
use crate::slot::Slot;
use crate::spares::{KindId, Spare};
use crate::target::{Target, TargetKey};

/// How long a sandbox serves at least, while another key's calls wait for room.
const TURN: Duration = Duration::from_millis(500);
/// Keys without room that are passed over in one look, so that a look stays short.
const MAX_SKIPPED: usize = 16;

/// What became of a key's wish for a start.
enum Step {
    Started,
    Unwanted,
    NoStart,
    NoRoom,
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
        while skipped.len() < MAX_SKIPPED {
            let Some(key) = self.rotation.next(&skipped) else { break };
            match self.start_one(key, now, effects) {
                Step::Started => self.rotation.turn(key),
                Step::Unwanted => self.rotation.remove(key),
                Step::NoStart => skipped.push(key),
                // No call waits: the next sweep looks again.
                Step::NoRoom if !self.has_waiters(key) => self.rotation.remove(key),
                Step::NoRoom => {
                    self.make_room(key, &mut claimed, effects);
                    skipped.push(key);
                }
            }
        }
        self.refill(now, effects);
    }

    /// Looks whether a key wants a start.
    pub(super) fn want(&mut self, key: TargetKey, now: Instant, effects: &mut Effects) {
        if self.fleets.get(&key).is_some_and(|fleet| fleet.wanted() > 0) {
            self.rotation.add(key);
        }
        self.pump(now, effects);
    }

    fn has_waiters(&self, key: TargetKey) -> bool {
        self.fleets.get(&key).is_some_and(|fleet| !fleet.queue.is_empty())
    }

    fn start_one(&mut self, key: TargetKey, now: Instant, effects: &mut Effects) -> Step {
        let Some(fleet) = self.fleets.get(&key) else { return Step::Unwanted };
        let is_full = self.budget.of_key(&key).sandboxes >= fleet.target.cap();
        if fleet.wanted() == 0 || is_full || fleet.backoff.until(now).is_some() {
            return Step::Unwanted;
        }
        let target = Arc::clone(&fleet.target);
        // Spares are for calls; what is kept warm can take its time.
        let spare = if fleet.queue.is_empty() { None } else { self.spare_for(&target, now, effects) };
        let (permit, spare) = match spare {
            Some((permit, sandbox)) => (permit, Some(sandbox)),
            None => match self.budget.take(Some(key), target.memory_mb()) {
                Ok(permit) => (permit, None),
                Err(Short::Starts) => return Step::NoStart,
                Err(Short::Room) => return Step::NoRoom,
            },
        };
        self.totals.starts += 1;
        if let Some(fleet) = self.fleets.get_mut(&key) {
            fleet.starting += 1;
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
        if self.settings.max_learned_spares == 0 {
            return;
        }
        self.totals.spare_misses += 1;
        let most = self.settings.max_learned_spares;
        let surplus = self.spares.learn(&target.launch, self.is_tmp_fixed, most, now);
        surplus.into_iter().for_each(|spare| effects.kill_spare(spare));
    }

    /// Ends sandboxes that wait, until a start of `key` will fit beside what others of this look claimed. Does
    /// nothing where that would not be enough.
    fn make_room(&mut self, key: TargetKey, claimed: &mut Need, effects: &mut Effects) {
        let Some(fleet) = self.fleets.get(&key) else { return };
        self.short.push(key);
        let mut wish = *claimed;
        wish.add(Need { memory_mb: fleet.target.memory_mb(), sandboxes: 1 });
        let missing = self.budget.missing(wish);
        let evictable = self.evictable();
        if missing.memory_mb > evictable.memory_mb || missing.sandboxes > evictable.sandboxes {
            return;
        }
        *claimed = wish;
        while self.budget.missing(wish) != Need::default() && self.evict_one(effects) {}
    }

    fn evictable(&self) -> Need {
        let idle = self.fleets.values().flat_map(|fleet| fleet.idle.iter().map(|idle| &idle.slot.permit));
        let mut sum = Need::default();
        for permit in idle.chain(self.spares.permits()) {
            sum.add(Need { memory_mb: permit.memory_mb(), sandboxes: 1 });
        }
        sum
    }

    /// Ends the least recently used idle sandbox that is not to stay, else a spare, else any idle one.
    fn evict_one(&mut self, effects: &mut Effects) -> bool {
        let is_evicted = self.evict_idle(|fleet| fleet.spendable() > 0, effects)
            || self.spares.evict().map(|spare| effects.kill_spare(spare)).is_some()
            || self.evict_idle(|_| true, effects);
        self.totals.evictions += u64::from(is_evicted);
        is_evicted
    }

    fn evict_idle(&mut self, may_lose: impl Fn(&Fleet) -> bool, effects: &mut Effects) -> bool {
        let fleets = self.fleets.iter_mut().filter(|(_, fleet)| !fleet.idle.is_empty() && may_lose(fleet));
        let Some((key, fleet)) = fleets.min_by_key(|(_, fleet)| fleet.idle[0].since) else { return false };
        effects.kill(*key, fleet.idle.remove(0).slot);
        true
    }

    /// A sandbox of `key` that became free, unless there are too many of it or it has to make room for another key: then
    /// it ends.
    pub(super) fn unless_yielded(
        &mut self,
        key: TargetKey,
        slot: Slot,
        now: Instant,
        effects: &mut Effects,
    ) -> Option<Slot> {
        let is_over = self.fleets.get(&key).is_some_and(|fleet| fleet.standing() >= fleet.target.cap());
        if !is_over && !self.must_yield(key, slot.born, now) {
            return Some(slot);
        }
        let total = if is_over { &mut self.totals.recycled } else { &mut self.totals.evictions };
        *total += 1;
        effects.kill(key, slot);
        self.rotation.turn(key);
        self.want(key, now, effects);
        None
    }

    /// Whether a sandbox of `key` that became free is given up: it had its turn, another key is short of room, and
    /// that one's project (or in the same project, its function) holds less.
    fn must_yield(&self, key: TargetKey, born: Instant, now: Instant) -> bool {
        now.duration_since(born) >= TURN
            && self.short.iter().any(|short| *short != key && self.is_due(*short, key))
    }

    fn is_due(&self, short: TargetKey, key: TargetKey) -> bool {
        let Some(fleet) = self.fleets.get(&short) else { return false };
        let need = Need { memory_mb: fleet.target.memory_mb(), sandboxes: 1 };
        if self.budget.missing(need) == Need::default() {
            return false;
        }
        let (mine, theirs) = if key.project == short.project {
            (self.budget.of_key(&key).memory_mb, self.budget.of_key(&short).memory_mb)
        } else {
            (self.budget.of_project(key.project), self.budget.of_project(short.project))
        };
        let own = self.fleets.get(&key).map_or(0, |fleet| fleet.target.memory_mb());
        theirs == 0 || theirs + need.memory_mb + own <= mine
    }

    /// Starts missing spares, if no call waits for a start and there is room without ending anything.
    fn refill(&mut self, now: Instant, effects: &mut Effects) {
        if !self.rotation.is_empty() {
            return;
        }
        for kind in &mut self.spares.kinds {
            while kind.missing() > 0 && kind.backoff.until(now).is_none() {
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
