//! The service as process 1 of a container without an init: it starts itself once more, passes signals on, and takes
//! the ends of processes that nobody else waits for. Process 1 inherits every orphan of its container; without this,
//! each would stay as a zombie.

use std::process::{Command, ExitCode};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// What is passed on to the service.
const PASSED_ON: [Signal; 6] =
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2];
/// What shells add to a signal's number for the exit code of who was ended by it.
const BY_SIGNAL: i32 = 128;

/// Whether this process is the first one of its PID namespace.
#[must_use]
pub fn is_first() -> bool {
    std::process::id() == 1
}

/// Takes signals from now on, whatever was blocked by who started this process.
///
/// # Errors
/// The system refused.
pub fn take_signals() -> std::io::Result<()> {
    Ok(SigSet::all().thread_unblock()?)
}

/// Runs this program with the same arguments, and ends with its exit code.
///
/// # Errors
/// It can't be started, or signals can't be waited for.
pub fn run() -> std::io::Result<ExitCode> {
    let mut signals: SigSet = PASSED_ON.into_iter().collect();
    signals.add(Signal::SIGCHLD);
    // Blocked before the start, so that none is missed; the started program takes them again by `take_signals`.
    signals.thread_block()?;
    let service = start()?;
    loop {
        match signals.wait()? {
            Signal::SIGCHLD => {
                if let Some(code) = take_ended(service) {
                    return Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)));
                }
            }
            // It may have ended this moment; then the next signal says so.
            signal => drop(kill(service, signal)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the service itself, not a function's process")]
fn start() -> std::io::Result<Pid> {
    let child = Command::new(std::env::current_exe()?).args(std::env::args_os().skip(1)).spawn()?;
    let pid = i32::try_from(child.id()).map_err(std::io::Error::other)?;
    Ok(Pid::from_raw(pid))
}

/// Takes every end there is; the service's exit code where its own is among them.
fn take_ended(service: Pid) -> Option<i32> {
    let mut code = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, ended)) if pid == service => code = Some(ended),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == service => {
                code = Some(BY_SIGNAL + signal as i32);
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return code,
            Ok(_) => {}
        }
    }
}
