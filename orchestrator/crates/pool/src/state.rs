//! The pool's state, and what happens to it. Every method runs under the pool's one lock and never waits; what takes
//! time goes into [`Effects`].

mod ahead;
mod idle;
mod renewal;
mod room;
mod scale;
mod shared;
mod supply;
mod upkeep;

use std::sync::Arc;

use cloudbox_pace::Machine;
use cloudbox_sandbox::{AfterCall, LaunchError};
use cloudbox_types::IdMap;
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant};

pub(crate) use idle::Watch;

use crate::backoff::Gate;
use crate::budget::Budget;
use crate::effects::Effects;
use crate::error::{LeaseError, Reason, echo, is_of_host};
use crate::fleet::{Fleet, Idle, count};
use crate::rotation::Rotation;
use crate::seat::{Grant, Hold};
use crate::settings::Settings;
use crate::slot::{Slot, Start};
use crate::snapshot::{Snapshot, Totals};
use crate::spares::Spares;
use crate::target::{Target, TargetKey};

/// All that the lock guards.
pub(crate) struct State {
    settings: Arc<Settings>,
    budget: Arc<Budget>,
    fleets: IdMap<TargetKey, Fleet>,
    spares: Spares,
    rotation: Rotation,
    machine: Machine,
    /// The keys that wait for room, as the last look found, the next in turn first.
    short: Vec<TargetKey>,
    is_closing: bool,
    /// Whether a sandbox's `/tmp` keeps its size.
    is_tmp_fixed: bool,
    /// Whether a task looks which idle sandboxes are to be frozen.
    is_idle_watched: bool,
    totals: Totals,
}

/// What a call that wants a lease gets at once.
#[expect(clippy::large_enum_variant, reason = "one is made for a call, and taken apart at once")]
pub(crate) enum Admission {
    /// An idle sandbox, or a seat of one.
    Leased(Hold),
    /// A place in the queue.
    Queued { id: u64, grant: oneshot::Receiver<Grant> },
}

/// What a call learns whose time in the queue is over.
pub(crate) enum Patience {
    /// Its grant is on the way already.
    Granted,
    /// A start is under way for it, which ends by itself.
    Starting,
    /// It waits no longer.
    Over(LeaseError),
}

/// How a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Never used.
    Unused,
    /// The last exchange was answered, and another may follow.
    Answered,
    /// Answered, but it is not clean.
    Dirty,
    /// The process died or broke the protocol.
    Died,
    /// The exchange failed otherwise, or was broken off.
    Failed,
}

impl State {
    pub fn new(settings: Arc<Settings>, budget: Arc<Budget>, is_tmp_fixed: bool) -> Self {
        Self {
            is_tmp_fixed,
            machine: Machine::new(settings.cores, settings.queue_len, settings.has_no_core_to_spare),
            settings,
            budget,
            fleets: IdMap::default(),
            spares: Spares::default(),
            rotation: Rotation::default(),
            short: Vec::new(),
            is_closing: false,
            is_idle_watched: false,
            totals: Totals::default(),
        }
    }

    /// An idle sandbox, or a place in the queue.
    pub fn admit(
        &mut self,
        target: &Arc<Target>,
        now: Instant,
        effects: &mut Effects,
    ) -> Result<Admission, LeaseError> {
        if self.is_closing {
            return Err(LeaseError::Closing);
        }
        let fleet = self.fleets.entry(target.key).or_insert_with(|| Fleet::new(target));
        if !Arc::ptr_eq(&fleet.target, target) {
            // Of calls that came after a retirement: the version is wanted again.
            fleet.target = Arc::clone(target);
            fleet.is_retired = false;
        }
        if let Some(leased) = self.take(target.key, now, effects) {
            self.totals.warm_leases += 1;
            if target.launch.after_call == AfterCall::End {
                self.took_prepared(target.key, now, effects);
            }
            return Ok(leased);
        }
        let fleet = self.fleets.get_mut(&target.key).expect("it was made above");
        fleet.missed_prepared(&self.settings, &mut self.totals, now);
        let queued = self.enqueue(target.key, now, effects);
        if matches!(queued, Err(LeaseError::Overloaded { .. })) {
            self.totals.overloaded += 1;
        }
        queued
    }

    fn enqueue(
        &mut self,
        key: TargetKey,
        now: Instant,
        effects: &mut Effects,
    ) -> Result<Admission, LeaseError> {
        let fleet = self.fleets.get_mut(&key).expect("the caller made the fleet");
        if fleet.target.memory_mb() > self.budget.capacity_mb() {
            return Err(overloaded(Reason::OverBudget, 60));
        }
        if fleet.standing() == 0 {
            match fleet.backoff.gate(now, now + self.settings.queue_wait) {
                Gate::Open => {}
                Gate::Failed(error) => return Err(LeaseError::Launch(error)),
                Gate::Shut { until } => return Err(overloaded(Reason::BackOff, seconds(until, now))),
            }
        }
        let is_full = fleet.unserved() >= self.settings.queue_len;
        if is_full && fleet.standing() >= fleet.target.cap() {
            return Err(overloaded(Reason::QueueFull, 1));
        }
        if fleet.queue.is_empty() {
            fleet.pace.wait(now);
            effects.timers.extend(fleet.backoff.until(now).map(|until| (until, Some(key))));
        }
        let (id, grant) = fleet.queue.push();
        self.want(key, now, effects);
        // A full queue takes no call but one for which a start began.
        let fleet = self.fleets.get_mut(&key).expect("only a sweep forgets fleets");
        if is_full && fleet.unserved() > self.settings.queue_len {
            fleet.queue.remove(id);
            return Err(overloaded(Reason::QueueFull, 1));
        }
        Ok(Admission::Queued { id, grant })
    }

    /// A lease ended.
    pub fn settle(
        &mut self,
        key: TargetKey,
        slot: Slot,
        verdict: Verdict,
        now: Instant,
        effects: &mut Effects,
    ) {
        let fleet = self.fleets.get_mut(&key).expect("a fleet stays while a lease of it is out");
        fleet.busy -= 1;
        self.note(key, verdict, (slot.leased_at, slot.cpu), now, effects);
        let is_worn = slot.is_worn(&self.settings, now);
        match (verdict, slot.after_call) {
            (Verdict::Unused, _) | (Verdict::Answered, AfterCall::Keep) if !is_worn => {
                return self.place(key, slot, Start::Warm, now, effects);
            }
            // What a call left ends with the restart.
            (Verdict::Answered, AfterCall::Settle)
            | (Verdict::Answered | Verdict::Dirty, AfterCall::Restart)
                if !is_worn =>
            {
                return self.renew(key, slot, now, effects);
            }
            (Verdict::Unused | Verdict::Answered, _) => self.totals.recycled += 1,
            (Verdict::Dirty | Verdict::Died | Verdict::Failed, _) => self.totals.faults += 1,
        }
        effects.kill(key, slot);
        self.want(key, now, effects);
    }

    /// What a call's end says of its version: `took` is when it began, and how much of a core it had.
    fn note(
        &mut self,
        key: TargetKey,
        verdict: Verdict,
        (began, cpu): (Instant, Duration),
        now: Instant,
        effects: &mut Effects,
    ) {
        let Some(fleet) = self.fleets.get_mut(&key) else { return };
        if verdict != Verdict::Unused {
            fleet.pace.call_ended(now.duration_since(began), cpu);
        }
        if matches!(verdict, Verdict::Answered | Verdict::Dirty) {
            fleet.backoff.answered();
        }
        if verdict == Verdict::Died {
            fleet.backoff.died(now);
            if let Some(until) = fleet.backoff.until(now)
                && fleet.wanted(now, &self.machine) > 0
            {
                effects.timers.push((until, Some(key)));
            }
        }
    }

    /// A start succeeded.
    pub fn started(&mut self, key: TargetKey, mut slot: Slot, now: Instant, effects: &mut Effects) {
        let fleet = self.fleets.get_mut(&key).expect("a fleet stays while a start of it runs");
        fleet.starting -= 1;
        fleet.backoff.started();
        fleet.pace.started(slot.load_time, now);
        fleet.told(slot.shared.as_ref().map_or(1, |shared| shared.seats));
        slot.permit.stand();
        self.place(key, slot, Start::Cold, now, effects);
        self.want(key, now, effects);
    }

    /// A start that began at `began` failed. The longest waiting call gets the error. Where the code is to blame and
    /// nothing else could serve the others, they get it too; otherwise they wait for the next start.
    pub fn start_failed(
        &mut self,
        key: TargetKey,
        error: LaunchError,
        began: Instant,
        now: Instant,
        effects: &mut Effects,
    ) {
        self.totals.failed_starts += 1;
        let fleet = self.fleets.get_mut(&key).expect("a fleet stays while a start of it runs");
        fleet.starting -= 1;
        fleet.backoff.start_failed(began, now, &error);
        if fleet.queue.is_empty() {
            // Nobody waited for it: the next call says whether it is wanted.
            fleet.ahead = 0;
        }
        if fleet.standing() == 0 && !is_of_host(&error) {
            fleet.queue.fail_all(|| LeaseError::Launch(echo(&error)));
        } else {
            fleet.queue.fail_first(|| LeaseError::Launch(error));
        }
        if fleet.wanted(now, &self.machine) > 0
            && let Some(until) = fleet.backoff.until(now)
        {
            effects.timers.push((until, Some(key)));
        }
        self.want(key, now, effects);
    }

    /// The time of a waiting call is over; `is_patient` where it may go on for a start that is under way for it.
    pub fn give_up(&mut self, key: TargetKey, id: u64, is_patient: bool, now: Instant) -> Patience {
        let Some(fleet) = self.fleets.get_mut(&key) else { return Patience::Granted };
        let Some(position) = fleet.queue.position(id) else { return Patience::Granted };
        if is_patient && position < fleet.coming() {
            return Patience::Starting;
        }
        fleet.queue.remove(id);
        if let Some(error) = fleet.backoff.error(now) {
            return Patience::Over(LeaseError::Launch(error));
        }
        self.totals.overloaded += 1;
        Patience::Over(overloaded(Reason::QueueWait, 1))
    }

    /// The caller of a waiting call went away.
    pub fn forget(&mut self, key: TargetKey, id: u64) {
        if let Some(fleet) = self.fleets.get_mut(&key) {
            fleet.queue.remove(id);
        }
    }

    /// A sandbox that is as good as new goes to the longest waiting call, or becomes idle.
    fn place(&mut self, key: TargetKey, slot: Slot, start: Start, now: Instant, effects: &mut Effects) {
        let Some(slot) = self.unless_yielded(key, slot, now, effects) else { return };
        let is_closing = self.is_closing;
        let Some(slot) = self.open_for_waiting(key, slot, start, now) else { return };
        let fleet = self.fleets.get_mut(&key).expect("a fleet stays while it has sandboxes");
        if slot.shared.is_some() && !fleet.queue.is_empty() {
            // It has ended by itself, so nobody could sit down.
            self.totals.faults += 1;
            effects.kill(key, slot);
            return self.want(key, now, effects);
        }
        let given = fleet.queue.give(Hold::Whole(Slot { leased_at: now, ..slot }), start);
        let Some(Hold::Whole(slot)) = given else {
            fleet.busy += 1;
            match start {
                Start::Warm => {
                    fleet.pace.served();
                    self.totals.warm_leases += 1;
                }
                Start::Cold => self.totals.cold_leases += 1,
            }
            return;
        };
        if fleet.is_retired || is_closing {
            return effects.kill(key, slot);
        }
        fleet.idle.push(Idle { slot, since: now, cpu: (self.settings.this_cpu)() });
        effects.watches_idle |= !std::mem::replace(&mut self.is_idle_watched, true);
        if !self.rotation.is_empty() {
            self.pump(now, effects);
        }
    }

    /// The figures of this moment.
    pub fn snapshot(&self) -> Snapshot {
        let held = self.budget.totals();
        let sum = |of: fn(&Fleet) -> u32| self.fleets.values().map(of).sum();
        let starting = sum(|fleet| fleet.starting);
        let refilling: u32 = self.spares.kinds.iter().map(|kind| kind.starting).sum();
        Snapshot {
            starting: starting + refilling,
            generic: count(self.spares.ready()),
            idle: sum(|fleet| count(fleet.idle.len())),
            prepared: sum(Fleet::prepared),
            busy: sum(|fleet| fleet.in_use() + fleet.closing()),
            draining: held.draining,
            queued: sum(|fleet| count(fleet.queue.len())),
            memory_mb: held.memory_mb,
            memory_budget_mb: self.budget.capacity_mb(),
            totals: self.totals,
        }
    }
}

fn overloaded(reason: Reason, retry_after_s: u32) -> LeaseError {
    LeaseError::Overloaded { retry_after_s, reason }
}

/// Whole seconds until then, at least 1.
fn seconds(until: Instant, now: Instant) -> u32 {
    let wait = until.duration_since(now).as_secs_f64().ceil();
    // At most the longest back-off, so the cast loses nothing.
    (wait as u32).max(1)
}
