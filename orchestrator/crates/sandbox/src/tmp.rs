//! A sandbox's `/tmp`, sized again from outside: a generic spare has the default's size until a function is bound to it.

use std::fs::read_link;
use std::os::fd::OwnedFd;

use cloudbox_cgroup::Cgroup;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{FsPickFlags, fsconfig_reconfigure, fsconfig_set_string, fspick};
use rustix::thread::{CapabilitySet, capabilities};

use crate::Error;

/// Whether this service has the rights for it: over mounts, and to look through another process's root.
pub fn can_resize() -> bool {
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_PTRACE;
    capabilities(None).is_ok_and(|own| own.effective.contains(needed))
}

/// Gives the `/tmp` of a sandbox, in which nothing of a user has run yet, another size; blocks for some 50 µs.
///
/// # Errors
/// The sandbox is gone, or the kernel refused.
pub fn resize(cgroup: &dyn Cgroup, bytes: u64) -> Result<(), Error> {
    let tmp = find(cgroup).ok_or(Error::Gone)?;
    let resized = || {
        let fs = fspick(&tmp, "", FsPickFlags::FSPICK_EMPTY_PATH | FsPickFlags::FSPICK_CLOEXEC)?;
        fsconfig_set_string(&fs, "size", bytes.to_string())?;
        fsconfig_reconfigure(&fs)
    };
    resized().map_err(|error| Error::Setup {
        step: "tmp".to_owned(),
        message: format!("setting its size to {bytes} bytes: {error}"),
    })
}

/// The folder, through the root of one of the sandbox's processes.
fn find(cgroup: &dyn Cgroup) -> Option<OwnedFd> {
    let own = read_link("/proc/self/ns/mnt").ok()?;
    cgroup.processes().into_iter().find_map(|pid| {
        // A native sandbox's outer process is in the host's namespaces: its /tmp is the host's.
        if read_link(format!("/proc/{pid}/ns/mnt")).ok()? == own {
            return None;
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let tmp = openat(CWD, format!("/proc/{pid}/root/tmp"), flags, Mode::empty()).ok()?;
        // The id may have been given to another process between the list and the descriptor.
        cgroup.processes().contains(&pid).then_some(tmp)
    })
}
