//! The CPU time of calls that share a sandbox: what it uses while several run is divided among them.

use parking_lot::Mutex;

/// Divides a counter that only grows.
#[derive(Debug, Default)]
pub(super) struct Meter(Mutex<Reading>);

#[derive(Debug, Default)]
struct Reading {
    /// Microseconds at the last look.
    counted: u64,
    /// What a call had that ran all the time, in microseconds.
    share: f64,
    calls: u32,
}

impl Reading {
    fn look(&mut self, counted: u64) -> u64 {
        let grown = counted.saturating_sub(self.counted);
        self.counted = counted.max(self.counted);
        // What is used between calls is nobody's.
        if self.calls > 0 {
            self.share += grown as f64 / f64::from(self.calls);
        }
        self.share as u64
    }
}

impl Meter {
    /// The share of a call that runs since the first, at this reading of the counter.
    pub(super) fn share(&self, counted: u64) -> u64 {
        self.0.lock().look(counted)
    }

    /// A call begins.
    pub(super) fn begin(&self, counted: u64) {
        let mut reading = self.0.lock();
        reading.look(counted);
        reading.calls += 1;
    }

    /// A call ends.
    pub(super) fn end(&self, counted: u64) {
        let mut reading = self.0.lock();
        reading.look(counted);
        reading.calls -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_divided_among_those_that_run() {
        let meter = Meter::default();
        let first = meter.share(100);
        meter.begin(100);
        assert_eq!(meter.share(200) - first, 100, "by itself");
        let second = meter.share(200);
        meter.begin(200);
        assert_eq!(meter.share(300) - second, 50, "one of two");
        meter.end(400);
        assert_eq!(meter.share(450) - second, 150);
        meter.end(450);
        assert_eq!(meter.share(1000) - first, 100 + 100 + 50, "nothing while nobody runs");
    }
}
