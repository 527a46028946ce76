//! What a sandbox may use, and the ranges that users may ask for.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::EgressRule;

/// The most processes and threads that an operator may allow: as many as there are ids in the smallest kernels.
pub const MOST_PIDS: u32 = 32_768;

/// Seconds that one call may take (the contract's `timeout`).
pub const TIMEOUT_SECONDS: RangeInclusive<u32> = 1..=300;
/// MB (2^20 bytes) of the whole sandbox (the contract's `memory`).
pub const MEMORY_MB: RangeInclusive<u32> = 64..=1024;
/// Thousandths of a CPU core (the contract's `cpu`, there as a decimal of cores).
pub const CPU_MILLIS: RangeInclusive<u32> = 50..=8000;
/// MB of `/tmp`.
pub const TMP_MB: RangeInclusive<u32> = 1..=512;
/// Processes and threads.
pub const PIDS: RangeInclusive<u32> = 16..=1024;

/// What one sandbox may use. Enforced by the kernel, never by the shim alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// Seconds of one call.
    pub timeout_s: u32,
    /// MB of memory, `/tmp` included; swap is off.
    pub memory_mb: u32,
    /// Thousandths of a core.
    pub cpu_millis: u32,
    /// MB of `/tmp`, as far as half of the memory allows: see [`Limits::tmp_bytes`].
    pub tmp_mb: u32,
    /// Processes and threads.
    pub pids: u32,
}

/// What functions may ask for, as the operator sets it.
#[derive(Clone, Debug)]
pub struct Ranges {
    /// Seconds of one call.
    pub timeout_s: RangeInclusive<u32>,
    /// MB of memory.
    pub memory_mb: RangeInclusive<u32>,
    /// Thousandths of a core.
    pub cpu_millis: RangeInclusive<u32>,
    /// MB of `/tmp`.
    pub tmp_mb: RangeInclusive<u32>,
    /// Processes and threads.
    pub pids: RangeInclusive<u32>,
    /// Hosts; none where there is no way out of sandboxes.
    pub egress: Option<Arc<dyn EgressRule>>,
}

impl Default for Ranges {
    fn default() -> Self {
        Self {
            timeout_s: TIMEOUT_SECONDS,
            memory_mb: MEMORY_MB,
            cpu_millis: CPU_MILLIS,
            tmp_mb: TMP_MB,
            pids: PIDS,
            egress: None,
        }
    }
}

impl Ranges {
    /// The longest that a caller may let one call take.
    #[must_use]
    pub fn longest_timeout(&self) -> Duration {
        Duration::from_secs((*self.timeout_s.end()).into())
    }

    /// The limits of a function that asks for none: the usual ones, or what is nearest to them here.
    #[must_use]
    pub fn usual(&self) -> Limits {
        let nearest = |range: &RangeInclusive<u32>, usual: u32| usual.clamp(*range.start(), *range.end());
        let usual = Limits::default();
        Limits {
            timeout_s: nearest(&self.timeout_s, usual.timeout_s),
            memory_mb: nearest(&self.memory_mb, usual.memory_mb),
            cpu_millis: nearest(&self.cpu_millis, usual.cpu_millis),
            tmp_mb: nearest(&self.tmp_mb, usual.tmp_mb),
            pids: nearest(&self.pids, usual.pids),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout_s: 30, memory_mb: 128, cpu_millis: 1000, tmp_mb: 64, pids: 64 }
    }
}

impl Limits {
    /// The longest that one call may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s as u64)
    }

    /// The size of `/tmp` in bytes. Its pages are the sandbox's memory, so at most half of that is for files.
    #[must_use]
    pub fn tmp_bytes(&self) -> u64 {
        u64::from(self.tmp_mb.min(self.memory_mb / 2).max(1)) << 20
    }

    /// The memory limit in bytes.
    #[must_use]
    pub const fn memory_bytes(&self) -> u64 {
        (self.memory_mb as u64) << 20
    }
}
