//! Where the time of a call went.

use serde::{Deserialize, Serialize};

/// Microseconds of one call, by what they were spent on. Kept as a list of five numbers, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 5]", into = "[u64; 5]")]
pub struct Timing {
    /// Waiting for a sandbox that others used, or for room for another one.
    pub queue_us: u64,
    /// What else it took to have the sandbox: choosing it, thawing it, reading its counters; at the first call after a
    /// deploy or a start of the service also making the runtime ready.
    pub lease_us: u64,
    /// Giving the code to a generic sandbox, or starting one with it; 0 for a warm call.
    pub load_us: u64,
    /// In the sandbox.
    pub exec_us: u64,
    /// All of it, from when the request was read to when the answer was there.
    pub total_us: u64,
}

impl Timing {
    /// Each with its name, in the order in which they pass.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u64); 5] {
        [
            ("queue", self.queue_us),
            ("lease", self.lease_us),
            ("load", self.load_us),
            ("exec", self.exec_us),
            ("total", self.total_us),
        ]
    }
}

impl From<[u64; 5]> for Timing {
    fn from([queue_us, lease_us, load_us, exec_us, total_us]: [u64; 5]) -> Self {
        Self { queue_us, lease_us, load_us, exec_us, total_us }
    }
}

impl From<Timing> for [u64; 5] {
    fn from(timing: Timing) -> Self {
        timing.named().map(|(_, micros)| micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_as_five_numbers() {
        let timing = Timing { queue_us: 20, lease_us: 100, load_us: 0, exec_us: 1200, total_us: 1500 };
        let text = serde_json::to_string(&timing).unwrap();
        assert_eq!(text, "[20,100,0,1200,1500]");
        assert_eq!(serde_json::from_str::<Timing>(&text).unwrap(), timing);
    }
}
