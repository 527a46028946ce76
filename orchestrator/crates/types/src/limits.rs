//! What a sandbox may use, and the ranges that users may ask for.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    /// MB of `/tmp`.
    pub tmp_mb: u32,
    /// Processes and threads.
    pub pids: u32,
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

    /// The memory limit in bytes.
    #[must_use]
    pub const fn memory_bytes(&self) -> u64 {
        (self.memory_mb as u64) << 20
    }
}
