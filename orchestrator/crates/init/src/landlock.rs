//! Landlock: what the program may do to files and other processes, as far as the kernel's version goes.
//!
//! A second wall behind the mounts, held by other code of the kernel. What may be executed is left to the mounts: code is
//! attached after the program was confined, and rights don't reach through a mount that comes later.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use cloudbox_protocol::control::Confinement;

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ: u64 = 1 << 2 | 1 << 3;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_BLOCK: u64 = 1 << 11;
const IOCTL_DEV: u64 = 1 << 15;
/// To sockets of other domains; those of the own one stay in reach.
const RESOLVE_UNIX: u64 = 1 << 16;
const ALL: u64 = (1 << 17) - 1;
/// Plain work with files.
const WORK: u64 = ALL & !(EXECUTE | MAKE_CHAR | MAKE_BLOCK | IOCTL_DEV | RESOLVE_UNIX);

/// What each version knows: so many rights over files, so many scopes.
const VERSIONS: [(u64, u64); 9] =
    [(13, 0), (14, 0), (15, 0), (15, 0), (16, 0), (16, 2), (16, 2), (16, 2), (17, 2)];

/// `struct landlock_ruleset_attr`: what is forbidden unless a rule allows it.
#[repr(C)]
struct Handled {
    files: u64,
    /// Binding and connecting of TCP: left to the network namespace.
    networks: u64,
    /// Abstract sockets and signals: never beyond the own domain, no rule allows it.
    scopes: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// The kernel's version of Landlock; 0 where it has none.
pub fn abi() -> u32 {
    const VERSION: libc::c_uint = 1;
    let none = std::ptr::null::<Handled>();
    // SAFETY: with this flag the kernel only tells its version.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0_usize, VERSION) };
    u32::try_from(abi).unwrap_or(0)
}

/// A domain to be entered.
pub struct Domain(OwnedFd);

impl Domain {
    /// For a program that is confined so; none where the kernel has no Landlock.
    ///
    /// # Errors
    /// The kernel has it and refused.
    pub fn new(confinement: &Confinement) -> io::Result<Option<Self>> {
        let version = (abi() as usize).min(VERSIONS.len());
        let Some((files, scopes)) = version.checked_sub(1).map(|at| VERSIONS[at]) else {
            return Ok(None);
        };
        let first = |count: u64| (1_u64 << count) - 1;
        let handled = Handled {
            files: first(files),
            // The network namespace has nothing but loopback, and that a function may use.
            networks: 0,
            scopes: first(scopes),
        };
        let domain = Self::handling(&handled)?;
        let workspace = if confinement.is_workspace_writable { WORK } else { 0 };
        for (path, rights) in [
            (c"/", READ | EXECUTE),
            (c"/tmp", WORK),
            (c"/dev", WRITE_FILE | IOCTL_DEV),
            (c"/proc", WRITE_FILE),
            (c"/workspace", workspace),
        ] {
            domain.allow(path, rights & handled.files)?;
        }
        Ok(Some(domain))
    }

    fn handling(handled: &Handled) -> io::Result<Self> {
        let size = size_of::<Handled>();
        let none: libc::c_uint = 0;
        // SAFETY: the kernel only reads the attributes, which outlive the call. Older ones take the longer form as long
        // as what they don't know is zero.
        let fd = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, handled, size, none) };
        match i32::try_from(fd) {
            // SAFETY: the kernel has just made this descriptor, for us alone, and closes it with `execve`.
            Ok(fd) if fd >= 0 => Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) })),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Beneath `path`, where there is such a folder.
    fn allow(&self, path: &CStr, allowed: u64) -> io::Result<()> {
        use nix::fcntl::{OFlag, open};
        const PATH_BENEATH: libc::c_int = 1;
        if allowed == 0 {
            return Ok(());
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let folder = match open(path, flags, nix::sys::stat::Mode::empty()) {
            Err(nix::errno::Errno::ENOENT) => return Ok(()),
            other => other?,
        };
        let rule = PathBeneath { allowed, parent: folder.as_raw_fd() };
        let none: libc::c_uint = 0;
        // SAFETY: the kernel only reads the rule, which outlives the call.
        match unsafe {
            libc::syscall(libc::SYS_landlock_add_rule, self.0.as_raw_fd(), PATH_BENEATH, &rule, none)
        } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// For this process, which must have `no_new_privs`, and all that it starts.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn enter(&self) -> io::Result<()> {
        let none: libc::c_uint = 0;
        // SAFETY: takes numbers only.
        match unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.0.as_raw_fd(), none) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
