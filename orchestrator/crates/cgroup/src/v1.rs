//! A sandbox's cgroup in the first version: a folder per controller, and one in the hybrid hierarchy for control.

use std::path::{Path, PathBuf};

use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;
use cgroups_rs::fs::{Controller, MaxValue};
use cloudbox_types::Limits;

use crate::files::{self, CPU_PERIOD_US};
use crate::kept::Kept;
use crate::{Ceiling, Error, Stats};
use crate::{Cgroup, failed};

/// CPU shares beside the service's own 1024, of a sandbox among sandboxes and of all of them together: under load they come
/// second.
const CPU_SHARES: u64 = 256;

/// The folders of one cgroup.
#[derive(Debug)]
pub(crate) struct Folders {
    pub(crate) memory: PathBuf,
    pub(crate) cpu: PathBuf,
    pub(crate) cpuacct: PathBuf,
    pub(crate) pids: PathBuf,
    pub(crate) devices: Option<PathBuf>,
    pub(crate) freezer: Option<PathBuf>,
    /// In the hybrid hierarchy: no controllers, but `cgroup.kill` and `cgroup.freeze`.
    pub(crate) unified: Option<PathBuf>,
}

/// One cgroup: its folders, and those of their files that calls need.
#[derive(Debug)]
pub(crate) struct Group {
    folders: Folders,
    peak: Kept,
    oom: Kept,
    cpu_time: Kept,
    tasks: Kept,
    /// Whether it takes 1 and 0, or `FROZEN` and `THAWED`.
    freezer: Option<(Kept, [&'static str; 2])>,
}

impl Group {
    pub(crate) fn new(folders: Folders) -> Self {
        let freezer = match (&folders.unified, &folders.freezer) {
            (Some(unified), _) => Some((Kept::new(unified, "cgroup.freeze"), ["0", "1"])),
            (None, Some(freezer)) => Some((Kept::new(freezer, "freezer.state"), ["THAWED", "FROZEN"])),
            (None, None) => None,
        };
        Self {
            peak: Kept::new(&folders.memory, "memory.max_usage_in_bytes"),
            oom: Kept::new(&folders.memory, "memory.oom_control"),
            cpu_time: Kept::new(&folders.cpuacct, "cpuacct.usage"),
            tasks: Kept::new(&folders.pids, "pids.current"),
            freezer,
            folders,
        }
    }

    /// Makes the folders.
    pub(crate) fn create(&self) -> Result<(), Error> {
        self.memory().create().map_err(|error| failed("making the memory group", error))?;
        self.cpu().create().map_err(|error| failed("making the CPU group", error))?;
        self.pids().create().map_err(|error| failed("making the group of processes", error))?;
        let Folders { cpuacct, devices, freezer, unified, .. } = &self.folders;
        let others = [Some(cpuacct), devices.as_ref(), freezer.as_ref(), unified.as_ref()];
        for folder in others.into_iter().flatten() {
            std::fs::create_dir_all(folder)
                .map_err(|error| failed(format!("creating {}", folder.display()), error))?;
        }
        Ok(())
    }

    fn memory(&self) -> MemController {
        MemController::new(self.folders.memory.clone(), PathBuf::new(), false)
    }

    fn cpu(&self) -> CpuController {
        CpuController::new(self.folders.cpu.clone(), PathBuf::new(), false)
    }

    fn pids(&self) -> PidController {
        PidController::new(self.folders.pids.clone(), PathBuf::new(), false)
    }

    fn all(&self) -> impl Iterator<Item = &Path> {
        let Folders { memory, cpu, cpuacct, pids, devices, freezer, unified } = &self.folders;
        let controllers = [memory, cpu, cpuacct, pids];
        let others = [devices.as_ref(), freezer.as_ref(), unified.as_ref()];
        controllers.into_iter().chain(others.into_iter().flatten()).map(PathBuf::as_path)
    }

    /// Memory and memory with swap must never cross, so the order depends on whether the limit rises.
    fn set_memory(&self, bytes: i64) -> Result<(), Error> {
        let memory = self.memory();
        let with_swap = self.folders.memory.join("memory.memsw.limit_in_bytes").exists();
        let set_both = || {
            memory.set_limit(bytes)?;
            if with_swap { memory.set_memswap_limit(bytes) } else { Ok(()) }
        };
        if set_both().is_err() {
            if with_swap {
                memory.set_memswap_limit(bytes).map_err(|error| failed("setting memory.memsw", error))?;
            }
            set_both().map_err(|error| failed(format!("setting the memory limit to {bytes}"), error))?;
        }
        // Refused where the parent counts hierarchically in some kernels; the limit with swap holds anyway.
        let _ = memory.set_swappiness(0);
        Ok(())
    }
}

/// Leaves a group, where devices are counted at all, those that reach nothing: null, zero, full, random, urandom.
pub(crate) fn deny_devices(folder: Option<&Path>) -> Result<(), Error> {
    let Some(folder) = folder else { return Ok(()) };
    match files::set(folder, "devices.deny", "a") {
        // Without root the kernel refuses it in a delegated group, too; there nobody can make a device, or mount one.
        Err(_) if !rustix::process::geteuid().is_root() => return Ok(()),
        other => other?,
    }
    [3, 5, 7, 8, 9]
        .into_iter()
        .try_for_each(|minor| files::set(folder, "devices.allow", &format!("c 1:{minor} rw")))
}

impl Cgroup for Group {
    fn stats(&self) -> Result<Stats, Error> {
        Ok(Stats { memory_peak_bytes: self.peak.number()?, cpu_us: self.cpu_us()? })
    }

    fn cpu_us(&self) -> Result<u64, Error> {
        Ok(self.cpu_time.number()? / 1000)
    }

    fn oom_kills(&self) -> Result<u64, Error> {
        self.oom.field("oom_kill")
    }

    fn tasks(&self) -> Result<u32, Error> {
        Ok(u32::try_from(self.tasks.number()?).unwrap_or(u32::MAX))
    }

    fn processes(&self) -> Vec<i32> {
        files::processes(&self.folders.memory)
    }

    fn set_limits(&self, limits: &Limits) -> Result<(), Error> {
        self.set_memory(i64::try_from(limits.memory_bytes()).unwrap_or(i64::MAX))?;
        let cpu = self.cpu();
        let quota = i64::from(limits.cpu_millis) * i64::from(CPU_PERIOD_US) / 1000;
        cpu.set_cfs_period(u64::from(CPU_PERIOD_US))
            .map_err(|error| failed("setting the CPU period", error))?;
        cpu.set_cfs_quota(quota).map_err(|error| failed("setting the CPU quota", error))?;
        cpu.set_shares(CPU_SHARES).map_err(|error| failed("setting the CPU shares", error))?;
        self.pids()
            .set_pid_max(MaxValue::Value(i64::from(limits.pids)))
            .map_err(|error| failed("setting the limit of processes", error))
    }

    fn set_ceiling(&self, ceiling: &Ceiling) -> Result<(), Error> {
        // Kernels before 5.11 count a group without those below it unless told so, and take it from an empty one alone.
        let _ = files::set(&self.folders.memory, "memory.use_hierarchy", "1");
        self.set_memory(i64::try_from(ceiling.memory_bytes).unwrap_or(i64::MAX))?;
        self.cpu().set_shares(CPU_SHARES).map_err(|error| failed("setting the CPU shares", error))?;
        self.pids()
            .set_pid_max(MaxValue::Value(i64::from(ceiling.pids)))
            .map_err(|error| failed("setting the limit of processes", error))
    }

    fn freeze(&self, is_frozen: bool) -> Result<(), Error> {
        let Some((file, states)) = &self.freezer else {
            return Err(failed("freezing", "neither a freezer nor a unified hierarchy"));
        };
        file.set(states[usize::from(is_frozen)])
    }

    fn add(&self, pid: i32) -> Result<(), Error> {
        self.all().try_for_each(|folder| files::set(folder, "cgroup.procs", &pid.to_string()))
    }

    fn signal(&self) -> Result<(), Error> {
        if let Some(unified) =
            self.folders.unified.as_ref().filter(|folder| folder.join("cgroup.kill").exists())
        {
            return files::set(unified, "cgroup.kill", "1");
        }
        // Frozen, no process can end or fork, so each id read here is still its own; thawed, they die.
        let is_frozen = self.freeze(true).is_ok();
        let killed = files::kill_each(&self.folders.memory);
        if is_frozen {
            self.freeze(false)?;
        }
        killed
    }

    fn is_empty(&self) -> bool {
        files::processes(&self.folders.memory).is_empty()
            && self.folders.unified.as_deref().is_none_or(|unified| files::processes(unified).is_empty())
    }

    fn remove(&self) -> Result<(), Error> {
        self.all().try_for_each(files::remove)
    }
}
