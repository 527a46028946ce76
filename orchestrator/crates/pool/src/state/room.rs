//! Who gets the room that is short: idle sandboxes make place for calls, and who holds much for who holds little.

use std::time::Duration;

use cloudbox_types::ProjectId;
use tokio::time::Instant;

use super::State;
use crate::budget::{Need, Permit};
use crate::effects::Effects;
use crate::fleet::Fleet;
use crate::slot::Slot;
use crate::target::TargetKey;

/// How long a sandbox serves at least, while another key's calls wait for room.
const TURN: Duration = Duration::from_millis(500);

impl State {
    /// Ends sandboxes that wait, until a start of `key` will fit beside what others of this look claimed. Does
    /// nothing where that would not be enough.
    pub(super) fn make_room(&mut self, key: TargetKey, claimed: &mut Need, effects: &mut Effects) {
        let mut wish = *claimed;
        wish.add(self.need(key));
        let missing = self.budget.missing(wish);
        if !sum(self.idle_permits(|_| true).chain(self.spares.permits())).covers(missing) {
            return;
        }
        *claimed = wish;
        while self.budget.missing(wish) != Need::default() && self.evict_one(effects) {}
    }

    /// The same where the project has its share: its own idle sandboxes make place.
    pub(super) fn make_room_in_share(&mut self, key: TargetKey, effects: &mut Effects) {
        let (project, need) = (key.project, self.need(key));
        let is_own = |key: &TargetKey| key.project == project;
        if !sum(self.idle_permits(is_own)).covers(self.budget.missing_of_share(project, need)) {
            return;
        }
        while self.budget.missing_of_share(project, need) != Need::default() {
            let is_evicted = self.evict_idle(|key, fleet| is_own(key) && fleet.spendable() > 0, effects)
                || self.evict_idle(|key, _| is_own(key), effects);
            self.totals.evictions += u64::from(is_evicted);
            if !is_evicted {
                return;
            }
        }
    }

    /// Ends idle sandboxes that nobody used since a spare was `asked` for, until it will fit; whether it will. Ends none where
    /// that would not be enough.
    pub(super) fn make_room_for_spare(&mut self, need: Need, asked: Instant, effects: &mut Effects) -> bool {
        let yielding = self.fleets.values().flat_map(|fleet| fleet.yielding(asked));
        if !sum(yielding.map(|idle| &idle.slot.permit)).covers(self.budget.missing(need)) {
            return false;
        }
        while self.budget.missing(need) != Need::default() {
            if !self.evict_idle(|_, fleet| fleet.yielding(asked).next().is_some(), effects) {
                return false;
            }
            self.totals.evictions += 1;
        }
        true
    }

    /// What one more sandbox of a key takes.
    fn need(&self, key: TargetKey) -> Need {
        let memory_mb = self.fleets.get(&key).map_or(0, |fleet| fleet.target.memory_mb());
        Need { memory_mb, sandboxes: 1 }
    }

    fn idle_permits(&self, is_meant: impl Fn(&TargetKey) -> bool) -> impl Iterator<Item = &Permit> {
        let fleets = self.fleets.iter().filter(move |(key, _)| is_meant(key));
        fleets.flat_map(|(_, fleet)| fleet.idle.iter().map(|idle| &idle.slot.permit))
    }

    /// Ends the least recently used idle sandbox that is not to stay, else a spare, else any idle one.
    fn evict_one(&mut self, effects: &mut Effects) -> bool {
        let is_evicted = self.evict_idle(|_, fleet| fleet.spendable() > 0, effects)
            || self.spares.evict().map(|spare| effects.kill_spare(spare)).is_some()
            || self.evict_idle(|_, _| true, effects);
        self.totals.evictions += u64::from(is_evicted);
        is_evicted
    }

    fn evict_idle(&mut self, may_lose: impl Fn(&TargetKey, &Fleet) -> bool, effects: &mut Effects) -> bool {
        let fleets =
            self.fleets.iter_mut().filter(|(key, fleet)| !fleet.idle.is_empty() && may_lose(key, fleet));
        let Some((key, fleet)) = fleets.min_by_key(|(_, fleet)| fleet.idle[0].since) else { return false };
        effects.kill(*key, fleet.idle.remove(0).slot);
        self.spares.displaced(*key);
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
    pub(super) fn must_yield(&self, key: TargetKey, born: Instant, now: Instant) -> bool {
        now.duration_since(born) >= TURN
            && self.short.iter().any(|short| *short != key && self.is_due(*short, key))
    }

    /// Whether what `key` gives up is of use to `short`, and `short` is to have it.
    fn is_due(&self, short: TargetKey, key: TargetKey) -> bool {
        let need = self.need(short);
        let lacks_room = self.budget.missing(need) != Need::default();
        let lacks_share = || self.budget.missing_of_share(short.project, need) != Need::default();
        (lacks_room || key.project == short.project && lacks_share()) && self.holds_less(short, key)
    }

    /// Whether a start of `key` would take the room that `first` waits for, which holds less. Without this many small
    /// sandboxes would keep a large one from ever finding room.
    pub(super) fn goes_before(&self, first: TargetKey, key: TargetKey) -> bool {
        let mut both = self.need(first);
        both.add(self.need(key));
        !self.budget.has(both) && self.holdings(first, key).1 > 0 && self.holds_less(first, key)
    }

    /// Whether `short` would still not hold more than `key`, had it a sandbox that `key` has now. Without any it is
    /// always so.
    fn holds_less(&self, short: TargetKey, key: TargetKey) -> bool {
        let (theirs, mine) = self.holdings(short, key);
        theirs == 0 || theirs + self.need(short).memory_mb + self.need(key).memory_mb <= mine
    }

    /// MB that the projects of two keys hold; of two keys of one project, the keys.
    fn holdings(&self, one: TargetKey, other: TargetKey) -> (u64, u64) {
        let of = |key: TargetKey| {
            if one.project == other.project {
                self.budget.of_key(&key)
            } else {
                self.budget.of_project(key.project)
            }
        };
        (of(one).memory_mb, of(other).memory_mb)
    }

    /// There is a project to share with, or it is gone.
    pub fn share(&mut self, project: ProjectId, is_there: bool, now: Instant, effects: &mut Effects) {
        self.budget.share(project, is_there);
        self.pump(now, effects);
    }
}

fn sum<'p>(permits: impl Iterator<Item = &'p Permit>) -> Need {
    permits.fold(Need::default(), |mut sum, permit| {
        sum.add(Need { memory_mb: permit.memory_mb(), sandboxes: 1 });
        sum
    })
}
