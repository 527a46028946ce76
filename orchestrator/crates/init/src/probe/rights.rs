//! Who the program is: nobody, for good.

use std::fs;
use std::io;

use cloudbox_protocol::probe::Question;
use nix::unistd::{getegid, geteuid, getgid, getgroups, getuid};

use super::Seen;

/// The first version of Landlock that keeps signals inside.
const SCOPES_SIGNALS: u32 = 6;

/// No id is root's.
pub fn not_root(_: &Question) -> Seen {
    let ids = [getuid().as_raw(), geteuid().as_raw(), getgid().as_raw(), getegid().as_raw()];
    let groups: Vec<u32> =
        getgroups().unwrap_or_default().into_iter().map(nix::unistd::Gid::as_raw).collect();
    if ids.contains(&0) || groups.contains(&0) {
        return Err(format!("user {} and group {}, further groups {groups:?}", ids[0], ids[2]));
    }
    Ok(format!("user {}", ids[0]))
}

/// None of the five sets has one.
pub fn no_capabilities(_: &Question) -> Seen {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let mut sets = [0_u32; 6];
    // SAFETY: the header and the two sets of three words have the layout of version 3 and outlive the call.
    if unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) } != 0 {
        return Err(format!("they can't be asked for: {}", io::Error::last_os_error()));
    }
    if sets != [0; 6] {
        return Err(format!("effective, permitted and inheritable are {sets:x?}"));
    }
    for capability in 0..64 {
        let is_set: libc::c_ulong = libc::PR_CAP_AMBIENT_IS_SET as libc::c_ulong;
        let zero: libc::c_ulong = 0;
        // SAFETY: takes numbers only.
        let bounding =
            unsafe { libc::prctl(libc::PR_CAPBSET_READ, capability as libc::c_ulong, zero, zero, zero) };
        // SAFETY: takes numbers only.
        let ambient =
            unsafe { libc::prctl(libc::PR_CAP_AMBIENT, is_set, capability as libc::c_ulong, zero, zero) };
        if bounding == 1 || ambient == 1 {
            return Err(format!("capability {capability} is in the bounding or the ambient set"));
        }
    }
    Ok("all five sets are empty".to_owned())
}

/// No program brings new rights.
pub fn no_new_privileges(_: &Question) -> Seen {
    let zero: libc::c_ulong = 0;
    // SAFETY: this option takes no argument.
    match unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, zero, zero, zero, zero) } {
        1 => Ok("set for good".to_owned()),
        _ => Err("not set".to_owned()),
    }
}

/// The init, which has the same user, shows nothing of itself.
pub fn init_is_protected(_: &Question) -> Seen {
    for file in ["environ", "maps", "auxv"] {
        if fs::read(format!("/proc/1/{file}")).is_ok_and(|bytes| !bytes.is_empty()) {
            return Err(format!("its /proc/1/{file} can be read"));
        }
    }
    if fs::read_dir("/proc/1/fd").is_ok_and(|mut entries| entries.next().is_some()) {
        return Err("its descriptors can be listed".to_owned());
    }
    Ok("its memory and descriptors can't be reached".to_owned())
}

/// As far as the kernel's version goes.
pub fn landlock(question: &Question) -> Seen {
    let version = question.landlock_abi;
    match version {
        0 => Err("the kernel has none".to_owned()),
        1..SCOPES_SIGNALS => Ok(format!("version {version} of the kernel's interface")),
        _ => {
            // SAFETY: signal 0 only asks whether one could be sent.
            let is_sent = unsafe { libc::kill(1, 0) } == 0;
            if is_sent {
                return Err("a signal left the program's domain".to_owned());
            }
            Ok(format!("version {version} of the kernel's interface; a signal to the init was refused"))
        }
    }
}
