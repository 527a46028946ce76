//! The life after the set-up: starts the runtime when told, reaps, reports, and ends with the control connection.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use cloudbox_protocol::control::{FromInit, ToInit};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, pipe2};

use crate::control::Control;
use crate::error::{Failed, Step};
use crate::runtime::{Armed, Ends, Program};
use crate::{landlock, listen};

/// Functions die before the service when the machine runs out of memory. Children inherit it.
const OOM_SCORE: &[u8] = b"500";

/// What holds for the init itself in both drivers.
///
/// # Errors
/// The system refused.
pub fn harden() -> Result<(), Failed> {
    raise_oom_score();
    // The runtime has the same uid: it must neither trace the init nor read its memory and descriptors.
    nix::sys::prctl::set_dumpable(false).step("set_dumpable")
}

/// Where there is no /proc, or it belongs to root, the limits hold all the same.
pub fn raise_oom_score() {
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
}

/// Serves until the connection ends.
///
/// # Errors
/// A step that failed; the service is told.
pub fn serve(control: &mut Control, missing: Vec<String>) -> Result<(), Failed> {
    let signals = children_signal()?;
    let mut ends = Some(make_pipes(control, missing.clone())?);
    let mut runtime = None;
    let mut armed = None;
    loop {
        let mut ready = [
            PollFd::new(control.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut ready, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            other => other.step("poll")?,
        };
        let [has_message, has_signal] = ready.map(|fd| fd.any().unwrap_or(true));
        if has_signal {
            while matches!(signals.read_signal(), Ok(Some(_))) {}
            reap(control, &mut runtime)?;
        }
        if !has_message {
            continue;
        }
        match control.receive().step("control")? {
            None => return Ok(()),
            Some(ToInit::Processes) => {
                control.send(&FromInit::Processes { count: count_processes() }, &[]).step("control")?;
            }
            Some(ToInit::Restart) => {
                (runtime, armed) = (None, None);
                end_all()?;
                ends = Some(make_pipes(control, missing.clone())?);
            }
            Some(ToInit::Listen { datagrams, streams }) => listen::hand_over(control, datagrams, &streams)?,
            Some(ToInit::Arm { confinement }) => {
                armed = Some(Armed::fork(take(&mut ends)?, false, &confinement)?);
                control.send(&FromInit::Armed, &[]).step("control")?;
            }
            Some(ToInit::Start { argv, env, cwd, is_plain, confinement }) => {
                let process = match confinement {
                    Some(confinement) => Armed::fork(take(&mut ends)?, is_plain, &confinement)?,
                    // Where its stdout goes is decided.
                    None => armed
                        .take()
                        .filter(|_| !is_plain)
                        .ok_or(std::io::ErrorKind::NotFound)
                        .step("start")?,
                };
                let pid = process.start(&Program { argv, env, cwd })?;
                runtime = Some(pid);
                control.send(&FromInit::Started { pid: pid.as_raw() }, &[]).step("control")?;
            }
        }
    }
}

/// The runtime's ends, for the first that asks.
fn take(ends: &mut Option<Ends>) -> Result<Ends, Failed> {
    ends.take().ok_or(std::io::ErrorKind::AlreadyExists).step("start")
}

/// `SIGCHLD` as a descriptor.
fn children_signal() -> Result<SignalFd, Failed> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    set.thread_block().step("signals")?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).step("signals")
}

/// Makes the three pipes, sends the service its ends and forgets them, so that an end of stream can be seen.
fn make_pipes(control: &mut Control, missing: Vec<String>) -> Result<Ends, Failed> {
    let pipe = || -> Result<(OwnedFd, OwnedFd), Failed> {
        loop {
            let (read, write) = pipe2(OFlag::O_CLOEXEC).step("pipes")?;
            // 0 to 2 are the runtime's; where one of them is free, it is filled and left.
            if read.as_raw_fd() > 2 && write.as_raw_fd() > 2 {
                return Ok((read, write));
            }
            std::mem::forget((read, write));
        }
    };
    let (requests, service_requests) = pipe()?;
    let (service_answers, answers) = pipe()?;
    let (service_logs, logs) = pipe()?;
    let theirs = [&service_requests, &service_answers, &service_logs].map(AsRawFd::as_raw_fd);
    control.send(&FromInit::Ready { missing, landlock_abi: landlock::abi() }, &theirs).step("control")?;
    Ok(Ends { requests, answers, logs })
}

/// Collects every child that ended; tells of the runtime's end, and ends what it left behind.
fn reap(control: &mut Control, runtime: &mut Option<Pid>) -> Result<(), Failed> {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        let (pid, code, signal) = match status {
            WaitStatus::Exited(pid, code) => (pid, Some(code), None),
            WaitStatus::Signaled(pid, signal, _) => (pid, None, Some(signal as i32)),
            WaitStatus::StillAlive => break,
            _ => continue,
        };
        if *runtime == Some(pid) {
            *runtime = None;
            // Only as PID 1: elsewhere this would reach every process of the user.
            if getpid() == Pid::from_raw(1) {
                let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
            }
            control.send(&FromInit::Exited { code, signal }, &[]).step("control")?;
        }
    }
    Ok(())
}

/// Ends every other process and waits for each.
fn end_all() -> Result<(), Failed> {
    if getpid() != Pid::from_raw(1) {
        return Err(std::io::ErrorKind::Unsupported).step("restart");
    }
    // Again after each end, since one that forks at that moment may have been missed.
    while !matches!(kill(Pid::from_raw(-1), Signal::SIGKILL), Err(Errno::ESRCH)) {
        let _ = waitpid(None, None);
    }
    while waitpid(None, None).is_ok() {}
    Ok(())
}

/// How many processes there are besides this one; zombies are reaped before and not counted.
fn count_processes() -> u32 {
    let own = getpid().to_string();
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    let is_process = |name: &str| name != own && name.bytes().all(|byte| byte.is_ascii_digit());
    let count = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_process)).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}
