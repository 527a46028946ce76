//! Reading and writing a cgroup's files. cgroups-rs panics where one of them disappears half way, so reading is ours.

use std::io;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::Error;
use crate::failed;

/// Microseconds over which a CPU quota counts.
pub(crate) const CPU_PERIOD_US: u32 = 100_000;

/// Writes a value. Never makes a file: a cgroup that is gone stays gone.
pub(crate) fn set(folder: &Path, name: &str, value: &str) -> Result<(), Error> {
    let path = folder.join(name);
    let write =
        || io::Write::write_all(&mut std::fs::OpenOptions::new().write(true).open(&path)?, value.as_bytes());
    write().map_err(|error| failed(format!("writing {value} to {}", path.display()), error))
}

/// The ids of a cgroup's processes; none where it is gone.
pub(crate) fn processes(folder: &Path) -> Vec<i32> {
    let text = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Sends each process of a cgroup `SIGKILL`, through a pidfd that is checked to be still of this cgroup.
pub(crate) fn kill_each(folder: &Path) -> Result<(), Error> {
    for pid in processes(folder).into_iter().filter_map(Pid::from_raw) {
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        // The id may have been given to another process between the list and the descriptor.
        if !processes(folder).contains(&pid.as_raw_nonzero().get()) {
            continue;
        }
        match pidfd_send_signal(&process, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(failed("ending a process", io::Error::from(error))),
        }
    }
    Ok(())
}

/// Removes a cgroup's folder and those below it; one that is gone already is no error.
pub(crate) fn remove(folder: &Path) -> Result<(), Error> {
    if let Ok(entries) = std::fs::read_dir(folder) {
        for below in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            remove(&below.path())?;
        }
    }
    match std::fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed(format!("removing {}", folder.display()), error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_that_is_gone_is_empty_and_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        assert!(processes(&gone).is_empty());
        assert!(set(&gone, "cgroup.kill", "1").is_err());
        assert!(!gone.exists());
        remove(&gone).unwrap();
    }
}
