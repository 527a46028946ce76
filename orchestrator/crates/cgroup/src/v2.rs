//! A sandbox's cgroup in the second version: one folder.

use std::path::{Path, PathBuf};

use cgroups_rs::fs::MaxValue;
use cgroups_rs::fs::memory::{MemController, SetMemory};
use cgroups_rs::fs::pid::PidController;
use cloudbox_types::Limits;

use crate::files::{self, CPU_PERIOD_US};
use crate::kept::Kept;
use crate::{Ceiling, Error, Stats};
use crate::{Cgroup, failed};

/// The service's CPU weight, where its group is ours to set.
pub(crate) const SERVICE_WEIGHT: &str = "200";
/// CPU weight beside the service's, of a sandbox among sandboxes and of all of them together.
const CPU_WEIGHT: &str = "50";

/// One cgroup: its folder, and those of its files that calls need.
#[derive(Debug)]
pub(crate) struct Group {
    folder: PathBuf,
    usage: Kept,
    peak: Kept,
    oom: Kept,
    cpu: Kept,
    tasks: Kept,
    freezer: Kept,
}

impl Group {
    pub(crate) fn new(folder: &Path) -> Self {
        let kept = |name| Kept::new(folder, name);
        Self {
            folder: folder.to_owned(),
            usage: kept("memory.current"),
            peak: kept("memory.peak"),
            oom: kept("memory.events"),
            cpu: kept("cpu.stat"),
            tasks: kept("pids.current"),
            freezer: kept("cgroup.freeze"),
        }
    }

    /// Memory without swap.
    fn set_memory(&self, bytes: u64) -> Result<(), Error> {
        let max = i64::try_from(bytes).unwrap_or(i64::MAX);
        let memory = SetMemory { low: None, high: None, min: None, max: Some(MaxValue::Value(max)) };
        MemController::new(self.folder.clone(), PathBuf::new(), true)
            .set_mem(memory)
            .map_err(|error| failed(format!("setting the memory limit to {max}"), error))?;
        self.set_optional("memory.swap.max", "0")?;
        self.set_optional("memory.zswap.max", "0")
    }

    fn set_pids(&self, pids: u32) -> Result<(), Error> {
        PidController::new(self.folder.clone(), PathBuf::new(), true)
            .set_pid_max(MaxValue::Value(i64::from(pids)))
            .map_err(|error| failed("setting the limit of processes", error))
    }

    /// What not every kernel has.
    fn set_optional(&self, name: &str, value: &str) -> Result<(), Error> {
        if self.folder.join(name).exists() { files::set(&self.folder, name, value) } else { Ok(()) }
    }
}

impl Cgroup for Group {
    fn stats(&self) -> Result<Stats, Error> {
        Ok(Stats {
            // Since 5.19.
            memory_peak_bytes: self.peak.number().or_else(|_| self.usage.number())?,
            cpu_us: self.cpu_us()?,
        })
    }

    fn cpu_us(&self) -> Result<u64, Error> {
        self.cpu.field("usage_usec")
    }

    fn oom_kills(&self) -> Result<u64, Error> {
        self.oom.field("oom_kill")
    }

    fn tasks(&self) -> Result<u32, Error> {
        Ok(u32::try_from(self.tasks.number()?).unwrap_or(u32::MAX))
    }

    fn processes(&self) -> Vec<i32> {
        files::processes(&self.folder)
    }

    fn set_limits(&self, limits: &Limits) -> Result<(), Error> {
        self.set_memory(limits.memory_bytes())?;
        // Of a sandbox that lost a process nobody knows what is missing, so it ends as a whole (since 4.19).
        self.set_optional("memory.oom.group", "1")?;
        let quota = u64::from(limits.cpu_millis) * u64::from(CPU_PERIOD_US) / 1000;
        files::set(&self.folder, "cpu.max", &format!("{quota} {CPU_PERIOD_US}"))?;
        files::set(&self.folder, "cpu.weight", CPU_WEIGHT)?;
        self.set_pids(limits.pids)?;
        // Nothing may be made below a sandbox's group.
        self.set_optional("cgroup.max.depth", "0")?;
        self.set_optional("cgroup.max.descendants", "0")
    }

    fn set_ceiling(&self, ceiling: &Ceiling) -> Result<(), Error> {
        self.set_memory(ceiling.memory_bytes)?;
        files::set(&self.folder, "cpu.weight", CPU_WEIGHT)?;
        self.set_pids(ceiling.pids)
    }

    fn freeze(&self, is_frozen: bool) -> Result<(), Error> {
        self.freezer.set(if is_frozen { "1" } else { "0" })
    }

    fn add(&self, pid: i32) -> Result<(), Error> {
        files::set(&self.folder, "cgroup.procs", &pid.to_string())
    }

    fn signal(&self) -> Result<(), Error> {
        // Since 5.14.
        if self.folder.join("cgroup.kill").exists() {
            return files::set(&self.folder, "cgroup.kill", "1");
        }
        let is_frozen = self.freeze(true).is_ok();
        let killed = files::kill_each(&self.folder);
        if is_frozen {
            self.freeze(false)?;
        }
        killed
    }

    fn is_empty(&self) -> bool {
        files::processes(&self.folder).is_empty()
    }

    fn remove(&self) -> Result<(), Error> {
        files::remove(&self.folder)
    }
}
