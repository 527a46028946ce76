//! Who the sandbox is, and what its user may use: after this nothing of the service's rights is left.

use std::io;

use cloudbox_protocol::control::{SANDBOX_UID, Setup};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use crate::error::{Failed, Step};

/// NOROOT and NO_SETUID_FIXUP set and locked, KEEP_CAPS locked off: being uid 0 would mean nothing.
const SECUREBITS: libc::c_ulong = 0x2f;
const MIB: u64 = 1 << 20;

/// A session keyring of its own, empty. A kernel without keyrings needs none.
pub fn forget_keys() {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: a null name asks for a new anonymous keyring; no memory is read or written.
    unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) };
}

/// Sets the resource limits.
///
/// # Errors
/// The system refused one of them.
pub fn limit(setup: &Setup) -> Result<(), Failed> {
    use Resource::{
        RLIMIT_CORE, RLIMIT_FSIZE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_NOFILE, RLIMIT_NPROC,
        RLIMIT_RTPRIO, RLIMIT_SIGPENDING, RLIMIT_STACK,
    };
    let limits = [
        (RLIMIT_CORE, 0, 0),
        (RLIMIT_MEMLOCK, 64 << 10, 64 << 10),
        (RLIMIT_MSGQUEUE, 0, 0),
        (RLIMIT_RTPRIO, 0, 0),
        (RLIMIT_NICE, 0, 0),
        (RLIMIT_SIGPENDING, 256, 256),
        (RLIMIT_NOFILE, 1024, 1024),
        (RLIMIT_FSIZE, setup.max_file_bytes, setup.max_file_bytes),
        (RLIMIT_STACK, 8 * MIB, 64 * MIB),
    ];
    // It counts per user: with the service's own user it would count the service's processes.
    let processes = u64::from(setup.processes);
    let own_user = setup.host_uid.map(|_| (RLIMIT_NPROC, processes, processes));
    for (resource, soft, hard) in limits.into_iter().chain(own_user) {
        let (_, most) = getrlimit(resource).step("rlimits")?;
        setrlimit(resource, soft.min(most), hard.min(most)).step("rlimits")?;
    }
    Ok(())
}

/// Gives up every right. `is_mapped`: the sandbox has a user of its own on the host.
///
/// # Errors
/// The system refused a step.
pub fn drop_all(is_mapped: bool) -> Result<(), Failed> {
    drop_bounding_set().step("capabilities")?;
    prctl(libc::PR_SET_SECUREBITS, SECUREBITS, 0).step("securebits")?;
    let (uid, gid) = (Uid::from_raw(SANDBOX_UID), Gid::from_raw(SANDBOX_UID));
    if is_mapped {
        // Without root the kernel forbids it; then the service's own groups stay.
        setgroups(&[]).step("setgroups")?;
    }
    setresgid(gid, gid, gid).step("setresgid")?;
    setresuid(uid, uid, uid).step("setresuid")?;
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong, 0).step("capabilities")?;
    clear_capabilities().step("capabilities")
}

fn drop_bounding_set() -> io::Result<()> {
    for capability in 0..64 {
        match prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            // The kernel knows no more of them.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
            other => other?,
        }
    }
    Ok(())
}

fn clear_capabilities() -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let none = [0_u32; 6];
    // SAFETY: the header and the two sets of three words have the layout of version 3 and outlive the call.
    match unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn prctl(option: libc::c_int, second: libc::c_ulong, third: libc::c_ulong) -> io::Result<()> {
    let zero: libc::c_ulong = 0;
    // SAFETY: only options whose arguments are numbers are used here.
    match unsafe { libc::prctl(option, second, third, zero, zero) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
