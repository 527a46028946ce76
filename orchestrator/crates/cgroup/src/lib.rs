//! Cgroups behind one interface: limits, counters, freezing and killing, in both versions of the hierarchy.
//!
//! A sandbox's processes are found and ended through its cgroup alone, never by a bare process id.

use std::time::Duration;

use cloudbox_types::Limits;
use tokio::time::{Instant, sleep};

mod files;
pub mod hierarchy;
mod kept;
mod v1;
mod v2;

/// The longest that a killed cgroup may take to empty: a process in an uninterruptible wait holds it up.
const EMPTY_WITHIN: Duration = Duration::from_secs(10);

/// What a sandbox used, as its cgroup counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes charged at the highest; where the kernel doesn't keep it, those charged now.
    pub memory_peak_bytes: u64,
    /// Microseconds of CPU.
    pub cpu_us: u64,
}

/// What all sandboxes of a service may use together. Reached, it ends one of them and nothing else of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// Bytes of memory; swap is off.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u32,
}

/// A cgroup could not be made, changed or read.
#[derive(Debug, thiserror::Error)]
#[error("cgroup: {what}")]
pub struct Error {
    /// What was tried.
    what: String,
    /// Why it failed.
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// The cgroup of one sandbox, made by us or by the Docker daemon.
pub trait Cgroup: Send + Sync {
    /// What its processes used.
    ///
    /// # Errors
    /// It is gone.
    fn stats(&self) -> Result<Stats, Error>;

    /// The CPU time alone, in microseconds.
    ///
    /// # Errors
    /// It is gone.
    fn cpu_us(&self) -> Result<u64, Error>;

    /// How often the memory limit has ended a process.
    ///
    /// # Errors
    /// It is gone.
    fn oom_kills(&self) -> Result<u64, Error>;

    /// How many processes and threads it has now; 0 where nothing counts them.
    ///
    /// # Errors
    /// It is gone.
    fn tasks(&self) -> Result<u32, Error>;

    /// The ids of its processes; none where it is gone.
    fn processes(&self) -> Vec<i32>;

    /// Sets memory (without swap), CPU and processes.
    ///
    /// # Errors
    /// The kernel refused one of them.
    fn set_limits(&self, limits: &Limits) -> Result<(), Error>;

    /// Bounds the groups below it together, and gives them as much of a busy CPU as one group beside the service.
    ///
    /// # Errors
    /// The kernel refused one of them.
    fn set_ceiling(&self, ceiling: &Ceiling) -> Result<(), Error>;

    /// Stops or resumes all its processes.
    ///
    /// # Errors
    /// The kernel refused.
    fn freeze(&self, is_frozen: bool) -> Result<(), Error>;

    /// Puts a process that is about to become a sandbox's init into it.
    ///
    /// # Errors
    /// The kernel refused.
    fn add(&self, pid: i32) -> Result<(), Error>;

    /// Sends every process `SIGKILL`, frozen ones included. One that forks meanwhile may be missed: see [`end`].
    ///
    /// # Errors
    /// The kernel refused.
    fn signal(&self) -> Result<(), Error>;

    /// Whether no process is left in it; one that is gone is empty.
    fn is_empty(&self) -> bool;

    /// Removes it.
    ///
    /// # Errors
    /// It is not empty.
    fn remove(&self) -> Result<(), Error>;
}

/// Where a sandbox can have no cgroup: without root and without a delegated group.
pub struct Uncounted;

impl Cgroup for Uncounted {
    fn stats(&self) -> Result<Stats, Error> {
        Ok(Stats::default())
    }

    fn cpu_us(&self) -> Result<u64, Error> {
        Ok(0)
    }

    fn oom_kills(&self) -> Result<u64, Error> {
        Ok(0)
    }

    fn tasks(&self) -> Result<u32, Error> {
        Ok(0)
    }

    fn processes(&self) -> Vec<i32> {
        Vec::new()
    }

    fn set_limits(&self, _: &Limits) -> Result<(), Error> {
        Ok(())
    }

    fn set_ceiling(&self, _: &Ceiling) -> Result<(), Error> {
        Ok(())
    }

    fn freeze(&self, _: bool) -> Result<(), Error> {
        Err(failed("freezing", "no cgroup is delegated to the service's user"))
    }

    fn add(&self, _: i32) -> Result<(), Error> {
        Ok(())
    }

    fn signal(&self) -> Result<(), Error> {
        Ok(())
    }

    fn is_empty(&self) -> bool {
        true
    }

    fn remove(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Kills until nothing is left in it.
///
/// # Errors
/// Something is left after ten seconds.
pub async fn end(cgroup: &dyn Cgroup) -> Result<(), Error> {
    let deadline = Instant::now() + EMPTY_WITHIN;
    let mut pause = Duration::from_micros(500);
    while !cgroup.is_empty() {
        cgroup.signal()?;
        if Instant::now() > deadline {
            return Err(failed("emptying", std::io::Error::from(std::io::ErrorKind::TimedOut)));
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    Ok(())
}

/// For `map_err`-like uses: what was tried, and why it failed.
fn failed(what: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error { what: what.into(), source: source.into() }
}
