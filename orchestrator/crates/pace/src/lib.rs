//! How quickly a key's calls are served, and whether one more sandbox would serve those that wait any sooner.
//!
//! As many sandboxes as there are cores start for calls that wait, whatever they are. More of them start when those that
//! are there would need longer for what waits than a start takes, as far as can be told: by how long calls took before,
//! by how many of those that wait were served lately, or since calls have been waiting for that long without a pause.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// What a start is taken for before the first one has ended.
const USUAL_START: Duration = Duration::from_millis(100);
/// A start is never taken for less, since it disturbs whatever runs.
const LEAST_START: Duration = Duration::from_millis(10);
/// What a start is taken for at least while the machine has no core to spare.
const BUSY_START: Duration = Duration::from_secs(1);
/// Of the time that the cores need for what waits, a bit more: no further sandbox makes them faster.
const OF_CORES: f64 = 1.5;
/// Between two looks at a key whose calls wait, at least.
const LOOK: Duration = Duration::from_millis(5);
/// How long the machine is taken to be as it was found.
const AS_FOUND: Duration = Duration::from_millis(10);
/// Calls that tell how long others will take.
const KNOWN: u32 = 4;

/// What matters besides the calls themselves.
pub struct Machine {
    cores: u32,
    /// Calls that may wait.
    pub queue_len: usize,
    has_no_core_to_spare: fn() -> bool,
    found: Cell<Option<(Instant, bool)>>,
}

/// What was seen of the calls of one key.
#[derive(Default)]
pub struct Pace {
    ended: u32,
    /// Seconds of a call.
    call: Mean,
    /// Seconds of a core that it takes.
    cpu: Mean,
    /// Seconds of a start.
    start: Mean,
    /// Since when calls wait without a pause, or the last start for them.
    waiting: Option<Instant>,
    /// Since when the sandboxes are as many as they are.
    since: Option<Instant>,
    /// Calls that waited and were served since.
    served: u32,
    /// When it is looked at again.
    next_look: Option<Instant>,
}

/// The calls that wait, and the sandboxes that are there.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Sandboxes' fill of calls without a start under way for them.
    pub waiting: u32,
    /// These calls: more, where a sandbox takes several at once.
    pub calls: u32,
    /// Sandboxes, those that are coming up included.
    pub standing: u32,
    /// Of these, those that have a call.
    pub busy: u32,
}

/// A mean that forgets: soon where values are smaller, since the first calls of a sandbox are slow, slowly where they
/// are larger.
#[derive(Clone, Copy, Debug, Default)]
struct Mean(Option<f64>);

impl Machine {
    /// With so many cores, calls of a key that may wait, and what asks whether all cores have something to run.
    #[must_use]
    pub const fn new(cores: u32, queue_len: usize, has_no_core_to_spare: fn() -> bool) -> Self {
        Self { cores, queue_len, has_no_core_to_spare, found: Cell::new(None) }
    }

    /// Starts under way beside which none begins for which no call waits: calls are to have the other half of the cores.
    pub fn starts_ahead(&self) -> u32 {
        (self.cores / 2).max(1)
    }

    fn is_busy(&self, now: Instant) -> bool {
        match self.found.get() {
            Some((at, is_busy)) if now.duration_since(at) < AS_FOUND => is_busy,
            _ => {
                let is_busy = (self.has_no_core_to_spare)();
                self.found.set(Some((now, is_busy)));
                is_busy
            }
        }
    }
}

impl Mean {
    fn note(&mut self, value: f64) {
        self.0 = Some(match self.0 {
            None => value,
            Some(mean) if value < mean => f64::midpoint(mean, value),
            Some(mean) => mean + (value - mean) / 8.0,
        });
    }
}

impl Pace {
    /// A call was served, in this time and with this much of a core.
    pub fn call_ended(&mut self, took: Duration, cpu: Duration) {
        self.ended = self.ended.saturating_add(1);
        self.call.note(took.as_secs_f64());
        self.cpu.note(cpu.as_secs_f64());
    }

    /// A call waits where none did before.
    pub fn wait(&mut self, now: Instant) {
        self.waiting = Some(now);
        self.since = Some(now);
        self.served = 0;
    }

    /// A call that waited has a sandbox that another one gave free.
    pub fn served(&mut self) {
        self.served = self.served.saturating_add(1);
    }

    /// A start for calls that wait begins.
    pub fn begin_start(&mut self, now: Instant) {
        self.waiting = Some(now);
    }

    /// A start has ended after this time, so there is one sandbox more.
    pub fn started(&mut self, took: Duration, now: Instant) {
        self.start.note(took.as_secs_f64());
        self.since = Some(now);
        self.served = 0;
    }

    /// Whether one more sandbox would serve what waits sooner.
    pub fn pays(&self, load: Load, now: Instant, machine: &Machine) -> bool {
        if load.standing < machine.cores {
            return true;
        }
        if load.busy == 0 {
            // The first ones are still coming up: what they will be like is not known.
            return false;
        }
        let (waiting, calls, standing) =
            (f64::from(load.waiting), f64::from(load.calls), f64::from(load.standing));
        let call = self.call.0.filter(|_| self.ended >= KNOWN);
        let by_calls = call.map_or(0.0, |call| waiting * call / standing);
        let by_cores = calls * self.cpu.0.unwrap_or(0.0) / f64::from(machine.cores);
        if call.is_some() && by_calls < OF_CORES * by_cores {
            return false;
        }
        let start = self.start_time();
        let drained = by_calls.max(self.drained(load, start, now));
        let waiting = self.waiting.max(self.since);
        let is_long = waiting.is_some_and(|since| now.duration_since(since) >= start);
        if drained <= start.as_secs_f64() && !is_long {
            return false;
        }
        !machine.is_busy(now) || drained > start.max(BUSY_START).as_secs_f64()
    }

    /// When to look at it again, unless somebody does already.
    pub fn look_later(&mut self, now: Instant) -> Option<Instant> {
        if self.next_look.is_some_and(|next| next > now) {
            return None;
        }
        let next = now + (self.start_time() / 4).max(LOOK);
        self.next_look = Some(next);
        Some(next)
    }

    fn start_time(&self) -> Duration {
        self.start.0.map_or(USUAL_START, Duration::from_secs_f64).max(LEAST_START)
    }

    /// Seconds in which what waits would be served at the pace of late, with the sandboxes that come up, too: as if one
    /// more call ended right now. 0 where there was too little time to tell.
    fn drained(&self, load: Load, start: Duration, now: Instant) -> f64 {
        let Some(since) = self.since else { return 0.0 };
        let elapsed = now.duration_since(since);
        if elapsed < start / 4 {
            return 0.0;
        }
        let each = elapsed.as_secs_f64() / f64::from(self.served.saturating_add(1));
        f64::from(load.calls) * each * f64::from(load.busy) / f64::from(load.standing)
    }
}

#[cfg(test)]
mod tests;
