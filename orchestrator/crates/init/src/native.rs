//! The native driver's set-up: what a container engine does, in the order of the security design.
//!
//! Two processes: the outer one stays in the host's namespaces, writes the inner one's uid map, and waits for it, so
//! that the service has a child to wait for; the inner one is PID 1 of the sandbox. As root all mounts and
//! namespaces belong to the host's user namespace, and the sandbox's own has no right over them; without root the
//! user namespace comes first.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process::ExitCode;

use cloudbox_protocol::control::{SANDBOX_UID, Setup};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getegid, geteuid, pipe2, setsid};

use crate::control::Control;
use crate::error::{Failed, Step};
use crate::{credentials, listen, mounts, runtime, serve, tell};

/// The descriptor on which the service hands the control socket over.
const SOCKET: RawFd = 0;

/// Asked by the inner process when it is in its user namespace, answered when its ids are mapped.
struct Handshake {
    ask: OwnedFd,
    answer: OwnedFd,
}

/// Sets a sandbox up and serves it.
pub fn main() -> ExitCode {
    let Ok(mut control) = take_control() else { return ExitCode::from(2) };
    match prepare(&mut control) {
        Ok(Some(inner)) => {
            // From here on the connection is the inner process's alone.
            drop(control);
            inner.supervise()
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(failed) => tell(&mut control, Err(failed)),
    }
}

/// The control socket, moved away from the standard descriptors, which become `/dev/null`.
fn take_control() -> io::Result<Control> {
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    // SAFETY: the driver opened descriptor 0 for this process; nothing else here uses it.
    let given = unsafe { std::os::fd::BorrowedFd::borrow_raw(SOCKET) };
    let moved = fcntl(given, FcntlArg::F_DUPFD_CLOEXEC(3))?;
    for target in 0..3 {
        // SAFETY: `null` is open, and the standard descriptors are owned by nothing here.
        if unsafe { libc::dup2(null.as_raw_fd(), target) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // SAFETY: `fcntl` has just made this descriptor, for us alone.
    Ok(Control::inherited(unsafe { std::os::fd::FromRawFd::from_raw_fd(moved) }))
}

/// The inner process, as the outer one sees it.
struct Inner {
    pid: Pid,
    host_uid: Option<u32>,
    asked: OwnedFd,
    answer: OwnedFd,
}

/// Everything up to the fork. In the inner process it goes on to serve, and ends with the program.
fn prepare(control: &mut Control) -> Result<Option<Inner>, Failed> {
    end_with_parent()?;
    runtime::close_on_exec_from(3).step("close_range")?;
    setsid().step("setsid")?;
    umask(Mode::empty());
    serve::raise_oom_score();
    let setup: Setup = control.receive().step("setup")?.ok_or(io::ErrorKind::UnexpectedEof).step("setup")?;
    if setup.host_uid.is_none() {
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        unshare(CloneFlags::CLONE_NEWUSER).step("user_namespace")?;
        std::fs::write("/proc/self/setgroups", "deny").step("user_namespace")?;
        map_ids("/proc/self", uid, gid).step("user_namespace")?;
        end_with_parent()?;
    }
    unshare(CloneFlags::CLONE_NEWPID).step("pid_namespace")?;
    let (asked, ask) = pipe2(OFlag::O_CLOEXEC).step("handshake")?;
    let (answered, answer) = pipe2(OFlag::O_CLOEXEC).step("handshake")?;
    // SAFETY: this process has one thread, so the child may do whatever the parent may.
    match unsafe { fork() }.step("fork")? {
        ForkResult::Parent { child } => {
            Ok(Some(Inner { pid: child, host_uid: setup.host_uid, asked, answer }))
        }
        ForkResult::Child => {
            drop((asked, answer));
            inner(control, &setup, Handshake { ask, answer: answered }).map(|()| None)
        }
    }
}

/// PID 1: the rest of the set-up, then its service.
fn inner(control: &mut Control, setup: &Setup, handshake: Handshake) -> Result<(), Failed> {
    end_with_parent()?;
    // A session's keys would be seen by every sandbox otherwise.
    credentials::forget_keys();
    unshare(CloneFlags::CLONE_NEWNS).step("mount_namespace")?;
    unshare(CloneFlags::CLONE_NEWIPC).step("ipc_namespace")?;
    unshare(CloneFlags::CLONE_NEWUTS).step("uts_namespace")?;
    unshare(CloneFlags::CLONE_NEWCGROUP).step("cgroup_namespace")?;
    nix::unistd::sethostname("sandbox").step("hostname")?;
    if !setup.has_host_network {
        unshare(CloneFlags::CLONE_NEWNET).step("network_namespace")?;
        raise_loopback().step("loopback")?;
        listen::open_low_ports();
    }
    let missing = mounts::set_up(setup)?;
    credentials::limit(setup)?;
    if setup.host_uid.is_some() {
        unshare(CloneFlags::CLONE_NEWUSER).step("user_namespace")?;
    }
    handshake.run().step("user_namespace")?;
    credentials::drop_all(setup.host_uid.is_some())?;
    // Changed credentials have cleared it.
    end_with_parent()?;
    nix::sys::prctl::set_no_new_privs().step("no_new_privs")?;
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    // Landlock and the filter of system calls are for the runtime alone: `runtime` puts them on before its `execve`.
    serve::harden()?;
    serve::serve(control, missing)
}

/// This process is killed when the thread that started it ends: also when the service is killed.
fn end_with_parent() -> Result<(), Failed> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).step("pdeathsig")
}

/// One id inside, one outside.
fn map_ids(process: &str, uid: u32, gid: u32) -> io::Result<()> {
    std::fs::write(format!("{process}/uid_map"), format!("{SANDBOX_UID} {uid} 1"))?;
    std::fs::write(format!("{process}/gid_map"), format!("{SANDBOX_UID} {gid} 1"))
}

impl Handshake {
    /// Fails where the outer process is gone: then nobody would be killed with it.
    fn run(self) -> io::Result<()> {
        std::fs::File::from(self.ask).write_all(b"?")?;
        std::fs::File::from(self.answer).read_exact(&mut [0])
    }
}

impl Inner {
    /// Maps the inner process's ids when it asks for it, and waits for its end.
    fn supervise(self) -> ExitCode {
        if std::fs::File::from(self.asked).read_exact(&mut [0]).is_ok() {
            let mapped = match self.host_uid {
                Some(uid) => map_ids(&format!("/proc/{}", self.pid), uid, uid),
                None => Ok(()),
            };
            // Without an answer the inner process tells the service of it.
            if mapped.is_ok() {
                let _ = std::fs::File::from(self.answer).write_all(b"!");
            }
        }
        loop {
            match waitpid(self.pid, None) {
                Ok(WaitStatus::Exited(_, code)) => return ExitCode::from(u8::try_from(code).unwrap_or(1)),
                Ok(WaitStatus::Signaled(..)) | Err(nix::errno::Errno::ECHILD) => return ExitCode::from(1),
                _ => {}
            }
        }
    }
}

/// A new network namespace has one device, which is down.
fn raise_loopback() -> io::Result<()> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: all bytes zero is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *slot = libc::c_char::from_ne_bytes([*byte]);
    }
    request.ifr_ifru.ifru_flags = i16::try_from(libc::IFF_UP).unwrap_or_default();
    // SAFETY: the request is a filled-in `ifreq` that outlives the call.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
