//! The sandboxes of one key, and the calls that wait for them.

mod ahead;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use cloudbox_pace::{Load, Machine, Pace};
use cloudbox_sandbox::AfterCall;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::queue::Queue;
use crate::seat::Open;
use crate::slot::Slot;
use crate::target::Target;

/// How long a CPU's caches are taken to know what ran there.
const MOMENT: Duration = Duration::from_millis(5);
/// How many of the most recently used are looked at for one of this CPU's.
const LOOKED_AT: usize = 16;

/// The sandboxes of one key. Where calls wait, none is idle.
pub(crate) struct Fleet {
    pub target: Arc<Target>,
    /// The most recently used last.
    pub idle: Vec<Idle>,
    /// Leased ones; the leases own them.
    pub busy: u32,
    /// Those that calls share, each with one call at least.
    pub open: Vec<Open>,
    /// How often one was opened.
    pub opened: u64,
    /// Calls that one takes at once: as wanted, until the first one of this version has told.
    seats: u32,
    /// Those under way; the starts' tasks own them.
    pub starting: u32,
    pub queue: Queue,
    pub backoff: Backoff,
    pub pace: Pace,
    /// How many stay up without calls.
    pub warm: u32,
    /// How many are held ready beside those that have calls, where each serves one call.
    pub ahead: u32,
    /// When a call last wanted one of these.
    pub asked: Option<Instant>,
    /// Whether none is kept after its call.
    pub is_retired: bool,
}

/// A sandbox that waits for a call.
pub(crate) struct Idle {
    pub slot: Slot,
    pub since: Instant,
    /// Where its last call ended.
    pub cpu: usize,
}

impl Fleet {
    pub fn new(target: &Arc<Target>) -> Self {
        let told = target.told_seats.load(Relaxed);
        Self {
            target: Arc::clone(target),
            idle: Vec::new(),
            busy: 0,
            open: Vec::new(),
            opened: 0,
            seats: if told == 0 { target.launch.load.concurrency } else { told },
            starting: 0,
            queue: Queue::default(),
            backoff: Backoff::default(),
            pace: Pace::default(),
            warm: 0,
            ahead: 0,
            asked: None,
            is_retired: false,
        }
    }

    /// One has come up, and told how many calls it takes at once.
    pub fn told(&mut self, seats: u32) {
        self.seats = seats;
        self.target.told_seats.store(seats, Relaxed);
    }

    /// Takes the most recently used idle one; rather one of this CPU's, where that was used a moment ago: it needn't move.
    pub fn take_idle(&mut self, now: Instant, cpu: usize) -> Option<Slot> {
        let is_near = |idle: &Idle| idle.cpu == cpu && now.duration_since(idle.since) < MOMENT;
        let near = self.idle.iter().rev().take(LOOKED_AT).position(is_near).unwrap_or(0);
        let Idle { slot, .. } = self.idle.remove(self.idle.len().checked_sub(near + 1)?);
        Some(Slot { leased_at: now, ..slot })
    }

    /// Those that have calls, and may have further ones.
    pub fn in_use(&self) -> u32 {
        self.busy + count(self.open.len()) - self.closing()
    }

    /// Those that take no further call, and end with the last one that they have.
    pub fn closing(&self) -> u32 {
        count(self.open.iter().filter(|open| open.is_closed).count())
    }

    /// Idle ones, those in use, and those that are starting.
    pub fn standing(&self) -> u32 {
        count(self.idle.len()) + self.in_use() + self.starting
    }

    /// How many there may be, with those that are about to end: these have successors at once, since a call that goes on for
    /// long would otherwise keep all others waiting; no more of them than the function may have anyway.
    pub fn cap(&self) -> u32 {
        let cap = self.target.cap();
        cap + self.closing().min(cap)
    }

    /// How many starts would be of use now, whatever the limits say; with each that begins it may become fewer.
    pub fn wanted(&self, now: Instant, machine: &Machine) -> u32 {
        let for_queue = self.wanted_by_calls(now, machine);
        let for_warmth = if self.is_retired { 0 } else { self.warm.saturating_sub(self.standing()) };
        let wanted = for_queue.max(for_warmth).max(self.wanted_ahead());
        if self.backoff.is_probing() { wanted.min(1_u32.saturating_sub(self.starting)) } else { wanted }
    }

    fn wanted_by_calls(&self, now: Instant, machine: &Machine) -> u32 {
        let calls = count(self.unserved());
        // Each sandbox takes as many of them at once as it has seats.
        let waiting = calls.div_ceil(self.seats.max(1));
        if waiting == 0 || self.serves_once() {
            return waiting;
        }
        let load = Load { waiting, calls, standing: self.standing(), busy: self.in_use() };
        if self.pace.pays(load, now, machine) {
            return waiting;
        }
        // Those that may not wait.
        calls.saturating_sub(count(machine.queue_len)).div_ceil(self.seats.max(1))
    }

    /// Whether a sandbox, or what was started in it, serves one call.
    fn serves_once(&self) -> bool {
        matches!(self.target.launch.after_call, AfterCall::Restart | AfterCall::End)
    }

    /// When to look again whether the calls that wait get another sandbox; none where somebody does already, or there
    /// can't be another one.
    pub fn look_later(&mut self, now: Instant) -> Option<Instant> {
        let is_waiting = self.unserved() > 0 && self.standing() < self.target.cap();
        if is_waiting && self.backoff.until(now).is_none() { self.pace.look_later(now) } else { None }
    }

    /// Calls that wait without a start under way for them.
    pub fn unserved(&self) -> usize {
        self.queue.len().saturating_sub(self.coming())
    }

    /// Calls that the starts under way will serve first.
    pub fn coming(&self) -> usize {
        self.starting.saturating_mul(self.seats) as usize
    }

    /// Idle ones that may go without falling below what is to stay.
    pub fn spendable(&self) -> usize {
        let over = if self.is_retired { u32::MAX } else { self.standing().saturating_sub(self.warm) };
        self.idle.len().min(over as usize)
    }

    /// Idle ones that may end for a spare that was asked for then: those that nobody has used since. What is held ready for
    /// its own sake would take the room back at once.
    pub fn yielding(&self, asked: Instant) -> impl Iterator<Item = &Idle> {
        let spendable = if self.ahead > 0 { 0 } else { self.spendable() };
        self.idle.iter().take(spendable).take_while(move |idle| idle.since < asked)
    }

    /// Whether it can be forgotten.
    pub fn is_empty(&self, now: Instant) -> bool {
        let is_held = self.warm.max(self.ahead) > 0 && !self.is_retired;
        let has_none = self.standing() == 0 && self.open.is_empty();
        has_none && self.queue.is_empty() && !is_held && self.backoff.is_over(now)
    }
}

/// A length as a count; there are never 2^32 sandboxes or calls.
pub(crate) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
